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
	"sekisho/internal/signin"
)

// maxApproval bounds an approval; chosen: a line for each of a million changes.
const maxApproval = 256 << 20

// Approve reads an approval and returns the changes that it names, in their order, with the new values that it gives to those
// that are somebody's choice. An approval is the list of changes as CSV with "yes" in its column "approve" (y, x, 1, ok, はい and
// ○ are as good) and the choice in its column "new", or one id in a line. name stands in the errors, which are
// *finding.Problem: for an id that no change has, because the directory may have changed since the list was made, for one
// that is a choice and gives none, for a new value of a change that is none, for a name that Entra ID would not take, and for
// two approvals that make different things of one value. Two that make the same of it are one.
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
	// A value can be changed once; a second change of it would find it gone, in the middle of what is applied.
	type place struct{ dn, account, attribute, old string }
	places, chosen := map[place]Change{}, map[int]Change{}
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
		case !nameable(c.Attribute, given):
			return nil, finding.Fail("signin.fix-invalid", nil, "file", name, "id", c.ID, "value", given, "attribute", c.Attribute)
		default:
			c.New, c.Decide = given, false
		}
		spot := place{c.DN, c.Account, strings.ToLower(c.Attribute), c.Old}
		if before, twice := places[spot]; twice {
			if before.New != c.New {
				return nil, finding.Fail("signin.fix-twice", nil, "file", name, "id", c.ID, "other", before.ID, "attribute", c.Attribute, "account", c.Account)
			}
			continue
		}
		places[spot], chosen[i] = c, c
	}
	out := make([]Change, 0, len(chosen))
	for i := range changes {
		if c, ok := chosen[i]; ok {
			out = append(out, c)
		}
	}
	return out, nil
}

// nameable reports whether Entra ID takes a value that somebody chose as a name; of other attributes it says nothing.
func nameable(attribute, value string) bool {
	switch strings.ToLower(attribute) {
	case "userprincipalname":
		return len(signin.Faults(value)) == 0
	case "mailnickname":
		return !strings.Contains(value, "@") && len(signin.Faults(value+"@contoso.com")) == 0
	}
	return true
}

func approved(cell string) bool {
	switch strings.ToLower(cell) {
	case "yes", "y", "x", "1", "ok", "true", "はい", "○", "〇":
		return true
	}
	return false
}
