package request_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/finding"
)

const sheet = "様式1"

// form is an organisation's own form: two prepared rows, a formula beside them, a footer with a total, another sheet.
func form(t testing.TB, change func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	do(f.SetSheetName("Sheet1", sheet))
	_, err := f.NewSheet("手順")
	do(err)
	do(f.SetCellStr("手順", "A1", "この申請書の書き方"))
	for cell, text := range map[string]string{
		"A1": "通信許可申請書", "A2": "申請日", "A5": "№", "B5": "申請区分", "C5": "接続元\nIPアドレス", "D5": "接続先（FQDN／IP）", "E5": "プロトコル", "F5": "ポート番号",
		"G5": "利用目的", "H5": "文字数", "I5": "部署記入欄", "A8": "以上", "G8": "合計",
	} {
		do(f.SetCellStr(sheet, cell, text))
	}
	style, err := f.NewStyle(&excelize.Style{Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"FFFFCC"}}})
	do(err)
	do(f.SetCellStyle(sheet, "A6", "I7", style))
	do(f.SetCellInt(sheet, "A6", 1))
	do(f.SetCellInt(sheet, "A7", 2))
	do(f.SetCellFormula(sheet, "H6", "LEN(D6)"))
	do(f.SetCellFormula(sheet, "H7", "LEN(D7)"))
	do(f.SetCellFormula(sheet, "H8", "SUM(H6:H7)"))
	do(f.MergeCell(sheet, "I6", "J6"))
	if change != nil {
		change(f)
	}
	b, err := f.WriteToBuffer()
	do(err)
	do(f.Close())
	return b.Bytes()
}

