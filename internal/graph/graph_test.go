package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sekisho/internal/finding"
)

// Two questions ask for one token, and pages come in their order until the caller has enough.
func TestEach(t *testing.T) {
	t.Parallel()
	tokens := 0
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			tokens++
			w.Write([]byte(`{"access_token":"tok"}`))
		case r.Header.Get("Authorization") != "Bearer tok":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("page") == "":
			w.Write([]byte(`{"value":[1,2],"@odata.nextLink":"` + s.URL + `/v1.0/things?page=2"}`))
		default:
			w.Write([]byte(`{"value":[3]}`))
		}
	}))
	defer s.Close()
	c := &Client{HTTP: s.Client(), Base: s.URL + "/", Credential: Credential{Tenant: "contoso.com", Application: "a", Secret: "s", Authority: s.URL}}
	for _, stop := range []int{0, 1, 2, 3} {
		var got []string
		more, err := c.Each(t.Context(), "v1.0/things", Need{}, func(raw json.RawMessage) error {
			if got = append(got, string(raw)); len(got) == stop {
				return ErrStop
			}
			return nil
		})
		want := "123"
		if stop > 0 {
			want = want[:stop]
		}
		if err != nil || strings.Join(got, "") != want || more != (stop == 1 || stop == 2) {
			t.Errorf("stop at %d: %v, more %v, %v", stop, got, more, err)
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens", tokens)
	}
	if _, err := c.Each(t.Context(), "v1.0/things", Need{}, func(json.RawMessage) error { return errors.New("odd") }); problem(err) != "graph.answer" {
		t.Errorf("%v", err)
	}
	c.Base = "http://127.0.0.1"
	if _, err := c.Each(t.Context(), "v1.0/things", Need{}, nil); problem(err) != "graph.url" {
		t.Errorf("%v", err)
	}
}

func problem(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	return ""
}

// A person signs in on another device while the program waits, and is told where.
func TestDeviceCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []string
		want    string
	}{
		"signs-in":   {[]string{`{"error":"authorization_pending"}`, `{"access_token":"tok"}`}, ""},
		"declines":   {[]string{`{"error":"authorization_declined","error_codes":[7]}`}, "graph.token"},
		"late":       {[]string{`{"error":"expired_token"}`}, "graph.device-time"},
		"restricted": {[]string{`{"error":"invalid_request","error_codes":[500021]}`}, "graph.token-restricted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []url.Values
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.ParseForm()
				if strings.HasSuffix(r.URL.Path, "/contoso.com/oauth2/v2.0/devicecode") {
					if r.PostForm.Get("scope") != "https://graph.microsoft.com/Domain.Read.All https://graph.microsoft.com/User.Read.All" {
						t.Errorf("scope %q", r.PostForm.Get("scope"))
					}
					w.Write([]byte(`{"device_code":"D","user_code":"U","interval":1,"expires_in":900,"message":"open https://example/ and enter U"}`))
					return
				}
				asked = append(asked, r.PostForm)
				body := c.answers[min(len(asked), len(c.answers))-1]
				if strings.Contains(body, "error") {
					w.WriteHeader(http.StatusBadRequest)
				}
				w.Write([]byte(body))
			}))
			defer s.Close()
			said := ""
			credential := Credential{Tenant: "contoso.com", Application: "app", Authority: s.URL, Scopes: []string{"Domain.Read.All", "User.Read.All"},
				Device: func(text string) { said = text }}
			token, err := credential.Token(t.Context(), s.Client())
			if problem(err) != c.want || (token == "tok") != (c.want == "") || !strings.Contains(said, "enter U") {
				t.Errorf("%q, %v, said %q", token, err, said)
			}
			if asked[0].Get("device_code") != "D" || asked[0].Get("client_id") != "app" {
				t.Errorf("%v", asked[0])
			}
		})
	}
}

func TestClouds(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "https://graph.microsoft.com", "worldwide": "https://graph.microsoft.com", "usgov": "https://graph.microsoft.us", "china": "https://microsoftgraph.chinacloudapi.cn"} {
		c, ok := CloudOf(name)
		if u, err := url.Parse(c.Graph); !ok || c.Graph != want || err != nil || !OfMicrosoft(u.Host) {
			t.Errorf("%q: %v, %v", name, c, ok)
		}
	}
	if _, ok := CloudOf("mars"); ok {
		t.Error("mars is a cloud")
	}
}
