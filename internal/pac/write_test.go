package pac_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/pac"
	"sekisho/internal/pac/eval"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

const contosoID = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"

const proxy = "PROXY proxy.example.com:3128; HTTPS proxy2.example.com:3129"

func program(t testing.TB, direct ...string) *policy.Program {
	t.Helper()
	spec := policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}, {Text: "intune.core"}},
		Hosts:    []policy.HostSpec{{Pattern: policy.At{Text: "*.example.com"}}},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: contosoID}}, Context: restrict.At{Text: contosoID}}},
		Rings:    []policy.RingSpec{{Name: "all", Profile: policy.At{Text: "staff"}}},
	}
	for _, d := range direct {
		spec.PACDirect = append(spec.PACDirect, policy.At{Text: d})
	}
	p, found := policy.Compile(spec, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return p
}

var directs = []string{"intranet.example.com", "*.corp.example.jp", "*cdn.example.net", "files.*.example.org", "host"}

func input(t testing.TB) pac.Input {
	return pac.Input{
		Program: program(t, directs...), Catalog: catalog.Builtin(),
		Proxies: []string{"proxy.example.com:3128", "https://proxy2.example.com:3129", "proxy.example.com:3128"},
		Own:     []string{"http://proxy.example.com:3180/proxy.pac", "192.0.2.7:3180", "[2001:db8::7]:3180"},
	}
}

