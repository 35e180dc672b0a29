package policy

import "sekisho/internal/endpoint"

// Hello is what the first bytes of a connection after CONNECT said.
type Hello struct {
	SNI    endpoint.Host // normal form; "" when absent or not a host name
	RawSNI string        // as sent, bounded by the reader; for records
	HasSNI bool          // a server name was sent, readable or not
	TLS    bool          // false: the first bytes were no ClientHello
}

// DecideTLS judges the server name of a tunnel or interception: it must be the CONNECT name, in normal form. Without a
// server name an intercepted host is intercepted under its CONNECT name, and a tunnel is refused unless
// Spec.TunnelWithoutSNI covers it. An Encrypted ClientHello cannot be told from GREASE (RFC 9849, section 6.2): what is
// judged is the outer name. A d that denies stays as it is.
func (p *Program) DecideTLS(d Decision, h Hello) Decision {
	rule := builtin("server name")
	switch {
	case !d.Allowed():
		return d.stay()
	case p == nil, d.Action != Tunnel && d.Action != Intercept:
		return d.deny(ReasonInternal, rule)
	case !h.TLS:
		return d.deny(ReasonNotTLS, rule)
	case h.HasSNI || h.SNI != "" || h.RawSNI != "":
		if h.SNI == "" || h.SNI != d.Host {
			return d.deny(ReasonSNI, rule)
		}
		return d
	case d.Action == Intercept:
		return d
	}
	for _, pattern := range p.noSNI {
		if pattern.Match(d.Host) {
			return d
		}
	}
	return d.deny(ReasonNoSNI, rule)
}

// DecideRequest judges the authority (Host, :authority or the absolute form) of one request inside an intercepted or
// forwarded connection: it must be the name and port of d, else the answer is 421. An empty authority is refused. A d
// that denies stays as it is.
func (p *Program) DecideRequest(d Decision, authority string) Decision {
	rule := builtin("request authority")
	var port uint16
	switch {
	case !d.Allowed():
		return d.stay()
	case p != nil && d.Action == Intercept:
		port = portHTTPS
	case p != nil && d.Action == Forward:
		port = portHTTP
	default:
		return d.deny(ReasonInternal, rule)
	}
	if authority == string(d.Host) && d.Port == port && d.Host != "" {
		return d
	}
	asked, err := endpoint.ParseAuthority(authority, port)
	if err != nil || asked.Host == "" || asked.Host != d.Host || asked.Port != d.Port {
		return d.deny(ReasonAuthority, rule)
	}
	return d
}
