// Package ops is the operations listener: one mux that serves the PAC file, the root certificate, the revocation
// lists, health, readiness, metrics and the status pages. Reading needs no authentication, so it serves nothing personal.
// What changes something, POST /api/reload and in the lab /api/lab/faults and /api/lab/dns, needs a token and a caller on this machine;
// everything else accepts GET and HEAD only.
package ops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
)

// Parts are what the listener serves. A nil function or handler answers 404.
type Parts struct {
	// PAC returns the proxy auto-configuration of the current edition for a ring, "" for everybody; ok is false for a ring
	// that there is none of (/proxy.pac, /wpad.dat, both with ?ring=NAME, and /pac/NAME/proxy.pac).
	PAC func(ring string) (script []byte, ok bool)
	// Root returns the root certificate that clients must trust, PEM (/ca.pem).
	Root func() []byte
	// CRL returns a revocation list by file name, DER (/crl/NAME).
	CRL func(name string) ([]byte, bool)
	// Ready returns whether the checkpoint does its work, and every standing warning (/readyz).
	Ready func() Readiness
	// Metrics answers /metrics.
	Metrics http.Handler
	// Lists answers the Microsoft 365 endpoints web service (/version, /endpoints/…, /changes/…).
	Lists http.Handler
	// Changes returns what changed in the catalog, as an Atom feed (/changes.atom).
	Changes func() []byte
	// Feeds answers the lists that firewalls subscribe to (/feeds/NAME.txt).
	Feeds http.Handler
	// Render answers the policy in the forms of other devices (/render/TARGET).
	Render http.Handler
	// Reload reads the configuration again (POST /api/reload, for who shows Token).
	Reload func(ctx context.Context) ReloadAnswer
	// Faults answers /api/lab/faults for who shows Token: GET lists, POST sets, DELETE clears what goes wrong in the lab.
	Faults http.Handler
	// Records answers /api/lab/dns likewise: the records of the lab's own DNS.
	Records http.Handler
	// Token is what a caller of Reload and Faults shows as a bearer token; "" refuses everybody.
	Token string
	// Console answers everything below / that is not named here.
	Console http.Handler
}

// Readiness is the detail of /readyz.
type Readiness struct {
	Ready   bool   `json:"ready"`
	Edition uint64 `json:"edition"`
	Policy  string `json:"policy_hash"`
	Catalog string `json:"catalog_version"`
	// ServiceTags are the imported service tags with their age; empty when nobody imported any.
	ServiceTags []explain.TagFile `json:"service_tags"`
	// Sources are those of the features in use with their ages, oldest first.
	Sources []catalog.Age `json:"catalog_sources"`
	// Updating says that the lists are fetched from time to time; Updates what came of it, by list.
	Updating bool              `json:"catalog_updating"`
	Updates  []library.Attempt `json:"catalog_updates"`
	// Waiting is the version of the catalog that waits for approval; "" when none does.
	Waiting    string       `json:"catalog_waiting"`
	Lab        bool         `json:"lab"`
	Installed  time.Time    `json:"edition_since"`
	LastReload *LastReload  `json:"last_reload"` // null: none since the start
	Warnings   finding.List `json:"warnings"`
}

// Handler joins parts into the mux of the operations listener. The methods of a path that exist but are not GET or
// HEAD are answered 405.
func Handler(parts Parts) http.Handler {
	mux := http.NewServeMux()
	if parts.PAC != nil {
		// The type that Netscape gave it and every client still asks for; WPAD clients want the second name.
		answer := func(w http.ResponseWriter, r *http.Request, ring string) {
			script, ok := parts.PAC(ring)
			if !ok {
				// Not the file of everybody: a trial that silently uses the proxies of production proves nothing.
				http.Error(w, "there is no ring of that name", http.StatusNotFound)
				return
			}
			serve(w, r, "application/x-ns-proxy-autoconfig", script)
		}
		pac := func(w http.ResponseWriter, r *http.Request) { answer(w, r, r.URL.Query().Get("ring")) }
		mux.HandleFunc("GET /proxy.pac", pac)
		mux.HandleFunc("GET /wpad.dat", pac)
		mux.HandleFunc("GET /pac/{ring}/proxy.pac", func(w http.ResponseWriter, r *http.Request) { answer(w, r, r.PathValue("ring")) })
	}
	if parts.Root != nil {
		mux.Handle("GET /ca.pem", document("application/x-pem-file", parts.Root))
	}
	if parts.CRL != nil {
		mux.HandleFunc("GET /crl/{name}", func(w http.ResponseWriter, r *http.Request) {
			der, ok := parts.CRL(r.PathValue("name"))
			if !ok {
				http.NotFound(w, r)
				return
			}
			serve(w, r, "application/pkix-crl", der) // RFC 2585, section 4.2
		})
	}
	if parts.Metrics != nil {
		mux.Handle("GET /metrics", parts.Metrics)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	if parts.Ready != nil {
		mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, parts.Ready()) })
	}
	if parts.Changes != nil {
		mux.Handle("GET /changes.atom", document("application/atom+xml; charset=utf-8", parts.Changes))
	}
	if parts.Feeds != nil {
		mux.Handle("GET /feeds/", parts.Feeds)
	}
	if parts.Render != nil {
		mux.Handle("GET /render/", parts.Render)
	}
	if parts.Console != nil {
		mux.Handle("GET /", parts.Console)
	}
	if parts.Reload != nil {
		mux.Handle("POST /api/reload", reload(parts.Token, parts.Reload))
	}
	for path, handler := range map[string]http.Handler{"/api/lab/faults": parts.Faults, "/api/lab/dns": parts.Records} {
		if handler == nil {
			continue
		}
		for _, method := range changing[path] {
			mux.Handle(method+" "+path, privileged(parts.Token, handler))
		}
	}
	return guard(lists(mux, parts.Lists))
}

// lists sends the web service's paths to service in whatever letter case they are written, as the original reads them;
// a pattern of the mux cannot say that.
func lists(mux, service http.Handler) http.Handler {
	if service == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if slices.Contains([]string{"version", "endpoints", "changes"}, strings.ToLower(first)) {
			service.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ready answers 200 or 503 with the detail; monitoring reads the status, people read the body.
func ready(w http.ResponseWriter, state Readiness) {
	if state.Warnings == nil {
		state.Warnings = finding.List{}
	}
	body, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

// document serves the bytes that content returns at each request.
func document(contentType string, content func() []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, contentType, content()) })
}

// serve answers with a strong ETag over the content, so that thousands of clients that poll the PAC file cost a 304
// each. Caches must ask again every time: a PAC file that has changed is a policy that has changed.
func serve(w http.ResponseWriter, r *http.Request, contentType string, content []byte) {
	sum := sha256.Sum256(content)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// changing are the paths that change something, with their methods.
var changing = map[string][]string{
	"/api/reload":     {http.MethodPost},
	"/api/lab/faults": {http.MethodGet, http.MethodPost, http.MethodDelete},
	"/api/lab/dns":    {http.MethodGet, http.MethodPost, http.MethodDelete},
}

// guard sets the headers that every answer carries and refuses the methods that change things.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		if allowed, ok := changing[r.URL.Path]; ok {
			if !slices.Contains(allowed, r.Method) {
				h.Set("Allow", strings.Join(allowed, ", "))
				http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
				return
			}
		} else if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Server is the http.Server of the operations listener with its limits: the requests are small, the answers short.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second, // chosen: a monitoring probe sends its head at once
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      30 * time.Second, // chosen: the largest answer is a PAC file of at most 1 MiB
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
