package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"sekisho/internal/audit"
)

const (
	traceID       = "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa"
	correlationID = "bbbbbbbb-2222-4222-8222-bbbbbbbbbbbb"
	requestID     = "cccccccc-3333-4333-8333-cccccccccccc"
	clientID      = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
)

// described is an error description as the identity platform writes it, with its lines as JSON escapes them.
func described(code, text string) string {
	return `{"error":"invalid_grant","error_description":"AADSTS` + code + `: ` + text + `\r\nTrace ID: ` + traceID +
		`\r\nCorrelation ID: ` + correlationID + `\r\nTimestamp: 2026-11-01 00:00:00Z","error_codes":[` + code +
		`],"timestamp":"2026-11-01 00:00:00Z","trace_id":"` + traceID + `","correlation_id":"` + correlationID + `"}`
}

// errorPage is the page of authorize, in which label and id stand in cells of their own.
func errorPage(code, trace, correlation string) string {
	return "<!DOCTYPE html><title>Sorry</title>" + strings.Repeat("<p>x</p>", 2000) + "<dl><dt>Error</dt><dd>AADSTS" + code +
		": Access to 'fabrikam' tenant is denied.</dd><dt>" + trace + "</dt><dd>" + traceID + "</dd>\n<dt>" + correlation +
		"</dt>\n\t<dd class=\"id\">" + correlationID + "</dd></dl>"
}

