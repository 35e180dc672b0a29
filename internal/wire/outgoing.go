package wire

import (
	"strconv"

	"sekisho/internal/restrict"
)

// Outgoing is a request on its way to an origin, whatever HTTP version it came by. Nothing in it is trusted.
type Outgoing struct {
	Method    string
	Path      string // origin-form, or "*" for OPTIONS
	Authority string // host[:port] for Host; derived from the Decision, never from the client
	// Fields are the client's, hop-by-hop ones included. A Host among them must name Authority (a port may be missing on
	// either side); a Content-Length must agree with Framing.
	Fields  []Field
	Framing Framing // NoBody, Length or Chunked
	// Upgrade is "websocket" to pass the client's handshake on, else "". It is refused on anything but a GET without
	// body, and beside restriction headers: what follows a 101 is seen by nobody.
	Upgrade string
	// Expect sends "Expect: 100-continue" when a body follows. The client's own Expect is dropped: whoever sets this
	// waits for the origin's 100, whoever does not has answered the client itself.
	Expect bool
	Close  bool // send Connection: close
	// Absolute writes the whole URL as the target, as a proxy is asked (RFC 9112, section 3.2.2): plain HTTP through a
	// parent. ProxyAuthorization, where it is not "", is then sent to it; without Absolute it is refused.
	Absolute           bool
	ProxyAuthorization string
}

// AppendRequest appends the head of o to dst: the one serialiser of requests. It validates method, path, authority,
// names and values, drops hop-by-hop fields, computes the framing, deletes every field that plan deletes, whatever any
// Connection option says, and then sets what plan sets, exactly once each.
//
// On an error dst is returned as it was. A plan that is not ready is an error, always the first one looked for. Errors
// are *Error. Values are trimmed of white space at both ends. AppendRequest does not allocate when dst has room.
func AppendRequest(dst []byte, o *Outgoing, plan restrict.Plan) ([]byte, error) {
	if !plan.Ready() {
		return dst, refuse(CodeNoPlan)
	}
	set := plan.Set()
	if err := o.check(set); err != nil {
		return dst, err
	}
	out := append(dst, o.Method...)
	out = append(out, ' ')
	if o.Absolute {
		out = append(out, "http://"...)
		out = append(out, o.Authority...)
	}
	if !o.Absolute || o.Path != "*" { // OPTIONS * is asked through a proxy without a path (RFC 9112, section 3.2.4)
		out = append(out, o.Path...)
	}
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, o.Authority...)
	out = append(out, "\r\n"...)

	options := optionsOf(o.Fields)
	trailers, hosts, lengths := false, 0, 0
	for i := range o.Fields {
		f := &o.Fields[i]
		if err := checkField(f); err != nil {
			return dst, err
		}
		if plan.Deletes(f.Name) {
			continue
		}
		switch roleOf(f.Name) {
		case hopByHop, trailing, expecting, advert:
			continue
		case teRole:
			trailers = trailers || acceptsTrailers(f.Value)
			continue
		case routing:
			if hosts++; hosts > 1 {
				return dst, refuse(CodeHostMultiple)
			}
			if !hostAgrees(trimString(f.Value), o.Authority) {
				return dst, refuse(CodeHostMismatch)
			}
			continue
		case framing:
			if err := o.checkFraming(f, &lengths); err != nil {
				return dst, err
			}
			continue
		case webSocket:
			if o.Upgrade == "" {
				continue
			}
		default:
			if options.removes(f.Name) {
				continue
			}
		}
		out = appendField(out, f.Name, f.Value)
	}
	for i := range set {
		out = appendField(out, set[i].Name, set[i].Value)
	}
	if o.ProxyAuthorization != "" {
		out = appendField(out, "Proxy-Authorization", o.ProxyAuthorization)
	}
	out = o.appendFraming(out)
	out = o.appendConnection(out, trailers)
	return append(out, "\r\n"...), nil
}

// check judges everything but the fields.
func (o *Outgoing) check(set []restrict.Field) error {
	if err := checkMethod(o.Method); err != nil {
		return err
	}
	if err := checkPath(o.Method, o.Path); err != nil {
		return err
	}
	if splitAuthority(o.Authority, false) != authorityFine {
		return refuse(CodeAuthorityInvalid)
	}
	for i := range set {
		if set[i].Name == "" || allOf(set[i].Name, octetToken) >= 0 || roleOf(set[i].Name) != endToEnd ||
			set[i].Value == "" || control(set[i].Value) >= 0 {
			return refuseField(CodePlanInvalid, set[i].Name)
		}
		for j := range set[:i] {
			if same(set[i].Name, set[j].Name) {
				return refuseField(CodePlanInvalid, set[i].Name)
			}
		}
	}
	if o.ProxyAuthorization != "" && !o.Absolute || control(o.ProxyAuthorization) >= 0 {
		return refuseField(CodePlanInvalid, "Proxy-Authorization")
	}
	switch o.Framing.Kind {
	case NoBody:
	case Length:
		if o.Framing.Length < 0 {
			return refuse(CodeFramingInvalid)
		}
	case Chunked:
		if err := checkDeclared(o.Framing.Trailer); err != nil {
			return err
		}
	default:
		return refuse(CodeFramingInvalid)
	}
	switch o.Method {
	case "CONNECT":
		return refuse(CodeMethodConnect)
	case "TRACE":
		// An origin that answers TRACE shows the client the headers that were set for it (RFC 9110, section 9.3.8), and a
		// TRACE has no body.
		if len(set) > 0 || o.hasBody() {
			return refuse(CodeMethodTrace)
		}
	}
	if o.Upgrade == "" {
		return nil
	}
	if o.Upgrade != "websocket" || o.Method != "GET" || o.hasBody() {
		return refuse(CodeUpgradeUnsupported)
	}
	if len(set) > 0 {
		return refuse(CodeUpgradeRestricted)
	}
	return nil
}

