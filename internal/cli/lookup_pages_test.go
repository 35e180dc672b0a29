package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/cli"
	"sekisho/internal/endpoint"
)

// said is one thing that a page or a gathered fact says: the set that lookup is to find for a name or an address, and
// what that set is to say. An empty string says nothing.
type said struct {
	target, set, cloud, ports, category, required, feature string
}

// found is what lookup prints of a set.
type found struct {
	ID       string
	Feature  string
	Features []struct{ ID string }
	Category string
	Required bool
	Ports    string
}

// lookedUp runs one lookup over all targets and returns what it found for each.
func lookedUp(t *testing.T, all []said) map[string][]found {
	t.Helper()
	var in, out, complaints bytes.Buffer
	for _, s := range all {
		fmt.Fprintln(&in, s.target)
	}
	code := cli.Run(t.Context(), cli.System{In: &in, Out: &out, Err: &complaints, Getenv: func(string) string { return "" }, Version: "test"},
		[]string{"lookup", "-", "-o", "jsonl", "--data", t.TempDir()})
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complaints.String())
	}
	answers := map[string][]found{}
	for line := range bytes.Lines(out.Bytes()) {
		var a struct {
			Target string
			Sets   []found
		}
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		answers[a.Target] = a.Sets
	}
	return answers
}

// missing returns what lookup does not find as it was said.
func missing(all []said, answers map[string][]found) (out []said) {
	for _, s := range all {
		if !slices.ContainsFunc(answers[s.target], func(f found) bool {
			id := strings.Split(f.ID, "/")
			return (s.set == "" || f.ID == s.set) && (s.cloud == "" || id[1] == s.cloud) && (s.ports == "" || covers(f.Ports, s.ports) && (s.set == "" || covers(s.ports, f.Ports))) &&
				(s.category == "" || f.Category == s.category) && (s.required == "" || strconv.FormatBool(f.Required) == s.required) &&
				(s.feature == "" || slices.ContainsFunc(f.Features, func(x struct{ ID string }) bool { return x.ID == s.feature })) && f.Feature != ""
		}) {
			out = append(out, s)
		}
	}
	return out
}

// covers reports whether have opens all that want does. Of a page's row, whose set is known, both are wanted: the row
// opens no more. Facts that several rows speak of may be a part of one.
func covers(have, want string) bool {
	h, err := endpoint.ParsePorts(have)
	w, err2 := endpoint.ParsePorts(want)
	return err == nil && err2 == nil && h.Union(w).Equal(h)
}

func page(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		t.Skip("SEKISHO_REFERENCE is not set: it names the folder with the pages' facts")
	}
	files, err := filepath.Glob(filepath.Join(dir, name))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v %v", name, files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// one puts a letter where a pattern has its star.
func one(pattern string) string { return strings.ReplaceAll(strings.ToLower(pattern), "*", "a") }

var (
	// A row of the Intune page's tables: number, title, category with need, ExpressRoute, addresses, ports. Its cells
	// end in "|" and have line breaks in them.
	intuneRow = regexp.MustCompile(`(?s)\n(\d+) \| ([^|]*?)\| ([^|]*?)\|\s*([^|]*?)\| ([^|]*?)\|\s*(TCP|UDP): ([0-9、 ]+?) \|`)
	unitRow   = regexp.MustCompile(`(?s)\n((?:AMSU[A-D]\d{4} ?)+)\|\s*([a-z ]+?)\|\s*([a-z. ]+?)\|\s*TCP: 443 \|`)
	network   = regexp.MustCompile(`^[0-9.]+/\d+$`)
)

// intunePage is everything that page 001 says in its tables and in its text.
func intunePage(t *testing.T) (all []said) {
	text := page(t, "../seeds/001_*.txt")
	rows := map[string]int{}
	for _, m := range intuneRow.FindAllStringSubmatch(text, -1) {
		id := m[1]
		if rows[id]++; rows[id] > 1 {
			id += "#" + strconv.Itoa(rows[id])
		}
		s := said{
			set: "intune-page/worldwide/" + id, required: strconv.FormatBool(strings.Contains(m[3], "必須")),
			ports: strings.ToLower(m[6]) + "/" + strings.ReplaceAll(strings.ReplaceAll(m[7], "、", ","), " ", ""),
		}
		for word, category := range map[string]string{"許可": "allow", "既定値": "default", "最適化": "optimize"} {
			if strings.Contains(m[3], word) {
				s.category = category
			}
		}
		if s.category == "" {
			t.Errorf("row %s: category cell %q", id, m[3])
		}
		for _, word := range strings.FieldsFunc(m[5], func(r rune) bool { return r == ' ' || r == ',' || r == '\n' }) {
			s.target = word
			if !network.MatchString(word) {
				s.target = one(word)
			}
			all = append(all, s)
			if network.MatchString(word) { // and an address of it
				s.target, _, _ = strings.Cut(word, "/")
				all = append(all, s)
			}
		}
	}
	if len(rows) != 20 || rows["172"] != 2 {
		t.Fatalf("rows of the page's tables: %v", rows)
	}
	units := unitRow.FindAllStringSubmatch(text, -1)
	if len(units) != 3 {
		t.Fatalf("the scale-unit table has %d rows", len(units))
	}
	for i, m := range units {
		for _, host := range strings.Fields(m[3]) {
			all = append(all, said{target: host, set: "intune-page/worldwide/scripts-win32-" + []string{"na", "eu", "ap"}[i], ports: "tcp/443", required: "true"})
		}
	}
	// What stands in the text: where it begins, where it ends, and which set it is.
	for _, part := range []struct{ from, to, set, ports string }{
		{"Microsoft Store API (AppInstallManager):", "Windows Update エージェント:", "store-api", ""},
		{"Microsoft でホストされる Win32 アプリ フォールバック キャッシュ:", "配信の最適化 (オプション", "store-fallback-cache", ""},
		{"テナントの場所を見つけるには、Intune管理センター", "ビジネス展開サービス", "attestation", "tcp/443"},
		{"デバイス正常性構成証明レポートに既存の", "が引き続き使用され", "device-health-attestation", "tcp/443"},
		{"Defender for Endpoint セキュリティ設定の管理", "エンドポイント特権管理をサポートするには", "defender-settings", ""},
		{"エンドポイント特権管理をサポートするには", "*.events.data", "endpoint-privilege", "tcp/443"},
		{"*.events.data.microsoft.com - Intuneマネージド", "オプションのレポート", "endpoint-privilege-reporting", "tcp/443"},
		{"クライアントと配信の最適化クラウド サービス間の通信", "ID | 指定", "172#2", "tcp/80,443"},
	} {
		_, after, ok := strings.Cut(text, part.from)
		inner, _, ok2 := strings.Cut(after, part.to)
		hosts := regexp.MustCompile(`[*a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net)`).FindAllString(part.from+inner, -1)
		if !ok || !ok2 || len(hosts) == 0 {
			t.Fatalf("the page has no part %q", part.from)
		}
		for _, host := range hosts {
			all = append(all, said{target: one(host), set: "intune-page/worldwide/" + part.set, ports: part.ports})
		}
	}
	return all
}

