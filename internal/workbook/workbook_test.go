package workbook

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// hostile are texts that make something of a cell, by what a reader shall see.
var hostile = map[string]string{
	`=cmd|'/c calc'!A1`: `'=cmd|'/c calc'!A1`, "+1": "'+1", "＝1": "'＝1", "@x": "'@x", "-2": "'-2", "a\u202eb": "a[U+202E]b",
	"_x000D_": "[_]x000D_", "\xff": "\ufffd", "a\nb": "a b", "<a>&\"": `<a>&"`, "0123": "0123",
}

func sample(t *testing.T) []byte {
	t.Helper()
	b := New("ja", "表")
	rows := [][]string{}
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range hostile {
			if !yield(k) {
				return
			}
		}
	}) {
		rows = append(rows, []string{k, "7"})
	}
	b.Sheet("一覧", []Column{{Heading: "値", Width: 40}, {Heading: "数", Number: true}}, slices.Values(rows))
	b.Sheet("空", []Column{{Heading: "何"}}, slices.Values([][]string(nil)))
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCellsAreWhatTheySay(t *testing.T) {
	t.Parallel()
	data := sample(t)
	if !bytes.Equal(data, sample(t)) {
		t.Error("the same input gave other bytes")
	}
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.GetSheetList(); !slices.Equal(got, []string{"一覧", "空"}) {
		t.Errorf("sheets %v", got)
	}
	rows, err := f.GetRows("一覧")
	if err != nil || len(rows) != len(hostile)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, want := range hostile {
		if !slices.ContainsFunc(rows, func(r []string) bool { return r[0] == want && r[1] == "7" }) {
			t.Errorf("no row %q", want)
		}
	}
	if kind, _ := f.GetCellType("一覧", "B2"); kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString {
		t.Error("a number is a text")
	}
}

func TestLongCellsAreCutAndCounted(t *testing.T) {
	t.Parallel()
	b := New("en", "x")
	b.Sheet("s", []Column{{Heading: "h"}}, slices.Values([][]string{{strings.Repeat("長", MostCell+1)}}))
	if _, err := b.Bytes(); err != nil || b.Cut() != 1 {
		t.Errorf("%d cut, %v", b.Cut(), err)
	}
	if _, err := New("en", "x").Bytes(); err == nil {
		t.Error("a book without a sheet is written")
	}
}

// A forest with more rows than a sheet can have goes on on the next one.
func TestManyRowsGoOnOnAnotherSheet(t *testing.T) {
	t.Parallel()
	b := New("en", "x")
	b.most = 3
	b.Sheet("s", []Column{{Heading: "h"}}, slices.Values([][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"5"}}))
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range f.GetSheetList() {
		rows, err := f.GetRows(name)
		got = append(got, fmt.Sprint(name, rows, err))
	}
	if want := []string{"s[[h] [1] [2]] <nil>", "s 2[[h] [3] [4]] <nil>", "s 3[[h] [5]] <nil>"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// python is Debian's own, for which its package of openpyxl is; another may come first in the search path.
const python = "/usr/bin/python3"

func TestOpenpyxlReadsIt(t *testing.T) {
	t.Parallel()
	if exec.Command(python, "-c", "import openpyxl").Run() != nil {
		t.Skip("openpyxl is not installed (Debian package python3-openpyxl)")
	}
	file := filepath.Join(t.TempDir(), "a.xlsx")
	if err := os.WriteFile(file, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import sys, openpyxl
book = openpyxl.load_workbook(sys.argv[1])
for sheet in book.worksheets:
    print("==", sheet.title, sheet.freeze_panes, sheet.auto_filter.ref)
    for row in sheet.iter_rows():
        for cell in row:
            if cell.value is not None:
                print(cell.data_type, repr(cell.value))
`, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := string(out)
	for _, want := range []string{fmt.Sprintf("== 一覧 A2 $A$1:$B$%d", len(hostile)+1), "== 空 A2 $A$1:$A$2", "s '値'", "n 7\n", `s "'=cmd|'/c calc'!A1"`, "s 'a[U+202E]b'", "s '0123'"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\nf ") {
		t.Errorf("a cell is a formula:\n%s", got)
	}
}

func TestLibreOfficeReadsIt(t *testing.T) {
	t.Parallel()
	soffice, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("soffice is not installed (Debian package libreoffice-calc-nogui)")
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "a.xlsx")
	if err := os.WriteFile(file, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	// 44 comma, 34 quote, 76 UTF-8: the tokens of LibreOffice's CSV filter.
	c := exec.Command(soffice, "-env:UserInstallation=file://"+filepath.Join(folder, "profile"), "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", folder, file)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(folder, "a.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"値,数\n", "'=cmd|'/c calc'!A1,7\n", "a[U+202E]b,7\n", "0123,7\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
