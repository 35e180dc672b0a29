package signinlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/graph"
	"sekisho/internal/message"
)

// entry is a signIn as Graph writes it ("List signIns", example answer).
func entry(i int) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("AAAAAAAA-0000-4000-8000-%012d", i), "createdDateTime": time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(-time.Duration(i) * time.Minute).Format(time.RFC3339),
		"userDisplayName": "Alice Adams", "userPrincipalName": "alice@contoso.com", "userId": "u1", "appId": "a1", "appDisplayName": "App",
		"ipAddress": "203.0.113.7", "clientAppUsed": "Browser", "correlationId": "CCCCCCCC-0000-4000-8000-000000000001", "isInteractive": true,
		"status":   map[string]any{"errorCode": 0, "failureReason": "Other.", "additionalDetails": nil},
		"location": map[string]any{"city": "Chiyoda-Ku", "state": "Tokyo", "countryOrRegion": "JP", "geoCoordinates": map[string]any{}},
	}
}

// service answers as Graph: n entries, in pages of at most per.
func service(t *testing.T, n, per int) (*httptest.Server, *[]url.Values) {
	t.Helper()
	asked := &[]url.Values{}
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		*asked = append(*asked, q)
		if r.URL.Path != "/v1.0/auditLogs/signIns" || r.Header.Get("Authorization") != "Bearer tok" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		from, _ := strconv.Atoi(q.Get("$skiptoken"))
		top, _ := strconv.Atoi(q.Get("$top"))
		to := min(n, from+min(per, top))
		page := map[string]any{"value": []any{}}
		for i := from; i < to; i++ {
			page["value"] = append(page["value"].([]any), entry(i))
		}
		if to < n {
			page["@odata.nextLink"] = s.URL + "/v1.0/auditLogs/signIns?$top=" + q.Get("$top") + "&$skiptoken=" + strconv.Itoa(to)
		}
		json.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(s.Close)
	return s, asked
}

func TestGraphPages(t *testing.T) {
	t.Parallel()
	s, asked := service(t, 25, 10)
	g := &Graph{Client: s.Client(), Credential: graph.Credential{Bearer: "tok"}, Base: s.URL}
	since, until := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	rows, more, err := g.SignIns(t.Context(), since, until, 0)
	if err != nil || more || len(rows) != 25 || len(*asked) != 3 {
		t.Fatalf("%d rows, more %v, %d pages, %v", len(rows), more, len(*asked), err)
	}
	if f := (*asked)[0].Get("$filter"); f != "createdDateTime ge 2026-11-23T00:00:00.000Z and createdDateTime le 2026-11-24T00:00:00.000Z" {
		t.Errorf("filter %q", f)
	}
	want := Row{
		ID: "aaaaaaaa-0000-4000-8000-000000000000", CorrelationID: "cccccccc-0000-4000-8000-000000000001", Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		User: "Alice Adams", UserID: "u1", UserName: "alice@contoso.com", Application: "App", ApplicationID: "a1", Status: Success, Address: "203.0.113.7",
		Client: "Browser", Location: "Chiyoda-Ku, Tokyo, JP",
	}
	if !reflect.DeepEqual(rows[0], want) {
		t.Errorf("got  %+v\nwant %+v", rows[0], want)
	}
	for _, limit := range []int{1, 10, 11, 24} {
		if rows, more, err := g.SignIns(t.Context(), since, until, limit); err != nil || !more || len(rows) != limit {
			t.Errorf("limit %d: %d rows, more %v, %v", limit, len(rows), more, err)
		}
	}
}

