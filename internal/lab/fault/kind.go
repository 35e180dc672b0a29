package fault

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/endpoint"
)

// Type is what the value of an argument is.
type Type uint8

const (
	Words    Type = iota // one of Argument.Words
	Duration             // as time.ParseDuration reads it, from Argument.Least to Argument.Most
	Number               // a whole number, from Argument.Least to Argument.Most
	Address              // an IP address
	Name                 // a host name
	Schemes              // authentication schemes of Argument.Words, joined by commas
)

// Argument is one argument of a kind. Its text is "fault.<kind>.<name>" of package message.
type Argument struct {
	Name    string
	Type    Type
	Default string
	Words   []string
	Least   int64 // of durations in nanoseconds
	Most    int64
}

// Kind is one kind of fault. Its text is "fault.<Name>" of package message.
type Kind struct {
	Name      string
	Arguments []Argument
	// Whole tells that it strikes the lab as a whole and takes no hosts.
	Whole bool
	// Source says where it is known from that networks do this.
	Source string
}

// Layer is the part of the name before the dot: dns, tcp, tls, http, proxy, clock.
func (k Kind) Layer() string { layer, _, _ := strings.Cut(k.Name, "."); return layer }

func (k Kind) argumentNames() []string {
	var out []string
	for _, a := range k.Arguments {
		out = append(out, a.Name)
	}
	return out
}

// Usage lists the arguments with what they may be.
func (k Kind) usage() string {
	var out []string
	for _, a := range k.Arguments {
		out = append(out, a.Name+"="+a.Allowed())
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}

// Allowed is what the argument may be, in one word without language.
func (a Argument) Allowed() string {
	switch a.Type {
	case Words:
		return strings.Join(a.Words, "|")
	case Schemes:
		return strings.Join(a.Words, ",")
	case Duration:
		return short(time.Duration(a.Least)) + ".." + short(time.Duration(a.Most))
	case Number:
		return strconv.FormatInt(a.Least, 10) + ".." + strconv.FormatInt(a.Most, 10)
	case Address:
		return "ADDRESS"
	}
	return "HOST"
}

// normal brings a value into the form that is kept.
func (a Argument) normal(value string) (string, bool) {
	switch a.Type {
	case Words:
		return value, slices.Contains(a.Words, value)
	case Schemes:
		var out []string
		for one := range strings.SplitSeq(value, ",") {
			i := slices.IndexFunc(a.Words, func(w string) bool { return strings.EqualFold(w, strings.TrimSpace(one)) })
			if i < 0 || slices.Contains(out, a.Words[i]) {
				return "", false
			}
			out = append(out, a.Words[i])
		}
		return strings.Join(out, ","), true
	case Duration:
		d, err := time.ParseDuration(value)
		return short(d), err == nil && int64(d) >= a.Least && int64(d) <= a.Most
	case Number:
		n, err := strconv.ParseInt(value, 10, 64)
		return strconv.FormatInt(n, 10), err == nil && n >= a.Least && n <= a.Most
	case Address:
		addr, err := netip.ParseAddr(value)
		return addr.String(), err == nil && addr.Zone() == ""
	}
	h, err := endpoint.ParseHost(value)
	return h.String(), err == nil
}

// short prints a duration without the zeros behind it.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Names are the names of all kinds, in the order of the table.
func Names() []string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, k.Name)
	}
	return out
}

