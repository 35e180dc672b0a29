//go:build linux

package clients

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestNoSecretIsKeptAnywhere sends a canary to the running program in whatever place a secret may stand, well-formed or not,
// and looks for it in the log, on every page of the operations listener and in every file that the program has written: the
// audit database, its write-ahead log and the spool, while it runs and after its end.
func TestNoSecretIsKeptAnywhere(t *testing.T) {
	t.Parallel()
	const canary = "cAnArY9e2f"
	c := up(t)
	roots := c.roots(t)
	secrets := "Authorization: Bearer " + canary + "\r\nCookie: a=" + canary + "\r\nProxy-Authorization: Basic " + canary + "\r\nReferer: https://x/?code=" + canary +
		"\r\nX-Name: " + canary + "\r\nUser-Agent: curl/8 (" + canary + ")\r\nclient-request-id: " + canary + "\r\n"
	form := "client_id=app&client_secret=" + canary + "&code=" + canary + "&refresh_token=" + canary + "&password=" + canary + "&username=" + canary
	send := func(conn net.Conn, err error, text string) {
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
	requests := []string{
		fmt.Sprintf("POST /contoso.com/oauth2/v2.0/token?code=%s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			canary, signIn, secrets, len(form), form),
		"GET /" + canary + "." + canary + "/oauth2/v2.0/authorize?state=" + canary + " HTTP/1.1\r\nHost: " + signIn + "\r\n" + secrets + "Connection: close\r\n\r\n",
		"GET /?" + canary + " HTTP/1.1\r\nHost: other.example.net\r\n" + secrets + "\r\n",
		"GET /?" + canary + " HTTP/1.1\r\nHost: " + signIn + "\r\n" + canary + " : x\r\n\r\n",
		"get-" + canary + " / HTTP/1.1\r\nHost: " + signIn + "\r\n\r\n",
	}
	for _, text := range requests {
		conn, err := c.secure(roots, "", signIn, "http/1.1")
		send(conn, err, text)
		plain, err := net.Dial("tcp", c.gateway)
		send(plain, err, text)
		plain, err = net.Dial("tcp", c.gateway)
		send(plain, err, "CONNECT u:"+canary+"@files.example.net:443 HTTP/1.1\r\nHost: x\r\n"+secrets+"\r\n")
		open, err := c.open("", "graph.microsoft.com")
		send(open, err, text) // where TLS should come
	}
	conn, err := c.secure(roots, "", signIn, "h2")
	if err != nil {
		t.Fatal(err)
	}
	two, err := (&http2.Transport{}).NewClientConn(conn) //lint:ignore SA1019 one connection, without a pool
	if err != nil {
		t.Fatal(err)
	}
	ask, err := http.NewRequest(http.MethodPost, "https://"+signIn+"/common/oauth2/v2.0/token?code="+canary, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Cookie", canary)
	ask.Header.Set("Authorization", canary)
	if resp, err := two.RoundTrip(ask); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
	two.Close()

	searched, known := 0, false
	search := func(what, text string) {
		searched++
		if strings.HasPrefix(filepath.Base(what), "state.db") {
			// The lab's sign-in log is the cloud's, not ours, and shows a tenant's administrators what Entra's shows them: the
			// client's own name, and what was asked for as a tenant. Nothing else of the canary may be there.
			text = strings.NewReplacer("curl/8 ("+canary+")", "", strings.ToLower(canary+"."+canary), "").Replace(text)
		}
		known = known || strings.HasSuffix(what, "audit.db") && strings.Contains(text, "other.example.net")
		if i := strings.Index(strings.ToLower(text), strings.ToLower(canary)); i >= 0 {
			t.Errorf("%s holds a secret: %q", what, text[max(0, i-100):min(len(text), i+60)])
		}
	}
	files := func() {
		database := false
		err := filepath.WalkDir(c.data, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // a segment that was stored meanwhile
			}
			database = database || d.Name() == "audit.db"
			if text, err := os.ReadFile(name); err == nil {
				search(name, string(text))
			}
			return nil
		})
		if err != nil || !database {
			t.Errorf("no database among the files (%v)", err)
		}
	}
	for range 10 { // records pass through the spool
		files()
		time.Sleep(100 * time.Millisecond)
	}
	for _, page := range []string{"", "metrics", "readyz", "healthz"} {
		search("/"+page, get(t, c.operations+page))
	}
	c.end(t)
	files()
	search("the log", c.log.String())
	if searched < 20 || !known {
		t.Errorf("%d texts were searched, the records among them: %v; the test shows little", searched, known)
	}
}
