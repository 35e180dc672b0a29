package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/m365/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	versions  = `[{"instance":"Worldwide","latest":"2026112300"},{"instance":"China","latest":"2026110100"}]`
	endpoints = `[{"id":1,"serviceArea":"Exchange","serviceAreaDisplayName":"Exchange Online","urls":["outlook.office.com"],"ips":["13.107.6.152/31"],"tcpPorts":"80,443","expressRoute":true,"category":"Optimize","required":true}]`
	changes   = `[{"id":3,"endpointSetId":1,"disposition":"Change","version":"2026112300","remove":{"ips":["65.55.127.0/24"]}}]`
)

// service imitates the web service: what each path answers, and what was asked.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []*url.URL
	answer func(w http.ResponseWriter, r *http.Request)
}

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL)
		answer := s.answer
		s.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		switch {
		case r.URL.Path == "/version":
			fmt.Fprint(w, versions)
		case strings.HasPrefix(r.URL.Path, "/endpoints/"):
			fmt.Fprint(w, endpoints)
		case strings.HasPrefix(r.URL.Path, "/changes/"):
			fmt.Fprint(w, changes)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(func() { s.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return s
}

func (s *service) says(answer func(w http.ResponseWriter, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return strings.TrimPrefix(p.Findings[0].Code, "m365.")
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// clock is a clock that tests turn.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

// TestVersionIsAskedOnceAnHour: by however many processes, under one identity that stays.
func TestVersionIsAskedOnceAnHour(t *testing.T) {
	s, now, folder := serve(t), newClock(), t.TempDir()
	ask := func() client.Versions {
		t.Helper()
		c := &client.Client{Folder: folder, Base: s.URL, Now: now.now} // a new process each time
		v, err := c.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if latest, ok := v.Of(m365.Worldwide); !ok || latest != "2026112300" {
			t.Errorf("Worldwide is %q", latest)
		}
		if _, ok := v.Of(m365.USGovDoD); ok {
			t.Error("an instance that the service does not name is there")
		}
		return v
	}
	first := ask()
	now.at = now.at.Add(59 * time.Minute)
	second := ask()
	if first.Cached || !second.Cached || s.count() != 1 || !second.Asked.Equal(first.Asked) {
		t.Errorf("asked %d times, %+v, %+v", s.count(), first, second)
	}
	now.at = now.at.Add(time.Minute)
	if third := ask(); third.Cached || s.count() != 2 {
		t.Errorf("after an hour: asked %d times, %+v", s.count(), third)
	}
	now.at = now.at.Add(-3 * time.Hour) // the clock is set back
	if ask(); s.count() != 3 {
		t.Errorf("after the clock was set back: asked %d times", s.count())
	}
	id := s.asked[0].Query().Get("ClientRequestId")
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("ClientRequestId %q is no random UUID", id)
	}
	for _, u := range s.asked {
		if u.Query().Get("ClientRequestId") != id || len(u.Query()) != 1 {
			t.Errorf("asked %s", u)
		}
	}
	other := &client.Client{Folder: t.TempDir(), Base: s.URL, Now: now.now}
	if _, err := other.Versions(t.Context()); err != nil || s.asked[3].Query().Get("ClientRequestId") == id {
		t.Errorf("another machine has the same identity: %v", err)
	}
}

func TestBodiesAreFetchedOnceForEachVersion(t *testing.T) {
	s, folder := serve(t), t.TempDir()
	c := &client.Client{Folder: folder, Base: s.URL}
	for range 3 {
		body, err := c.Endpoints(t.Context(), m365.Worldwide, "2026112300")
		if err != nil || string(body) != endpoints {
			t.Fatalf("%s %v", body, err)
		}
		if body, err = c.Changes(t.Context(), m365.Worldwide, "2026102900", "2026112300"); err != nil || string(body) != changes {
			t.Fatalf("%s %v", body, err)
		}
	}
	if s.count() != 2 || s.asked[0].Path != "/endpoints/Worldwide" || s.asked[1].Path != "/changes/Worldwide/2026102900" {
		t.Errorf("asked %v", s.asked)
	}
	for _, v := range []string{"2026112301", "2026112302", "2026112303"} {
		if _, err := c.Endpoints(t.Context(), m365.Worldwide, v); err != nil {
			t.Fatal(err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(folder, "endpoints-*"))
	if len(left) != 2 || s.count() != 5 {
		t.Errorf("asked %d times, kept %q", s.count(), left)
	}
	// A kept body whose bytes are not those that came is fetched again.
	if err := os.WriteFile(filepath.Join(folder, "endpoints-worldwide-2026112303.json"), []byte(strings.Replace(endpoints, "outlook", "evil", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := c.Endpoints(t.Context(), m365.Worldwide, "2026112303"); err != nil || string(body) != endpoints || s.count() != 6 {
		t.Errorf("%s %v", body, err)
	}
	// A state that cannot be read is begun anew.
	if err := os.WriteFile(filepath.Join(folder, "client.json"), []byte(`{"client_request_id": "x", "bodies": {"../up": {}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Endpoints(t.Context(), m365.Worldwide, "2026112303"); err != nil {
		t.Error(err)
	}
}

// TestARefusalIsObeyed: nothing is asked before the time that the service names, by any process, for any instance.
func TestARefusalIsObeyed(t *testing.T) {
	for _, c := range []struct {
		rule, field string
		status      int
		wait        time.Duration
	}{
		{"seconds", "120", 429, 2 * time.Minute},
		{"date", "Mon, 23 Nov 2026 12:30:00 GMT", 429, 30 * time.Minute},
		{"nothing-said", "", 429, time.Hour},
		{"unreadable", "soon", 429, time.Hour},
		{"zero", "0", 429, time.Minute},
		{"past", "Mon, 23 Nov 2020 12:30:00 GMT", 429, time.Minute},
		{"for-ever", "99999999999999999999", 429, 24 * time.Hour},
		{"unavailable", "120", 503, 2 * time.Minute},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s, now, folder := serve(t), newClock(), t.TempDir()
			s.says(func(w http.ResponseWriter, _ *http.Request) {
				if c.field != "" {
					w.Header().Set("Retry-After", c.field)
				}
				w.WriteHeader(c.status)
			})
			ask := func() error {
				_, err := (&client.Client{Folder: folder, Base: s.URL, Now: now.now}).Endpoints(t.Context(), m365.China, "2026110100")
				return err
			}
			if err := ask(); code(err) != "wait" || !strings.Contains(fmt.Sprint(err.(*finding.Problem).Findings[0].Args), now.at.Add(c.wait).Format(time.RFC3339)) {
				t.Fatalf("%+v", err)
			}
			s.says(nil)
			now.at = now.at.Add(c.wait - time.Second)
			if err := ask(); code(err) != "wait" || s.count() != 1 {
				t.Errorf("asked again too early: %v", err)
			}
			if _, err := (&client.Client{Folder: folder, Base: s.URL, Now: now.now}).Versions(t.Context()); code(err) != "wait" || s.count() != 1 {
				t.Errorf("the other method was asked too early: %v", err)
			}
			now.at = now.at.Add(time.Second)
			if err := ask(); err != nil {
				t.Errorf("after the wait: %v", err)
			}
		})
	}
	t.Run("another-service-is-not-held-to-it", func(t *testing.T) {
		s, folder := serve(t), t.TempDir()
		s.says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) })
		if _, err := (&client.Client{Folder: folder, Base: s.URL}).Versions(t.Context()); code(err) != "wait" {
			t.Fatal(err)
		}
		if _, err := (&client.Client{Folder: folder, Base: serve(t).URL}).Versions(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatIsNoListIsRefused, and nothing that was kept changes.
func TestWhatIsNoListIsRefused(t *testing.T) {
	elsewhere := serve(t)
	for _, c := range []struct {
		rule, code string
		answer     func(w http.ResponseWriter, r *http.Request)
	}{
		{"empty", "empty", func(http.ResponseWriter, *http.Request) {}},
		{"no-row", "empty", say("[]")},
		{"sign-in-page", "syntax", say("<html>Sign in to the network</html>")},
		{"object", "shape", say(`{"error":"x"}`)},
		{"server-error", "status", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, endpoints, 500) }},
		{"not-there", "status", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
		{"busy", "status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }},
		{"other-host", "unreachable", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/endpoints/Worldwide", http.StatusFound)
		}},
		{"loop", "unreachable", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }},
		{"endless", "too-large", func(w http.ResponseWriter, _ *http.Request) {
			blanks := []byte(strings.Repeat(" ", 1<<20))
			for range 70 {
				if _, err := w.Write(blanks); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s, folder := serve(t), t.TempDir()
			cl := &client.Client{Folder: folder, Base: s.URL}
			if _, err := cl.Endpoints(t.Context(), m365.Worldwide, "2026112300"); err != nil {
				t.Fatal(err)
			}
			before := files(t, folder)
			s.says(c.answer)
			if body, err := cl.Endpoints(t.Context(), m365.Worldwide, "2026112400"); code(err) != c.code || body != nil {
				t.Errorf("%v, want %s", err, c.code)
			}
			if after := files(t, folder); after != before {
				t.Errorf("kept files changed from %s to %s", before, after)
			}
		})
	}
	if elsewhere.count() != 0 {
		t.Error("the other host was asked")
	}
}

func say(body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

// files are the kept bodies by name and content.
func files(t *testing.T, folder string) string {
	t.Helper()
	out := map[string]string{}
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(n)] = string(data)
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRedirectsOnTheHostAreFollowed(t *testing.T) {
	s := serve(t)
	s.says(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			http.Redirect(w, r, "/v2/version", http.StatusMovedPermanently)
			return
		}
		fmt.Fprint(w, versions)
	})
	if _, err := (&client.Client{Folder: t.TempDir(), Base: s.URL}).Versions(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestVersionsFromTheFutureAreRefused(t *testing.T) {
	s, now := serve(t), newClock()
	s.says(say(`[{"instance":"Worldwide","latest":"2099112300"}]`))
	c := &client.Client{Folder: t.TempDir(), Base: s.URL, Now: now.now}
	if _, err := c.Versions(t.Context()); code(err) != "version-future" {
		t.Error(err)
	}
	s.says(say(`[{"instance":"Worldwide","latest":"2026112401"}]`)) // it is tomorrow there already
	if v, err := c.Versions(t.Context()); err != nil || v.Cached {
		t.Errorf("%+v %v", v, err)
	}
}

func TestWhoeverGivesUpIsObeyed(t *testing.T) {
	s := serve(t)
	gone := make(chan struct{})
	s.says(func(_ http.ResponseWriter, r *http.Request) { close(gone); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-gone; cancel() }()
	if _, err := (&client.Client{Folder: t.TempDir(), Base: s.URL}).Versions(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBasesThatAreNone(t *testing.T) {
	for _, base := range []string{"ftp://example.com", "example.com", "http://", "://"} {
		if _, err := (&client.Client{Folder: t.TempDir(), Base: base}).Versions(t.Context()); code(err) != "unreachable" {
			t.Errorf("%q: %v", base, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&client.Client{Folder: file}).Versions(t.Context()); code(err) != "unwritable" {
		t.Error(err)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "00000000000000000060", "99999999999999999999", "-1", "1.5", "Mon, 23 Nov 2026 12:30:00 GMT", "Monday, 23-Nov-26 12:30:00 GMT", "Mon Nov 23 12:30:00 2026", "soon", " 60 "} {
		f.Add(s)
	}
	now := newClock().at
	f.Fuzz(func(t *testing.T, s string) {
		if d := client.RetryAfter(s, now); d < time.Minute || d > 24*time.Hour {
			t.Errorf("%q: %s", s, d)
		}
	})
}
