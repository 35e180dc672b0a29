package eval_test

import (
	"fmt"
	"strings"
	"testing"

	"sekisho/internal/message"
	"sekisho/internal/pac/eval"
)

func TestUnreachable(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"clean", "if (host == 'a.b') return 'A';\nreturn 'B';", ""},
		{"behind-return", "return 'A';\nreturn 'B';", "pac.unreachable 3"},
		{"behind-both-sides", "if (host == 'a') { return 'A'; } else { return 'B'; }\nreturn 'C';", "pac.unreachable 3"},
		{"behind-one-side", "if (host == 'a') { return 'A'; } else { x = 1; }\nreturn 'C';", ""},
		{"function-behind-return", "return f();\nfunction f() { return 'A'; }", ""},
		{"never", "if (false) return 'A';\nreturn 'B';", "pac.unreachable 2"},
		{"always", "if (true) return 'A';\nelse return 'B';", "pac.unreachable 3"},
		{"same-name", "if (host == 'a.b') return 'A';\nif ('a.b' === host) return 'B';\nreturn 'C';", "pac.covered 3 by 2"},
		{"name-below-domain", "if (dnsDomainIs(host, '.b')) return 'A';\nif (host == 'a.b') return 'B';\nreturn 'C';", "pac.covered 3 by 2"},
		{"domain-below-domain", "if (dnsDomainIs(host, '.b')) return 'A';\nif (dnsDomainIs(host, '.a.b')) return 'B';\nreturn 'C';", "pac.covered 3 by 2"},
		{"domain-above-domain", "if (dnsDomainIs(host, '.a.b')) return 'A';\nif (dnsDomainIs(host, '.b')) return 'B';\nreturn 'C';", ""},
		{"name-in-glob", "if (shExpMatch(host, 'w*.b')) return 'A';\nif (host == 'www.b') return 'B';\nreturn 'C';", "pac.covered 3 by 2"},
		{"glob-like-domain", "if (shExpMatch(host, '*.b')) return 'A';\nif (dnsDomainIs(host, '.a.b')) return 'B';\nreturn 'C';", "pac.covered 3 by 2"},
		{"several", "if (host == 'a.b' || host == 'c.b' || dnsDomainIs(host, '.d')) return 'A';\nif (host == 'c.b' || host == 'x.d') return 'B';\nreturn 'C';", "pac.covered 3 by 2"},
		{"several-not-all", "if (host == 'a.b' || host == 'c.b') return 'A';\nif (host == 'c.b' || host == 'x.d') return 'B';\nreturn 'C';", ""},
		{"no-answer-before", "if (host == 'a.b') x = 1;\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"other-name-between", "if (host == 'a.b') return 'A';\nhost = host.toLowerCase();\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"other-name-under-a-condition", "if (host == 'a.b') return 'A';\nif (url == 'x') { host = 'a.b'; }\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"other-name-in-a-condition", "if (host == 'a.b') return 'A';\nif ((host = url) == 'x') return 'B';\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"declared-anew-under-a-condition", "if (host == 'a.b') return 'A';\nif (url == 'x') { var host = 'a.b'; }\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"taken-apart", "if (host == 'a.b') return 'A';\n[host] = ['a.b'];\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"changed-by-a-function", "var h = host; function f() { h = 'a.b'; }\nif (h == 'a.b') return 'A';\nf();\nif (h == 'a.b') return 'B';\nreturn 'C';", ""},
		{"another-functions-variable", "function f() { if (1) { var k = 1; } }\nif (host == 'a.b') return 'A';\nif (host == 'a.b') return 'B';\nreturn 'C';", "pac.covered 4 by 3"},
		{"switch-break-behind-return", "switch (host) {\ncase 'a.b': return 'A'; break;\ndefault: return 'B';\n}", ""},
		{"switch-behind-return", "switch (host) {\ncase 'a.b': return 'A';\nx = 1;\nbreak;\n}\nreturn 'C';", "pac.unreachable 4"},
		{"switch-twice", "switch (host) {\ncase 'a.b': return 'A';\ncase 'c.b': return 'B';\ncase 'a.b': return 'C';\n}\nreturn 'C';", "pac.covered 5 by 3"},
		{"switch-answered-before", "if (dnsDomainIs(host, '.b')) return 'A';\nswitch (host) {\ncase 'a.b': return 'B';\n}\nreturn 'C';", "pac.covered 4 by 2"},
		{"switch-goes-on-into", "if (host == 'a.b') return 'A';\nswitch (host) {\ncase 'c.b':\ncase 'a.b': return 'B';\n}\nreturn 'C';", ""},
		{"switch-of-another", "switch (url) {\ncase 'a.b': return 'A';\n}\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"other-variable", "if (url == 'a.b') return 'A';\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"and", "if (host == 'a.b' && url == 'x') return 'A';\nif (host == 'a.b') return 'B';\nreturn 'C';", ""},
		{"else-chain", "if (dnsDomainIs(host, '.b')) x = 1;\nelse if (host == 'a.b') x = 2;\nreturn x;", "pac.covered 3 by 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, f := range eval.Unreachable([]byte("function FindProxyForURL(url, host) {\n" + test.body + "\n}")) {
				s := fmt.Sprintf("%s %d", f.Code, f.Pos.Line)
				if by := f.Args["line"]; by != "" {
					s += " by " + by
				}
				got = append(got, s)
				for _, l := range message.Languages() {
					if text := message.New(l).Finding(f); strings.Contains(text, f.Code) || strings.Contains(text, "<no value>") {
						t.Errorf("%q", text)
					}
				}
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	if found := eval.Unreachable([]byte("function (")); found != nil {
		t.Errorf("%+v", found)
	}
}

// TestUnreachableIsBounded reads files that would take hours if every condition were held against every other.
func TestUnreachableIsBounded(t *testing.T) {
	chain := func(format string, count int) []byte {
		var b strings.Builder
		b.WriteString("function FindProxyForURL(url, host) {\n")
		for i := range count {
			fmt.Fprintf(&b, format, i)
		}
		b.WriteString(" return 'B'; }")
		return []byte(b.String())
	}
	for name, src := range map[string][]byte{
		"names":     chain("if(host=='%d')return 'A';\n", 30_000),
		"globs":     chain("if(shExpMatch(host,'*a*%d*"+strings.Repeat("a", 100)+"'))return 'A';\n", 6_000),
		"else":      chain("if(host=='%d')return 'A';else ", 2_000),
		"variables": chain("if(v%d=='a')return 'A';else ", 2_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found := eval.Unreachable(src); len(found) != 0 {
				t.Errorf("%+v", found[:1])
			}
		})
	}
}

func FuzzUnreachable(f *testing.F) {
	for _, seed := range []string{"function f(){return 1;x}", "if(a=='b'||a=='c')return;else if(shExpMatch(a,'*'))throw 1", "for(;;)if(true);else;", "try{}catch{}", "x=function(){return;;x}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		lines := strings.Count(string(src), "\n") + strings.Count(string(src), "\r") + strings.Count(string(src), "\u2028") + strings.Count(string(src), "\u2029") + 1
		for _, found := range eval.Unreachable(src) {
			if found.Pos.Line < 1 || found.Pos.Line > lines {
				t.Errorf("%+v", found)
			}
		}
	})
}
