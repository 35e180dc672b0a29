package gateway

//lint:file-ignore SA1019 one HTTP/2 connection over a given net.Conn, without a pool

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sekisho/internal/caller"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// anybody identifies whoever gives the password "pw"; people whose name ends in 2 are in two groups.
type anybody struct{}

func (anybody) Identify(a netip.Addr, credentials string) (caller.Caller, bool) {
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(credentials, "Basic "))
	user, password, _ := strings.Cut(string(text), ":")
	if err != nil || password != "pw" {
		return caller.Caller{Addr: a}, false
	}
	c := caller.Caller{Addr: a, User: user}
	if strings.HasSuffix(user, "2") {
		c.Groups = []string{"partners", "staff"}
	}
	return c, true
}

func credentials(user string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":pw")) + "\r\n"
}

// twoProfiles is a spec with a profile for staff and one for partners, a version 2 profile, and a ring that reports.
func twoProfiles() policy.Spec {
	at := func(s string) restrict.At { return restrict.At{Text: s} }
	spec := baseSpec()
	spec.Profiles = append(spec.Profiles,
		restrict.Spec{Name: "partners", Version: restrict.V1, Context: at(tenantID), Permitted: []restrict.At{at("fabrikam.com"), at(tenantID)}},
		restrict.Spec{Name: "second", Version: restrict.V2, Policy: at(tenantID + ":" + policyID)})
	spec.Rings = []policy.RingSpec{
		{Name: "second", Profile: at("second"), Users: []string{"carol"}},
		{Name: "partners", Profile: at("partners"), Users: []string{"bob"}},
		{Name: "by group", Profile: at("partners"), Groups: []string{"Partners"}},
		{Name: "by group too", Profile: at("second"), Groups: []string{"staff"}},
		{Name: "reports", Mode: policy.Report, Profile: at("partners"), Users: []string{"dave"}},
		{Name: "off", Mode: policy.Off, Users: []string{"erin"}},
		{Name: "everyone", Profile: at("staff")},
	}
	return spec
}

// policyID is the version 2 policy of the test.
const policyID = "7c1d2f3a-4b52-4e2f-8b17-6a9c4d35b0e8"

// carried names whose headers a request head carries: a profile, "none", or "mixed".
func carried(head string) string {
	lower := strings.ToLower(head)
	n := strings.Count(lower, "\r\nrestrict-access-") + strings.Count(lower, "\r\nsec-restrict-")
	has := func(line string) bool { return strings.Contains(head, "\r\n"+line+"\r\n") }
	context := has("Restrict-Access-Context: " + tenantID)
	switch {
	case n == 0:
		return "none"
	case n == 2 && context && has("Restrict-Access-To-Tenants: "+tenants):
		return "staff"
	case n == 2 && context && has("Restrict-Access-To-Tenants: fabrikam.com,"+tenantID):
		return "partners"
	case n == 1 && has("sec-Restrict-Tenant-Access-Policy: "+tenantID+":"+policyID):
		return "second"
	}
	return "mixed"
}

