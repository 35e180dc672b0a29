package catalog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Reference returns the catalog as Markdown in lang ("ja", anything else English): docs/catalog.md and
// docs/catalog.ja.md. It lists every feature with its rows, and every source with its dates.
func (s *Snapshot) Reference(lang string) []byte {
	var b strings.Builder
	p := func(format string, t Text, args ...any) {
		fmt.Fprintf(&b, format+"\n\n", append([]any{t.In(lang)}, args...)...)
	}
	p("# %s", Text{JA: "カタログ", EN: "The catalog"})
	p("%s", Text{
		JA: "このページは組み込みのカタログから生成しています。直接編集しないでください。[English](catalog.md)",
		EN: "This page is generated from the built-in catalog; do not edit it. [日本語](catalog.ja.md)",
	})
	p("%s", Text{
		JA: "カタログは、情報源ごとの記述を 1 行ずつ別々に持ちます。「必須」は、その機能を使う場合に必須という意味です。情報源どうしの食い違いは `sekisho catalog check` で、1 つの機能の全体は `sekisho catalog show` で表示します。",
		EN: "Each row is what one source says; rows are never merged. Required means required where the feature is in use. `sekisho catalog check` lists where sources disagree, `sekisho catalog show` prints one feature in full.",
	})
	p("%s", Text{
		JA: "中かっこの名前は、`sekisho.yaml` の [`tenant`](configuration.ja.md#tenant) の値で埋まります。値がない行は閉じたままで、推測もワイルドカードへの拡大もしません。両端を挙げた行は、組織の中の通信です。ゲートウェイは通りません。",
		EN: "Names in braces are filled by the section [`tenant`](configuration.md#tenant) of `sekisho.yaml`. A row without its value stays closed; nothing is guessed or widened. Rows that name two ends are about traffic inside the organisation, which no gateway sees.",
	})
	c := s.Count()
	p("%s: %d / %d / %d / %d", Text{JA: "機能、行、ホスト、アドレス範囲の数", EN: "Features, rows, hosts, address ranges"}, len(s.features), c.Sets, c.Hosts, c.Prefixes)

	p("## %s", Text{JA: "機能", EN: "Features"})
	b.WriteString(Text{
		JA: "| 機能 | 名前 | 行 | 必須 | ホスト | アドレス範囲 | 情報源の日付 |\n", EN: "| Feature | Title | Rows | Required | Hosts | Address ranges | Dates of the sources |\n",
	}.In(lang) + "| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, f := range s.features {
		n := s.CountFeature(f.ID)
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %d | %d | %d | %d | %s |\n", f.ID, anchor(string(f.ID)), cell(f.Title.In(lang)),
			n.Sets, n.Required, n.Hosts, n.Prefixes, span(n))
	}
	b.WriteByte('\n')
	for _, f := range s.features {
		fmt.Fprintf(&b, "### `%s`\n\n", f.ID)
		p("%s: %s", f.Title, f.About.In(lang))
		if len(f.Requires) > 0 {
			var links []string
			for _, r := range f.Requires {
				links = append(links, fmt.Sprintf("[`%s`](#%s)", r, anchor(string(r))))
			}
			p("%s: %s", Text{JA: "あわせて必要な機能", EN: "Comes with"}, strings.Join(links, ", "))
		}
		b.WriteString(Text{
			JA: "| 行 | 名前 | 必須 | ポート | 通信先 | 条件 | 日付 |\n", EN: "| Row | Title | Required | Ports | Other end | For whom | Date |\n",
		}.In(lang) + "| --- | --- | --- | --- | --- | --- | --- |\n")
		for _, id := range f.Claims {
			s.setByID[id].referenceRow(&b, lang)
		}
		b.WriteByte('\n')
	}

	p("## %s", Text{JA: "情報源", EN: "Sources"})
	b.WriteString(Text{JA: "| ID | 名前 | 日付 | 確認した日 |\n", EN: "| ID | Title | Date | Read |\n"}.In(lang) + "| --- | --- | --- | --- |\n")
	for _, src := range s.sources {
		title := cell(src.Title.In(lang))
		if src.URL != "" {
			title = "[" + title + "](" + src.URL + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", src.ID, title, dateCell(src, lang), src.Read.Format(time.DateOnly))
	}
	return []byte(b.String())
}

func (set *Set) referenceRow(b *strings.Builder, lang string) {
	need := Text{JA: "任意", EN: "no"}
	if set.Required {
		need = Text{JA: "必須", EN: "yes"}
	}
	var ends []string
	code := func(name string) { ends = append(ends, "`"+name+"`") }
	for _, p := range set.Patterns {
		code(p.String())
	}
	for _, u := range set.URLs {
		code(u.String())
	}
	for _, t := range set.Templates {
		code(t.String())
	}
	for _, t := range set.Tags {
		ends = append(ends, Text{JA: "サービス タグ ", EN: "service tag "}.In(lang)+"`"+t+"`")
	}
	if n := len(set.Prefixes); n > 0 {
		ends = append(ends, Text{JA: "アドレス範囲 " + strconv.Itoa(n) + " 個", EN: strconv.Itoa(n) + " address ranges"}.In(lang))
	}
	if !set.Between.IsZero() {
		ends = append(ends, cell(Text{
			JA: set.Between.From.JA + " から " + set.Between.To.JA + " へ", EN: "from " + set.Between.From.EN + " to " + set.Between.To.EN,
		}.In(lang)))
	}
	if set.Anywhere {
		ends = append(ends, Text{JA: "相手先を問わない", EN: "anywhere"}.In(lang))
	}
	if !set.Withdrawn.IsZero() {
		ends = append(ends, Text{JA: "取り下げ済み ", EN: "withdrawn "}.In(lang)+set.Withdrawn.Format(time.DateOnly))
	}
	var whom []string
	if !set.Condition.IsZero() {
		whom = append(whom, cell(set.Condition.In(lang)))
	}
	for _, w := range set.When.Clouds {
		whom = append(whom, "`tenant.cloud: "+w+"`")
	}
	if len(set.When.Locations) > 0 {
		whom = append(whom, "`tenant.location: "+strings.Join(set.When.Locations, " ")+"`")
	}
	if set.When.SeamlessSSO != NotStated {
		whom = append(whom, "`tenant.seamless-sso: "+strconv.FormatBool(set.When.SeamlessSSO == Yes)+"`")
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", set.ID, cell(set.Title.In(lang)), need.In(lang), set.Ports,
		strings.Join(ends, " "), strings.Join(whom, "; "), dateCell(set.Source, lang))
}

// cell keeps a text within one cell of a table.
func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "<", "&lt;") }

// anchor is the link target that a heading of code gets.
func anchor(s string) string { return strings.ReplaceAll(s, ".", "") }

func dateCell(s *Source, lang string) string {
	if text := s.DateText(); text != "" {
		return text
	}
	return Text{JA: "不明", EN: "unknown"}.In(lang)
}

// span is the range of dates of a feature's sources.
func span(c Count) string {
	if c.Oldest.IsZero() {
		return "-"
	}
	oldest, newest := c.Oldest.Format("2006-01"), c.Newest.Format("2006-01")
	if oldest == newest {
		return oldest
	}
	return oldest + " - " + newest
}
