package endpoint

import "net/netip"

// CONTRACT (bodies to be written; split into host.go, pattern.go, ports.go, url.go, authority.go, index.go, prefix.go)

// Host is a host name in normal form: lower case, IDNA A-labels, no trailing dot, at most 253 bytes, labels 1-63 of
// letters, digits, hyphen and underscore. Obtain it from ParseHost only.
type Host string

// ParseHost brings s into normal form. It returns *ParseError for what has no single meaning: percent signs,
// full-width and other compatibility forms, soft hyphens, empty labels, two trailing dots, address literals.
func ParseHost(s string) (Host, error) { panic("unwritten") }

func (h Host) String() string { return string(h) }

// ParseError says what was wrong with a text, and where.
type ParseError struct {
	What   string // "host", "pattern", "ports", "url", "authority", "prefix"
	Input  string
	Offset int    // byte offset in Input
	Reason string // stable code: "empty", "percent", "full-width", "soft-hyphen", "label-too-long", "character", ...
	Want   string // the normal form, when there is one
}

func (e *ParseError) Error() string { panic("unwritten") }

// Kind says which hosts a pattern covers.
type Kind uint8

const (
	Exact  Kind = iota // login.live.com
	Suffix             // *.manage.microsoft.com, not the apex
	Glued              // *cdn.onenote.net, *-files.sharepoint.com
	Inside             // autodiscover.*.onmicrosoft.com, azgn*.servicebus.windows.net
)

// Pattern is a host pattern. It is comparable; the zero value matches nothing.
type Pattern struct{ text string }

func ParsePattern(s string) (Pattern, error) { panic("unwritten") }
func MustPattern(s string) Pattern           { panic("unwritten") }
func ExactPattern(h Host) Pattern            { panic("unwritten") }
func (p Pattern) String() string             { return p.text }
func (p Pattern) Kind() Kind                 { panic("unwritten") }
func (p Pattern) Match(h Host) bool          { panic("unwritten") }
func (p Pattern) IsZero() bool               { return p.text == "" }

// Covers reports whether every host that q matches is matched by p.
func (p Pattern) Covers(q Pattern) bool { panic("unwritten") }

// Index finds the values of every pattern that covers a host. Build it with Add, then it is read-only and safe for
// concurrent use. The zero value is empty and usable.
type Index[T any] struct{}

func (x *Index[T]) Add(p Pattern, v T) { panic("unwritten") }
func (x *Index[T]) Len() int           { panic("unwritten") }

// Append appends the values whose patterns match h, most specific first (exact, then longer fixed text before
// shorter; equal patterns in the order added). It does not allocate when dst has room.
func (x *Index[T]) Append(dst []T, h Host) []T { panic("unwritten") }

// Best returns the first value that Append would give.
func (x *Index[T]) Best(h Host) (T, bool) { panic("unwritten") }

// PrefixIndex is Index for addresses (longest prefix first). Over gaissmai/bart.
type PrefixIndex[T any] struct{}

func (x *PrefixIndex[T]) Add(p netip.Prefix, v T)          { panic("unwritten") }
func (x *PrefixIndex[T]) Append(dst []T, a netip.Addr) []T { panic("unwritten") }
func (x *PrefixIndex[T]) Best(a netip.Addr) (T, bool)      { panic("unwritten") }

// Proto is a transport protocol.
type Proto uint8

const (
	TCP Proto = iota + 1
	UDP
)

func (p Proto) String() string { panic("unwritten") } // tcp, udp

// PortRange is First to Last inclusive.
type PortRange struct {
	Proto       Proto
	First, Last uint16
}

// Ports is a sorted, merged list. nil allows nothing.
type Ports []PortRange

// ParsePorts reads "tcp/80,443 udp/123 tcp/5228-5230" (print form is the same, normalised).
func ParsePorts(s string) (Ports, error)             { panic("unwritten") }
func (p Ports) String() string                       { panic("unwritten") }
func (p Ports) Allows(proto Proto, port uint16) bool { panic("unwritten") }

// Authority is host:port as in CONNECT and Host. Exactly one of Host and Addr is set.
type Authority struct {
	Host Host
	Addr netip.Addr
	Port uint16
}

// ParseAuthority reads "host:port", "[v6]:port"; defaultPort 0 makes the port obligatory. Userinfo, empty port, port
// 0, leading zeros, signs and white space are refused. Odd address forms (0x7f.1, 127.1, 2130706433, zone ids,
// v4-mapped v6) are refused as such, never handed on as host names.
func ParseAuthority(s string, defaultPort uint16) (Authority, error) { panic("unwritten") }
func (a Authority) String() string                                   { panic("unwritten") }

// URL is a URL pattern: scheme, host pattern, port and path prefix.
type URL struct {
	Scheme string // "http", "https"
	Host   Pattern
	Port   uint16 // 0: the scheme's
	Path   string // "" or begins with "/"
}

func ParseURL(s string) (URL, error) { panic("unwritten") }
func (u URL) String() string         { panic("unwritten") }
