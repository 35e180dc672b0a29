package request

import (
	"errors"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/finding"
	"sekisho/internal/workbook"
)

// book is a workbook that is being written. The first error stays; what follows it does nothing.
type book struct {
	*excelize.File
	err error
}

func (b *book) do(err error) {
	if b.err == nil {
		b.err = err
	}
}

// at names a cell; row and column count from 1.
func at(column, row int) string { return workbook.At(column, row) }

// put writes a text, never a formula. What is empty is not written, so that a template keeps what it has.
func (b *book) put(sheet string, column, row int, text string) {
	if text != "" && b.err == nil {
		b.do(b.SetCellStr(sheet, at(column, row), text))
	}
}

// bytes closes the book.
func (b *book) bytes() ([]byte, error) {
	if b.err == nil {
		buffer, err := b.WriteToBuffer()
		b.do(err)
		b.do(b.Close())
		if b.err == nil {
			return buffer.Bytes(), nil
		}
	} else {
		b.do(b.Close())
	}
	return nil, finding.Fail("request.write", b.err)
}

// Where things stand on the built-in form.
const (
	headRow  = 3 // first row of the block above the table
	tableRow = 9 // the table's head
)

func (b *book) looks(language string) workbook.Looks {
	l, err := workbook.NewLooks(b.File, language)
	b.do(err)
	return l
}

// workbook writes the built-in form.
func (f *form) workbook() ([]byte, error) {
	if len(f.lines) > workbook.MostRows-tableRow {
		return nil, finding.Fail("request.too-many", nil, "count", strconv.Itoa(len(f.lines)), "max", strconv.Itoa(workbook.MostRows-tableRow))
	}
	b := &book{File: excelize.NewFile()}
	look := b.looks(f.p.Language())
	sheet := f.text("sheet.request")
	b.do(b.SetSheetName("Sheet1", sheet))
	f.properties(b)
	for i, c := range columns {
		name, _ := excelize.ColumnNumberToName(i + 1)
		b.do(b.SetColWidth(sheet, name, name, c.width))
	}
	f.head(b, sheet, look)
	for i, c := range columns {
		b.put(sheet, i+1, tableRow, f.text("column."+c.id))
	}
	b.do(b.SetCellStyle(sheet, at(1, tableRow), at(len(columns), tableRow), look.Head))
	b.do(b.SetRowHeight(sheet, tableRow, 30))
	last := tableRow + len(f.lines)
	f.rows(b, sheet, tableRow+1, numbered(columns), 0)
	for i, c := range columns {
		style := look.Cell
		switch c.id {
		case "number", "kind", "direction", "wanted", "expires", "done":
			style = look.Middle
		}
		b.do(b.SetCellStyle(sheet, at(i+1, tableRow+1), at(i+1, last), style))
	}
	b.do(b.AutoFilter(sheet, at(1, tableRow)+":"+at(len(columns), last), nil))
	b.do(b.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: tableRow, TopLeftCell: at(1, tableRow+1), ActivePane: "bottomLeft"}))
	f.choices(b, sheet, 2, tableRow+1, last)
	b.do(b.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: workbook.Quoted(sheet) + "!$" + strconv.Itoa(tableRow) + ":$" + strconv.Itoa(tableRow), Scope: sheet}))
	b.do(workbook.SetPage(b.File, sheet))
	f.beside(b, look)
	return b.bytes()
}

// properties are those of the document. Its dates are that of the data: the same input gives the same bytes.
func (f *form) properties(b *book) {
	day := f.date
	if day == "" {
		day = "2000-01-01" // chosen: the library's own would name the day on which somebody wrote it
	}
	day += "T00:00:00Z"
	b.do(b.SetDocProps(&excelize.DocProperties{
		Created: day, Modified: day, Creator: "Sekisho", LastModifiedBy: "Sekisho", Title: f.title, Language: f.p.Language(), Identifier: "xlsx", Revision: "0", Version: "1",
	}))
	b.do(b.SetAppProps(&excelize.AppProperties{Application: "Sekisho", Company: f.organisation}))
}

// head writes the title, what the request is about, and the boxes for those who sign it.
func (f *form) head(b *book, sheet string, look workbook.Looks) {
	n := len(columns)
	b.do(b.MergeCell(sheet, at(1, 1), at(n, 1)))
	b.put(sheet, 1, 1, f.cell(f.title))
	b.do(b.SetCellStyle(sheet, at(1, 1), at(n, 1), look.Title))
	b.do(b.SetRowHeight(sheet, 1, 28))
	values := f.values()
	place := func(column, row int, id string) {
		b.do(b.MergeCell(sheet, at(column, row), at(column+1, row)))
		b.do(b.MergeCell(sheet, at(column+2, row), at(column+3, row)))
		b.put(sheet, column, row, f.text("head."+id))
		b.put(sheet, column+2, row, values[id])
		b.do(b.SetCellStyle(sheet, at(column, row), at(column+1, row), look.Label))
		b.do(b.SetCellStyle(sheet, at(column+2, row), at(column+3, row), look.Value))
	}
	for i, id := range []string{"organisation", "applicant", "wanted", "expires", "count"} {
		place(1, headRow+i, id)
		b.do(b.SetRowHeight(sheet, headRow+i, 20))
	}
	right := []string{"date", "catalog", "policy"}
	if f.since != "" {
		right = append(right, "since")
	}
	for i, id := range right {
		place(5, headRow+i, id)
	}
	// A box for each of those who sign, over the columns that have their names.
	for i, c := range columns {
		switch c.id {
		case "applicant", "approver", "implementer", "done", "checker":
			b.put(sheet, i+1, headRow, f.text("column."+c.id))
			b.do(b.SetCellStyle(sheet, at(i+1, headRow), at(i+1, headRow), look.Head))
			b.do(b.MergeCell(sheet, at(i+1, headRow+1), at(i+1, headRow+4)))
			b.do(b.SetCellStyle(sheet, at(i+1, headRow+1), at(i+1, headRow+4), look.Value))
		}
	}
}

