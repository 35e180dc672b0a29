package eval_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/pac/eval"
)

// explained asks once and writes the steps as "kind line[+-]".
func explained(t *testing.T, src, host string) (eval.Explanation, string) {
	t.Helper()
	e, err := eval.NewExplainer(t.Context(), []byte(src), eval.Options{Resolve: func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.1.2.3")} }})
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Explain(t.Context(), "https://"+host+"/", host)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, s := range x.Steps {
		w := fmt.Sprintf("%s %d", s.Kind, s.Line)
		if s.Kind == eval.StepCondition {
			w += map[bool]string{true: "+", false: "-"}[s.Held]
		}
		words = append(words, w)
	}
	return x, strings.Join(words, ", ")
}

func TestExplain(t *testing.T) {
	tests := []struct{ name, src, host, answer, steps string }{
		{"first-rule", "function FindProxyForURL(url, host) {\n  if (dnsDomainIs(host, '.a.example')) {\n    return 'PROXY a:1';\n  }\n  return 'DIRECT';\n}",
			"www.a.example", "PROXY a:1", "condition 2+, returned 3"},
		{"falls-through", "function FindProxyForURL(url, host) {\n  if (dnsDomainIs(host, '.a.example')) {\n    return 'PROXY a:1';\n  }\n  return 'DIRECT';\n}",
			"www.b.example", "DIRECT", "returned 5"},
		{"else", "function FindProxyForURL(url, host) {\n  if (host == 'a')\n    return 'PROXY a:1';\n  else\n    return 'DIRECT';\n}",
			"b", "DIRECT", "condition 2-, returned 5"},
		{"variable", "function FindProxyForURL(url, host) {\n  var result = 'DIRECT';\n  if (host == 'a') {\n    result = 'PROXY a:1';\n  }\n  return result;\n}",
			"a", "PROXY a:1", "returned 6, condition 3+, assigned 4"},
		{"variable-untouched", "function FindProxyForURL(url, host) {\n  var result = 'DIRECT';\n  if (host == 'a') {\n    result = 'PROXY a:1';\n  }\n  return result;\n}",
			"b", "DIRECT", "returned 6, assigned 2"},
		{"global-variable", "var proxy = 'PROXY a:1';\nfunction FindProxyForURL(url, host) { return proxy; }", "a", "PROXY a:1", "returned 2"},
		{"function", "function FindProxyForURL(url, host) {\n  return choose(host);\n}\nfunction choose(h) {\n  if (h == 'a') { return 'PROXY a:1'; }\n  return 'DIRECT';\n}",
			"a", "PROXY a:1", "returned 2, condition 5+, returned 5"},
		{"choice", "function FindProxyForURL(url, host) {\n  return host == 'a' ?\n    'PROXY a:1' :\n    host == 'b' ?\n    'PROXY b:1' :\n    'DIRECT';\n}",
			"b", "PROXY b:1", "returned 2, condition 2-, returned 4, condition 4+, returned 5"},
		{"arrow", "var FindProxyForURL = (url, host) =>\n  'PROXY a:1';", "a", "PROXY a:1", "returned 2"},
		{"function-as-value", "var FindProxyForURL = function (url, host) {\n  return 'PROXY a:1';\n};", "a", "PROXY a:1", "returned 2"},
		{"interface-function", "function FindProxyForURL(url, host) {\n  return dnsResolve(host);\n}", "a", "10.1.2.3", "returned 2"},
		{"recursion", "function FindProxyForURL(url, host) {\n  if (host.length > 1) {\n    return FindProxyForURL(url, host.substring(1));\n  }\n  return 'PROXY a:1';\n}",
			"abc", "PROXY a:1", "condition 2+, returned 3"},
		{"same-function-asked-before", "function in2(h, d) {\n  if (dnsDomainIs(h, d)) { return true; }\n  return false;\n}\nfunction FindProxyForURL(url, host) {\n  if (in2(host, '.a.example')) { return 'PROXY a:1'; }\n  if (in2(host, '.b.example')) { return 'PROXY b:1'; }\n  return 'DIRECT';\n}",
			"x.b.example", "PROXY b:1", "condition 7+, condition 2+, returned 2, returned 7"},
		{"carriage-returns", "function FindProxyForURL(url, host) {\r\n  if (host == 'a')\r\n    return 'PROXY a:1';\r\n  return 'DIRECT';\r\n}", "a", "PROXY a:1", "condition 2+, returned 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x, steps := explained(t, test.src, test.host)
			if x.Answer != test.answer || steps != test.steps {
				t.Errorf("%q by %s, want %q by %s", x.Answer, steps, test.answer, test.steps)
			}
			if n := len(x.Steps); n == 0 || x.Line != x.Steps[n-1].Line || x.Steps[n-1].Source == "" {
				t.Errorf("%+v", x)
			}
		})
	}
}

// TestExplainForgets: what one question reached is not told of the next.
func TestExplainForgets(t *testing.T) {
	e, err := eval.NewExplainer(t.Context(), []byte("function FindProxyForURL(url, host) {\n  if (host == 'a') {\n    return 'PROXY a:1';\n  }\n  return 'DIRECT';\n}"), eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		host string
		line int
	}{{"a", 3}, {"b", 5}, {"a", 3}} {
		if x, err := e.Explain(t.Context(), "http://x/", test.host); err != nil || x.Line != test.line {
			t.Errorf("%s: %+v, %v", test.host, x, err)
		}
	}
}

// TestHostileScripts: none of them stops the process, opens a file, or is waited for.
func TestHostileScripts(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "map")
	if err := os.WriteFile(pipe, []byte("{\"version\":3,\"sources\":[],\"mappings\":\"\"}"), 0o000); err != nil {
		t.Fatal(err)
	}
	fill := func(s string) string { return strings.Repeat(s, (eval.MaxSource-100)/len(s)) }
	body := func(s string) string { return "function FindProxyForURL() { " + s + "; return 'DIRECT'; }" }
	tests := map[string]string{
		"nested-parentheses": "x=" + fill("("),
		"nested-arrays":      "x=" + fill("["),
		"nested-blocks":      fill("{"),
		"nested-objects":     "x=" + fill("{a:"),
		"nested-functions":   fill("function f(){"),
		"nested-templates":   "x=" + fill("`${"),
		"nested-conditions":  fill("if(a)"),
		"chained-arrows":     "x=" + fill("a=>") + "1",
		"chained-calls":      "x=a" + fill("()"),
		"chained-sums":       "x=1" + fill("+1"),
		"chained-ors":        "x=a" + fill("||a"),
		"chained-values":     fill("x=") + "1",
		"huge-sort":          body("var a = []; a.length = 4294967295; a.sort()"),
		"huge-join":          body("new Array(4294967295).join('x')"),
		"huge-arguments":     body("String.fromCharCode.apply(null, {length: 4294967295})"),
		"deep-value":         body("var o = []; for (;;) { o = [o]; }"),
		"deep-text":          body("var o = []; for (var i = 0; i < 3000; i++) { o = [o]; } var s = String(o); for (;;) { s += s; }"),
		"throws-itself":      "throw this;",
		"answers-an-object":  "function FindProxyForURL() { return {toString: function () { for (;;) { } }}; }",
	}
	for name, src := range tests {
		t.Run(name, func(t *testing.T) {
			o := eval.Options{Timeout: 300 * time.Millisecond}
			ask := func(find func(src []byte) error) {
				t.Helper()
				begin := time.Now()
				err := find([]byte(src))
				var script *eval.ScriptError
				if !errors.Is(err, eval.ErrDeadline) && !errors.Is(err, eval.ErrMemory) && !errors.As(err, &script) {
					t.Errorf("error %v", err)
				}
				if err != nil && len(err.Error()) > 1000 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
				if d := time.Since(begin); d > 30*time.Second {
					t.Errorf("took %v", d)
				}
			}
			ask(func(src []byte) error {
				s, err := eval.Compile(t.Context(), src, o)
				if err == nil {
					_, err = s.Find(t.Context(), "http://a/", "a")
				}
				return err
			})
			ask(func(src []byte) error {
				e, err := eval.NewExplainer(t.Context(), src, o)
				if err == nil {
					_, err = e.Explain(t.Context(), "http://a/", "a")
				}
				return err
			})
		})
	}
	// A script that names a source map: the file is not opened. One that cannot be read would be an error.
	if _, err := eval.Compile(t.Context(), []byte("function FindProxyForURL() { return 'DIRECT'; }\n//# sourceMappingURL="+pipe), eval.Options{}); err != nil {
		t.Errorf("a source map is looked for: %v", err)
	}
	if _, err := eval.Compile(t.Context(), []byte("function FindProxyForURL() { return 'DIRECT'; }\n//# sourceMappingURL=/no/such/map"), eval.Options{}); err != nil {
		t.Errorf("a source map is looked for: %v", err)
	}
}

