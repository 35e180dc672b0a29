package signinlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/japanese"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func corpus(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The English and the Japanese export of the same sign-ins give the same rows, whatever the encoding.
func TestExportsInEveryForm(t *testing.T) {
	en, ja := corpus(t, "entra-en.csv"), corpus(t, "entra-ja.csv")
	utf16le := []byte{0xff, 0xfe}
	utf16be := []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(ja)) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
		utf16be = append(utf16be, byte(u>>8), byte(u))
	}
	cp932, err := japanese.ShiftJIS.NewEncoder().String(ja)
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{
		{
			ID: "11111111-0000-4000-8000-000000000001", CorrelationID: "22222222-0000-4000-8000-000000000001",
			Time: time.Date(2026, 11, 23, 8, 19, 41, 0, time.UTC), User: "山田 花子", UserID: "7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b02", UserName: "hanako@contoso.com",
			Application: "Lab Desktop", ApplicationID: "2f6b8d04-1c3e-4a57-b9d8-6e0f2a4c8b10", Status: Success, Address: "203.0.113.7", Client: "Browser",
			UserAgent: "Mozilla/5.0", Location: "Chiyoda-Ku, Tokyo, JP", HomeTenant: "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31", TargetTenant: "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31",
		},
		{
			ID: "11111111-0000-4000-8000-000000000002", CorrelationID: "22222222-0000-4000-8000-000000000002",
			Time: time.Date(2026, 11, 23, 8, 20, 0, 0, time.UTC), User: "00000000-0000-0000-0000-000000000000", UserID: "00000000-0000-0000-0000-000000000000", UserName: "{PII Removed}@fabrikam.com",
			Application: "Lab Desktop", ApplicationID: "2f6b8d04-1c3e-4a57-b9d8-6e0f2a4c8b10", Status: Failure, Code: 500021, Reason: "Access to 'Fabrikam' tenant is denied.", Address: "203.0.113.7",
			Client: "Browser", UserAgent: "Mozilla/5.0", Location: "Chiyoda-Ku, Tokyo, JP", HomeTenant: "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52", TargetTenant: "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52",
		},
		{
			ID: "11111111-0000-4000-8000-000000000003", CorrelationID: "22222222-0000-4000-8000-000000000003",
			Time: time.Date(2026, 11, 23, 8, 21, 0, 0, time.UTC), User: "=cmd", UserID: "7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b01", UserName: "alice@contoso.com",
			Application: "Lab, \"Desktop\"", ApplicationID: "2f6b8d04-1c3e-4a57-b9d8-6e0f2a4c8b10", Status: Interrupted, Code: 50058, Reason: "no session", Address: "203.0.113.7",
			Client: "Browser", UserAgent: "Mozilla/5.0", Location: "Chiyoda-Ku, Tokyo, JP", HomeTenant: "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31", TargetTenant: "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31",
		},
	}
	for name, data := range map[string]string{
		"en": en, "en-with-mark": "\ufeff" + en, "en-crlf": strings.ReplaceAll(en, "\n", "\r\n"), "ja": ja, "ja-cp932": cp932, "ja-utf16le": string(utf16le), "ja-utf16be": string(utf16be),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadCSV("export.csv", strings.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestOtherTables(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Row
	}{
		"names-of-graph": {"createdDateTime,userPrincipalName,userDisplayName,appDisplayName,ipAddress,city,countryOrRegion,errorCode\n2026-11-23T08:00:00.123Z,a@contoso.com,A,App,10.0.0.1,Osaka,JP,500021\n",
			Row{Time: time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC), UserName: "a@contoso.com", User: "A", Application: "App", Address: "10.0.0.1", Location: "Osaka, JP", Code: 500021, Status: Failure}},
		"applications": {"Date (UTC),Service principal ID,Service principal name,Status,Sign-in error code\n2026-11-23T08:00:00Z,ABC,Payroll,Failure,500021\n",
			Row{Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), User: "Payroll", UserID: "abc", Code: 500021, Status: Failure}},
		"without-a-code": {"Date (UTC),Username,Status\n2026-11-23 08:00:00,a@contoso.com,Interrupted\n",
			Row{Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), UserName: "a@contoso.com", Status: Interrupted}},
		"full-width-heads": {"日付（ＵＴＣ）,ユーザー名,状態\n2026/11/23 08:00:00,a@contoso.com,失敗\n",
			Row{Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), UserName: "a@contoso.com", Status: Failure}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadCSV("x.csv", strings.NewReader(c.text))
			if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
				t.Errorf("%+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestBrokenExports(t *testing.T) {
	head := "Date (UTC),Username,Sign-in error code\n"
	for name, c := range map[string]struct{ text, code, en string }{
		"nothing":       {"", "signinlog.empty", "x.csv is empty"},
		"another-table": {"a,b\n1,2\n", "signinlog.no-head", "does not begin with the columns"},
		"only-a-date":   {"Date (UTC),Amount\n2026-11-23T08:00:00Z,2\n", "signinlog.no-head", ""},
		"a-page":        {"<!doctype html>\n<html></html>\n", "signinlog.no-head", ""},
		"date":          {head + "2026-11-23T08:00:00Z,a,0\n3/12/2025 7:22:01 AM,a,0\n", "signinlog.date", `x.csv:3:1: "3/12/2025 7:22:01 AM" is not a date`},
		"no-date":       {head + ",a,0\n", "signinlog.date", "x.csv:2:1"},
		"code":          {head + "2026-11-23T08:00:00Z,a,-1\n", "signinlog.code", "x.csv:2:1"},
		"cut-off":       {head + "2026-11-23T08:00:00Z,a\n", "signinlog.row-cells", "x.csv:2:1: the row has 2 cells, its head 3"},
		"quotes":        {head + "2026-11-23T08:00:00Z,\"a,0\n", "signinlog.csv-syntax", "x.csv:2"},
		"no-encoding":   {head + "2026-11-23T08:00:00Z,\x81\xff\xfe,0\n", "signinlog.encoding", ""},
		"odd-utf16":     {"\xff\xfea", "signinlog.encoding", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := ReadCSV("x.csv", strings.NewReader(c.text))
			var p *finding.Problem
			if !errors.As(err, &p) || p.Findings[0].Code != c.code || rows != nil {
				t.Fatalf("%v, %v; want %s", rows, err, c.code)
			}
			for _, lang := range message.Languages() {
				if text := message.New(lang).Finding(p.Findings[0]); text == "" || lang == "en" && !strings.Contains(text, c.en) {
					t.Errorf("%s: %q", lang, text)
				}
			}
		})
	}
}

