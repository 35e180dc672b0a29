package lab

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/entra"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// service is the sign-in service without sockets: fuzzing wants many requests, not many connections.
func service(t testing.TB) http.Handler {
	t.Helper()
	d, err := directory.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	k, err := token.NewRing(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := entra.New(t.Context(), entra.Options{Directory: directory.Fixed(d), Keys: k, Journal: &journal.Journal{}, Pages: page.New()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answerOf is h's answer to one request with a form.
func answerOf(t testing.TB, h http.Handler, method, path, form string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "https://login.microsoftonline.com"+path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// answered holds what every answer must keep to: a known status, no script, no redirect that the request chose.
func answered(t *testing.T, r *httptest.ResponseRecorder) {
	t.Helper()
	if r.Code >= 500 {
		t.Errorf("status %d: %s", r.Code, r.Body)
	}
	if strings.Contains(strings.ToLower(r.Body.String()), "<script") && strings.HasPrefix(r.Header().Get("Content-Type"), "text/html") {
		t.Errorf("script: %s", r.Body)
	}
	if loc := r.Header().Get("Location"); loc != "" {
		u, err := url.Parse(loc)
		if err != nil || u.Hostname() != "localhost" && u.Host != "login.live.com" && u.Host != "login.microsoftonline.com" &&
			u.Host != "app.contoso.com" && u.Host != "payroll.contoso.com" {
			t.Errorf("leads to %q", loc)
		}
	}
}

func FuzzAuthorizeQuery(f *testing.F) {
	for _, change := range [][]string{
		nil, {"redirect_uri", "//example.org"}, {"redirect_uri", "http://localhost:0\\@x"}, {"response_type", "id_token"}, {"prompt", "none"},
		{"response_mode", "form_post"}, {"code_challenge", strings.Repeat("a", 43)}, {"login_hint", "<script>"}, {"scope", "a/b /"}, {"state", "\x00\r\n"},
	} {
		u, _ := url.Parse(authorizeURL("common", change...))
		f.Add("common", u.RawQuery, "")
		f.Add("consumers", u.RawQuery, "csrf=x&username=y")
	}
	f.Add("contoso.com", "%", "a=b&a=c")
	h := service(f)
	f.Fuzz(func(t *testing.T, tenant, query, form string) {
		for _, path := range []string{
			"oauth2/v2.0/authorize", "oauth2/authorize", "oauth2/deviceauth", "federation/oauth2msa", "oauth2/v2.0/logout", "v2.0/adminconsent", "adminconsent",
			"lab/report", "lab/directory",
		} {
			for _, method := range []string{"GET", "POST"} {
				r := httptest.NewRequest(method, "https://login.microsoftonline.com/", strings.NewReader(form))
				r.URL = &url.URL{Path: "/" + tenant + "/" + path, RawQuery: query}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				answered(t, w)
			}
		}
	})
}

func FuzzTokenForm(f *testing.F) {
	for _, form := range []url.Values{
		{"grant_type": {"client_credentials"}, "client_id": {ServiceApplication}, "client_secret": {ServiceSecret}, "scope": {"https://graph.microsoft.com/.default openid"}},
		{"grant_type": {"authorization_code"}, "client_id": {PublicApplication}, "code": {"x"}, "code_verifier": {""}},
		{"grant_type": {"refresh_token"}, "client_id": {PublicApplication}, "refresh_token": {"1.lab.x"}},
		{"grant_type": {"password"}, "client_id": {PublicApplication}, "username": {Alice}, "password": {AlicePassword}, "scope": {"User.Read"}},
		{"grant_type": {"device_code"}, "client_id": {PublicApplication}, "device_code": {"user AAAAAAAAA"}},
		{"grant_type": {"client_credentials"}, "client_id": {"\x00"}, "client_assertion": {"a.b.c"}},
		{"grant_type": {"client_credentials"}, "client_id": {CertificateApplication}, "scope": {".default"}, "client_assertion": {"eyJhbGciOiJQUzI1NiJ9.e30.x"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
		{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {ServiceApplication}, "client_secret": {ServiceSecret},
			"assertion": {"eyJhbGciOiJSUzI1NiJ9.e30.x"}, "requested_token_use": {"on_behalf_of"}, "scope": {"User.Read"}},
	} {
		f.Add("contoso.com", form.Encode(), "contoso.com")
		f.Add("common", form.Encode(), "")
	}
	f.Add("", "%zz", "")
	h := service(f)
	f.Fuzz(func(t *testing.T, tenant, form, permitted string) {
		for _, path := range []string{"oauth2/v2.0/token", "oauth2/token", "oauth2/v2.0/devicecode", "GetCredentialType"} {
			r := httptest.NewRequest("POST", "https://login.microsoftonline.com/", strings.NewReader(form))
			r.URL = &url.URL{Path: "/" + tenant + "/" + path}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if permitted != "" {
				r.Header.Set("Restrict-Access-To-Tenants", permitted)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answered(t, w)
			if permitted == "fabrikam.com" && strings.Contains(w.Body.String(), `"access_token"`) && strings.Contains(tenant, "contoso") {
				t.Errorf("a token of a tenant that is not permitted: %s", w.Body)
			}
		}
	})
}

// FuzzReads asks what needs no form: discovery, keys, realms, errors, pages.
func FuzzReads(f *testing.F) {
	f.Add("/common/discovery/instance", "api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common", "")
	f.Add("/contoso.com/v2.0/.well-known/openid-configuration", "", "Bearer x")
	f.Add("/contoso.com/discovery/keys", "client-request-id=x&return-client-request-id=true", "")
	f.Add("/common/UserRealm/alice@contoso.com", "api-version=1.0", "")
	f.Add("/getuserrealm.srf", "login=%3Ca%3E&xml=1", "")
	f.Add("/common/openid/userinfo", "", "Bearer eyJhbGciOiJub25lIn0.e30.")
	f.Add("/error", "code=AADSTS50011", "")
	f.Add("//x/../%00", "%", "Basic =")
	h := service(f)
	f.Fuzz(func(t *testing.T, path, query, authorization string) {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			r := httptest.NewRequest(method, "https://login.microsoftonline.com/", nil)
			r.URL = &url.URL{Path: path, RawQuery: query}
			r.Header["Authorization"] = []string{authorization}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answered(t, w)
		}
	})
}

// FuzzCredentialType sends any JSON.
func FuzzCredentialType(f *testing.F) {
	f.Add(`{"username":"alice@contoso.com"}`)
	f.Add(`{"username":"\u0000"}`)
	f.Add(`[[[[`)
	h := service(f)
	f.Fuzz(func(t *testing.T, body string) {
		answered(t, answerOf(t, h, "POST", "/common/GetCredentialType", body))
	})
}

// FuzzHeads feeds any bytes, in any division, to the reader of heads: it records the same whatever the division.
func FuzzHeads(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\n\n"), 3)
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.0\r\n\r\n"), 1)
	f.Add([]byte("\r\n\r\nGET"), 2)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		if step < 1 {
			step = 1
		}
		run := func(step int) []Head {
			var r recorder
			c := &tap{heads: &r, now: time.Now}
			for rest := data; len(rest) > 0; {
				n := min(step, len(rest))
				c.follow(rest[:n])
				rest = rest[n:]
			}
			return r.heads
		}
		whole, parts := run(len(data)+1), run(step)
		if len(whole) != len(parts) {
			t.Fatalf("%d heads whole, %d in parts of %d", len(whole), len(parts), step)
		}
		for i := range whole {
			if string(whole[i].Raw) != string(parts[i].Raw) {
				t.Errorf("head %d: %q, %q", i, whole[i].Raw, parts[i].Raw)
			}
		}
	})
}

// BenchmarkClientCredentials is a token by secret: an RSA signature bounds it. "handler" is the service alone, "tls" the
// same over a kept connection with TLS, with the client's part of it in the same process.
func BenchmarkClientCredentials(b *testing.B) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {ServiceApplication}, "client_secret": {ServiceSecret}, "scope": {"https://graph.microsoft.com/.default"},
	}.Encode()
	b.Run("handler", func(b *testing.B) {
		h := service(b)
		began := processorTime(b)
		for b.Loop() {
			if w := answerOf(b, h, "POST", "/contoso.com/oauth2/v2.0/token", form); w.Code != 200 {
				b.Fatal(w.Body)
			}
		}
		b.ReportMetric(float64(processorTime(b)-began)/float64(b.N)/1e3, "cpu-µs/op")
	})
	b.Run("tls", func(b *testing.B) {
		w := openWorld(b, Options{})
		c := client(b, w)
		began := processorTime(b)
		for b.Loop() {
			if r := clientCredentials(b, c, "contoso.com"); r.StatusCode != 200 {
				b.Fatal(r.body)
			}
		}
		b.ReportMetric(float64(processorTime(b)-began)/float64(b.N)/1e3, "cpu-µs/op")
	})
}
