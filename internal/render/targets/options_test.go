package targets_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
)

// FuzzOptions: whatever stands in a query, a target takes or refuses it with a reason, and what the reader of flags takes is what
// the listener takes.
func FuzzOptions(f *testing.F) {
	all := targets.All()
	for i, target := range all {
		f.Add(uint8(i), "")
		f.Add(uint8(i), "lang=ja&lang=en")
		f.Add(uint8(i), "since=x")
		for _, o := range target.Options() {
			for _, v := range append([]string{"", "1", "-1", "true", "9999999999999999999", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32", "%00", "%0a", "a,b", "%e2%80%ae", "../x", "=1+1"}, o.Values...) {
				f.Add(uint8(i), o.Name+"="+v)
			}
			f.Add(uint8(i), o.Name+"=a&"+o.Name+"=b;"+o.Name)
		}
	}
	in := fixture(f, "1", func(s *policy.Spec) { s.Aliases = nil })
	in.Language, in.Proxies = "en", []string{"proxy.example.com:3128"}
	f.Fuzz(func(t *testing.T, n uint8, query string) {
		target := all[int(n)%len(all)]
		// A handler of its own: one that keeps what it made would grow for as long as the test runs.
		handler := render.Handler(all, func() render.Current { return render.Current{Input: in, Edition: "1"} })
		u := &url.URL{Path: "/render/" + target.Name(), RawQuery: query}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		if !slices.Contains([]int{200, 400, 404, 409}, w.Code) || w.Body.Len() == 0 {
			t.Fatalf("%s?%q: %d, %d bytes", target.Name(), query, w.Code, w.Body.Len())
		}
		if w.Code != 200 && (strings.Contains(w.Body.String(), "<no value>") || strings.HasPrefix(w.Body.String(), "it cannot be rendered")) {
			t.Fatalf("%s?%q: %s", target.Name(), query, w.Body)
		}
		given, err := url.ParseQuery(query)
		if err != nil || len(query) > 4<<10 || given.Has("lang") || given.Has("since") || given.Has("template") {
			return
		}
		if slices.ContainsFunc(target.Options(), func(o render.Option) bool { return o.Local && given.Has(o.Name) }) {
			if w.Code != 400 {
				t.Fatalf("%s?%q: %d, though the option is for the command line", target.Name(), query, w.Code)
			}
			return
		}
		options, err := render.ParseOptions(target, given)
		if (err != nil) != (w.Code == 400) {
			t.Fatalf("%s?%q: %d, as flags: %v", target.Name(), query, w.Code, err)
		}
		if err == nil {
			if again, err := render.ParseOptions(target, given); err != nil || again.Key() != options.Key() {
				t.Fatalf("%s?%q: read twice: %q and %q (%v)", target.Name(), query, options.Key(), again.Key(), err)
			}
		}
	})
}
