package endpoint

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Proto is a transport protocol. The zero value is none.
type Proto uint8

const (
	// TCP is the Transmission Control Protocol.
	TCP Proto = iota + 1
	// UDP is the User Datagram Protocol.
	UDP
)

// String is the stable code: tcp, udp, or "none" for the zero value.
func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return "none"
}

// MarshalText prints the code.
func (p Proto) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// PortRange is First to Last inclusive, 1 to 65535.
type PortRange struct {
	Proto       Proto
	First, Last uint16
}

// Ports is a list of ranges, sorted by protocol and number, merged where they touch. nil allows nothing. Obtain it from
// ParsePorts, NewPorts or Union; it is not changed afterwards.
type Ports []PortRange

// portsBytes bounds the text of a list of ports (chosen: the longest list that Microsoft publishes has 120 bytes).
const portsBytes = 4096

// ParsePorts reads groups separated by spaces, each a protocol and a list of ports and ranges:
// "tcp/80,443 udp/123 tcp/5228-5230". The order does not matter; String prints the normal form. It returns *ParseError
// for an empty list, an unknown or missing protocol, port 0, leading zeros and ranges that end before they begin.
func ParsePorts(s string) (Ports, error) {
	const what = "ports"
	if len(s) > portsBytes {
		return nil, fail(what, s, portsBytes, "input-too-long", "")
	}
	var ranges []PortRange
	at := 0
	for at < len(s) {
		if s[at] == ' ' {
			at++
			continue
		}
		end := len(s)
		if i := strings.IndexByte(s[at:], ' '); i >= 0 {
			end = at + i
		}
		var err *ParseError
		if ranges, err = parsePortGroup(ranges, s, at, end); err != nil {
			return nil, err
		}
		at = end
	}
	if len(ranges) == 0 {
		return nil, fail(what, s, 0, "empty", "")
	}
	return mergePorts(ranges), nil
}

// parsePortGroup appends the ranges of the group s[at:end].
func parsePortGroup(ranges []PortRange, s string, at, end int) ([]PortRange, *ParseError) {
	const what = "ports"
	name, list, ok := strings.Cut(s[at:end], "/")
	if !ok {
		want := ""
		if n, isPort := number(s, 65535); isPort && n > 0 {
			want = "tcp/" + s
		}
		return nil, fail(what, s, at, "protocol", want)
	}
	var proto Proto
	switch {
	case strings.EqualFold(name, "tcp"):
		proto = TCP
	case strings.EqualFold(name, "udp"):
		proto = UDP
	default:
		return nil, fail(what, s, at, "protocol", "")
	}
	at += len(name) + 1
	for item := range strings.SplitSeq(list, ",") {
		if item == "" {
			return nil, fail(what, s, at, "separator", "")
		}
		lowest, highest, isRange := strings.Cut(item, "-")
		first, ok := number(lowest, 65535)
		if !ok || first == 0 {
			return nil, fail(what, s, at, "port", "")
		}
		last := first
		if isRange {
			if last, ok = number(highest, 65535); !ok || last == 0 {
				return nil, fail(what, s, at+len(lowest)+1, "port", "")
			}
			if last < first {
				return nil, fail(what, s, at, "port-order", "")
			}
		}
		ranges = append(ranges, PortRange{proto, uint16(first), uint16(last)})
		at += len(item) + 1
	}
	return ranges, nil
}

// MustPorts is ParsePorts for lists written in the program; it panics on a mistake.
func MustPorts(s string) Ports {
	p, err := ParsePorts(s)
	if err != nil {
		panic(err)
	}
	return p
}

// NewPorts returns the normal form of ranges. Ranges without protocol, with port 0 or that end before they begin allow
// nothing and are left out.
func NewPorts(ranges ...PortRange) Ports {
	var valid []PortRange
	for _, r := range ranges {
		if (r.Proto == TCP || r.Proto == UDP) && r.First > 0 && r.First <= r.Last {
			valid = append(valid, r)
		}
	}
	return mergePorts(valid)
}

// mergePorts sorts ranges and joins those that overlap or touch. It takes ranges over.
func mergePorts(ranges []PortRange) Ports {
	slices.SortFunc(ranges, func(a, b PortRange) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.First, b.First))
	})
	var out Ports
	for _, r := range ranges {
		if n := len(out); n > 0 && out[n-1].Proto == r.Proto && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// String prints the normal form: "tcp/80,443,5228-5230 udp/123"; "" for a list that allows nothing.
func (p Ports) String() string {
	var b strings.Builder
	for i, r := range p {
		switch {
		case i == 0:
			b.WriteString(r.Proto.String() + "/")
		case r.Proto != p[i-1].Proto:
			b.WriteString(" " + r.Proto.String() + "/")
		default:
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(r.First)))
		if r.Last != r.First {
			b.WriteString("-" + strconv.Itoa(int(r.Last)))
		}
	}
	return b.String()
}

// MarshalText prints the normal form.
func (p Ports) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a list by ParsePorts; an empty text is nil.
func (p *Ports) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*p = nil
		return nil
	}
	*p, err = ParsePorts(string(text))
	return err
}

// Allows reports whether port of proto is in the list.
func (p Ports) Allows(proto Proto, port uint16) bool {
	for _, r := range p {
		if r.Proto == proto && r.First <= port && port <= r.Last {
			return true
		}
	}
	return false
}

// Union returns what p or q allows.
func (p Ports) Union(q Ports) Ports { return mergePorts(slices.Concat(p, q)) }

// Equal reports whether p and q allow the same.
func (p Ports) Equal(q Ports) bool { return slices.Equal(p, q) }
