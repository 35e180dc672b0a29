package render

import (
	"bytes"
	"encoding/csv"

	"golang.org/x/text/encoding/japanese"

	"sekisho/internal/audit/report"
)

// The encodings of CSV.
const (
	UTF8    = "utf-8"
	UTF8BOM = "utf-8-bom" // Excel reads UTF-8 only behind a byte order mark
	CP932   = "cp932"     // what older Japanese programs read: Windows-31J
)

// Encodings returns them, that of Excel first.
func Encodings() []string { return []string{UTF8BOM, UTF8, CP932} }

// CSV writes records (RFC 4180: lines end with CR LF) in one of the encodings. No cell is a formula to a spreadsheet
// (report.Defuse), none has a character that steers a screen. lost counts the characters that CP932 has not: question
// marks stand in their places.
func CSV(records [][]string, encoding string) (body []byte, lost int) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for _, cells := range records {
		safe := make([]string, len(cells))
		for i, c := range cells {
			safe[i] = report.Defuse(OneLine(c))
		}
		_ = w.Write(safe) // a buffer takes everything
	}
	w.Flush()
	switch encoding {
	case UTF8BOM:
		return append([]byte("\xef\xbb\xbf"), b.Bytes()...), 0
	case CP932:
		return windows31J(b.String())
	}
	return b.Bytes(), 0
}

// alike are characters that Windows-31J has under another code point of Unicode: the same signs to whoever reads them
// (WHATWG "Encoding", section 5, index jis0208, maps the right-hand ones).
var alike = map[rune]rune{
	'〜': '～', '−': '－', '—': '―', '‖': '∥', '¢': '￠', '£': '￡', '¬': '￢', '¥': '￥', '–': '-', '\u00a0': ' ',
}

// windows31J encodes s, character by character where one is missing.
func windows31J(s string) (body []byte, lost int) {
	e := japanese.ShiftJIS.NewEncoder()
	var out []byte
	for _, r := range s {
		if other, ok := alike[r]; ok {
			r = other
		}
		if r < 0x80 {
			out = append(out, byte(r))
			continue
		}
		e.Reset()
		b, err := e.Bytes([]byte(string(r)))
		if err != nil {
			lost++
			b = []byte{'?'}
		}
		out = append(out, b...)
	}
	return out, lost
}