// What WriteCSV writes is read back as the same rows.
func FuzzReadCSV(f *testing.F) {
	for _, name := range []string{"entra-en.csv", "entra-ja.csv"} {
		f.Add([]byte(corpus(f, name)))
	}
	f.Add([]byte("\xff\xfeD\x00a\x00"))
	f.Add([]byte("Date (UTC),Username\n2026-11-23T08:00:00Z,'=1\n"))
	f.Add([]byte("date,date_utc,user_name,code\n2026-11-23T08:00:00.000+09:00,2026-11-22T23:00:00.000Z,a@b,1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := ReadCSV("f", bytes.NewReader(data))
		if (err == nil) != (rows != nil) {
			t.Fatalf("%v, %v", rows, err)
		}
		if err != nil {
			return
		}
		for i := range rows {
			rows[i].Time = rows[i].Time.Truncate(time.Millisecond) // as precise as the form is
		}
		var out bytes.Buffer
		if err := WriteCSV(&out, Alone(rows), Columns(), CSV{}); err != nil {
			t.Fatal(err)
		}
		again, err := ReadCSV("f", &out)
		if err != nil {
			t.Fatalf("not read again: %v in %q", err, out.String())
		}
		var first []Row
		for _, l := range Alone(rows) {
			first = append(first, l.Cloud)
		}
		if len(first) != len(again) {
			t.Fatalf("%d rows, then %d: %q", len(first), len(again), out.String())
		}
	})
}
