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
	// MostDifferences bounds how many differences since an earlier version are computed a minute (chosen: more than targets
	// that know them, so that a change of the catalog is fetched by every device at once; at about 100 ms each, a tenth of one
	// processor).
	MostDifferences = 40
	// MostOutputs bounds how many whole outputs are made a minute (chosen: every target with a dozen choices of options; at
	// about 30 ms each, an eighth of one processor).
	MostOutputs = 240
)

// Current is what Handler serves now.
type Current struct {
	Input Input
	// Edition changes when anything in Input may have: a number, and the files of the service tags.
	Edition string
	Changed time.Time // when it came into use: Last-Modified
	// Since returns Input with Input.Before, of an earlier version of the catalog that somebody asks for by name; nil: nobody
	// can tell. The error, a *finding.Problem, says that there is no such version, or that the policy cannot be compiled
	// against it.
	Since func(version string) (Input, error)
	// Now is the clock of the budgets; nil: time.Now.
	Now func() time.Time
}

// Handler answers GET /render/ (the list of targets), /render/TARGET (its one file, or the list of its files) and
// /render/TARGET/FILE, with the options of the target in the query, an ETag and Last-Modified. What was rendered is kept
// until the edition changes, within MostKept and MostKeptBytes.
//
// With since=VERSION it answers what changed since an earlier version, of targets that can say so. Whoever reaches the listener
// may ask, so that one difference is computed at a time, no more than MostDifferences of them a minute and no more than
// MostOutputs whole ones; who comes beyond that is told 503 and when to ask again. What is kept costs nothing, and neither does
// a version that there is not.
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
		out, err := k.render(t, c, options, r.URL.Query().Get(sinceOption))
		if errors.Is(err, errBusy) {
			w.Header().Set("Retry-After", "60")
			plain(w, http.StatusServiceUnavailable, "too much was asked for with ever new options; ask again in a minute\n")
			return
		}
		if err != nil {
			plain(w, http.StatusConflict, words(c.Input, err))
			return
		}
		if out.Unchanged {
			plain(w, http.StatusConflict, words(c.Input, &finding.Problem{Findings: out.Findings}))
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

// sinceOption is the part of a query that names an earlier version; see Since.
const sinceOption = "since"

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
	if since, ok := given[sinceOption]; ok {
		switch _, can := t.(Since); {
		case !can:
			return Options{}, finding.Fail("render.no-since", nil, "target", t.Name())
		case len(since) != 1 || since[0] == "":
			return Options{}, finding.Fail("render.option-value", nil, "target", t.Name(), "option", sinceOption, "value", strings.Join(since, ", "), "known", "")
		}
		delete(given, sinceOption)
	}
	for _, o := range t.Options() {
		_, ok := given[o.Name]
		if ok && o.Kind == FileText {
			return Options{}, finding.Fail("render.option-file", nil, "target", t.Name(), "option", o.Name)
		}
		if ok && o.Local {
			return Options{}, finding.Fail("render.option-local", nil, "target", t.Name(), "option", o.Name)
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

	since       sync.Mutex // held while a difference is computed
	differences budget
	wholes      budget
}

// budget is how many outputs were made in the minute that began at at. Held under kept.mu.
type budget struct {
	spent int
	at    time.Time
}

// take takes one of most a minute, or reports that there is none left.
func (b *budget) take(now time.Time, most int) bool {
	if d := now.Sub(b.at); b.at.IsZero() || d >= time.Minute || d < 0 {
		b.spent, b.at = 0, now
	}
	if b.spent >= most {
		return false
	}
	b.spent++
	return true
}

// giveBack returns one that was taken and cost nothing.
func (b *budget) giveBack() { b.spent = max(b.spent-1, 0) }

// errBusy says that a budget is spent.
var errBusy = errors.New("too many outputs")

// errStopped is the answer of a target that did not come to an end.
var errStopped = errors.New("the target stopped")

type once struct {
	sync.Once
	out Output
	err error
}

// render makes an output, or returns the one that is kept. since, where it is not "", names an earlier version.
func (k *kept) render(t Target, c Current, options Options, since string) (Output, error) {
	key := t.Name() + "?" + options.Key() + "#" + c.Input.Language + "#" + since
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	k.mu.Lock()
	if k.edition != c.Edition || k.outputs == nil || len(k.outputs) >= MostKept && k.outputs[key] == nil || k.bytes > MostKeptBytes {
		k.edition, k.outputs, k.bytes = c.Edition, map[string]*once{}, 0
	}
	o := k.outputs[key]
	if o == nil {
		spent, most := &k.wholes, MostOutputs
		if since != "" {
			spent, most = &k.differences, MostDifferences
		}
		if !spent.take(now(), most) {
			k.mu.Unlock()
			return Output{}, errBusy
		}
		o = &once{}
		k.outputs[key] = o
	}
	k.mu.Unlock()
	o.Do(func() {
		o.err = errStopped // stays where a target panics: whoever asks again gets an answer
		if since == "" {
			o.out, o.err = Render(t, c.Input, options)
		} else {
			o.out, o.err = k.difference(t, c, options, since)
		}
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

// difference makes what changed since a version, one after the other.
func (k *kept) difference(t Target, c Current, options Options, since string) (Output, error) {
	if c.Since == nil {
		return Output{}, finding.Fail("render.no-since", nil, "target", t.Name())
	}
	k.since.Lock()
	defer k.since.Unlock()
	in, err := c.Since(since)
	if err != nil {
		k.mu.Lock()
		k.differences.giveBack()
		k.mu.Unlock()
		return Output{}, err
	}
	in.Language, in.Before.Language = c.Input.Language, c.Input.Language
	return Render(t, in, options)
}
