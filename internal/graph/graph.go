// Package graph asks Microsoft Graph for lists: with the token of an application or a person, page after page, waiting where the
// service asks for it.
//
//	c := &graph.Client{HTTP: client, Credential: graph.Credential{Tenant: "contoso.com", Application: id, Secret: secret}}
//	err := c.Each(ctx, "v1.0/domains", graph.Need{Permission: "Domain.Read.All", Role: "Global Reader"}, func(item json.RawMessage) error { … })
//
// It reads and changes nothing. A token goes to the service that was named and to no other, redirects are not followed, and
// whatever it waits for or keeps has a bound.
package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Cloud is where one of Microsoft's clouds answers.
type Cloud struct{ Graph, Authority string }

// Public is the public cloud.
func Public() Cloud {
	return Cloud{"https://graph.microsoft.com", "https://login.microsoftonline.com"}
}

// CloudOf is a cloud by the name that the configuration has for it: worldwide, usgov or china; "" is worldwide (Microsoft,
// "Microsoft Graph national cloud deployments", https://learn.microsoft.com/graph/deployments). The department of defence has
// the authority of usgov and a Graph of its own, dod-graph.microsoft.us, which no name here means.
func CloudOf(name string) (c Cloud, ok bool) {
	switch name {
	case "", "worldwide":
		return Public(), true
	case "usgov":
		return Cloud{"https://graph.microsoft.us", "https://login.microsoftonline.us"}, true
	case "china":
		return Cloud{"https://microsoftgraph.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"}, true
	}
	return Cloud{}, false
}

// OfMicrosoft reports whether a host is Microsoft Graph of one of Microsoft's clouds.
func OfMicrosoft(host string) bool {
	switch strings.ToLower(host) {
	case "graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn":
		return true
	}
	return false
}

// Limits of one reading; chosen.
const (
	pageBytes    = 32 << 20
	maxPages     = 4000
	requestTime  = 2 * time.Minute
	mostTries    = 6               // of one page, when the service asks to wait
	longestWait  = 2 * time.Minute // of one wait; a longer Retry-After ends the reading
	DefaultWait  = 5 * time.Second // after 429 or 503 without Retry-After
	maxErrorBody = 64 << 10
)

// Client asks one service. HTTP and Credential are required. Not safe for concurrent use.
type Client struct {
	HTTP       *http.Client // its Transport has proxy and roots; redirects are not followed
	Credential Credential
	Base       string // "": that of the public cloud
	// Wait waits between tries; nil: until the time is over or ctx ends.
	Wait func(context.Context, time.Duration) error

	token string // obtained at the first question
}

// Need says what a question needs, for the error when it is missing.
type Need struct {
	Permission string // of the application or of the token, such as Domain.Read.All
	Role       string // that a person needs besides, such as Global Reader
}

// ErrStop ends Each without an error.
var ErrStop = errors.New("stop")

// Each calls yield with each item of a list, in the order of the service: path is behind the base, with its query. It ends
// with the first error of yield; ErrStop ends it well. more says that there were pages left when the limit of pages was
// reached or yield stopped. Other errors are a *finding.Problem that says what to grant where something is missing, or ctx's.
func (c *Client) Each(ctx context.Context, path string, need Need, yield func(item json.RawMessage) error) (more bool, err error) {
	base := strings.TrimRight(cmp.Or(c.Base, Public().Graph), "/")
	origin, err := url.Parse(base)
	if err != nil || origin.Host == "" || origin.Scheme != "https" || origin.User != nil {
		return false, finding.Fail("graph.url", nil, "url", clip(base))
	}
	if c.token == "" {
		if c.token, err = c.Credential.Token(ctx, c.HTTP); err != nil {
			return false, err
		}
	}
	next := base + "/" + path
	for range maxPages {
		body, err := c.page(ctx, next, need)
		if err != nil {
			return false, err
		}
		var page struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal(body, &page); err != nil || page.Value == nil {
			return false, finding.Fail("graph.answer", err, "url", clip(next))
		}
		for i, raw := range page.Value {
			switch err := yield(raw); {
			case errors.Is(err, ErrStop):
				return i+1 < len(page.Value) || page.Next != "", nil
			case err != nil:
				var said *finding.Problem
				if errors.As(err, &said) {
					return false, err
				}
				return false, finding.Fail("graph.answer", err, "url", clip(next))
			}
		}
		if page.Next == "" {
			return false, nil
		}
		// The token goes nowhere but to the service that was named.
		to, err := url.Parse(page.Next)
		if err != nil || !strings.EqualFold(to.Host, origin.Host) || to.Scheme != "https" || to.User != nil {
			return false, finding.Fail("graph.elsewhere", nil, "url", clip(page.Next))
		}
		next = page.Next
	}
	return true, nil
}

