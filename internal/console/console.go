// Package console is the pages of the checkpoint, in Japanese and English, and the same facts as JSON. It knows
// nothing of what it shows but the narrow interface that it declares, and it shows nothing about a person: the
// operations listener asks for no credentials.
package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

//go:embed page
var pages embed.FS

// Facts are what the console shows.
type Facts interface {
	// Status returns the state at the time of the call. Safe for concurrent use.
	Status() Status
}

// Status is the state of one checkpoint.
type Status struct {
	Version        string    `json:"version"`
	Lab            bool      `json:"lab"`
	Started        time.Time `json:"started"`
	Now            time.Time `json:"now"`
	Organisation   string    `json:"organisation"`
	Language       string    `json:"language"` // of pages for whoever states no preference
	Edition        uint64    `json:"edition"`
	PolicyHash     string    `json:"policy_hash"`
	CatalogVersion string    `json:"catalog_version"`
	CatalogDate    time.Time `json:"catalog_date"`
	// ServiceTags are the imported service tags with their age; empty when nobody imported any.
	ServiceTags []explain.TagFile `json:"service_tags"`
	// Sources are those of the features in use with their ages, oldest first.
	Sources []catalog.Age `json:"catalog_sources"`
	// Updating says that the lists are fetched from time to time; Updates what came of it, by list.
	Updating bool              `json:"catalog_updating"`
	Updates  []library.Attempt `json:"catalog_updates"`
	// Waiting is the version of the catalog that waits for approval; "" when none does.
	Waiting  string       `json:"catalog_waiting"`
	Gateway  string       `json:"gateway"` // as clients see it
	PAC      string       `json:"pac"`
	Root     string       `json:"root"`
	Features []Feature    `json:"features"`
	Rings    []Ring       `json:"rings"`
	Traffic  Traffic      `json:"traffic"`
	Audit    Audit        `json:"audit"`
	Warnings finding.List `json:"warnings"`
}

// Feature is one feature in use.
type Feature struct {
	ID      string `json:"id"`
	TitleJA string `json:"title_ja"`
	TitleEN string `json:"title_en"`
	Sets    int    `json:"sets"`
}

// Ring is one ring of the roll-out.
type Ring struct {
	Name    string `json:"name"`
	Mode    string `json:"mode"` // enforce, report, off
	Profile string `json:"profile"`
	// People says who is in it: the configured selectors, "" for everybody.
	People string `json:"people"`
}

// Traffic counts since the start.
type Traffic struct {
	Open        int64 `json:"open_connections"`
	Tunnelled   int64 `json:"tunnelled"`
	Intercepted int64 `json:"intercepted"`
	Forwarded   int64 `json:"forwarded"`
	Refused     int64 `json:"refused"`
	SignIns     int64 `json:"sign_ins"`
	Blocked     int64 `json:"sign_ins_blocked"`
}

// Audit is the state of the record.
type Audit struct {
	Pending uint64 `json:"pending"` // records on the spool, not yet stored
	Lost    uint64 `json:"lost"`
	Full    bool   `json:"full"`
}

// AgeDays is the age of the catalog in whole days.
func (s Status) AgeDays() int { return int(s.Now.Sub(s.CatalogDate) / (24 * time.Hour)) }

// Handler serves the status page at /, its style sheet, and /api/status as JSON.
func Handler(facts Facts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { statusPage(w, r, facts.Status()) })
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		state := facts.Status()
		if state.Warnings == nil {
			state.Warnings = finding.List{}
		}
		body, err := json.MarshalIndent(state, "", "  ")
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(append(body, '\n'))
	})
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pages, "page/style.css")
	})
	return mux
}

// statusPage renders the whole page before the first byte is sent, so that a mistake is a 500 and not half a page.
func statusPage(w http.ResponseWriter, r *http.Request, state Status) {
	lang := language(r, state.Language)
	printer := message.New(lang)
	page, err := template.New("status.html").Funcs(template.FuncMap{
		"t":       func(id string, args ...string) string { return text(printer, id, args) },
		"finding": func(f finding.Finding) string { return printer.Finding(f) },
		"hint":    func(f finding.Finding) string { return printer.Hint(f) },
		"time":    func(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05 MST") },
		"date":    func(at time.Time) string { return at.Format("2006-01-02") },
		"title": func(f Feature) string {
			if lang == "ja" {
				return f.TitleJA
			}
			return f.TitleEN
		},
	}).ParseFS(pages, "page/status.html")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	var body bytes.Buffer
	if err := page.Execute(&body, struct {
		Status
		Lang string
	}{state, lang}); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = w.Write(body.Bytes())
}

// language is the one asked for by ?lang=, else the browser's, else the configured.
func language(r *http.Request, fallback string) string {
	switch asked := r.URL.Query().Get("lang"); asked {
	case "ja", "en":
		return asked
	}
	if accept := r.Header.Get("Accept-Language"); accept != "" {
		return message.Pick(accept)
	}
	return message.Pick(fallback)
}

// text words id with name, value pairs; template authors write {{t "console.age" "days" .Days}}.
func text(p *message.Printer, id string, args []string) string {
	values := make(map[string]string, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		values[args[i]] = fmt.Sprint(args[i+1])
	}
	return p.Text(id, values)
}
