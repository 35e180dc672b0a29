package conf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/render/squid/conf"
)

// from reads one file of this text.
func from(t testing.TB, text string) (*conf.File, []string) {
	t.Helper()
	f, found := conf.Read("squid.conf", conf.Files{
		Read: func(name string) ([]byte, error) {
			if name != "squid.conf" {
				return nil, errors.New("no such file")
			}
			return []byte(text), nil
		},
		Glob: func(string) ([]string, error) { return nil, nil },
	})
	var codes []string
	for _, x := range found {
		codes = append(codes, x.Code)
	}
	return f, codes
}

func TestWordsAreThoseOfSquid(t *testing.T) {
	f, _ := from(t, "  request_header_add  X \"a \\\"b\\\" # c\" 'd e'  f#g # h\r\nacl \\\n# within\n   x \\\n src all\n\\\n")
	if len(f.Directives) != 2 {
		t.Fatalf("%d directives", len(f.Directives))
	}
	if got := fmt.Sprintf("%q", f.Directives[0].Texts(0)); got != `["X" "a \"b\" # c" "d e" "f#g"]` {
		t.Errorf("words %s", got)
	}
	if d := f.Directives[1]; d.Name != "acl" || fmt.Sprint(d.Texts(0)) != "[x src all]" || d.Pos.Line != 2 {
		t.Errorf("%+v", d)
	}
}

func TestDomainsMatchAsInSquid(t *testing.T) {
	f, _ := from(t, "acl exact dstdomain Login.Example.\nacl below dstdomain .b.example\nacl sni ssl::server_name .b.example\nacl re dstdom_regex -i ^A\\.\n")
	for _, c := range []struct {
		acl, host, sni string
		want           conf.Holds
	}{
		{"exact", "login.example", "", conf.Yes}, {"exact", "x.login.example", "", conf.No},
		{"below", "b.example", "", conf.Yes}, {"below", "a.b.example", "", conf.Yes}, {"below", "ab.example", "", conf.No},
		{"sni", "x.example", "a.b.example", conf.Yes}, {"sni", "a.b.example", "x.example", conf.No}, {"sni", "a.b.example", "", conf.Yes},
		{"re", "a.x", "", conf.Yes}, {"!re", "a.x", "", conf.No}, {"nobody", "a.x", "", conf.Blind}, {"!nobody", "a.x", "", conf.Blind},
	} {
		if got, _ := f.Match([]conf.Word{{Text: c.acl}}, conf.Ask{Host: c.host, SNI: c.sni}); got != c.want {
			t.Errorf("%s for %s, %s: %d, want %d", c.acl, c.host, c.sni, got, c.want)
		}
	}
}

func TestStepsOfBump(t *testing.T) {
	for rules, want := range map[string]conf.Fate{
		"":                                 conf.Splice,
		"bump all":                         conf.Bump,
		"none all":                         conf.Splice,
		"peek all":                         conf.Splice,
		"stare all":                        conf.Bump,
		"peek all|bump all":                conf.Splice, // peeked at the server: too late to read
		"peek one|bump all":                conf.Bump,
		"peek one|terminate all":           conf.Terminate,
		"stare one|stare two|splice all":   conf.Bump, // stared at the server: too late to leave alone
		"peek one|splice host|bump all":    conf.Splice,
		"peek one|splice !host|bump all":   conf.Bump,
		"client-first all":                 conf.Bump,
		"peek one|client-first all":        conf.Splice,
		"terminate host|bump all":          conf.Terminate,
		"peek one|bump other|splice other": conf.Splice,
	} {
		text := "http_port 1 ssl-bump\nacl one at_step SslBump1\nacl two at_step SslBump2\nacl host ssl::server_name a.example\nacl other dstdomain b.example\n"
		for rule := range strings.SplitSeq(rules, "|") {
			text += "ssl_bump " + rule + "\n"
		}
		f, _ := from(t, text)
		if out := f.Bump("a.example", "a.example"); len(out) != 1 || out[0].Fate != want || out[0].Holds != conf.Yes {
			t.Errorf("%s: %+v, want %s", rules, out, want)
		}
	}
}

func TestBounds(t *testing.T) {
	for text, want := range map[string]string{
		"include squid.conf\n":                              "squid.loop",
		strings.Repeat("a\\\n", conf.MaxLineBytes+1) + "\n": "squid.long-line",
		strings.Repeat("a\n", conf.MaxDirectives+1):         "squid.too-many-lines",
		strings.Repeat("#", conf.MaxFileBytes+1):            "squid.too-large",
		"else\n":                                            "squid.unbalanced",
	} {
		if _, found := from(t, text); len(found) == 0 || found[0] != want {
			t.Errorf("%.30q: %v, want %s", text, found, want)
		}
	}
	// Many files, and files within files.
	depth, files := 0, conf.Files{Glob: filepath.Glob}
	files.Read = func(name string) ([]byte, error) { depth++; return []byte("include " + name + "x\n"), nil }
	if _, found := conf.Read("a", files); len(found) != 1 || found[0].Code != "squid.too-deep" || depth > conf.MaxDepth+1 {
		t.Errorf("%v after %d files", found, depth)
	}
	files.Read = func(name string) ([]byte, error) {
		if name == "a" {
			return []byte(strings.Repeat("include b\n", conf.MaxFiles+10)), nil
		}
		return []byte("a\n"), nil
	}
	if _, found := conf.Read("a", files); len(found) != 1 || found[0].Code != "squid.too-many-files" {
		t.Errorf("%v", found)
	}
}

// TestSystemReadsPlainFiles: a folder or a device is no configuration.
func TestSystemReadsPlainFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "squid.conf")
	if err := os.WriteFile(name, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := conf.System()
	if b, err := s.Read(name); err != nil || string(b) != "a" {
		t.Errorf("%q, %v", b, err)
	}
	for _, name := range []string{dir, os.DevNull, filepath.Join(dir, "none")} {
		if b, err := s.Read(name); err == nil {
			t.Errorf("%s: %q", name, b)
		}
	}
}
