package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sekisho/internal/restrict"
)

// message is one parsed message with its body, for comparison.
type exchangeHalf struct {
	body     []byte
	trailers []Field
	rest     []byte
}

func readHalf(br *bufio.Reader, f Framing) (exchangeHalf, error) {
	b := NewBodyReader(br, f, Limits{})
	data, err := io.ReadAll(b)
	if err != nil {
		return exchangeHalf{}, err
	}
	rest, err := io.ReadAll(br)
	return exchangeHalf{data, b.Trailers(), rest}, err
}

func onlyOurErrors(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if errors.As(err, &e) {
		if i := len(Codes()); i == 0 || !strings.Contains("|"+strings.Join(Codes(), "|")+"|", "|"+e.Code+"|") {
			t.Fatalf("code %q is not listed", e.Code)
		}
		return
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		t.Fatalf("an error of another kind: %v", err)
	}
}

// FuzzReadRequest: what we accept, net/http reads as the same request; what we send on for it reads as the same again.
func FuzzReadRequest(f *testing.F) {
	for _, c := range corpus(f, "request") {
		f.Add(c.input)
	}
	f.Add([]byte(browserHead + "hello world"))
	f.Fuzz(func(t *testing.T, in []byte) {
		br := bufio.NewReader(bytes.NewReader(in))
		h, err := ReadRequest(br, Limits{})
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		target, err := h.ParseTarget()
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		framing, err := RequestFraming(h)
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		half, err := readHalf(br, framing)
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		sameAsNetHTTP(t, bytes.TrimPrefix(in, []byte("\r\n")), h, target, half)
		if target.Form != AuthorityForm {
			sendOn(t, h, target, framing, half)
		}
	})
}

func sameAsNetHTTP(t *testing.T, in []byte, h *RequestHead, target Target, half exchangeHalf) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(in))
	r, err := http.ReadRequest(br)
	if err != nil {
		// net/http also parses the target as a URL; percent signs and brackets in it are the origin's business.
		if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "invalid URI") {
			return
		}
		t.Fatalf("net/http refuses what we accept: %v", err)
	}
	host, _ := h.Get("Host")
	if target.Authority != "" && target.Form == AbsoluteForm {
		host = target.Authority
	} else if host == "" && target.Form == AuthorityForm {
		host = target.Authority
	}
	if r.Method != h.Method || r.RequestURI != h.Target || r.ProtoMinor != h.Minor || !strings.EqualFold(r.Host, host) && target.Form != AuthorityForm {
		t.Fatalf("net/http: %s %q %q 1.%d\nwe: %s %q %q 1.%d", r.Method, r.RequestURI, r.Host, r.ProtoMinor, h.Method, h.Target, host, h.Minor)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("net/http refuses the body that we accept: %v", err)
	}
	if !bytes.Equal(body, half.body) {
		t.Fatalf("net/http reads body %q, we %q", body, half.body)
	}
	if rest, _ := io.ReadAll(br); !bytes.Equal(rest, half.rest) {
		t.Fatalf("net/http leaves %q, we %q", rest, half.rest)
	}
}

func sendOn(t *testing.T, h *RequestHead, target Target, f Framing, half exchangeHalf) {
	t.Helper()
	authority := target.Authority
	if authority == "" {
		authority, _ = h.Get("host")
	}
	if authority == "" {
		authority = "a.example"
	}
	for name, plan := range plans(t) {
		o := &Outgoing{Method: h.Method, Path: target.Path, Authority: authority, Fields: h.Fields, Framing: f}
		out, err := AppendRequest(nil, o, plan)
		if err != nil {
			onlyOurErrors(t, err)
			continue
		}
		if err := oracle(out, plan); err != nil {
			t.Fatalf("%s: %v\n%q", name, err, out)
		}
		var sent bytes.Buffer
		sent.Write(out)
		if _, err := WriteBody(&sent, nil, bytes.NewReader(half.body), f, func() []Field { return half.trailers }); err != nil {
			t.Fatalf("%s: body: %v", name, err)
		}
		sent.WriteString("NEXT")
		br := bufio.NewReader(bytes.NewReader(sent.Bytes()))
		again, err := ReadRequest(br, Limits{LineBytes: 1 << 20, HeadBytes: 1 << 20})
		if err != nil {
			t.Fatalf("%s: what we send we refuse: %v\n%q", name, err, sent.Bytes())
		}
		f2, err := RequestFraming(again)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := readHalf(br, f2)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again.Method != h.Method || again.Target != target.Path || !bytes.Equal(got.body, half.body) ||
			string(got.rest) != "NEXT" || !reflect.DeepEqual(got.trailers, half.trailers) {
			t.Fatalf("%s: sent %q\nread %+v %+v", name, sent.Bytes(), again, got)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent.Bytes())))
		if err == nil && (r.Method != h.Method || !strings.EqualFold(r.Host, authority)) {
			t.Fatalf("%s: net/http sees %s for %q", name, r.Method, r.Host)
		}
	}
}

