package request_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python is Debian's own, for which its package of openpyxl is; another may come first in the search path.
const python = "/usr/bin/python3"

// TestOpenpyxlReadsTheForm: a reader with nothing in common with the library that wrote the workbook sees the same texts, and no
// formula but those of an own form, whose picture does not keep it from reading.
func TestOpenpyxlReadsTheForm(t *testing.T) {
	t.Parallel()
	if exec.Command(python, "-c", "import openpyxl").Run() != nil {
		t.Skip("openpyxl is not installed (Debian package python3-openpyxl)")
	}
	folder := t.TempDir()
	own, err := attempt(t, second(t), map[string][]string{"template": {string(form(t, logo(t)))}})
	if err != nil {
		t.Fatal(words(err))
	}
	for name, body := range map[string][]byte{"built-in.xlsx": must(t, second(t), nil).Files[0].Body, "own.xlsx": own.Files[0].Body} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(python, "-c", `
import sys, openpyxl
book = openpyxl.load_workbook(sys.argv[1])
for sheet in book.worksheets:
    print("==", sheet.title)
    for row in sheet.iter_rows():
        for cell in row:
            if cell.value is not None:
                print(cell.data_type, cell.coordinate, repr(cell.value))
`, file).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		wants := []string{"'own.example'", "'203.0.113.0/24'", "'a.names.example'", "== 出典"}
		if name == "own.xlsx" {
			wants = append(wants, "== "+sheet+"", "f H6 '=LEN(D6)'", "f H11 '=LEN(D11)'", "== 手順")
		} else if strings.Contains(string(out), "\nf ") {
			t.Errorf("%s has a formula:\n%s", name, out)
		}
		for _, want := range wants {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: no %q in:\n%s", name, want, out)
			}
		}
	}
}

// TestLibreOfficeReadsTheForm: another reader sees the same lines.
func TestLibreOfficeReadsTheForm(t *testing.T) {
	t.Parallel()
	soffice, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("soffice is not installed (Debian package libreoffice-calc-nogui)")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "form.xlsx"), must(t, second(t), nil).Files[0].Body, 0o600); err != nil {
		t.Fatal(err)
	}
	// 44 comma, 34 quote, 76 UTF-8: the tokens of LibreOffice's CSV filter.
	c := exec.Command(soffice, "-env:UserInstallation=file://"+filepath.Join(folder, "profile"), "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", folder, filepath.Join(folder, "form.xlsx"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(folder, "form.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"株式会社コントソ", "1,新規,192.0.2.10,own.example,TCP 8443,送信,社内 API,", "6,新規,192.0.2.10,2001:db8::/48,UDP 3478-3481,送信,音声,"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
