package catalog_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reference returns the folder of the reference material, or skips.
func reference(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		t.Skip("SEKISHO_REFERENCE is not set: set it to the folder of the reference material to compare the catalog with its sources")
	}
	return dir
}

// seed returns the text of the source page whose file name begins with prefix.
func seed(t *testing.T, prefix string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(reference(t), "..", "seeds", prefix+"*.txt"))
	if err != nil || len(files) != 1 {
		t.Fatalf("seed page %s: %d files (%v)", prefix, len(files), err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pageTable is one table of a page: cells by row and column, and the line after which the table ended.
type pageTable struct {
	columns []string
	rows    [][]string
}

// parsePage splits the text of a page into its tables and the lines outside of them. In that text a cell ends with "|"
// and may contain line breaks; a table begins with a line of column names and a line of dashes and ends at the first
// line without "|".
func parsePage(text string) (tables []pageTable, outside []string) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if i+1 >= len(lines) || !strings.HasPrefix(lines[i+1], "---|") {
			outside = append(outside, lines[i])
			continue
		}
		var table pageTable
		for _, name := range strings.Split(strings.TrimRight(strings.TrimSpace(lines[i]), "|"), "|") {
			table.columns = append(table.columns, strings.TrimSpace(name))
		}
		var body strings.Builder
		for i += 2; i < len(lines) && strings.Contains(lines[i], "|") && !strings.HasPrefix(lines[i], "ID |"); i++ {
			body.WriteString(lines[i] + "\n")
		}
		i--
		cells := strings.Split(body.String(), "|")
		cells = cells[:len(cells)-1] // what follows the last "|" is a line break
		for n := len(table.columns); len(cells) > 0; cells = cells[min(n, len(cells)):] {
			row := make([]string, n) // a last row may lack its empty last cell
			for j := range min(n, len(cells)) {
				row[j] = strings.Join(strings.Fields(cells[j]), " ")
			}
			table.rows = append(table.rows, row)
		}
		tables = append(tables, table)
	}
	return tables, outside
}

// pageRow is one row of the Intune page in comparable form.
type pageRow struct {
	id, category      string
	required, express bool
	hosts, prefixes   []string
	ports             string
}

var cidr = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+/\d+$`)

// readRow understands a row of the tables with the columns ID, title, category, ER, addresses, ports.
func readRow(t *testing.T, cells []string) pageRow {
	t.Helper()
	r := pageRow{id: cells[0]}
	for _, word := range strings.Fields(cells[2]) {
		switch word {
		case "許可":
			r.category = "allow"
		case "既定値":
			r.category = "default"
		case "最適化":
			r.category = "optimize"
		case "必須":
			r.required = true
		default:
			t.Errorf("row %s: category cell %q has an unknown word", r.id, cells[2])
		}
	}
	switch cells[3] {
	case "はい", "True":
		r.express = true
	case "False", "いいえ":
	default:
		t.Errorf("row %s: ER cell %q is unknown", r.id, cells[3])
	}
	for _, word := range strings.FieldsFunc(cells[4], func(c rune) bool { return c == ' ' || c == ',' }) {
		if cidr.MatchString(word) {
			r.prefixes = append(r.prefixes, word)
		} else {
			r.hosts = append(r.hosts, strings.ToLower(word))
		}
	}
	r.ports = readPorts(t, cells[5])
	return r
}

// readPorts turns "TCP: 80、443" into "tcp/80,443".
func readPorts(t *testing.T, cell string) string {
	t.Helper()
	proto, list, ok := strings.Cut(cell, ":")
	if !ok {
		t.Errorf("ports cell %q has no protocol", cell)
	}
	return strings.ToLower(proto) + "/" + strings.ReplaceAll(strings.ReplaceAll(list, " ", ""), "、", ",")
}
