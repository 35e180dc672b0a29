package workbook

import (
	"errors"
	"math"
	"strings"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/width"
)

// At names a cell; row and column count from 1.
func At(column, row int) string {
	name, _ := excelize.CoordinatesToCellName(column, row) // both are ours
	return name
}

// Quoted is a sheet's name as formulas and defined names have it.
func Quoted(sheet string) string { return "'" + strings.ReplaceAll(sheet, "'", "''") + "'" }

// Looks are the styles of a workbook, by their numbers in it. Obtain them from NewLooks.
type Looks struct{ Title, Label, Value, Head, Cell, Middle int }

// NewLooks adds the styles to a workbook, with the font of the language ("ja" or "en").
func NewLooks(f *excelize.File, language string) (Looks, error) {
	family, charset := "Yu Gothic", 0
	if language == "ja" {
		family, charset = "游ゴシック", 128 // SHIFTJIS_CHARSET: a reader without the font takes another Japanese one
	}
	font := func(size float64, bold bool) *excelize.Font {
		f := &excelize.Font{Family: family, Size: size, Bold: bold, Color: "000000"}
		if charset != 0 {
			f.Charset = &charset
		}
		return f
	}
	problem := f.SetDefaultFont(family)
	var border []excelize.Border
	for _, side := range []string{"left", "top", "right", "bottom"} {
		border = append(border, excelize.Border{Type: side, Color: "808080", Style: 1})
	}
	grey := excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E7ECF3"}}
	style := func(s excelize.Style) int {
		id, err := f.NewStyle(&s)
		problem = errors.Join(problem, err)
		return id
	}
	middle := excelize.Alignment{Horizontal: "center", Vertical: "center", WrapText: true}
	return Looks{
		Title:  style(excelize.Style{Font: font(16, true), Alignment: &excelize.Alignment{Vertical: "center"}}),
		Label:  style(excelize.Style{Font: font(9, true), Border: border, Fill: grey, Alignment: &excelize.Alignment{Vertical: "center", WrapText: true}}),
		Value:  style(excelize.Style{Font: font(9, false), Border: border, Alignment: &excelize.Alignment{Horizontal: "left", Vertical: "center", WrapText: true}}),
		Head:   style(excelize.Style{Font: font(9, true), Border: border, Fill: grey, Alignment: &middle}),
		Cell:   style(excelize.Style{Font: font(9, false), Border: border, Alignment: &excelize.Alignment{Horizontal: "left", Vertical: "top", WrapText: true}}),
		Middle: style(excelize.Style{Font: font(9, false), Border: border, Alignment: &excelize.Alignment{Horizontal: "center", Vertical: "top", WrapText: true}}),
	}, problem
}

const (
	paperA4  = 9    // ECMA-376 part 1, 18.3.1.63, paperSize
	lineHigh = 13.5 // points of a line of Yu Gothic in 9 points, as Excel sets it
	mostHigh = 409  // points of a row (see MostCell)
)

// Height is how high a row of so many lines is, in points; at least lowest. Excel would find out by itself and LibreOffice
// would not.
func Height(lines int, lowest float64) float64 {
	return min(mostHigh, max(lowest, float64(lines)*lineHigh+3))
}

// Lines estimates, rather too many than too few, on how many lines a text stands in a column of a width in characters of 11
// points, of which the text has 9.
func Lines(text string, wide float64) int {
	n := 0
	for part := range strings.SplitSeq(text, "\n") {
		units := 0
		for _, r := range part {
			units++
			switch width.LookupRune(r).Kind() {
			case width.EastAsianWide, width.EastAsianFullwidth, width.EastAsianAmbiguous:
				units++
			}
		}
		n += max(1, int(math.Ceil(float64(units)/max(1, wide*1.15))))
	}
	return n
}

// SetPage sets a sheet up for A4 across, as wide as a page, with numbered pages.
func SetPage(f *excelize.File, sheet string) error {
	size, across, wide, high, fit := paperA4, "landscape", 1, 0, true
	side, top := 0.4, 0.5
	return errors.Join(
		f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Size: &size, Orientation: &across, FitToWidth: &wide, FitToHeight: &high}),
		f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}),
		f.SetPageMargins(sheet, &excelize.PageLayoutMarginsOptions{Left: &side, Right: &side, Top: &top, Bottom: &top}),
		f.SetHeaderFooter(sheet, &excelize.HeaderFooterOptions{OddFooter: "&L&A&C&P / &N"}),
	)
}