// FuzzExplain: a watched script answers what the script itself answers.
func FuzzExplain(f *testing.F) {
	for _, seed := range []string{
		"function FindProxyForURL(u, h) { return h == 'a' ? 'PROXY a:1' : 'DIRECT'; }",
		"var FindProxyForURL = (u, h) => { let r = 'DIRECT'; if (dnsDomainIs(h, '.a')) r = 'PROXY b:2'; return r; };",
		"function FindProxyForURL(u, h) { switch (h) { case 'a': return 'PROXY a:1'; default: return; } }",
		"function g(x = 1, {y} = {y: 2}) { return x + y } function FindProxyForURL(u, h) { try { return 'PROXY a:' + g(); } finally { h = 1; } }",
		"class A { static f() { return 'DIRECT'; } } function FindProxyForURL() { return A.f(); }",
		"function FindProxyForURL() { return function () { return arguments.length + this; }.call('a', 1); }",
		"function FindProxyForURL(u, h) { var a, b; a = b = h; return a += 'x'; }",
		"x", "return", "((((", "`${`", "//# sourceMappingURL=/dev/zero",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		o := eval.Options{Timeout: 100 * time.Millisecond, Now: func() time.Time { return time.Unix(1800000000, 0).UTC() }}
		ask := func() (string, error) {
			s, err := eval.Compile(t.Context(), []byte(src), o)
			if err != nil {
				return "", err
			}
			return s.Find(t.Context(), "https://a/", "a")
		}
		answer, err := ask()
		if errors.Is(err, eval.ErrDeadline) || errors.Is(err, eval.ErrMemory) || strings.Contains(src, "random") || strings.Contains(src, "Date") {
			return
		}
		var x eval.Explanation
		e, wrong := eval.NewExplainer(t.Context(), []byte(src), o)
		if wrong == nil {
			x, wrong = e.Explain(t.Context(), "https://a/", "a")
		}
		if errors.Is(wrong, eval.ErrDeadline) {
			return
		}
		if (err == nil) != (wrong == nil) || x.Answer != answer {
			t.Errorf("%q, %v; watched %q, %v", answer, err, x.Answer, wrong)
		}
	})
}
