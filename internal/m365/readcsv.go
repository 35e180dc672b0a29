package m365

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// isCSV reports whether a body begins as the service's CSV does: with the names of the columns.
func isCSV(body []byte) bool {
	head := bytes.TrimPrefix(body, []byte("\ufeff"))
	line, _, _ := bytes.Cut(head[:min(len(head), 4096)], []byte("\n"))
	names := strings.Split(strings.ReplaceAll(strings.TrimSpace(string(line)), `"`, ""), ",")
	return len(names) > 1 && names[0] == "id" && slices.Contains(names, "serviceArea")
}

// parseCSV reads the body as CSV (RFC 4180) into the rows that JSON would have had: an empty cell is a member that is
// not there, the cells of urls and ips are lists. Columns that are not known are left out and told once.
func (r *reader) parseCSV() (*node, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	lines := []int{0, 0} // where each line begins, counted from 1
	for i, c := range r.data {
		if c == '\n' {
			lines = append(lines, i+1)
		}
	}
	in := csv.NewReader(bytes.NewReader(r.data))
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return nil, r.csvProblem(err, lines)
	}
	columns := slices.Clone(head)
	for i, name := range columns {
		if _, known := rowFields[name]; !known {
			line, column := in.FieldPos(i)
			if r.room() {
				r.found = append(r.found, finding.New("m365.unknown-field", finding.Info, r.pos(lines[line]+column-1), "field", bounded(name), "set", "#0", "byte", strconv.Itoa(lines[line]+column-1)))
			}
		}
	}
	top := &node{kind: isList}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, r.csvProblem(err, lines)
		}
		row := node{kind: isObject}
		for i, cell := range record {
			kind, known := rowFields[columns[i]]
			line, column := in.FieldPos(i)
			at := lines[line] + column - 1
			if i == 0 {
				row.at = at
			}
			if !known || cell == "" {
				continue
			}
			v := node{at: at, kind: kind, text: cell}
			switch kind {
			case isBool:
				if v.yes = strings.EqualFold(cell, "true"); !v.yes && !strings.EqualFold(cell, "false") {
					v.kind = isText
				}
			case isList:
				v.text = ""
				if r.values += strings.Count(cell, ",") + 1; r.values > maxValues {
					return nil, r.refuse(finding.New("m365.too-many", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "max", strconv.Itoa(maxValues)))
				}
				for part := range strings.SplitSeq(cell, ",") {
					v.items = append(v.items, node{at: at, kind: isText, text: strings.Clone(part)})
				}
			default:
				v.text = strings.Clone(cell)
			}
			row.keys, row.items = append(row.keys, columns[i]), append(row.items, v)
			if r.values++; r.values > maxValues {
				return nil, r.refuse(finding.New("m365.too-many", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "max", strconv.Itoa(maxValues)))
			}
		}
		if top.items = append(top.items, row); len(top.items) > maxRows {
			break // which list refuses
		}
	}
	// A row whose last line has no end may have been cut off in its last cell.
	if len(top.items) > 0 && !bytes.HasSuffix(r.data, []byte("\n")) {
		return nil, r.refuse(finding.New("m365.truncated", finding.Error, r.pos(len(r.data)), "byte", strconv.Itoa(len(r.data))))
	}
	return top, nil
}

// csvProblem refuses a body that is no CSV.
func (r *reader) csvProblem(err error, lines []int) error {
	at, line, said := 0, 1, err.Error()
	var problem *csv.ParseError
	if errors.As(err, &problem) {
		line, said = problem.Line, problem.Err.Error()
		if line < len(lines) {
			at = lines[line] + max(problem.Column-1, 0)
		}
	}
	return r.refuse(finding.New("m365.csv-syntax", finding.Error, r.pos(at), "line", strconv.Itoa(line), "said", said))
}
