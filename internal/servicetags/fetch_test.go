package servicetags_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sekisho/internal/servicetags"
)

// site imitates the download pages and the files that they name.
func site(t *testing.T, answers map[string]string) (*servicetags.Fetcher, *[]string) {
	t.Helper()
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		body, ok := answers[r.URL.RequestURI()]
		switch {
		case !ok:
			http.NotFound(w, r)
		case strings.HasPrefix(body, "-> "):
			http.Redirect(w, r, body[3:], http.StatusFound)
		case body == "cut":
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"changeNumber":`)
		default:
			fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(s.Close)
	return &servicetags.Fetcher{Base: s.URL}, &asked
}

const (
	page = "/en-us/download/details.aspx?id=56519"
	at   = "/download/7/1/D/71D86715-5596-4529-9B13-DA13A5DE5B63/"
)

func TestFetchFindsTheCurrentFile(t *testing.T) {
	file := string(tags("Public", 12, 3))
	for rule, text := range map[string]string{
		"link":           `<a href="` + at + `ServiceTags_Public_20261116.json">Download</a>`,
		"script":         `<script>{"downloadFile":[{"name":"ServiceTags_Public_20261116.json","url":"` + strings.ReplaceAll(at, "/", `\u002F`) + `ServiceTags_Public_20261116.json"}]}</script>`,
		"newest-of-many": `<a href="` + at + `ServiceTags_Public_20261109.json"></a><a href='` + at + `ServiceTags_Public_20261116.json'></a>`,
		"other-clouds":   `<a href="` + at + `ServiceTags_China_20261123.json"></a><a href="` + at + `ServiceTags_Public_20261116.json"></a>`,
		"other-hosts":    `<a href="https://files.example.net/ServiceTags_Public_20261123.json"></a><a href="` + at + `ServiceTags_Public_20261116.json"></a>`,
	} {
		t.Run(rule, func(t *testing.T) {
			f, _ := site(t, map[string]string{page: text, at + "ServiceTags_Public_20261116.json": file})
			got, err := f.Fetch(t.Context(), servicetags.Public)
			if err != nil || got.Name != "ServiceTags_Public_20261116.json" || string(got.Body) != file {
				t.Errorf("%q, %v", got.URL, err)
			}
		})
	}
}

func TestFetchTriesTheOtherPages(t *testing.T) {
	f, asked := site(t, map[string]string{
		page: "<p>Thank you</p>", "/en-us/download/confirmation.aspx?id=56519": "-> /moved",
		"/moved": `"` + at + `ServiceTags_Public_20261116.json"`, at + "ServiceTags_Public_20261116.json": string(tags("Public", 12, 3)),
	})
	if _, err := f.Fetch(t.Context(), servicetags.Public); err != nil || len(*asked) != 4 {
		t.Errorf("%v after %q", err, *asked)
	}
}

// TestTheFileInUseIsNotFetchedAgain: 4 MB a day that say nothing new.
func TestTheFileInUseIsNotFetchedAgain(t *testing.T) {
	f, asked := site(t, map[string]string{page: at + "ServiceTags_Public_20261116.json"})
	have := ""
	f.Have = func(name string) bool { have = name; return true }
	if got, err := f.Fetch(t.Context(), servicetags.Public); err != nil || got.Body != nil || got.Name != have || have != "ServiceTags_Public_20261116.json" || len(*asked) != 1 {
		t.Errorf("%+v %v, asked %q", got, err, *asked)
	}
}

func TestFetchOfTheOtherClouds(t *testing.T) {
	f, _ := site(t, map[string]string{
		"/en-us/download/details.aspx?id=57063":          at + "ServiceTags_AzureGovernment_20261116.json",
		"/en-us/download/details.aspx?id=57062":          at + "ServiceTags_China_20261116.json",
		at + "ServiceTags_AzureGovernment_20261116.json": string(tags("AzureGovernment", 5, 2)),
		at + "ServiceTags_China_20261116.json":           string(tags("AzureChinaCloud", 6, 2)),
	})
	for _, c := range []servicetags.Cloud{servicetags.Government, servicetags.China} {
		if _, err := f.Fetch(t.Context(), c); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// TestFetchRefuses: nothing that is not a whole file of the cloud asked for comes back.
func TestFetchRefuses(t *testing.T) {
	name := at + "ServiceTags_Public_20261116.json"
	for _, c := range []struct{ rule, code, page, file string }{
		{"no-link", "no-link", "<html></html>", ""},
		{"only-foreign-links", "no-link", `"https://files.example.net/ServiceTags_Public_20261116.json"`, ""},
		{"user-information", "no-link", `"https://download.microsoft.com@files.example.net/ServiceTags_Public_20261116.json"`, ""},
		{"file-not-there", "status", name, ""},
		{"cut-off", "interrupted", name, "cut"},
		{"error-page", "syntax", name, "<html>sorry</html>"},
		{"empty", "empty", name, " "},
		{"other-cloud", "other-cloud", name, string(tags("China", 5, 2))},
		{"redirect-elsewhere", "unreachable", name, "-> https://files.example.net/ServiceTags_Public_20261116.json"},
		{"redirect-loop", "unreachable", name, "-> " + name},
	} {
		t.Run(c.rule, func(t *testing.T) {
			answers := map[string]string{page: c.page}
			if c.file != "" {
				answers[name] = c.file
			}
			f, _ := site(t, answers)
			if got, err := f.Fetch(t.Context(), servicetags.Public); code(err) != "servicetags."+c.code || got.Body != nil {
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
}

func TestFetchBehindAProxyAndWithoutNetwork(t *testing.T) {
	// The proxy answers for every host; the base's own host need not exist.
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Host)
		if strings.HasSuffix(r.URL.Path, ".json") {
			w.Write(tags("Public", 12, 3))
			return
		}
		fmt.Fprint(w, `"`+at+`ServiceTags_Public_20261116.json"`)
	}))
	defer proxy.Close()
	via, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(via)}
	defer transport.CloseIdleConnections()
	f := &servicetags.Fetcher{Base: "http://pages.invalid", Transport: transport}
	if _, err := f.Fetch(t.Context(), servicetags.Public); err != nil || len(seen) != 2 || seen[0] != "pages.invalid" {
		t.Errorf("%v, %q", err, seen)
	}
	proxy.Close()
	if _, err := f.Fetch(t.Context(), servicetags.Public); code(err) != "servicetags.unreachable" {
		t.Error(err)
	}
	for _, base := range []string{"ftp://example.com", "example.com", "http://", "://"} {
		if _, err := (&servicetags.Fetcher{Base: base}).Fetch(t.Context(), servicetags.Public); code(err) != "servicetags.unreachable" {
			t.Errorf("%q: %v", base, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Fetch(ctx, servicetags.Public); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
