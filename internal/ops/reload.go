package ops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// LastReload is when and how the configuration was last read again.
type LastReload struct {
	Time   time.Time `json:"time"`
	By     string    `json:"by"`     // signal, file, update, api
	Result string    `json:"result"` // done, rejected
}

// ReloadAnswer is the answer to POST /api/reload: what judges now, and what was found in the configuration.
type ReloadAnswer struct {
	// Reloaded is false when the configuration was rejected: the edition before it still judges.
	Reloaded bool   `json:"reloaded"`
	Edition  uint64 `json:"edition"` // that judges now
	Policy   string `json:"policy_hash"`
	Catalog  string `json:"catalog_version"`
	// Findings are the warnings of the edition, or what the rejected configuration has wrong.
	Findings finding.List `json:"findings"`
	// Cause is what the system said about the last finding; "" mostly.
	Cause string `json:"cause,omitempty"`
}

// reload answers 200 when the configuration was taken over and 422 when it was rejected.
func reload(token string, do func(context.Context) ReloadAnswer) http.Handler {
	return privileged(token, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := do(r.Context())
		if answer.Findings == nil {
			answer.Findings = finding.List{}
		}
		status := http.StatusOK
		if !answer.Reloaded {
			status = http.StatusUnprocessableEntity
		}
		Answer(w, status, answer)
	}))
}

// Answer writes v as JSON.
func Answer(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// privileged lets through who may change something: who shows the token (RFC 6750, section 2.1) and is on this machine.
// The listener speaks without TLS, and a token that crosses a network in the clear is everybody's. A page in a browser
// cannot ask, because it cannot know the token.
func privileged(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !sameMachine(r) {
			http.Error(w, "only from the machine itself", http.StatusForbidden)
			return
		}
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(shown))
		if token == "" || !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="Sekisho operations"`)
			http.Error(w, "the token of control.json in the data folder is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameMachine reports whether r came over loopback, or from the very address that it was sent to.
func sameMachine(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	if from.Addr().Unmap().IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	to, err := netip.ParseAddrPort(local.String())
	return err == nil && to.Addr().Unmap() == from.Addr().Unmap()
}
