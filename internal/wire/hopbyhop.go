package wire

// role is what a field is to an intermediary.
type role uint8

const (
	endToEnd  role = iota
	hopByHop       // never forwarded
	routing        // Host: replaced by the authority that was decided
	framing        // Content-Length, Transfer-Encoding: computed anew
	trailing       // Trailer: written from the framing
	teRole         // TE: kept only as "trailers"
	expecting      // Expect: written by the gateway
	webSocket      // Sec-WebSocket-*: kept only with an upgrade
	advert         // Alt-Svc: would lead clients past the gateway
)

// roleOf tells the role of a field by its name. Proxy-* as a whole is between a client and its next hop.
func roleOf(name string) role {
	switch len(name) {
	case 2:
		if is(name, "te") {
			return teRole
		}
	case 4:
		if is(name, "host") {
			return routing
		}
	case 6:
		if is(name, "expect") {
			return expecting
		}
	case 7:
		switch name[0] | 0x20 {
		case 'u':
			if is(name, "upgrade") {
				return hopByHop
			}
		case 't':
			if is(name, "trailer") {
				return trailing
			}
		case 'a':
			if is(name, "alt-svc") {
				return advert
			}
		}
	case 10:
		if is(name, "connection") || is(name, "keep-alive") {
			return hopByHop
		}
	case 14:
		if is(name, "content-length") {
			return framing
		}
		if is(name, "http2-settings") { // RFC 7540, section 3.2.1: the offer of h2c
			return hopByHop
		}
	case 17:
		if is(name, "transfer-encoding") {
			return framing
		}
	}
	switch {
	case len(name) > 6 && name[0]|0x20 == 'p' && begins(name, "proxy-"):
		return hopByHop
	case len(name) > 14 && name[0]|0x20 == 's' && begins(name, "sec-websocket-"):
		return webSocket
	}
	return endToEnd
}

// connectionOptions is the union of the Connection fields of a head. Most heads name nothing but close and keep-alive,
// and cost nothing after that is known.
type connectionOptions struct {
	fields []Field
	any    bool // some option names something other than a well-known connection option
}

func optionsOf(fields []Field) connectionOptions {
	o := connectionOptions{fields: fields}
	for i := range fields {
		if len(fields[i].Name) != len("connection") || !is(fields[i].Name, "connection") {
			continue
		}
		for token, rest, ok := nextToken(fields[i].Value); ok; token, rest, ok = nextToken(rest) {
			if token != "" && !is(token, "close") && !is(token, "keep-alive") && !is(token, "upgrade") && !is(token, "te") {
				o.any = true
				return o
			}
		}
	}
	return o
}

// removes reports whether a Connection option takes the field called name along. A field that is meant for the origin
// is never taken: "Connection: Cookie" or "Connection: Authorization" from a client is an attempt to have the gateway
// strip what the origin needs to judge the request by (RFC 9110, section 7.6.1 forbids such options to senders).
func (o connectionOptions) removes(name string) bool {
	if !o.any || protected(name) {
		return false
	}
	for i := range o.fields {
		if len(o.fields[i].Name) == len("connection") && is(o.fields[i].Name, "connection") && declared(o.fields[i].Value, name) {
			return true
		}
	}
	return false
}

// protected reports whether no Connection option may remove the field called name.
func protected(name string) bool {
	if forbiddenTrailer(name) { // frames, routes, authenticates or describes: the same list for the same reason
		return true
	}
	for _, p := range [...]string{
		"accept", "origin", "referer", "user-agent", "x-ms-", "client-request-id", "x-client-", "return-client-request-id",
		"dpop", "server", "etag", "last-modified", "strict-transport-security", "x-frame-options", "x-content-type-options",
		"x-real-ip", "x-request-id", "traceparent", "tracestate", "from", "allow", "link", "p3p", "nel", "report-to",
		"reporting-endpoints", "referrer-policy", "permissions-policy", "cross-origin-", "clear-site-data", "x-xss-",
	} {
		if begins(name, p) {
			return true
		}
	}
	return false
}

// HopByHop removes from fields what is between two hops only: Connection and what it names, Keep-Alive, Proxy-*, TE
// (unless it accepts trailers, then "trailers" is left), Trailer, Transfer-Encoding, Upgrade and HTTP2-Settings (RFC
// 9110, section 7.6.1). A Connection option removes no field that frames, routes, authenticates or describes the
// message; it is ignored there. It works in place and returns the shortened slice; read Upgrade and the framing before.
//
// Restriction headers are not its business: AppendRequest deletes the client's and sets the plan's after every removal,
// so that no option can reach them.
func HopByHop(fields []Field) []Field {
	options := optionsOf(fields)
	if options.any {
		// Removing in place would overwrite the Connection fields that are still to be asked.
		options.fields = append([]Field(nil), fields...)
	}
	keep := fields[:0]
	for _, f := range fields {
		switch roleOf(f.Name) {
		case hopByHop, trailing:
			continue
		case framing:
			if len(f.Name) == len("transfer-encoding") {
				continue
			}
		case teRole:
			if !acceptsTrailers(f.Value) {
				continue
			}
			f.Value = "trailers"
		default:
			if options.removes(f.Name) {
				continue
			}
		}
		keep = append(keep, f)
	}
	clear(fields[len(keep):])
	return keep
}

// acceptsTrailers reports whether the value of a TE field has the member "trailers" (RFC 9110, section 10.1.4).
func acceptsTrailers(te string) bool { return declared(te, "trailers") }
