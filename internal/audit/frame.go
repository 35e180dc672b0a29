package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment is frames, one after the other. A frame is, in little-endian order:
//
//	offset  bytes
//	0       3      "SKF", where a reader that lost its place looks for the next frame
//	3       1      version, 1
//	4       4      length of the payload, 2 to 65536
//	8       4      CRC-32C (RFC 3720, appendix B.4) of version, length and payload
//	12      …      payload: one Record in JSON
//
// JSON, because a spool is what one looks into when something went wrong, and because it lets a newer process read what
// an older one left. BenchmarkFrame measures it: less than a microsecond a record, off the request's path.
const (
	frameVersion = 1
	frameHeader  = 12
	maxPayload   = 64 << 10
)

var (
	// errShort: the bytes end inside a frame.
	errShort = errors.New("frame is cut off")
	// errFrame: the bytes are no frame.
	errFrame = errors.New("frame is damaged")
)

func frameMagic() []byte { return []byte{'S', 'K', 'F', frameVersion} }

// appendFrame appends r's frame to dst.
func appendFrame(dst []byte, r *Record) ([]byte, error) {
	start := len(dst)
	dst = append(dst, frameMagic()...)
	dst = append(dst, make([]byte, frameHeader-4)...)
	dst = appendRecord(dst, r)
	length := len(dst) - start - frameHeader
	if length > maxPayload {
		return dst[:start], errors.New("record is too large for a frame")
	}
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(length))
	binary.LittleEndian.PutUint32(dst[start+8:], frameSum(dst[start:]))
	return dst, nil
}

// frameSum is the checksum of the frame that begins at b.
func frameSum(b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library
	sum := crc32.Update(0, table, b[3:8])
	return crc32.Update(sum, table, b[frameHeader:])
}

// nextFrame returns the payload of the frame at the beginning of b and the frame's whole length.
func nextFrame(b []byte) (payload []byte, n int, err error) {
	if magic := frameMagic(); !bytes.HasPrefix(b, magic[:min(len(b), len(magic))]) {
		return nil, 0, errFrame
	}
	if len(b) < frameHeader {
		return nil, 0, errShort
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if length < 2 || length > maxPayload {
		return nil, 0, errFrame
	}
	n = frameHeader + int(length)
	if len(b) < n {
		return nil, 0, errShort
	}
	if binary.LittleEndian.Uint32(b[8:]) != frameSum(b[:n]) {
		return nil, 0, errFrame
	}
	return b[frameHeader:n], n, nil
}

// eachFrame calls do with the payload of each whole frame of b and with the offset of its end, until do returns false. last says that nothing comes after b; otherwise bytes
// that may be the beginning of a frame are left. It returns how many bytes are done with and how many frames were lost.
// Damage costs the frames that it lies in: reading goes on where the next frame begins.
func eachFrame(b []byte, last bool, do func(payload []byte, end int) bool) (used, damaged int) {
	for used < len(b) {
		payload, n, err := nextFrame(b[used:])
		if err == nil {
			if !do(payload, used+n) {
				return used, damaged
			}
			used += n
			continue
		}
		if errors.Is(err, errShort) && !last {
			return used, damaged
		}
		damaged++
		next := bytes.Index(b[used+1:], frameMagic())
		if next < 0 {
			if last {
				return len(b), damaged
			}
			return len(b) - begun(b[used+1:]), damaged
		}
		used += 1 + next
	}
	return used, damaged
}

// begun is how many bytes at the end of b may be the beginning of a frame whose mark goes on in what is read next.
func begun(b []byte) int {
	magic := frameMagic()
	for n := min(len(magic)-1, len(b)); n > 0; n-- {
		if bytes.HasSuffix(b, magic[:n]) {
			return n
		}
	}
	return 0
}
