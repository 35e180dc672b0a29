package eval_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/pac/eval"
)

func said(t *testing.T, list finding.List) string {
	t.Helper()
	var out []string
	for _, f := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %d:%d %s %s%s", f.Code, f.Pos.Line, f.Pos.Column, f.Args["host"], f.Args["address"], f.Args["what"])))
		for _, l := range message.Languages() {
			if text := message.New(l).Finding(f); strings.Contains(text, f.Code) || strings.Contains(text, "<no value>") {
				t.Errorf("%q", text)
			}
		}
	}
	return strings.Join(out, "\n")
}

// TestLintNamesTheLine that sends a sign-in host DIRECT, and the place of what cannot be read, by the file's own name.
func TestLintNamesTheLine(t *testing.T) {
	src := "function FindProxyForURL(url, host) {\n  if (dnsDomainIs(host, '.example.com'))\n    return 'DIRECT';\n  if (host == 'login.microsoftonline.com') { return 'DIRECT'; }\n  return 'PROXY p:1';\n}\n"
	list, err := eval.Lint(t.Context(), "old.pac", []byte(src), catalog.Builtin())
	if err != nil || !strings.HasPrefix(said(t, list), "pac.sign-in-direct 4:46 login.microsoftonline.com") {
		t.Errorf("%s %v", said(t, list), err)
	}
	list, err = eval.Lint(t.Context(), "old.pac", []byte("function FindProxyForURL(url, host) {\n  return 'x' +;\n}"), catalog.Builtin())
	if err != nil || said(t, list) != "pac.syntax 2:15" || strings.Contains(list[0].Args["problem"], "proxy.pac") {
		t.Errorf("%s %+v %v", said(t, list), list, err)
	}
	s, err := eval.Compile(t.Context(), []byte("function FindProxyForURL(url, host) {\n  return nothing.here;\n}"), eval.Options{Name: "old.pac"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Find(t.Context(), "https://a.example/", "a.example")
	var script *eval.ScriptError
	if !errors.As(err, &script) || !strings.Contains(script.Message, "old.pac:2:") {
		t.Errorf("%v", err)
	}
}

// TestLintAnswersNames: what a file does when a name server answers is a part of what it does.
func TestLintAnswersNames(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"in-a-network", "if (isInNet(host, '10.0.0.0', '255.0.0.0')) return 'DIRECT';\nreturn 'PROXY p:1';", "pac.sign-in-direct-resolved 2:45 login.live.com 10.0.0.0"},
		{"by-address", "var a = dnsResolve(host);\nif (isInNet(a, '172.16.0.0', '255.240.0.0')) return 'DIRECT';\nreturn 'PROXY p:1';", "pac.sign-in-direct-resolved 3:46 login.live.com 172.16.0.0"},
		{"resolvable", "if (isResolvable(host)) return 'DIRECT';\nreturn 'PROXY p:1';", "pac.sign-in-direct-resolved 2:25 login.live.com 198.51.100.1"},
		{"in-a-network-of-six", "if (isInNetEx(host, '2001:db8::/32')) return 'DIRECT';\nreturn 'PROXY p:1';", "pac.sign-in-direct-resolved 2:39 login.live.com 2001:db8::"},
		{"own-address", "if (isInNet(myIpAddress(), '10.0.0.0', '255.0.0.0')) return 'DIRECT';\nreturn 'PROXY p:1';", ""},
		{"sign-in-first", "if (/(^|\\.)(microsoftonline|microsoft|live|windows)\\.(com|net)$/.test(host)) return 'PROXY p:1';\nif (isInNet(host, '10.0.0.0', '255.0.0.0')) return 'DIRECT';\nreturn 'PROXY p:1';", ""},
		{"nobody-asks", "return 'PROXY p:1';", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list, err := eval.Lint(t.Context(), "", []byte("function FindProxyForURL(url, host) {\n"+test.body+"\n}"), catalog.Builtin())
			var got []string
			for line := range strings.SplitSeq(said(t, list), "\n") {
				if strings.Contains(line, "login.live.com") || strings.Contains(line, "pac.syntax") {
					got = append(got, line)
				}
			}
			if err != nil || strings.Join(got, "\n") != test.want {
				t.Errorf("%q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

// TestNewerByTheTree: syntax and not words.
func TestNewerByTheTree(t *testing.T) {
	tests := []struct{ body, want string }{
		{"var of = 1, let_ = 2, get = {let: 1, class: 2, 'const': 3}; get.let = 2; return 'a => b ` ** ...';", ""},
		{"let a = 1;\nconst b = 2;", "let 1:1, const 2:1"}, {"var f = (a) => a;", "=> 1:9"}, {"var a = `b`;", "` 1:9"}, {"class A {}", "class 1:1"},
		{"for (var a of []) {}", "for (… of …) 1:1"}, {"var [a] = b;", "[…] = 1:5"}, {"var {a} = b;", "{…} = 1:5, {name} 1:6"}, {"f(...a);", "... 1:6"},
		{"var a = b ** c;", "** 1:9"}, {"var a = b?.c;", "?. 1:9"}, {"var a = b ?? c;", "?? 1:9"}, {"function f(a = 1) {}", "function (name = …) 1:12"},
		{"async function f() { await g(); }", "async 1:1, await 1:22"}, {"function* f() { yield 1; }", "function* 1:1, yield 1:17"}, {"var a = {[b]: 1};", "{[…]: …} 1:11"},
	}
	for _, test := range tests {
		found, ok := eval.Newer([]byte(strings.ReplaceAll(test.body, "return", "var r =")))
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprintf("%s %d:%d", f.Args["what"], f.Pos.Line, f.Pos.Column))
		}
		if !ok || strings.Join(got, ", ") != test.want {
			t.Errorf("%s: %q, want %q", test.body, got, test.want)
		}
	}
	if _, ok := eval.Newer([]byte("import a from 'b'; (")); ok {
		t.Error("what cannot be read is judged")
	}
}
