package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/pac/eval"
	"sekisho/internal/render"
)

// Limits of reading and running somebody's PAC file.
const (
	fetchTimeout = 10 * time.Second // for the file by URL (chosen: browsers give up sooner)
	mostDeadline = time.Minute      // of one question; WinHTTP stops a script after as long
)

func (a *app) pacCommand() *cobra.Command {
	c := a.noun("pac", "pac", a.pacEvalCommand(), a.pacExplainCommand(), a.pacLintCommand(), a.pacDiffCommand())
	c.Long = a.t("pac.long")
	return c
}

// pacFlags are those of a script that is run.
type pacFlags struct {
	file, ring       string
	client, resolver string
	deadline         time.Duration
	at               string
	lists            []string
	lab              bool
	names            names
}

// names are those that scripts asked a name server for. A script that was stopped may still be asking.
type names struct {
	mu     sync.Mutex
	asked  map[string]bool
	given  bool // a resolver is there to ask
	failed bool // it did not answer for one
}

func (n *names) note(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[host] = true
}

func (n *names) fail() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = true
}

// pacFlags adds those that say how a script is run; source adds --pac too.
func (a *app) pacFlags(c *cobra.Command, source bool) *pacFlags {
	f := &pacFlags{names: names{asked: map[string]bool{}}}
	flags := c.Flags()
	if source {
		flags.StringVar(&f.file, "pac", "", a.t("pac.flag.pac"))
		flags.StringVar(&f.ring, "ring", "", a.t("pac.flag.ring"))
		flags.BoolVar(&f.lab, "lab", false, a.t("flag.lab-policy"))
	}
	flags.StringVar(&f.client, "client", "127.0.0.1", a.t("pac.flag.client"))
	flags.StringVar(&f.resolver, "resolver", "", a.t("pac.flag.resolver"))
	flags.DurationVar(&f.deadline, "deadline", eval.DefaultTimeout, a.t("pac.flag.deadline"))
	flags.StringVar(&f.at, "at", "", a.t("pac.flag.at"))
	flags.StringArrayVarP(&f.lists, "file", "f", nil, a.t("pac.flag.file"))
	return f
}

// options checks the flags.
func (a *app) pacOptions(ctx context.Context, f *pacFlags) (eval.Options, error) {
	o := eval.Options{Timeout: f.deadline}
	client, err := netip.ParseAddr(f.client)
	if err != nil || client.Zone() != "" {
		return o, a.usage("client", "value", f.client)
	}
	o.Client = client.Unmap()
	if f.deadline <= 0 || f.deadline > mostDeadline {
		return o, a.usage("flag-value", "value", f.deadline.String(), "flag", "--deadline")
	}
	if f.at != "" {
		at, err := time.Parse(time.RFC3339, f.at)
		if err != nil {
			return o, a.usage("pac.at", "value", f.at)
		}
		o.Now = func() time.Time { return at }
	}
	var servers *dnsx.Client
	switch f.resolver {
	case "", "none":
	case "system":
		servers = &dnsx.Client{Timeout: f.deadline}
	default:
		server, ok := dnsx.ParseServer(f.resolver)
		if !ok {
			return o, a.usage("pac.resolver", "value", f.resolver)
		}
		servers = &dnsx.Client{Servers: []netip.AddrPort{server}, Timeout: f.deadline}
	}
	f.names.given = servers != nil
	o.Resolve = func(name string) []netip.Addr {
		if addr, err := netip.ParseAddr(name); err == nil {
			return []netip.Addr{addr}
		}
		host, err := endpoint.ParseHost(name)
		if err != nil || name == "null" { // what a name that was not found becomes as a text
			return nil
		}
		f.names.note(string(host))
		if servers == nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, f.deadline)
		defer cancel()
		answer, err := servers.Lookup(ctx, host)
		if err != nil {
			f.names.fail()
			return nil
		}
		return answer.Addrs
	}
	return o, nil
}

// tellNames says what the scripts asked a name server for, when nobody answered: browsers would have been told something.
func (a *app) tellNames(f *pacFlags) {
	f.names.mu.Lock()
	defer f.names.mu.Unlock()
	if len(f.names.asked) == 0 || f.names.given && !f.names.failed {
		return
	}
	names, more := slices.Sorted(maps.Keys(f.names.asked)), ""
	if len(names) > 5 {
		names, more = names[:5], ", …"
	}
	id := "pac.unresolved"
	if f.names.given {
		id = "pac.resolver-failed"
	}
	a.notef("%s: %s\n", a.t("warning"), a.t(id, "count", itoa(len(f.names.asked)), "names", strings.Join(names, ", ")+more))
}

