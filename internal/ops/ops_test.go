package ops_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/ops"
)

func start(t *testing.T, parts ops.Parts) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(ops.Handler(parts))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// TestPACOfARing: each ring has its own URL, in two spellings; a ring that there is not is never answered with the file of
// everybody.
func TestPACOfARing(t *testing.T) {
	s := start(t, ops.Parts{PAC: func(ring string) ([]byte, bool) { return []byte("// " + ring), ring == "" || ring == "pilot.1" }})
	for path, want := range map[string]string{"/proxy.pac": "// ", "/proxy.pac?ring=pilot.1": "// pilot.1", "/wpad.dat?ring=pilot.1": "// pilot.1", "/pac/pilot.1/proxy.pac": "// pilot.1"} {
		if answer, body := get(t, s.URL+path); answer.StatusCode != http.StatusOK || body != want {
			t.Errorf("%s: %d %q", path, answer.StatusCode, body)
		}
	}
	for _, path := range []string{"/proxy.pac?ring=pilot", "/pac/pilot/proxy.pac", "/pac/pilot.1/", "/pac/proxy.pac"} {
		if answer, body := get(t, s.URL+path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %q", path, answer.StatusCode, body)
		}
	}
}

func TestPACHasItsTypeAndAnETagThatSavesTheBody(t *testing.T) {
	script := "function FindProxyForURL(url, host) { return 'PROXY p:1'; }"
	s := start(t, ops.Parts{PAC: func(ring string) ([]byte, bool) { return []byte(script), ring == "" }})
	for _, path := range []string{"/proxy.pac", "/wpad.dat"} {
		answer, body := get(t, s.URL+path)
		if got := answer.Header.Get("Content-Type"); got != "application/x-ns-proxy-autoconfig" {
			t.Errorf("%s: Content-Type %q", path, got)
		}
		if body != script {
			t.Errorf("%s: body %q", path, body)
		}
		tag := answer.Header.Get("ETag")
		if again, body := get(t, s.URL+path, "If-None-Match", tag); again.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s: with the ETag %s: status %d, body %q", path, tag, again.StatusCode, body)
		}
	}
	before, _ := get(t, s.URL+"/proxy.pac")
	script += "\n"
	after, _ := get(t, s.URL+"/proxy.pac", "If-None-Match", before.Header.Get("ETag"))
	if after.StatusCode != http.StatusOK {
		t.Errorf("a changed script is answered %d", after.StatusCode)
	}
}

func TestRevocationListAnswersByNameOnly(t *testing.T) {
	s := start(t, ops.Parts{CRL: func(name string) ([]byte, bool) { return []byte("DER"), name == "issuing.crl" }})
	answer, body := get(t, s.URL+"/crl/issuing.crl")
	if answer.Header.Get("Content-Type") != "application/pkix-crl" || body != "DER" {
		t.Errorf("answer %v %q", answer.Header, body)
	}
	if other, _ := get(t, s.URL+"/crl/root.key"); other.StatusCode != http.StatusNotFound {
		t.Errorf("another name is answered %d", other.StatusCode)
	}
}

func TestReadinessIsAStatusAndADetail(t *testing.T) {
	state := ops.Readiness{Ready: true, Edition: 3, Policy: "abc", Warnings: finding.List{finding.New("policy.x", finding.Warning, finding.Pos{})}}
	s := start(t, ops.Parts{Ready: func() ops.Readiness { return state }})
	answer, body := get(t, s.URL+"/readyz")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("ready is answered %d", answer.StatusCode)
	}
	var raw struct {
		Edition  uint64 `json:"edition"`
		Warnings []struct {
			Code     string `json:"code"`
			Severity string `json:"severity"`
		} `json:"warnings"`
	}
	if err := json.Unmarshal([]byte(body), &raw); err != nil || raw.Edition != 3 || raw.Warnings[0].Severity != "warning" {
		t.Errorf("detail %s: %v", body, err)
	}
	state.Ready = false
	if answer, _ := get(t, s.URL+"/readyz"); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("not ready is answered %d", answer.StatusCode)
	}
}

func TestOnlyReadingMethods(t *testing.T) {
	s := start(t, ops.Parts{PAC: func(string) ([]byte, bool) { return nil, true }})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
		r, _ := http.NewRequest(method, s.URL+"/proxy.pac", nil)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered %d", method, answer.StatusCode)
		}
	}
}

func TestMissingPartsAreNotFound(t *testing.T) {
	s := start(t, ops.Parts{})
	for _, path := range []string{"/proxy.pac", "/ca.pem", "/crl/x", "/readyz", "/metrics", "/"} {
		if answer, _ := get(t, s.URL+path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, answer.StatusCode)
		}
	}
	if answer, body := get(t, s.URL+"/healthz"); answer.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz is answered %d %q", answer.StatusCode, body)
	}
}