func packed(t *testing.T, text string, with func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	z := with(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWhatARecordHoldsOfASignIn answers sign-ins as Microsoft's identity platform does and reads the records.
func TestWhatARecordHoldsOfASignIn(t *testing.T) {
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	br := func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }
	deflate := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	page := errorPage("500021", "Trace ID", "Correlation ID")
	const (
		ok, bad, found = "200 OK", "400 Bad Request", "302 Found"
		html           = "Content-Type: text/html; charset=utf-8\r\n"
		js             = "Content-Type: application/json; charset=utf-8\r\n"
		ids            = "x-ms-request-id: " + traceID + "\r\n"
	)
	cases := []struct {
		name, host           string
		query, form, fields  string // of the request
		status, head, body   string // of the answer
		code, id, outcome    string
		endpoint, withClient string
	}{
		{name: "a token", form: "client_id=" + clientID + "&client_secret=hush", status: ok, head: js + ids, body: `{"access_token":"hush"}`,
			outcome: "ok", endpoint: "token"},
		{name: "a token error in JSON", form: "grant_type=x&client_id=" + clientID, status: bad, head: js + ids,
			body: described("7000215", "Invalid client secret provided."), code: "7000215", id: correlationID, outcome: "failed", endpoint: "token"},
		{name: "a restricted token", form: "client_id=" + clientID, status: bad, head: js + ids, body: described("500021", "Access denied."),
			code: "500021", id: correlationID, outcome: "blocked", endpoint: "token"},
		{name: "restrictions of version 2", form: "client_id=" + clientID, status: bad, head: js, body: described("5000211", "A tenant restrictions policy"),
			code: "5000211", id: correlationID, outcome: "blocked", endpoint: "token"},
		{name: "only the description names the id", form: "client_id=" + clientID, status: bad, head: js + ids,
			body: `{"error_description":"AADSTS50034: x\r\nTrace ID: ` + traceID + `\r\nCorrelation ID: ` + correlationID + `\r\n"}`,
			code: "50034", id: correlationID, outcome: "failed", endpoint: "token"},
		{name: "the id of the request", form: "client_id=" + clientID, fields: "client-request-id: " + requestID + "\r\n", status: bad,
			head: js + ids, body: described("50034", "x"), code: "50034", id: requestID, outcome: "failed", endpoint: "token"},
		{name: "the id of the request in braces", form: "client_id=" + clientID, fields: "Client-Request-ID: {" + requestID + "}\r\n", status: ok,
			head: js + ids, body: "{}", id: requestID, outcome: "ok", endpoint: "token"},
		{name: "the id of the request in its form", form: "x=client-request-id=a&client_id=" + clientID + "&client-request-id=" + requestID,
			status: ok, head: js + ids, body: "{}", id: requestID, outcome: "ok", endpoint: "token"},
		{name: "an id of the request that is none", form: "client_id=" + clientID, fields: "client-request-id: not-a-guid\r\n", status: bad,
			head: js + ids, body: described("50034", "x"), code: "50034", id: correlationID, outcome: "failed", endpoint: "token"},
		{name: "an id that the answer's head returns", form: "client_id=" + clientID, status: ok, head: js + ids + "client-request-id: " + correlationID + "\r\n",
			body: "{}", id: correlationID, outcome: "ok", endpoint: "token"},
		{name: "a page with status 200", query: "client_id=" + clientID + "&state=hush", status: ok, head: html + ids, body: page,
			code: "500021", id: correlationID, outcome: "blocked", endpoint: "authorize"},
		{name: "a page with status 400", query: "client_id=" + clientID + "&client-request-id=" + requestID, status: bad, head: html + ids,
			body: page, code: "500021", id: requestID, outcome: "blocked", endpoint: "authorize"},
		{name: "a page in Japanese", query: "client_id=" + clientID, status: ok, head: html, body: errorPage("500021", "要求 ID", "関連付け ID"),
			code: "500021", id: correlationID, outcome: "blocked", endpoint: "authorize"},
		{name: "a page of the lab in Japanese", query: "client_id=" + clientID, status: ok, head: html, body: errorPage("50011", "トレース ID", "相関 ID"),
			code: "50011", id: correlationID, outcome: "failed", endpoint: "authorize"},
		{name: "a page in gzip", query: "client_id=" + clientID, status: ok, head: html + "Content-Encoding: gzip\r\n", body: packed(t, page, gz),
			code: "500021", id: correlationID, outcome: "blocked", endpoint: "authorize"},
		{name: "a page in br", query: "client_id=" + clientID, status: ok, head: html + "Content-Encoding: br\r\n", body: packed(t, page, br),
			code: "500021", id: correlationID, outcome: "blocked", endpoint: "authorize"},
		{name: "a page in deflate", query: "client_id=" + clientID, status: ok, head: html + "Content-Encoding: deflate\r\n", body: packed(t, page, deflate),
			code: "500021", id: correlationID, outcome: "blocked", endpoint: "authorize"},
		{name: "a page in a coding that is not read", query: "client_id=" + clientID, status: ok, head: html + "Content-Encoding: zstd\r\n", body: "\x28\xb5\x2f\xfd",
			outcome: "not-seen", endpoint: "authorize"},
		{name: "an error in a coding that is not read", query: "client_id=" + clientID, status: bad, head: html + "Content-Encoding: zstd\r\n", body: "\x28\xb5\x2f\xfd",
			outcome: "failed", endpoint: "authorize"},
		{name: "a coding that is not what it says", query: "client_id=" + clientID, status: ok, head: html + "Content-Encoding: gzip\r\n", body: "plain",
			outcome: "not-seen", endpoint: "authorize"},
		{name: "sent back with a code", query: "client_id=" + clientID, status: found, head: ids + "Location: https://app.example/cb?error=access_denied&error_description=" +
			"AADSTS65004%3a+User+declined%0d%0aTrace+ID%3a+" + traceID + "%0d%0aCorrelation+ID%3a+" + correlationID + "%0d%0a&state=hush\r\n",
			code: "65004", id: correlationID, outcome: "failed", endpoint: "authorize"},
		{name: "sent back with an error", query: "client_id=" + clientID, status: found, head: ids + "Location: https://app.example/cb?error=login_required&state=hush\r\n",
			outcome: "failed", endpoint: "authorize"},
		{name: "sent back with an error in the fragment", query: "client_id=" + clientID, status: found,
			head: "Location: https://app.example/cb#error=interaction_required&state=hush\r\n", outcome: "failed", endpoint: "authorize"},
		{name: "sent back with a restriction", query: "client_id=" + clientID, status: found,
			head: "Location: https://app.example/cb#error=access_denied&error_description=AADSTS500021%3a+hush\r\n", code: "500021", outcome: "blocked", endpoint: "authorize"},
		{name: "sent back with a code grant", query: "client_id=" + clientID, status: found, head: ids + "Location: https://app.example/cb?code=hush&state=hush\r\n",
			outcome: "ok", endpoint: "authorize"},
		{name: "personal accounts blocked", host: liveHost, query: "client_id=" + clientID, status: "403 Forbidden", head: html,
			body: "<p>You can't get there from here</p><dd>80045C4D</dd>", code: "80045C4D", outcome: "blocked", endpoint: "authorize"},
		{name: "personal accounts blocked with status 200", host: liveHost, query: "client_id=" + clientID, status: ok, head: html + "Content-Encoding: br\r\n",
			body: packed(t, "<p>0x80045C4D</p>", br), code: "80045C4D", outcome: "blocked", endpoint: "authorize"},
		{name: "the consumers' code inside a token", host: liveHost, query: "client_id=" + clientID, status: ok, head: html,
			body: `<input value="x80045C4D0"><input value="A80045C4D">`, outcome: "ok", endpoint: "authorize"},
	}
	for i, c := range cases {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, h2=%v", c.name, h2), func(t *testing.T) {
				w := newWorld(t, baseSpec())
				e := *w.edition
				e.Identify = book{}
				w.g.Load(&e)
				host := signInHost
				tenant := fmt.Sprintf("t%d.example", i)
				path := "/" + tenant + "/oauth2/v2.0/" + c.endpoint
				if c.host != "" {
					host, tenant, path = c.host, "", "/oauth20_authorize.srf"
				}
				w.origin(hostOf(host)).setAnswer(func(_ string, body io.Reader, to io.Writer) bool {
					_, _ = io.Copy(io.Discard, body)
					fmt.Fprintf(to, "HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", c.status, c.head, len(c.body), c.body)
					return true
				})
				method := "GET"
				if c.form != "" {
					method = "POST"
				}
				req, err := http.NewRequest(method, "https://"+host+path+"?"+c.query, strings.NewReader(c.form))
				if err != nil {
					t.Fatal(err)
				}
				if name, value, ok := strings.Cut(strings.TrimSpace(c.fields), ": "); ok {
					req.Header.Set(name, value)
				}
				client := w.client(h2)
				client.Transport.(*http.Transport).Proxy = func(*http.Request) (*urlT, error) { return parseURL("http://alice:pw@" + w.addr) }
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(got) != c.body || resp.Proto == "HTTP/2.0" != h2 {
					t.Errorf("answered by %s with another body", resp.Proto)
				}
				r := w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.SignIn })
				want := audit.Record{User: "alice", Host: host, Tenant: tenant, Endpoint: c.endpoint, Application: clientID, AADSTS: c.code,
					CorrelationID: c.id, Outcome: c.outcome}
				if r.User != want.User || r.Host != want.Host || r.Tenant != want.Tenant || r.Endpoint != want.Endpoint ||
					r.Application != want.Application || r.AADSTS != want.AADSTS || r.CorrelationID != want.CorrelationID || r.Outcome != want.Outcome {
					t.Errorf("record %+v\nwant %+v", r, want)
				}
				if r.Open {
					t.Error("a sign-in is open")
				}
				if text := fmt.Sprintf("%+v", r) + w.log.String(); strings.Contains(text, "hush") || strings.Contains(text, traceID) {
					t.Errorf("kept too much: %s", text)
				}
				w.checkAll()
			})
		}
	}
}

func TestCorrelationIsNotTheIDBesideIt(t *testing.T) {
	for text, want := range map[string]string{
		`{"trace_id":"` + traceID + `","correlation_id":"` + correlationID + `"}`: correlationID,
		`{"correlation_id":"","trace_id":"` + traceID + `"}`:                      "",
		`{"correlation_id":null,"trace_id":"` + traceID + `"}`:                    "",
		`{"correlationId" : "` + correlationID + `"}`:                             correlationID,
		"Correlation ID： " + correlationID:                                        correlationID,
		"Correlation Id: <span id=\"x\">" + correlationID + "</span>":             correlationID,
		"correlation of " + traceID:                                               "",
		"correlation ID: " + correlationID + "0":                                  "",
		"correlation ID: " + correlationID[:35]:                                   "",
		"correlation ID: <":                                                       "",
		"no correlation here, Correlation ID: " + correlationID:                   correlationID,
	} {
		if got := correlationIn([]byte(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
