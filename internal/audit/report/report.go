// Package report shapes audit records into the two reports, decisions and sign-ins: which columns each has, and how they
// are written as CSV, JSON and JSON lines. Tables and pages are made elsewhere, from the same columns.
//
//	rows := audit.All(ctx, store.SignIns, filter)
//	err := report.SignIns().WriteCSV(os.Stdout, rows, report.CSV{BOM: true})
//
// Fields, times (RFC 3339, UTC) and codes are the same in every language; the headings for people are the texts
// "report.column.<id>" of package message. Numbers are raw, with the unit in the field's name.
package report

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/audit"
)

// Report is a set of columns. Obtain it from Decisions or SignIns.
type Report struct {
	Name    string // decisions, signins
	Columns []Column
}

// IDs are the names of the columns, in their order.
func (r Report) IDs() []string {
	ids := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		ids[i] = c.ID
	}
	return ids
}

// shorthands are other names of columns: those of the cloud's sign-in log for what the gateway sees of it.
var shorthands = map[string]string{
	"app": "application", "date": "time", "date_utc": "time", "utc": "time", "address": "client", "ip": "client", "code": "aadsts",
	"target_tenant": "tenant", "target": "tenant", "user_name": "user", "name": "user", "correlation": "correlation_id",
}

// Choose returns the report with the named columns alone, in the order of names; letter case, white space around a name,
// and "-" for "_" do not count. unknown is the first name that is no column's; "" when all are.
func (r Report) Choose(names []string) (chosen Report, unknown string) {
	chosen.Name = r.Name
	for _, name := range names {
		id := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
		at := slices.IndexFunc(r.Columns, func(c Column) bool { return c.ID == id })
		if long, ok := shorthands[id]; ok && at < 0 {
			at = slices.IndexFunc(r.Columns, func(c Column) bool { return c.ID == long })
		}
		if at < 0 {
			return Report{}, name
		}
		chosen.Columns = append(chosen.Columns, r.Columns[at])
	}
	return chosen, ""
}

// Column is one field of a report.
type Column struct {
	// ID is the field's name in JSON and the head of its CSV column.
	ID string
	// Key says that the column belongs into a table for a terminal, where not all have room.
	Key bool

	value func(r *audit.Record) any // string, []string, int64, uint64 or time.Time
}

// HeadingID is the id of the column's heading in package message.
func (c Column) HeadingID() string { return "report.column." + c.ID }

// FieldID is the id of the text in package message that says what the field holds.
func (c Column) FieldID() string { return "report.field." + c.ID }

// Type is what the field is in JSON: text, list (of texts), number, or time (text, RFC 3339 in UTC).
func (c Column) Type() string {
	switch c.value(&audit.Record{}).(type) {
	case []string:
		return "list"
	case int64, uint64:
		return "number"
	case time.Time:
		return "time"
	}
	return "text"
}

// Cell is the column's text for r, with times in zone; nil means UTC. Several values are joined by ", ". It is not safe
// for a spreadsheet; WriteCSV is.
func (c Column) Cell(r *audit.Record, zone *time.Location) string {
	switch v := c.value(r).(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, ", ")
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		if zone == nil {
			zone = time.UTC
		}
		return v.In(zone).Format(timeForm)
	}
	return ""
}

