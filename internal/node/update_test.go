package node_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/node"
)

// publisher imitates the endpoints web service over lists that a test changes.
type publisher struct {
	*httptest.Server
	mu       sync.Mutex
	versions map[m365.Instance]string
	rows     map[m365.Instance][]m365.Row
	status   int // other than 0: every answer
	asked    []string
}

// publish serves the built-in rows of every instance, under a version of their own.
func publish(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{versions: map[m365.Instance]string{}, rows: map[m365.Instance][]m365.Row{}}
	for _, i := range m365.Instances() {
		p.versions[i] = "2026112000"
		p.rows[i] = slices.DeleteFunc(m365.RowsOf(catalog.Builtin(), i), func(r m365.Row) bool { return r.ServiceArea == m365.AreaIntune })
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = append(p.asked, r.URL.Path)
		_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		instance, _, _ := strings.Cut(rest, "/")
		switch {
		case p.status != 0:
			w.WriteHeader(p.status)
		case r.URL.Path == "/version":
			var list []m365.Version
			for _, i := range slices.Sorted(maps.Keys(p.versions)) {
				list = append(list, m365.Version{Instance: i, Latest: p.versions[i]})
			}
			_ = json.NewEncoder(w).Encode(list)
		case strings.HasPrefix(r.URL.Path, "/endpoints/"):
			_ = json.NewEncoder(w).Encode(p.rows[m365.Instance(instance)])
		case strings.HasPrefix(r.URL.Path, "/changes/"):
			fmt.Fprint(w, "[]")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(func() { p.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return p
}

// change publishes a version whose rows are what edit makes of the last.
func (p *publisher) change(i m365.Instance, version string, edit func([]m365.Row) []m365.Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.versions[i] = version
	rows := slices.Clone(p.rows[i])
	for k := range rows {
		rows[k].URLs, rows[k].IPs = slices.Clone(rows[k].URLs), slices.Clone(rows[k].IPs)
	}
	p.rows[i] = edit(rows)
}

func (p *publisher) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// renamed gives one host another name.
func renamed(from, to string) func([]m365.Row) []m365.Row {
	return func(rows []m365.Row) []m365.Row {
		for k := range rows {
			for u := range rows[k].URLs {
				if rows[k].URLs[u] == from {
					rows[k].URLs[u] = to
				}
			}
		}
		return rows
	}
}

func few(rows []m365.Row) []m365.Row { return rows[:4] }

func whole(rows []m365.Row) []m365.Row { return rows }

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestUpdate follows one list through its life: taken, unchanged, older, absurd, approved, gone back from.
func TestUpdate(t *testing.T) {
	p := publish(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	o := node.UpdateOptions{Data: filepath.Join(t.TempDir(), "data"), BaseURL: p.URL, MaxDrop: 20, Now: func() time.Time { return now }}
	shelf := node.Shelf(o.Data, o.Now)
	update := func(want, wantCode string) node.Updated {
		t.Helper()
		u, err := node.Update(t.Context(), o, "m365-worldwide")
		if u.Result != want || code(err) != wantCode {
			t.Fatalf("%+v, %v; want %s %s", u, err, want, wantCode)
		}
		if a := shelf.Attempts()["m365-worldwide"]; a.Result != want || (a.Failures == 0) != (err == nil) {
			t.Fatalf("attempt %+v", a)
		}
		now = now.Add(time.Hour) // the service may be asked again
		return u
	}
	has := func(host string) bool {
		t.Helper()
		s, err := node.Catalog(o.Data)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(m365.RowsOf(s, m365.Worldwide), func(r m365.Row) bool { return slices.Contains(r.URLs, host) })
	}
	p.change(m365.Worldwide, "2026112000", renamed("graph.windows.net", "new.graph.example"))
	if u := update(node.UpdateNew, ""); u.Version != "2026112000" || u.Before != "" || u.Catalog != "2026-11-23" || u.Percent != 1 || u.Entries != len(p.rows[m365.Worldwide]) {
		t.Errorf("%+v", u)
	}
	if !has("new.graph.example") || has("graph.windows.net") {
		t.Error("the list is not in use")
	}
	if asked := p.count(); asked != 3 { // version, endpoints, changes
		t.Errorf("asked %q", p.asked)
	}
	if u := update(node.UpdateSame, ""); p.count() != 4 || u.Version != "2026112000" {
		t.Errorf("asked %q", p.asked)
	}
	p.change(m365.Worldwide, "2026111900", whole)
	update(node.UpdateFailed, "library.older")
	p.change(m365.Worldwide, "2026112101", func([]m365.Row) []m365.Row { return nil })
	update(node.UpdateFailed, "m365.shape") // null
	p.change(m365.Worldwide, "2026112102", func([]m365.Row) []m365.Row { return []m365.Row{} })
	update(node.UpdateFailed, "m365.empty")
	p.answers(500)
	update(node.UpdateFailed, "m365.status")
	if a := shelf.Attempts()["m365-worldwide"]; a.Failures != 4 || a.Asked.IsZero() || !a.Failed.Before(a.Tried) || a.Version != "2026112102" {
		t.Errorf("attempt %+v", a)
	}
	p.answers(0)
	p.rows = publish(t).rows
	if !has("new.graph.example") {
		t.Error("a failure changed what is in use")
	}

	p.change(m365.Worldwide, "2026112200", few)
	u := update(node.UpdateWaiting, "")
	if u.Percent <= 20 || !has("new.graph.example") {
		t.Errorf("%+v", u)
	}
	fetched := p.count()
	if again := update(node.UpdateWaiting, ""); p.count() != fetched+1 || again.Catalog != u.Catalog || again.Percent != u.Percent {
		t.Errorf("a list that waits was fetched again: %+v", again)
	}
	if name, err := shelf.Approve(); err != nil || name != u.Catalog || has("new.graph.example") {
		t.Errorf("%s %v", name, err)
	}
	update(node.UpdateSame, "")
	if err := shelf.Use("2026-11-23"); err != nil {
		t.Fatal(err)
	}
	if u := update(node.UpdateSetAside, ""); u.Version != "2026112200" || !has("new.graph.example") {
		t.Errorf("%+v: an update took back what somebody had put into use", u)
	}
	p.rows = publish(t).rows
	p.change(m365.Worldwide, "2026112201", few)
	update(node.UpdateWaiting, "")
	if _, err := shelf.Reject(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if u := update(node.UpdateRejected, ""); u.Version != "2026112201" || u.Catalog != "" || !has("new.graph.example") {
			t.Errorf("%+v: a list that was rejected", u)
		}
	}
	p.rows = publish(t).rows
	p.change(m365.Worldwide, "2026112300", whole)
	update(node.UpdateNew, "")
}

// TestTheFirstDownloadIsHeldAgainstTheBuiltInRows, in age and in size, for every cloud.
func TestTheFirstDownloadIsHeldAgainstTheBuiltInRows(t *testing.T) {
	for _, i := range m365.Instances() {
		t.Run(string(i), func(t *testing.T) {
			p := publish(t)
			o := node.UpdateOptions{Data: filepath.Join(t.TempDir(), "data"), BaseURL: p.URL, MaxDrop: 20, Now: time.Now}
			p.change(i, "2020112300", whole)
			_, dated := catalog.Builtin().Source(i.Source())
			if _, err := node.Update(t.Context(), o, "m365-"+i.Cloud()); dated && code(err) != "library.older" {
				t.Errorf("older than what is built in: %v", err)
			}
			o.Data = filepath.Join(t.TempDir(), "data")
			p.change(i, "2026112000", func(rows []m365.Row) []m365.Row { return rows[:1] })
			if u, err := node.Update(t.Context(), o, "m365-"+i.Cloud()); err != nil || u.Result != node.UpdateWaiting {
				t.Errorf("a list of one row: %+v %v", u, err)
			}
			before := m365.RowsOf(catalog.Builtin(), i)
			s, err := node.Catalog(o.Data)
			if err != nil || len(m365.RowsOf(s, i)) != len(before) {
				t.Errorf("what is built in is gone: %v", err)
			}
		})
	}
}

func TestUnknownListsAreRefused(t *testing.T) {
	o := node.UpdateOptions{Data: filepath.Join(t.TempDir(), "data")}
	for _, name := range []string{"", "m365", "m365-germany", "service-tags-", "service-tags-none"} {
		if _, err := node.Update(t.Context(), o, name); code(err) != "node.unknown-list" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// pace lets a test decide when an update is due.
type pace struct{ due chan time.Time }

func newPace() *pace { return &pace{make(chan time.Time)} }

func (p *pace) after(time.Duration) <-chan time.Time { return p.due }

// updating is the lab's configuration with updates from p.
func updating(t *testing.T, p *publisher, more ...string) *config.Config {
	t.Helper()
	section := "catalog:\n  update: true\n  lists: [m365-worldwide]\n  base-url: " + p.URL + "\n  " + strings.Join(more, "\n  ") + "\nrings:\n"
	return labConfig(t, "rings:\n", section)
}

// waitFor asks the operations listener until its answer says want.
func waitFor(t *testing.T, n *node.Node, path, want string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, last = fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+path); strings.Contains(last, want) {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%s does not say %s:\n%s", path, want, last)
}

// TestConnectionsLiveThroughAnUpdate: a tunnel in the middle of its exchange, a kept HTTP/1.1 connection and a kept HTTP/2
// connection go on when the catalog changes under them, and the new catalog judges.
func TestConnectionsLiveThroughAnUpdate(t *testing.T) {
	p := publish(t)
	p.change(m365.Worldwide, "2026112000", renamed("graph.windows.net", "new.graph.example"))
	settings, pace := updating(t, p), newPace()
	n := start(t, node.Options{
		Config: settings, Lab: true, After: pace.after, WatchEvery: -1,
		Load: func() (*config.Config, finding.List) { return settings, nil },
	})

	old := through(t, n)
	old.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	old.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	new2 := through(t, n)
	new2.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	clients := map[string]*http.Client{"HTTP/1.1": old, "HTTP/2.0": new2}
	for _, c := range clients {
		c.Transport.(*http.Transport).DisableKeepAlives = false
		t.Cleanup(c.CloseIdleConnections)
	}
	ask := func(proto string, wantReused bool) {
		t.Helper()
		reused := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, discovery, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := clients[proto].Do(r)
		if err != nil {
			t.Fatalf("%s: %v", proto, err)
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 || answer.Proto != proto || reused != wantReused {
			t.Errorf("%s: %d over %s, connection reused: %t, want %t, %v", proto, answer.StatusCode, answer.Proto, reused, wantReused, err)
		}
	}
	tunnel := openTunnel(t, n, "manage.microsoft.com")
	ask("HTTP/1.1", false)
	ask("HTTP/2.0", false)
	tunnel.exchange(t)
	tunnel.half(t)

	waitFor(t, n, "/readyz", `"edition": 1`)
	pace.due <- time.Now()
	waitFor(t, n, "/readyz", `"edition": 2`)
	waitFor(t, n, "/readyz", `"by": "update"`)
	waitFor(t, n, "/metrics", `sekisho_catalog_updates_total{list="m365-worldwide",result="new"} 1`)

	tunnel.rest(t)
	tunnel.exchange(t)
	ask("HTTP/1.1", true)
	ask("HTTP/2.0", true)
	if _, list := fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+"/endpoints/Worldwide?"+serviceID); !strings.Contains(list, "new.graph.example") {
		t.Error("the new catalog does not judge")
	}

	// A publisher that fails changes nothing and is told; one that drops much waits and is told.
	p.change(m365.Worldwide, "2026112100", few)
	pace.due <- time.Now()
	waitFor(t, n, "/metrics", `result="same"} 1`) // within the hour nothing is asked
}

// channel is a TLS connection through a tunnel.
type channel struct {
	conn   *tls.Conn
	reader *bufio.Reader
}

func openTunnel(t *testing.T, n *node.Node, host string) *channel {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.Summary().Gateway)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT %[1]s:443 HTTP/1.1\r\nHost: %[1]s:443\r\n\r\n", host)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%v %v", answer, err)
	}
	roots := x509.NewCertPool()
	_, lab := n.Roots()
	roots.AppendCertsFromPEM(lab)
	secure := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, NextProtos: []string{"http/1.1"}})
	if err := secure.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &channel{secure, bufio.NewReader(secure)}
}

// exchange sends a request and reads its answer.
func (c *channel) exchange(t *testing.T) { t.Helper(); c.half(t); c.rest(t) }

// half begins a request; rest ends it and reads the answer.
func (c *channel) half(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: manage.micro"); err != nil {
		t.Fatal(err)
	}
}

func (c *channel) rest(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c.conn, "soft.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.Close {
		t.Errorf("%v, close %t", err, answer.Close)
	}
}

