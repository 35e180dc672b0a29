package render_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
)

// TestHandlerSince: what changed is served as a whole output is, a version that there is not and a target that cannot say so
// are told, and no more differences are computed than the budget has, however many ask.
func TestHandlerSince(t *testing.T) {
	now, fewer := input(t, nil), input(t, func(s *policy.Spec) { s.Hosts = nil })
	var clock, computed, at, most atomic.Int64
	current := render.Current{
		Input: now, Edition: "1", Changed: time.Date(2027, 1, 4, 1, 2, 3, 0, time.UTC),
		Now: func() time.Time { return time.Unix(1_800_000_000+clock.Load(), 0) },
		Since: func(version string) (render.Input, error) {
			computed.Add(1)
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			if !strings.HasPrefix(version, "v") {
				return render.Input{}, finding.Fail("library.unknown", nil, "version", version)
			}
			in, before := now, fewer
			if version == "vsame" {
				before = now
			}
			in.Before = &before
			return in, nil
		},
	}
	server := httptest.NewServer(render.Handler(targets.All(), func() render.Current { return current }))
	defer server.Close()
	ask := func(path, etag string) (int, string, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Error(err)
			return 0, "", ""
		}
		r.Header.Set("If-None-Match", etag)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0, "", ""
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body), answer.Header.Get("ETag")
	}
	status, body, etag := ask("/render/csv?since=v1&encoding=utf-8", "")
	if status != 200 || !strings.HasPrefix(body, "change,") || !strings.Contains(body, "\nadded,") || etag == "" {
		t.Fatalf("%d %s %q", status, etag, body)
	}
	if status, _, _ := ask("/render/csv?since=v1&encoding=utf-8", etag); status != http.StatusNotModified || computed.Load() != 1 {
		t.Errorf("the same again: %d, computed %d times", status, computed.Load())
	}
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/render/csv?since=none": {409, `no version "none"`}, "/render/pac?since=v1": {400, "render it whole"}, "/render/csv?since=": {400, "since"},
		"/render/csv?since=v1&since=v2": {400, "since"}, "/render/xlsx?since=vsame": {409, "nothing"}, "/render/csv?since=" + strings.Repeat("v", 5000): {400, ""},
	} {
		if status, body, _ := ask(path, ""); status != want.status || !strings.Contains(body, want.says) {
			t.Errorf("%.60s: %d %q", path, status, body)
		}
	}
	for i := range 2 * render.MostDifferences {
		if status, body, _ := ask("/render/csv?since=none"+strings.Repeat("x", i), ""); status != http.StatusConflict {
			t.Fatalf("a version that there is not, the %dth: %d %q", i+1, status, body)
		}
	}
	computed.Store(1)
	var busy atomic.Int64
	var all sync.WaitGroup
	for i := range 2 * render.MostDifferences {
		all.Go(func() {
			switch status, _, _ := ask("/render/csv?since=v"+strings.Repeat("x", i+1), ""); status {
			case 200:
			case http.StatusServiceUnavailable:
				busy.Add(1)
			default:
				t.Errorf("%d", status)
			}
		})
	}
	all.Wait()
	if n := computed.Load(); n > render.MostDifferences+1 || busy.Load() == 0 || most.Load() != 1 {
		t.Errorf("%d differences computed, %d at once; %d refused", n, most.Load(), busy.Load())
	}
	if status, _, _ := ask("/render/csv", ""); status != 200 {
		t.Errorf("a whole table while the budget is spent: %d", status)
	}
	clock.Add(60)
	if status, _, _ := ask("/render/csv?since=vnew", ""); status != 200 {
		t.Errorf("a minute later: %d", status)
	}
}

// counted is a target that says which number it was asked for.
type counted struct{ made *atomic.Int64 }

func (counted) Name() string { return "counted" }
func (counted) Options() []render.Option {
	return []render.Option{{Name: "number", Kind: render.Number}}
}
func (c counted) Render(in render.Input, _ *render.Model) (render.Output, error) {
	c.made.Add(1)
	return render.Output{Files: []render.File{{Name: "counted.txt", Type: "text/plain", Body: []byte(strconv.Itoa(in.Options.Int("number")))}}}, nil
}

// TestHandlerBudget: with ever new options no more is made than a minute allows; what is kept is served all the same.
func TestHandlerBudget(t *testing.T) {
	var clock, made atomic.Int64
	current := render.Current{Input: input(t, nil), Edition: "1", Now: func() time.Time { return time.Unix(1_800_000_000+clock.Load(), 0) }}
	handler := render.Handler([]render.Target{counted{&made}}, func() render.Current { return current })
	ask := func(number int) int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/render/counted?number="+strconv.Itoa(number), nil))
		if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Error("503 that does not say when to come again")
		}
		return w.Code
	}
	for i := range render.MostOutputs {
		if status := ask(i); status != 200 {
			t.Fatalf("number %d: %d", i, status)
		}
	}
	if status := ask(render.MostOutputs); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
	if status := ask(render.MostOutputs - 1); status != 200 || made.Load() != render.MostOutputs {
		t.Errorf("one that is kept: %d; %d made", status, made.Load())
	}
	clock.Add(60)
	if status := ask(render.MostOutputs); status != 200 {
		t.Errorf("a minute later: %d", status)
	}
}

// TestHandlerLanguage: the change request comes in the language that the link names, as a workbook of that language's words.
func TestHandlerLanguage(t *testing.T) {
	current := render.Current{Input: input(t, nil), Edition: "1"}
	handler := render.Handler(targets.All(), func() render.Current { return current })
	for lang, want := range map[string]string{"ja": "申請書", "en": "Request"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/render/xlsx?lang="+lang, nil))
		book, err := excelize.OpenReader(w.Body)
		if err != nil {
			t.Fatalf("%s: %d: %v", lang, w.Code, err)
		}
		if sheets := book.GetSheetList(); !slices.Contains(sheets, want) {
			t.Errorf("%s: sheets %q, want %q", lang, sheets, want)
		}
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/render/xlsx?lang=fr", nil))
	if w.Code != http.StatusBadRequest {
		t.Errorf("another language: %d", w.Code)
	}
}