// FuzzChunked: what we accept, net/http decodes to the same data and leaves the same rest; encoding it again decodes to
// the same.
func FuzzChunked(f *testing.F) {
	for _, c := range corpus(f, "request") {
		if _, body, ok := bytes.Cut(c.input, []byte("\r\n\r\n")); ok && bytes.Contains(c.input, []byte("chunked")) {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		br := bufio.NewReader(bytes.NewReader(in))
		framing := Framing{Kind: Chunked, Trailer: "X, Digest"}
		half, err := readHalf(br, framing)
		slow := bufio.NewReaderSize(oneByte{bytes.NewReader(in)}, 16)
		half2, err2 := readHalf(slow, framing)
		if (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(half, half2) {
			t.Fatalf("at once %v %+v, byte by byte %v %+v", err, half, err2, half2)
		}
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X, Digest\r\n\r\n"
		hr := bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(in)))
		r, err := http.ReadRequest(hr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("net/http refuses what we accept: %v", err)
		}
		rest, _ := io.ReadAll(hr)
		if !bytes.Equal(body, half.body) || !bytes.Equal(rest, half.rest) {
			t.Fatalf("net/http: %q left %q\nwe: %q left %q", body, rest, half.body, half.rest)
		}
		var out bytes.Buffer
		if _, err := WriteBody(&out, nil, bytes.NewReader(half.body), framing, func() []Field { return half.trailers }); err != nil {
			t.Fatal(err)
		}
		back, err := readHalf(bufio.NewReader(&out), framing)
		if err != nil || !bytes.Equal(back.body, half.body) || !reflect.DeepEqual(back.trailers, half.trailers) {
			t.Fatalf("encoded again: %v %+v", err, back)
		}
	})
}

