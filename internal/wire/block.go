package wire

import (
	"bufio"
	"bytes"
	"io"
)

// block is the raw lines of a head or of trailers, each with its CR LF, without the empty line that ends them.
//
// Line ends are judged while bytes arrive, so that a client that sends bare LF and then waits is answered at once.
// The bytes lie in the reader's buffer when they fit there, and stay valid until discard.
type block struct {
	raw   []byte
	keep  int // bytes that the reader still holds; 0 when raw was copied out of it
	bytes int // size on the wire, the empty line included
	lines int
}

func (b *block) discard(br *bufio.Reader) {
	if b.keep > 0 {
		br.Discard(b.keep) // cannot fail: the bytes are buffered
		b.keep = 0
	}
}

// scanner finds the lines of a block.
type scanner struct {
	lim     Limits
	tooLong string // code for a first line above the limit: a request line has a status of its own
	line    int    // offset of the line that has not ended
	scanned int    // offset up to which there is no line end left to be found
	lines   int    // complete lines
}

// scan looks at all, which has grown since the last call. done is true when the empty line was found; end is then the
// offset after it.
func (s *scanner) scan(all []byte) (end int, done bool, err error) {
	for {
		i := bytes.IndexByte(all[s.scanned:], '\n')
		if i < 0 {
			s.scanned = len(all)
			return 0, false, s.tooMuch(len(all)-s.line-1, len(all))
		}
		lf := s.scanned + i
		s.scanned = lf + 1
		if lf == s.line || all[lf-1] != '\r' {
			return 0, false, refuseLine(CodeBareLF, s.lines+1)
		}
		if lf-1 == s.line {
			return lf + 1, true, s.tooMuch(0, lf+1)
		}
		if err := s.tooMuch(lf-1-s.line, lf+1); err != nil {
			return 0, false, err
		}
		s.lines++
		if s.lines > s.lim.Fields+1 {
			return 0, false, refuseLine(CodeFieldsTooMany, s.lines)
		}
		s.line = lf + 1
	}
}

func (s *scanner) tooMuch(line, all int) error {
	if line > s.lim.LineBytes {
		if s.lines == 0 {
			return refuseLine(s.tooLong, 1)
		}
		return refuseLine(CodeFieldTooLong, s.lines+1)
	}
	if all > s.lim.HeadBytes {
		return refuseLine(CodeHeadTooLong, s.lines+1)
	}
	return nil
}

// readBlock reads up to and including the first empty line. It returns io.ErrUnexpectedEOF when the stream ends first.
func readBlock(br *bufio.Reader, lim Limits, tooLong string) (block, error) {
	s := scanner{lim: lim, tooLong: tooLong}
	for {
		buf, _ := br.Peek(br.Buffered())
		end, done, err := s.scan(buf)
		if err != nil {
			return block{}, err
		}
		if done {
			return block{raw: buf[:s.line], keep: end, bytes: end, lines: s.lines}, nil
		}
		if len(buf) == br.Size() {
			return s.spill(br, buf)
		}
		if _, err := br.Peek(len(buf) + 1); err != nil {
			return block{}, cut(err)
		}
	}
}

// spill goes on where the reader's buffer is full: rare, and so it may allocate. It takes line by line, because what
// follows the head belongs to somebody else.
func (s *scanner) spill(br *bufio.Reader, buf []byte) (block, error) {
	if !s.room(len(buf)) {
		return block{}, refuse(CodeHeadRoom)
	}
	all := make([]byte, len(buf), 2*len(buf))
	copy(all, buf)
	br.Discard(len(buf))
	for {
		part, err := br.ReadSlice('\n')
		if !s.room(len(part)) {
			return block{}, refuse(CodeHeadRoom)
		}
		all = append(all, part...)
		if err != nil && err != bufio.ErrBufferFull {
			return block{}, cut(err)
		}
		end, done, err := s.scan(all)
		if err != nil {
			return block{}, err
		}
		if done {
			return block{raw: all[:s.line], bytes: end, lines: s.lines}, nil
		}
	}
}

func (s *scanner) room(n int) bool { return s.lim.Room == nil || s.lim.Room(n) }

// cut turns the end of the stream inside a message into io.ErrUnexpectedEOF.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseFields parses the field lines of raw, from the given line number on; text is raw as a string, and the fields are
// slices of it. They are appended to dst.
func parseFields(dst []Field, raw []byte, text string, line int) ([]Field, error) {
	for at := 0; at < len(raw); line++ {
		end := at + bytes.IndexByte(raw[at:], '\r')
		if raw[end+1] != '\n' {
			return dst, refuseLine(CodeBareCR, line)
		}
		f := raw[at:end]
		colon := allOf(f, octetToken)
		if colon <= 0 || f[colon] != ':' {
			return dst, badName(f, colon, line)
		}
		if bad := control(f[colon+1:]); bad >= 0 {
			return dst, badValue(f[colon+1+bad], text[at:at+colon])
		}
		from, to := trim(f, colon+1, len(f))
		dst = append(dst, Field{Name: text[at : at+colon], Value: text[at+from : at+to]})
		at = end + 2
	}
	return dst, nil
}

// badName says why the octet at offset bad of line f does not end a field name.
func badName(f []byte, bad, line int) error {
	switch {
	case bad < 0:
		return refuseLine(CodeColonMissing, line)
	case f[bad] == ':':
		return refuseLine(CodeNameEmpty, line)
	case bad == 0 && (f[0] == ' ' || f[0] == '\t'):
		return refuseLine(CodeFolding, line)
	case f[bad] == ' ' || f[bad] == '\t':
		if rest := bytes.TrimLeft(f[bad:], " \t"); len(rest) > 0 && rest[0] == ':' {
			return refuseLine(CodeSpaceBeforeColon, line)
		}
		if bytes.IndexByte(f, ':') < 0 {
			return refuseLine(CodeColonMissing, line)
		}
		return refuseLine(CodeNameByte, line)
	case f[bad] >= 0x80:
		return refuseLine(CodeNameNonASCII, line)
	case f[bad] == 0:
		return refuseLine(CodeNUL, line)
	case f[bad] < 0x20 || f[bad] == 0x7f:
		return refuseLine(CodeControlByte, line)
	}
	return refuseLine(CodeNameByte, line)
}

func badValue(c byte, name string) error {
	switch c {
	case 0:
		return refuseField(CodeNUL, name)
	case '\r':
		return refuseField(CodeBareCR, name)
	}
	return refuseField(CodeControlByte, name)
}
