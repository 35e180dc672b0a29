package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"sekisho/internal/audit"
)

// CSV says how WriteCSV writes. The zero value writes UTF-8 without a mark and the columns' ids as the first line.
type CSV struct {
	// BOM begins the file with a byte order mark, by which Excel knows UTF-8.
	BOM bool
	// Heading gives the first line's text for a column; nil means its ID.
	Heading func(Column) string
}

// WriteCSV writes rows as CSV (RFC 4180: lines end in CR LF), the first line being the headings. Times are in UTC. A cell
// that a spreadsheet would take for a formula begins with an apostrophe. It ends at the first error of rows or of w, and
// returns it.
func (r Report) WriteCSV(w io.Writer, rows iter.Seq2[audit.Record, error], o CSV) error {
	b := bufio.NewWriter(w)
	if o.BOM {
		b.WriteString("\ufeff")
	}
	c := csv.NewWriter(b)
	c.UseCRLF = true
	cells := make([]string, len(r.Columns))
	for i, col := range r.Columns {
		cells[i] = col.ID
		if o.Heading != nil {
			cells[i] = o.Heading(col)
		}
		cells[i] = Defuse(cells[i])
	}
	if err := c.Write(cells); err != nil {
		return err
	}
	for rec, err := range rows {
		if err != nil {
			return err
		}
		for i, col := range r.Columns {
			cells[i] = Defuse(col.Cell(&rec, nil))
		}
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return b.Flush()
}

// Defuse keeps a spreadsheet from taking a cell for a formula: a host, a user or a path is what a stranger sent. A cell
// that begins with =, +, -, @ (also in their full-width forms, which Japanese Excel reads alike), tab, carriage return or
// line feed gets an apostrophe in front (OWASP, "CSV Injection",
// https://owasp.org/www-community/attacks/CSV_Injection, read 2026-11-01), also behind white space, which some programs
// skip.
func Defuse(cell string) string {
	if cell == "" {
		return cell
	}
	if strings.ContainsRune("\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	if first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0\u3000")); strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

// WriteJSON writes rows as one JSON array of objects, one a line, with the columns' IDs as names in their order. A value
// that is not known is "", 0 or an empty list, never absent.
func (r Report) WriteJSON(w io.Writer, rows iter.Seq2[audit.Record, error]) error {
	b := bufio.NewWriter(w)
	before := "[\n"
	for rec, err := range rows {
		if err != nil {
			return err
		}
		line, err := r.object(&rec)
		if err != nil {
			return err
		}
		b.WriteString(before)
		if _, err := b.Write(line); err != nil {
			return err
		}
		before = ",\n"
	}
	if before == "[\n" {
		b.WriteString("[]\n")
	} else {
		b.WriteString("\n]\n")
	}
	return b.Flush()
}

// WriteJSONL writes rows as JSON objects, one a line (https://jsonlines.org), as WriteJSON does.
func (r Report) WriteJSONL(w io.Writer, rows iter.Seq2[audit.Record, error]) error {
	b := bufio.NewWriter(w)
	for rec, err := range rows {
		if err != nil {
			return err
		}
		line, err := r.object(&rec)
		if err != nil {
			return err
		}
		if _, err := b.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return b.Flush()
}

// Object is one record as the JSON object that WriteJSON writes, for pages and APIs.
func (r Report) Object(rec audit.Record) (json.RawMessage, error) { return r.object(&rec) }

func (r Report) object(rec *audit.Record) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i, c := range r.Columns {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(`"` + c.ID + `":`)
		v := c.value(rec)
		switch t := v.(type) {
		case time.Time:
			if v = ""; !t.IsZero() {
				v = t.Format(time.RFC3339Nano) // all that is known: microseconds
			}
		case []string:
			if t == nil {
				v = []string{}
			}
		}
		if err := e.Encode(v); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the encoder's line feed
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
