package wire

import (
	"bufio"
	"bytes"
)

const maxMethod = 32 // chosen: the longest registered method, UPDATEREDIRECTREF, has 17 bytes (IANA HTTP Method Registry)

// ReadRequest reads one request head. It returns io.EOF when the stream ends before the first byte,
// io.ErrUnexpectedEOF when it ends inside the head, the reader's error, or *Error for what is refused; after an *Error
// the stream is of no further use. Exactly the head is consumed, unless the head is refused.
//
// Besides the syntax it judges what has no second reading: an HTTP/1.1 request has exactly one non-empty Host (RFC
// 9112, section 3.2), HTTP/1.0 at most one, and the only expectation is 100-continue. Framing and target have their own
// functions.
func ReadRequest(br *bufio.Reader, lim Limits) (*RequestHead, error) {
	h := new(RequestHead)
	if err := ReadRequestInto(br, lim, h); err != nil {
		return nil, err
	}
	return h, nil
}

// ReadRequestInto is ReadRequest into a head that the caller keeps: h.Fields keeps its room, so that a connection pays
// one allocation a head, for its text. After an error h holds nothing.
func ReadRequestInto(br *bufio.Reader, lim Limits, h *RequestHead) (err error) {
	lim = lim.or()
	fields := h.Fields[:0]
	*h = RequestHead{Fields: fields}
	defer func() {
		if err != nil {
			clear(fields[:cap(fields)])
			*h = RequestHead{Fields: fields}
		}
	}()
	if err := skipEmptyLine(br); err != nil {
		return err
	}
	b, err := readBlock(br, lim, CodeTargetTooLong)
	if err != nil {
		return err
	}
	text := string(b.raw)
	eol := bytes.IndexByte(b.raw, '\r')
	if b.raw[eol+1] != '\n' {
		return refuseLine(CodeBareCR, 1)
	}
	if err := h.parseLine(text[:eol]); err != nil {
		return err
	}
	if room := b.lines - 1; cap(fields) < room {
		fields = make([]Field, 0, room+4) // 4: what AppendRequest's callers may add
	}
	h.Fields, err = parseFields(fields, b.raw[eol+2:], text[eol+2:], 2)
	if err != nil {
		return err
	}
	h.Bytes = b.bytes
	if err := h.check(); err != nil {
		return err
	}
	b.discard(br)
	return nil
}

// skipEmptyLine waits for the first byte and skips at most one CR LF before it (RFC 9112, section 2.2). It refuses a
// first byte that begins no method at once: the other side speaks another protocol (a TLS ClientHello begins with
// 0x16) and may never send a line end.
func skipEmptyLine(br *bufio.Reader) error {
	first, err := br.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == '\r' {
		two, err := br.Peek(2)
		if err != nil {
			return cut(err)
		}
		if two[1] != '\n' {
			return refuseLine(CodeBareCR, 1)
		}
		br.Discard(2)
		if first, err = br.Peek(1); err != nil {
			return err // io.EOF: an empty line after a body is no request
		}
		if first[0] == '\r' {
			return refuseLine(CodeEmptyLine, 1)
		}
	}
	switch c := first[0]; {
	case octets[c]&octetToken != 0:
		return nil
	case c == '\n':
		return refuseLine(CodeBareLF, 1)
	case c == ' ' || c == '\t':
		return refuseLine(CodeRequestLine, 1)
	case c == 0:
		return refuseLine(CodeNUL, 1)
	}
	return refuseLine(CodeMethodByte, 1)
}

// parseLine parses method SP request-target SP HTTP-version (RFC 9112, section 3). The lenient splitting on white space
// that the section mentions is not done: it is what lets two parsers see two targets.
func (h *RequestHead) parseLine(line string) error {
	sp := allOf(line, octetToken)
	switch {
	case sp < 0:
		return refuse(CodeRequestLine)
	case sp == 0 || line[sp] != ' ':
		return lineByte(line[sp], CodeMethodByte)
	}
	method := line[:sp]
	if err := checkMethod(method); err != nil {
		return err
	}
	rest := line[sp+1:]
	end := allOf(rest, octetTarget)
	switch {
	case rest == "" || end == 0 && rest[0] == ' ':
		return refuse(CodeTargetEmpty)
	case end < 0:
		return refuse(CodeVersionMissing)
	case rest[end] == '#':
		return refuse(CodeTargetFragment)
	case rest[end] == '\t':
		return refuse(CodeTargetSpace)
	case rest[end] != ' ':
		return lineByte(rest[end], CodeTargetByte)
	}
	version := rest[end+1:]
	for i := 0; i < len(version); i++ {
		if version[i] == ' ' || version[i] == '\t' {
			return refuse(CodeTargetSpace)
		}
	}
	minor, err := parseVersion(version)
	if err != nil {
		return err
	}
	h.Method, h.Target, h.Minor = method, rest[:end], minor
	return nil
}

// lineByte is the code for octet c where it may not stand in a first line.
func lineByte(c byte, other string) error {
	switch {
	case c == 0:
		return refuse(CodeNUL)
	case c == '\r':
		return refuse(CodeBareCR)
	case c == '\t' || c == ' ':
		return refuse(CodeRequestLine)
	}
	return refuse(other)
}

// checkMethod takes upper-case letters, digits, "-" and "_" (BITS_POST, RPC_IN_DATA, M-SEARCH). Methods are case
// sensitive (RFC 9110, section 9.1), yet "connect" and "Trace" exist only to be read differently by two recipients.
func checkMethod(m string) error {
	if m == "" {
		return refuse(CodeMethodByte)
	}
	if len(m) > maxMethod {
		return refuse(CodeMethodTooLong)
	}
	if i := allOf(m, octetUpper); i >= 0 {
		if 'a' <= m[i] && m[i] <= 'z' {
			return refuse(CodeMethodCase)
		}
		return refuse(CodeMethodByte)
	}
	return nil
}

// parseVersion takes HTTP/1.0 and HTTP/1.1 (RFC 9112, section 2.3: the name is case sensitive). The preface of HTTP/2
// with prior knowledge says HTTP/2.0 and is refused here.
func parseVersion(v string) (minor int, err error) {
	switch v {
	case "HTTP/1.1":
		return 1, nil
	case "HTTP/1.0":
		return 0, nil
	case "":
		return 0, refuse(CodeVersionMissing)
	}
	if len(v) == 8 && v[:5] == "HTTP/" && digit(v[5]) && v[6] == '.' && digit(v[7]) {
		return 0, refuse(CodeVersionUnsupported)
	}
	for i := 0; i < len(v); i++ {
		if v[i] == 0 || v[i] == '\r' {
			return 0, lineByte(v[i], "")
		}
	}
	return 0, refuse(CodeVersionInvalid)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// check judges Host and Expect.
func (h *RequestHead) check() error {
	hosts := 0
	for i := range h.Fields {
		f := &h.Fields[i]
		switch len(f.Name) {
		case len("host"):
			if !is(f.Name, "host") {
				continue
			}
			if hosts++; hosts > 1 {
				return refuse(CodeHostMultiple)
			}
			if f.Value == "" {
				return refuse(CodeHostEmpty)
			}
			if splitAuthority(f.Value, false) != authorityFine {
				return refuse(CodeHostInvalid)
			}
		case len("expect"):
			if is(f.Name, "expect") && h.Minor == 1 && !is(f.Value, "100-continue") {
				return refuse(CodeExpect)
			}
		}
	}
	if hosts == 0 && h.Minor == 1 {
		return refuse(CodeHostMissing)
	}
	return nil
}