// Lookup finds a kind by its name.
func Lookup(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// wait is an argument that says how long something takes.
func wait(name, def string) Argument {
	return Argument{Name: name, Type: Duration, Default: def, Least: int64(time.Millisecond), Most: int64(MaxWait)}
}

// family says which addresses of a host are struck.
func family() Argument {
	return Argument{Name: "family", Type: Words, Default: "any", Words: []string{"any", "4", "6"}}
}

// step says when a connection is struck.
func step() Argument {
	return Argument{Name: "at", Type: Words, Default: "hello", Words: []string{"accept", "hello", "tls", "head", "body"}}
}

func status(def string, words ...string) Argument {
	return Argument{Name: "status", Type: Words, Default: def, Words: words}
}

const day = 24 * time.Hour

// Kinds is the table of everything that can be made to go wrong, in the order of a request's life.
func Kinds() []Kind {
	return []Kind{
		{Name: "dns.nxdomain", Source: "RFC 1035, section 4.1.1 (RCODE 3)"},
		{Name: "dns.nodata", Source: "RFC 2308, section 2.2"},
		{Name: "dns.servfail", Source: "RFC 1035, section 4.1.1 (RCODE 2)"},
		{Name: "dns.loop", Source: "RFC 1034, section 3.6.2"},
		{Name: "dns.timeout", Source: "RFC 1035, section 4.2.1"},
		{Name: "dns.slow", Arguments: []Argument{wait("wait", "2s")}, Source: "chosen"},
		{Name: "dns.sinkhole", Arguments: []Argument{{Name: "address", Type: Address, Default: "0.0.0.0"}}, Source: "RFC 1122, section 3.2.1.3"},
		{Name: "dns.private", Arguments: []Argument{{Name: "address", Type: Address, Default: "10.20.30.40"}}, Source: "RFC 1918, RFC 4193"},
		{Name: "dns.hijack", Source: "RFC 8020, section 5; RFC 7686 names the practice"},
		{Name: "dns.v6-only", Source: "RFC 6147, section 1"},
		{Name: "dns.v4-only", Source: "RFC 3596, section 2.1"},
		{Name: "tcp.refused", Arguments: []Argument{family()}, Source: "RFC 9293, section 3.5.1"},
		{Name: "tcp.unreachable", Arguments: []Argument{family()}, Source: "RFC 792; RFC 1122, section 4.2.3.9"},
		{Name: "tcp.blackhole", Arguments: []Argument{family()}, Source: "RFC 2923, section 2.1; RFC 8305, section 5"},
		{Name: "tcp.reset", Arguments: []Argument{step()}, Source: "RFC 9293, section 3.5.2; RFC 3360"},
		{Name: "tcp.stall", Arguments: []Argument{step()}, Source: "RFC 2923, section 2.1"},
		{Name: "tcp.idle-cut", Arguments: []Argument{wait("after", "5s")}, Source: "RFC 5382, section 5"},
		{Name: "tls.expired", Arguments: []Argument{{Name: "since", Type: Duration, Default: "48h", Least: int64(time.Second), Most: int64(365 * day)}}, Source: "RFC 5280, section 4.1.2.5"},
		{Name: "tls.not-yet-valid", Arguments: []Argument{{Name: "in", Type: Duration, Default: "48h", Least: int64(time.Second), Most: int64(365 * day)}}, Source: "RFC 5280, section 4.1.2.5"},
		{Name: "tls.wrong-name", Arguments: []Argument{{Name: "name", Type: Name, Default: "wrong-name.lab.invalid"}}, Source: "RFC 9525, section 6"},
		{Name: "tls.self-signed", Source: "RFC 5280, section 3.2"},
		{Name: "tls.untrusted-root", Source: "RFC 5280, section 6.1"},
		{Name: "tls.missing-intermediate", Source: "RFC 8446, section 4.4.2"},
		{Name: "tls.revoked", Arguments: []Argument{{Name: "staple", Type: Words, Default: "yes", Words: []string{"yes", "no"}}}, Source: "RFC 5280, section 5; RFC 6960; RFC 6066, section 8"},
		{Name: "tls.inspected", Source: `RFC 8446, section 9.3; Microsoft, "Network endpoints for Microsoft Intune" (hosts that must not be inspected)`},
		{Name: "tls.client-certificate-lost", Source: `Microsoft, "Set up tenant restrictions v1" (device.login.microsoftonline.com is excluded)`},
		{Name: "tls.refused", Source: "RFC 8446, section 6.2"},
		{Name: "tls.old-version", Arguments: []Argument{{Name: "version", Type: Words, Default: "1.1", Words: []string{"1.0", "1.1", "1.2"}}}, Source: "RFC 8996"},
		{Name: "http.slow", Arguments: []Argument{wait("wait", "5s")}, Source: "chosen"},
		{Name: "http.slow-body", Arguments: []Argument{{Name: "rate", Type: Number, Default: "1024", Least: 1, Most: 1 << 30}}, Source: "chosen"},
		{Name: "http.range-stripped", Source: `RFC 9110, section 14.2; Microsoft, "Network endpoints for Microsoft Intune" (Delivery Optimization)`},
		{Name: "http.captive-portal", Arguments: []Argument{status("302", "200", "302", "511")}, Source: "RFC 8952; RFC 6585, section 6"},
		{Name: "http.block-page", Arguments: []Argument{status("403", "200", "403", "503")}, Source: "what filtering proxies answer; RFC 9110, section 15.5.4"},
		{Name: "http.service-unavailable", Arguments: []Argument{{Name: "retry-after", Type: Number, Default: "0", Most: 86400}}, Source: "RFC 9110, section 15.6.4"},
		{Name: "http.throttled", Arguments: []Argument{{Name: "retry-after", Type: Number, Default: "30", Most: 86400}}, Source: `RFC 6585, section 4; Microsoft, "Microsoft Graph throttling guidance"`},
		{Name: "http.redirect-loop", Source: "RFC 9110, section 15.4"},
		{Name: "http.truncated", Source: "RFC 9112, section 8"},
		{Name: "http.garbage", Source: "RFC 9112, section 3"},
		{Name: "http.websocket-refused", Arguments: []Argument{status("403", "200", "403", "426", "502")}, Source: "RFC 6455, section 4.2.2"},
		{Name: "proxy.credentials", Arguments: []Argument{{Name: "schemes", Type: Schemes, Default: "Negotiate,NTLM,Basic", Words: []string{"Negotiate", "NTLM", "Basic", "Digest"}}}, Source: "RFC 9110, section 15.5.8; RFC 4559"},
		{Name: "proxy.denied", Arguments: []Argument{status("403", "403", "502", "503")}, Source: "RFC 9110, section 15.5.4"},
		{Name: "proxy.port-denied", Arguments: []Argument{{Name: "port", Type: Number, Default: "443", Least: 1, Most: 65535}}, Source: "RFC 9110, section 9.3.6"},
		{Name: "proxy.dns-failed", Source: "RFC 9209, section 2.3.2"},
		{Name: "proxy.cut", Source: "RFC 9110, section 9.3.6"},
		{Name: "proxy.garbage", Source: "RFC 9112, section 4"},
		{Name: "clock.skew", Whole: true, Arguments: []Argument{{Name: "by", Type: Duration, Default: "10m", Least: -int64(365 * day), Most: int64(365 * day)}}, Source: "RFC 7519, section 4.1.4; RFC 9110, section 6.6.1"},
	}
}