// FuzzAppendRequest: no field, method, path or authority makes the serialiser break the rule.
func FuzzAppendRequest(f *testing.F) {
	var all strings.Builder
	for _, x := range hostile() {
		all.WriteString(x.Name + ":" + x.Value + "\n")
	}
	f.Add("GET", "/", "login.live.com", all.String(), "", uint8(0), int64(0))
	f.Add("POST", "/a b", "a:443", "Host:b\nContent-Length:5\nTransfer-Encoding:chunked", "websocket", uint8(1), int64(5))
	f.Add("PUT", "/\r\nX: y", "a@b", "Restrict_Access_Context:x\r\nX", "h2c", uint8(2), int64(-1))
	f.Add("GET", "/", "a", "Sec-WebSocket-Key:x\nConnection:Upgrade\nUpgrade:websocket", "websocket", uint8(0), int64(0))
	f.Fuzz(func(t *testing.T, method, path, authority, fields, upgrade string, kind uint8, length int64) {
		o := &Outgoing{Method: method, Path: path, Authority: authority, Upgrade: upgrade, Close: kind&16 > 0, Expect: kind&32 > 0,
			Framing: Framing{Kind: FramingKind(kind & 7), Length: length}}
		for line := range strings.SplitSeq(fields, "\n") {
			name, value, _ := strings.Cut(line, ":")
			o.Fields = append(o.Fields, Field{name, value})
		}
		if _, err := AppendRequest(nil, o, restrict.Plan{}); !errors.Is(err, &Error{Code: CodeNoPlan}) {
			t.Fatalf("without plan: %v", err)
		}
		for name, plan := range plans(t) {
			dst := []byte("before")
			out, err := AppendRequest(dst, o, plan)
			if err != nil {
				onlyOurErrors(t, err)
				if string(out) != "before" {
					t.Fatalf("%s: refused, and appended %q", name, out)
				}
				continue
			}
			out = out[len(dst):]
			if err := oracle(out, plan); err != nil {
				t.Fatalf("%s: %v\n%q", name, err, out)
			}
			if upgrade != "" && (len(plan.Set()) > 0 || upgrade != "websocket") {
				t.Fatalf("%s: upgraded to %q", name, upgrade)
			}
			h, err := ReadRequest(bufio.NewReader(bytes.NewReader(out)), Limits{LineBytes: 1 << 30, HeadBytes: 1 << 30, Fields: 1 << 20})
			if err != nil {
				t.Fatalf("%s: what we send we refuse: %v\n%q", name, err, out)
			}
			if back, err := RequestFraming(h); err != nil || back != wireForm(o) && o.Framing.Kind != NoBody {
				t.Fatalf("%s: framing %+v %v of %+v", name, back, err, o.Framing)
			}
			if host, _ := h.Get("Host"); h.Method != method || h.Target != path || host != authority {
				t.Fatalf("%s: %q", name, out)
			}
		}
	})
}

// FuzzReadResponse: what we accept, net/http reads as the same answer, and what we pass on as the same again.
func FuzzReadResponse(f *testing.F) {
	for _, c := range corpus(f, "response") {
		f.Add(c.method, c.input)
	}
	f.Fuzz(func(t *testing.T, method string, in []byte) {
		if method != "HEAD" {
			method = "GET"
		}
		br := bufio.NewReader(bytes.NewReader(in))
		h, err := ReadResponse(br, Limits{})
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		framing, err := ResponseFraming(h, method)
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		half, err := readHalf(br, framing)
		if err != nil {
			onlyOurErrors(t, err)
			return
		}
		hr := bufio.NewReader(bytes.NewReader(in))
		r, err := http.ReadResponse(hr, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses what we accept: %v", err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("net/http refuses the body that we accept: %v", err)
		}
		if rest, _ := io.ReadAll(hr); r.StatusCode != h.Status || h.Status >= 200 && (!bytes.Equal(body, half.body) || !bytes.Equal(rest, half.rest)) {
			t.Fatalf("net/http: %d %q left %q\nwe: %d %q left %q", r.StatusCode, body, rest, h.Status, half.body, half.rest)
		}
		for minor := range 2 {
			to := framing.To(minor)
			out, err := AppendResponse(nil, h, to, minor, false)
			if err != nil {
				onlyOurErrors(t, err)
				continue
			}
			var sent bytes.Buffer
			sent.Write(out)
			if _, err := WriteBody(&sent, nil, bytes.NewReader(half.body), to, func() []Field { return half.trailers }); err != nil {
				t.Fatalf("body: %v", err)
			}
			ar := bufio.NewReader(&sent)
			again, err := ReadResponse(ar, Limits{LineBytes: 1 << 20, HeadBytes: 1 << 20, Fields: 1000})
			if err != nil {
				t.Fatalf("what we send we refuse: %v\n%q", err, out)
			}
			f2, err := ResponseFraming(again, method)
			if err != nil {
				t.Fatal(err)
			}
			back, err := readHalf(ar, f2)
			if err != nil || again.Status != h.Status || again.Reason != h.Reason || !bytes.Equal(back.body, half.body) || len(back.rest) > 0 {
				t.Fatalf("passed on: %v %+v %+v\nfrom %+v", err, again, back, half)
			}
			if _, n := again.Get("Alt-Svc"); n > 0 {
				t.Fatalf("Alt-Svc passed on: %q", out)
			}
		}
	})
}
