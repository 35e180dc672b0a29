package wire

// Field is one header field: Name keeps the case in which it came, Value is trimmed of optional white space. An empty
// Value is a field with an empty value.
type Field struct{ Name, Value string }

// Limits bound a head, and the trailers after a body. Fields that are zero take the defaults.
type Limits struct {
	LineBytes int // request line, status line, one field line, without CR LF; 16 KiB (HTTP.sys's default MaxFieldLength)
	HeadBytes int // whole head with all its CR LF; 64 KiB
	Fields    int // field lines; 200 (chosen: twice what the largest real heads have)
	// Room, where it is set, is asked before a head takes memory of its own because it does not fit the reader: n more
	// bytes, held until the head is done with. When it answers false the head is refused with CodeHeadRoom.
	Room func(n int) bool
}

const (
	defaultLineBytes = 16 << 10
	defaultHeadBytes = 64 << 10
	defaultFields    = 200
)

func (l Limits) or() Limits {
	if l.LineBytes <= 0 {
		l.LineBytes = defaultLineBytes
	}
	if l.HeadBytes <= 0 {
		l.HeadBytes = defaultHeadBytes
	}
	if l.Fields <= 0 {
		l.Fields = defaultFields
	}
	return l
}

// Check holds a request that came by another version of HTTP to the limits that it would have had to keep as HTTP/1.1.
// Errors are *Error.
func (l Limits) Check(method, target string, fields []Field) error {
	l = l.or()
	line := len(method) + len(" ") + len(target) + len(" HTTP/1.1")
	switch {
	case line > l.LineBytes:
		return refuse(CodeTargetTooLong)
	case len(fields) > l.Fields:
		return refuse(CodeFieldsTooMany)
	}
	head := line + len("\r\n\r\n")
	for _, f := range fields {
		size := len(f.Name) + len(": ") + len(f.Value)
		if size > l.LineBytes {
			return refuseField(CodeFieldTooLong, f.Name)
		}
		head += size + len("\r\n")
	}
	if head > l.HeadBytes {
		return refuse(CodeHeadTooLong)
	}
	return nil
}

// RequestHead is a strictly parsed HTTP/1 request head. The zero value is an empty head, to be filled by
// ReadRequestInto.
type RequestHead struct {
	Method string
	Target string  // as sent; see ParseTarget
	Minor  int     // HTTP/1.Minor: 0 or 1
	Fields []Field // in the order received
	Bytes  int     // size on the wire, with the empty line that ends it
}

// Get returns the value of the first field called name, ASCII case folded, and how many there are.
func (h *RequestHead) Get(name string) (value string, count int) { return get(h.Fields, name) }

// KeepAlive reports whether the client wants the connection to persist after this request (RFC 9112, section 9.3).
func (h *RequestHead) KeepAlive() bool { return persists(h.Minor, h.Fields) }

// ExpectsContinue reports whether the client waits for a 100 (Continue) before it sends the body. An HTTP/1.0 client
// never does (RFC 9110, section 10.1.1). ReadRequest has refused every other expectation.
func (h *RequestHead) ExpectsContinue() bool {
	_, n := get(h.Fields, "expect")
	return n > 0 && h.Minor == 1
}

// Upgrade returns the protocols that the client offers to change to, in lower case where they are known, "" when it
// offers none: Upgrade counts only with the Connection option "upgrade" and in HTTP/1.1 (RFC 9110, section 7.8).
func (h *RequestHead) Upgrade() string { return upgrade(h.Minor, h.Fields) }

// ResponseHead is a strictly parsed HTTP/1 response head.
type ResponseHead struct {
	Minor  int     // HTTP/1.Minor: 0 or 1
	Status int     // 100 to 999
	Reason string  // may be empty; opaque bytes
	Fields []Field // in the order received
	Bytes  int     // size on the wire, with the empty line that ends it
}

// Get returns the value of the first field called name, ASCII case folded, and how many there are.
func (h *ResponseHead) Get(name string) (value string, count int) { return get(h.Fields, name) }

// KeepAlive reports whether the origin lets the connection persist after this response (RFC 9112, section 9.3). It
// does not look at the framing: a body that ends with the connection ends it all the same.
func (h *ResponseHead) KeepAlive() bool { return persists(h.Minor, h.Fields) }

// Upgrade returns the protocol that a 101 changes to, "" when it names none.
func (h *ResponseHead) Upgrade() string { return upgrade(h.Minor, h.Fields) }

func get(fields []Field, name string) (value string, count int) {
	for i := range fields {
		if len(fields[i].Name) == len(name) && same(fields[i].Name, name) {
			if count == 0 {
				value = fields[i].Value
			}
			count++
		}
	}
	return value, count
}

func persists(minor int, fields []Field) bool {
	keep := minor == 1
	for i := range fields {
		if !is(fields[i].Name, "connection") {
			continue
		}
		for token, rest, ok := nextToken(fields[i].Value); ok; token, rest, ok = nextToken(rest) {
			switch {
			case is(token, "close"):
				return false
			case is(token, "keep-alive"):
				keep = true
			}
		}
	}
	return keep
}

func upgrade(minor int, fields []Field) string {
	if minor == 0 {
		return ""
	}
	offered, asked := "", false
	for i := range fields {
		switch name := fields[i].Name; {
		case is(name, "upgrade"):
			if offered != "" {
				offered += ", "
			}
			offered += fields[i].Value
		case is(name, "connection"):
			for token, rest, ok := nextToken(fields[i].Value); ok; token, rest, ok = nextToken(rest) {
				asked = asked || is(token, "upgrade")
			}
		}
	}
	switch {
	case !asked:
		return ""
	case is(offered, "websocket"):
		return "websocket"
	}
	return offered
}
