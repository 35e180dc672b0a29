package pac

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
)

// MaxBytes is the size above which WinHTTP refuses a file ("WinHTTP AutoProxy issues",
// https://learn.microsoft.com/windows/win32/winhttp/autoproxy-issues-in-winhttp, read 2026-11-23).
const MaxBytes = 1 << 20

// LargeBytes is the size above which a file is worth a warning (chosen: every client reads it whole at each start of a
// browser, and again whenever it changes network).
const LargeBytes = 256 << 10

// MediaType is the Content-Type of a PAC file (Netscape, "Navigator Proxy Auto-Config File Format", 1996).
const MediaType = "application/x-ns-proxy-autoconfig"

// Input is what a file is written from.
type Input struct {
	Program *policy.Program   // required
	Catalog *catalog.Snapshot // required; the one that Program was compiled against
	// Proxies are the gateways as clients reach them, at least one, in the order in which clients try them: "host:port",
	// or "https://host:port" where the connection to the proxy itself is TLS.
	Proxies []string
	// Ring is the ring that the file is for, which its first line names; "" for the file of everybody.
	Ring string
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
	past, through := newTables(), newTables()
	for _, p := range direct {
		past.add(p)
	}
	for _, a := range addrs {
		past.name(past.exact, a.String())
		if a.Is6() {
			past.name(past.exact, "["+a.String()+"]")
		}
	}
	for _, k := range in.Catalog.Classes() {
		if k.Class != catalog.Ordinary {
			through.add(k.Pattern)
		}
		if isSignInName(k) {
			through.name(through.below, k.Pattern.String())
		}
	}
	past.shorten()
	through.shorten()
	text := write(in, proxies, past, through)
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
	direct, classes := in.Program.PACDirect(), in.Catalog.Classes()
	for _, p := range direct {
		for _, k := range classes {
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

// Decides returns the host pattern by which the file of in answers for host, as browsers hand it on: of a class, or of a
// direct host; "" when none covers it and the answer is that for everything else.
func Decides(in Input, host string) string {
	h, err := endpoint.ParseHost(strings.TrimSuffix(host, "."))
	if err != nil {
		return ""
	}
	for _, k := range in.Catalog.Classes() {
		if k.Class == catalog.Ordinary {
			continue
		}
		if k.Pattern.Match(h) {
			return k.Pattern.String()
		}
		if isSignInName(k) && strings.HasSuffix(string(h), "."+k.Pattern.String()) {
			return "*." + k.Pattern.String()
		}
	}
	own, _, err := ownNames(in)
	if err == nil && slices.Contains(own, h) {
		return string(h)
	}
	for _, p := range in.Program.PACDirect() {
		if p.Match(h) {
			return p.String()
		}
	}
	return ""
}
