package script

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/audit/sqlite"
	"sekisho/internal/cli"
)

// field is one line of "report fields".
type field struct{ Report, Field, Type, Meaning string }

// said runs a command that must succeed and returns what it prints.
func said(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(context.Background(), cli.System{
		In: strings.NewReader(""), Out: &out, Err: &errs, Version: "1.2.3-test", Getenv: func(string) string { return "" },
	}, args)
	if code != 0 {
		t.Fatalf("sekisho %q: exit code %d\n%s%s", args, code, out.String(), errs.String())
	}
	return out.String()
}

// documented is what "report fields" says of one report, or of all.
func documented(t *testing.T, lang string, report ...string) (fields []field) {
	t.Helper()
	text := said(t, append([]string{"report", "fields", "-o", "json", "--lang", lang}, report...)...)
	if err := json.Unmarshal([]byte(text), &fields); err != nil || len(fields) < 10 {
		t.Fatalf("%d fields, %v", len(fields), err)
	}
	return fields
}

// TestDocsOfReports holds the tables of docs/report against the program. UPDATE=1 writes them again.
func TestDocsOfReports(t *testing.T) {
	heads := map[string]string{"en": "| Field | Type | Meaning |", "ja": "| フィールド | 型 | 意味 |"}
	for lang, name := range map[string]string{"en": "report.md", "ja": "report.ja.md"} {
		file := filepath.Join("..", "..", "docs", name)
		was, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(was)
		for _, report := range []string{"decisions", "signins", "cloud"} {
			begin, end := "<!-- fields of "+report+": written by the test of this page -->\n", "<!-- end -->"
			before, rest, ok := strings.Cut(text, begin)
			_, after, whole := strings.Cut(rest, end)
			if !ok || !whole {
				t.Fatalf("%s has no place for the fields of %s", name, report)
			}
			table := heads[lang] + "\n| --- | --- | --- |\n"
			for _, f := range documented(t, lang, report) {
				table += "| `" + f.Field + "` | " + f.Type + " | " + strings.ReplaceAll(f.Meaning, "|", "\\|") + " |\n"
			}
			text = before + begin + table + end + after
		}
		switch {
		case text == string(was):
		case os.Getenv("UPDATE") != "":
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is not what the program says; run UPDATE=1 go test ./test/script -run TestDocsOfReports", name)
		}
	}
}

// TestWhatIsPrintedIsDocumented: the fields of both reports, in their order and of the types that are documented, in every
// form, for a record that has everything and for one that has next to nothing.
func TestWhatIsPrintedIsDocumented(t *testing.T) {
	data := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	whole := audit.Record{
		Node: "gw1", Boot: "b", TimeMicros: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).UnixMicro(), RequestID: "r", Connection: "c",
		Client: "10.1.2.3", User: "alice", Groups: []string{"staff", "sales"}, Method: "CONNECT", Host: "login.microsoftonline.com", Port: 443,
		SNI: "login.microsoftonline.com", Authority: "login.microsoftonline.com", Addr: "192.0.2.1", Verdict: "permit", Action: "intercept",
		Reason: "sign-in", Would: "tenant-not-permitted", Rule: "sekisho.yaml:7", Ring: "everyone", Mode: "report", Profile: "staff",
		PolicyHash: "0011223344556677", CatalogVersion: "2026-11-01", Status: 200, BytesUp: 1, BytesDown: 2, DurationMicros: 3,
		Error: "folded-7", Endpoint: "token", Tenant: "contoso.com", Application: "11111111-2222-3333-4444-555555555555", AADSTS: "500021",
		CorrelationID: "22222222-2222-3333-4444-555555555555", Outcome: "blocked", UserAgent: "curl/8",
	}
	var records []audit.Record
	for i, kind := range []audit.Kind{audit.Decision, audit.SignIn} {
		full, bare := whole, audit.Record{Node: "gw1", Boot: "b", TimeMicros: whole.TimeMicros, Open: kind == audit.Decision}
		full.Kind, full.Seq, bare.Kind, bare.Seq = kind, uint64(2*i+1), kind, uint64(2*i+2)
		records = append(records, full, bare)
	}
	if err := store.Store(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, report := range []string{"decisions", "signins"} {
		fields := documented(t, "en", report)
		var want []string
		types := map[string]string{}
		for _, f := range fields {
			want, types[f.Field] = append(want, f.Field), f.Type
		}
		var rows []json.RawMessage
		if err := json.Unmarshal([]byte(said(t, "report", report, "-o", "json", "--data", data)), &rows); err != nil || len(rows) != 2 {
			t.Fatalf("%s: %d rows, %v", report, len(rows), err)
		}
		for line := range strings.Lines(said(t, "report", report, "-o", "jsonl", "--data", data)) {
			rows = append(rows, json.RawMessage(line))
		}
		if len(rows) != 4 {
			t.Fatalf("%s: %d rows", report, len(rows))
		}
		for _, row := range rows {
			var got []string
			d := json.NewDecoder(bytes.NewReader(row))
			d.UseNumber()
			if _, err := d.Token(); err != nil {
				t.Fatal(err)
			}
			for d.More() {
				key, err := d.Token()
				if err != nil {
					t.Fatal(err)
				}
				var value any
				if err := d.Decode(&value); err != nil {
					t.Fatal(err)
				}
				name := key.(string)
				got = append(got, name)
				if kind := typeOf(value); kind != types[name] && !(kind == "time" && types[name] == "text") {
					t.Errorf("%s: %s is %v, a %s, documented as %s", report, name, value, kind, types[name])
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s prints\n%v\ndocumented is\n%v", report, got, want)
			}
		}
		table, err := csv.NewReader(strings.NewReader(said(t, "report", report, "-o", "csv", "--data", data))).ReadAll()
		if err != nil || len(table) != 3 || !slices.Equal(table[0], want) {
			t.Errorf("%s as CSV: %v %v", report, table, err)
		}
	}
}

// typeOf is what a value of JSON is, in the words of "report fields".
func typeOf(value any) string {
	switch v := value.(type) {
	case json.Number:
		return "number"
	case []any:
		return "list"
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil && at.Location() == time.UTC {
			return "time"
		}
		return "text"
	}
	return "nothing that is documented"
}
