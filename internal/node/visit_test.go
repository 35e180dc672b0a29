package node_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// visit is one client behind the proxy: a browser with cookies, and whoever asks for tokens, in one ring.
type visit struct {
	r        *rehearsal
	t        *testing.T
	language string
	client   *http.Client
	got      url.Values // the texts of the last token answer
}

// visit is a new client in the ring of a restriction.
func (r *rehearsal) visit(t *testing.T, ring int, language string) *visit {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visit{r: r, t: t, language: language, client: &http.Client{
		Jar: jar, Timeout: 2 * time.Minute, // the machine may be busy with everything else
		Transport:     r.lines[ring],
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// connect is how clients reach the proxy as the user of a ring.
func (r *rehearsal) connect(ring int) *http.Transport {
	pool := x509.NewCertPool()
	gatewayRoot, labRoot := r.n.Roots()
	pool.AppendCertsFromPEM(gatewayRoot)
	pool.AppendCertsFromPEM(labRoot)
	proxy := &url.URL{Scheme: "http", User: url.UserPassword(fmt.Sprintf("u%d", ring), ringPassword), Host: r.n.Summary().Gateway}
	return &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 4}
}

// visited is one answer.
type visited struct {
	at     *url.URL
	status int
	header http.Header
	body   string
}

func (v *visit) do(method, target string, form url.Values) visited {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Language", v.language)
	r.Header.Set("Accept", "text/html,application/json") // what is asked decides the form of an answer, not this
	answer, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		v.t.Fatal(err)
	}
	return visited{r.URL, answer.StatusCode, answer.Header, string(body)}
}

var (
	hiddenInput  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	formOfPage   = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	codeOfPage   = regexp.MustCompile(`AADSTS(\d+)|80045C4D`)
	tenantDenied = regexp.MustCompile(`ccess to '([^']+)'`)
)

// refusal tells what an error answer says, and holds it against what every one must be.
func (v *visit) refusal(a visited) string {
	v.t.Helper()
	kind := "page"
	text := html.UnescapeString(a.body)
	switch {
	case strings.HasPrefix(a.header.Get("Content-Type"), "application/json"):
		kind = "json"
		var e struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			Codes       []int  `json:"error_codes"`
			Trace       string `json:"trace_id"`
			Correlation string `json:"correlation_id"`
		}
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error == "" || len(e.Codes) != 1 || e.Trace == "" || e.Correlation == "" {
			return fmt.Sprintf("status %d with %s", a.status, a.body)
		}
		text = e.Description
	case !strings.Contains(a.body, `<html lang="`+v.language+`">`), !strings.Contains(a.body, "LAB"):
		return fmt.Sprintf("status %d, not a page in %s: %s", a.status, v.language, a.body)
	}
	code := codeOfPage.FindStringSubmatch(text)
	if code == nil || a.status < 400 {
		return fmt.Sprintf("status %d with %s", a.status, a.body)
	}
	said := code[1]
	if said == "" {
		said = code[0]
	}
	if tenant := tenantDenied.FindStringSubmatch(text); tenant != nil {
		said += " " + tenant[1]
	}
	return said + " " + kind
}

// token asks the token endpoint and tells "token" or the refusal.
func (v *visit) token(tenant string, form url.Values) string {
	v.t.Helper()
	a := v.do(http.MethodPost, "https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", form)
	var got map[string]any
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &got) != nil || got["access_token"] == nil {
		return v.refusal(a)
	}
	v.got = url.Values{}
	for name, value := range got {
		v.got.Set(name, fmt.Sprint(value))
	}
	return "token"
}

// outcome is how a browser's way ended: with values for the application, on a page of its own, or refused.
type outcome struct {
	values  url.Values
	page    visited
	refusal string
}

// authorize walks the browser from authorize back to the application.
func (v *visit) authorize(a actor, kind, scope string) outcome {
	v.t.Helper()
	q := url.Values{"client_id": {a.client}, "response_type": {kind}, "redirect_uri": {"http://localhost"}, "scope": {scope}, "nonce": {"n"}}
	return v.walk(v.do(http.MethodGet, "https://login.microsoftonline.com/"+a.path+"/oauth2/v2.0/authorize?"+q.Encode(), nil), a, nil)
}

// walk follows redirects and fills in sign-in forms, with extra fields in the first form of each page, until something
// else comes.
func (v *visit) walk(at visited, a actor, extra url.Values) outcome {
	v.t.Helper()
	for range 12 { // far more than the longest way
		to := at.header.Get("Location")
		switch form := formOfPage.FindStringSubmatch(at.body); {
		case to != "":
			next, err := at.at.Parse(to)
			if err != nil {
				v.t.Fatal(err)
			}
			if next.Hostname() == "localhost" {
				back, err := url.ParseQuery(next.RawQuery + next.Fragment)
				code := codeOfPage.FindStringSubmatch(back.Get("error_description"))
				switch {
				case err != nil || back.Get("error") != "" && code == nil:
					v.t.Fatalf("the application is told %s (%v)", next, err)
				case code != nil:
					return outcome{refusal: code[1] + " application"}
				}
				return outcome{values: back}
			}
			at = v.do(http.MethodGet, next.String(), nil)
		case at.status != http.StatusOK:
			return outcome{refusal: v.refusal(at)}
		case form != nil && strings.Contains(at.body, `name="password"`):
			target, err := at.at.Parse(html.UnescapeString(form[1]))
			if err != nil {
				v.t.Fatal(err)
			}
			values := url.Values{}
			for _, hidden := range hiddenInput.FindAllStringSubmatch(at.body, -1) {
				values.Set(hidden[1], html.UnescapeString(hidden[2]))
			}
			for name := range extra {
				if strings.Contains(at.body, `name="`+name+`"`) {
					values.Set(name, extra.Get(name))
				}
			}
			if strings.Contains(at.body, `name="account" value="`+a.user+`"`) {
				values.Set("account", a.user)
			} else {
				values.Set("username", a.user)
				values.Set("password", a.password)
			}
			at = v.do(http.MethodPost, target.String(), values)
		default:
			return outcome{page: at}
		}
	}
	v.t.Fatalf("%s walks in a circle and came to %s", a.user, at.at)
	return outcome{}
}

// device signs a device in: its code, the person's page, its token.
func (v *visit) device(a actor, scope string) string {
	v.t.Helper()
	asked := v.do(http.MethodPost, "https://login.microsoftonline.com/"+a.path+"/oauth2/v2.0/devicecode", url.Values{"client_id": {a.client}, "scope": {scope}})
	var device struct {
		Device string `json:"device_code"`
		User   string `json:"user_code"`
		Where  string `json:"verification_uri"`
	}
	if asked.status != http.StatusOK || json.Unmarshal([]byte(asked.body), &device) != nil || device.User == "" {
		return v.refusal(asked)
	}
	if end := v.walk(v.do(http.MethodGet, device.Where, nil), a, url.Values{"user_code": {device.User}}); end.refusal != "" {
		return end.refusal
	}
	return v.token(a.path, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {a.client}, "device_code": {device.Device}})
}