// page fetches one page, and waits when the service asks for it (Microsoft, "Microsoft Graph throttling guidance").
func (c *Client) page(ctx context.Context, at string, need Need) ([]byte, error) {
	for try := 1; ; try++ {
		status, header, body, err := send(ctx, c.HTTP, http.MethodGet, at, nil, map[string]string{
			"Authorization": "Bearer " + c.token, "Accept": "application/json"}, pageBytes)
		if err != nil {
			return nil, err
		}
		switch status {
		case http.StatusOK:
			return body, nil
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			wait := retryAfter(header.Get("Retry-After"))
			if try >= mostTries || wait > longestWait {
				return nil, finding.Fail("graph.busy", nil, "status", strconv.Itoa(status), "seconds", strconv.Itoa(int(wait/time.Second)))
			}
			if err := c.wait(ctx, wait); err != nil {
				return nil, err
			}
		default:
			return nil, refusal(status, header, body, need)
		}
	}
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads the header (RFC 9110, section 10.2.3), which Graph sends as seconds.
func retryAfter(text string) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return DefaultWait
}

// refusal words an error answer (Microsoft, "Microsoft Graph error responses and resource types").
func refusal(status int, header http.Header, body []byte, need Need) error {
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &e) // an answer of another kind has neither
	id := header.Get("request-id")
	args := []string{"status", strconv.Itoa(status), "code", clip(e.Error.Code), "message", strings.ToValidUTF8(e.Error.Message[:min(len(e.Error.Message), 400)], "?"), "id", clip(id), "permission", need.Permission, "role", need.Role}
	switch code := strings.ToLower(e.Error.Code + " " + e.Error.Message); {
	case header.Get("Restrict-Access-Confirm") != "":
		return finding.Fail("graph.restricted", nil, args...)
	case strings.Contains(code, "nonpremiumtenant"):
		return finding.Fail("graph.licence", nil, args...)
	case status == http.StatusForbidden:
		return finding.Fail("graph.permission", nil, args...)
	case status == http.StatusUnauthorized:
		return finding.Fail("graph.token-refused", nil, args...)
	}
	return finding.Fail("graph.error", nil, args...)
}

// send makes one request, without following redirects.
func send(ctx context.Context, c *http.Client, method, at string, body []byte, header map[string]string, most int64) (int, http.Header, []byte, error) {
	asking, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	r, err := http.NewRequestWithContext(asking, method, at, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, finding.Fail("graph.url", nil, "url", clip(at))
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	r.Header.Set("User-Agent", "sekisho")
	once := *c
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, nil, ctx.Err()
		}
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err // the URL is told apart, without its query
		}
		return 0, nil, nil, finding.Fail("graph.unreachable", err, "host", r.URL.Host)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		most = maxErrorBody
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case ctx.Err() != nil:
		return 0, nil, nil, ctx.Err()
	case err != nil:
		return 0, nil, nil, finding.Fail("graph.unreachable", err, "host", r.URL.Host)
	case int64(len(data)) > most && res.StatusCode == http.StatusOK:
		return 0, nil, nil, finding.Fail("graph.large", nil, "max", strconv.FormatInt(most>>20, 10))
	}
	return res.StatusCode, res.Header, data, nil
}

// clip shortens a text of the service for a message.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
