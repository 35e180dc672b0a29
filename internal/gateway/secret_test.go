package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/policy"
)

// canary stands in every place of a message where a secret may stand. It is found in any case, and percent-encoded.
const canary = "cAnArY7c1d"

// silent fails when the log at its finest level, or a record, holds the canary.
func (w *world) silent() {
	w.t.Helper()
	w.mu.Lock()
	records, err := json.Marshal(append(append(w.records[:0:0], w.records...), w.opened...))
	w.mu.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	for what, text := range map[string]string{"log": w.log.String(), "records": string(records)} {
		if i := strings.Index(strings.ToLower(text), strings.ToLower(canary)); i >= 0 {
			w.t.Errorf("the %s tells a secret: …%s…", what, text[max(0, i-300):min(len(text), i+60)])
		}
	}
}

func loud(w **lockedBuffer) func(*Options) {
	return func(o *Options) {
		*w = &lockedBuffer{}
		o.Limits.Linger = 20 * time.Millisecond
		o.Logger = slog.New(slog.NewTextHandler(*w, &slog.HandlerOptions{Level: slog.LevelDebug - 8}))
	}
}

// TestNoSecretIsKept sends secrets in whatever place can hold one, well-formed or not, by every version and on both sides
// of a CONNECT, and looks through the finest log and every record.
func TestNoSecretIsKept(t *testing.T) {
	var log *lockedBuffer
	w := newWorld(t, baseSpec(), loud(&log))
	w.log = log
	w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		_, _ = io.Copy(io.Discard, body)
		if strings.Contains(head, "/broken") {
			_, _ = io.WriteString(to, "HTTP/1.1 2OO "+canary+"\r\nSet-Cookie: "+canary+"\r\n\r\n")
			return false
		}
		text := `{"access_token":"` + canary + `","error_description":"AADSTS50126: ` + canary + `"}`
		_, _ = fmt.Fprintf(to, "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nSet-Cookie: s=%s\r\nLocation: https://app.example/?code=%s&error=x#id_token=%s\r\nContent-Length: %d\r\n\r\n%s",
			canary, canary, canary, len(text), text)
		return true
	})
	secrets := "Authorization: Bearer " + canary + "\r\nCookie: a=" + canary + "\r\nProxy-Authorization: Basic " + canary + "\r\nReferer: https://x/?code=" + canary +
		"\r\nX-Name: " + canary + "\r\nUser-Agent: curl/8 (" + canary + ")\r\nclient-request-id: " + canary + "\r\nOrigin: https://" + canary + "\r\n"
	form := "client_id=app&client_secret=" + canary + "&code=" + canary + "&refresh_token=" + canary + "&password=" + canary + "&username=" + canary
	host := "Host: " + signInHost + "\r\n"
	post := func(target, more string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\n%s%s%sContent-Length: %d\r\n\r\n%s", target, host, secrets, more, len(form), form)
	}
	path := "/contoso.com/oauth2/v2.0/token?code=" + canary + "&client_id=%20" + canary + "&state=" + canary + "#"
	for _, bytes := range []string{
		post(strings.TrimSuffix(path, "#"), ""),
		post(path, ""),
		post("/"+canary+"."+canary+"/oauth2/authorize", ""), // a token where the tenant stands
		post("/broken?"+canary, ""),
		post("https://"+signInHost+"/?"+canary, ""),
		post("https://user:"+canary+"@"+signInHost+"/?"+canary, ""),
		post("https://"+tunnelHost+"/?"+canary, ""),
		post("/?"+canary, "Host: u:"+canary+"@"+signInHost+"\r\n"),
		post("/?"+canary, canary+" : x\r\n"),
		post("/?"+canary, canary+"\r\n"),
		post("/?"+canary, " "+canary+"\r\n"),
		post("/?"+canary, "X: \x00"+canary+"\r\n"),
		post("/?"+canary, "Transfer-Encoding: "+canary+"\r\n"),
		post("/?"+canary, "Expect: "+canary+"\r\n"),
		post("/?"+canary, "Upgrade: "+canary+"\r\nConnection: upgrade\r\n"),
		post("/?"+canary, "Connection: "+canary+"\r\n"),
		"get-" + canary + " / HTTP/1.1\r\n" + host + "\r\n",
		"GET /?" + canary + "\r\n\r\n",
		"GET " + canary + " HTTP/1.1\r\n" + host + "\r\n",
		"GET / " + canary + "\r\n" + host + "\r\n",
		"GET /?" + canary + " x HTTP/1.1\r\n" + host + "\r\n",
		"GET / HTTP/1.1\r\nHost: " + signInHost + "/?" + canary + "\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + canary,
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nX-Name: " + canary + "\r\n\r\n",
		canary + canary + canary + "\r\n\r\n",
	} {
		w.inside(signInHost, bytes+"GET / HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n")
		w.raw(bytes)
		w.raw(strings.Replace(bytes, " /", " http://"+signInHost+"/", 1)) // plain HTTP, port 80 is not open
		c := w.connect(tunnelHost + ":443")
		_, _ = io.WriteString(c, bytes) // where TLS should come
		_, _ = io.ReadAll(c)
		c = w.secure(signInHost, "h2")
		_, _ = io.WriteString(c, bytes+"                        ") // where the preface should come
		_, _ = io.ReadAll(c)
	}
	for _, target := range []string{"u:" + canary + "@" + signInHost + ":443", signInHost + ":443/?" + canary, signInHost + ":443?" + canary, signInHost + ":443#" + canary, "https://" + signInHost + "/?" + canary} {
		w.raw("CONNECT " + target + " HTTP/1.1\r\nHost: u:" + canary + "@x\r\n" + secrets + "\r\n")
		w.raw("CONNECT " + target + " HTTP/1.1\r\nHost: x\r\n" + secrets + "\r\n")
	}
	for _, fields := range [][]string{
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/?" + canary, "cookie", canary, "authorization", canary, "x-" + canary, canary},
		{":method", "GET /?code=" + canary + " HTTP/1.1", ":scheme", "https", ":authority", signInHost, ":path", "/"},
		{":method", canary, ":scheme", "https", ":authority", signInHost, ":path", "/"},
		{":method", "GET", ":scheme", "https", ":authority", signInHost + "/?" + canary, ":path", "/"},
		{":method", "GET", ":scheme", "https", ":authority", "u:" + canary + "@" + signInHost, ":path", "/"},
		{":method", "GET", ":scheme", canary, ":authority", signInHost, ":path", "/"},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/ x?" + canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/", "host", "x/?" + canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/", "X-" + canary, canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/", "x", "\r\n" + canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/", "connection", canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/", "content-length", canary},
		{":method", "GET", ":scheme", "https", ":authority", signInHost, ":path", "/", ":" + canary, canary},
	} {
		f := w.framed(signInHost)
		f.ask(1, true, fields...)
		_ = f.tls.SetReadDeadline(time.Now().Add(time.Second))
		f.result()
	}
	resp, err := w.client(true).Post("https://"+signInHost+path, "application/x-www-form-urlencoded", strings.NewReader(form))
	if err == nil {
		resp.Body.Close()
	}
	w.silent()
	if len(w.records) < 100 {
		t.Errorf("only %d records: the test shows little", len(w.records))
	}
}

// TestAPanicTellsNoSecret breaks a step with a panic whose value is what the client sent.
func TestAPanicTellsNoSecret(t *testing.T) {
	var log *lockedBuffer
	w := newWorld(t, baseSpec(), loud(&log), func(o *Options) {
		o.Steps = func(s *Steps) {
			s.DecideRequest = func(_ *policy.Program, _ policy.Decision, _ string) policy.Decision {
				panic(errors.New("cookie " + canary))
			}
		}
	})
	w.log = log
	for _, h2 := range []bool{false, true} {
		req, _ := http.NewRequest("GET", "https://"+signInHost+"/?code="+canary, nil)
		req.Header.Set("Cookie", canary)
		if resp, err := w.client(h2).Do(req); err == nil {
			resp.Body.Close()
		}
	}
	w.waitRecord(func(r audit.Record) bool { return r.Reason == "internal" })
	if !strings.Contains(log.String(), "msg=panic") {
		t.Error("the panic was not logged: the test shows nothing")
	}
	w.silent()
}
