//go:build unix

package clients

import (
	"crypto/tls"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"testing"
)

// person is somebody with a browser without scripts behind the checkpoint: keeps cookies, follows redirects, fills forms.
// What stands at localhost is reached without the proxy, as browsers do.
type person struct {
	t    *testing.T
	http *http.Client
}

func (c *checkpoint) person(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: c.roots(t)},
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "localhost" {
				return nil, nil
			}
			return &url.URL{Scheme: "http", Host: c.gateway}, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &person{t, &http.Client{Transport: transport, Jar: jar, Timeout: clientLimit}}
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formInput  = regexp.MustCompile(`<input ([^>]*)>`)
	inputName  = regexp.MustCompile(`\bname="([^"]*)"`)
	inputValue = regexp.MustCompile(`\bvalue="([^"]*)"`)
)

// maxForms is how many forms one visit may lead through; chosen: sign-in, consent, return.
const maxForms = 4

// fill opens a page and sends every form that comes, with values where it has such fields, until a page has none or it is
// the application's own.
func (p *person) fill(page string, values map[string]string) (int, string) {
	p.t.Helper()
	answer, err := p.http.Get(page)
	for range maxForms + 1 {
		if err != nil {
			p.t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			p.t.Fatal(err)
		}
		action := formAction.FindSubmatch(body)
		if action == nil || answer.StatusCode != http.StatusOK || answer.Request.URL.Hostname() == "localhost" {
			return answer.StatusCode, string(body)
		}
		to, err := answer.Request.URL.Parse(html.UnescapeString(string(action[1])))
		if err != nil {
			p.t.Fatal(err)
		}
		form := url.Values{}
		for _, input := range formInput.FindAllStringSubmatch(string(body), -1) {
			name, value := inputName.FindStringSubmatch(input[1]), inputValue.FindStringSubmatch(input[1])
			if name == nil || value == nil {
				continue
			}
			form.Set(html.UnescapeString(name[1]), html.UnescapeString(value[1]))
			if v, ok := values[name[1]]; ok {
				form.Set(name[1], v)
			}
		}
		answer, err = p.http.PostForm(to.String(), form)
		if err != nil {
			p.t.Fatal(err)
		}
	}
	p.t.Fatalf("%s leads through more than %d forms", page, maxForms)
	return 0, ""
}

// signIn fills what the sign-in page asks for.
func (p *person) signIn(page, user, password string) (int, string) {
	p.t.Helper()
	return p.fill(page, map[string]string{"username": user, "password": password})
}