func write(t testing.TB, in pac.Input) []byte {
	t.Helper()
	src, err := pac.Write(in)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestAnswers(t *testing.T) {
	s, err := eval.Compile(t.Context(), write(t, input(t)), eval.Options{Resolve: func(host string) []netip.Addr {
		t.Errorf("the file asked for the address of %s", host)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ host, want string }{
		{"login.microsoftonline.com", proxy},
		{"LOGIN.microsoftonline.com.", proxy},
		{"device.login.microsoftonline.com", proxy},
		{"sts.windows.net", proxy},
		{"manage.microsoft.com", proxy},
		{"www.example.jp", proxy},
		{"pay.example.com", proxy},
		{"intranet.example.com", "DIRECT"},
		{"INTRANET.Example.com.", "DIRECT"},
		{"intranet.example.com..", proxy},
		{"x.intranet.example.com", proxy},
		{"xintranet.example.com", proxy},
		{"a.corp.example.jp", "DIRECT"},
		{"a.b.corp.example.jp", "DIRECT"},
		{"corp.example.jp", proxy},
		{"evilcorp.example.jp", proxy},
		{"a.corp.example.jp.evil.example.org", proxy},
		{"site-cdn.example.net", "DIRECT"},
		{"a.cdn.example.net", "DIRECT"},
		{"cdn.example.net", proxy},
		{"files.tokyo.example.org", "DIRECT"},
		{"files.a.b.example.org", proxy},
		{"files..example.org", proxy},
		{"host", "DIRECT"},
		{"constructor", proxy},
		{"hasOwnProperty", proxy},
		{"__proto__", proxy},
		{"", proxy},
		{".", proxy},
		{"proxy.example.com", "DIRECT"},
		{"proxy2.example.com", proxy},
		{"192.0.2.7", "DIRECT"},
		{"192.0.2.8", proxy},
		{"[2001:db8::7]", "DIRECT"},
		{"2001:db8::7", "DIRECT"},
		{"localhost", "DIRECT"},
		{"a.localhost", "DIRECT"},
		{"notlocalhost", proxy},
		{"127.0.0.1", "DIRECT"},
		{"127.0.0.1.example.jp", proxy},
		{"127.1", proxy},
		{"127.0.0.256", proxy},
		{"127.0.0.0x1", proxy},
		{"[::1]", "DIRECT"},
		{"20.190.128.5", proxy},
	}
	for _, test := range tests {
		got, err := s.Find(t.Context(), "https://"+test.host+"/", test.host)
		if err != nil || got != test.want {
			t.Errorf("%q: %q, %v; want %q", test.host, got, err, test.want)
		}
	}
}

// TestFileAndPolicyAgree runs the file for thousands of hosts around the catalog's and the administrator's: DIRECT
// exactly where the policy says so, and never for a host of a class.
func TestFileAndPolicyAgree(t *testing.T) {
	in := input(t)
	in.Own = nil
	s, err := eval.Compile(t.Context(), write(t, in), eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Each kind is drawn equally often, however large the catalog grows.
	var classes, sets []string
	for _, k := range in.Catalog.Classes() {
		classes = append(classes, k.Pattern.String())
	}
	for _, set := range in.Catalog.Sets() {
		for _, p := range set.Patterns {
			sets = append(sets, p.String())
		}
	}
	kinds := [][]string{directs, classes, sets}
	r := rand.New(rand.NewPCG(5, 6))
	label := func() string { return string("abcxyz019"[r.IntN(9)]) + []string{"", "-a", "q7"}[r.IntN(3)] }
	n, direct, classified := 0, 0, 0
	for n < 6000 {
		seeds := kinds[r.IntN(len(kinds))]
		text := strings.ReplaceAll(seeds[r.IntN(len(seeds))], "*", label())
		switch r.IntN(6) {
		case 0:
			text = label() + "." + text
		case 1:
			text = label() + text
		case 2:
			text += "." + label() + ".jp"
		case 3:
			_, text, _ = strings.Cut(text, ".")
		}
		h, err := endpoint.ParseHost(text)
		if err != nil || h == "localhost" {
			continue
		}
		n++
		want := false
		for _, p := range in.Program.PACDirect() {
			want = want || p.Match(h)
		}
		class := in.Catalog.Classify(h).Class
		if class != catalog.Ordinary {
			classified++
			if want {
				t.Fatalf("%s (%v) is DIRECT by the policy", h, class)
			}
		}
		spelled := string(h)
		if r.IntN(3) == 0 {
			spelled = strings.ToUpper(spelled) + "."
		}
		answer, err := s.Find(t.Context(), "https://"+spelled+"/", spelled)
		if err != nil {
			t.Fatal(err)
		}
		if (answer == "DIRECT") != want || !want && answer != proxy {
			t.Fatalf("%s: %q, the policy says direct %v", spelled, answer, want)
		}
		if want {
			direct++
		}
	}
	if direct < 50 || classified < 500 {
		t.Errorf("%d direct and %d classified of %d: the generator is broken", direct, classified, n)
	}
}

func TestTheFileIsPlainAndAlwaysTheSame(t *testing.T) {
	in := input(t)
	src := write(t, in)
	if !bytes.Equal(src, write(t, input(t))) {
		t.Error("the same input gives other bytes")
	}
	for i, b := range src {
		if b != '\n' && (b < ' ' || b > '~') {
			t.Fatalf("byte %d is %#x", i, b)
		}
	}
	for _, word := range []string{in.Catalog.Version(), in.Program.Hash()} {
		if !bytes.Contains(src[:bytes.IndexByte(src, '\n')], []byte(word)) {
			t.Errorf("the first line does not name %q", word)
		}
	}
	for _, word := range []string{"shExpMatch", "dnsDomainIs", "dnsResolve", "isInNet", "myIpAddress", "isResolvable", "=>", "let ", "const ", "endsWith", "RegExp"} {
		if bytes.Contains(src, []byte(word)) {
			t.Errorf("the file uses %s", word)
		}
	}
	if list := pac.Lint(src); len(list) != 0 {
		t.Errorf("lint: %+v", list)
	}
	list, err := eval.Lint(t.Context(), "", src, in.Catalog)
	if err != nil || len(list) != 0 {
		t.Errorf("eval.Lint: %+v, %v", list, err)
	}
	file := filepath.Join("testdata", "proxy.pac")
	// The version and the hash change with every catalog; the guarded names with its classes only.
	got := strings.NewReplacer(in.Catalog.Version(), "VERSION", in.Program.Hash(), "HASH").Replace(string(src))
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; UPDATE=1 rewrites it. Got:\n%s", file, got)
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*pac.Input)
		says   string
	}{
		{"no-policy", func(in *pac.Input) { in.Program = nil }, "policy"},
		{"no-catalog", func(in *pac.Input) { in.Catalog = nil }, "catalog"},
		{"no-proxy", func(in *pac.Input) { in.Proxies = nil }, "no proxy"},
		{"proxy-without-port", func(in *pac.Input) { in.Proxies = []string{"proxy.example.com"} }, "proxy.example.com"},
		{"proxy-with-a-quote", func(in *pac.Input) { in.Proxies = []string{`a"; alert(1); "b.example.com:1`} }, "proxy"},
		{"own-server-is-no-url", func(in *pac.Input) { in.Own = []string{"http://"} }, "own server"},
		{"own-server-has-a-sign-in-name", func(in *pac.Input) { in.Own = []string{"http://login.microsoftonline.com/crl"} }, "sign-in"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := input(t)
			test.change(&in)
			src, err := pac.Write(in)
			if err == nil || src != nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%d bytes, error %v", len(src), err)
			}
		})
	}
}