// A refusal says what is missing, in both languages.
func TestGraphRefusals(t *testing.T) {
	t.Parallel()
	problem := func(code, message string) string {
		return `{"error":{"code":"` + code + `","message":"` + message + `","innerError":{"request-id":"r"}}}`
	}
	for name, c := range map[string]struct {
		status  int
		header  string
		body    string
		code    string
		mention string
	}{
		"permission":   {403, "", problem("Authentication_MSGraphPermissionMissing", "The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All"), "graph.permission", "AuditLog.Read.All"},
		"denied":       {403, "", problem("Authorization_RequestDenied", "Insufficient privileges"), "graph.permission", "AuditLog.Read.All"},
		"licence":      {403, "", problem("Authentication_RequestFromNonPremiumTenantOrB2CTenant", "Neither tenant is B2C or tenant doesn't have premium license"), "graph.licence", "P1"},
		"token":        {401, "", problem("InvalidAuthenticationToken", "Access token has expired."), "graph.token-refused", "expired"},
		"restricted":   {401, "Restrict-Access-Confirm: 1", problem("InvalidAuthenticationToken", "x"), "graph.restricted", "gateway"},
		"other":        {400, "", problem("BadRequest", "Invalid filter clause"), "graph.error", "Invalid filter clause"},
		"no-json":      {200, "", "<html>", "graph.answer", ""},
		"no-list":      {200, "", "{}", "graph.answer", ""},
		"no-time":      {200, "", `{"value":[{"createdDateTime":"yesterday"}]}`, "graph.answer", ""},
		"elsewhere":    {200, "", `{"value":[],"@odata.nextLink":"https://graph.example.com/v1.0/x"}`, "graph.elsewhere", "graph.example.com"},
		"in-the-clear": {200, "", `{"value":[],"@odata.nextLink":"http://HOST/v1.0/x"}`, "graph.elsewhere", ""},
		"redirect":     {302, "Location: https://example.com/", "", "graph.error", "302"},
		"page-of-500":  {500, "", "<html>", "graph.error", "500"},
		"long-wait":    {429, "Retry-After: 100000", "", "graph.busy", "100000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if k, v, ok := strings.Cut(c.header, ": "); ok {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				w.Write([]byte(strings.ReplaceAll(c.body, "HOST", r.Host)))
			}))
			defer s.Close()
			g := &Graph{Client: s.Client(), Credential: graph.Credential{Bearer: "tok"}, Base: s.URL}
			rows, _, err := g.SignIns(t.Context(), time.Time{}, time.Time{}, 0)
			var p *finding.Problem
			if !errors.As(err, &p) || p.Findings[0].Code != c.code || rows != nil {
				t.Fatalf("%v", err)
			}
			for _, lang := range message.Languages() {
				printer := message.New(lang)
				text := printer.Finding(p.Findings[0])
				if hint := c.code + ".hint"; printer.Has(hint) {
					text += printer.Hint(p.Findings[0])
				}
				if strings.Contains(text, "tok\"") || lang == "en" && !strings.Contains(text, c.mention) {
					t.Errorf("%s: %q", lang, text)
				}
			}
		})
	}
}

func TestGraphWaitsAsItIsAsked(t *testing.T) {
	t.Parallel()
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) },
		func(w http.ResponseWriter) { w.WriteHeader(503) },
		func(w http.ResponseWriter) { w.Write([]byte(`{"value":[]}`)) },
	}
	at := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answers[min(at, 2)](w); at++ }))
	defer s.Close()
	var waited []time.Duration
	g := &Graph{Client: s.Client(), Credential: graph.Credential{Bearer: "tok"}, Base: s.URL, Wait: func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}}
	if _, _, err := g.SignIns(t.Context(), time.Time{}, time.Time{}, 0); err != nil || !reflect.DeepEqual(waited, []time.Duration{7 * time.Second, graph.DefaultWait}) {
		t.Errorf("%v, %v", waited, err)
	}
	// It does not wait for ever, and an impatient caller is not held up.
	answers[2], at, waited = answers[0], 0, nil
	if _, _, err := g.SignIns(t.Context(), time.Time{}, time.Time{}, 0); err == nil || len(waited) != 5 {
		t.Errorf("%v, %v", waited, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.Wait = nil
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, _, err := g.SignIns(ctx, time.Time{}, time.Time{}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// One entry of Graph never panics, and gives a row or an error.
func FuzzReadSignIn(f *testing.F) {
	for i := range 2 {
		data, _ := json.Marshal(entry(i))
		f.Add(data)
	}
	f.Add([]byte(`{"createdDateTime":"2026-11-23T08:00:00Z","status":{"errorCode":-1},"location":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		row, err := readSignIn(data)
		if err != nil && row != (Row{}) || err == nil && (row.Time.IsZero() || row.Status == "" || len(row.UserName) > maxCell) {
			t.Errorf("%+v, %v", row, err)
		}
	})
}
