package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sekisho/internal/cli"
)

// run runs a command line with an empty environment and returns the exit code and both streams.
func run(t *testing.T, in string, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), cli.System{
		In: strings.NewReader(in), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" }, Version: "test",
	}, args)
	return code, stdout.String(), stderr.String()
}

func TestUpdateFetchesWhatThePageNames(t *testing.T) {
	change := 10
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/en-us/download/details.aspx":
			fmt.Fprint(w, `<a href="/files/ServiceTags_Public_20261116.json">Download</a>`)
		case "/files/ServiceTags_Public_20261116.json":
			fmt.Fprintf(w, `{"changeNumber": %d, "cloud": "Public", "values": [{"name": "Storage", "properties": {"addressPrefixes": ["20.1.0.0/16"]}}]}`, change)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	data := t.TempDir()
	update := func(list string, more ...string) (int, string, string) {
		return run(t, "", append([]string{"catalog", "update", list, "--data", data, "--base-url", s.URL}, more...)...)
	}
	if code, out, err := update("service-tags-public"); code != 0 || out != "service-tags-public: public-10 (2026-11-16) is in use now, 1 entry\n" {
		t.Errorf("%d %s%s", code, out, err)
	}
	change = 9
	if code, _, err := update("service-tags-public"); code != 1 || !strings.Contains(err, "change number 9 of the public cloud is older than 10") {
		t.Errorf("%d %s", code, err)
	}
	if code, out, err := update("service-tags-public", "--force", "-o", "jsonl"); code != 0 || !strings.Contains(out, `"version":"public-9"`) {
		t.Errorf("%d %s%s", code, out, err)
	}
	if code, _, err := update("service-tags-china"); code != 1 || !strings.Contains(err, "names no service tags file of the china cloud") {
		t.Errorf("%d %s", code, err)
	}
	for _, wrong := range [][]string{{"everything"}, {"service-tags-public", "--proxy", "10.1.2.3"}, {"service-tags-public", "-o", "csv"}} {
		if code, out, _ := update(wrong[0], wrong[1:]...); code != 2 || out != "" {
			t.Errorf("%q: %d %s", wrong, code, out)
		}
	}
	s.Close()
	if code, _, err := update("service-tags-public"); code != 1 || !strings.Contains(err, "cannot fetch") || !strings.Contains(err, "hint: check the proxy") {
		t.Errorf("%d %s", code, err)
	}
	if code, out, _ := run(t, "20.1.2.3\n", "lookup", "-", "--data", data, "-o", "jsonl"); code != 0 || !strings.Contains(out, `"service_tags":[{"version":"public-9"`) {
		t.Errorf("what is in use is gone: %d %s", code, out)
	}
}
