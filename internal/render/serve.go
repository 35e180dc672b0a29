package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

// Limits of what the handler keeps and makes.
const (
	// MostKept bounds how many rendered outputs are kept (chosen: every target with a few choices of options each).
	MostKept = 64
	// MostKeptBytes bounds their size together (chosen: a workbook has a few hundred kilobytes).
	MostKeptBytes = 32 << 20
	// mostQuery bounds the query of a request in bytes (chosen: the longest sensible choice has a few hundred).
	mostQuery = 4 << 10
)

// Current is what Handler serves now.
type Current struct {
	Input Input
	// Edition changes when anything in Input may have: a number, and the files of the service tags.
	Edition string
	Changed time.Time // when it came into use: Last-Modified
}

// Handler answers GET /render/ (the list of targets), /render/TARGET (its one file, or the list of its files) and
// /render/TARGET/FILE, with the options of the target in the query, an ETag and Last-Modified. What was rendered is kept
// until the edition changes, within MostKept and MostKeptBytes.
//
// A path that is none is 404 with the list of what there is, a query that does not fit 400, a target that the policy or
// catalog of now cannot make 409 with the reason, no policy 503: a device keeps what it has.
func Handler(all []Target, current func() Current) http.Handler {
	k := &kept{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/render"), "/")
		name, file, _ := strings.Cut(path, "/")
		if name == "" {
			plain(w, http.StatusOK, index(all))
			return
		}
		t, ok := Find(all, name)
		if !ok {
			plain(w, http.StatusNotFound, fmt.Sprintf("no target %q; there are:\n%s", OneLine(name), index(all)))
			return
		}
		c := current()
		if c.Input.Program == nil {
			w.Header().Set("Retry-After", "60")
			plain(w, http.StatusServiceUnavailable, "there is no policy yet; keep what you have\n")
			return
		}
		options, err := fromQuery(t, r.URL, &c.Input.Language)
		if err != nil {
			plain(w, http.StatusBadRequest, words(c.Input, err))
			return
		}
		out, err := k.render(t, c, options)
		if err != nil {
			plain(w, http.StatusConflict, words(c.Input, err))
			return
		}
		i := 0
		if file != "" || len(out.Files) > 1 {
			i = slices.IndexFunc(out.Files, func(f File) bool { return f.Name == file })
		}
		if i < 0 {
			status := http.StatusOK
			if file != "" {
				status = http.StatusNotFound
			}
			plain(w, status, files(out))
			return
		}
		serve(w, r, c, out.Files[i])
	})
}

// languageOption is the part of a query that chooses the language of what people read, for every target.
const languageOption = "lang"

// fromQuery reads the options of t, and the language where the query has one. A file cannot be named: this process reads
// none for whoever asks.
func fromQuery(t Target, u *url.URL, language *string) (Options, error) {
	if len(u.RawQuery) > mostQuery {
		return Options{}, finding.Fail("render.long-query", nil, "target", t.Name())
	}
	given, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, finding.Fail("render.query", err, "target", t.Name())
	}
	if lang, ok := given[languageOption]; ok {
		if lang[0] != "ja" && lang[0] != "en" {
			return Options{}, finding.Fail("render.option-value", nil, "target", t.Name(), "option", languageOption, "value", lang[0], "known", "ja, en")
		}
		*language = lang[0]
		delete(given, languageOption)
	}
	for _, o := range t.Options() {
		if _, ok := given[o.Name]; ok && o.Kind == FileText {
			return Options{}, finding.Fail("render.option-file", nil, "target", t.Name(), "option", o.Name)
		}
	}
	return ParseOptions(t, given)
}

func index(all []Target) string {
	var b strings.Builder
	for _, t := range all {
		b.WriteString("/render/" + t.Name() + "\n")
	}
	return b.String()
}

func files(out Output) string {
	var b strings.Builder
	for _, f := range out.Files {
		b.WriteString(f.Name + "\n")
	}
	return b.String()
}

// words is an error in the language of the input.
func words(in Input, err error) string {
	var problem *finding.Problem
	if !errors.As(err, &problem) {
		return "it cannot be rendered\n" // what went wrong inside is for the log
	}
	p := message.New(in.Language)
	var b strings.Builder
	for _, f := range problem.Findings {
		b.WriteString(p.Finding(f) + "\n")
		if hint := p.Hint(f); hint != "" {
			b.WriteString(hint + "\n")
		}
	}
	return b.String()
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func serve(w http.ResponseWriter, r *http.Request, c Current, f File) {
	sum := sha256.Sum256(f.Body)
	h := w.Header()
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	h.Set("Content-Type", f.Type)
	show := "inline"
	if f.Download {
		show = "attachment" // RFC 6266, section 4.2
	}
	h.Set("Content-Disposition", show+`; filename="`+f.Name+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Sekisho-Catalog-Version", c.Input.Program.CatalogVersion())
	h.Set("Sekisho-Policy", c.Input.Program.Hash())
	http.ServeContent(w, r, "", c.Changed, bytes.NewReader(f.Body))
}

// kept holds what was rendered for one edition. Safe for concurrent use: each output is made once, others wait for it.
type kept struct {
	mu      sync.Mutex
	edition string
	outputs map[string]*once
	bytes   int
}

// errStopped is the answer of a target that did not come to an end.
var errStopped = errors.New("the target stopped")

type once struct {
	sync.Once
	out Output
	err error
}

func (k *kept) render(t Target, c Current, options Options) (Output, error) {
	key := t.Name() + "?" + options.Key() + "#" + c.Input.Language
	k.mu.Lock()
	if k.edition != c.Edition || k.outputs == nil || len(k.outputs) >= MostKept && k.outputs[key] == nil || k.bytes > MostKeptBytes {
		k.edition, k.outputs, k.bytes = c.Edition, map[string]*once{}, 0
	}
	o := k.outputs[key]
	if o == nil {
		o = &once{}
		k.outputs[key] = o
	}
	k.mu.Unlock()
	o.Do(func() {
		o.err = errStopped // stays where a target panics: whoever asks again gets an answer
		o.out, o.err = Render(t, c.Input, options)
		n := 0
		for _, f := range o.out.Files {
			n += len(f.Body)
		}
		k.mu.Lock()
		if k.outputs[key] == o {
			k.bytes += n
		}
		k.mu.Unlock()
	})
	return o.out, o.err
}
