package house_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "sekisho"

// order is the house from top to bottom. A package may import what stands below it, never what stands above or, unless
// one contains the other, beside it on the same line.
var order = [][]string{
	{"cmd/sekisho"},
	{"internal/cli"},
	{"internal/prove"},
	{"internal/node"},
	{"internal/ops", "internal/console"},
	{"internal/config"},
	{"internal/gateway"},
	{"internal/render", "internal/check"},
	{"internal/explain", "internal/pac", "internal/impact"},
	{"internal/route"},
	{"internal/lab"},
	{"internal/wire", "internal/caller"},
	{"internal/policy"},
	{"internal/restrict"},
	{"internal/m365"},
	{"internal/servicetags"},
	{"internal/catalog"},
	{"internal/signin"},
	{"internal/signinlog", "internal/directory", "internal/workbook"},
	{"internal/ca", "internal/audit", "internal/dnsx", "internal/tenant", "internal/bgp", "internal/asn", "internal/graph"},
	{"internal/endpoint"},
	{"internal/message"},
	{"internal/lockfile"},
	{"internal/charset"},
	{"internal/finding"},
}

// forbidden are edges that the order would allow, with the reason that a failure prints. "/..." covers a subtree.
var forbidden = []struct{ from, to, reason string }{
	{"internal/lab/...", "internal/policy", "an oracle that shares the subject's code proves nothing"},
	{"internal/lab/...", "internal/restrict", "an oracle that shares the subject's code proves nothing"},
	{"internal/lab/...", "internal/wire", "an oracle that shares the subject's code proves nothing"},
	{"internal/lab/...", "internal/gateway/...", "an oracle that shares the subject's code proves nothing"},
	{"internal/gateway/...", "internal/config", "the gateway is given Specs and Editions; node translates"},
	{"internal/gateway/...", "internal/lab/...", "no switch of the lab may reach production"},
	{"internal/gateway/...", "internal/audit/sqlite", "the gateway records; where to is node's business"},
	{"internal/gateway/...", "internal/pac/...", "no script engine in the request path"},
	{"internal/node/...", "internal/pac/eval", "no script engine in the request path"},
	{"internal/route/...", "internal/dnsx/...", "verdicts are made from data; who resolves hands in the answers"},
	{"internal/route/...", "internal/asn", "verdicts are made from data; node opens the table"},
	{"internal/route/...", "internal/message", "a verdict is data; texts are for whoever prints it"},
	{"internal/render/...", "internal/pac/eval", "no script engine in the request path"},
	{"internal/check/...", "internal/lab/...", "a check that knows the lab proves nothing of another network"},
	{"internal/check/...", "internal/policy", "a check judges by the catalog; what the checkpoint would do is what it measures"},
	{"internal/check/...", "internal/message", "a verdict is data; texts are for whoever prints it"},
	{"internal/node/...", "internal/check/...", "it runs PAC scripts; no script engine in the request path"},
	{"internal/policy", "internal/audit/...", "deciding does no I/O"},
	{"internal/policy", "internal/m365", "deciding knows the catalog, never where it was fetched"},
	{"internal/policy", "internal/ca", "deciding does no I/O"},
	{"internal/policy", "internal/message", "a decision is data; texts are for whoever prints it"},
	{"internal/restrict", "internal/message", "a plan is data; texts are for whoever prints it"},
	{"internal/catalog/...", "internal/message", "the catalog carries its own texts"},
	{"internal/config/...", "internal/policy", "config is plain data; node translates"},
	{"internal/config/...", "internal/restrict", "config is plain data; node translates"},
	{"internal/config/...", "internal/catalog", "config is plain data; node translates"},
	{"internal/config/...", "internal/gateway/...", "config is plain data; node translates"},
	{"internal/console/...", "internal/audit/...", "the console knows only the interface that it declares"},
	{"internal/lab/...", "internal/signin/...", "an oracle that shares the subject's code proves nothing"},
	{"internal/signin/...", "internal/message", "a plan is data; texts are for whoever prints it"},
	{"internal/cli/...", "internal/gateway/...", "the command line wires nothing; node does"},
	{"internal/cli/...", "internal/lab/...", "the command line wires nothing; node does"},
	{"internal/cli/...", "internal/audit/sqlite", "the command line wires nothing; node does"},
}

type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

// list returns the packages of the module with their imports; tests may import what they like.
func list(t *testing.T) []goPackage {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", module+"/...")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("found %d packages", len(packages))
	}
	return packages
}

// covers reports whether pattern ("a/b" or "a/b/...") covers path.
func covers(pattern, path string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}

// floor is the line of order in which path stands, and the room there; -1 when nowhere.
func floor(path string) (int, string) {
	for i, rooms := range order {
		for _, room := range rooms {
			if covers(room+"/...", path) {
				return i, room
			}
		}
	}
	return -1, ""
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		if strings.HasPrefix(from, "test/") || from == "internal/house" {
			continue
		}
		level, room := floor(from)
		if level < 0 {
			t.Errorf("%s stands nowhere in the house; give it a place in the order", from)
			continue
		}
		for _, imported := range p.Imports {
			to, ok := strings.CutPrefix(imported, module+"/")
			if !ok {
				continue
			}
			below, target := floor(to)
			if room != target && below <= level {
				t.Errorf("%s imports %s, which does not stand below it", from, to)
			}
			for _, f := range forbidden {
				if covers(f.from, from) && covers(f.to, to) {
					t.Errorf("%s must not import %s: %s", from, to, f.reason)
				}
			}
		}
	}
}

// TestForbiddenEdgesNameRooms keeps the list above from rotting: an edge between rooms that do not exist forbids nothing.
func TestForbiddenEdgesNameRooms(t *testing.T) {
	packages := list(t)
	for _, f := range forbidden {
		for _, pattern := range []string{f.from, f.to} {
			if !slices.ContainsFunc(packages, func(p goPackage) bool {
				return covers(pattern, strings.TrimPrefix(p.ImportPath, module+"/"))
			}) {
				t.Errorf("no package is %s", pattern)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range list(t) {
		if !slices.ContainsFunc(p.GoFiles, func(file string) bool {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			return err == nil && parsed.Doc != nil
		}) && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestNothingRunsAtImport: no init function registers anything behind the reader's back.
func TestNothingRunsAtImport(t *testing.T) {
	for _, p := range list(t) {
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s/%s has an init function", p.ImportPath, file)
				}
			}
		}
	}
}

// TestFilesAreRooms: a file of more than 600 lines is more than one room, unless it says here why not.
func TestFilesAreRooms(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if lines := bytes.Count(content, []byte("\n")); lines > 600 {
			t.Errorf("%s has %d lines", path, lines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRoomsHaveNouns: a package called after a layer collects what has no home.
func TestRoomsHaveNouns(t *testing.T) {
	for _, p := range list(t) {
		name := p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]
		switch name {
		case "util", "utils", "common", "helper", "helpers", "types", "models", "base", "misc", "shared":
			t.Errorf("%s is no noun of the field", p.ImportPath)
		}
	}
}
