package tenant_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/endpoint"
	"sekisho/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const id = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"

// book asks a real TLS server, under the name that its certificate has.
func book(t *testing.T, now func() time.Time, answer http.HandlerFunc) *tenant.Book {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	b := tenant.New(tenant.Options{Now: now})
	t.Cleanup(b.Close)
	b.Use(tenant.Network{
		Host: "example.com", Roots: roots,
		Resolve: func(context.Context, endpoint.Host) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			if to != netip.MustParseAddrPort("192.0.2.1:443") {
				return nil, fmt.Errorf("%v is dialled", to)
			}
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
	})
	return b
}

func document(w http.ResponseWriter, issuer string) {
	_, _ = w.Write([]byte(`{"token_endpoint":"https://example.com/x","issuer":"` + issuer + `"}`))
}

func TestFind(t *testing.T) {
	b := book(t, nil, func(w http.ResponseWriter, r *http.Request) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if rest != "v2.0/.well-known/openid-configuration" {
			t.Errorf("%s is asked for", r.URL.Path)
		}
		switch name {
		case "contoso.com", id:
			document(w, "https://example.com/"+strings.ToUpper(id)+"/v2.0")
		case "v1.example.com":
			document(w, "https://sts.windows.net/"+id+"/")
		case "none.example.com":
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"invalid_tenant","error_description":"AADSTS90002: Tenant not found."}`))
		case "placeholder.example.com":
			document(w, "https://example.com/{tenantid}/v2.0")
		case "elsewhere.example.com":
			http.Redirect(w, r, "/contoso.com/v2.0/.well-known/openid-configuration", http.StatusFound)
		case "huge.example.com":
			_, _ = w.Write(make([]byte, 1<<20))
		default:
			w.WriteHeader(503)
		}
	})
	for name, want := range map[string]string{"contoso.com": id, "CONTOSO.com": id, " contoso.com ": id, id: id, strings.ToUpper(id): id, "v1.example.com": id} {
		if got, err := b.Find(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for _, name := range []string{"none.example.com", "common", "", "no domain", "../x", "contoso"} {
		if got, err := b.Find(t.Context(), name); !errors.Is(err, tenant.ErrNone) || got != "" {
			t.Errorf("%q: %q %v", name, got, err)
		}
	}
	for _, name := range []string{"placeholder.example.com", "elsewhere.example.com", "huge.example.com", "down.example.com"} {
		if got, err := b.Find(t.Context(), name); err == nil || errors.Is(err, tenant.ErrNone) || got != "" {
			t.Errorf("%q: %q %v", name, got, err)
		}
	}
	if got, known := b.Directory("Contoso.com"); got != id || !known {
		t.Errorf("%q %v", got, known)
	}
	if _, known := b.Directory("none.example.com"); known {
		t.Error("a tenant that does not exist has a directory")
	}
}

// TestDirectoryDoesNotAsk, and an answer counts for a day; a service that is down takes nothing away.
func TestDirectoryDoesNotAsk(t *testing.T) {
	var asked, down atomic.Int32
	var hours atomic.Int32
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	b := book(t, func() time.Time { return start.Add(time.Duration(hours.Load()) * time.Hour) }, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() == 1 {
			w.WriteHeader(503)
			return
		}
		document(w, "https://example.com/"+id+"/v2.0")
	})
	if _, known := b.Directory("contoso.com"); known || asked.Load() != 0 {
		t.Errorf("known %v after %d questions", known, asked.Load())
	}
	b.Want("contoso.com", "common", id, "not a name")
	b.Await(t.Context(), "contoso.com", "common", id)
	if got, known := b.Directory("contoso.com"); got != id || !known || asked.Load() != 1 {
		t.Errorf("%q %v after %d questions", got, known, asked.Load())
	}
	hours.Store(23)
	b.Want("contoso.com")
	b.Await(t.Context(), "contoso.com")
	if asked.Load() != 1 {
		t.Error("an answer does not count for a day")
	}
	hours.Store(25)
	down.Store(1)
	b.Await(t.Context(), "contoso.com")
	if got, known := b.Directory("contoso.com"); asked.Load() != 2 || !known || got != id {
		t.Errorf("%q %v after %d questions", got, known, asked.Load())
	}
}

// TestQuestionsAreBounded wants more names than may wait, and gives up on a service that is silent.
func TestQuestionsAreBounded(t *testing.T) {
	var now, most atomic.Int32
	release := make(chan struct{})
	b := book(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	for i := range 2000 {
		b.Want(fmt.Sprintf("n%d.example.com", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	b.Await(ctx, "n0.example.com", "n1999.example.com")
	if _, err := b.Find(ctx, "n0.example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 2*time.Second || most.Load() > 4 {
		t.Errorf("%v, %d questions at one time", took, most.Load())
	}
	if _, err := b.Find(t.Context(), "n1999.example.com"); !errors.Is(err, tenant.ErrBusy) {
		t.Errorf("%v", err)
	}
	b.Close() // ends what is under way
	close(release)
}

// TestAnotherRoadTakesTheQuestionsAlong: a question under way is broken off and asked again with the new headers.
func TestAnotherRoadTakesTheQuestionsAlong(t *testing.T) {
	heads := make(chan http.Header, 4)
	var block atomic.Bool
	block.Store(true)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heads <- r.Header
		if block.Load() {
			<-r.Context().Done()
			return
		}
		document(w, "https://example.com/"+id+"/v2.0")
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	road := tenant.Network{
		Host: "example.com", Roots: roots,
		Resolve: func(context.Context, endpoint.Host) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		},
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
	}
	b := tenant.New(tenant.Options{})
	defer b.Close()
	b.Use(road)
	b.Want("contoso.com")
	if h := <-heads; h.Get("X-Road") != "" {
		t.Error(h)
	}
	block.Store(false)
	road.Header = http.Header{"X-Road": {"second"}}
	b.Use(road)
	if got, err := b.Find(t.Context(), "contoso.com"); got != id || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if h := <-heads; h.Get("X-Road") != "second" {
		t.Error(h)
	}
}