// values are what the head says, by the names that cells of a template may have.
func (f *form) values() map[string]string {
	count := map[string]int{}
	for _, l := range f.lines {
		count[l.kind]++
	}
	var counts []string
	for _, k := range kinds() {
		if count[k] > 0 || f.since != "" {
			counts = append(counts, f.text("kind."+k)+" "+strconv.Itoa(count[k]))
		}
	}
	date := f.date
	if date == "" {
		date = f.text("unknown")
	}
	out := map[string]string{
		"title": f.title, "organisation": f.organisation, "applicant": f.applicant, "date": date, "catalog": f.catalog, "policy": f.policy,
		"since": f.since, "wanted": f.wanted, "expires": f.expires, "count": strings.Join(counts, ", "),
	}
	for k, v := range out {
		out[k] = f.cell(v)
	}
	return out
}

// placed are the columns of a sheet by their numbers.
type placed struct {
	column
	at int
}

func numbered(list []column) []placed {
	var out []placed
	for i, c := range list {
		out = append(out, placed{c, i + 1})
	}
	return out
}

// rows writes the lines. No row is lower than lowest points.
func (f *form) rows(b *book, sheet string, first int, list []placed, lowest float64) {
	for i, l := range f.lines {
		high := 1
		for _, c := range list {
			if c.id == "number" {
				b.do(b.SetCellInt(sheet, at(c.at, first+i), int64(i+1)))
				continue
			}
			text := f.cell(c.value(f, i, l))
			b.put(sheet, c.at, first+i, text)
			high = max(high, workbook.Lines(text, c.width))
		}
		b.height(sheet, first+i, high, lowest)
		if b.err != nil {
			return
		}
	}
}

// height makes a row high enough for a number of lines. Excel would find out by itself and LibreOffice would not.
func (b *book) height(sheet string, row, high int, lowest float64) {
	b.do(b.SetRowHeight(sheet, row, workbook.Height(high, lowest)))
}

// choices lets people choose what a line asks for from a list.
func (f *form) choices(b *book, sheet string, column, first, last int) {
	var words []string
	for _, k := range kinds() {
		words = append(words, f.text("kind."+k))
	}
	v := excelize.NewDataValidation(true)
	v.SetSqref(at(column, first) + ":" + at(column, last))
	b.do(v.SetDropList(words))
	v.SetError(excelize.DataValidationErrorStyleStop, f.text("kind.title"), strings.Join(words, ", "))
	b.do(b.AddDataValidation(sheet, v))
}

// beside adds the sheets of what is not asked for and of the sources.
func (f *form) beside(b *book, look workbook.Looks) {
	var left [][]string
	for _, n := range f.notes {
		left = append(left, []string{n.what, n.ports, n.rule, f.text("note." + n.why)})
	}
	if len(left) == 0 {
		left = [][]string{{f.text("notes.none")}}
	}
	f.sheet(b, look, "notes", left, column{id: "what", width: 44}, column{id: "ports", width: 20}, column{id: "rule", width: 34}, column{id: "why", width: 62})
	var from [][]string
	for _, s := range f.sources {
		from = append(from, []string{s.title, s.url, s.date, s.read, s.age})
	}
	f.sheet(b, look, "sources", from, column{id: "title", width: 54}, column{id: "url", width: 64}, column{id: "date", width: 13}, column{id: "read", width: 13}, column{id: "age", width: 16})
}

// sheet adds a sheet with a table. Its name gets a number where the book has one so called.
func (f *form) sheet(b *book, look workbook.Looks, id string, records [][]string, columns ...column) {
	if b.err != nil {
		return
	}
	base := f.text("sheet." + id)
	name := base
	for n := 2; ; n++ {
		if i, err := b.GetSheetIndex(name); i < 0 {
			b.do(err)
			break
		}
		name = base + " " + strconv.Itoa(n)
	}
	if len(records) > workbook.MostRows-1 {
		b.do(errors.New("too many rows"))
		return
	}
	_, err := b.NewSheet(name)
	b.do(err)
	for i, c := range columns {
		letter, _ := excelize.ColumnNumberToName(i + 1)
		b.do(b.SetColWidth(name, letter, letter, c.width))
		b.put(name, i+1, 1, f.text(id+"."+c.id))
	}
	for i, cells := range records {
		high := 1
		for j, c := range cells {
			text := f.cell(c)
			b.put(name, j+1, i+2, text)
			high = max(high, workbook.Lines(text, columns[j].width))
		}
		b.height(name, i+2, high, 0)
	}
	b.do(b.SetCellStyle(name, at(1, 1), at(len(columns), 1), look.Head))
	if len(records) > 0 {
		b.do(b.SetCellStyle(name, at(1, 2), at(len(columns), len(records)+1), look.Cell))
	}
	b.do(b.AutoFilter(name, at(1, 1)+":"+at(len(columns), len(records)+1), nil))
	b.do(b.SetPanes(name, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
	b.do(b.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: workbook.Quoted(name) + "!$1:$1", Scope: name}))
	b.do(workbook.SetPage(b.File, name))
}