// TestOneUserNeverMeetsAnothersProfile has people of five rings send at once: over kept connections, HTTP/2, and new
// connections, to one origin, whose connections the gateway keeps and shares.
func TestOneUserNeverMeetsAnothersProfile(t *testing.T) {
	w := newWorld(t, twoProfiles(), quiet)
	e := *w.edition
	e.Identify = anybody{}
	w.g.Load(&e)
	want := map[string]string{"alice": "staff", "Bob": "partners", "carol": "second", "frank2": "partners", "dave": "none"}
	secure := func(user string, protocols ...string) *tls.Conn {
		c := w.dial()
		_, _ = io.WriteString(c, "CONNECT "+signInHost+":443 HTTP/1.1\r\nHost: "+signInHost+"\r\n"+credentials(user)+"\r\n")
		if head := readHead(t, c); !strings.HasPrefix(head, "HTTP/1.1 200") {
			t.Fatalf("%s: %q", user, head)
		}
		s := tls.Client(c, &tls.Config{ServerName: signInHost, RootCAs: w.roots, NextProtos: protocols})
		if err := s.Handshake(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	const rounds = 30
	var wait sync.WaitGroup
	for user := range want {
		for _, way := range []string{"kept", "new"} {
			wait.Go(func() {
				var c *tls.Conn
				var br *bufio.Reader
				for range rounds {
					if c == nil || way == "new" {
						c = secure(user, "http/1.1")
						br = bufio.NewReader(c)
					}
					_, _ = io.WriteString(c, "GET /"+user+" HTTP/1.1\r\nHost: "+signInHost+"\r\nRestrict-Access-To-Tenants: evil.example\r\n\r\n")
					resp, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Errorf("%s: %v", user, err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
				}
			})
		}
		wait.Go(func() {
			cc, err := (&http2.Transport{}).NewClientConn(secure(user, "h2"))
			if err != nil {
				t.Error(err)
				return
			}
			defer cc.Close()
			var streams sync.WaitGroup
			for range rounds {
				streams.Go(func() {
					req, _ := http.NewRequestWithContext(context.Background(), "GET", "https://"+signInHost+"/"+user, nil)
					resp, err := cc.RoundTrip(req)
					if err != nil {
						t.Errorf("%s: %v", user, err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				})
			}
			streams.Wait()
		})
	}
	wait.Wait()
	count := map[string]int{}
	for _, head := range w.origin(signInHost).seen() {
		user, _, _ := strings.Cut(strings.TrimPrefix(head, "GET /"), " ")
		count[user]++
		if got := carried(head); got != want[user] {
			t.Errorf("%s sends the headers of %q, want %q: %q", user, got, want[user], head)
		}
	}
	for user := range want {
		if count[user] != 3*rounds {
			t.Errorf("%s: %d requests reached the origin, want %d", user, count[user], 3*rounds)
		}
	}
}

// TestAConnectionServesWhoeverSpeaksOnIt: plain requests of two people on one kept connection, as a parent or a child
// proxy sends them, and a wrong password in between.
func TestAConnectionServesWhoeverSpeaksOnIt(t *testing.T) {
	spec := twoProfiles()
	w := newWorld(t, spec)
	e := *w.edition
	e.Identify = anybody{}
	w.g.Load(&e)
	w.add(signInHost, true)
	c := w.dial()
	br := bufio.NewReader(c)
	for i, user := range []string{"alice", "bob", "alice", "carol", "dave", "bob"} {
		_, _ = io.WriteString(c, fmt.Sprintf("GET http://%s/%d HTTP/1.1\r\nHost: %s\r\n%s\r\n", signInHost, i, signInHost, credentials(user)))
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %+v", user, err, resp)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	want := []string{"staff", "partners", "staff", "second", "none", "partners"}
	for i, head := range w.origin(signInHost).seen() {
		if got := carried(head); got != want[i] {
			t.Errorf("request %d carries %q, want %q", i, got, want[i])
		}
		if strings.Contains(head, "Proxy-Authorization") {
			t.Errorf("credentials went upstream: %q", head)
		}
	}
}

// TestReloadsBetweenTheVersionsUnderLoad switches to and fro between version 1, version 2 and reporting while long HTTP/2
// connections, kept and new ones send: each request carries the headers of one whole edition, and login.live.com its own.
func TestReloadsBetweenTheVersionsUnderLoad(t *testing.T) {
	var editions []*Edition
	w := newWorld(t, baseSpec(), quiet)
	for i, ring := range []policy.RingSpec{
		{Name: "everyone", Profile: restrict.At{Text: "staff"}},
		{Name: "everyone", Profile: restrict.At{Text: "second"}},
		{Name: "everyone", Profile: restrict.At{Text: "partners"}},
	} {
		spec := twoProfiles()
		spec.Rings = []policy.RingSpec{ring}
		e := *w.edition
		e.Number, e.Program = uint64(i+1), compile(t, spec)
		editions = append(editions, &e)
	}
	w.g.Load(editions[0])
	var stop atomic.Bool
	var wait sync.WaitGroup
	var sent atomic.Int64
	for _, host := range []string{signInHost, string(liveHost)} {
		for _, h2 := range []bool{false, true} {
			client := w.client(h2)
			wait.Go(func() {
				for !stop.Load() {
					sent.Add(1)
					resp, err := client.Get("https://" + host + "/common")
					if err != nil {
						continue // a connection that was told to end
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
	}
	// A hundred reloads, and more where the machine is slow to send a hundred requests meanwhile.
	for i := 0; i < 100 || sent.Load() < 100 && i < 10_000; i++ {
		w.g.Load(editions[(i+1)%len(editions)])
		time.Sleep(5 * time.Millisecond)
	}
	stop.Store(true)
	wait.Wait()
	count := map[string]int{}
	for _, head := range w.origin(signInHost).seen() {
		kind := carried(head)
		count[kind]++
		if kind == "none" || kind == "mixed" {
			t.Fatalf("%s: %q", kind, head)
		}
	}
	for _, head := range w.origin(liveHost).seen() {
		lower := strings.ToLower(head)
		own := strings.Count(head, "\r\nsec-Restrict-Tenant-Access-Policy: restrict-msa\r\n") + strings.Count(head, "\r\nsec-Restrict-Tenant-Access-Policy: "+tenantID+":"+policyID+"\r\n")
		// The profile "partners" lets personal accounts pass: no header is right there too.
		if strings.Contains(lower, "restrict-access-") || strings.Count(lower, "sec-restrict") != own || own > 1 {
			t.Fatalf("login.live.com: %q", head)
		}
	}
	if count["staff"] == 0 || count["second"] == 0 || count["partners"] == 0 || sent.Load() < 100 {
		t.Errorf("%v of %d requests", count, sent.Load())
	}
}
