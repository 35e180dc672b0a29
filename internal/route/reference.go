package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// examples are the targets of the table in docs/route.md.
var examples = []struct {
	target string
	what   catalog.Text
}{
	{"20.190.128.1", catalog.Text{JA: "Entra ID", EN: "Entra ID"}},
	{"management.azure.com", catalog.Text{JA: "Azure Resource Manager", EN: "Azure Resource Manager"}},
	{"52.112.0.1", catalog.Text{JA: "Teams", EN: "Teams"}},
	{"devicemgmt-cdn.teams.microsoft.com", catalog.Text{JA: "Azure Front Door", EN: "Azure Front Door"}},
	{"ocsp.digicert.com", catalog.Text{JA: "証明機関", EN: "a certificate authority"}},
	{"windowsupdate.com", catalog.Text{JA: "Windows Update (CDN)", EN: "Windows Update (content network)"}},
	{"10.20.0.1", catalog.Text{JA: "仮想ネットワーク", EN: "a virtual network"}},
}

// asked are the features of the frequent questions.
var asked = []catalog.FeatureID{"entra.sign-in", "intune.core", "intune.apple", "intune.android-enterprise", "m365.exchange", "m365.sharepoint", "m365.teams"}

// Reference returns the generated part of docs/route.md in lang ("ja", anything else English): what each connection
// pattern does for examples, the frequent questions answered from the built-in catalog, and the communities of regions and
// services. word words a code: "state.yes", "pattern.internet".
func Reference(lang string, word func(id string) string) string {
	b := NewBook(Spec{Circuits: []Circuit{{Name: "example", Location: Location{Name: "Tokyo", Area: "Japan", Local: "japaneast"}, Private: true, Microsoft: true,
		VNets: prefixes("10.20.0.0/16")}}})
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }
	say := func(ja, en string) string { return catalog.Text{JA: ja, EN: en}.In(lang) }

	p("### %s\n\n%s\n\n| %s |", say("接続パターンと通信先", "Connections and targets"),
		say("組み込みのカタログと、ルート フィルターのない Standard 回線 (東京) から計算した判定です。", "Computed from the built-in catalog and a Standard circuit in Tokyo without a route filter."), say("通信先", "Target"))
	for _, pattern := range Patterns() {
		p(" %s |", word("pattern."+pattern.String()))
	}
	p("\n|%s\n", strings.Repeat(" --- |", len(Patterns())+1))
	for _, e := range examples {
		var a Answer
		if addr, err := netip.ParseAddr(e.target); err == nil {
			a = b.Address(addr)
		} else {
			a = b.Host(endpoint.Host(e.target), nil)
		}
		p("| `%s` (%s) |", e.target, e.what.In(lang))
		for _, pattern := range Patterns() {
			v := a.Verdict(pattern)
			p(" %s `%s` |", word("state."+v.State.String()), v.Reason)
		}
		p("\n")
	}

	p("\n### %s\n\n%s\n\n| %s | %s | %s |\n| --- | --- | --- |\n", say("完全閉域で利用できますか", "Can it be used on a closed network alone?"),
		say("`sekisho route closed` の答えと、インターネットが必要なものの種類です。", "The answers of `sekisho route closed`, and what needs the Internet."),
		say("機能", "Feature"), say("答え", "Answer"), say("インターネットが必要なもの", "Needs the Internet"))
	for _, c := range b.Closed(asked, nil) {
		var kinds []string
		for _, k := range Kinds() {
			if slices.ContainsFunc(c.Outside, func(o Outside) bool { return o.Kind == k }) {
				kinds = append(kinds, word("kind-of."+string(k)))
			}
		}
		p("| `%s` %s | %s | %s |\n", c.Feature, c.Title.In(lang), word("closed."+c.Answer.String()), strings.Join(kinds, "; "))
	}

	p("\n### %s\n\n| %s | %s | %s |\n| --- | --- | --- |\n", say("サービスのコミュニティ", "Communities of services"), say("コミュニティ", "Community"), say("サービス", "Service"), say("承認", "Approval"))
	for _, k := range services {
		approval := say("不要", "no")
		switch {
		case k.Approval:
			approval = say("必要 (Premium 回線も必要)", "yes, and a Premium circuit")
		case k.Restricted:
			approval = say("特別な用途のみ", "special cases alone")
		}
		p("| `%s` | %s | %s |\n", k.Community, k.Title.In(lang), approval)
	}
	p("\n### %s\n\n%s\n\n| %s | %s | %s | %s |\n| --- | --- | --- | --- |\n", say("リージョンのコミュニティ", "Communities of regions"),
		say("Microsoft のページに記載のないリージョンは番号がわかりません。bgpServiceCommunities のエクスポートで確認してください。", "Where Microsoft's page prints none, the number is not known; an export of bgpServiceCommunities has it."),
		say("リージョン", "Region"), say("サービス タグ", "Service tag"), say("地政学的地域", "Geopolitical area"), say("コミュニティ", "Community"))
	for _, r := range regions {
		number := say("記載なし", "not printed")
		if c, ok := r.Community(); ok {
			number = "`" + c.String() + "`"
		}
		area := r.Area
		if area == "" {
			area = "-"
		}
		p("| %s | `AzureCloud.%s` | %s | %s |\n", r.Title, r.Tag, area, number)
	}
	p("\n### %s\n\n| %s | %s |\n| --- | --- |\n", say("出典", "Sources"), say("ページ", "Page"), say("日付", "Date"))
	for _, s := range Sources() {
		date := s.Date
		if date == "" {
			date = say("不明", "unknown")
		}
		p("| [%s](%s) | %s |\n", s.Title.In(lang), s.URL, date)
	}
	return out.String()
}