func (o *Outgoing) hasBody() bool {
	return o.Framing.Kind == Chunked || o.Framing.Kind == Length && o.Framing.Length > 0
}

// checkPath takes origin-form, and asterisk-form for OPTIONS. HTTP/2's :path reaches us with whatever octets the client
// put there.
func checkPath(method, path string) error {
	if path == "*" && method == "OPTIONS" {
		return nil
	}
	if path == "" || path[0] != '/' || allOf(path, octetTarget) >= 0 {
		return refuse(CodePathInvalid)
	}
	return nil
}

func checkField(f *Field) error {
	if f.Name == "" {
		return refuse(CodeNameEmpty)
	}
	if i := allOf(f.Name, octetToken); i >= 0 {
		if f.Name[i] >= 0x80 {
			return refuseField(CodeNameNonASCII, f.Name)
		}
		return refuseField(CodeNameByte, f.Name)
	}
	if control(f.Value) >= 0 {
		return refuseField(CodeValueByte, f.Name)
	}
	for i := 0; i < len(f.Name); i++ {
		if f.Name[i] == '_' {
			return checkUnderscore(f.Name)
		}
	}
	return nil
}

// checkUnderscore refuses Content_Length and its kind: servers that hand fields on as CGI variables cannot tell it from
// Content-Length (RFC 3875, section 4.1.18), and whoever sends it counts on that.
func checkUnderscore(name string) error {
	for _, known := range [...]string{"content-length", "transfer-encoding", "http2-settings"} {
		if lookalike(name, known) {
			return refuseField(CodeNameLookalike, name)
		}
	}
	return nil
}

// hostAgrees compares a Host with the authority that was decided: same name, one trailing dot and case aside, and the
// same port where both name one. It is the last of several comparisons, so it may only be stricter than they are.
func hostAgrees(host, authority string) bool {
	if splitAuthority(host, false) != authorityFine {
		return false
	}
	h, hp, hHas := cutPort(host)
	a, ap, aHas := cutPort(authority)
	if len(h) > 1 && h[len(h)-1] == '.' {
		h = h[:len(h)-1]
	}
	return same(h, a) && (!hHas || !aHas || hp == ap)
}

// checkFraming judges a Content-Length or Transfer-Encoding among the fields against o.Framing.
func (o *Outgoing) checkFraming(f *Field, lengths *int) error {
	if len(f.Name) == len("transfer-encoding") {
		if o.Framing.Kind != Chunked {
			return refuse(CodeFramingInvalid)
		}
		if !is(trimString(f.Value), "chunked") {
			return refuse(CodeTransferEncoding)
		}
		return nil
	}
	if *lengths++; *lengths > 1 {
		return refuse(CodeContentLengthMany)
	}
	n, err := parseLength(trimString(f.Value))
	if err != nil {
		return err
	}
	if o.Framing.Kind == Chunked || n != o.Framing.Length {
		return refuse(CodeFramingInvalid)
	}
	return nil
}

// appendFraming writes the framing fields. A request that could have a body says so when it has none (RFC 9110, section
// 8.6), because some origins wait for one.
func (o *Outgoing) appendFraming(out []byte) []byte {
	switch {
	case o.Framing.Kind == Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if o.Framing.Trailer != "" {
			out = appendField(out, "Trailer", o.Framing.Trailer)
		}
	case o.Framing.Kind == Length, o.Method == "POST", o.Method == "PUT", o.Method == "PATCH":
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, o.Framing.Length, 10)
		out = append(out, "\r\n"...)
	}
	if o.Expect && o.hasBody() {
		out = append(out, "Expect: 100-continue\r\n"...)
	}
	return out
}

func (o *Outgoing) appendConnection(out []byte, trailers bool) []byte {
	if trailers {
		out = append(out, "TE: trailers\r\n"...)
	}
	if o.Upgrade != "" {
		out = append(out, "Upgrade: websocket\r\n"...)
	}
	switch {
	case o.Upgrade != "" && trailers:
		return append(out, "Connection: Upgrade, TE\r\n"...)
	case o.Upgrade != "":
		return append(out, "Connection: Upgrade\r\n"...)
	case o.Close && trailers:
		return append(out, "Connection: close, TE\r\n"...)
	case o.Close:
		return append(out, "Connection: close\r\n"...)
	case trailers:
		return append(out, "Connection: TE\r\n"...)
	}
	return out
}

func appendField(out []byte, name, value string) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, trimString(value)...)
	return append(out, "\r\n"...)
}
