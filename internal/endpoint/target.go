package endpoint

import (
	"net/netip"
	"strconv"
	"strings"
)

// TargetKind says what a person asked about.
type TargetKind uint8

const (
	// HostTarget is a host name, with or without port.
	HostTarget TargetKind = iota + 1
	// AddrTarget is one address, with or without port.
	AddrTarget
	// PrefixTarget is an address prefix.
	PrefixTarget
	// URLTarget is one URL, of a host or of an address.
	URLTarget
)

// String is the stable code: host, address, prefix, url; "none" for the zero value.
func (k TargetKind) String() string {
	switch k {
	case HostTarget:
		return "host"
	case AddrTarget:
		return "address"
	case PrefixTarget:
		return "prefix"
	case URLTarget:
		return "url"
	}
	return "none"
}

// MarshalText prints the code.
func (k TargetKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Target is one thing that a person asks about: a host, an address, a prefix or a URL. It is comparable. The zero value
// is none.
type Target struct {
	Kind   TargetKind
	Host   Host         // HostTarget; URLTarget of a host
	Addr   netip.Addr   // AddrTarget; URLTarget of an address
	Prefix netip.Prefix // PrefixTarget
	Scheme string       // URLTarget: "http" or "https"
	Port   uint16       // 0 when not stated; of a URL always the effective one
	Path   string       // URLTarget: begins with "/", without query and fragment, which may hold secrets
}

// ParseTarget reads what a person pastes: a host ("manage.microsoft.com", also with ":443"), an address ("20.190.128.1",
// "2603:1026::1", "[2603:1026::1]:443"), a prefix ("20.190.128.0/18") or a URL, whose query and fragment are dropped.
// It returns *ParseError for everything else, and for what the parser of that kind refuses.
func ParseTarget(s string) (Target, error) {
	const what = "target"
	switch {
	case s == "":
		return Target{}, fail(what, s, 0, "empty", "")
	case strings.Contains(s, "://"):
		return parseURLTarget(s)
	case strings.Contains(s, "/"):
		return parseSlashTarget(s)
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if _, err := parseAddr(what, s, s, 0); err != nil {
			return Target{}, err
		}
		return Target{Kind: AddrTarget, Addr: a}, nil
	}
	// Port 65535 stands for "not stated" only where none is written.
	stated := strings.Contains(s[strings.LastIndexByte(s, ']')+1:], ":")
	a, err := parseAuthority(what, s, 65535)
	if err != nil {
		return Target{}, err
	}
	t := Target{Kind: HostTarget, Host: a.Host, Addr: a.Addr}
	if a.Addr.IsValid() {
		t.Kind = AddrTarget
	}
	if stated {
		t.Port = a.Port
	}
	return t, nil
}

func parseURLTarget(s string) (Target, error) {
	const what = "target"
	parts, err := splitURL(what, s)
	if err != nil {
		return Target{}, err
	}
	a, err := parseAuthority(what, parts.authority, schemePort(parts.scheme))
	if err != nil {
		return Target{}, within(err, what, s, parts.authorityAt)
	}
	path := parts.path
	if path == "" {
		path = "/"
	}
	if at, reason := badPath(path); reason != "" && reason != "path-dots" {
		return Target{}, fail(what, s, parts.pathAt+at, reason, "")
	}
	return Target{Kind: URLTarget, Host: a.Host, Addr: a.Addr, Scheme: parts.scheme, Port: a.Port, Path: path}, nil
}

// parseSlashTarget reads a prefix, and tells a URL without scheme what it lacks.
func parseSlashTarget(s string) (Target, error) {
	const what = "target"
	before, _, _ := strings.Cut(s, "/")
	if a, err := parseAuthority(what, before, 443); err == nil && a.Host != "" {
		return Target{}, fail(what, s, 0, "scheme-missing", "https://"+s)
	}
	p, err := parsePrefix(what, s)
	if err != nil {
		return Target{}, err
	}
	return Target{Kind: PrefixTarget, Prefix: p}, nil
}

// String prints the normal form; "" for the zero value. ParseTarget reads it back to an equal Target.
func (t Target) String() string {
	name := string(t.Host)
	if t.Addr.IsValid() {
		name = t.Addr.String()
	}
	switch t.Kind {
	case PrefixTarget:
		return t.Prefix.String()
	case URLTarget:
		if t.Addr.Is6() {
			name = "[" + name + "]"
		}
		if t.Port != schemePort(t.Scheme) {
			name += ":" + strconv.Itoa(int(t.Port))
		}
		return t.Scheme + "://" + name + t.Path
	}
	if t.Port == 0 {
		return name
	}
	return Authority{Host: t.Host, Addr: t.Addr, Port: t.Port}.String()
}

// MarshalText prints the normal form.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
