package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBodyReaderEndsExactly(t *testing.T) {
	for name, c := range map[string]struct {
		f    Framing
		in   string
		body string
		left string
	}{
		"no body":         {Framing{}, "NEXT", "", "NEXT"},
		"length zero":     {Framing{Kind: Length}, "NEXT", "", "NEXT"},
		"length":          {Framing{Kind: Length, Length: 5}, "helloNEXT", "hello", "NEXT"},
		"chunked":         {Framing{Kind: Chunked}, "5\r\nhello\r\n0\r\n\r\nNEXT", "hello", "NEXT"},
		"until close":     {Framing{Kind: UntilClose}, "all", "all", ""},
		"unknown framing": {Framing{Kind: 9}, "NEXT", "", "NEXT"},
	} {
		br := bufio.NewReader(strings.NewReader(c.in))
		b := NewBodyReader(br, c.f, Limits{})
		if err := iotest.TestReader(b, []byte(c.body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !b.Done() {
			t.Errorf("%s: not done", name)
		}
		if left, _ := io.ReadAll(br); string(left) != c.left {
			t.Errorf("%s: left %q", name, left)
		}
	}
	var zero BodyReader
	if n, err := zero.Read(make([]byte, 1)); n != 0 || err != io.EOF || !zero.Done() {
		t.Errorf("zero value: %d %v", n, err)
	}
}

func TestBodyReaderCut(t *testing.T) {
	const chunked = "5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n"
	for n := range len(chunked) {
		b := NewBodyReader(bufio.NewReader(strings.NewReader(chunked[:n])), Framing{Kind: Chunked, Trailer: "X"}, Limits{})
		if _, err := io.ReadAll(b); err != io.ErrUnexpectedEOF || b.Done() || b.Trailers() != nil {
			t.Errorf("cut after %d: %v", n, err)
		}
	}
	b := NewBodyReader(bufio.NewReader(strings.NewReader("hell")), Framing{Kind: Length, Length: 5}, Limits{})
	if _, err := io.ReadAll(b); err != io.ErrUnexpectedEOF || b.Done() {
		t.Errorf("length: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); err != io.ErrUnexpectedEOF {
		t.Errorf("the error does not stay: %v", err)
	}
}

// Extensions on tiny chunks cannot make a body cost many times its size.
func TestChunkExtensionsAreBoundedTogether(t *testing.T) {
	chunk := "1;" + strings.Repeat("a", 200) + "\r\nx\r\n"
	b := NewBodyReader(bufio.NewReader(strings.NewReader(strings.Repeat(chunk, 1000))), Framing{Kind: Chunked}, Limits{})
	if n, err := io.Copy(io.Discard, b); !errors.Is(err, &Error{Code: CodeChunkExtension}) || n > 100 {
		t.Errorf("%d bytes: %v", n, err)
	}
	large := "2000;" + strings.Repeat("a", 200) + "\r\n" + strings.Repeat("x", 0x2000) + "\r\n"
	b = NewBodyReader(bufio.NewReader(strings.NewReader(strings.Repeat(large, 1000)+"0\r\n\r\n")), Framing{Kind: Chunked}, Limits{})
	if n, err := io.Copy(io.Discard, b); err != nil || n != 0x2000*1000 {
		t.Errorf("%d bytes: %v", n, err)
	}
}

func TestHugeBodyIsCountedIn64Bits(t *testing.T) {
	const n = 5 << 30
	br := bufio.NewReaderSize(&again{data: make([]byte, 1<<16)}, 1<<16)
	b := NewBodyReader(br, Framing{Kind: Length, Length: n}, Limits{})
	b.left = n
	var got int64
	buf := make([]byte, 1<<20)
	for {
		k, err := b.Read(buf)
		got += int64(k)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got != n {
		t.Errorf("%d bytes", got)
	}
}

// recorder notes writes and flushes in order.
type recorder struct {
	bw  *bufio.Writer
	out bytes.Buffer
	log []string
}

func newRecorder(size int) *recorder {
	r := new(recorder)
	r.bw = bufio.NewWriterSize(&r.out, size)
	return r
}

func (r *recorder) flush() error {
	err := r.bw.Flush()
	r.log = append(r.log, fmt.Sprint(r.out.Len()))
	return err
}

func TestWriteBodyFramings(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 10_000)
	for _, body := range []string{"", "x", "hello", long} {
		for _, size := range []int{16, 600, 4096, 1 << 20} {
			for _, buffered := range []bool{true, false} {
				for _, f := range []Framing{{Kind: Length, Length: int64(len(body))}, {Kind: Chunked, Trailer: "X"}, {Kind: UntilClose}} {
					var plain bytes.Buffer
					var w io.Writer = &plain
					bw := bufio.NewWriterSize(&plain, size)
					flush := bw.Flush
					if buffered {
						w = bw
						bw.WriteString("head")
					} else {
						plain.WriteString("head")
						flush = nil
					}
					src := iotest.HalfReader(strings.NewReader(body + map[bool]string{true: "MORE", false: ""}[f.Kind == Length]))
					n, err := WriteBody(w, flush, src, f, func() []Field { return []Field{{"X", "y"}} })
					if err != nil || n != int64(len(body)) {
						t.Fatalf("%s %d of %d: %v", f.Kind, n, len(body), err)
					}
					br := bufio.NewReader(&plain)
					br.Discard(4)
					half, err := readHalf(br, f)
					if err != nil || string(half.body) != body || len(half.rest) > 0 {
						t.Fatalf("%s buffer %d: %v, %d bytes, left %q", f.Kind, size, err, len(half.body), half.rest)
					}
					if f.Kind == Chunked && (len(half.trailers) != 1 || half.trailers[0] != Field{"X", "y"}) {
						t.Fatalf("trailers %+v", half.trailers)
					}
				}
			}
		}
	}
}

// A head and a small body leave in one write; so does a body that came in one segment.
func TestWriteBodyTravelsWithTheHead(t *testing.T) {
	for _, f := range []Framing{{Kind: Length, Length: 5}, {Kind: Chunked}} {
		in := "hello"
		if f.Kind == Chunked {
			in = "5\r\nhello\r\n0\r\n\r\n"
		}
		br := bufio.NewReader(strings.NewReader(in))
		br.Peek(1) // the segment that also brought the head
		r := newRecorder(4096)
		r.bw.WriteString("head")
		b := NewBodyReader(br, f, Limits{})
		if _, err := WriteBody(r.bw, r.flush, b, f, b.Trailers); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint([]string{fmt.Sprint(4 + len(in))}); fmt.Sprint(r.log) != want {
			t.Errorf("%s: flushed at %v, want %s", f.Kind, r.log, want)
		}
	}
	r := newRecorder(64)
	r.bw.WriteString("head")
	if n, err := WriteBody(r.bw, r.flush, nil, Framing{}, nil); n != 0 || err != nil || r.out.String() != "head" {
		t.Errorf("no body: %d %v %q", n, err, r.out.String())
	}
}

// Server-sent events and long polls: what was read is on its way before the next read waits, wherever a segment ends.
func TestWriteBodyHoldsNothingBack(t *testing.T) {
	const stream = "5\r\nfirst\r\n6;x\r\nsecond\r\n0\r\nX: y\r\n\r\n"
	for cut := 1; cut < len(stream); cut++ {
		f := Framing{Kind: Chunked, Trailer: "X"}
		r := newRecorder(4096)
		want := 0 // data bytes in the first segment
		for i, at := range []int{3, 4, 5, 6, 7, 15, 16, 17, 18, 19, 20} {
			if _ = i; at < cut {
				want++
			}
		}
		src := io.MultiReader(strings.NewReader(stream[:cut]), check(func() {
			got, err := io.ReadAll(NewBodyReader(bufio.NewReader(bytes.NewReader(r.out.Bytes())), f, Limits{}))
			if err != io.ErrUnexpectedEOF && !(err == nil) || len(got) != want {
				t.Errorf("cut at %d: %q is out (%v) when the next read waits, want %d bytes", cut, got, err, want)
			}
		}), strings.NewReader(stream[cut:]))
		b := NewBodyReader(bufio.NewReader(src), f, Limits{})
		if _, err := WriteBody(r.bw, r.flush, b, f, b.Trailers); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if got, err := readHalf(bufio.NewReader(&r.out), f); err != nil || string(got.body) != "firstsecond" {
			t.Errorf("cut at %d: %q %v", cut, got.body, err)
		}
	}
}

// check is a reader that looks at something when it is asked, and gives nothing.
type check func()

func (c check) Read([]byte) (int, error) { c(); return 0, io.EOF }

func TestWriteBodyNamesTheSideThatFailed(t *testing.T) {
	broken := errors.New("broken")
	var e *CopyError
	_, err := WriteBody(io.Discard, nil, iotest.ErrReader(broken), Framing{Kind: Chunked}, nil)
	if !errors.As(err, &e) || e.Writing || !errors.Is(err, broken) || AbortedBy(err) {
		t.Errorf("reading: %v", err)
	}
	for _, w := range []io.Writer{failing{broken}, bufio.NewWriterSize(failing{broken}, 16)} {
		_, err = WriteBody(w, nil, strings.NewReader(strings.Repeat("x", 1<<20)), Framing{Kind: UntilClose}, nil)
		if !errors.As(err, &e) || !e.Writing || !errors.Is(err, broken) || !AbortedBy(err) {
			t.Errorf("writing: %v", err)
		}
	}
	_, err = WriteBody(io.Discard, func() error { return broken }, strings.NewReader(""), Framing{Kind: UntilClose}, nil)
	if !AbortedBy(err) {
		t.Errorf("flushing: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A body that breaks off must not look whole to its receiver, and trailers are judged again on the way out.
func TestWriteBodyLeavesBrokenBodiesOpen(t *testing.T) {
	for name, c := range map[string]struct {
		body     io.Reader
		f        Framing
		trailers []Field
		code     string
	}{
		"chunked":              {io.MultiReader(strings.NewReader("data"), iotest.ErrReader(io.ErrUnexpectedEOF)), Framing{Kind: Chunked}, nil, ""},
		"length":               {strings.NewReader("data"), Framing{Kind: Length, Length: 5}, nil, ""},
		"trailer-undeclared":   {strings.NewReader("data"), Framing{Kind: Chunked}, []Field{{"X", "y"}}, CodeTrailerUndeclared},
		"trailer-restriction":  {strings.NewReader("data"), Framing{Kind: Chunked, Trailer: "restrict-access-context"}, []Field{{"restrict-access-context", "y"}}, CodeTrailerForbidden},
		"trailer-with-newline": {strings.NewReader("data"), Framing{Kind: Chunked, Trailer: "X"}, []Field{{"X", "y\r\nZ: 1"}}, CodeValueByte},
		"trailer-bad-name":     {strings.NewReader("data"), Framing{Kind: Chunked, Trailer: "X"}, []Field{{"X\r\n", "y"}}, CodeNameByte},
		"trailer-empty-name":   {strings.NewReader("data"), Framing{Kind: Chunked, Trailer: "X"}, []Field{{"", "y"}}, CodeNameEmpty},
	} {
		var out bytes.Buffer
		_, err := WriteBody(&out, nil, c.body, c.f, func() []Field { return c.trailers })
		if err == nil || AbortedBy(err) || c.code != "" && !errors.Is(err, &Error{Code: c.code}) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := readHalf(bufio.NewReader(&out), c.f); err == nil {
			t.Errorf("%s: looks whole", name)
		}
	}
	// From an origin such trailers are dropped.
	var out bytes.Buffer
	f := Framing{Kind: Chunked, Trailer: "X", lenient: true}
	fields := []Field{{"Set-Cookie", "a"}, {"X", "y"}, {"Y", "z"}}
	if _, err := WriteBody(&out, nil, strings.NewReader("d"), f, func() []Field { return fields }); err != nil {
		t.Fatal(err)
	}
	if want := "1\r\nd\r\n0\r\nX: y\r\n\r\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if fields[0].Name != "Set-Cookie" {
		t.Error("the caller's trailers were changed")
	}
}
