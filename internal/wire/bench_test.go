package wire

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

// browserHead is a sign-in request as a browser sends it, without secrets.
const browserHead = "POST /common/oauth2/v2.0/token?client-request-id=0f0f0f0f HTTP/1.1\r\n" +
	"Host: login.microsoftonline.com\r\nConnection: keep-alive\r\nContent-Length: 11\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Windows\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nOrigin: https://login.microsoftonline.com\r\n" +
	"Content-Type: application/x-www-form-urlencoded\r\n" +
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n" +
	"Referer: https://login.microsoftonline.com/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: ja,en-US;q=0.9,en;q=0.8\r\n" +
	"Cookie: stsservicecookie=estsfd; x-ms-gateway-slice=estsfd; buid=0000000000000000000000000000000000000000000000000000\r\n\r\n"

const originHead = "HTTP/1.1 200 OK\r\nCache-Control: no-store, no-cache\r\nPragma: no-cache\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Expires: -1\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains\r\nX-Content-Type-Options: nosniff\r\n" +
	"P3P: CP=\"DSP CUR OTPi IND OTRi ONL FIN\"\r\nx-ms-request-id: 00000000-0000-0000-0000-000000000000\r\n" +
	"x-ms-ests-server: 2.1.0 - JPE ProdSlices\r\nSet-Cookie: fpc=0; expires=Tue, 22-Dec-2026 00:00:00 GMT; path=/; secure; HttpOnly; SameSite=None\r\n" +
	"Date: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Length: 11\r\n\r\n"

func browserRequest() *Outgoing {
	h, err := ReadRequest(bufio.NewReader(bytes.NewReader([]byte(browserHead))), Limits{})
	if err != nil {
		panic(err)
	}
	return &Outgoing{Method: h.Method, Path: h.Target, Authority: "login.microsoftonline.com", Fields: h.Fields,
		Framing: Framing{Kind: Length, Length: 11}}
}

// again gives the same bytes for ever.
type again struct {
	data []byte
	at   int
}

func (a *again) Read(p []byte) (int, error) {
	if a.at == len(a.data) {
		a.at = 0
	}
	n := copy(p, a.data[a.at:])
	a.at += n
	return n, nil
}

func BenchmarkReadRequest(b *testing.B) {
	br := bufio.NewReaderSize(&again{data: []byte(browserHead)}, 4096)
	h := new(RequestHead)
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadRequestInto(br, Limits{}, h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadResponse(b *testing.B) {
	br := bufio.NewReaderSize(&again{data: []byte(originHead)}, 4096)
	h := new(ResponseHead)
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadResponseInto(br, Limits{}, h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	plan, o, dst := plans(b)["v1"], browserRequest(), make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendRequest(dst, o, plan); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	h, err := ReadResponse(bufio.NewReader(bytes.NewReader([]byte(originHead))), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendResponse(dst, h, Framing{Kind: Length, Length: 11}, 1, false); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExchange is everything that this package does for one intercepted request and its answer, bodies of eleven
// bytes included.
func BenchmarkExchange(b *testing.B) {
	plan := plans(b)["v1"]
	client := bufio.NewReaderSize(&again{data: []byte(browserHead + "hello world")}, 4096)
	origin := bufio.NewReaderSize(&again{data: []byte(originHead + "hello world")}, 4096)
	up, down := bufio.NewWriterSize(io.Discard, 4096), bufio.NewWriterSize(io.Discard, 4096)
	var req RequestHead
	var resp ResponseHead
	var body BodyReader
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadRequestInto(client, Limits{}, &req); err != nil {
			b.Fatal(err)
		}
		f, err := RequestFraming(&req)
		if err != nil {
			b.Fatal(err)
		}
		o := Outgoing{Method: req.Method, Path: req.Target, Authority: "login.microsoftonline.com", Fields: req.Fields, Framing: f}
		head, err := AppendRequest(up.AvailableBuffer(), &o, plan)
		if err != nil {
			b.Fatal(err)
		}
		up.Write(head)
		body.Reset(client, f, Limits{})
		if _, err := WriteBody(up, up.Flush, &body, f, body.Trailers); err != nil {
			b.Fatal(err)
		}
		if err := ReadResponseInto(origin, Limits{}, &resp); err != nil {
			b.Fatal(err)
		}
		if f, err = ResponseFraming(&resp, req.Method); err != nil {
			b.Fatal(err)
		}
		if head, err = AppendResponse(down.AvailableBuffer(), &resp, f, 1, false); err != nil {
			b.Fatal(err)
		}
		down.Write(head)
		body.Reset(origin, f, Limits{})
		if _, err := WriteBody(down, down.Flush, &body, f, body.Trailers); err != nil {
			b.Fatal(err)
		}
	}
}