// TestAnApprovalElsewhereIsNoticed: a version that waits is told, and "catalog approve" of another process judges soon
// after, without a signal.
func TestAnApprovalElsewhereIsNoticed(t *testing.T) {
	p := publish(t)
	p.change(m365.Worldwide, "2026112000", few)
	settings, pace, data := updating(t, p), newPace(), filepath.Join(t.TempDir(), "data")
	n := start(t, node.Options{
		Config: settings, Lab: true, Data: data, After: pace.after, WatchEvery: 20 * time.Millisecond,
		Load: func() (*config.Config, finding.List) { return settings, nil },
	})
	pace.due <- time.Now()
	waitFor(t, n, "/readyz", `"node.update-waiting"`)
	waitFor(t, n, "/?lang=ja", "承認を待っています")
	name, err := node.Shelf(data, nil).Approve()
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, n, "/readyz", `"catalog_version": "`+name+`"`)
	if _, body := fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+"/readyz"); strings.Contains(body, "node.update-waiting") {
		t.Error("what was approved still waits")
	}
}

// TestAFailingPublisherIsTold with its reason and since when, and nothing else changes.
func TestAFailingPublisherIsTold(t *testing.T) {
	p := publish(t)
	p.answers(http.StatusTooManyRequests)
	pace := newPace()
	n := start(t, node.Options{Config: updating(t, p), Lab: true, After: pace.after})
	pace.due <- time.Now()
	waitFor(t, n, "/readyz", `"node.update-failing"`)
	waitFor(t, n, "/readyz", `"m365.wait"`)
	waitFor(t, n, "/readyz", `"ready": true`)
	waitFor(t, n, "/", "m365-worldwide")
	pace.due <- time.Now()
	waitFor(t, n, "/metrics", `sekisho_catalog_updates_total{list="m365-worldwide",result="failed"} 2`)
	if asked := p.count(); asked != 1 {
		t.Errorf("a service that refuses was asked %d times", asked)
	}
}
