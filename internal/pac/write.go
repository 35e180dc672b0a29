package pac

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
)

// MaxBytes is the size above which WinHTTP refuses a file ("WinHTTP AutoProxy issues",
// https://learn.microsoft.com/windows/win32/winhttp/autoproxy-issues-in-winhttp, read 2026-11-23).
const MaxBytes = 1 << 20

// MediaType is the Content-Type of a PAC file (Netscape, "Navigator Proxy Auto-Config File Format", 1996).
const MediaType = "application/x-ns-proxy-autoconfig"

// Input is what a file is written from.
type Input struct {
	Program *policy.Program   // required
	Catalog *catalog.Snapshot // required; the one that Program was compiled against
	// Proxies are the gateways as clients reach them, at least one, in the order in which clients try them: "host:port",
	// or "https://host:port" where the connection to the proxy itself is TLS.
	Proxies []string
	// Own are the http and https URLs, or host:port authorities, of our own servers that clients must reach without the
	// proxy: the file itself, the revocation list. Only the host counts; a host of a sign-in class is refused.
	Own []string
}

// Write returns the file. It returns an error when the input cannot make a file that is safe and that every client
// reads: no proxy, a text that is no address, a sign-in host among the direct ones, more than MaxBytes.
func Write(in Input) ([]byte, error) {
	if in.Program == nil || in.Catalog == nil {
		return nil, errors.New("write pac: a policy and a catalog are needed")
	}
	proxies, err := proxyList(in.Proxies)
	if err != nil {
		return nil, fmt.Errorf("write pac: %w", err)
	}
	direct, err := directPatterns(in)
	if err != nil {
		return nil, fmt.Errorf("write pac: %w", err)
	}
	own, addrs, err := ownNames(in)
	if err != nil {
		return nil, fmt.Errorf("write pac: %w", err)
	}
	for _, h := range own {
		direct = append(direct, endpoint.ExactPattern(h))
	}
	f := newFile(direct)
	for _, a := range addrs {
		f.hosts[a.String()] = true
		if a.Is6() {
			f.hosts["["+a.String()+"]"] = true
		}
	}
	for _, k := range in.Catalog.Classes() {
		if k.Class != catalog.Ordinary {
			f.guard(k.Pattern)
		}
		if isSignInName(k) {
			f.beneath["."+k.Pattern.String()] = true
		}
	}
	text := f.print(in, proxies)
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("write pac: the file has %d bytes, and clients refuse more than %d; list fewer direct hosts",
			len(text), MaxBytes)
	}
	return text, nil
}

// proxyList is the answer for everything that is not direct.
func proxyList(proxies []string) (string, error) {
	if len(proxies) == 0 {
		return "", errors.New("no proxy is given")
	}
	var parts []string
	for _, p := range proxies {
		kind := "PROXY "
		authority, overTLS := strings.CutPrefix(p, "https://")
		if overTLS {
			kind = "HTTPS "
		}
		a, err := endpoint.ParseAuthority(authority, 0)
		if err != nil {
			return "", fmt.Errorf("proxy: %w", err)
		}
		if part := kind + a.String(); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; "), nil
}

// directPatterns are the administrator's hosts. Compile has refused what touches a class; a file must not depend on
// that, so it is asked again.
func directPatterns(in Input) ([]endpoint.Pattern, error) {
	direct := in.Program.PACDirect()
	for _, p := range direct {
		for _, k := range in.Catalog.Classes() {
			if k.Class != catalog.Ordinary && (p.Covers(k.Pattern) || k.Pattern.Covers(p)) {
				return nil, fmt.Errorf("direct host %q covers %q, which must pass the proxy", p, k.Pattern)
			}
		}
	}
	return direct, nil
}

// isSignInName reports whether k is one of the hosts that take restriction headers. Whatever lies beneath its name
// shares its addresses: a firewall that lets it go DIRECT lets the sign-in go DIRECT.
func isSignInName(k catalog.Classification) bool {
	return (k.Class == catalog.SignIn || k.Class == catalog.SignInConsumer) && k.Pattern.Kind() == endpoint.Exact
}

// ownNames are the hosts of our own servers, names and addresses.
func ownNames(in Input) (hosts []endpoint.Host, addrs []netip.Addr, err error) {
	for _, text := range in.Own {
		authority, port := text, uint16(80)
		if strings.Contains(text, "://") {
			u, err := url.Parse(text)
			if err != nil || u.Host == "" {
				return nil, nil, fmt.Errorf("own server %q: not a URL", text)
			}
			authority = u.Host
		}
		a, err := endpoint.ParseAuthority(authority, port)
		if err != nil {
			return nil, nil, fmt.Errorf("own server: %w", err)
		}
		if a.Addr.IsValid() {
			addrs = append(addrs, a.Addr)
			continue
		}
		if in.Catalog.Classify(a.Host).Class != catalog.Ordinary {
			return nil, nil, fmt.Errorf("own server %q has the name of a sign-in host", text)
		}
		hosts = append(hosts, a.Host)
	}
	return hosts, addrs, nil
}

// file collects what the script compares with.
type file struct {
	hosts    map[string]bool // direct: exact
	suffixes map[string]bool // direct: ".example.com", names below it
	glued    map[string]bool // direct: "cdn.example.com", at least one byte before it
	inside   map[[2]string]bool
	proxied  map[string]bool // never direct: exact
	beneath  map[string]bool // never direct: names below it
	ends     map[string]bool // never direct: glued
	between  map[[2]string]bool
}

func newFile(direct []endpoint.Pattern) *file {
	f := &file{
		hosts: map[string]bool{}, suffixes: map[string]bool{}, glued: map[string]bool{}, inside: map[[2]string]bool{},
		proxied: map[string]bool{}, beneath: map[string]bool{}, ends: map[string]bool{}, between: map[[2]string]bool{},
	}
	for _, p := range direct {
		sortPattern(p, f.hosts, f.suffixes, f.glued, f.inside)
	}
	return f
}

// guard keeps p away from DIRECT, whatever the lists say.
func (f *file) guard(p endpoint.Pattern) { sortPattern(p, f.proxied, f.beneath, f.ends, f.between) }

func sortPattern(p endpoint.Pattern, exact, suffix, glued map[string]bool, inside map[[2]string]bool) {
	if p.IsZero() {
		return
	}
	text := p.String()
	switch p.Kind() {
	case endpoint.Exact:
		exact[text] = true
	case endpoint.Suffix:
		suffix[text[1:]] = true
	case endpoint.Glued:
		glued[text[1:]] = true
	case endpoint.Inside:
		before, after, _ := strings.Cut(text, "*")
		inside[[2]string{before, after}] = true
	}
}

func (f *file) print(in Input, proxies string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "// Sekisho proxy auto-configuration. Catalog %s, policy %s.\n",
		printable(in.Catalog.Version()), in.Program.Hash())
	b.WriteString("// Written by a program: change the configuration, not this file.\n")
	fmt.Fprintf(&b, "var sekishoProxy = %s;\n", quote(proxies))
	set(&b, "sekishoDirect", f.hosts)
	list(&b, "sekishoDirectBelow", f.suffixes)
	list(&b, "sekishoDirectEnds", f.glued)
	pairs(&b, "sekishoDirectInside", f.inside)
	set(&b, "sekishoSignIn", f.proxied)
	list(&b, "sekishoSignInBelow", f.beneath)
	list(&b, "sekishoSignInEnds", f.ends)
	pairs(&b, "sekishoSignInInside", f.between)
	b.WriteString(script)
	return []byte(b.String())
}

