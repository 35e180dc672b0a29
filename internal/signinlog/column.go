package signinlog

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/audit/report"
	"sekisho/internal/finding"
)

// Column is one field of a line. Its heading is the text "signinlog.column.<id>" of package message.
type Column struct {
	ID  string // name in JSON and head in CSV
	Key bool   // belongs into a table for a terminal

	value func(Line) any // string, int or time.Time
	local bool           // shown in local time
}

// HeadingID is the id of the column's heading in package message.
func (c Column) HeadingID() string { return "signinlog.column." + c.ID }

// FieldID is the id of the text in package message that says what the field holds.
func (c Column) FieldID() string { return "signinlog.field." + c.ID }

// Type is what the field is in JSON: text, number, or time (text, RFC 3339).
func (c Column) Type() string {
	switch c.value(Line{}).(type) {
	case int:
		return "number"
	case time.Time:
		return "time"
	}
	return "text"
}

// Columns are all columns in their order. The ten of the tenant restrictions report (Microsoft, "Set up tenant
// restrictions v1", "Admin experience") are user, application, status, date, date_utc, address, client, user_name,
// location and target_tenant.
func Columns() []Column {
	cloud := func(id string, key bool, value func(Row) any) Column {
		return Column{ID: id, Key: key, value: func(l Line) any { return value(l.Cloud) }}
	}
	gateway := func(id string, key bool, value func(*audit.Record) string) Column {
		return Column{ID: "gateway_" + id, Key: key, value: func(l Line) any {
			if l.Gateway == nil {
				return ""
			}
			return value(l.Gateway)
		}}
	}
	return []Column{
		{ID: "date", Key: true, local: true, value: func(l Line) any { return when(l) }},
		{ID: "date_utc", value: func(l Line) any { return when(l) }},
		{ID: "seen", Key: true, value: func(l Line) any { return l.Seen }},
		cloud("user", false, func(r Row) any { return r.User }),
		cloud("user_name", true, func(r Row) any { return r.UserName }),
		cloud("user_id", false, func(r Row) any { return r.UserID }),
		cloud("application", true, func(r Row) any { return r.Application }),
		cloud("application_id", false, func(r Row) any { return r.ApplicationID }),
		cloud("status", true, func(r Row) any { return r.Status }),
		cloud("code", true, func(r Row) any { return r.Code }),
		cloud("reason", false, func(r Row) any { return r.Reason }),
		cloud("address", true, func(r Row) any { return r.Address }),
		cloud("client", false, func(r Row) any { return r.Client }),
		cloud("location", false, func(r Row) any { return r.Location }),
		cloud("target_tenant", true, func(r Row) any { return r.TargetTenant }),
		cloud("home_tenant", false, func(r Row) any { return r.HomeTenant }),
		cloud("user_agent", false, func(r Row) any { return r.UserAgent }),
		cloud("request_id", false, func(r Row) any { return r.ID }),
		{ID: "correlation_id", value: func(l Line) any {
			if l.Seen == SeenGateway {
				return l.Gateway.CorrelationID
			}
			return l.Cloud.CorrelationID
		}},
		gateway("client", true, func(r *audit.Record) string { return r.Client }),
		gateway("user", false, func(r *audit.Record) string { return r.User }),
		gateway("ring", true, func(r *audit.Record) string { return r.Ring }),
		gateway("verdict", true, func(r *audit.Record) string { return r.Verdict }),
		gateway("outcome", true, func(r *audit.Record) string { return r.Outcome }),
		gateway("aadsts", false, func(r *audit.Record) string { return r.AADSTS }),
		gateway("host", false, func(r *audit.Record) string { return r.Host }),
		gateway("endpoint", false, func(r *audit.Record) string { return r.Endpoint }),
		gateway("tenant", false, func(r *audit.Record) string { return r.Tenant }),
		gateway("application", false, func(r *audit.Record) string { return r.Application }),
		gateway("request_id", false, func(r *audit.Record) string { return r.RequestID }),
	}
}

func when(l Line) time.Time {
	if l.Seen == "" {
		return time.Time{}
	}
	return l.At()
}

// shorthands are other names of columns: shorter ones, and the words of Microsoft's page.
var shorthands = map[string]string{
	"app": "application", "utc": "date_utc", "ip": "address", "name": "user_name", "username": "user_name",
	"target": "target_tenant", "target_tenant_id": "target_tenant", "time": "date", "ip_address": "address",
	"correlation": "correlation_id", "client_app": "client",
}

// Choose finds columns by a list of names, in the order of the list, "-" and "_" being the same. Empty means all. The
// error is a *finding.Problem.
func Choose(names []string) ([]Column, error) {
	all := Columns()
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, c := range all {
		known = append(known, c.ID)
	}
	var chosen []Column
	for _, name := range names {
		folded := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
		if long, ok := shorthands[folded]; ok {
			folded = long
		}
		at := slices.IndexFunc(all, func(c Column) bool { return c.ID == folded })
		if at < 0 {
			return nil, finding.Fail("signinlog.unknown-column", nil, "name", clip(name), "known", strings.Join(known, ", "))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// Cell is the column's text for l; the column date is in zone. It is not safe for a spreadsheet; WriteCSV is.
func (c Column) Cell(l Line, zone *time.Location) string {
	switch v := c.value(l).(type) {
	case string:
		return v
	case int:
		if l.Seen == SeenGateway {
			return ""
		}
		return strconv.Itoa(v)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		if c.local && zone != nil {
			v = v.In(zone)
		}
		return v.Format(timeForm)
	}
	return ""
}

// timeForm is RFC 3339 with milliseconds, of constant width so that text sorts as time does.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// CSV says how WriteCSV writes. The zero value writes UTF-8 without a mark, the columns' ids as the first line, and every
// time in UTC.
type CSV struct {
	BOM  bool           // begin with a byte order mark, by which Excel knows UTF-8
	Zone *time.Location // of the column date; nil: UTC
}

// WriteCSV writes lines as CSV (RFC 4180, lines end in CR LF). A cell that a spreadsheet would take for a formula begins
// with an apostrophe; ReadCSV takes it off again.
func WriteCSV(w io.Writer, lines []Line, columns []Column, o CSV) error {
	b := bufio.NewWriter(w)
	if o.BOM {
		b.WriteString("\ufeff")
	}
	out := csv.NewWriter(b)
	out.UseCRLF = true
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = c.ID
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	for _, l := range lines {
		for i, c := range columns {
			cells[i] = report.Defuse(c.Cell(l, o.Zone))
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return b.Flush()
}

// WriteJSONL writes lines as JSON objects, one a line.
func WriteJSONL(w io.Writer, lines []Line, columns []Column) error {
	b := bufio.NewWriter(w)
	for _, l := range lines {
		data, err := object(l, columns)
		if err != nil {
			return err
		}
		b.Write(append(data, '\n'))
	}
	return b.Flush()
}

// WriteJSON writes lines as one JSON array, one object a line, with the columns' ids as names in their order. Times are
// in UTC; what is not known is "" or 0, never absent.
func WriteJSON(w io.Writer, lines []Line, columns []Column) error {
	b := bufio.NewWriter(w)
	b.WriteString("[")
	for i, l := range lines {
		data, err := object(l, columns)
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n")
		b.Write(data)
	}
	if len(lines) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	return b.Flush()
}

func object(l Line, columns []Column) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i, c := range columns {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(`"` + c.ID + `":`)
		v := c.value(l)
		if t, ok := v.(time.Time); ok {
			if v = ""; !t.IsZero() {
				v = t.UTC().Format(timeForm)
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

// clip bounds what of a stranger's text stands in a message.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
