package signinlog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Where Microsoft's public cloud answers.
const (
	GraphBase     = "https://graph.microsoft.com"
	AuthorityBase = "https://login.microsoftonline.com"
)

// Limits of one reading; chosen but where a source stands.
const (
	pageRows     = 1000 // Microsoft, "List signIns": the maximum page size
	pageBytes    = 32 << 20
	maxPages     = 2000
	requestTime  = 2 * time.Minute
	mostTries    = 6               // of one page, when the service asks to wait
	longestWait  = 2 * time.Minute // of one wait; a longer Retry-After ends the reading
	defaultWait  = 5 * time.Second // 429 or 503 without Retry-After
	maxErrorBody = 64 << 10
)

// Graph reads the sign-in log of one tenant through Microsoft Graph. Client and Credential are required.
type Graph struct {
	Client     *http.Client // its Transport has proxy and roots; redirects are not followed
	Credential Credential
	Base       string // "": GraphBase
	// Beta asks the beta version: it tells the target tenant and has non-interactive and application sign-ins, too
	// ("signIn resource type", beta). Version 1.0 has interactive sign-ins alone.
	Beta bool
	// Wait waits between tries; nil: until the time is over or ctx ends.
	Wait func(context.Context, time.Duration) error
}

// signIn is the part of Graph's signIn resource that a Row takes.
type signIn struct {
	ID              string `json:"id"`
	CreatedDateTime string `json:"createdDateTime"`
	UserDisplayName string `json:"userDisplayName"`
	UserPrincipal   string `json:"userPrincipalName"`
	UserID          string `json:"userId"`
	AppID           string `json:"appId"`
	AppDisplayName  string `json:"appDisplayName"`
	IPAddress       string `json:"ipAddress"`
	ClientAppUsed   string `json:"clientAppUsed"`
	UserAgent       string `json:"userAgent"`
	CorrelationID   string `json:"correlationId"`
	HomeTenant      string `json:"homeTenantId"`
	ResourceTenant  string `json:"resourceTenantId"`
	ServiceID       string `json:"servicePrincipalId"`
	ServiceName     string `json:"servicePrincipalName"`
	Status          struct {
		ErrorCode     int    `json:"errorCode"`
		FailureReason string `json:"failureReason"`
	} `json:"status"`
	Location struct {
		City    string `json:"city"`
		State   string `json:"state"`
		Country string `json:"countryOrRegion"`
	} `json:"location"`
}

// SignIns returns the rows from since to until (zero: open), newest first, at most limit of them (0: all that the limits
// of this package allow; more says that there were others). The error is a *finding.Problem that says what to grant where
// something is missing, or ctx's.
func (g *Graph) SignIns(ctx context.Context, since, until time.Time, limit int) (rows []Row, more bool, err error) {
	base := strings.TrimRight(cmp.Or(g.Base, GraphBase), "/")
	version := "v1.0"
	if g.Beta {
		version = "beta"
	}
	origin, err := url.Parse(base)
	if err != nil || origin.Host == "" || origin.Scheme != "https" {
		return nil, false, finding.Fail("signinlog.graph-url", nil, "url", base)
	}
	token, err := g.Credential.Token(ctx, g.Client)
	if err != nil {
		return nil, false, err
	}
	next := base + "/" + version + "/auditLogs/signIns?" + query(since, until, limit, g.Beta)
	for range maxPages {
		body, err := g.page(ctx, next, token)
		if err != nil {
			return nil, false, err
		}
		var page struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal(body, &page); err != nil || page.Value == nil {
			return nil, false, finding.Fail("signinlog.graph-answer", err, "url", clip(next))
		}
		for _, raw := range page.Value {
			row, err := readSignIn(raw)
			if err != nil {
				return nil, false, finding.Fail("signinlog.graph-answer", err, "url", clip(next))
			}
			if limit > 0 && len(rows) >= limit {
				return rows, true, nil
			}
			rows = append(rows, row)
		}
		if page.Next == "" {
			return rows, false, nil
		}
		if limit > 0 && len(rows) >= limit {
			return rows, true, nil
		}
		// The token goes nowhere but to the service that was named.
		to, err := url.Parse(page.Next)
		if err != nil || !strings.EqualFold(to.Host, origin.Host) || to.Scheme != "https" || to.User != nil {
			return nil, false, finding.Fail("signinlog.graph-elsewhere", nil, "url", clip(page.Next))
		}
		next = page.Next
	}
	return rows, true, nil
}

