// Package tenant knows which directory a tenant is: the directory id behind a domain, as Microsoft's sign-in service
// publishes it in the tenant's OpenID configuration.
//
//	b := tenant.New(tenant.Options{})
//	b.Use(tenant.Network{Host: "login.microsoftonline.com", Resolve: …, Dial: …})
//	b.Want("contoso.com")              // asks in the background
//	id, known := b.Directory("contoso.com")  // never waits
//
// It is asked while a request is judged in report mode, so Directory does no I/O; the questions are asked beside it, few
// at one time, and their answers kept within bounds. What was not answered is not known, and is never guessed.
//
// Source: "Use tenant restrictions to manage access to SaaS cloud applications" (Microsoft Entra documentation), which
// compares tenants by https://login.microsoftonline.com/<tenant>/v2.0/.well-known/openid-configuration.
package tenant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"sekisho/internal/endpoint"
)

const (
	// keepFound is how long an answer counts (chosen: a domain moves to another directory once in years).
	keepFound = 24 * time.Hour
	// keepNone is how long a name that is no tenant is remembered as such (chosen: somebody may be about to verify it).
	keepNone = time.Hour
	// keepFailure is how long a name is not asked for again after a question that failed (chosen).
	keepFailure = time.Minute
	// mostNames bounds the names that are kept (chosen: more tenants than people of one organisation visit in a day).
	mostNames = 4096
	// mostWaiting bounds the names that wait to be asked for; others are asked for when they come again (chosen).
	mostWaiting = 256
	// mostAtOnce bounds the questions at one time (chosen: this is no reason to knock hard at a sign-in service).
	mostAtOnce = 4
	// askLimit bounds one question (chosen).
	askLimit = 8 * time.Second
	// answerBytes bounds an answer (chosen: an OpenID configuration has some two thousand bytes).
	answerBytes = 64 << 10
)

// Network is how the sign-in service is reached: the gateway's own road.
type Network struct {
	Host    endpoint.Host // login.microsoftonline.com, or that of another cloud
	Resolve func(ctx context.Context, h endpoint.Host) ([]netip.Addr, error)
	Dial    func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	Roots   *x509.CertPool // nil: the system's
	// Header is sent with every question, names as they are spelled here; nil: nothing. Where somebody is restricted, the
	// questions carry restriction headers too, so that no request without them reaches the sign-in service.
	Header http.Header
}

// Options of New. The zero value works.
type Options struct {
	Now func() time.Time // nil: time.Now
}

// Book keeps what is known. Obtain it from New, give it a Network, and Close it. Safe for concurrent use.
type Book struct {
	now func() time.Time

	mu      sync.Mutex
	road    *road // nil until Use
	names   map[string]*entry
	waiting int
	closed  bool
	atOnce  chan struct{}
	work    sync.WaitGroup
	ctx     context.Context // of every question in the background
	cancel  context.CancelFunc
}

// road is a Network made ready.
type road struct {
	Network
	client *http.Client
	ctx    context.Context // ends when another road takes its place
	leave  context.CancelFunc
}

// entry is what is known of one name.
type entry struct {
	id    string // "" when it is no tenant, or not known
	err   error  // why it is not known
	until time.Time
	done  chan struct{} // closed when the question under way has its answer; nil when none is
}

// ErrNone says that no tenant has the name.
var ErrNone = errors.New("no such tenant")

// ErrBusy says that too many other names wait.
var ErrBusy = errors.New("too many names wait to be asked for")

// New returns a book that knows nothing.
func New(o Options) *Book {
	b := &Book{now: o.Now, names: map[string]*entry{}, atOnce: make(chan struct{}, mostAtOnce)}
	if b.now == nil {
		b.now = time.Now
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Use gives the road by which names are asked for from now on. What is known stays known; a question under way is broken
// off and asked again by the new road, so that none with the old headers is sent once Use has returned.
func (b *Book) Use(n Network) {
	// A transport of its own: nothing is kept open between two questions, and no proxy of the environment is asked.
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: n.Roots, MinVersion: tls.VersionTLS12},
			MaxResponseHeaderBytes: answerBytes,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				addrs, err := n.Resolve(ctx, n.Host)
				if err != nil {
					return nil, err
				}
				err = errors.New("the name has no address")
				for _, a := range addrs[:min(len(addrs), 3)] {
					var c net.Conn
					if c, err = n.Dial(ctx, netip.AddrPortFrom(a, 443)); err == nil {
						return c, nil
					}
				}
				return nil, err
			},
		},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.road != nil {
		b.road.leave()
	}
	b.road = &road{Network: n, client: client}
	b.road.ctx, b.road.leave = context.WithCancel(b.ctx)
}

// Close ends the questions under way and waits for them.
func (b *Book) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.work.Wait()
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// normal is the form in which names are compared; "" for what is no name of one tenant.
func normal(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "", "common", "organizations", "consumers":
		return ""
	}
	if guid.MatchString(name) {
		return name
	}
	h, err := endpoint.ParseHost(name)
	if err != nil || !strings.Contains(string(h), ".") {
		return ""
	}
	return string(h)
}

