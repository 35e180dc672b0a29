package gateway

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
)

// A record that does not say who was asked for is of no use to whoever looks for it. What could not be parsed said
// nothing.
func TestARefusedHeadIsRecordedWithWhatItAskedFor(t *testing.T) {
	const host = signInHost
	for name, c := range map[string]struct {
		inside                  bool
		send                    string
		method, host, authority string
	}{
		"CONNECT, space before a colon": {false, "CONNECT " + host + ":443 HTTP/1.1\r\nHost : x\r\n\r\n", "CONNECT", host + ":443", ""},
		"CONNECT, two Hosts":            {false, "CONNECT " + host + ":443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "CONNECT", host + ":443", ""},
		"CONNECT, a padded port":        {false, "CONNECT " + host + ":0443 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT", host + ":0443", ""},
		"CONNECT, user information":     {false, "CONNECT u:secret@" + host + ":443 HTTP/1.1\r\nHost : x\r\n\r\n", "CONNECT", "***@" + host + ":443", ""},
		"plain, two Hosts":              {false, "GET http://" + host + "/?secret HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET", host, ""},
		"plain, a fragment":             {false, "GET http://" + host + "/#secret HTTP/1.1\r\nHost: a\r\n\r\n", "GET", host, ""},
		"inside, two Hosts":             {true, "GET /?secret HTTP/1.1\r\nHost: evil.example\r\nHost: " + host + "\r\n\r\n", "GET", host, "evil.example"},
		"inside, space before a colon":  {true, "GET / HTTP/1.1\r\nHost: evil.example\r\nX : a\r\n\r\n", "GET", host, "evil.example"},
		"inside, a fragment":            {true, "GET /x#secret HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET", host, "evil.example"},
		"inside, two framings":          {true, "POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "POST", host, "evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec())
			if c.inside {
				w.inside(host, c.send)
			} else {
				w.raw(c.send)
			}
			r := w.waitRecord(func(r audit.Record) bool { return r.Verdict == "deny" })
			if r.Method != c.method || r.Host != c.host || r.Authority != c.authority {
				t.Errorf("%+v", r)
			}
			if strings.Contains(w.log.String(), "secret") {
				t.Error(w.log.String())
			}
		})
	}
}

// An answer whose framing breaks before anything of it was passed on ended the connection without a word.
func TestABrokenAnswerOfWhichNothingWasSentIsTold(t *testing.T) {
	w := newWorld(t, baseSpec())
	w.origin(signInHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n")
		return false
	})
	got := w.inside(signInHost, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 502 ") || strings.Contains(got, "200 OK") || !strings.Contains(got, "Proxy-Status: sekisho; error=http_response_incomplete") {
		t.Errorf("%q", cut(got, 300))
	}
	w.waitRecord(func(r audit.Record) bool { return r.Status == 502 && strings.HasPrefix(r.Error, "upstream-broken") })
}

// A client that says that it has nothing more to send, and waits, got silence where the origin needed a moment.
func TestAHalfClosedClientIsAnswered(t *testing.T) {
	w := newWorld(t, baseSpec())
	w.origin(plainHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		time.Sleep(1200 * time.Millisecond)
		return okAnswer(head, body, to)
	})
	c := w.dial()
	_, _ = io.WriteString(c, "GET http://"+plainHost+"/ HTTP/1.1\r\nHost: "+plainHost+"\r\n\r\n")
	_ = c.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(got), "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 ") || !strings.HasSuffix(string(got), "hello") {
		t.Errorf("%q", got)
	}
}

// A token in the first segment of a path was kept as the tenant, and shown in reports.
func TestOnlyTenantsAreKeptAsTenants(t *testing.T) {
	for path, want := range map[string]string{
		"/contoso.com/oauth2/v2.0/authorize":         "contoso.com",
		"/Contoso.onmicrosoft.com/oauth2/v2.0/token": "contoso.onmicrosoft.com",
		"/" + tenantID + "/oauth2/token":             tenantID,
		"/common/oauth2/token":                       "common",
		"/eyJhbGciOi.SECRETJWT.sig/x":                "",
		"/eyJ0eXAi.eyJhdWQi.com/x":                   "",
		"/secret.Zm9vYmFyMTIz/x":                     "",
		"/secret.4/x":                                "",
		"/a-b-c-d-eeeeeeeeeeeeeeeeeeeeeeeeeeee/x":    "",
		"/.com/x": "",
		"/" + strings.Repeat("a", 100) + ".contoso.com/saml2": "", // no label is so long
		"/kerberos/oauth2/token":                              "",
		"/contoso.xn--p1ai/wsfed":                             "contoso.xn--p1ai",
	} {
		if _, got := endpointOf(path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
