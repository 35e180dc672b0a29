package eval_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/pac/eval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// value runs one expression inside FindProxyForURL.
func value(t *testing.T, expression string, o eval.Options) string {
	t.Helper()
	s, err := eval.Compile(t.Context(), []byte("function FindProxyForURL(url, host) { return String("+expression+"); }"), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Find(t.Context(), "https://www.example.com/a", "www.example.com")
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func TestFunctions(t *testing.T) {
	o := eval.Options{
		Client: netip.MustParseAddr("10.1.2.3"),
		Now:    func() time.Time { return time.Date(2026, 11, 23, 14, 30, 15, 0, time.FixedZone("JST", 9*3600)) }, // a Monday
		Resolve: func(host string) []netip.Addr {
			if host == "www.example.com" {
				return []netip.Addr{netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("192.0.2.5")}
			}
			return nil
		},
	}
	tests := []struct{ expression, want string }{
		{`isPlainHostName("www")`, "true"},
		{`isPlainHostName("www.example.com")`, "false"},
		{`dnsDomainIs("www.example.com", ".example.com")`, "true"},
		{`dnsDomainIs("evilexample.com", "example.com")`, "true"}, // as every browser does it: why Write does not use it
		{`dnsDomainIs("www.example.org", ".example.com")`, "false"},
		{`localHostOrDomainIs("www", "www.example.com")`, "true"},
		{`localHostOrDomainIs("www.example.com", "www.example.com")`, "true"},
		{`localHostOrDomainIs("home.example.com", "www.example.com")`, "false"},
		{`isResolvable("www.example.com")`, "true"},
		{`isResolvable("nowhere.example.com")`, "false"},
		{`isInNet("192.0.2.5", "192.0.2.0", "255.255.255.0")`, "true"},
		{`isInNet("www.example.com", "192.0.2.0", "255.255.255.0")`, "true"},
		{`isInNet("192.0.3.5", "192.0.2.0", "255.255.255.0")`, "false"},
		{`isInNet("192.0.3.5", "192.0.0.5", "255.255.0.255")`, "true"},
		{`isInNet("www.example.com", "nonsense", "255.255.255.0")`, "false"},
		{`isInNetEx("www.example.com", "2001:db8::/32")`, "true"},
		{`isInNetEx("www.example.com", "nonsense")`, "false"},
		{`dnsResolve("www.example.com")`, "192.0.2.5"},
		{`dnsResolve("nowhere.example.com")`, "null"},
		{`dnsResolveEx("www.example.com")`, "2001:db8::5;192.0.2.5"},
		{`myIpAddress()`, "10.1.2.3"},
		{`sortIpAddressList("10.2.3.9;2001:db8::1;10.2.3.4")`, "2001:db8::1;10.2.3.4;10.2.3.9"},
		{`sortIpAddressList("nonsense")`, "false"},
		{`convert_addr("104.16.41.2")`, "1745889538"},
		{`dnsDomainLevels("www.example.com")`, "2"},
		{`shExpMatch("http://home.example.com/people/index.html", "*/people/*")`, "true"},
		{`shExpMatch("www.example.com", "*.example.???")`, "true"},
		{`shExpMatch("www.example.com", "*.example")`, "false"},
		{`shExpMatch("a.b", "a?b")`, "true"},
		{`shExpMatch("axb", "a.b")`, "false"},
		{`shExpMatch("", "*")`, "true"},
		{`weekdayRange("MON")`, "true"},
		{`weekdayRange("TUE", "SUN")`, "false"},
		{`weekdayRange("SAT", "MON")`, "true"},
		{`weekdayRange("sun", "GMT")`, "false"},
		{`weekdayRange("MOON")`, "false"},
		{`timeRange(14)`, "true"},
		{`timeRange(9, 14)`, "true"},
		{`timeRange(9, 13)`, "false"},
		{`timeRange(22, 15)`, "true"},
		{`timeRange(14, 0, 14, 30)`, "true"},
		{`timeRange(14, 0, 14, 29)`, "false"},
		{`timeRange(14, 30, 16, 14, 31, 0)`, "false"},
		{`timeRange(5, "GMT")`, "true"},
		{`timeRange(99)`, "false"},
		{`dateRange(23)`, "true"},
		{`dateRange(24)`, "false"},
		{`dateRange("NOV")`, "true"},
		{`dateRange("DEC", "FEB")`, "false"},
		{`dateRange("OCT", "FEB")`, "true"},
		{`dateRange(2026)`, "true"},
		{`dateRange(1, "NOV", 30, "NOV")`, "true"},
		{`dateRange(24, "NOV", 1, "DEC")`, "false"},
		{`dateRange(1, "JAN", 2025, 31, "DEC", 2026)`, "true"},
		{`dateRange(20, 25)`, "true"},
		{`dateRange("nonsense")`, "false"},
		{`typeof alert("x")`, "undefined"},
		{`typeof eval + typeof Function + typeof ArrayBuffer + typeof (function () {}).constructor`, strings.Repeat("undefined", 4)},
		{`url + " " + host`, "https://www.example.com/a www.example.com"},
	}
	for _, test := range tests {
		t.Run(test.expression, func(t *testing.T) {
			if got := value(t, test.expression, o); got != test.want {
				t.Errorf("%s = %q, want %q", test.expression, got, test.want)
			}
		})
	}
}

func TestScriptsThatFail(t *testing.T) {
	tests := []struct{ name, src, says string }{
		{"syntax", "function FindProxyForURL(url, host) {", "SyntaxError"},
		{"no-function", "var x = 1;", "no function FindProxyForURL"},
		{"exception", `function FindProxyForURL() { throw new Error("broken"); }`, "broken"},
		{"answers-a-number", "function FindProxyForURL() { return 1; }", "no text"},
		{"answers-nothing", "function FindProxyForURL() { }", "no text"},
		{"unbounded-recursion", "function FindProxyForURL(a, b) { return FindProxyForURL(a, b); }", ""},
		{"long-answer", `function FindProxyForURL() { var s = "x", i; for (i = 0; i < 16; i++) { s += s; } return s; }`, "65536"},
		{"code-from-text", `function FindProxyForURL() { return (function () {}).constructor("return 1")(); }`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := eval.Run(t.Context(), []byte(test.src), "https://a.example/", "a.example", netip.Addr{})
			var script *eval.ScriptError
			if !errors.As(err, &script) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want a script error saying %q", err, test.says)
			}
		})
	}
	if _, err := eval.Run(t.Context(), make([]byte, eval.MaxSource+1), "", "", netip.Addr{}); err == nil {
		t.Error("a huge script is read")
	}
}