// picture is a small PNG.
func picture(t testing.TB) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 40, 20))
	for i := range img.Pix {
		img.Pix[i] = byte(i)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// logo puts a picture into the head of a form.
func logo(t testing.TB) func(*excelize.File) {
	return func(f *excelize.File) {
		if err := f.AddPictureFromBytes(sheet, "G1", &excelize.Picture{Extension: ".png", File: picture(t), Format: &excelize.GraphicOptions{AltText: "logo"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheLogoOfAnOwnFormStays where it is, byte for byte.
func TestTheLogoOfAnOwnFormStays(t *testing.T) {
	t.Parallel()
	f, err := filled(t, logo(t))
	if err != nil {
		t.Fatal(words(err))
	}
	pictures, err := f.GetPictures(sheet, "G1")
	if err != nil || len(pictures) != 1 || !bytes.Equal(pictures[0].File, picture(t)) {
		t.Errorf("%d pictures, %v", len(pictures), err)
	}
	if got, _ := f.GetCellValue(sheet, "D6"); got != "own.example" {
		t.Errorf("D6 is %q", got)
	}
}

func named(t testing.TB, name, refers string) func(*excelize.File) {
	return func(f *excelize.File) {
		if err := f.SetDefinedName(&excelize.DefinedName{Name: name, RefersTo: refers}); err != nil {
			t.Fatal(err)
		}
	}
}

func filled(t testing.TB, change func(*excelize.File)) (*excelize.File, error) {
	t.Helper()
	out, err := attempt(t, second(t), map[string][]string{"template": {string(form(t, change))}, "applicant": {"山田"}})
	if err != nil {
		return nil, err
	}
	return opened(t, out.Files[0].Body), nil
}

// TestAnOwnFormIsFilledIn: heads are found by what they mean; rows are added before the footer, with style and formulas.
func TestAnOwnFormIsFilledIn(t *testing.T) {
	t.Parallel()
	f, err := filled(t, named(t, "sekisho_applicant", "'"+sheet+"'!$G$1"))
	if err != nil {
		t.Fatal(words(err))
	}
	// own.example, a.names.example, *.wide.example, new.names.example, two prefixes: six lines, two rows were prepared.
	for cell, want := range map[string]string{
		"A1": "通信許可申請書", "A6": "1", "B6": "新規", "C6": "192.0.2.10", "D6": "own.example", "E6": "TCP", "F6": "8443", "G6": "社内 API", "A11": "6", "A12": "以上", "G12": "合計",
		"D7": "a.names.example", "E7": "TCP\nUDP", "F7": "80, 443\n3478-3481", "G1": "山田", "I11": "",
	} {
		if got, _ := f.GetCellValue(sheet, cell); got != want {
			t.Errorf("%s is %q, not %q", cell, got, want)
		}
	}
	for cell, want := range map[string]string{"H6": "LEN(D6)", "H11": "LEN(D11)", "H12": "SUM(H6:H11)"} {
		if got, _ := f.GetCellFormula(sheet, cell); got != want {
			t.Errorf("%s has the formula %q, not %q", cell, got, want)
		}
	}
	a, _ := f.GetCellStyle(sheet, "D6")
	if b, _ := f.GetCellStyle(sheet, "D11"); a != b || a == 0 {
		t.Errorf("style %d in the first row and %d in the last", a, b)
	}
	if list := strings.Join(f.GetSheetList(), " "); list != sheet+" 手順 対象外と注記 出典" {
		t.Errorf("sheets: %s", list)
	}
	merged, _ := f.GetMergeCells(sheet)
	if len(merged) != 5 {
		t.Errorf("%d merged areas, of which the first row has one and each new row one", len(merged))
	}
}

// TestNamesDecide: a named head counts more than what it says.
func TestNamesDecide(t *testing.T) {
	t.Parallel()
	f, err := filled(t, named(t, "Sekisho_Col_Remarks", "'"+sheet+"'!$I$5"))
	if err != nil {
		t.Fatal(words(err))
	}
	if got, _ := f.GetCellValue(sheet, "D6"); got != "own.example" {
		t.Errorf("D6 is %q", got)
	}
}

// TestFormsThatCannotBeFilledIn say which cell is the matter.
func TestFormsThatCannotBeFilledIn(t *testing.T) {
	t.Parallel()
	set := func(cell, text string) func(*excelize.File) {
		return func(f *excelize.File) { _ = f.SetCellStr(sheet, cell, text) }
	}
	for name, c := range map[string]struct {
		change func(*excelize.File)
		want   []string
	}{
		"no destination": {set("D5", "場所"), []string{"request.template-head", "様式1!A5", "ポート", "宛先"}},
		"two":            {set("I5", "宛先"), []string{"request.template-twice", "様式1!D5", "様式1!I5"}},
		"filled":         {set("D6", "例"), []string{"request.template-filled", "様式1!D6", "例"}},
		"two tables": {func(f *excelize.File) {
			for _, c := range []string{"A", "B", "C", "D", "E", "F", "G"} {
				v, _ := f.GetCellValue(sheet, c+"5")
				_ = f.SetCellStr("手順", c+"3", v)
			}
		}, []string{"request.template-tables", "様式1!A5", "手順!A3"}},
		"cyclic":       {named(t, "sekisho_title", "sekisho_title"), []string{"request.template-name", "sekisho_title"}},
		"other sheet":  {named(t, "sekisho_title", "'no'!$A$1"), []string{"request.template-name"}},
		"unknown name": {named(t, "sekisho_col_port_", "'"+sheet+"'!$A$1"), []string{"request.template-unknown-name", "sekisho_col_port", "様式1!A1"}},
		"rows": {func(f *excelize.File) {
			named(t, "sekisho_col_destination", "'"+sheet+"'!$D$5")(f)
			named(t, "sekisho_col_port", "'"+sheet+"'!$F$6")(f)
		}, []string{"request.template-rows"}},
	} {
		_, err := filled(t, c.change)
		var p *finding.Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := p.Findings[0].Code + " " + words(err)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
	}
}

// pack makes a package of parts over those of a form.
func pack(t testing.TB, change map[string]string) []byte {
	t.Helper()
	data := form(t, nil)
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		if _, ok := change[f.Name]; ok {
			continue
		}
		if err := w.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range change {
		part, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPackagesThatAreRefused never reach the library.
func TestPackagesThatAreRefused(t *testing.T) {
	t.Parallel()
	const ns = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	for want, data := range map[string][]byte{
		"no Excel workbook":   pack(t, nil)[:100],
		"encrypted":           []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more"),
		"macros":              pack(t, map[string]string{"xl/vbaProject.bin": "x"}),
		"other files":         pack(t, map[string]string{"xl/externalLinks/externalLink1.xml": "<x/>"}),
		"or data":             pack(t, map[string]string{"xl/worksheets/_rels/sheet1.xml.rels": `<Relationships><Relationship Id="r" Type="http://x/image" TargetMode="External" Target="http://x"/></Relationships>`}),
		"embedded":            pack(t, map[string]string{"xl/embeddings/a.bin": "x"}),
		"too large":           pack(t, map[string]string{"xl/sharedStrings.xml": strings.Repeat("<si><t>aaaaaaaaaaaaaaaa</t></si>", 3200000)}),
		"sheet1.xml, limit":   pack(t, map[string]string{"xl/worksheets/sheet1.xml": `<worksheet ` + ns + `><sheetData><row r="1048576"><c r="XFD1048576"/></row></sheetData></worksheet>`}),
		"limit 2000000":       pack(t, map[string]string{"xl/worksheets/sheet1.xml": `<worksheet ` + ns + `><sheetData>` + strings.Repeat(`<row><c r="XFD1"/></row>`, 200) + `</sheetData></worksheet>`}),
		"document type":       pack(t, map[string]string{"xl/worksheets/sheet1.xml": `<!DOCTYPE a [<!ENTITY b "b">]><worksheet/>`}),
		"cannot be read":      pack(t, map[string]string{"xl/worksheets/sheet1.xml": `<worksheet><a`}),
		"limit 200)":          pack(t, map[string]string{"xl/worksheets/sheet1.xml": strings.Repeat("<a>", 300)}),
		"it has macros":       pack(t, map[string]string{"[Content_Types].xml": "application/vnd.ms-excel.sheet.macroEnabled.main+xml"}),
		"the template cannot": pack(t, map[string]string{"XL/Workbook.xml": "<x/>"}),
	} {
		in := second(t)
		in.Language = "en"
		_, err := attempt(t, in, map[string][]string{"template": {string(data)}})
		if err == nil || !strings.Contains(words(err), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzTemplate: whatever is given as a template is filled in or refused, with a reason.
func FuzzTemplate(f *testing.F) {
	f.Add(form(f, nil))
	f.Add(form(f, named(f, "sekisho_title", "'"+sheet+"'!$A$1:$C$1")))
	f.Add(pack(f, map[string]string{"xl/sharedStrings.xml": "<sst/>"}))
	f.Add(form(f, logo(f)))
	for _, change := range []func(*excelize.File) error{
		func(w *excelize.File) error { return w.AddTable(sheet, &excelize.Table{Range: "A5:G8", Name: "t"}) },
		func(w *excelize.File) error {
			return w.AddComment(sheet, excelize.Comment{Cell: "D6", Author: "a", Text: "b"})
		},
		func(w *excelize.File) error { return w.AutoFilter(sheet, "A5:I7", nil) },
		func(w *excelize.File) error { return w.SetSheetVisible(sheet, false) },
		func(w *excelize.File) error { return w.MergeCell(sheet, "A6", "A7") },
		func(w *excelize.File) error { return w.SetCellFormula(sheet, "A6", "SUM(B6:B1048576)") },
		func(w *excelize.File) error { return w.SetRowVisible(sheet, 6, false) },
		func(w *excelize.File) error {
			v := excelize.NewDataValidation(true)
			v.Sqref = "B6:B7"
			return errors.Join(v.SetDropList([]string{"新規", "変更", "廃止"}), w.AddDataValidation(sheet, v))
		},
	} {
		f.Add(form(f, func(w *excelize.File) { _ = change(w) }))
	}
	for _, parts := range []map[string]string{
		{"xl/workbook.xml": "<workbook/>"}, {"xl/worksheets/sheet1.xml": "<worksheet><sheetData><row r='0'/></sheetData></worksheet>"},
		{"xl/styles.xml": "<styleSheet/>"}, {"xl/worksheets/sheet1.xml": "<worksheet><mergeCells><mergeCell ref='ZZZZ1:A0'/></mergeCells></worksheet>"},
	} {
		f.Add(pack(f, parts))
	}
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	in := second(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := attempt(t, in, map[string][]string{"template": {string(data)}})
		var p *finding.Problem
		if err != nil && !errors.As(err, &p) {
			t.Fatal(err)
		}
		if err == nil {
			opened(t, out.Files[0].Body)
		}
	})
}
