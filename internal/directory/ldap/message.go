package ldap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/finding"
)

// Limits of one message from a server; chosen. The library makes some 300 bytes of each element and copies the content
// once for each level, so that 2 MiB of the worst kind become 30 MiB, whatever else they say.
const (
	maxEntryBytes   = 2 << 20   // of a found object: the attributes that are asked for stay below 100 KiB in practice
	maxOtherBytes   = 128 << 10 // of everything else; a DirSync cookie grows by 24 bytes with each domain controller
	maxElements     = 20_000    // AD gives at most 1,500 values of an attribute at once
	maxDepth        = 10        // a found object has 6 levels
	maxSealedBuffer = maxEntryBytes + 64<<10
)

// The tags of what is told apart (RFC 4511, section 4.2 and following).
const (
	tagEntry     = 0x64
	tagSequence  = 0x30
	tagInteger   = 0x02
	tagOctets    = 0x04
	indefinite   = 0x80
	highTagForm  = 0x1f
	constructed  = 0x20
	classMask    = 0xc0
	classOfTypes = 0x00 // universal
)

// wire is a connection as the library sees it: it hands over whole messages that were checked, and opens and seals them
// once Kerberos protects the connection.
type wire struct {
	net.Conn
	in      *bufio.Reader
	opened  []byte // of a sealed buffer, not read yet
	ready   []byte // of a checked message, not handed over yet
	sealing atomic.Pointer[sealing]

	mu    sync.Mutex
	first error // what was wrong first; the library keeps its text alone
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, in: bufio.NewReaderSize(c, 32<<10)} }

// problem is what was wrong with what the server sent; nil: nothing.
func (w *wire) problem() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

func (w *wire) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = err
	}
	return err
}

// Read gives the bytes of checked messages.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.ready) == 0 {
		message, err := readMessage(source{w})
		var problem *finding.Problem
		if errors.As(err, &problem) {
			err = w.fail(err)
		}
		if err != nil {
			return 0, err
		}
		w.ready = message
	}
	n := copy(p, w.ready)
	w.ready = w.ready[n:]
	return n, nil
}

// Write sends p, sealed where the connection is.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	s := w.sealing.Load()
	if s == nil {
		return w.Conn.Write(p)
	}
	sealed, err := s.seal(p)
	if err != nil {
		return 0, w.fail(err)
	}
	if _, err := w.Conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))), sealed...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// source is the stream of messages below the seal.
type source struct{ *wire }

func (s source) Read(p []byte) (int, error) {
	if len(s.opened) == 0 {
		// The first byte is waited for before it is asked whether the connection is sealed: the library waits for the next
		// message from the moment on when it has read the last one, which is before the bind is over.
		if _, err := s.in.Peek(1); err != nil {
			return 0, err
		}
		keys := s.sealing.Load()
		if keys == nil {
			return s.in.Read(p)
		}
		var head [4]byte
		if _, err := io.ReadFull(s.in, head[:]); err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > maxSealedBuffer {
			return 0, s.fail(finding.Fail("ldap.long-message", nil, "max", itoa(maxEntryBytes>>20), "dn", "-", "server", "-"))
		}
		token := make([]byte, n)
		if _, err := io.ReadFull(s.in, token); err != nil {
			return 0, err
		}
		plain, err := keys.open(token)
		if err != nil {
			return 0, s.fail(err)
		}
		s.wire.opened = plain
		if len(plain) == 0 {
			return 0, nil
		}
	}
	n := copy(p, s.opened)
	s.wire.opened = s.opened[n:]
	return n, nil
}

// garbage is the error of what is no message of LDAP.
func garbage(why string) error { return finding.Fail("ldap.garbage", nil, "why", why, "server", "-") }

// readMessage reads one LDAPMessage and checks its shape (RFC 4511, sections 4.1.1 and 5.1: definite lengths, octet strings
// in one piece). io.EOF says that the connection ended between two messages.
func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	if head[0] != tagSequence {
		return nil, garbage("begin")
	}
	if _, err := io.ReadFull(r, head[1:2]); err != nil {
		return nil, cut(err)
	}
	length := int(head[1])
	if head[1] >= indefinite {
		n := int(head[1] &^ indefinite)
		if n == 0 || n > 4 {
			return nil, garbage("length")
		}
		head = head[:2+n]
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, cut(err)
		}
		length = 0
		for _, b := range head[2:] {
			length = length<<8 | int(b)
		}
	}
	if length > maxEntryBytes {
		// Its beginning says whose it is.
		begin := make([]byte, 4<<10)
		if _, err := io.ReadFull(r, begin); err != nil {
			return nil, cut(err)
		}
		return nil, finding.Fail("ldap.long-message", nil, "max", itoa(maxEntryBytes>>20), "dn", nameIn(begin), "server", "-")
	}
	// What is announced is not believed before it comes.
	body, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && len(body) < length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, cut(err)
	}
	if err := check(body); err != nil {
		return nil, err
	}
	return append(head, body...), nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// element reads the head of an element at the beginning of b: its tag, and where its content begins and ends.
