package directory

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sekisho/internal/charset"
	"sekisho/internal/finding"
)

// ReadCSV reads a table whose heads are LDAP attribute names in any case, as csvde and Export-Csv write it: UTF-8 with or
// without a byte order mark, UTF-16 with one, or code page 932. Semicolons separate several values of one cell; behind a
// backslash one stands for itself. Columns that are not known are passed over; one of userPrincipalName, sAMAccountName
// and mail has to be there. A table without objectClass holds users alone. The first line "#TYPE …" of Export-Csv is
// passed over. name stands in the errors, which are *finding.Problem with the line; no Directory is returned with one.
func ReadCSV(name string, r io.Reader, o Options) (*Directory, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxCSVBytes+1))
	if err != nil {
		return nil, finding.Fail("directory.unreadable", err, "file", name)
	}
	if len(data) > MaxCSVBytes {
		return nil, finding.Fail("directory.too-large", nil, "file", name, "max", strconv.Itoa(MaxCSVBytes>>20)+" MiB")
	}
	text, ok := charset.UTF8(data)
	if !ok {
		return nil, finding.Fail("directory.encoding", nil, "file", name)
	}
	t := &table{name: name, collector: newCollector(o)}
	if bytes.HasPrefix(text, []byte("#TYPE ")) || bytes.HasPrefix(text, []byte(`"#TYPE `)) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
		t.before = 1
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.ReuseRecord, in.FieldsPerRecord = true, -1
	head, err := in.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, finding.Fail("directory.empty", nil, "file", name)
	case err != nil:
		return nil, t.syntax(err)
	}
	if err := t.columns(slices.Clone(head)); err != nil {
		return nil, err
	}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return t.finish()
		}
		if err != nil {
			return nil, t.syntax(err)
		}
		line, _ := in.FieldPos(0)
		if err := t.row(line+t.before, cells); err != nil {
			return nil, err
		}
	}
}

// table is a CSV file being read.
type table struct {
	*collector
	name    string
	before  int // lines that were taken off
	wants   []attribute
	heads   []string
	classes bool // there is a column objectClass
}

func (t *table) fail(line int, code string, args ...string) error {
	f := finding.New("directory."+code, finding.Error, finding.Pos{File: t.name, Line: line, Column: 1}, args...)
	return &finding.Problem{Findings: finding.List{f}}
}

func (t *table) syntax(err error) error {
	line, said := 1, err.Error()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		line, said = parse.Line, parse.Err.Error()
	}
	return t.fail(line+t.before, "csv-syntax", "said", said)
}

// columns finds what each column holds. Two columns of one attribute would leave open which counts.
func (t *table) columns(heads []string) error {
	seen := map[attribute]string{}
	for _, head := range heads {
		if strings.Contains(head, ";") {
			return t.fail(1+t.before, "csv-heads")
		}
		a := t.attributeOf([]byte(strings.ToLower(strings.TrimSpace(head))))
		if before, twice := seen[a]; a != ignored && twice {
			if a == attrDN && !strings.EqualFold(before, head) { // csvde writes DN and distinguishedName
				a = ignored
			} else {
				return t.fail(1+t.before, "csv-two-columns", "name", shown(head))
			}
		}
		if a != ignored {
			seen[a] = head
		}
		t.wants = append(t.wants, a)
	}
	t.heads = heads
	for a := range seen {
		t.seen[a] = a != attrDN
	}
	has := func(a attribute) bool { _, ok := seen[a]; return ok }
	t.classes = has(attrClass)
	if !has(attrUPN) && !has(attrSAM) && !has(attrMail) {
		return t.fail(1+t.before, "csv-heads")
	}
	if chosen := t.options.Attribute; chosen != "" && !has(attrChosen) && !has(wanted[strings.ToLower(chosen)]) {
		return t.fail(1+t.before, "csv-no-column", "name", chosen)
	}
	return nil
}

