package wire

import (
	"bufio"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestAppendResponseBytes(t *testing.T) {
	for name, c := range map[string]struct {
		h       ResponseHead
		f       Framing
		minor   int
		closing bool
		want    string
	}{
		"hop-by-hop-and-alt-svc-are-dropped": {ResponseHead{Status: 200, Reason: "OK", Fields: []Field{
			{"Connection", "close, X-Hop, Set-Cookie"}, {"X-Hop", "1"}, {"Set-Cookie", "a=b"}, {"Keep-Alive", "5"}, {"Proxy-Authenticate", "Basic"},
			{"Upgrade", "h2c"}, {"Transfer-Encoding", "chunked"}, {"Trailer", "X"}, {"alt-SVC", "h3=\":443\""}, {"Content-Length", "99"}, {"ETag", "\"1\""}}},
			Framing{Kind: Length, Length: 5}, 1, false,
			"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\n"},
		"chunked-with-trailer": {ResponseHead{Status: 200}, Framing{Kind: Chunked, Trailer: "Digest"}, 1, false,
			"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n"},
		"closing":     {ResponseHead{Status: 200, Reason: "OK"}, Framing{Kind: Length}, 1, true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		"until-close": {ResponseHead{Status: 200, Reason: "OK"}, Framing{Kind: UntilClose}, 1, false, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"},
		"http-1.0-keep-alive": {ResponseHead{Status: 200, Reason: "OK"}, Framing{Kind: Length}, 0, false,
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"},
		"head-keeps-length": {ResponseHead{Status: 200, Reason: "OK", Fields: []Field{{"content-length", "005"}}}, Framing{}, 1, false,
			"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		"304-keeps-length": {ResponseHead{Status: 304, Reason: "Not Modified", Fields: []Field{{"Content-Length", "5"}}}, Framing{}, 1, false,
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
		"204-loses-length": {ResponseHead{Status: 204, Reason: "No Content", Fields: []Field{{"Content-Length", "5"}}}, Framing{}, 1, false,
			"HTTP/1.1 204 No Content\r\n\r\n"},
		"100": {ResponseHead{Status: 100, Reason: "Continue", Fields: []Field{{"Content-Length", "5"}, {"Connection", "close"}}}, Framing{}, 1, true,
			"HTTP/1.1 100 Continue\r\n\r\n"},
		"101": {ResponseHead{Status: 101, Reason: "Switching Protocols", Fields: []Field{{"Connection", "Upgrade"}, {"Upgrade", "websocket"},
			{"Sec-WebSocket-Accept", "x"}, {"Alt-Svc", "x"}}}, Framing{}, 1, false,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\n\r\n"},
	} {
		got, err := AppendResponse([]byte("before "), &c.h, c.f, c.minor, c.closing)
		if err != nil || string(got) != "before "+c.want {
			t.Errorf("%s: %v\n%q\n%q", name, err, got, c.want)
		}
	}
}

func TestAppendResponseRefuses(t *testing.T) {
	ok := func(fields ...Field) ResponseHead { return ResponseHead{Status: 200, Reason: "OK", Fields: fields} }
	for name, c := range map[string]struct {
		code  string
		h     ResponseHead
		f     Framing
		minor int
	}{
		"status-0":               {CodeStatus, ResponseHead{}, Framing{}, 1},
		"status-1000":            {CodeStatus, ResponseHead{Status: 1000}, Framing{}, 1},
		"interim-to-http-1.0":    {CodeStatus, ResponseHead{Status: 100}, Framing{}, 0},
		"reason-with-newline":    {CodeStatusLine, ResponseHead{Status: 200, Reason: "OK\r\nX: y"}, Framing{}, 1},
		"204-with-body":          {CodeFramingInvalid, ResponseHead{Status: 204}, Framing{Kind: Length, Length: 5}, 1},
		"304-with-body":          {CodeFramingInvalid, ResponseHead{Status: 304}, Framing{Kind: Chunked}, 1},
		"negative-length":        {CodeFramingInvalid, ok(), Framing{Kind: Length, Length: -1}, 1},
		"chunked-to-http-1.0":    {CodeChunkedHTTP10, ok(), Framing{Kind: Chunked}, 0},
		"two-lengths":            {CodeContentLengthMany, ok(Field{"Content-Length", "5"}, Field{"Content-Length", "5"}), Framing{}, 1},
		"malformed-length":       {CodeContentLength, ok(Field{"Content-Length", "x"}), Framing{}, 1},
		"name":                   {CodeNameByte, ok(Field{"X Y", "5"}), Framing{}, 1},
		"value":                  {CodeValueByte, ok(Field{"X", "a\r\nSet-Cookie: b"}), Framing{}, 1},
		"trailer":                {CodeTrailerForbidden, ok(), Framing{Kind: Chunked, Trailer: "Set-Cookie"}, 1},
		"101-without-upgrade":    {CodeUpgradeUnsupported, ResponseHead{Status: 101, Fields: []Field{{"Connection", "Upgrade"}}}, Framing{}, 1},
		"101-with-empty-upgrade": {CodeUpgradeUnsupported, ResponseHead{Status: 101, Fields: []Field{{"Upgrade", ""}}}, Framing{}, 1},
	} {
		out, err := AppendResponse([]byte("before"), &c.h, c.f, c.minor, false)
		if !errors.Is(err, &Error{Code: c.code}) || string(out) != "before" {
			t.Errorf("%s: %v %q, want %s", name, err, out, c.code)
		}
	}
}

func TestHopByHop(t *testing.T) {
	for name, c := range map[string]struct{ in, want []Field }{
		"nothing-to-do": {[]Field{{"Accept", "x"}, {"Host", "a"}}, []Field{{"Accept", "x"}, {"Host", "a"}}},
		"all": {[]Field{{"CONNECTION", "close"}, {"Keep-Alive", "x"}, {"Proxy-Connection", "x"}, {"Proxy-Authorization", "x"}, {"TE", "gzip"},
			{"Trailer", "x"}, {"transfer-encoding", "chunked"}, {"Upgrade", "x"}, {"HTTP2-Settings", "x"}, {"X", "y"}}, []Field{{"X", "y"}}},
		"te-trailers":                     {[]Field{{"te", "gzip;q=0.5, Trailers"}}, []Field{{"te", "trailers"}}},
		"named":                           {[]Field{{"A", "1"}, {"Connection", "b, ,C"}, {"B", "2"}, {"c", "3"}, {"D", "4"}}, []Field{{"A", "1"}, {"D", "4"}}},
		"named-later":                     {[]Field{{"A", "1"}, {"B", "2"}, {"Connection", "keep-alive"}, {"connection", "a"}}, []Field{{"B", "2"}}},
		"connection-first":                {[]Field{{"Connection", "x-a"}, {"X-A", "1"}, {"Connection", "x-b"}, {"X-B", "2"}, {"Y", "3"}}, []Field{{"Y", "3"}}},
		"connection-overwritten-in-place": {[]Field{{"Connection", "x-b"}, {"A", "1"}, {"X-B", "2"}}, []Field{{"A", "1"}}},
		"protected-fields-stay": {[]Field{{"Connection", "Host, Content-Length, Cookie, Authorization, Set-Cookie, Cache-Control, " +
			"Restrict-Access-To-Tenants, sec-Restrict-Tenant-Access-Policy, Content-Type, X-Forwarded-For, Origin"},
			{"Host", "a"}, {"Content-Length", "1"}, {"Cookie", "c"}, {"Authorization", "d"}, {"Content-Type", "e"}, {"Origin", "f"}},
			[]Field{{"Host", "a"}, {"Content-Length", "1"}, {"Cookie", "c"}, {"Authorization", "d"}, {"Content-Type", "e"}, {"Origin", "f"}}},
	} {
		if got := HopByHop(c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestKeepAliveAndUpgradeOfHeads(t *testing.T) {
	for fields, want := range map[string]struct {
		keep10, keep11 bool
		upgrade        string
	}{
		"":                                       {false, true, ""},
		"Connection: close":                      {false, false, ""},
		"Connection: Keep-Alive":                 {true, true, ""},
		"Connection: keep-alive, close":          {false, false, ""},
		"Connection: foo\r\nConnection: , CLOSE": {false, false, ""},
		"Connection: Upgrade\r\nUpgrade: WebSocket":                       {false, true, "websocket"},
		"Upgrade: websocket":                                              {false, true, ""},
		"Connection: x, upgrade\r\nUpgrade: h2c, a\r\nUpgrade: websocket": {false, true, "h2c, a, websocket"},
	} {
		if fields != "" {
			fields += "\r\n"
		}
		for minor, keep := range []bool{want.keep10, want.keep11} {
			in := "GET / HTTP/1." + string(rune('0'+minor)) + "\r\nHost: a\r\n" + fields + "\r\n"
			h, err := ReadRequest(bufio.NewReader(strings.NewReader(in)), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			upgrade := want.upgrade
			if minor == 0 {
				upgrade = ""
			}
			if h.KeepAlive() != keep || h.Upgrade() != upgrade {
				t.Errorf("%q: keep %v upgrade %q", in, h.KeepAlive(), h.Upgrade())
			}
		}
	}
}

func TestSameAuthority(t *testing.T) {
	for _, c := range []struct {
		a, b string
		port uint16
		want bool
	}{
		{"login.live.com", "LOGIN.live.com.:443", 443, true}, {"login.live.com", "login.live.com:80", 443, false},
		{"a.example", "b.example", 443, false}, {"a.example:0443", "a.example", 443, false}, {"", "", 443, false},
		{"[2001:db8::1]", "[2001:DB8:0::1]:443", 443, true}, {"a.example", "a.example\x00", 443, false},
	} {
		if SameAuthority(c.a, c.b, c.port) != c.want {
			t.Errorf("%q %q %d", c.a, c.b, c.port)
		}
	}
}

func TestReadIntoForgetsOnError(t *testing.T) {
	h := new(RequestHead)
	if err := ReadRequestInto(bufio.NewReader(strings.NewReader(browserHead)), Limits{}, h); err != nil {
		t.Fatal(err)
	}
	room := &h.Fields[:1][0]
	if err := ReadRequestInto(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n")), Limits{}, h); err == nil {
		t.Fatal("accepted")
	}
	if h.Method != "" || len(h.Fields) != 0 || h.Fields[:1][0] != (Field{}) || &h.Fields[:1][0] != room {
		t.Errorf("%+v", h)
	}
}
