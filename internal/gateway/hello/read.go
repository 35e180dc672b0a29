package hello

import (
	"errors"
	"io"
	"os"
	"sync"
)

// Limits bound what Read takes. Fields that are zero take the defaults.
type Limits struct {
	Bytes   int // on the wire, record headers included; 64 KiB (chosen: thirty times a hello with a post-quantum share)
	Records int // 4096 (chosen: a hello of that size with one byte a record)
}

const (
	defaultBytes   = 64 << 10
	defaultRecords = 4096
	firstRoom      = 2 << 10 // chosen: holds a hello with X25519MLKEM768, about 1.8 KiB, after one read

	recordHeader    = 5
	messageHeader   = 4
	typeHandshake   = 22
	typeClientHello = 1
	maxFragment     = 1 << 14 // RFC 8446, section 5.1
)

// rooms are for the hellos of connections that have just begun; see Release.
var rooms = sync.Pool{New: func() any { return new([firstRoom]byte) }}

// Release gives Raw to the next hello that is read. Nobody may hold a part of it any more; what else h says stays.
func (h *Hello) Release() {
	if raw := h.Raw; cap(raw) == firstRoom {
		rooms.Put((*[firstRoom]byte)(raw[:firstRoom]))
	}
	h.Raw, h.Size = nil, 0
}

// Read reads until it has one whole ClientHello, and returns it. It may take bytes that follow it: all that it took are
// in Hello.Raw. The caller sets the deadline, which bounds the whole of it.
//
// It returns io.EOF when the client closes without having sent a byte, *Error otherwise; a reader's error that is not a
// timeout comes back as it is. What cannot become a ClientHello is refused at its first byte that tells.
func Read(r io.Reader, lim Limits) (*Hello, error) { return read(r, lim, assembly{}) }

func read(r io.Reader, lim Limits, a assembly) (*Hello, error) {
	if lim.Bytes <= 0 {
		lim.Bytes = defaultBytes
	}
	if lim.Records <= 0 {
		lim.Records = defaultRecords
	}
	if a.lim = lim; lim.Bytes < firstRoom {
		a.raw = make([]byte, 0, lim.Bytes)
	} else {
		a.raw = rooms.Get().(*[firstRoom]byte)[:0]
	}
	for {
		msg, err := a.advance()
		if err != nil {
			return nil, err
		}
		if msg != nil {
			h, err := Parse(msg)
			if err != nil {
				return nil, err
			}
			h.Raw, h.Size = a.raw, a.next
			return h, nil
		}
		if err := a.more(r); err != nil {
			return nil, err
		}
	}
}

// assembly puts the handshake message together from the records in raw.
type assembly struct {
	lim     Limits
	raw     []byte // everything read
	next    int    // offset in raw of the record that is not yet complete
	records int    // complete records before next
	first   []byte // the fragment of the first record, in raw
	message []byte // all fragments, when there is more than one record
	need    int    // size of the message with its header, 0 while unknown
	second  bool   // the hello answers a HelloRetryRequest, and may follow other records
	early   bool   // early data may be among them
	skipped int    // those
}

// more reads once. Growing raw leaves first where it was, in the old array: its bytes do not change any more.
func (a *assembly) more(r io.Reader) error {
	if len(a.raw) == cap(a.raw) {
		if len(a.raw) >= a.lim.Bytes {
			return &Error{Code: CodeTooLong, Detail: "more bytes than the limit"}
		}
		grown := make([]byte, len(a.raw), min(4*cap(a.raw), a.lim.Bytes))
		copy(grown, a.raw)
		a.raw = grown
	}
	for empty := 0; ; empty++ {
		n, err := r.Read(a.raw[len(a.raw):cap(a.raw)])
		a.raw = a.raw[:len(a.raw)+n]
		switch {
		case n > 0:
			return nil // an error that came along comes again
		case err == io.EOF && len(a.raw) == 0:
			return io.EOF
		case err == io.EOF:
			return &Error{Code: CodeMalformed, Detail: "the stream ends inside the hello", Err: io.ErrUnexpectedEOF}
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &Error{Code: CodeTimeout, Detail: "no whole hello before the deadline", Err: err}
		case err != nil:
			return err
		case empty == 100: // as bufio does: a reader that never returns anything is broken
			return io.ErrNoProgress
		}
	}
}

