package wire

import "strconv"

// AppendResponse appends the head of a response towards an HTTP/1.clientMinor client: it validates status, names and
// values again, drops hop-by-hop fields and Alt-Svc, and writes framing and connection fields itself. f is the framing
// of the body that WriteBody will send; a Chunked body goes to HTTP/1.0 as UntilClose (see Framing.To), which is an
// error here.
//
// With NoBody the Content-Length of the fields is kept, because the answer to a HEAD and a 304 carry the length of a
// body that is not sent (RFC 9110, section 8.6); 1xx and 204 lose it. NoBody therefore is right only where
// ResponseFraming returned it; a response that has a body of no bytes is {Kind: Length}.
//
// UntilClose implies closing. A 101 keeps Upgrade and Sec-WebSocket-* and needs an Upgrade field. On an error dst is
// returned as it was. AppendResponse does not allocate when dst has room.
func AppendResponse(dst []byte, h *ResponseHead, f Framing, clientMinor int, closing bool) ([]byte, error) {
	if err := checkAnswer(h, f, clientMinor); err != nil {
		return dst, err
	}
	out := append(dst, "HTTP/1.1 "...) // the version of the sender, also to HTTP/1.0 (RFC 9110, section 6.2)
	out = strconv.AppendInt(out, int64(h.Status), 10)
	out = append(out, ' ')
	out = append(out, h.Reason...)
	out = append(out, "\r\n"...)

	options := optionsOf(h.Fields)
	switching := h.Status == 101
	upgraded := false
	lengths := 0
	for i := range h.Fields {
		x := &h.Fields[i]
		if err := checkField(x); err != nil {
			return dst, err
		}
		switch roleOf(x.Name) {
		case hopByHop:
			if switching && !upgraded && is(x.Name, "upgrade") && x.Value != "" {
				upgraded = true
				out = appendField(out, "Upgrade", x.Value)
			}
			continue
		case trailing, teRole, routing, expecting, advert:
			continue
		case framing:
			if len(x.Name) != len("content-length") || f.Kind != NoBody || h.Status < 200 || h.Status == 204 {
				continue
			}
			if lengths++; lengths > 1 {
				return dst, refuse(CodeContentLengthMany)
			}
			n, err := parseLength(trimString(x.Value))
			if err != nil {
				return dst, err
			}
			out = appendLength(out, n)
			continue
		case webSocket:
			if !switching {
				continue
			}
		default:
			if options.removes(x.Name) {
				continue
			}
		}
		out = appendField(out, x.Name, x.Value)
	}
	switch f.Kind {
	case Length:
		out = appendLength(out, f.Length)
	case Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if f.Trailer != "" {
			out = appendField(out, "Trailer", f.Trailer)
		}
	}
	switch {
	case switching && !upgraded:
		return dst, refuse(CodeUpgradeUnsupported)
	case switching:
		out = append(out, "Connection: Upgrade\r\n"...)
	case h.Status < 200: // an interim answer says nothing about the connection
	case closing || f.Kind == UntilClose:
		out = append(out, "Connection: close\r\n"...)
	case clientMinor == 0:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "\r\n"...), nil
}

func appendLength(out []byte, n int64) []byte {
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, n, 10)
	return append(out, "\r\n"...)
}

func checkAnswer(h *ResponseHead, f Framing, clientMinor int) error {
	switch {
	case h.Status < 100 || h.Status > 999:
		return refuse(CodeStatus)
	case h.Status < 200 && clientMinor == 0: // HTTP/1.0 knows no interim answers (RFC 9110, section 15.2)
		return refuse(CodeStatus)
	case control(h.Reason) >= 0:
		return refuse(CodeStatusLine)
	case bodiless(h.Status) && f.Kind != NoBody:
		return refuse(CodeFramingInvalid)
	case f.Kind == Chunked && clientMinor == 0:
		return refuse(CodeChunkedHTTP10)
	case f.Kind == Length && f.Length < 0, f.Kind > UntilClose:
		return refuse(CodeFramingInvalid)
	}
	if f.Kind == Chunked {
		return checkDeclared(f.Trailer)
	}
	return nil
}
