package endpoint

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

var hostSeeds = []string{"login.microsoftonline.com", "Login.Live.COM.", "a..b", "login%2ecom", "ｌogin.com", "日本語.jp", "xn--wgv71a119e.jp",
	"XN--WGV71A119E.JP.", "xn--abc", "0x7f.1", "127.1", "2130706433", "a.0x", "_srv._tcp.example.com", "e\u0301.com", "a\u00adb.com",
	"login。com", "straße.de", "STRAẞE.de", "İ.com", "aא.com", "\xff.com", "::1", "[::1]", "fe80::1%eth0", "-a.com", "a-.com", "", "."}

func FuzzParseHost(f *testing.F) {
	for _, s := range hostSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if reasonOf(t, err); err != nil {
			if h != "" {
				t.Fatalf("ParseHost(%q) = %q beside an error", s, h)
			}
			if !strings.Contains(err.Error(), "host ") {
				t.Fatalf("%q does not say what was read", err)
			}
			return
		}
		checkNormal(t, string(h))
		if again, err := ParseHost(string(h)); err != nil || again != h {
			t.Fatalf("ParseHost(%q) = %q, read back %q, %v", s, h, again, err)
		}
		if dotted, err := ParseHost(string(h) + "."); err != nil || dotted != h {
			t.Fatalf("%q with a trailing dot: %q, %v", h, dotted, err)
		}
		if upper, err := ParseHost(strings.ToUpper(string(h))); err != nil || upper != h {
			t.Fatalf("%q in upper case: %q, %v", h, upper, err)
		}
	})
}

// checkNormal fails for a text that is no host name in normal form or that anything else would read as an address.
func checkNormal(t *testing.T, h string) {
	t.Helper()
	if len(h) == 0 || len(h) > MaxHostBytes {
		t.Fatalf("%q has %d bytes", h, len(h))
	}
	for label := range strings.SplitSeq(h, ".") {
		if len(label) == 0 || len(label) > MaxLabelBytes || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("%q has the label %q", h, label)
		}
	}
	if _, err := netip.ParseAddr(h); err == nil || net.ParseIP(h) != nil {
		t.Fatalf("%q is an address", h)
	}
}

var patternSeeds = []string{"*.manage.microsoft.com", "*cdn.onenote.net", "*-files.sharepoint.com", "autodiscover.*.onmicrosoft.com",
	"azgn*.servicebus.windows.net", "*", "*.", "**.a.b", "*.*.a", "a.*", "a*", "*a", "日本.a*.jp", "xn--*.a.b", "a*-.b.c", "*.1.2", "a.b*c.d"}

func FuzzParsePattern(f *testing.F) {
	for _, s := range append(patternSeeds, hostSeeds...) {
		f.Add(s, "a.b.example.com")
	}
	f.Fuzz(func(t *testing.T, s, name string) {
		p, err := ParsePattern(s)
		if reasonOf(t, err); err != nil {
			if !p.IsZero() {
				t.Fatalf("ParsePattern(%q) = %q beside an error", s, p)
			}
			return
		}
		if again, err := ParsePattern(p.String()); err != nil || again != p {
			t.Fatalf("ParsePattern(%q) = %q, read back %q, %v", s, p, again, err)
		}
		hosts := examples(p)
		if h, err := ParseHost(name); err == nil {
			hosts = append(hosts, h)
		}
		for _, h := range hosts {
			if got, want := p.Match(h), slowMatch(p.String(), string(h)); got != want {
				t.Fatalf("%q matches %q: %v, want %v", p, h, got, want)
			}
			if p.Match(h) && !p.Covers(ExactPattern(h)) {
				t.Fatalf("%q matches but does not cover %q", p, h)
			}
		}
		if !p.Covers(p) || p.Compare(p) != 0 {
			t.Fatalf("%q does not cover or equal itself", p)
		}
	})
}

// slowMatch is the definition of the kinds, tried letter by letter.
func slowMatch(pattern, h string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == h
	}
	for n := 1; n <= len(h); n++ {
		for at := 0; at+n <= len(h); at++ {
			if h[:at] == before && h[at+n:] == after && (before == "" || !strings.Contains(h[at:at+n], ".")) {
				return true
			}
		}
	}
	return false
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"tcp/443", "tcp/80,443 udp/123 tcp/5228-5230", "TCP/1-65535", "443", "tcp/0", "tcp/443-80", "tcp/,", "udp/1,2,3 udp/4", " "} {
		f.Add(s, uint16(443))
	}
	f.Fuzz(func(t *testing.T, s string, port uint16) {
		p, err := ParsePorts(s)
		if reasonOf(t, err); err != nil {
			if p != nil {
				t.Fatalf("ParsePorts(%q) = %q beside an error", s, p)
			}
			return
		}
		again, err := ParsePorts(p.String())
		if err != nil || !again.Equal(p) {
			t.Fatalf("ParsePorts(%q) = %q, read back %q, %v", s, p, again, err)
		}
		for i, r := range p {
			if r.First == 0 || r.First > r.Last || i > 0 && p[i-1].Proto == r.Proto && int(r.First) <= int(p[i-1].Last)+1 {
				t.Fatalf("%q is not sorted and merged", p)
			}
		}
		if p.Allows(TCP, 0) || p.Allows(0, port) {
			t.Fatalf("%q allows port 0 or no protocol", p)
		}
		if p.Allows(TCP, port) != p.Union(p).Allows(TCP, port) {
			t.Fatalf("%q and itself differ on %d", p, port)
		}
	})
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"https://example.com", "http://*.example.com:8080/pki/*", "https://example.com/a%2fb", "https://a/../b", "https://u@h/",
		"https://h?q", "https://h/#f", "https://[::1]/", "https://h:/", "HTTPS://日本.jp/x", "https://a/%2e%2E/b", "https:///", "https://a*b.c/d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if reasonOf(t, err); err != nil {
			if u != (URL{}) {
				t.Fatalf("ParseURL(%q) = %+v beside an error", s, u)
			}
			return
		}
		if again, err := ParseURL(u.String()); err != nil || again != u {
			t.Fatalf("ParseURL(%q) = %q, read back %q, %v", s, u, again, err)
		}
		h, exact := u.Host.Host()
		if !exact {
			return
		}
		if !u.Match(u.Scheme, h, u.EffectivePort(), u.Path) && !hidesCharacters(u.Path) {
			t.Fatalf("%q does not match itself", u)
		}
		// net/url must see the same parts.
		std, err := url.Parse(u.String())
		if err != nil || std.Hostname() != string(h) || std.EscapedPath() != u.Path || std.User != nil || std.RawQuery != "" {
			t.Fatalf("%q is read by net/url as %+v, %v", u, std, err)
		}
	})
}

