package endpoint

import (
	"net/netip"
	"strconv"
	"strings"
)

// Authority is host:port as in CONNECT and in the Host field. Of Host and Addr exactly one is set; the zero value is no
// authority. It is comparable.
type Authority struct {
	Host Host       // a name in normal form, or ""
	Addr netip.Addr // an address without zone, never IPv4 in IPv6 form, or the zero Addr
	Port uint16     // 1 to 65535
}

// ParseAuthority reads "host:port", "192.0.2.1:port" or "[v6]:port" (RFC 9110, section 4.2.1, without user information).
// A defaultPort other than 0 stands in for a port that is not written; 0 makes the port obligatory.
//
// It returns *ParseError for user information, an empty port, port 0, leading zeros, signs, white space, IPv6 without
// brackets, zones and IPv4 in IPv6 form, and for everything that ParseHost refuses: odd spellings of addresses (0x7f.1,
// 127.1, 2130706433) are refused as such, never handed on as host names.
func ParseAuthority(s string, defaultPort uint16) (Authority, error) {
	return parseAuthority("authority", s, defaultPort)
}

func parseAuthority(what, s string, defaultPort uint16) (Authority, error) {
	var none Authority
	if s == "" {
		return none, fail(what, s, 0, "empty", "")
	}
	if at := strings.IndexByte(s, '@'); at >= 0 {
		return none, fail(what, s, at, "userinfo", "")
	}
	name, port, portAt := s, "", -1
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return none, fail(what, s, 0, "bracket", "")
		}
		name = s[:end+1]
		if rest := s[end+1:]; rest != "" {
			if rest[0] != ':' {
				return none, fail(what, s, end+1, "port", "")
			}
			port, portAt = rest[1:], end+2
		}
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 {
		if _, err := netip.ParseAddr(s); err == nil {
			return none, fail(what, s, 0, "bracket", "")
		}
		name, port, portAt = s[:colon], s[colon+1:], colon+1
	}
	a := Authority{Port: defaultPort}
	if portAt >= 0 {
		n, ok := number(port, 65535)
		if !ok || n == 0 {
			return none, fail(what, s, portAt, "port", "")
		}
		a.Port = uint16(n)
	} else if defaultPort == 0 {
		return none, fail(what, s, len(s), "port-missing", "")
	}
	if name == "" {
		return none, fail(what, s, 0, "empty", "")
	}
	if err := a.setName(what, s, name); err != nil {
		return none, err
	}
	return a, nil
}

// setName reads name, with which s begins, as address or host.
func (a *Authority) setName(what, s, name string) error {
	if name[0] == '[' {
		addr, err := parseAddr(what, s, name[1:len(name)-1], 1)
		if err != nil {
			if err.Reason == "prefix" {
				err.Reason = "bracket"
			}
			err.Want = ""
			return err
		}
		if !addr.Is6() {
			return fail(what, s, 0, "bracket", "")
		}
		a.Addr = addr
		return nil
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is4() {
		a.Addr = addr
		return nil
	}
	h, err := parseHost(what, name)
	if err != nil {
		return within(err, what, s, 0)
	}
	a.Host = h
	return nil
}

// IsZero reports whether a is no authority.
func (a Authority) IsZero() bool { return a == Authority{} }

// Name prints the host or the address without port, IPv6 without brackets.
func (a Authority) Name() string {
	if a.Host == "" && a.Addr.IsValid() {
		return a.Addr.String()
	}
	return string(a.Host)
}

// String prints host:port, with brackets around IPv6; "" for the zero value. ParseAuthority reads it back.
func (a Authority) String() string {
	if a.IsZero() {
		return ""
	}
	if a.Addr.IsValid() {
		return netip.AddrPortFrom(a.Addr, a.Port).String()
	}
	return string(a.Host) + ":" + strconv.Itoa(int(a.Port))
}

// MarshalText prints the authority.
func (a Authority) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
