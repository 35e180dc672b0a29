package wire

import (
	"bufio"
	"bytes"
)

// ReadResponse reads one response head, also an interim one (1xx). Errors are those of ReadRequest. It is as strict as
// ReadRequest, with one liberty: the space before an empty reason phrase may be missing, which changes the meaning of
// nothing (RFC 9112, section 4 demands it from servers).
func ReadResponse(br *bufio.Reader, lim Limits) (*ResponseHead, error) {
	h := new(ResponseHead)
	if err := ReadResponseInto(br, lim, h); err != nil {
		return nil, err
	}
	return h, nil
}

// ReadResponseInto is ReadResponse into a head that the caller keeps; see ReadRequestInto.
func ReadResponseInto(br *bufio.Reader, lim Limits, h *ResponseHead) (err error) {
	lim = lim.or()
	fields := h.Fields[:0]
	*h = ResponseHead{Fields: fields}
	defer func() {
		if err != nil {
			clear(fields[:cap(fields)])
			*h = ResponseHead{Fields: fields}
		}
	}()
	first, err := br.Peek(1)
	if err != nil {
		return err
	}
	if first[0] != 'H' {
		return refuseLine(CodeStatusLine, 1)
	}
	b, err := readBlock(br, lim, CodeFieldTooLong)
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
		fields = make([]Field, 0, room+4)
	}
	h.Fields, err = parseFields(fields, b.raw[eol+2:], text[eol+2:], 2)
	if err != nil {
		return err
	}
	h.Bytes = b.bytes
	b.discard(br)
	return nil
}

// parseLine parses HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112, section 4).
func (h *ResponseHead) parseLine(line string) error {
	const prefix = len("HTTP/1.1")
	if len(line) < prefix+4 || line[prefix] != ' ' {
		if len(line) >= prefix && line[:5] == "HTTP/" {
			if _, err := parseVersion(line[:prefix]); err != nil {
				return err
			}
		}
		return refuseLine(CodeStatusLine, 1)
	}
	minor, err := parseVersion(line[:prefix])
	if err != nil {
		return err
	}
	a, b, c := line[prefix+1], line[prefix+2], line[prefix+3]
	if !digit(a) || !digit(b) || !digit(c) {
		return refuseLine(CodeStatusLine, 1)
	}
	status := int(a-'0')*100 + int(b-'0')*10 + int(c-'0')
	if status < 100 {
		return refuseLine(CodeStatus, 1)
	}
	rest := line[prefix+4:]
	if rest != "" {
		if rest[0] != ' ' {
			return refuseLine(CodeStatusLine, 1)
		}
		rest = rest[1:]
	}
	if bad := control(rest); bad >= 0 {
		return lineByte(rest[bad], CodeControlByte)
	}
	h.Minor, h.Status, h.Reason = minor, status, rest
	return nil
}