// TestLookupFindsWhatTheIntunePageSays reads page 001 and looks everything up that it names: each name and address
// leads to the set of its row, with the row's ports, category and need.
func TestLookupFindsWhatTheIntunePageSays(t *testing.T) {
	all := intunePage(t)
	if len(all) < 217 {
		t.Fatalf("the page says only %d things", len(all))
	}
	answers := lookedUp(t, all)
	for _, s := range missing(all, answers) {
		t.Errorf("lookup of %s does not find %+v but %+v", s.target, s, answers[s.target])
	}
	// The comparison can fail: each thing said wrong, in whatever respect, is not found.
	for _, s := range all {
		for what, wrong := range map[string]said{
			"set":      {target: s.target, set: s.set + "0"},
			"ports":    {target: s.target, set: s.set, ports: "tcp/8443"},
			"category": {target: s.target, set: s.set, category: "other"},
			"need":     {target: s.target, set: s.set, required: map[string]string{"true": "false", "false": "true"}[s.required]},
			"target":   {target: "x" + s.target + ".example.net", set: s.set},
		} {
			if wrong.required == "" && what == "need" {
				continue
			}
			if len(missing([]said{wrong}, answers)) == 0 {
				t.Errorf("%s: the %s may be wrong, and lookup is said to find it: %+v", s.target, what, wrong)
			}
		}
	}
}

// TestLookupFindsWhatTheArticleLinksTo looks up every row of the facts behind the links of page 000 and behind page
// 001: hosts, addresses and URLs of each cloud, with ports and need.
func TestLookupFindsWhatTheArticleLinksTo(t *testing.T) {
	clouds := map[string][]string{"public": {"worldwide"}, "usgov": {"usgov", "usgovgcchigh", "usgovdod"}, "china": {"china"}}
	var all []said
	files, err := filepath.Glob(filepath.Join(os.Getenv("SEKISHO_REFERENCE"), "endpoints", "features", "*.json"))
	if err != nil || len(files) < 17 {
		page(t, "endpoints/features/*-terms-of-use.json") // skips without the reference
		t.Fatalf("%d files of facts (%v)", len(files), err)
	}
	several := map[int][]said{} // what one fact may be found as: US Government has three lists
	for _, file := range files {
		var facts struct {
			Rows []struct {
				Host, Kind, Cloud string
				Required          *bool
				AlternativeOf     string `json:"alternative_of"`
				Ports             []struct {
					Proto string
					Port  any
				}
			}
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, r := range facts.Rows {
			if r.Kind == "service_tag" || strings.ContainsAny(r.Host, "<{") || r.AlternativeOf != "" || clouds[r.Cloud] == nil {
				continue // named by tag, filled by the organisation's values, or no host at all: tests of catalog and explain
			}
			var words []string
			for _, p := range r.Ports {
				words = append(words, fmt.Sprintf("%s/%v", p.Proto, p.Port))
			}
			target := one(r.Host)
			switch {
			case r.Kind == "url_path":
				target, _, _ = strings.Cut(target, "/")
				words = nil // the scheme of the URL says the port
			case strings.Contains(target, "/") && !network.MatchString(target) && !strings.Contains(target, ":"):
				target, _, _ = strings.Cut(target, "/")
			}
			if target == "certauth.enterpriseregistration.windows.net" {
				words = nil // taken from row 59 of the Intune page
			}
			var one []said
			for _, cloud := range clouds[r.Cloud] {
				s := said{target: target, cloud: cloud, ports: strings.Join(words, " ")}
				if r.Required != nil {
					s.required = strconv.FormatBool(*r.Required)
				}
				one = append(one, s)
			}
			several[len(several)] = one
			all = append(all, one...)
		}
	}
	if len(several) < 1000 {
		t.Fatalf("only %d facts", len(several))
	}
	answers := lookedUp(t, all)
	for i := range len(several) {
		if len(missing(several[i], answers)) == len(several[i]) {
			t.Errorf("lookup of %s does not find %+v but %+v", several[i][0].target, several[i], answers[several[i][0].target])
		}
	}
}
