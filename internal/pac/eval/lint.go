package eval

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja/ast"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Lint runs src for each sign-in host and alias that the catalog names, in the spellings that browsers pass on, and
// reports those that go DIRECT, also as the last of a list: each sign-in host, and their aliases and those of other clouds
// together. Then it answers the
// DNS functions, with addresses of the networks that the file asks for, and reports the sign-in hosts that go DIRECT when a
// name server says so. Together with pac.Lint, which reads the text, it says what is wrong with a PAC file; name is what the
// engine calls the file. A file that does not run is one Error. The error is ctx.Err().
func Lint(ctx context.Context, name string, src []byte, snap *catalog.Snapshot) (finding.List, error) {
	var found finding.List
	s, err := Compile(ctx, src, Options{Name: name})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return finding.List{finding.New("pac.syntax", finding.Error, wrongAt(err), "problem", problem(err))}, nil
	}
	direct := map[string]bool{} // sign-in hosts that are reported
	where := explainer(ctx, src, Options{Name: name})
	var others []string // those that are not sign-in hosts of their own: one finding for all
	for _, k := range snap.Classes() {
		if k.Class == catalog.Ordinary {
			continue
		}
		example := strings.ReplaceAll(k.Pattern.String(), "*", "sekisho-example")
		if _, err := endpoint.ParseHost(example); err != nil {
			continue
		}
		for _, url := range []string{"https://" + example + "/", "http://" + example + "/", "https://" + example + "./"} {
			host := strings.Split(strings.Split(url, "//")[1], "/")[0]
			answer, err := s.Find(ctx, url, host)
			switch {
			case ctx.Err() != nil:
				return found, ctx.Err()
			case err != nil:
				found = append(found, finding.New("pac.runs-badly", finding.Error, finding.Pos{},
					"host", host, "problem", problem(err)))
				if s.dead != nil {
					return found, nil
				}
			case !GoesDirect(answer):
				continue
			case k.Class == catalog.SignIn || k.Class == catalog.SignInConsumer:
				direct[example] = true
				found = append(found, finding.New("pac.sign-in-direct", finding.Error, where(url, host), "host", host, "answer", answer))
			default:
				others = append(others, k.Pattern.String())
			}
			break // one finding a host
		}
	}
	if n := len(others); n > 0 {
		hosts := strings.Join(others[:min(n, mostNamed)], ", ")
		if n > mostNamed {
			hosts += ", …"
		}
		found = append(found, finding.New("pac.alias-direct", finding.Warning, finding.Pos{}, "count", strconv.Itoa(n), "hosts", hosts))
	}
	resolved, err := resolvedLint(ctx, name, src, snap, direct)
	return append(found, resolved...), err
}

// explainer returns what says where a script decides to answer a URL as it does; the zero place where nothing can be said.
func explainer(ctx context.Context, src []byte, o Options) func(url, host string) finding.Pos {
	var e *Explainer
	tried := false
	return func(url, host string) finding.Pos {
		if !tried {
			tried = true
			e, _ = NewExplainer(ctx, src, o)
		}
		if e == nil {
			return finding.Pos{}
		}
		x, err := e.Explain(ctx, url, host)
		if err != nil || x.Line == 0 {
			return finding.Pos{}
		}
		return finding.Pos{Line: x.Line, Column: x.Steps[len(x.Steps)-1].Column}
	}
}

// Limits of running a script with names that resolve.
const (
	mostNetworks = 20               // of those that the file asks for (chosen: more than files have)
	resolvedTime = 10 * time.Second // for all of them (chosen: a hundred times what a large file needs)
)

// resolvedLint runs src with a name server that gives every name one address: one of the Internet, then one of each network
// that the script compares with. direct are the hosts that go DIRECT in any case.
func resolvedLint(ctx context.Context, name string, src []byte, snap *catalog.Snapshot, direct map[string]bool) (found finding.List, err error) {
	networks := networksIn(src)
	if networks == nil {
		return nil, nil
	}
	inner, cancel := context.WithTimeout(ctx, resolvedTime)
	defer cancel()
	reported := maps.Clone(direct)
	for _, a := range networks {
		o := Options{Name: name, Resolve: func(string) []netip.Addr { return []netip.Addr{a} }}
		s, err := Compile(inner, src, o)
		if err != nil {
			return found, ctx.Err()
		}
		where := explainer(inner, src, o)
		for _, k := range snap.Classes() {
			host := k.Pattern.String()
			if k.Class != catalog.SignIn && k.Class != catalog.SignInConsumer || strings.Contains(host, "*") || reported[host] {
				continue
			}
			url := "https://" + host + "/"
			answer, err := s.Find(inner, url, host)
			switch {
			case s.dead != nil:
				return found, ctx.Err()
			case err == nil && GoesDirect(answer):
				reported[host] = true
				found = append(found, finding.New("pac.sign-in-direct-resolved", finding.Warning, where(url, host), "host", host, "answer", answer, "address", a.String()))
			}
		}
	}
	return found, ctx.Err()
}

// networksIn returns an address of the Internet and one of each network that src compares names with; nil when it asks no
// name server about them.
func networksIn(src []byte) (out []netip.Addr) {
	tree, err := parse(src, "")
	if err != nil {
		return nil
	}
	asks := false
	add := func(a netip.Addr, err error) {
		if err == nil && len(out) < mostNetworks && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	walk(tree.Body, map[any]bool{}, func(node any) bool {
		call, ok := node.(*ast.CallExpression)
		if !ok {
			return true
		}
		callee, ok := call.Callee.(*ast.Identifier)
		if !ok {
			return true
		}
		switch callee.Name {
		case "isInNet", "isInNetEx", "dnsResolve", "dnsResolveEx", "isResolvable", "isResolvableEx":
			asks = true
		}
		for _, argument := range call.ArgumentList { // those of functions that call isInNet in turn, too
			if text, ok := argument.(*ast.StringLiteral); ok {
				if p, err := netip.ParsePrefix(string(text.Value)); err == nil {
					add(p.Addr(), nil)
				} else if a, err := netip.ParseAddr(string(text.Value)); err == nil && !strings.HasPrefix(a.String(), "255.") {
					add(a, nil)
				}
			}
		}
		return true
	})
	if !asks {
		return nil
	}
	return append([]netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, 1})}, out...) // RFC 5737
}

// wrongAt is where a script is wrong, as far as its error says.
func wrongAt(err error) finding.Pos {
	var script *ScriptError
	if errors.As(err, &script) {
		return finding.Pos{Line: script.Line, Column: script.Column}
	}
	return finding.Pos{}
}

// mostNamed is how many aliases a finding names (chosen: a line).
const mostNamed = 5

// GoesDirect reports whether an answer of FindProxyForURL lets the client go DIRECT, at once or after proxies that do
// not answer. An answer that says nothing means DIRECT to browsers.
func GoesDirect(answer string) bool {
	said := false
	for _, part := range strings.Split(answer, ";") {
		part = strings.TrimSpace(part)
		said = said || part != ""
		if strings.EqualFold(part, "DIRECT") {
			return true
		}
	}
	return !said
}

func problem(err error) string {
	var script *ScriptError
	if errors.As(err, &script) {
		return script.Message
	}
	return err.Error()
}