// script is the part that never changes. JScript has neither String.prototype.endsWith nor Object.create; a key is
// asked for with hasOwnProperty so that a host named "constructor" is not found.
const script = `
function sekishoEnds(host, end) {
  var at = host.length - end.length;
  return at > 0 && host.lastIndexOf(end) === at;
}

function sekishoListed(host, exact, below, ends, inside) {
  var i, a, b, middle;
  if (Object.prototype.hasOwnProperty.call(exact, host)) { return true; }
  for (i = 0; i < below.length; i++) { if (sekishoEnds(host, below[i])) { return true; } }
  for (i = 0; i < ends.length; i++) { if (sekishoEnds(host, ends[i])) { return true; } }
  for (i = 0; i < inside.length; i++) {
    a = inside[i][0];
    b = inside[i][1];
    if (host.length > a.length + b.length && host.indexOf(a) === 0 && sekishoEnds(host, b)) {
      middle = host.substring(a.length, host.length - b.length);
      if (middle.indexOf(".") < 0) { return true; }
    }
  }
  return false;
}

function sekishoThisMachine(host) {
  var i, parts;
  if (host === "localhost" || sekishoEnds(host, ".localhost") || host === "::1" || host === "[::1]") { return true; }
  parts = host.split(".");
  if (parts.length !== 4 || parts[0] !== "127") { return false; }
  for (i = 1; i < 4; i++) {
    if (parts[i] === "" || parts[i].length > 3 || String(Number(parts[i])) !== parts[i] || Number(parts[i]) > 255) {
      return false;
    }
  }
  return true;
}

function FindProxyForURL(url, host) {
  host = String(host).toLowerCase();
  if (host.length > 1 && host.charAt(host.length - 1) === ".") { host = host.substring(0, host.length - 1); }
  if (sekishoListed(host, sekishoSignIn, sekishoSignInBelow, sekishoSignInEnds, sekishoSignInInside)) {
    return sekishoProxy;
  }
  if (sekishoThisMachine(host)) { return "DIRECT"; }
  if (sekishoListed(host, sekishoDirect, sekishoDirectBelow, sekishoDirectEnds, sekishoDirectInside)) {
    return "DIRECT";
  }
  return sekishoProxy;
}
`

// set prints an object literal whose keys are the members.
func set(b *strings.Builder, name string, members map[string]bool) {
	fmt.Fprintf(b, "var %s = {", name)
	for i, m := range sorted(members) {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(b, "\n  %s: 1", quote(m))
	}
	closeList(b, len(members), "}")
}

func list(b *strings.Builder, name string, members map[string]bool) {
	fmt.Fprintf(b, "var %s = [", name)
	for i, m := range sorted(members) {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(b, "\n  %s", quote(m))
	}
	closeList(b, len(members), "]")
}

func pairs(b *strings.Builder, name string, members map[[2]string]bool) {
	var all [][2]string
	for m := range members {
		all = append(all, m)
	}
	slices.SortFunc(all, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	fmt.Fprintf(b, "var %s = [", name)
	for i, m := range all {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(b, "\n  [%s, %s]", quote(m[0]), quote(m[1]))
	}
	closeList(b, len(all), "]")
}

func closeList(b *strings.Builder, n int, end string) {
	if n > 0 {
		b.WriteString("\n")
	}
	b.WriteString(end + ";\n")
}

func sorted(members map[string]bool) []string {
	out := make([]string, 0, len(members))
	for m := range members {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// quote prints an ASCII string literal that means the same in JavaScript as in Go.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// printable keeps a text on its line of the header.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
