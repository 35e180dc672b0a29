package request

import (
	"strconv"

	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/workbook"
)

// visible is workbook.Visible, which every text from outside goes through.
func visible(s string) string { return workbook.Visible(s) }

// cell makes a text the value of a cell, and counts those that were cut.
func (f *form) cell(s string) string {
	s, cut := workbook.Cell(s)
	if cut {
		f.long++
	}
	return s
}

// cut says how many cells were.
func (f *form) cut() finding.List {
	if f.long == 0 {
		return nil
	}
	return finding.List{finding.New("request.cut", finding.Warning, finding.Pos{}, "count", strconv.Itoa(f.long), "max", strconv.Itoa(workbook.MostCell))}
}

// table returns the lines as CSV.
func (f *form) table(encoding string) (render.File, finding.List) {
	if encoding == "" {
		encoding = render.UTF8BOM
	}
	var head []string
	for _, c := range columns {
		head = append(head, f.text("column."+c.id))
	}
	records := [][]string{head}
	for i, l := range f.lines {
		var cells []string
		for _, c := range columns {
			cells = append(cells, f.cell(c.value(f, i, l)))
		}
		records = append(records, cells)
	}
	body, lost := render.CSV(records, encoding)
	found := f.cut()
	if lost > 0 {
		found = append(found, finding.New("render.not-in-cp932", finding.Warning, finding.Pos{}, "count", strconv.Itoa(lost)))
	}
	if len(records) > workbook.MostRows {
		found = append(found, finding.New("request.many-rows", finding.Warning, finding.Pos{}, "count", strconv.Itoa(len(records)), "max", strconv.Itoa(workbook.MostRows)))
	}
	charset := "utf-8"
	if encoding == render.CP932 {
		charset = "windows-31j"
	}
	return render.File{Name: "sekisho-request.csv", Type: "text/csv; charset=" + charset + "; header=present", Body: body, Download: true, Lines: render.NoLines()}, found
}
