package wire

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const plainHead = "GET /common/oauth2/v2.0/authorize?client_id=1|2 HTTP/1.1\r\nHost: login.microsoftonline.com\r\n" +
	"Accept: */*\r\nX-Obs: caf\xe9\r\nEmpty:\r\n\r\n"

// A head arrives the same whatever the segments and the reader's buffer, and nothing behind it is taken.
func TestReadRequestOverAnySegmentsAndBuffer(t *testing.T) {
	for _, size := range []int{16, 17, 64, 100, len(plainHead), 4096} {
		for _, one := range []bool{false, true} {
			var src io.Reader = strings.NewReader("\r\n" + plainHead + plainHead + "tail")
			if one {
				src = iotest.OneByteReader(src)
			}
			br := bufio.NewReaderSize(src, size)
			for range 2 {
				h, err := ReadRequest(br, Limits{})
				if err != nil {
					t.Fatalf("buffer %d, one byte %v: %v", size, one, err)
				}
				if h.Method != "GET" || h.Minor != 1 || len(h.Fields) != 4 || h.Fields[2].Value != "caf\xe9" ||
					h.Fields[3] != (Field{"Empty", ""}) || h.Bytes != len(plainHead) {
					t.Fatalf("buffer %d: %+v", size, h)
				}
			}
			if rest, _ := io.ReadAll(br); string(rest) != "tail" {
				t.Fatalf("buffer %d: left %q", size, rest)
			}
		}
	}
}

func TestReadRequestEndOfStream(t *testing.T) {
	if _, err := ReadRequest(bufio.NewReader(strings.NewReader("")), Limits{}); err != io.EOF {
		t.Errorf("nothing: %v", err)
	}
	for n := 1; n < len(plainHead); n++ {
		if _, err := ReadRequest(bufio.NewReader(strings.NewReader(plainHead[:n])), Limits{}); err != io.ErrUnexpectedEOF {
			t.Errorf("cut after %d: %v", n, err)
		}
	}
}

// What can only be refused is refused when its bytes arrive, not when the client has got tired of waiting.
func TestReadRequestRefusesWithoutWaiting(t *testing.T) {
	for in, code := range map[string]string{
		"\x16\x03\x01": CodeMethodByte, "GET / HTTP/1.1\nHost: x": CodeBareLF, "\n": CodeBareLF, "\r\n\r": CodeEmptyLine,
	} {
		pr, pw := io.Pipe()
		go pw.Write([]byte(in))
		_, err := ReadRequest(bufio.NewReader(pr), Limits{})
		if !errors.Is(err, &Error{Code: code}) {
			t.Errorf("%q: %v, want %s", in, err, code)
		}
		pr.Close()
	}
}
