package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/audit/report"
	"sekisho/internal/message"
)

var update = flag.Bool("update", false, "rewrite testdata from what the code gives")

// sample has every field set, some to what a stranger may send.
func sample() audit.Record {
	return audit.Record{
		Node: "gw1", Boot: "0123abcd", Seq: 7, Kind: audit.SignIn, TimeMicros: 1_800_000_000_123_456, RequestID: "req-1",
		Connection: "conn-1", Client: "10.1.2.3", User: "=HYPERLINK(\"http://evil\")", Groups: []string{"it", "営業部"},
		Method: "POST", Host: "login.microsoftonline.com", Port: 443, SNI: "login.microsoftonline.com",
		Authority: "+1", Addr: "20.190.128.1", Verdict: "deny", Action: "refuse", Reason: "sni-mismatch", Would: "unknown",
		Rule: "a.yaml:3", Ring: "pilot", Mode: "report", Profile: "staff", PolicyHash: "0011223344556677",
		CatalogVersion: "2026-11-01", Status: 403, BytesUp: 10, BytesDown: 20, DurationMicros: 30, Error: "upstream-reset",
		Endpoint: "token", Tenant: "@fabrikam, \"x\"", Application: "11111111-2222-3333-4444-555555555555", AADSTS: "500021",
		CorrelationID: "corr", Outcome: "blocked", UserAgent: "Mozilla/5.0",
	}
}

func rows(records ...audit.Record) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestGolden(t *testing.T) {
	for _, r := range []report.Report{report.Decisions(), report.SignIns()} {
		for form, write := range map[string]func(io.Writer) error{
			"csv":   func(w io.Writer) error { return r.WriteCSV(w, rows(sample(), audit.Record{}), report.CSV{}) },
			"json":  func(w io.Writer) error { return r.WriteJSON(w, rows(sample(), audit.Record{})) },
			"jsonl": func(w io.Writer) error { return r.WriteJSONL(w, rows(sample(), audit.Record{})) },
		} {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", r.Name+"."+form)
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, b.Bytes()) {
				t.Errorf("%s differs:\n%s\nwant\n%s", file, b.Bytes(), want)
			}
		}
	}
}

func TestCSVIsReadBackAndHarmless(t *testing.T) {
	var b bytes.Buffer
	r := report.SignIns()
	if err := r.WriteCSV(&b, rows(sample()), report.CSV{BOM: true, Heading: func(c report.Column) string { return "h-" + c.ID }}); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(b.String(), "\ufeff")
	if !ok || !strings.HasSuffix(text, "\r\n") {
		t.Errorf("no mark, or no CR LF: %q", b.String())
	}
	got, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(got) != 2 || len(got[1]) != len(r.Columns) || got[0][0] != "h-time" {
		t.Fatalf("%v, %v", got, err)
	}
	for i, cell := range got[1] {
		if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
			t.Errorf("%s: %q is a formula", r.Columns[i].ID, cell)
		}
	}
	if got[1][0] != "2027-01-15T08:00:00.123Z" {
		t.Errorf("time %q", got[1][0])
	}
}

func TestDefuse(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "a=b": "a=b", "10.1.2.3": "10.1.2.3", "'x": "'x",
		"=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "\n=1": "'\n=1",
		" =1": "' =1", "＝1": "'＝1", "　＋1": "'　＋1", "日本": "日本",
	} {
		if got := report.Defuse(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestJSONIsOneArrayAndOneObjectALine(t *testing.T) {
	for n := range 3 {
		var records []audit.Record
		for range n {
			records = append(records, sample())
		}
		var array, lines bytes.Buffer
		if err := errors.Join(report.Decisions().WriteJSON(&array, rows(records...)), report.Decisions().WriteJSONL(&lines, rows(records...))); err != nil {
			t.Fatal(err)
		}
		var got []map[string]any
		if err := json.Unmarshal(array.Bytes(), &got); err != nil || len(got) != n || got == nil {
			t.Errorf("%d records: %v, %v", n, got, err)
		}
		if c := strings.Count(lines.String(), "\n"); c != n {
			t.Errorf("%d records on %d lines", n, c)
		}
	}
}

func TestErrorsEndTheReport(t *testing.T) {
	broken := errors.New("broken")
	fail := func(yield func(audit.Record, error) bool) { yield(audit.Record{}, broken) }
	for name, err := range map[string]error{
		"csv": report.Decisions().WriteCSV(io.Discard, fail, report.CSV{}), "json": report.Decisions().WriteJSON(io.Discard, fail),
		"jsonl": report.Decisions().WriteJSONL(io.Discard, fail),
		"write": report.Decisions().WriteCSV(refusing{broken}, rows(sample()), report.CSV{}),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// refusing is a disk that is full.
type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }

func TestEveryColumnHasAHeadingInBothLanguages(t *testing.T) {
	for _, r := range []report.Report{report.Decisions(), report.SignIns()} {
		seen := map[string]bool{}
		for _, c := range r.Columns {
			if seen[c.ID] {
				t.Errorf("%s: %s twice", r.Name, c.ID)
			}
			seen[c.ID] = true
			for _, lang := range message.Languages() {
				if !message.New(lang).Has(c.HeadingID()) {
					t.Errorf("no text %s in %s", c.HeadingID(), lang)
				}
			}
		}
	}
}

// A row that stands for many requests says for how many.
func TestCountIsWhatTheRecordStandsFor(t *testing.T) {
	columns := report.Decisions().Columns
	count := columns[len(columns)-1]
	for code, want := range map[string]string{"": "1", audit.Folded(1): "1", audit.Folded(2718): "2718", "folded-": "1", "folded-x": "1", "folded-0": "1", "client-gone": "1"} {
		r := sample()
		r.Error = code
		if got := count.Cell(&r, nil); count.ID != "count" || got != want {
			t.Errorf("%s of %q: %s, want %s", count.ID, code, got, want)
		}
	}
}

func TestCellShowsTheTimeInAZone(t *testing.T) {
	r := sample()
	if got := report.Decisions().Columns[0].Cell(&r, time.FixedZone("JST", 9*3600)); got != "2027-01-15T17:00:00.123+09:00" {
		t.Errorf("%q", got)
	}
}