func FuzzParseAuthority(f *testing.F) {
	for _, s := range []string{"login.live.com:443", "[2001:db8::1]:443", "192.0.2.1:80", "a:0", "a:+1", "a:01", "a@b:1", "[::ffff:1.2.3.4]:1", "[fe80::1%1]:1",
		"0x7f.1:1", "127.1:1", "::1", ":1", "a:", "[a]:1", "a:1:2", "[::1]"} {
		f.Add(s, uint16(443))
		f.Add(s, uint16(0))
	}
	f.Fuzz(func(t *testing.T, s string, defaultPort uint16) {
		a, err := ParseAuthority(s, defaultPort)
		if reasonOf(t, err); err != nil {
			if !a.IsZero() {
				t.Fatalf("ParseAuthority(%q) = %+v beside an error", s, a)
			}
			return
		}
		if (a.Host != "") == a.Addr.IsValid() || a.Port == 0 {
			t.Fatalf("ParseAuthority(%q) = %+v", s, a)
		}
		if a.Addr.Is4In6() || a.Addr.Zone() != "" {
			t.Fatalf("ParseAuthority(%q) hands on the address %v", s, a.Addr)
		}
		if a.Host != "" {
			checkNormal(t, string(a.Host))
		}
		if again, err := ParseAuthority(a.String(), 0); err != nil || again != a {
			t.Fatalf("ParseAuthority(%q) = %q, read back %q, %v", s, a, again, err)
		}
		// net must split the printed form alike.
		host, _, err := net.SplitHostPort(a.String())
		if err != nil || host != a.Name() {
			t.Fatalf("net splits %q into %q, %v", a, host, err)
		}
	})
}

func FuzzParsePrefix(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.0.0.1/8", "2603:1026::/36", "::ffff:10.0.0.0/104", "10.0.0.0", "10.0.0.0/08", "fe80::%1/64", "/", "0.0.0.0/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePrefix(s)
		std, stdErr := netip.ParsePrefix(s)
		if reasonOf(t, err); err != nil {
			if p.IsValid() {
				t.Fatalf("ParsePrefix(%q) = %v beside an error", s, p)
			}
			if want := err.(*ParseError).Want; want != "" {
				if _, err := ParsePrefix(want); err != nil {
					t.Fatalf("ParsePrefix(%q) wants %q written, and refuses it: %v", s, want, err)
				}
			}
			if stdErr == nil && std == std.Masked() && !std.Addr().Is4In6() {
				t.Fatalf("ParsePrefix(%q) refuses %v: %v", s, std, err)
			}
			return
		}
		if stdErr != nil || std != p {
			t.Fatalf("ParsePrefix(%q) = %v, netip says %v, %v", s, p, std, stdErr)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"manage.microsoft.com", "a:443", "20.190.128.0/18", "20.190.128.1", "[::1]:1", "::1", "https://a/b?c#d", "a/b", "https://[::1]:8443/x",
		"http://a:443/", "https://a/../b", "https://u:p@a/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseTarget(s)
		if reasonOf(t, err); err != nil {
			if a != (Target{}) {
				t.Fatalf("ParseTarget(%q) = %+v beside an error", s, a)
			}
			return
		}
		if again, err := ParseTarget(a.String()); err != nil || again != a {
			t.Fatalf("ParseTarget(%q) = %q, read back %q, %v", s, a, again, err)
		}
		if a.Kind == URLTarget && strings.ContainsAny(a.String(), "?#@") && !strings.Contains(a.Path, "@") {
			t.Fatalf("ParseTarget(%q) keeps %q", s, a)
		}
	})
}

// FuzzIndex: Index and the naive search over all patterns agree.
func FuzzIndex(f *testing.F) {
	f.Add("*.windows.net azgn*.servicebus.windows.net *bus.windows.net servicebus.windows.net", "azgn1.servicebus.windows.net")
	f.Add("*.a.b *a.b a.b *.b a*.b a.*.b a.a*.b aa*a.b", "aaa.b")
	f.Add("a.b a.b *.b *.b", "a.b")
	f.Add(strings.Join(patternSeeds, " "), "x.manage.microsoft.com")
	f.Fuzz(func(t *testing.T, list, name string) {
		h, err := ParseHost(name)
		if err != nil {
			return
		}
		var patterns []Pattern
		for s := range strings.FieldsSeq(list) {
			if p, err := ParsePattern(s); err == nil && len(patterns) < 500 {
				patterns = append(patterns, p)
			}
		}
		x := indexOf(patterns)
		checkIndex(t, patterns, x, h)
		for _, p := range patterns {
			for _, h := range examples(p) {
				checkIndex(t, patterns, x, h)
			}
		}
	})
}
