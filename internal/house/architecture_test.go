package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// coded are the texts between backquotes of a Markdown document, outside of indented and fenced blocks.
func coded(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	fenced, block, before := false, false, ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		// Indentation makes a block after an empty line only; elsewhere it goes on with the item above.
		block = strings.HasPrefix(line, "    ") && (block || strings.TrimSpace(before) == "")
		before = line
		if fenced || block {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// functions are the names of all functions and methods, also those that an interface declares; tests apart from the rest.
func functions(t *testing.T) (code, tests map[string]bool) {
	t.Helper()
	code, tests = map[string]bool{}, map[string]bool{}
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		into := code
		if strings.HasSuffix(path, "_test.go") {
			into = tests
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				into[f.Name.Name] = true
			}
		}
	})
	return code, tests
}

// walk visits every file of the tree that is not hidden, by its path from the root.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "bin"):
			return filepath.SkipDir
		case !d.IsDir():
			visit(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheArchitectureNamesEveryPackage(t *testing.T) {
	names := coded(t, "ARCHITECTURE.md")
	for _, p := range list(t) {
		if path := strings.TrimPrefix(p.ImportPath, module+"/"); !slices.Contains(names, path) {
			t.Errorf("ARCHITECTURE.md does not say what %s is", path)
		}
	}
}

// TestTheArchitectureListsRoomsInOrder: whoever reads the table from the top reads it in the order of imports.
func TestTheArchitectureListsRoomsInOrder(t *testing.T) {
	last, seen := "", -1
	for _, name := range coded(t, "ARCHITECTURE.md") {
		level, room := floor(name)
		if level < 0 || room != name {
			continue
		}
		if level < seen {
			t.Errorf("ARCHITECTURE.md lists %s below %s, which it stands above", name, last)
		}
		last, seen = name, level
		if name == "internal/finding" {
			return
		}
	}
	t.Error("the list has no end")
}

func TestTheArchitectureNamesFilesThatExist(t *testing.T) {
	file := regexp.MustCompile(`^[a-z0-9_./-]+(\.(go|yaml|md|sh|sql)|/)$`)
	found := 0
	for _, name := range coded(t, "ARCHITECTURE.md") {
		if !file.MatchString(name) || !strings.Contains(name, "/") {
			continue
		}
		found++
		here := filepath.Join(root, filepath.FromSlash(name))
		if !strings.HasPrefix(name, "cmd/") && !strings.HasPrefix(name, "test/") && !strings.HasPrefix(name, "docs/") &&
			!strings.HasPrefix(name, "internal/") {
			here = filepath.Join(root, "internal", filepath.FromSlash(name))
		}
		if _, err := os.Stat(here); err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", name)
		}
	}
	if found < 50 {
		t.Errorf("found %d file names", found)
	}
}

func TestTheArchitectureNamesFunctionsThatExist(t *testing.T) {
	code, _ := functions(t)
	found := 0
	for _, name := range coded(t, "ARCHITECTURE.md") {
		name, ok := strings.CutSuffix(name, "()")
		if !ok || name == "" {
			continue
		}
		found++
		if name = name[strings.LastIndexByte(name, '.')+1:]; !code[name] {
			t.Errorf("ARCHITECTURE.md names the function %s, which does not exist", name)
		}
	}
	if found < 30 {
		t.Errorf("found %d functions", found)
	}
}

func TestTheArchitectureIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 250 {
		t.Errorf("ARCHITECTURE.md has %d lines", lines)
	}
}
