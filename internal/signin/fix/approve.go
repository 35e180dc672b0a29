package fix

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/charset"
	"sekisho/internal/finding"
)

// maxApproval bounds an approval; chosen: a line for each of a million changes.
const maxApproval = 256 << 20

// Approve reads an approval and returns the changes that it names, in their order, with the new values that it gives to those
// that are somebody's choice. An approval is the list of changes as CSV with "yes" in its column "approve" (y, x, 1, ok, はい and
// ○ are as good) and the choice in its column "new", or one id in a line. name stands in the errors, which are
// *finding.Problem: for an id that no change has, because the directory may have changed since the list was made, for one
// that is a choice and gives none, and for a new value of a change that is none.
func Approve(name string, r io.Reader, changes []Change) ([]Change, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxApproval+1))
	if err != nil {
		return nil, finding.Fail("signin.unreadable", err, "file", name)
	}
	if len(data) > maxApproval {
		return nil, finding.Fail("signin.too-large", nil, "file", name, "max", strconv.Itoa(maxApproval>>20))
	}
	text, ok := charset.UTF8(data)
	if !ok {
		return nil, finding.Fail("signin.encoding", nil, "file", name)
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.FieldsPerRecord = -1
	in.Comment = '#'
	rows, err := in.ReadAll()
	if err != nil {
		return nil, finding.Fail("signin.existing-csv", nil, "said", err.Error())
	}
	id, yes, value := 0, -1, -1
	if len(rows) > 0 && slices.Contains(rows[0], "id") {
		id, yes, value = slices.Index(rows[0], "id"), slices.Index(rows[0], "approve"), slices.Index(rows[0], "new")
		if yes < 0 {
			return nil, finding.Fail("signin.fix-head", nil, "file", name)
		}
		rows = rows[1:]
	}
	at := map[string]int{}
	for i, c := range changes {
		at[c.ID] = i
	}
	chosen := map[int]Change{}
	for _, row := range rows {
		cell := func(i int) string {
			if i < 0 || i >= len(row) {
				return ""
			}
			return strings.TrimSpace(row[i])
		}
		if yes >= 0 && !approved(cell(yes)) || cell(id) == "" {
			continue
		}
		i, known := at[cell(id)]
		if !known {
			return nil, finding.Fail("signin.fix-unknown", nil, "file", name, "id", cell(id))
		}
		c := changes[i]
		// What a spreadsheet was kept from taking for a formula (report.Defuse).
		given := strings.TrimPrefix(cell(value), "'")
		switch {
		case !c.Decide:
			if given != "" && given != c.New {
				return nil, finding.Fail("signin.fix-changed", nil, "file", name, "id", c.ID, "value", given)
			}
		case given == "" && !Removable(c.Attribute):
			return nil, finding.Fail("signin.fix-choice", nil, "file", name, "id", c.ID, "attribute", c.Attribute, "account", c.Account)
		case given != "" && c.Binary, strings.ContainsAny(given, "\x00\r\n"):
			return nil, finding.Fail("signin.fix-changed", nil, "file", name, "id", c.ID, "value", given)
		default:
			c.New, c.Decide = given, false
		}
		chosen[i] = c
	}
	out := make([]Change, 0, len(chosen))
	for i := range changes {
		if c, ok := chosen[i]; ok {
			out = append(out, c)
		}
	}
	return out, nil
}

func approved(cell string) bool {
	switch strings.ToLower(cell) {
	case "yes", "y", "x", "1", "ok", "true", "はい", "○", "〇":
		return true
	}
	return false
}