// query asks for a time span, newest first, with the operators that the signIn resource documents for createdDateTime (eq,
// le, ge). Everything else is selected by Filter, so that every source gives the same.
func query(since, until time.Time, limit int, beta bool) string {
	var filters []string
	if !since.IsZero() {
		filters = append(filters, "createdDateTime ge "+since.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if !until.IsZero() {
		filters = append(filters, "createdDateTime le "+until.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if beta {
		filters = append(filters, "signInEventTypes/any(t:t eq 'interactiveUser' or t eq 'nonInteractiveUser' or t eq 'servicePrincipal')")
	}
	q := url.Values{"$orderby": {"createdDateTime desc"}, "$top": {strconv.Itoa(pageRows)}}
	if limit > 0 && limit < pageRows {
		q.Set("$top", strconv.Itoa(limit))
	}
	if len(filters) > 0 {
		q.Set("$filter", strings.Join(filters, " and "))
	}
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

func readSignIn(raw []byte) (Row, error) {
	var s signIn
	if err := json.Unmarshal(raw, &s); err != nil {
		return Row{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, s.CreatedDateTime)
	if err != nil || at.Year() < 1970 || at.Year() >= 2262 {
		return Row{}, fmt.Errorf("createdDateTime %q is not a time", clip(s.CreatedDateTime))
	}
	row := Row{
		ID: strings.ToLower(s.ID), CorrelationID: strings.ToLower(s.CorrelationID), Time: at.UTC(), User: s.UserDisplayName,
		UserID: strings.ToLower(s.UserID), UserName: s.UserPrincipal, Application: s.AppDisplayName, ApplicationID: strings.ToLower(s.AppID),
		Status: statusOf(s.Status.ErrorCode), Code: s.Status.ErrorCode, Reason: reasonOf(s.Status.FailureReason), Address: s.IPAddress,
		Client: s.ClientAppUsed, UserAgent: s.UserAgent, Location: place(s.Location.City, s.Location.State, s.Location.Country),
		HomeTenant: strings.ToLower(s.HomeTenant), TargetTenant: strings.ToLower(s.ResourceTenant),
	}
	if row.UserID == "" && row.UserName == "" && s.ServiceID != "" {
		row.User, row.UserID = s.ServiceName, strings.ToLower(s.ServiceID)
	}
	if row.Status == Success {
		row.Reason = ""
	}
	for _, text := range []*string{&row.ID, &row.CorrelationID, &row.User, &row.UserID, &row.UserName, &row.Application, &row.ApplicationID,
		&row.Reason, &row.Address, &row.Client, &row.UserAgent, &row.Location, &row.HomeTenant, &row.TargetTenant} {
		if len(*text) > maxCell {
			*text = strings.ToValidUTF8((*text)[:maxCell], "")
		}
	}
	return row, nil
}

// page fetches one page, and waits when the service asks for it (Microsoft, "Microsoft Graph throttling guidance").
func (g *Graph) page(ctx context.Context, at, token string) ([]byte, error) {
	for try := 1; ; try++ {
		status, header, body, err := send(ctx, g.Client, http.MethodGet, at, nil, map[string]string{
			"Authorization": "Bearer " + token, "Accept": "application/json"}, pageBytes)
		if err != nil {
			return nil, err
		}
		switch status {
		case http.StatusOK:
			return body, nil
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			wait := retryAfter(header.Get("Retry-After"))
			if try >= mostTries || wait > longestWait {
				return nil, finding.Fail("signinlog.graph-busy", nil, "status", strconv.Itoa(status), "seconds", strconv.Itoa(int(wait/time.Second)))
			}
			if err := g.wait(ctx, wait); err != nil {
				return nil, err
			}
		default:
			return nil, graphProblem(status, header, body)
		}
	}
}

func (g *Graph) wait(ctx context.Context, d time.Duration) error {
	if g.Wait != nil {
		return g.Wait(ctx, d)
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
	return defaultWait
}

// graphProblem words an error answer (Microsoft, "Microsoft Graph error responses and resource types").
func graphProblem(status int, header http.Header, body []byte) error {
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &e) // an answer of another kind has neither
	id := header.Get("request-id")
	args := []string{"status", strconv.Itoa(status), "code", clip(e.Error.Code), "message", strings.ToValidUTF8(e.Error.Message[:min(len(e.Error.Message), 400)], "?"), "id", clip(id)}
	switch code := strings.ToLower(e.Error.Code + " " + e.Error.Message); {
	case header.Get("Restrict-Access-Confirm") != "":
		return finding.Fail("signinlog.graph-restricted", nil, args...)
	case strings.Contains(code, "nonpremiumtenant"):
		return finding.Fail("signinlog.graph-licence", nil, args...)
	case status == http.StatusForbidden:
		return finding.Fail("signinlog.graph-permission", nil, args...)
	case status == http.StatusUnauthorized:
		return finding.Fail("signinlog.graph-token", nil, args...)
	}
	return finding.Fail("signinlog.graph-error", nil, args...)
}

// send makes one request, without following redirects.
func send(ctx context.Context, c *http.Client, method, at string, body []byte, header map[string]string, most int64) (int, http.Header, []byte, error) {
	asking, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	r, err := http.NewRequestWithContext(asking, method, at, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, finding.Fail("signinlog.graph-url", nil, "url", clip(at))
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
		return 0, nil, nil, finding.Fail("signinlog.unreachable", err, "host", r.URL.Host)
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
		return 0, nil, nil, finding.Fail("signinlog.unreachable", err, "host", r.URL.Host)
	case int64(len(data)) > most && res.StatusCode == http.StatusOK:
		return 0, nil, nil, finding.Fail("signinlog.graph-large", nil, "max", strconv.FormatInt(most>>20, 10))
	}
	return res.StatusCode, res.Header, data, nil
}