func (t *table) row(line int, cells []string) error {
	if !slices.ContainsFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
		return nil
	}
	if len(cells) != len(t.wants) {
		return t.fail(line, "csv-cells", "got", strconv.Itoa(len(cells)), "want", strconv.Itoa(len(t.wants)))
	}
	t.begin("", finding.Pos{File: t.name, Line: line, Column: 1})
	// The name first, because messages about the other cells tell it.
	for i, a := range t.wants {
		if a == attrDN {
			t.entry.DN = strings.Clone(cells[i])
			if raw, ok := ofHex([]byte(cells[i])); ok && utf8.Valid(raw) {
				t.entry.DN = string(raw)
			}
		}
	}
	for i, a := range t.wants {
		if a == ignored || a == attrDN {
			continue
		}
		if err := t.cell(line, t.heads[i], a, cells[i]); err != nil {
			return err
		}
	}
	if !t.classes {
		t.entry.classes = append(t.entry.classes, "user")
	}
	if f := t.end(); f != nil {
		f.Pos = t.entry.Pos
		return &finding.Problem{Findings: finding.List{*f}}
	}
	return nil
}

// cell adds the values of one cell.
func (t *table) cell(line int, head string, a attribute, cell string) error {
	if cell == "" {
		return nil
	}
	if a == attrHours && !strings.HasPrefix(cell, "X'") {
		t.hoursUnread = true // Export-Csv writes the name of a type there
		return nil
	}
	if strings.HasPrefix(cell, "Microsoft.ActiveDirectory.Management.") || strings.HasPrefix(cell, "System.") && strings.HasSuffix(cell, "[]") {
		return t.fail(line, "csv-type-name", "name", head)
	}
	values := [][]byte{[]byte(cell)}
	switch a {
	case attrGUID, attrConsistency:
		raw, ok := parseGUID(cell)
		if !ok {
			return t.fail(line, "csv-guid", "name", head, "value", shown(cell))
		}
		values[0] = raw
	case attrProxies, attrClass, attrSuffixes, attrDNSRoot, attrChosen:
		values = splitValues(cell)
	case attrMail, attrNickname, attrSAM, attrDisplay:
		if strings.EqualFold(t.nameOf(a), t.chosen) { // several are something to find, see add
			values = splitValues(cell)
		}
	case attrControl, attrComputed, attrExpires, attrLockout, attrPwdLastSet, attrSystemFlags, attrCritical:
		values[0] = bytes.TrimSpace(values[0])
	}
	for _, value := range values {
		if raw, ok := ofHex(value); ok && a != attrGUID && a != attrConsistency {
			value = raw
		}
		if f := t.add(a, value); f != nil {
			f.Pos = finding.Pos{File: t.name, Line: line, Column: 1}
			return &finding.Problem{Findings: finding.List{*f}}
		}
	}
	return nil
}

// ofHex reads X'hex', as csvde writes what is not plain ASCII.
func ofHex(value []byte) (raw []byte, ok bool) {
	inner, ok := bytes.CutPrefix(value, []byte("X'"))
	if !ok || !bytes.HasSuffix(inner, []byte("'")) {
		return nil, false
	}
	raw, err := hex.DecodeString(string(inner[:len(inner)-1]))
	return raw, err == nil
}

// splitValues splits a cell at semicolons; spaces around several values are of whoever joined them.
func splitValues(cell string) [][]byte {
	var out [][]byte
	var value []byte
	keep := func() {
		if trimmed := bytes.TrimSpace(value); len(trimmed) > 0 {
			if strings.IndexByte(cell, ';') >= 0 {
				value = trimmed
			}
			out = append(out, value)
		}
		value = nil
	}
	for i := 0; i < len(cell); i++ {
		switch {
		case cell[i] == '\\' && i+1 < len(cell) && (cell[i+1] == ';' || cell[i+1] == '\\'):
			i++
			value = append(value, cell[i])
		case cell[i] == ';':
			keep()
		default:
			value = append(value, cell[i])
		}
	}
	keep()
	return out
}
