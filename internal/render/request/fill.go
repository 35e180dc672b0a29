package request

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/finding"
	"sekisho/internal/workbook"
)

// mostMerged bounds how many merged areas are copied into new rows (chosen: ten in each of 10,000 rows).
const mostMerged = 100000

// fill writes the request into the organisation's own form. What the form has stays: styles, formulas, other sheets,
// pictures. Rows that it has prepared are used; where there are too few, rows like them are added, before what stands below.
func (f *form) fill(data []byte) (out []byte, err error) {
	b, err := f.open(data)
	if err != nil {
		return nil, err
	}
	defer func() {
		if recovered := recover(); recovered != nil { // as in open
			out, err = nil, f.unusable("damaged", fmt.Errorf("%v", recovered), "part", "xlsx")
		}
	}()
	names, err := f.names(b)
	if err != nil {
		return nil, err
	}
	t, err := f.find(b, names)
	if err != nil {
		return nil, err
	}
	merged, err := b.GetMergeCells(t.sheet)
	if err != nil {
		return nil, f.unusable("damaged", err, "part", visible(t.sheet))
	}
	areas := readAreas(merged)
	t.first = t.row + 1
	for _, s := range t.columns {
		for _, a := range areas {
			if a.has(s.column, t.row) {
				t.first = max(t.first, a.bottom+1)
			}
		}
	}
	room, below, err := f.room(b, t)
	if err != nil {
		return nil, err
	}
	if t.first-1+len(f.lines) > workbook.MostRows {
		return nil, finding.Fail("request.too-many", nil, "count", strconv.Itoa(len(f.lines)), "max", strconv.Itoa(workbook.MostRows-t.first+1))
	}
	f.grow(b, t, areas, room, below)
	values := f.values()
	for _, name := range headNames() {
		if s, ok := names[namePrefix+name]; ok {
			row := s.row
			if s.sheet == t.sheet && row >= t.first+room && len(f.lines) > room && below {
				row += len(f.lines) - room // it went down with what stands below
			}
			b.put(s.sheet, s.column, row, values[name])
		}
	}
	var list []placed
	for _, c := range allColumns() {
		if s, ok := t.columns[c.id]; ok {
			c.width = b.wide(t.sheet, s.column, t.first, areas)
			list = append(list, placed{c, s.column})
		}
	}
	lowest, err := b.GetRowHeight(t.sheet, t.first)
	b.do(err)
	f.rows(b, t.sheet, t.first, list, lowest)
	calculate := true
	b.do(b.SetCalcProps(&excelize.CalcPropsOptions{FullCalcOnLoad: &calculate})) // results in formulas are those of the empty form
	f.beside(b, b.looks(f.p.Language()))
	return b.bytes()
}

// area is a merged range.
type area struct{ left, top, right, bottom int }

func (a area) has(column, row int) bool {
	return a.left <= column && column <= a.right && a.top <= row && row <= a.bottom
}

func readAreas(merged []excelize.MergeCell) (out []area) {
	for _, m := range merged {
		left, top, err := excelize.CellNameToCoordinates(m.GetStartAxis())
		right, bottom, err2 := excelize.CellNameToCoordinates(m.GetEndAxis())
		if err == nil && err2 == nil {
			out = append(out, area{left, top, right, bottom})
		}
	}
	return out
}

// wide is how wide a cell of the first row is, with those that are merged with it.
func (b *book) wide(sheet string, column, row int, areas []area) float64 {
	last := column
	for _, a := range areas {
		if a.has(column, row) {
			last = a.right
		}
	}
	sum := 0.0
	for c := column; c <= min(last, column+mostHeadColumn); c++ {
		name, _ := excelize.ColumnNumberToName(c)
		w, err := b.GetColWidth(sheet, name)
		b.do(err)
		sum += w
	}
	return sum
}

// room counts the rows that the form has prepared: from the first on, those without a text, but for numbers in the column
// of numbers and for formulas. below says that something stands below them.
func (f *form) room(b *book, t *table) (n int, below bool, err error) {
	rows, err := b.GetRows(t.sheet, excelize.Options{RawCellValue: true})
	if err != nil {
		return 0, false, f.unusable("damaged", err, "part", visible(t.sheet))
	}
	number := 0
	if s, ok := t.columns["number"]; ok {
		number = s.column
	}
	for row := t.first; row <= len(rows); row++ {
		for i, text := range rows[row-1] {
			if text == "" || i+1 == number && digits(text) {
				continue
			}
			if formula, err := b.GetCellFormula(t.sheet, at(i+1, row)); err == nil && formula != "" && !t.has(i+1) {
				continue
			}
			if row == t.first {
				return 0, false, finding.Fail("request.template-filled", nil, "cell", spot{t.sheet, i + 1, row}.String(), "value", visible(text[:min(len(text), 200)]))
			}
			return row - t.first, true, nil
		}
	}
	return max(1, len(rows)-t.first+1), false, nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789.") == "" }

// has reports whether a column is one of the table's.
func (t *table) has(column int) bool {
	for _, s := range t.columns {
		if s.column == column {
			return true
		}
	}
	return false
}

// grow adds rows like the first where the form has prepared too few.
func (f *form) grow(b *book, t *table, areas []area, room int, below bool) {
	extra := len(f.lines) - room
	if extra <= 0 {
		return
	}
	begin := t.first + room // first row that is added
	if below {
		if room > 1 {
			begin-- // before the last prepared one, so that sums over the prepared rows reach the new ones
		}
		b.do(b.InsertRows(t.sheet, begin, extra))
	}
	end, last := begin+extra-1, t.first+len(f.lines)-1
	right := 1
	for _, s := range t.columns {
		right = max(right, s.column)
	}
	for _, a := range areas {
		if a.top == t.first && a.bottom == t.first {
			right = max(right, a.right)
		}
	}
	rows, err := b.GetCols(t.sheet)
	b.do(err)
	for column := 1; column <= min(max(right, len(rows)), 16384); column++ {
		cell := at(column, t.first)
		style, err := b.GetCellStyle(t.sheet, cell)
		b.do(err)
		if style != 0 {
			b.do(b.SetCellStyle(t.sheet, at(column, begin), at(column, end), style))
		}
		if t.has(column) {
			continue
		}
		formula, err := b.GetCellFormula(t.sheet, cell)
		b.do(err)
		if formula != "" {
			kind, ref := excelize.STCellFormulaTypeShared, cell+":"+at(column, last)
			b.do(b.SetCellFormula(t.sheet, cell, formula, excelize.FormulaOpts{Type: &kind, Ref: &ref}))
		}
	}
	copied := 0
	for _, a := range slices.Clone(areas) {
		if a.top != t.first || a.bottom != t.first {
			continue
		}
		for row := begin; row <= end && copied < mostMerged; row++ {
			b.do(b.MergeCell(t.sheet, at(a.left, row), at(a.right, row)))
			copied++
		}
	}
}