// Directory returns the directory id of name: a directory id is its own; a domain's as it was answered. known is false when
// it is not known, also because there is no such tenant. It does no I/O, and asks for nothing.
func (b *Book) Directory(name string) (id string, known bool) {
	name = normal(name)
	if guid.MatchString(name) {
		return name, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.names[name]
	if e == nil || e.id == "" {
		return "", false
	}
	return e.id, true // an answer that is over counts until the next one: directories do not change hands by the clock
}

// Want has names asked for in the background, those that are known already or too many left out. It does not wait.
func (b *Book) Want(names ...string) {
	for _, name := range names {
		if name = normal(name); name != "" && !guid.MatchString(name) {
			b.start(name)
		}
	}
}

// Await waits until each of names is known or cannot be, or ctx ends.
func (b *Book) Await(ctx context.Context, names ...string) {
	for _, name := range names {
		if name = normal(name); name == "" || guid.MatchString(name) {
			continue
		}
		done := b.start(name)
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// Find asks for name, a domain or a directory id, unless it was answered already, and returns its directory id. It returns
// ErrNone when there is no such tenant, another error when that could not be found out.
func (b *Book) Find(ctx context.Context, name string) (string, error) {
	key := normal(name)
	if key == "" {
		return "", fmt.Errorf("%q: %w", name, ErrNone)
	}
	done := b.start(key)
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.names[key]
	switch {
	case e == nil:
		return "", ErrBusy
	case e.id == "" && e.err == nil:
		return "", errors.New("not asked")
	case e.id == "":
		return "", e.err
	}
	return e.id, nil
}

// start asks for name in the background unless its answer still counts. It returns what closes with the answer; nil when
// there is nothing to wait for.
func (b *Book) start(name string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.names[name]
	switch {
	case e != nil && e.done != nil:
		return e.done
	case e != nil && b.now().Before(e.until):
		return nil
	case b.closed || b.road == nil || b.waiting >= mostWaiting:
		return nil
	}
	if e == nil {
		b.makeRoom()
		e = &entry{}
		b.names[name] = e
	}
	done := make(chan struct{})
	e.done = done
	b.waiting++
	b.work.Go(func() { b.answer(name, e, done) })
	return done
}

// makeRoom forgets some names, any of them, when there are too many. Those that are being asked for stay.
func (b *Book) makeRoom() {
	if len(b.names) < mostNames {
		return
	}
	for name, e := range b.names {
		if e.done == nil {
			delete(b.names, name)
		}
		if len(b.names) < mostNames-mostNames/16 {
			return
		}
	}
}

// answer asks, and notes what came of it.
func (b *Book) answer(name string, e *entry, done chan struct{}) {
	id, err := "", error(nil)
	select {
	case b.atOnce <- struct{}{}:
		for moved := true; moved; {
			b.mu.Lock()
			by := b.road
			b.mu.Unlock()
			id, err = by.ask(name)
			moved = err != nil && by.ctx.Err() != nil && b.ctx.Err() == nil // another road took its place
		}
		<-b.atOnce
	case <-b.ctx.Done():
		err = b.ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	switch {
	case err == nil:
		e.id, e.err, e.until = id, nil, b.now().Add(keepFound)
	case errors.Is(err, ErrNone):
		e.id, e.err, e.until = "", err, b.now().Add(keepNone)
	default: // what was known before still counts
		e.err, e.until = err, b.now().Add(keepFailure)
	}
	e.done = nil
	close(done)
}

// ask reads the OpenID configuration of one tenant.
func (r *road) ask(name string) (string, error) {
	ctx, cancel := context.WithTimeout(r.ctx, askLimit)
	defer cancel()
	target := "https://" + string(r.Host) + "/" + url.PathEscape(name) + "/v2.0/.well-known/openid-configuration"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Sekisho")
	maps.Copy(request.Header, r.Header)
	resp, err := r.client.Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which the caller knows
		}
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if err != nil {
		return "", err
	}
	return read(resp.StatusCode, body)
}

// read finds the directory id in the answer: in the issuer, https://login.microsoftonline.com/<id>/v2.0 (or
// https://sts.windows.net/<id>/ of version 1). A name that is no tenant is answered 400 with the error invalid_tenant,
// AADSTS90002 ("Microsoft Entra authentication and authorization error codes").
func read(status int, body []byte) (string, error) {
	var said struct {
		Issuer      string `json:"issuer"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	err := json.Unmarshal(body, &said)
	switch {
	case status == http.StatusBadRequest && err == nil && (said.Error == "invalid_tenant" || strings.HasPrefix(said.Description, "AADSTS90002")):
		return "", ErrNone
	case status != http.StatusOK:
		return "", fmt.Errorf("the service answers %d", status)
	case err != nil:
		return "", errors.New("the answer is no JSON")
	}
	u, err := url.Parse(said.Issuer)
	if err != nil || u.Scheme != "https" {
		return "", errors.New("the answer names no issuer")
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if first = strings.ToLower(first); !guid.MatchString(first) {
		return "", errors.New("the answer names no directory")
	}
	return first, nil
}