// timeForm is RFC 3339 with milliseconds, of constant width so that text sorts as time does.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// Decisions is the report of connections and plain requests.
//
//	time             when it was decided
//	request_id       as on the refusal page and in the log
//	client           address that asked
//	user             who asked, where the proxy asks for credentials
//	groups           of the user (JSON: a list)
//	method           CONNECT, GET, …
//	host, port       asked for
//	verdict          permit, deny
//	action           refuse, tunnel, intercept, forward
//	reason           why, a code
//	would            report ring: the reason for which enforcing would have refused; unknown; empty: nothing
//	rule             where it is written
//	ring, mode, profile  who it was taken for
//	status           HTTP status answered to the client; 0: none
//	state            open: under way; closed: over; not-closed: over, because the process was killed
//	bytes_up, bytes_down, duration_us  totals of the connection, when it is closed
//	error            what went wrong afterwards, a code
//	sni, authority, address  server name sent, name inside the connection that was refused, address dialled
//	connection_id    joins the sign-ins of one connection
//	policy_hash, catalog_version  what decided
//	node, boot, sequence  the record's key; a gap in the sequence is a loss
//	count            how many requests the row stands for: 1, or more for refusals that share a record (audit.Folded)
func Decisions() Report {
	return Report{"decisions", []Column{
		key("time", when),
		col("request_id", func(r *audit.Record) any { return r.RequestID }),
		key("client", func(r *audit.Record) any { return r.Client }),
		key("user", func(r *audit.Record) any { return r.User }),
		col("groups", func(r *audit.Record) any { return r.Groups }),
		col("method", func(r *audit.Record) any { return r.Method }),
		key("host", func(r *audit.Record) any { return r.Host }),
		key("port", func(r *audit.Record) any { return int64(r.Port) }),
		key("verdict", func(r *audit.Record) any { return r.Verdict }),
		key("action", func(r *audit.Record) any { return r.Action }),
		key("reason", func(r *audit.Record) any { return r.Reason }),
		key("would", func(r *audit.Record) any { return r.Would }),
		col("rule", func(r *audit.Record) any { return r.Rule }),
		key("ring", func(r *audit.Record) any { return r.Ring }),
		col("mode", func(r *audit.Record) any { return r.Mode }),
		col("profile", func(r *audit.Record) any { return r.Profile }),
		key("status", func(r *audit.Record) any { return int64(r.Status) }),
		key("state", func(r *audit.Record) any { return r.State() }),
		col("bytes_up", func(r *audit.Record) any { return r.BytesUp }),
		col("bytes_down", func(r *audit.Record) any { return r.BytesDown }),
		col("duration_us", func(r *audit.Record) any { return r.DurationMicros }),
		col("error", func(r *audit.Record) any { return r.Error }),
		col("sni", func(r *audit.Record) any { return r.SNI }),
		col("authority", func(r *audit.Record) any { return r.Authority }),
		col("address", func(r *audit.Record) any { return r.Addr }),
		col("connection_id", func(r *audit.Record) any { return r.Connection }),
		col("policy_hash", func(r *audit.Record) any { return r.PolicyHash }),
		col("catalog_version", func(r *audit.Record) any { return r.CatalogVersion }),
		col("node", func(r *audit.Record) any { return r.Node }),
		col("boot", func(r *audit.Record) any { return r.Boot }),
		col("sequence", func(r *audit.Record) any { return r.Seq }),
		col("count", func(r *audit.Record) any { return r.Count() }),
	}}
}

// SignIns is the report of requests seen on intercepted sign-in hosts. Fields of the same name are as in Decisions.
//
//	endpoint        authorize, token, devicecode, discovery, …
//	tenant          asked for, as in the path: domain, directory id, common, …
//	application     client id
//	outcome         ok, blocked, failed, not-seen
//	aadsts          digits of the error code in the answer; empty: not seen
//	correlation_id  of the request, else of the answer, to look the sign-in up in Microsoft Entra
//	user_agent      product only
//	count           how many requests the row stands for; refusals in numbers share a record (audit.Folded)
func SignIns() Report {
	return Report{"signins", []Column{
		key("time", when),
		col("request_id", func(r *audit.Record) any { return r.RequestID }),
		key("client", func(r *audit.Record) any { return r.Client }),
		key("user", func(r *audit.Record) any { return r.User }),
		col("groups", func(r *audit.Record) any { return r.Groups }),
		col("method", func(r *audit.Record) any { return r.Method }),
		key("host", func(r *audit.Record) any { return r.Host }),
		key("endpoint", func(r *audit.Record) any { return r.Endpoint }),
		key("tenant", func(r *audit.Record) any { return r.Tenant }),
		key("application", func(r *audit.Record) any { return r.Application }),
		key("outcome", func(r *audit.Record) any { return r.Outcome }),
		key("aadsts", func(r *audit.Record) any { return r.AADSTS }),
		col("correlation_id", func(r *audit.Record) any { return r.CorrelationID }),
		key("status", func(r *audit.Record) any { return int64(r.Status) }),
		col("verdict", func(r *audit.Record) any { return r.Verdict }),
		col("reason", func(r *audit.Record) any { return r.Reason }),
		col("rule", func(r *audit.Record) any { return r.Rule }),
		key("would", func(r *audit.Record) any { return r.Would }),
		key("ring", func(r *audit.Record) any { return r.Ring }),
		col("mode", func(r *audit.Record) any { return r.Mode }),
		col("profile", func(r *audit.Record) any { return r.Profile }),
		col("duration_us", func(r *audit.Record) any { return r.DurationMicros }),
		col("error", func(r *audit.Record) any { return r.Error }),
		col("user_agent", func(r *audit.Record) any { return r.UserAgent }),
		col("connection_id", func(r *audit.Record) any { return r.Connection }),
		col("policy_hash", func(r *audit.Record) any { return r.PolicyHash }),
		col("catalog_version", func(r *audit.Record) any { return r.CatalogVersion }),
		col("node", func(r *audit.Record) any { return r.Node }),
		col("boot", func(r *audit.Record) any { return r.Boot }),
		col("sequence", func(r *audit.Record) any { return r.Seq }),
		col("count", func(r *audit.Record) any { return r.Count() }),
	}}
}

func col(id string, value func(*audit.Record) any) Column { return Column{ID: id, value: value} }

func key(id string, value func(*audit.Record) any) Column {
	return Column{ID: id, Key: true, value: value}
}

func when(r *audit.Record) any {
	if r.TimeMicros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(r.TimeMicros).UTC()
}
