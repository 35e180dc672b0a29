// Package workbook writes tables as an Excel workbook for people, and has the looks and the safety of cells that every
// workbook of the program shares.
//
//	b := workbook.New("ja", "サインインの計画")
//	b.Sheet("アカウント", []workbook.Column{{Heading: "名前", Width: 40}}, slices.Values([][]string{{"alice@contoso.com"}}))
//	data, err := b.Bytes()
//
// No cell is a formula in any program that opens it, none has a character that nobody sees or that turns the direction of
// writing, and the same input gives the same bytes. It reads no workbook.
package workbook

import (
	"archive/zip"
	"bytes"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/finding"
)

// Column is one column of a sheet.
type Column struct {
	Heading string
	Width   float64 // in characters, as Excel counts them; 0: 12
	Number  bool    // a value that is a whole number stands as one, so that it can be added and sorted
}

// defaultWidth of a column; chosen: a short word with its filter's button.
const defaultWidth = 12

// Book is a workbook that is being written, sheet after sheet. Obtain it from New. Not safe for concurrent use.
type Book struct {
	file   *excelize.File
	looks  Looks
	sheets int
	most   int // rows of a sheet: MostRows
	cut    int
	err    error // the first one stays; what follows it does nothing
}

// New begins a workbook in a language ("ja" or "en"), with the title of its properties.
func New(language, title string) *Book {
	b := &Book{file: excelize.NewFile(), most: MostRows}
	var err error
	b.looks, err = NewLooks(b.file, language)
	b.do(err)
	// Fixed, because the library's own dates would name the day on which somebody wrote it.
	const day = "2000-01-01T00:00:00Z"
	b.do(b.file.SetDocProps(&excelize.DocProperties{
		Created: day, Modified: day, Creator: "Sekisho", LastModifiedBy: "Sekisho", Title: Visible(title), Language: language, Identifier: "xlsx", Revision: "0", Version: "1",
	}))
	b.do(b.file.SetAppProps(&excelize.AppProperties{Application: "Sekisho"}))
	return b
}

func (b *Book) do(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Cut is how many cells were longer than a cell may be; they end in "[…]".
func (b *Book) Cut() int { return b.cut }

// Sheet adds a sheet with one table: a head that stays and filters, and a row for each of rows, whose cells are in the order
// of columns. What does not fit on one sheet goes on on another one, whose name has a number. name is one of ours: at most
// 28 characters, none of : \ / ? * [ ].
func (b *Book) Sheet(name string, columns []Column, rows iter.Seq[[]string]) {
	next, stop := iter.Pull(rows)
	defer stop()
	row, more := next()
	for part := 1; b.err == nil && (part == 1 || more); part++ {
		title := name
		if part > 1 {
			title += " " + strconv.Itoa(part)
		}
		w := b.begin(title, columns)
		at := 2
		for ; b.err == nil && more && at <= b.most; at++ {
			b.row(w, columns, row, at)
			row, more = next()
		}
		b.end(w, title, len(columns), at-1)
	}
}

// begin makes a sheet whose rows are written as they come: a forest has more of them than memory should hold twice.
func (b *Book) begin(name string, columns []Column) *excelize.StreamWriter {
	if b.sheets++; b.sheets == 1 {
		b.do(b.file.SetSheetName("Sheet1", name))
	} else {
		_, err := b.file.NewSheet(name)
		b.do(err)
	}
	if b.err != nil {
		return nil
	}
	b.do(SetPage(b.file, name))
	w, err := b.file.NewStreamWriter(name)
	if b.do(err); b.err != nil {
		return nil
	}
	head := make([]any, len(columns))
	for i, c := range columns {
		wide := c.Width
		if wide == 0 {
			wide = defaultWidth
		}
		b.do(w.SetColWidth(i+1, i+1, wide))
		text, _ := Cell(Visible(c.Heading))
		head[i] = excelize.Cell{StyleID: b.looks.Head, Value: text}
	}
	b.do(w.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
	b.do(w.SetRow("A1", head, excelize.RowOpts{Height: Height(2, 0)}))
	return w
}

func (b *Book) row(w *excelize.StreamWriter, columns []Column, cells []string, at int) {
	out := make([]any, len(columns))
	high := 1
	for i, c := range columns {
		if i >= len(cells) || cells[i] == "" {
			out[i] = excelize.Cell{StyleID: b.looks.Cell}
			continue
		}
		if c.Number {
			if n, err := strconv.ParseInt(cells[i], 10, 53); err == nil {
				out[i] = excelize.Cell{StyleID: b.looks.Cell, Value: n}
				continue
			}
		}
		text, cut := Cell(Visible(cells[i]))
		if cut {
			b.cut++
		}
		high = max(high, Lines(text, max(c.Width, 1)))
		out[i] = excelize.Cell{StyleID: b.looks.Cell, Value: text}
	}
	b.do(w.SetRow(At(1, at), out, excelize.RowOpts{Height: Height(high, 0)}))
}

// end writes what stands behind the rows of a sheet.
func (b *Book) end(w *excelize.StreamWriter, name string, columns, last int) {
	if b.err != nil {
		return
	}
	b.do(b.file.AutoFilter(name, At(1, 1)+":"+At(columns, max(last, 2)), nil))
	b.do(b.file.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: Quoted(name) + "!$1:$1", Scope: name}))
	b.do(w.Flush())
}

// Bytes closes the book. The error is a *finding.Problem.
func (b *Book) Bytes() ([]byte, error) {
	if b.err == nil && b.sheets == 0 {
		b.err = errors.New("a workbook has at least one sheet")
	}
	if b.err != nil {
		return nil, finding.Fail("workbook.write", errors.Join(b.err, b.file.Close()))
	}
	buffer, err := b.file.WriteToBuffer()
	if err = errors.Join(err, b.file.Close()); err != nil {
		return nil, finding.Fail("workbook.write", err)
	}
	data, err := ordered(buffer.Bytes())
	if err != nil {
		return nil, finding.Fail("workbook.write", err)
	}
	return data, nil
}

// ordered puts the parts of a package into the order of their names: the library writes streamed sheets in the order of a map.
// "[Content_Types].xml" comes first by its name, as readers like it.
func ordered(data []byte) ([]byte, error) {
	in, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	parts := slices.Clone(in.File)
	slices.SortFunc(parts, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, part := range parts {
		if err := w.Copy(part); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
