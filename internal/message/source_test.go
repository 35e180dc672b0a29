package message

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// use is one place of the source tree that names a code.
type use struct {
	id    string
	where string
	args  map[string]bool // the argument names given there; nil when they cannot be read from the source
}

// TestEveryCodeInTheSourceHasText walks the module's Go files and looks for finding.New("code", …),
// finding.Finding{Code: "code"} and constants of type policy.Reason. Each needs a text, each reason a hint too; and a
// text may only use the arguments that the finding brings.
func TestEveryCodeInTheSourceHasText(t *testing.T) {
	all := files(t)
	uses := codesOf(t, moduleRoot(t))
	if len(uses) == 0 {
		t.Fatal("no code found in the source tree: the walk is broken")
	}
	for _, u := range uses {
		text, ok := all["en"][u.id]
		if !ok {
			t.Errorf("%s: %q has no text; add it to internal/message/text/<room>.en.yaml and .ja.yaml", u.where, u.id)
			continue
		}
		if u.args == nil {
			continue
		}
		for _, id := range []string{u.id, u.id + ".hint"} {
			if id != u.id {
				if text, ok = all["en"][id]; !ok {
					continue
				}
			}
			_, needed, err := arguments(id, text)
			if err != nil {
				continue // said by TestBothLanguagesUseTheSameArguments
			}
			for name := range needed {
				if !u.args[name] {
					t.Errorf("%s: the text of %q needs {{.%s}}, which is not given here", u.where, id, name)
				}
			}
		}
	}
}

// TestCodesAreFound breaks the walk's excuse for finding nothing: it runs on a small tree whose codes are known.
func TestCodesAreFound(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("internal/policy/reason.go", "package policy\ntype Reason string\nconst (\n Feature Reason = \"feature\"\n Own = Reason(\"own\")\n)\n")
	write("internal/a/a.go", `package a
import "sekisho/internal/finding"
const code = "a.const"
var _ = finding.New("a.literal", finding.Error, pos, "x", v)
var _ = finding.New(code, finding.Error, pos, rest...)
var _ = finding.Finding{Code: "a.composite"}
var _ = finding.New(computed(), finding.Error, pos)
`)
	write("internal/a/a_test.go", "package a\nimport \"sekisho/internal/finding\"\nvar _ = finding.New(\"a.in-a-test\", finding.Error, pos)\n")
	got := map[string]use{}
	for _, u := range codesOf(t, dir) {
		got[u.id] = u
	}
	for _, id := range []string{"reason.feature", "reason.feature.hint", "reason.own", "reason.own.hint", "a.literal", "a.const", "a.composite"} {
		if _, ok := got[id]; !ok {
			t.Errorf("%q is not found", id)
		}
	}
	if len(got) != 7 {
		t.Errorf("found %v", got)
	}
	if !got["a.literal"].args["x"] || got["a.const"].args != nil {
		t.Errorf("arguments: %v, %v", got["a.literal"].args, got["a.const"].args)
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}

func codesOf(t *testing.T, root string) []use {
	t.Helper()
	fset := token.NewFileSet()
	parsed := map[string][]*ast.File{} // folder: files
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "vendor"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed[filepath.Dir(name)] = append(parsed[filepath.Dir(name)], f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var uses []use
	for dir, files := range parsed {
		constants := map[string]string{}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok {
					return true
				}
				for i, name := range spec.Names {
					if i < len(spec.Values) {
						if text, ok := literal(spec.Values[i], nil); ok {
							constants[name.Name] = text
						}
					}
				}
				return true
			})
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				where := func() string {
					p := fset.Position(n.Pos())
					if rel, err := filepath.Rel(root, p.Filename); err == nil {
						p.Filename = rel
					}
					return p.String()
				}
				switch n := n.(type) {
				case *ast.CallExpr:
					if !selects(n.Fun, "finding", "New") || len(n.Args) == 0 {
						return true
					}
					if id, ok := literal(n.Args[0], constants); ok {
						uses = append(uses, use{id, where(), given(n, constants)})
					}
				case *ast.CompositeLit:
					if !selects(n.Type, "finding", "Finding") {
						return true
					}
					for _, e := range n.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok {
							if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Code" {
								if id, ok := literal(kv.Value, constants); ok {
									uses = append(uses, use{id, where(), nil})
								}
							}
						}
					}
				case *ast.ValueSpec:
					if f.Name.Name != "policy" || filepath.Base(dir) != "policy" {
						return true
					}
					for i := range n.Values {
						value := n.Values[i]
						typed := isIdent(n.Type, "Reason")
						if call, ok := value.(*ast.CallExpr); ok && isIdent(call.Fun, "Reason") && len(call.Args) == 1 {
							typed, value = true, call.Args[0]
						}
						if code, ok := literal(value, nil); ok && typed && code != "" {
							uses = append(uses, use{"reason." + code, where(), nil}, use{"reason." + code + ".hint", where(), nil})
						}
					}
				}
				return true
			})
		}
	}
	return uses
}

// given returns the argument names of a finding.New call, nil when one of them is computed.
func given(call *ast.CallExpr, constants map[string]string) map[string]bool {
	if call.Ellipsis.IsValid() {
		return nil
	}
	out := map[string]bool{}
	for i := 3; i < len(call.Args); i += 2 {
		name, ok := literal(call.Args[i], constants)
		if !ok {
			return nil
		}
		out[name] = true
	}
	return out
}

func literal(e ast.Expr, constants map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		}
	case *ast.Ident:
		s, ok := constants[e.Name]
		return s, ok
	}
	return "", false
}

func selects(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == name && isIdent(s.X, pkg)
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
