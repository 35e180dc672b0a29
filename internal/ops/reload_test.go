package ops

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestOnlyThisMachineReloads: a token that came over a network would have come in the clear.
func TestOnlyThisMachineReloads(t *testing.T) {
	handler := Handler(Parts{Token: "t", Reload: func(context.Context) ReloadAnswer { return ReloadAnswer{Reloaded: true} }})
	for _, c := range []struct {
		from, to string
		want     int
	}{
		{"127.0.0.1:1000", "127.0.0.1:3180", 200},
		{"[::1]:1000", "[::1]:3180", 200},
		{"[::ffff:127.0.0.1]:1000", "127.0.0.1:3180", 200},
		{"10.0.0.5:1000", "10.0.0.5:3180", 200}, // the machine's own address
		{"10.0.0.6:1000", "10.0.0.5:3180", 403},
		{"[2001:db8::6]:1000", "[2001:db8::5]:3180", 403},
		{"nonsense", "10.0.0.5:3180", 403},
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/reload", nil)
		to, err := net.ResolveTCPAddr("tcp", c.to)
		if err != nil {
			t.Fatal(err)
		}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(to)))
		r.RemoteAddr = c.from
		r.Header.Set("Authorization", "bearer t")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("from %s to %s: %d, want %d", c.from, c.to, w.Code, c.want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/api/reload", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	Handler(Parts{Reload: func(context.Context) ReloadAnswer { return ReloadAnswer{} }}).ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("without a token of its own the listener answers %d", w.Code)
	}
}
