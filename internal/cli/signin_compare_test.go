package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// run runs a command line in an empty folder and returns what it wrote.
func runMethods(t *testing.T, s System, args ...string) (code int, out, notes string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	// No buffer: that is what --out puts in its place.
	s.Out, s.Err = struct{ io.Writer }{&stdout}, &stderr
	if s.In == nil {
		s.In = strings.NewReader("")
	}
	s.Getenv = func(string) string { return "" }
	code = Run(t.Context(), s, append([]string{"--lang", "en", "--data", t.TempDir()}, args...))
	return code, stdout.String(), stderr.String()
}

// TestCompareOpensTheCertificate: a file with its password, given as editors save it.
func TestCompareOpensTheCertificate(t *testing.T) {
	t.Parallel()
	const password = "sekisho-Pass.1"
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, text := range map[string]string{"plain": password, "unix": password + "\n", "windows": "\ufeff" + password + "\r\n"} {
		for _, kind := range []string{"modern", "legacy"} {
			code, out, notes := runMethods(t, System{}, "signin", "compare", "--pfx", filepath.Join("..", "signin", "pfx", "testdata", kind+".pfx"),
				"--pfx-password-file", file(name, text), "--federation-name", "FS.contoso.com", "-o", "json")
			var d struct {
				Certificate *certificateRow `json:"certificate"`
			}
			if err := json.Unmarshal([]byte(out), &d); err != nil {
				t.Fatalf("%s: %v, %s", name, err, notes)
			}
			// It is signed by itself, and nothing else stands against opening it.
			if code != exitFound || d.Certificate == nil || d.Certificate.Certificate == nil || d.Certificate.Certificate.Key != "ECDSA P-256" {
				t.Errorf("%s, %s: %d, %+v", name, kind, code, d.Certificate)
			}
			if strings.Contains(out+notes, password) {
				t.Errorf("%s: the password is printed", name)
			}
		}
	}
	code, out, notes := runMethods(t, System{}, "signin", "compare", "--pfx", filepath.Join("..", "signin", "pfx", "testdata", "modern.pfx"),
		"--pfx-password-file", file("wrong", "another-Word.2"), "--federation-name", "fs.contoso.com")
	if code != exitFound || !strings.Contains(out, "NG    the password is wrong, or the file is damaged") || strings.Contains(out+notes, "another-Word.2") {
		t.Errorf("%d: %s", code, notes)
	}
	// By pipe, so that it is on no disk.
	code, out, _ = runMethods(t, System{In: strings.NewReader(password)}, "signin", "compare", "--pfx", filepath.Join("..", "signin", "pfx", "testdata", "modern.pfx"),
		"--pfx-password-file", "-", "--federation-name", "www.contoso.com")
	if code != exitFound || !strings.Contains(out, "www.contoso.com is not among its names (fs.contoso.com)") {
		t.Errorf("%d: %s", code, out)
	}
}

// TestCompareAsks: on a terminal the open questions are asked; what is no answer is asked again, nothing leaves it open.
func TestCompareAsks(t *testing.T) {
	t.Parallel()
	ask := func(lines string, args ...string) (string, string) {
		t.Helper()
		code, out, notes := runMethods(t, System{In: strings.NewReader(lines), Terminal: true, Columns: 80}, append([]string{"signin", "compare"}, args...)...)
		if code != exitDone {
			t.Fatalf("%d: %s", code, notes)
		}
		return out, notes
	}
	out, notes := ask("NO\nperhaps\nyes\nno\n")
	if !strings.Contains(out, "  password hash synchronisation\n") || !strings.Contains(out, "existing-system=no; answered") || strings.Count(notes, "relying on anything on premises") != 2 {
		t.Errorf("%s\n%s", out[:min(len(out), 600)], notes)
	}
	for line := range strings.Lines(out) {
		if len([]rune(line)) > 81 && !strings.Contains(line, "https://") {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
	if out, _ = ask("no\n\n"); !strings.Contains(out, "undecided: needs an answer to cloud-only") {
		t.Error(out[:min(len(out), 600)])
	}
	if out, notes = ask("", "--answer", "existing-system=yes"); strings.Contains(notes, "?") || !strings.Contains(out, "older AD FS") {
		t.Error(notes)
	}
	if _, notes = ask("never read", "-o", "json"); strings.Contains(notes, "?") {
		t.Error("asked for JSON: " + notes)
	}
}

// TestMethodsAsWorkbooks: what Excel gets is one sheet, with a head, in the reader's language, and none of it a formula.
func TestMethodsAsWorkbooks(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{{"compare"}, {"change", "--from", "ping", "--to", "pta"}} {
		file := filepath.Join(t.TempDir(), "methods.xlsx")
		args := append([]string{"--lang=ja", "signin"}, command...)
		if code, _, notes := runMethods(t, System{}, append(args, "-o", "xlsx", "--out", file)...); code != exitDone {
			t.Fatal(notes)
		}
		book, err := excelize.OpenFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sheets := book.GetSheetList()
		rows, err := book.GetRows(sheets[0])
		if err != nil || len(sheets) != 1 || len(rows) < 10 {
			t.Errorf("%v: %v, %d rows, %v", command, sheets, len(rows), err)
		}
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	}
	if code, _, notes := runMethods(t, System{Terminal: true}, "signin", "compare", "-o", "xlsx"); code != exitUsage || !strings.Contains(notes, "--out") {
		t.Errorf("%d: %s", code, notes)
	}
	if code, out, _ := runMethods(t, System{}, "signin", "change", "--from", "phs", "--to", "adfs", "-o", "xlsx"); code != exitDone || !strings.HasPrefix(out, "PK") {
		t.Error("the standard output gets no workbook")
	}
	gone := filepath.Join(t.TempDir(), "none", "methods.xlsx")
	if code, _, _ := runMethods(t, System{}, "signin", "compare", "-o", "xlsx", "--out", gone); code == exitDone {
		t.Errorf("a folder that is not there: %d", code)
	}
}