// script is one PAC file with the name that it is told by.
type script struct {
	name string
	body []byte
	kind string // Content-Type, where it was fetched
}

// pacSource reads what --pac names: a file, a URL, "-" for the standard input; without it the file of the policy that applies.
func (a *app) pacSource(ctx context.Context, from, ring string, lab bool) (script, error) {
	switch {
	case from == "":
		in, err := a.renderInput(lab, "")
		if err != nil {
			return script{}, err
		}
		target, _ := render.Find(node.RenderTargets(), "pac")
		given := map[string][]string{}
		if ring != "" {
			given["ring"] = []string{ring}
		}
		options, err := render.ParseOptions(target, given)
		if err != nil {
			return script{}, err
		}
		out, err := render.Render(target, in, options)
		if err != nil {
			return script{}, err
		}
		return script{name: out.Files[0].Name, body: out.Files[0].Body}, nil
	case from == "-":
		body, err := io.ReadAll(io.LimitReader(a.In, eval.MaxSource+1))
		if err != nil {
			return script{}, finding.Fail("cli.pac.unreadable", err, "file", "stdin")
		}
		return script{name: "stdin", body: body}, nil
	case strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://"):
		return fetchScript(ctx, a, from)
	}
	body, err := readFile(from, eval.MaxSource)
	if errors.Is(err, errLarge) {
		return script{}, a.usage("pac.large", "file", from, "max", itoa(eval.MaxSource))
	}
	if err != nil {
		return script{}, finding.Fail("cli.pac.unreadable", err, "file", from)
	}
	return script{name: from, body: body}, nil
}

// fetchScript asks for a file without any proxy, as clients do: whoever needs the file to find the proxy has none yet.
func fetchScript(ctx context.Context, a *app, from string) (script, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return script{}, finding.Fail("cli.pac.unreadable", err, "file", from)
	}
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return script{}, finding.Fail("cli.pac.unreadable", err, "file", from)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return script{}, finding.Fail("cli.pac.unreadable", fmt.Errorf("status %s", answer.Status), "file", from)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, eval.MaxSource+1))
	switch {
	case err != nil:
		return script{}, finding.Fail("cli.pac.unreadable", err, "file", from)
	case len(body) > eval.MaxSource:
		return script{}, a.usage("pac.large", "file", from, "max", itoa(eval.MaxSource))
	}
	return script{name: from, body: body, kind: answer.Header.Get("Content-Type")}, nil
}

// asQuestion reads a URL, or a host, as a browser hands it to a script: of an https URL the path and query are taken away
// ("Proxy support in Chrome", https://chromium.googlesource.com/chromium/src/+/HEAD/net/docs/proxy.md, read 2026-11-23),
// user information and fragment of any.
func asQuestion(text string) (eval.Question, bool) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' }) {
		return eval.Question{}, false
	}
	host := strings.ToLower(u.Hostname())
	if h, err := endpoint.ParseHost(host); err == nil {
		if host = string(h); strings.HasSuffix(u.Hostname(), ".") {
			host += "."
		}
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.Host = host; strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	if port := urlPort(text); port != "" {
		u.Host += ":" + port
	}
	if u.Scheme == "https" || u.Scheme == "wss" {
		u.Path, u.RawPath, u.RawQuery, u.ForceQuery = "/", "", "", false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return eval.Question{URL: u.String(), Host: host}, true
}

func urlPort(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Port()
}

// questions are those of the arguments, then of each line of the lists; what stands behind "#" and empty lines are left out.
func (a *app) questions(args []string, lists []string) ([]eval.Question, error) {
	var out []eval.Question
	add := func(text, where string) error {
		q, ok := asQuestion(text)
		if !ok {
			return a.usage("pac.not-a-url", "value", text, "where", where)
		}
		out = append(out, q)
		return nil
	}
	for _, arg := range args {
		if err := add(arg, ""); err != nil {
			return nil, err
		}
	}
	for _, name := range lists {
		var body []byte
		var err error
		if name == "-" {
			name = "stdin"
			body, err = io.ReadAll(io.LimitReader(a.In, importBytes))
		} else {
			body, err = readFile(name, importBytes)
		}
		if err != nil {
			return nil, finding.Fail("cli.pac.unreadable", err, "file", name)
		}
		number := 0
		for line := range bytes.Lines(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))) {
			number++
			text, _, _ := strings.Cut(string(line), "#")
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			if err := add(text, fmt.Sprintf("%s:%d", name, number)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
