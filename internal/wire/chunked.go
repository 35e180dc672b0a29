package wire

import "bytes"

const (
	maxChunk          = 1 << 62  // so that sums cannot overflow
	maxChunkDigits    = 16       // leading zeros are grammatical; more digits than a 64-bit size has are not sensible
	maxExtension      = 256      // chosen: one chunk's extensions; no registered use exists
	extensionsAtOnce  = 16 << 10 // chosen: extensions that a body may carry whatever its size,
	extensionsPerData = 8        // and then one byte for eight of data, so that tiny chunks cannot be made to cost more
)

// readChunk reads chunk data, and at the end the trailers. It returns 0 with b.err set.
func (b *BodyReader) readChunk(p []byte) int {
	if b.left == 0 {
		if b.err = b.nextChunk(); b.err != nil {
			return 0
		}
		if b.left == 0 {
			if b.err = b.readTrailers(); b.err == nil {
				b.end()
			}
			return 0
		}
	}
	n := b.take(p)
	b.data += int64(n)
	return n
}

// nextChunk reads the CR LF after chunk data and the next size line: chunk-size [ chunk-ext ] CRLF (RFC 9112, section
// 7.1). White space around the size, which some servers once sent, is refused.
func (b *BodyReader) nextChunk() error {
	if b.inChunk {
		two, err := b.br.Peek(2)
		if len(two) > 0 && two[0] != '\r' || len(two) > 1 && two[1] != '\n' {
			return refuse(CodeChunkEnd)
		}
		if err != nil {
			return cut(err)
		}
		b.br.Discard(2)
	}
	var size int64
	digits := 0
	for ; ; digits++ {
		c, err := b.br.ReadByte()
		if err != nil {
			return cut(err)
		}
		d := hex(c)
		if d < 0 {
			if digits == 0 {
				return refuse(CodeChunkSize)
			}
			if err := b.endSize(c); err != nil {
				return err
			}
			break
		}
		if digits == maxChunkDigits || size >= maxChunk>>4 {
			return refuse(CodeChunkSizeRange)
		}
		size = size<<4 | int64(d)
	}
	b.left, b.inChunk = size, true
	return nil
}

// endSize reads from the octet after the chunk size to the end of the line. Extensions are dropped (RFC 9112, section
// 7.1.1: a recipient must ignore unrecognised ones, and none is defined).
func (b *BodyReader) endSize(c byte) error {
	if c == ';' {
		n := int64(0)
		for {
			var err error
			if c, err = b.br.ReadByte(); err != nil {
				return cut(err)
			}
			if c == '\r' {
				break
			}
			if c < 0x20 && c != '\t' || c == 0x7f {
				return refuse(CodeChunkExtension)
			}
			n++
			if b.extra++; n > maxExtension || b.extra > extensionsAtOnce+b.data/extensionsPerData {
				return refuse(CodeChunkExtension)
			}
		}
	}
	if c != '\r' {
		return refuse(CodeChunkSize)
	}
	c, err := b.br.ReadByte()
	if err != nil {
		return cut(err)
	}
	if c != '\n' {
		return refuse(CodeChunkSize)
	}
	return nil
}

// chunkReady reports whether buf, which begins where a chunk ended (inChunk) or the body begins, holds enough for one
// Read: the size line and one byte of data, or the whole end of the body.
func chunkReady(buf []byte, inChunk bool) bool {
	if inChunk {
		if len(buf) < 2 {
			return false
		}
		buf = buf[2:]
	}
	lf := bytes.IndexByte(buf, '\n')
	if lf < 0 || lf+1 == len(buf) {
		return false
	}
	if buf[0] != '0' {
		return true
	}
	return bytes.Contains(buf, []byte("\r\n\r\n"))
}

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// readTrailers reads the trailer section and the empty line that ends the body.
func (b *BodyReader) readTrailers() error {
	lim := b.lim
	blk, err := readBlock(b.br, lim, CodeFieldTooLong)
	if err != nil {
		return err
	}
	if blk.lines > lim.Fields {
		return refuse(CodeFieldsTooMany)
	}
	if blk.lines > 0 {
		fields, err := parseFields(nil, blk.raw, string(blk.raw), 1)
		if err != nil {
			return err
		}
		if b.trailers, err = checkTrailers(fields, b.framing); err != nil {
			return err
		}
	}
	blk.discard(b.br)
	return nil
}
