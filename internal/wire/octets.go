package wire

// Classes of octets (RFC 9110, section 5.6.2; RFC 5234, appendix B.1). The tables are constants of the protocol.
const (
	octetToken  = 1 << iota // tchar: what names and methods are made of
	octetUpper              // A-Z, 0-9, "-", "_": what we take in a method
	octetTarget             // visible ASCII without "#": what we take in a target
	octetAuthority
)

var octets = octetTable()

func octetTable() (t [256]uint8) {
	for c := 0x21; c < 0x7f; c++ {
		if c != '#' {
			t[c] |= octetTarget
		}
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= octetToken | octetUpper | octetAuthority
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] |= octetToken | octetUpper | octetAuthority
		t[c|0x20] |= octetToken | octetAuthority
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= octetToken
	}
	for _, c := range "-_" {
		t[c] |= octetUpper
	}
	for _, c := range "-._:[]" {
		t[c] |= octetAuthority
	}
	return t
}

// text is what the scanners work on: the reader's own bytes while a head is parsed, strings afterwards.
type text interface{ ~string | ~[]byte }

// allOf returns the offset of the first octet of s that is not of class, or -1.
func allOf[T text](s T, class uint8) int {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&class == 0 {
			return i
		}
	}
	return -1
}

// control returns the offset of the first octet that no field value may hold (RFC 9110, section 5.5: control bytes
// except HTAB), or -1. It looks at eight octets at a time, since values are most of a head.
func control[T text](s T) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		c := s[i : i+8]
		x := uint64(c[0]) | uint64(c[1])<<8 | uint64(c[2])<<16 | uint64(c[3])<<24 |
			uint64(c[4])<<32 | uint64(c[5])<<40 | uint64(c[6])<<48 | uint64(c[7])<<56
		low := (x - ones*0x20) &^ x // high bit where an octet is below 0x20 (a borrow may add false ones, never hide one)
		del := x ^ ones*0x7f
		del = (del - ones) &^ del
		if (low|del)&highs != 0 {
			break // the loop below finds which, or clears HTAB
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return i
		}
	}
	return -1
}

// trim removes optional white space (OWS, RFC 9110, section 5.6.3) from both ends and returns the bounds in s.
func trim[T text](s T, from, to int) (int, int) {
	for from < to && (s[from] == ' ' || s[from] == '\t') {
		from++
	}
	for from < to && (s[to-1] == ' ' || s[to-1] == '\t') {
		to--
	}
	return from, to
}

func trimString(s string) string {
	from, to := trim(s, 0, len(s))
	return s[from:to]
}

// is reports whether s equals lower, ASCII case folded. lower must be in lower case.
func is(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// begins reports whether s begins with lower, ASCII case folded.
func begins(s, lower string) bool { return len(s) >= len(lower) && is(s[:len(lower)], lower) }

// same reports whether a and b are equal, ASCII case folded.
func same(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

// nextToken cuts the first element of a comma list (RFC 9110, section 5.6.1), trimmed. ok is false at the end.
func nextToken(list string) (token, rest string, ok bool) {
	if list == "" {
		return "", "", false
	}
	for i := 0; i < len(list); i++ {
		if list[i] == ',' {
			return trimString(list[:i]), list[i+1:], true
		}
	}
	return trimString(list), "", true
}
