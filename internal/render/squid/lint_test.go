package squid_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/squid"
	"sekisho/internal/render/squid/conf"
	"sekisho/internal/restrict"
)

const id = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"

func input(t testing.TB) render.Input {
	t.Helper()
	p, found := policy.Compile(policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}, {Text: "entra.device-registration"}, {Text: "intune.core"}},
		Hosts:    []policy.HostSpec{{Pattern: policy.At{Text: "*.read.example"}, Inspect: true}, {Pattern: policy.At{Text: "left.read.example"}}},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: "contoso.com"}, {Text: id}}, Context: restrict.At{Text: id}, BlockConsumers: true}},
		Rings: []policy.RingSpec{
			{Name: "servers", Mode: policy.Off, Clients: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
			{Name: "all", Profile: policy.At{Text: "staff"}},
		},
	}, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return render.Input{Program: p}
}

// memory are files that are no files.
type memory map[string]string

func (m memory) files() conf.Files {
	return conf.Files{
		Read: func(name string) ([]byte, error) {
			text, ok := m[filepath.ToSlash(name)]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("no such file")}
			}
			return []byte(text), nil
		},
		Glob: func(pattern string) ([]string, error) {
			var out []string
			for name := range m {
				if ok, _ := path.Match(filepath.ToSlash(pattern), name); ok {
					out = append(out, name)
				}
			}
			slices.Sort(out)
			return out, nil
		},
	}
}

// TestLint holds each case of testdata/lint: files, then what is found, as code and place. UPDATE=1 writes that.
func TestLint(t *testing.T) {
	cases, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil || len(cases) < 10 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	in := input(t)
	seen := map[string]bool{}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			m, want := memory{}, ""
			for _, f := range archive.Files {
				if f.Name == "findings" {
					want = string(f.Data)
				} else {
					m[f.Name] = string(f.Data)
				}
			}
			var got strings.Builder
			for _, f := range squid.Lint(in, "squid.conf", m.files()) {
				seen[f.Code] = true
				fmt.Fprintf(&got, "%s %s\n", f.Code, message.New("en").Finding(f))
				if !strings.HasPrefix(f.Args["source"], "https://") {
					t.Errorf("%s has no source", f.Code)
				}
				for _, language := range message.Languages() {
					if text := message.New(language).Finding(f); strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
						t.Errorf("%s: %s", language, text)
					}
				}
			}
			if os.Getenv("UPDATE") != "" {
				archive.Files[len(archive.Files)-1].Data = []byte(got.String())
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("found:\n%s\nwant:\n%s", &got, want)
			}
		})
	}
}

// TestWhatIsRenderedIsClean: the configuration that "render squid" writes has nothing that Lint finds.
func TestWhatIsRenderedIsClean(t *testing.T) {
	in := input(t)
	options, err := render.ParseOptions(squid.Target{}, map[string][]string{"folder": {"."}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := render.Render(squid.Target{}, in, options)
	if err != nil {
		t.Fatal(err)
	}
	m := memory{"squid.conf": "include sekisho.conf\n"}
	for _, f := range out.Files {
		m[f.Name] = string(f.Body)
	}
	for _, f := range squid.Lint(in, "squid.conf", m.files()) {
		// That servers are left alone is what the policy says.
		if f.Code != "squid.spliced-some" {
			t.Errorf("%s", message.New("en").Finding(f))
		}
	}
}

// FuzzLint reads whatever comes: no panic, the same findings twice, every place within the file.
func FuzzLint(f *testing.F) {
	cases, _ := filepath.Glob("testdata/lint/*.txtar")
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(archive.Files[0].Data), "")
	}
	f.Add("include a\nacl x any-of x\nssl_bump bump x\n", "include squid.conf\n")
	f.Add("acl a any-of b\nacl b all-of !a\nhttp_port 1 ssl-bump\nssl_bump peek a\nssl_bump stare !b\n", "\\\n\\")
	f.Add("configuration_includes_quoted_values on\nacl x dstdomain parameters(\"a\") \"b\" 'c\\", ".a\n*.b\n")
	in := input(f)
	f.Fuzz(func(t *testing.T, text, other string) {
		m := memory{"squid.conf": text, "a": other}
		found := squid.Lint(in, "squid.conf", m.files())
		again := squid.Lint(in, "squid.conf", m.files())
		if len(found) != len(again) {
			t.Fatalf("%d findings, then %d", len(found), len(again))
		}
		lines := map[string]int{"squid.conf": strings.Count(text, "\n") + 1, "a": strings.Count(other, "\n") + 1}
		for i, x := range found {
			if x.Code != again[i].Code || x.Pos != again[i].Pos {
				t.Errorf("%v, then %v", x, again[i])
			}
			if x.Pos.Line > lines[x.Pos.File] || !x.Pos.Known() {
				t.Errorf("%s at %s", x.Code, x.Pos)
			}
		}
	})
}
