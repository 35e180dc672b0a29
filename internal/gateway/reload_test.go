package gateway

//lint:file-ignore SA1019 one HTTP/2 connection over a given net.Conn, without a pool

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// TestAHundredReloadsUnderLoad changes the profile to and fro, from version 1 to version 2, while HTTP/1.1 and long HTTP/2 connections send requests.
// Each request that reaches the origin carries one profile's headers whole: never none, never parts of two.
func TestAHundredReloadsUnderLoad(t *testing.T) {
	w := newWorld(t, baseSpec(), quiet)
	second := baseSpec()
	second.Profiles = append(second.Profiles, restrict.Spec{Name: "other", Version: restrict.V2, Policy: restrict.At{Text: tenantID + ":" + policyID}})
	second.Rings[0].Profile = restrict.At{Text: "other"}
	editions := []*Edition{w.edition, {}}
	*editions[1] = *w.edition
	editions[1].Number, editions[1].Program = 2, compile(t, second)

	var stop atomic.Bool
	var sent, answered atomic.Int64
	var wait sync.WaitGroup
	load := func(get func() (int, error)) {
		wait.Go(func() {
			for !stop.Load() {
				sent.Add(1)
				if status, err := get(); err == nil && status == 200 {
					answered.Add(1)
				} else if err == nil {
					t.Errorf("status %d", status)
				}
			}
		})
	}
	for _, h2 := range []bool{false, true} {
		client := w.client(h2)
		load(func() (int, error) {
			resp, err := client.Get("https://" + signInHost + "/common")
			if err != nil {
				return 0, err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			return resp.StatusCode, err
		})
	}
	for i := range 100 {
		w.g.Load(editions[(i+1)%2])
		time.Sleep(5 * time.Millisecond)
	}
	stop.Store(true)
	wait.Wait()
	a := "Restrict-Access-To-Tenants: " + tenants + "\r\nRestrict-Access-Context: " + tenantID + "\r\n"
	b := "sec-Restrict-Tenant-Access-Policy: " + tenantID + ":" + policyID + "\r\n"
	var ofA, ofB int
	for _, head := range w.origin(signInHost).seen() {
		isA, isB := strings.Contains(head, a), strings.Contains(head, b)
		lower := strings.ToLower(head)
		if isA == isB || isA && strings.Count(lower, "restrict-") != 2 || isB && strings.Count(lower, "restrict-") != 1 {
			t.Fatalf("%q", head)
		}
		if isA {
			ofA++
		} else {
			ofB++
		}
	}
	if ofA == 0 || ofB == 0 || answered.Load() < sent.Load()*9/10 {
		t.Errorf("%d and %d requests, %d of %d answered", ofA, ofB, answered.Load(), sent.Load())
	}
}

// TestALongHTTP2ConnectionIsToldToEndWhenItsHeadersChange keeps one connection over a reload: the request after it has
// the new headers, and GOAWAY follows.
func TestALongHTTP2ConnectionIsToldToEndWhenItsHeadersChange(t *testing.T) {
	w := newWorld(t, baseSpec())
	cc, err := (&http2.Transport{}).NewClientConn(w.secure(signInHost, "h2"))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	get := func() {
		req, _ := http.NewRequestWithContext(context.Background(), "GET", "https://"+signInHost+"/", nil)
		resp, err := cc.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	get()
	spec := baseSpec()
	spec.Profiles[0].Permitted = spec.Profiles[0].Permitted[:1]
	next := *w.edition
	next.Program = compile(t, spec)
	w.g.Load(&next)
	get()
	for range 200 {
		if !cc.CanTakeNewRequest() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if cc.CanTakeNewRequest() {
		t.Error("no GOAWAY")
	}
	if head := w.origin(signInHost).seen()[1]; !strings.Contains(head, "Restrict-Access-To-Tenants: contoso.com\r\n") {
		t.Errorf("%q", head)
	}
}

// TestAConnectionThatMayNoLongerBeReadIsNotRead turns a ring off: requests on connections that were read get 421 and no
// byte goes upstream without a plan; a new connection is tunnelled.
func TestAConnectionThatMayNoLongerBeReadIsNotRead(t *testing.T) {
	w := newWorld(t, baseSpec())
	c := w.secure(signInHost, "http/1.1")
	one := "GET / HTTP/1.1\r\nHost: " + signInHost + "\r\n\r\n"
	br := bufio.NewReader(c)
	get := func() *http.Response {
		_, _ = io.WriteString(c, one)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	get()
	spec := baseSpec()
	spec.Rings[0].Mode = policy.Off
	off := *w.edition
	off.Program = compile(t, spec)
	w.g.Load(&off)
	if resp := get(); resp.StatusCode != 421 || !resp.Close {
		t.Errorf("%d close=%v", resp.StatusCode, resp.Close)
	}
	if n := len(w.origin(signInHost).seen()); n != 1 {
		t.Errorf("%d requests reached the origin", n)
	}
}

// A connection that was dialled before a reload carried a request of the new edition under the trust of the old one.
func TestAConnectionDialledBeforeAReloadIsJudgedByTheNewTrust(t *testing.T) {
	w := newWorld(t, baseSpec(), quiet)
	c := w.secure(signInHost, "http/1.1") // the origin is dialled, and not yet spoken to
	other := *w.edition
	other.Number, other.Network.Roots = 2, tlsRootsOfNobody()
	w.g.Load(&other)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\nConnection: close\r\n\r\n")
	if got, _ := io.ReadAll(c); !strings.Contains(string(got), "upstream-certificate") {
		t.Errorf("%q", cut(string(got), 300))
	}
	if n := len(w.origin(signInHost).seen()); n != 0 {
		t.Errorf("%d requests reached an origin that the edition of now does not trust", n)
	}
}
