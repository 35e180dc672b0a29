package servicetags

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
)

const (
	// DefaultBase is where the download pages stand.
	DefaultBase = "https://www.microsoft.com"
	// pageBytes bounds a download page (chosen: they have some hundred KiB).
	pageBytes = 8 << 20
	// fetchTimeout bounds page and file together (chosen: 4 MB over a slow line).
	fetchTimeout = 5 * time.Minute
	// mostRedirects bounds how often an answer may point elsewhere (chosen: the pages do it once, to add the language).
	mostRedirects = 5
)

// Fetcher finds and fetches the current file of a cloud. The file has no address of its own: a download page names it,
// by the day of publication. The zero value asks Microsoft, directly.
type Fetcher struct {
	// Base is scheme and host of the download pages; "": DefaultBase.
	Base string
	// Hosts may serve the file besides the host of Base; nil: download.microsoft.com.
	Hosts []string
	// Transport carries requests, by a proxy where it has one; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Have reports whether a file of that name is known; when it is the current one, it is not fetched again. nil: none is.
	Have func(name string) bool
}

// Fetched is a file as it came.
type Fetched struct {
	URL  string // where it stood
	Name string // the file's own name, with its day
	Body []byte // not judged yet, but for being a file of the cloud that was asked for; nil: Have knows it
}

// pages are the paths of the download pages, in the order in which they are tried. The numbers are those that the page
// "Azure service tags overview" links to, read 2026-11-23; the second form is the older one, which some mirrors still have.
func (c Cloud) pages() []string {
	id := map[Cloud]string{Public: "56519", Government: "57063", China: "57062"}[c]
	return []string{
		"/en-us/download/details.aspx?id=" + id,
		"/en-us/download/confirmation.aspx?id=" + id,
		"/download/details.aspx?id=" + id,
	}
}

// fileName is how the cloud's file names begin.
func (c Cloud) fileName() string {
	return map[Cloud]string{Public: "ServiceTags_Public_", Government: "ServiceTags_AzureGovernment_", China: "ServiceTags_China_"}[c]
}

// Fetch finds the current file of c and fetches it. It returns a *finding.Problem when no page answers or names a file,
// when the file is cut off, too large, damaged or another cloud's (of one that came whole URL and Name are told), and ctx.Err() when the caller gave up. The change
// number is verified against what is in use by Store.Import, which takes the result.
func (f *Fetcher) Fetch(ctx context.Context, c Cloud) (Fetched, error) {
	base, err := url.Parse(cmp.Or(f.Base, DefaultBase))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return Fetched{}, finding.Fail("servicetags.unreachable", err, "url", f.Base)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	client := &http.Client{Transport: f.Transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > mostRedirects:
			return errors.New("redirected too often")
		case !f.trusts(base, r.URL):
			return errors.New("redirected to " + r.URL.Redacted() + ", which is not one of the hosts that serve the file")
		}
		return nil
	}}
	var problem error
	for _, page := range c.pages() {
		at, err := base.Parse(page)
		if err != nil {
			return Fetched{}, finding.Fail("servicetags.unreachable", err, "url", page)
		}
		body, err := get(ctx, client, at, pageBytes)
		if err != nil {
			problem = cmp.Or(problem, err)
			continue
		}
		link := f.newest(base, at, string(body), c)
		if link == nil {
			problem = cmp.Or(problem, error(finding.Fail("servicetags.no-link", nil, "url", at.String(), "cloud", c.String())))
			continue
		}
		if name := path.Base(link.Path); f.Have != nil && f.Have(name) {
			return Fetched{URL: link.String(), Name: name}, nil
		}
		return fetchFile(ctx, client, link, c)
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return Fetched{}, ctx.Err()
	}
	return Fetched{}, problem
}

func fetchFile(ctx context.Context, client *http.Client, link *url.URL, c Cloud) (Fetched, error) {
	body, err := get(ctx, client, link, MaxBytes)
	if err != nil {
		return Fetched{}, err
	}
	name := path.Base(link.Path)
	file, found := Parse(name, body)
	if file == nil {
		return Fetched{URL: link.String(), Name: name}, &finding.Problem{Findings: found}
	}
	if file.Cloud != c {
		return Fetched{URL: link.String(), Name: name}, finding.Fail("servicetags.other-cloud", nil, "got", file.Cloud.String(), "want", c.String())
	}
	return Fetched{URL: link.String(), Name: name, Body: body}, nil
}

// get fetches at, whole or not at all.
func get(ctx context.Context, client *http.Client, at *url.URL, most int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, finding.Fail("servicetags.unreachable", err, "url", at.String())
	}
	// The download pages answer 403 to clients that name no product.
	r.Header.Set("User-Agent", "Mozilla/5.0 (compatible; sekisho)")
	r.Header.Set("Accept", "text/html, application/json, */*")
	answer, err := client.Do(r)
	if err != nil {
		return nil, finding.Fail("servicetags.unreachable", err, "url", at.String())
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, finding.Fail("servicetags.status", nil, "url", at.String(), "status", strconv.Itoa(answer.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil || int64(len(body)) > most {
		return nil, finding.Fail("servicetags.interrupted", err, "url", at.String(), "max", strconv.FormatInt(most>>20, 10))
	}
	return body, nil
}

// linkInPage finds names of service tags files with whatever stands before them: a whole address or a path, as a link, in
// a script, with slashes escaped or not.
var linkInPage = regexp.MustCompile(`[A-Za-z0-9:/._~%-]*ServiceTags_[A-Za-z]+_20\d{6}\.json`)

// unescapes turns the ways in which pages write a slash into a slash.
var unescapes = strings.NewReplacer(`\u002F`, "/", `\u002f`, "/", `\/`, "/", "&#47;", "/", "&#x2F;", "/")

// newest returns the newest file of c that a page names at a host that we trust; nil when there is none.
func (f *Fetcher) newest(base, page *url.URL, text string, c Cloud) *url.URL {
	var links []*url.URL
	for _, text := range linkInPage.FindAllString(unescapes.Replace(text), -1) {
		// A bare name, or the end of something longer, is no address.
		if !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "http") {
			continue
		}
		link, err := page.Parse(text)
		if err == nil && f.trusts(base, link) && strings.HasPrefix(path.Base(link.Path), c.fileName()) {
			links = append(links, link)
		}
	}
	if len(links) == 0 {
		return nil
	}
	return slices.MaxFunc(links, func(a, b *url.URL) int { return cmp.Compare(path.Base(a.Path), path.Base(b.Path)) })
}

// trusts reports whether u is where a page or a file may be: at the host of base under its scheme, or at one of Hosts by
// HTTPS. A page that was tampered with cannot send us elsewhere.
func (f *Fetcher) trusts(base, u *url.URL) bool {
	if u.User != nil {
		return false
	}
	if u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host) {
		return true
	}
	hosts := f.Hosts
	if hosts == nil {
		hosts = []string{"download.microsoft.com"}
	}
	return u.Scheme == "https" && slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, u.Host) })
}
