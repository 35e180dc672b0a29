package signinlog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func cloudRow(id, correlation string, second, code int) Row {
	return Row{ID: id, CorrelationID: correlation, Time: noon.Add(time.Duration(second) * time.Second), Code: code, Status: statusOf(code),
		User: "Alice", UserID: "u1", UserName: "alice@contoso.com", Application: "App", ApplicationID: "a1", Address: "203.0.113.7", Client: "Browser"}
}

func record(id, correlation, endpoint string, second int, code string) audit.Record {
	r := audit.Record{Kind: audit.SignIn, RequestID: id, CorrelationID: correlation, Endpoint: endpoint, AADSTS: code, Outcome: "ok",
		TimeMicros: noon.Add(time.Duration(second) * time.Second).UnixMicro(), Client: "10.1.2.3", Application: "a1", User: "corp\\alice", Ring: "pilot", Verdict: "permit"}
	if code != "" {
		r.Outcome = "blocked"
	}
	return r
}

// told prints lines as "seen cloud/gateway".
func told(lines []Line) string {
	var out []string
	for _, l := range lines {
		text := l.Seen + " " + l.Cloud.ID + "/"
		if l.Gateway != nil {
			text += l.Gateway.RequestID
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestJoin(t *testing.T) {
	for name, c := range map[string]struct {
		rows    []Row
		records []audit.Record
		want    string
	}{
		"nothing":                    {nil, nil, ""},
		"one-of-each":                {[]Row{cloudRow("c", "X", 0, 0)}, []audit.Record{record("g", "x", "token", 1, "")}, "both c/g"},
		"cloud-alone":                {[]Row{cloudRow("c", "x", 0, 0)}, nil, "cloud c/"},
		"gateway-alone":              {nil, []audit.Record{record("g", "x", "token", 0, "")}, "gateway /g"},
		"no-correlation-joins-never": {[]Row{cloudRow("c", "", 0, 0)}, []audit.Record{record("g", "", "token", 0, "")}, "gateway /g, cloud c/"},
		"page-and-token": {[]Row{cloudRow("page", "x", 0, 0), cloudRow("token", "x", 10, 0)},
			[]audit.Record{record("g2", "x", "token", 10, ""), record("g1", "x", "authorize", 0, "")}, "both token/g2, both page/g1"},
		"the-same-outcome-before-the-nearest": {[]Row{cloudRow("blocked", "x", 5, 500021)},
			[]audit.Record{record("g1", "x", "authorize", 5, ""), record("g2", "x", "authorize", 60, "500021")}, "both blocked/g2"},
		"more-rows-than-records":         {[]Row{cloudRow("a", "x", 0, 0), cloudRow("b", "x", 1, 0)}, []audit.Record{record("g", "x", "token", 0, "")}, "both b/g, both a/g"},
		"what-is-no-sign-in-is-left-out": {nil, []audit.Record{record("keys", "", "keys", 0, ""), record("discovery", "y", "discovery", 0, "")}, ""},
		"blocked-anywhere-is-shown":      {nil, []audit.Record{record("msa", "", "other", 0, "80045C4D")}, "gateway /msa"},
		"a-decision-is-no-sign-in":       {nil, []audit.Record{{Kind: audit.Decision, RequestID: "d", Endpoint: "token"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(Join(c.rows, c.records)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if got := told(Alone([]Row{cloudRow("a", "x", 0, 0), cloudRow("b", "x", 5, 0)})); got != "not-joined b/, not-joined a/" {
		t.Error(got)
	}
}

func TestFilter(t *testing.T) {
	lines := Join(
		[]Row{cloudRow("ok", "1", 10, 0), cloudRow("blocked", "2", 20, 500021), cloudRow("waiting", "3", 30, 50058)},
		[]audit.Record{record("g", "2", "token", 20, "500021"), record("alone", "9", "token", 40, "80045C4D")})
	for name, c := range map[string]struct {
		f    Filter
		want string
	}{
		"all":              {Filter{}, "gateway /alone, cloud waiting/, both blocked/g, cloud ok/"},
		"blocked":          {Filter{Blocked: true}, "gateway /alone, both blocked/g"},
		"success":          {Filter{Status: Success}, "cloud ok/"},
		"failure":          {Filter{Status: Failure}, "gateway /alone, both blocked/g"},
		"interrupted":      {Filter{Status: Interrupted}, "cloud waiting/"},
		"code":             {Filter{Status: "500021"}, "both blocked/g"},
		"since":            {Filter{Since: noon.Add(30 * time.Second)}, "gateway /alone, cloud waiting/"},
		"until":            {Filter{Until: noon.Add(20 * time.Second)}, "cloud ok/"},
		"user":             {Filter{User: "ALICE@contoso.com", Status: Success}, "cloud ok/"},
		"user-of-gateway":  {Filter{User: `corp\alice`}, "gateway /alone, both blocked/g"},
		"another-user":     {Filter{User: "alice"}, "cloud waiting/, both blocked/g, cloud ok/"}, // the display name, in any case
		"application":      {Filter{Application: "A1", Status: Success}, "cloud ok/"},
		"client-app":       {Filter{Client: "browser"}, "cloud waiting/, both blocked/g, cloud ok/"},
		"address-inside":   {Filter{Address: netip.MustParsePrefix("10.1.0.0/16")}, "gateway /alone, both blocked/g"},
		"address-of-cloud": {Filter{Address: netip.MustParsePrefix("203.0.113.7/32")}, "cloud waiting/, both blocked/g, cloud ok/"},
	} {
		t.Run(name, func(t *testing.T) {
			var kept []Line
			for _, l := range lines {
				if c.f.Matches(l) {
					kept = append(kept, l)
				}
			}
			if got := told(kept); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	for text, want := range map[string]string{"": "", "Failure": "failure", "AADSTS500021": "500021", "0": "0"} {
		if got, ok := ParseStatus(text); !ok || got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"failed", "-1", "500021x", "99999999999"} {
		if _, ok := ParseStatus(text); ok {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestColumns(t *testing.T) {
	var ids []string
	for _, c := range Columns() {
		ids = append(ids, c.ID)
		for _, lang := range message.Languages() {
			if p := message.New(lang); !p.Has(c.HeadingID()) || !p.Has(c.FieldID()) {
				t.Errorf("%s: no text for %s", lang, c.ID)
			}
		}
	}
	// The ten of the report, in any combination and order.
	chosen, err := Choose([]string{"Location", "user", "app", "STATUS", "date", "date-utc", "ip", "client", "user_name", " target_tenant ", "user"})
	if err != nil || len(chosen) != 11 || chosen[0].ID != "location" || chosen[5].ID != "date_utc" || chosen[9].ID != "target_tenant" {
		t.Errorf("%v, %v", chosen, err)
	}
	_, err = Choose([]string{"user", "colour"})
	var p *finding.Problem
	if !errors.As(err, &p) || !strings.Contains(message.New("en").Finding(p.Findings[0]), `"colour"`) {
		t.Errorf("%v", err)
	}
	if all, err := Choose(nil); err != nil || len(all) != len(ids) {
		t.Errorf("%d of %d columns, %v", len(all), len(ids), err)
	}
}

func TestWritten(t *testing.T) {
	row := cloudRow("c", "x", 0, 500021)
	row.User, row.UserName, row.Application = "=HYPERLINK(1)", "{PII Removed}@fabrikam.com", "＋1"
	lines := Join([]Row{row}, []audit.Record{record("g", "y", "token", 5, "")})
	var out bytes.Buffer
	if err := WriteCSV(&out, lines, Columns(), CSV{BOM: true, Zone: time.FixedZone("JST", 9*3600)}); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(out.String(), "\ufeff")
	cells, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if !ok || err != nil || len(cells) != 3 {
		t.Fatalf("%v, %v", err, cells)
	}
	for _, line := range cells {
		for _, cell := range line {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@") || strings.HasPrefix(cell, "＋") {
				t.Errorf("%q is a formula", cell)
			}
		}
	}
	if cells[2][0] != "2026-11-23T21:00:00.000+09:00" || cells[2][1] != "2026-11-23T12:00:00.000Z" || cells[1][2] != "gateway" {
		t.Errorf("%v", cells)
	}
	again, err := ReadCSV("x", strings.NewReader(text))
	if err != nil || len(again) != 1 || again[0].User != "=HYPERLINK(1)" || again[0].Application != "＋1" || !again[0].Time.Equal(row.Time) {
		t.Errorf("%+v, %v", again, err)
	}
	for name, write := range map[string]func() error{
		"json": func() error { return WriteJSON(&out, lines, Columns()) }, "jsonl": func() error { return WriteJSONL(&out, lines, Columns()) },
	} {
		out.Reset()
		if err := write(); err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(&out)
		var objects []map[string]any
		if name == "json" {
			err = d.Decode(&objects)
		}
		for name == "jsonl" && d.More() {
			var o map[string]any
			if err = d.Decode(&o); err != nil {
				break
			}
			objects = append(objects, o)
		}
		if err != nil || len(objects) != 2 || objects[1]["code"] != float64(500021) || objects[1]["user_name"] != "{PII Removed}@fabrikam.com" ||
			objects[0]["gateway_client"] != "10.1.2.3" || len(objects[0]) != len(Columns()) || objects[0]["date"] != "2026-11-23T12:00:05.000Z" {
			t.Errorf("%s: %v, %v", name, err, objects)
		}
	}
	out.Reset()
	if err := WriteJSON(&out, nil, Columns()); err != nil || out.String() != "[]\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