func TestLint(t *testing.T) {
	const good = "function FindProxyForURL(url, host) {\n  return \"PROXY p:1\";\n}\n"
	tests := []struct {
		name, src, code string
		line, column    int
		args            string
	}{
		{"clean", good, "", 0, 0, ""},
		{"dns", "function FindProxyForURL(u, h) {\n  if (isInNet(h, '10.0.0.0', '255.0.0.0')) { return 'PROXY p:1'; }\n}", "pac.dns-function", 2, 7, "isInNet"},
		{"my-address", "function FindProxyForURL(u, h) { return myIpAddress(); }", "pac.dns-function", 1, 41, "myIpAddress"},
		{"dns-name-in-comment", "// isInNet(h)\n/* dnsResolve(h)\n */" + good, "", 0, 0, ""},
		{"dns-name-in-text", good + "var x = 'isInNet(1)';", "", 0, 0, ""},
		{"dns-name-as-member", good + "var x = y.isInNet(1);", "", 0, 0, ""},
		{"arrow", "var FindProxyForURL = (u, h) => 'PROXY p:1';", "pac.newer-syntax", 1, 30, "=>"},
		{"let", good + "let x = 1;", "pac.newer-syntax", 4, 1, "let"},
		{"const", good + "  const x = 1;", "pac.newer-syntax", 4, 3, "const"},
		{"template", good + "var x = `a`;", "pac.newer-syntax", 4, 9, "`"},
		{"class-as-key", good + "var x = {class: 1};", "", 0, 0, ""},
		{"lookalike", "function FindProxyForURL(u, h) { if (dnsDomainIs(h, 'login.live.com')) { return 'PROXY p:1'; } }", "pac.lookalike", 1, 38, "evillogin.live.com"},
		{"dotted-is-no-lookalike", "function FindProxyForURL(u, h) { return dnsDomainIs(h, '.live.com'); }", "", 0, 0, ""},
		{"glob-lookalike", "function FindProxyForURL(u, h) { return shExpMatch(h, '*live.com'); }", "pac.lookalike", 1, 41, "evillive.com"},
		{"glob-open-end", "function FindProxyForURL(u, h) { return shExpMatch(h, 'login.live.com*'); }", "pac.lookalike", 1, 41, "login.live.com.evil.example"},
		{"glob-of-addresses", "function FindProxyForURL(u, h) { return shExpMatch(h, '10.1.*'); }", "", 0, 0, ""},
		{"glob-of-url", "function FindProxyForURL(url, h) { return shExpMatch(url, 'https://a.example/*'); }", "pac.url-match", 1, 43, ""},
		{"found-anywhere", "function FindProxyForURL(u, h) { return h.indexOf('login.live.com') >= 0; }", "pac.lookalike", 1, 43, "login.live.com.evil.example"},
		{"found-dot", "function FindProxyForURL(u, h) { return h.indexOf('.') >= 0; }", "", 0, 0, ""},
		{"open-expression", "function FindProxyForURL(u, h) { return /login\\.live\\.com/.test(h); }", "pac.open-expression", 1, 41, "login"},
		{"closed-expression", "function FindProxyForURL(u, h) { return /^login\\.live\\.com$/i.test(h); }", "", 0, 0, ""},
		{"method", "function FindProxyForURL(u, h) { return h.endsWith('.x'); }", "pac.newer-syntax", 1, 43, "endsWith"},
		{"for-of", good + "for (var x of y) { z(x); }", "pac.newer-syntax", 4, 12, "of"},
		{"map", good + "var x = new Map();", "pac.newer-syntax", 4, 13, "Map"},
		{"large", good + "//" + strings.Repeat("x", pac.LargeBytes), "pac.large", 0, 0, "262144"},
		{"glob", "function FindProxyForURL(u, h) { return shExpMatch(h, '*.live.com'); }", "", 0, 0, ""},
		{"fallback", "function FindProxyForURL(u, h) { return 'PROXY p:1; DIRECT'; }", "pac.direct-fallback", 1, 41, "DIRECT"},
		{"fallback-with-semicolon", "function FindProxyForURL(u, h) { return 'proxy p:1;direct;'; }", "pac.direct-fallback", 1, 41, ""},
		{"direct-alone", "function FindProxyForURL(u, h) { return 'DIRECT'; }", "", 0, 0, ""},
		{"no-function", "var x = 1;", "pac.no-function", 0, 0, ""},
		{"name-in-comment-only", "// function FindProxyForURL(u, h) { }", "pac.no-function", 0, 0, ""},
		{"japanese-comment", "// 社内\n" + good, "pac.not-ascii", 1, 1, ""},
		{"byte-order-mark", "\ufeff" + good, "pac.not-ascii", 1, 1, ""},
		{"too-large", good + "//" + strings.Repeat("x", pac.MaxBytes), "pac.too-large", 0, 0, "1048576"},
		{"regular-expression", good + "var x = /let a = `\"[/]/.test(y) ? 4 / 2 / 1 : 1;", "", 0, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			list := pac.Lint([]byte(test.src))
			if test.code == "" {
				if len(list) != 0 {
					t.Errorf("%+v", list)
				}
				return
			}
			if len(list) != 1 {
				t.Fatalf("%+v, want one %s", list, test.code)
			}
			f := list[0]
			all := ""
			for _, v := range f.Args {
				all += v + "\n"
			}
			if f.Code != test.code || f.Pos.Line != test.line || f.Pos.Column != test.column || !strings.Contains(all, test.args) {
				t.Errorf("%+v, want %s at %d:%d saying %q", f, test.code, test.line, test.column, test.args)
			}
			for _, lang := range message.Languages() {
				if text := message.New(lang).Finding(f); strings.Contains(text, f.Code) || strings.Contains(text, "<no value>") {
					t.Errorf("%s: %q", lang, text)
				}
			}
		})
	}
}

func FuzzLint(f *testing.F) {
	for _, seed := range []string{"function FindProxyForURL(u, h) { return 'DIRECT'; }", "/*", "//", "'\\", "/[", "`${", "\xff", "a=>b", "dnsDomainIs("} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, found := range pac.Lint(src) {
			if found.Pos.Line < 0 || found.Pos.Line > bytes.Count(src, []byte("\n"))+1 || found.Pos.Column < 0 || found.Pos.Column > len(src)+1 {
				t.Errorf("%+v", found)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	in := input(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pac.Write(in); err != nil {
			b.Fatal(err)
		}
	}
}
