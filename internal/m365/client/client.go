package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/m365"
)

// DefaultBase is where Microsoft serves the lists.
const DefaultBase = "https://endpoints.office.com"

const (
	// PollEvery is how long an answer of /version is good for (the service's page: ask once an hour).
	PollEvery = time.Hour
	// versionBytes bounds an answer of /version (chosen: a real one has 300 bytes, with all versions some 8 KiB).
	versionBytes = 1 << 20
	// answerTimeout bounds one request with its body (chosen: 100 KiB over a slow line).
	answerTimeout = 2 * time.Minute
	// mostRedirects bounds how often an answer may point elsewhere on its own host (chosen: the service never does).
	mostRedirects = 3
	// ahead is how far in the future a version may lie (chosen: clocks and time zones differ by less than two days). A
	// version of the year 2099 that was taken once would make every true one after it look older.
	ahead = 48 * time.Hour
)

// Client asks one service. The zero value but for Folder asks Microsoft, directly. Safe for concurrent use, by several
// processes too: they take turns.
type Client struct {
	// Folder keeps the ClientRequestId, the times of the last questions, and the bodies. It is made when missing.
	Folder string
	// Base is scheme, host and path of the service, without a slash at the end; "": DefaultBase.
	Base string
	// Transport carries requests, by a proxy where it has one; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock; nil: the system's.
	Now func() time.Time
}

// Versions is what the service says of all its instances.
type Versions struct {
	List   []m365.Version
	Asked  time.Time // when the service was asked, UTC
	Cached bool      // the answer is one of before, because it is too early to ask again
	// Found are notes about the answer.
	Found finding.List
}

// Of returns the latest version of an instance; ok is false when the service does not name it.
func (v Versions) Of(i m365.Instance) (latest string, ok bool) {
	at := slices.IndexFunc(v.List, func(v m365.Version) bool { return v.Instance == i })
	if at < 0 {
		return "", false
	}
	return v.List[at].Latest, true
}

// Versions asks /version, or answers from the cache within PollEvery of the last time. The error is a
// *finding.Problem, or ctx.Err() when the caller gave up.
func (c *Client) Versions(ctx context.Context) (Versions, error) {
	s, err := c.open()
	if err != nil {
		return Versions{}, err
	}
	defer s.close()
	now := c.now()
	const name = "version.json"
	// A time of asking in the future was written by a clock that has been set back since.
	if last, ok := s.Bodies[name]; ok && !now.Before(last.At) && now.Sub(last.At) < PollEvery {
		if body, ok := s.body(name); ok {
			if v, err := c.versions(body, last.At, true); err == nil {
				return v, nil
			}
		}
	}
	body, err := c.get(ctx, s, "/version", name, versionBytes, func(body []byte) error {
		_, err := c.versions(body, now, false)
		return err
	})
	if err != nil {
		return Versions{}, err
	}
	return c.versions(body, now, false)
}

func (c *Client) versions(body []byte, at time.Time, cached bool) (Versions, error) {
	list, found := m365.ReadVersions("version", body)
	if list == nil {
		return Versions{}, &finding.Problem{Findings: found.Of(finding.Error)}
	}
	latest := c.now().Add(ahead).UTC().Format("20060102") + "99"
	for _, v := range list {
		if v.Latest > latest {
			return Versions{}, finding.Fail("m365.version-future", nil, "instance", string(v.Instance), "version", v.Latest)
		}
	}
	return Versions{List: list, Asked: at.UTC(), Cached: cached, Found: found}, nil
}

// Endpoints returns the body of /endpoints of one instance: that of before when it was fetched for this very version,
// else a new one. version is the one that Versions named. The body has been read once, so it is whole and a list.
func (c *Client) Endpoints(ctx context.Context, i m365.Instance, version string) ([]byte, error) {
	return c.whole(ctx, "/endpoints/"+string(i), "endpoints-"+i.Cloud()+"-"+version+".json", func(body []byte) error {
		if list, found := m365.ReadEndpoints("endpoints-"+i.Cloud(), i, body); list == nil {
			return &finding.Problem{Findings: found.Of(finding.Error)}
		}
		return nil
	})
}

// Changes returns the body of /changes of one instance since version, "0000000000" for all: what leads to until, the
// latest version. Like Endpoints it asks once for each pair.
func (c *Client) Changes(ctx context.Context, i m365.Instance, since, until string) ([]byte, error) {
	return c.whole(ctx, "/changes/"+string(i)+"/"+since, "changes-"+i.Cloud()+"-"+since+"-"+until+".json", func(body []byte) error {
		if list, found := m365.ReadChanges("changes-"+i.Cloud(), body); list == nil {
			return &finding.Problem{Findings: found.Of(finding.Error)}
		}
		return nil
	})
}

// whole answers from the cache, or asks.
func (c *Client) whole(ctx context.Context, path, name string, judge func([]byte) error) ([]byte, error) {
	s, err := c.open()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if body, ok := s.body(name); ok && judge(body) == nil {
		return body, nil
	}
	return c.get(ctx, s, path, name, m365.MaxBody, judge)
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) base() string { return cmp.Or(strings.TrimRight(c.Base, "/"), DefaultBase) }

// errElsewhere says that an answer points to another host.
var errElsewhere = errors.New("the answer points to another host, or away from HTTPS")

// get asks for path and keeps the answer under name once judge has nothing against it.
func (c *Client) get(ctx context.Context, s *state, path, name string, most int64, judge func([]byte) error) ([]byte, error) {
	base, err := url.Parse(c.base())
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, finding.Fail("m365.unreachable", err, "url", c.base())
	}
	if until := s.NotBefore; c.now().Before(until) {
		return nil, finding.Fail("m365.wait", nil, "until", until.UTC().Format(time.RFC3339), "url", c.base())
	}
	at := c.base() + path
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(asking, http.MethodGet, at+"?ClientRequestId="+s.ID, nil)
	if err != nil {
		return nil, finding.Fail("m365.unreachable", err, "url", at)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "sekisho")
	answer, err := c.http(base).Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, finding.Fail("m365.unreachable", unwrapURL(err), "url", at)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait := RetryAfter(answer.Header.Get("Retry-After"), c.now())
		if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
			return nil, finding.Fail("m365.status", nil, "url", at, "status", "503")
		}
		s.NotBefore = c.now().Add(wait).UTC().Truncate(time.Second)
		if err := s.save(); err != nil {
			return nil, err
		}
		return nil, finding.Fail("m365.wait", nil, "until", s.NotBefore.Format(time.RFC3339), "url", c.base())
	default:
		return nil, finding.Fail("m365.status", nil, "url", at, "status", strconv.Itoa(answer.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, finding.Fail("m365.interrupted", err, "url", at, "bytes", strconv.Itoa(len(body)))
	case int64(len(body)) > most:
		return nil, finding.Fail("m365.too-large", nil, "max_mib", strconv.FormatInt(most>>20, 10))
	}
	if err := judge(body); err != nil {
		return nil, err
	}
	return body, s.keep(name, body, c.now())
}

// unwrapURL takes the address off an error of the HTTP client: it holds the ClientRequestId, and the finding names it.
func unwrapURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// http follows no answer off the host that was asked.
func (c *Client) http(base *url.URL) *http.Client {
	return &http.Client{Transport: c.Transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > mostRedirects:
			return errors.New("redirected too often")
		case r.URL.Scheme != base.Scheme || !strings.EqualFold(r.URL.Host, base.Host) || r.URL.User != nil:
			return errElsewhere
		}
		return nil
	}}
}