// advance looks at what is there. It returns the message when it is complete, nil when more must be read.
func (a *assembly) advance() (msg []byte, err error) {
	for {
		rec := a.raw[a.next:]
		if a.second && a.records == 0 {
			skip, err := a.skip(rec)
			if err != nil {
				return nil, err
			}
			if skip > 0 {
				a.next += skip
				continue
			}
			if len(rec) > 0 && rec[0] != typeHandshake {
				return nil, nil // not yet all there
			}
		}
		if err := a.checkRecord(rec); err != nil {
			return nil, err
		}
		if len(rec) < recordHeader {
			return nil, nil
		}
		size := int(rec[3])<<8 | int(rec[4])
		end := recordHeader + size
		if a.records == 0 && a.need == 0 {
			if err := a.checkMessage(rec[recordHeader:min(end, len(rec))]); err != nil {
				return nil, err
			}
		}
		if a.need > 0 && a.size()+size > a.need { // known before the rest of the record has come
			return nil, malformed("bytes after the message in its record")
		}
		if len(rec) < end {
			return nil, nil
		}
		fragment := rec[recordHeader:end]
		a.next += end
		a.records++
		msg := a.add(fragment)
		if err := a.checkMessage(msg); err != nil {
			return nil, err
		}
		switch {
		case a.need > 0 && len(msg) > a.need: // the size stood in this record, behind a split header
			return nil, malformed("bytes after the message in its record")
		case a.need > 0 && len(msg) == a.need:
			return msg, nil
		case a.records >= a.lim.Records:
			return nil, &Error{Code: CodeTooLong, Detail: "more records than the limit"}
		}
	}
}

// size is how much of the message the complete records hold.
func (a *assembly) size() int {
	if a.message != nil {
		return len(a.message)
	}
	return len(a.first)
}

func (a *assembly) add(fragment []byte) []byte {
	if a.records == 1 {
		a.first = fragment
		return fragment
	}
	if a.message == nil {
		a.message = append(make([]byte, 0, max(a.need, len(a.first)+len(fragment))), a.first...)
	}
	a.message = append(a.message, fragment...)
	return a.message
}

// checkRecord judges as much of a record header as is there (RFC 8446, section 5.1). Only the first record can turn out
// not to be TLS.
func (a *assembly) checkRecord(rec []byte) error {
	wrong := func(detail string) error {
		if a.records == 0 && !a.second {
			return &Error{Code: CodeNotTLS, Detail: detail}
		}
		return malformed(detail)
	}
	if len(rec) > 0 && rec[0] != typeHandshake {
		if a.records == 0 && rec[0]&0x80 != 0 {
			return wrong("not a handshake record; perhaps an SSLv2 hello")
		}
		return wrong("not a handshake record")
	}
	if len(rec) > 1 && rec[1] != 3 {
		return wrong("not a TLS record version")
	}
	if len(rec) > 2 && rec[2] > 4 {
		return malformed("unknown TLS record version")
	}
	if len(rec) >= recordHeader {
		switch size := int(rec[3])<<8 | int(rec[4]); {
		case size == 0:
			return malformed("a record without content")
		case size > maxFragment:
			return malformed("a record above 16 KiB")
		}
	}
	return nil
}

// checkMessage judges the header of the handshake message and finds its size.
func (a *assembly) checkMessage(msg []byte) error {
	if len(msg) > 0 && msg[0] != typeClientHello {
		return malformed("the first handshake message is no ClientHello")
	}
	if a.need == 0 && len(msg) >= messageHeader {
		a.need = messageHeader + (int(msg[1])<<16 | int(msg[2])<<8 | int(msg[3]))
		if a.need+recordHeader > a.lim.Bytes {
			return &Error{Code: CodeTooLong, Detail: "a message above the limit"}
		}
	}
	return nil
}