func TestLimits(t *testing.T) {
	short := eval.Options{Timeout: 100 * time.Millisecond}
	s, err := eval.Compile(t.Context(), []byte("function FindProxyForURL() { for (;;) { } }"), short)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find(t.Context(), "", ""); !errors.Is(err, eval.ErrDeadline) {
		t.Errorf("endless loop: %v", err)
	}
	if _, err := s.Find(t.Context(), "", ""); !errors.Is(err, eval.ErrDeadline) {
		t.Errorf("a script that was stopped answers: %v", err)
	}
	if _, err := eval.Compile(t.Context(), []byte("while (true) { }"), short); !errors.Is(err, eval.ErrDeadline) {
		t.Errorf("endless top level: %v", err)
	}
	_, err = eval.Run(t.Context(), []byte(`function FindProxyForURL() { var a = {}, n = 0; for (;;) { a["x" + n++] = "xxxxxxxxxxxxxxxx" + n; } }`), "", "", netip.Addr{})
	if !errors.Is(err, eval.ErrMemory) && !errors.Is(err, eval.ErrDeadline) {
		t.Errorf("endless memory: %v", err)
	}
	_, err = eval.Run(t.Context(), []byte(`function FindProxyForURL() { var s = "x"; for (;;) { s += s; } }`), "", "", netip.Addr{})
	if err == nil {
		t.Error("endless text is answered")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := eval.Run(ctx, []byte("function FindProxyForURL() { return 'DIRECT'; }"), "", "", netip.Addr{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLintFindsSignInHostsThatGoDirect(t *testing.T) {
	lint := func(src string) finding.List {
		list, err := eval.Lint(t.Context(), "", []byte(src), catalog.Builtin())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	host := func(list finding.List, name string) *finding.Finding {
		for i, f := range list {
			if strings.TrimSuffix(f.Args["host"], ".") == name {
				return &list[i]
			}
		}
		return nil
	}
	if list := lint(`function FindProxyForURL() { return "PROXY p:1"; }`); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	list := lint(`function FindProxyForURL(u, h) { return dnsDomainIs(h, "login.microsoftonline.com") ? "DIRECT" : "PROXY p:1"; }`)
	if f := host(list, "login.microsoftonline.com"); f == nil || f.Severity != finding.Error || f.Code != "pac.sign-in-direct" {
		t.Errorf("%+v", list)
	}
	if host(list, "login.windows.net") != nil {
		t.Error("a host that goes to the proxy is reported")
	}
	// A trailing dot is another spelling of the same host.
	list = lint(`function FindProxyForURL(u, h) { return h.charAt(h.length - 1) === "." ? "DIRECT" : "PROXY p:1"; }`)
	if host(list, "login.live.com") == nil {
		t.Error("the spelling with a dot is not tried")
	}
	list = lint(`function FindProxyForURL(u, h) { return "PROXY p:1; DIRECT"; }`)
	if f := list[len(list)-1]; f.Code != "pac.alias-direct" || f.Severity != finding.Warning || host(list, "login.windows.net") == nil {
		t.Errorf("a list that ends in DIRECT: %+v", list)
	}
	if list := lint("let ="); len(list) != 1 || list[0].Code != "pac.syntax" {
		t.Errorf("%+v", list)
	}
	if list := lint(`function FindProxyForURL(u, h) { throw "no"; }`); len(list) == 0 || list[0].Code != "pac.runs-badly" {
		t.Errorf("%+v", list)
	}
}

func FuzzEval(f *testing.F) {
	for _, seed := range []string{
		`function FindProxyForURL(url, host) { return "DIRECT"; }`,
		`function FindProxyForURL(u, h) { if (shExpMatch(h, "*.example.com")) return "PROXY p:8080"; return "DIRECT"; }`,
		`FindProxyForURL = function (u, h) { return isInNet(h, "10.0.0.0", "255.0.0.0") ? weekdayRange("MON") : timeRange(1, 2); }`,
		`var FindProxyForURL = 1;`, `for (;;) {}`, "\x00", `/(a+)+$/.test("aaaaaaaaaaaaaaaaaaaaaa!")`,
	} {
		f.Add([]byte(seed), "www.example.com")
	}
	f.Fuzz(func(t *testing.T, src []byte, host string) {
		s, err := eval.Compile(t.Context(), src, eval.Options{Timeout: 50 * time.Millisecond})
		if err != nil {
			return
		}
		if answer, err := s.Find(t.Context(), "https://"+host+"/", host); err != nil && answer != "" {
			t.Errorf("answer %q and error %v", answer, err)
		}
	})
}