func element(b []byte) (tag byte, from, to int, err error) {
	if len(b) < 2 {
		return 0, 0, 0, garbage("short")
	}
	tag, from, to = b[0], 2, int(b[1])
	if tag&highTagForm == highTagForm {
		return 0, 0, 0, garbage("tag")
	}
	if b[1] >= indefinite {
		n := int(b[1] &^ indefinite)
		if n == 0 || n > 4 || len(b) < 2+n {
			return 0, 0, 0, garbage("length")
		}
		to = 0
		for _, l := range b[2 : 2+n] {
			to = to<<8 | int(l)
		}
		from += n
	}
	if to += from; to > len(b) || to < from {
		return 0, 0, 0, garbage("length")
	}
	return tag, from, to, nil
}

// check looks at the shape of the content of a message: a number, an operation, perhaps controls; nothing deeper and
// nothing more of it than a directory sends.
func check(body []byte) error {
	tag, _, end, err := element(body)
	if err != nil {
		return err
	}
	if tag != tagInteger || end > 6 || end < 3 {
		return garbage("id")
	}
	operation, _, _, err := element(body[end:])
	if err != nil {
		return err
	}
	if operation&classMask != 0x40 {
		return garbage("operation")
	}
	if operation != tagEntry && len(body) > maxOtherBytes {
		return finding.Fail("ldap.long-message", nil, "max", itoa(maxEntryBytes>>20), "dn", "-", "server", "-")
	}
	if err := shape(body); err != nil {
		return err
	}
	return checkControls(operation, body[end:])
}

// shape walks through the elements of b.
func shape(b []byte) error {
	elements, depth := 0, 0
	var ends [maxDepth]int // where the elements end that at lies in
	ends[0] = len(b)
	for at := 0; at < len(b); {
		for depth > 0 && at == ends[depth] {
			depth--
		}
		if elements++; elements > maxElements {
			return garbage("elements")
		}
		tag, from, to, err := element(b[at:ends[depth]])
		if err != nil {
			return err
		}
		if tag&classMask == classOfTypes {
			switch tag {
			case 0x01, tagInteger, tagOctets, 0x0a, tagSequence, 0x31:
			default:
				return garbage("type")
			}
		}
		if tag&constructed == 0 {
			at += to
			continue
		}
		if depth++; depth == maxDepth {
			return garbage("depth")
		}
		ends[depth] = at + to
		at += from
	}
	return nil
}

// checkControls looks into the controls behind an operation, whose values the library reads as messages of their own
// (RFC 4511, section 4.1.11). No found object has any that was asked for. The shape of b is good.
func checkControls(operation byte, b []byte) error {
	_, _, end, _ := element(b)
	b = b[end:]
	if len(b) == 0 {
		return nil
	}
	tag, from, to, _ := element(b)
	if operation == tagEntry || tag != 0xa0 || to != len(b) {
		return garbage("controls")
	}
	for b = b[from:]; len(b) > 0; {
		tag, from, to, _ := element(b)
		if tag != tagSequence {
			return garbage("controls")
		}
		for inner, texts := b[from:to], 0; len(inner) > 0; {
			tag, from, to, _ := element(inner)
			if tag == tagOctets {
				if texts++; texts > 1 {
					if err := shape(inner[from:to]); err != nil {
						return err
					}
				}
			}
			inner = inner[to:]
		}
		b = b[to:]
	}
	return nil
}

// nameIn is the distinguished name in the beginning of a found object's message, as far as it can be read; "-" if not.
func nameIn(begin []byte) string {
	_, _, end, err := element(begin)
	if err != nil {
		return "-"
	}
	begin = begin[end:]
	// The operation does not end within the beginning, so its length is passed over by hand.
	if len(begin) < 2 || begin[0] != tagEntry {
		return "-"
	}
	skip := 2
	if begin[1] >= indefinite {
		skip += int(begin[1] &^ indefinite)
	}
	if skip >= len(begin) {
		return "-"
	}
	tag, from, to, err := element(begin[skip:])
	if err != nil || tag != tagOctets {
		return "-"
	}
	return strings.ToValidUTF8(string(begin[skip+from:skip+to]), "?")
}
