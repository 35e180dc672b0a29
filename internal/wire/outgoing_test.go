package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/restrict"
)

const (
	contoso = "3d4c2f6b-8f0e-4c1b-9a5d-2e7f6a1b9c40"
	policy  = "7b1e9d52-4c38-4f0a-8d6e-91c2a5f3e084"
)

// plans are the plans that exist: what each sets is what the tests count on the wire.
func plans(t testing.TB) map[string]restrict.Plan {
	t.Helper()
	at := func(s string) restrict.At { return restrict.At{Text: s} }
	v1, list := restrict.Compile(restrict.Spec{Name: "v1", Version: restrict.V1, Context: at(contoso),
		Permitted: []restrict.At{at("contoso.com"), at(contoso)}, BlockConsumers: true})
	if v1 == nil {
		t.Fatal(list)
	}
	v2, list := restrict.Compile(restrict.Spec{Name: "v2", Version: restrict.V2, Policy: at(contoso + ":" + policy)})
	if v2 == nil {
		t.Fatal(list)
	}
	return map[string]restrict.Plan{
		"v1": v1.Plan(catalog.SignIn), "v1-consumer": v1.Plan(catalog.SignInConsumer),
		"v2": v2.Plan(catalog.SignIn), "v2-consumer": v2.Plan(catalog.SignInConsumer), "delete": restrict.DeleteOnly(),
	}
}

// hostile is every way known to us in which a client may try to bring its own restriction headers along, or to have
// ours removed.
func hostile() (fields []Field) {
	for _, name := range restrict.DeletedNames() {
		for _, n := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_")} {
			fields = append(fields, Field{n, "fabrikam.com"}, Field{"Connection", n}, Field{"Trailer", n},
				Field{"connection", "close, " + n + " ,x"}, Field{"TE", n}, Field{"Keep-Alive", n})
		}
	}
	return append(fields, Field{"Connection", "host, content-length, transfer-encoding, cookie, authorization"},
		Field{"Cookie", "a=b"}, Field{"Authorization", "x"}, Field{"X", "1"}, Field{"x-drop-me", "1"}, Field{"Connection", "X-Drop-Me"})
}

// oracle is the rule of this project, looked at from outside: the bytes hold one head, and in it every restriction
// header of the plan exactly once with exactly the plan's bytes, and no other of the known names.
func oracle(out []byte, plan restrict.Plan) error {
	if n := bytes.Count(out, []byte("\r\n\r\n")); n != 1 || !bytes.HasSuffix(out, []byte("\r\n\r\n")) {
		return fmt.Errorf("%d ends of head", n)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\r\n\r\n"), "\r\n")
	count := map[string]int{}
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return fmt.Errorf("line %d: %q", i, line)
		}
		if i == 0 {
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" {
			return fmt.Errorf("line %d: %q", i, line)
		}
		folded := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		count[folded]++
		for _, d := range restrict.DeletedNames() {
			if folded != strings.ToLower(d) {
				continue
			}
			mine := false
			for _, s := range plan.Set() {
				mine = mine || s.Name == name && s.Value == value
			}
			if !mine {
				return fmt.Errorf("line %d: %q is not the plan's", i, line)
			}
		}
	}
	for _, s := range plan.Set() {
		if n := count[strings.ToLower(s.Name)]; n != 1 {
			return fmt.Errorf("%s stands there %d times", s.Name, n)
		}
	}
	for _, once := range []string{"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"} {
		if count[once] > 1 {
			return fmt.Errorf("%s stands there %d times", once, count[once])
		}
	}
	if count["host"] != 1 || count["content-length"] > 0 && count["transfer-encoding"] > 0 {
		return fmt.Errorf("host %d, length %d, coding %d", count["host"], count["content-length"], count["transfer-encoding"])
	}
	return nil
}

func TestAppendRequestSendsExactlyThePlansHeaders(t *testing.T) {
	for name, plan := range plans(t) {
		for _, f := range []Framing{{}, {Kind: Length, Length: 3}, {Kind: Chunked}, {Kind: Chunked, Trailer: "Digest"}} {
			o := &Outgoing{Method: "POST", Path: "/common/oauth2/v2.0/token?x=1", Authority: "login.microsoftonline.com",
				Fields: hostile(), Framing: f, Close: true}
			out, err := AppendRequest([]byte{}, o, plan)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := oracle(out, plan); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
			for _, want := range []string{"\r\nCookie: a=b\r\n", "\r\nAuthorization: x\r\n"} {
				if !bytes.Contains(out, []byte(want)) {
					t.Errorf("%s: a Connection option removed %q\n%s", name, want, out)
				}
			}
			if bytes.Contains(bytes.ToLower(out), []byte("\r\nx-drop-me")) {
				t.Errorf("%s: the connection's own field is forwarded\n%s", name, out)
			}
			h, err := ReadRequest(bufio.NewReader(bytes.NewReader(out)), Limits{})
			if err != nil {
				t.Fatalf("%s: our own bytes: %v\n%s", name, err, out)
			}
			if back, err := RequestFraming(h); err != nil || back != wireForm(o) {
				t.Errorf("%s: framing %+v %v, want %+v", name, back, err, f)
			}
		}
	}
}

// wireForm is the framing that a receiver finds: a POST without body says so.
func wireForm(o *Outgoing) Framing {
	if o.Framing.Kind == NoBody && (o.Method == "POST" || o.Method == "PUT" || o.Method == "PATCH") {
		return Framing{Kind: Length}
	}
	return o.Framing
}

// The bytes that go out, in order, so that a change of form shows.
func TestAppendRequestBytes(t *testing.T) {
	plan := plans(t)["v1"]
	o := &Outgoing{Method: "GET", Path: "/", Authority: "login.live.com", Upgrade: "", Fields: []Field{
		{"host", "LOGIN.live.com:443"}, {"accept-ENCODING", " br "}, {"TE", "gzip, trailers;q=0"}, {"te", "Trailers"},
		{"Proxy-Authorization", "Basic x"}, {"proxy-foo", "x"}, {"Upgrade", "h2c"}, {"HTTP2-Settings", "x"},
		{"Connection", "Upgrade, HTTP2-Settings, keep-alive, Foo"}, {"Foo", "x"}, {"Sec-WebSocket-Key", "x"},
		{"Expect", "100-continue"}, {"Content-Length", "0"}, {"Alt-Svc", "x"}, {"Empty", ""},
	}}
	got, err := AppendRequest([]byte("before "), o, plan)
	if err != nil {
		t.Fatal(err)
	}
	want := "before GET / HTTP/1.1\r\nHost: login.live.com\r\naccept-ENCODING: br\r\nEmpty: \r\n" +
		"Restrict-Access-To-Tenants: contoso.com," + contoso + "\r\nRestrict-Access-Context: " + contoso + "\r\n" +
		"TE: trailers\r\nConnection: TE\r\n\r\n"
	if string(got) != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	up := &Outgoing{Method: "GET", Path: "/ws", Authority: "a.example:8443", Upgrade: "websocket", Fields: []Field{
		{"Connection", "keep-alive, Upgrade"}, {"Upgrade", "websocket, h2c"}, {"Sec-WebSocket-Key", "k"}, {"sec-websocket-version", "13"},
	}}
	got, err = AppendRequest(nil, up, restrict.DeleteOnly())
	if want := "GET /ws HTTP/1.1\r\nHost: a.example:8443\r\nSec-WebSocket-Key: k\r\nsec-websocket-version: 13\r\n" +
		"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"; err != nil || string(got) != want {
		t.Errorf("got\n%q %v\nwant\n%q", got, err, want)
	}
	body := &Outgoing{Method: "PUT", Path: "/p", Authority: "a.example", Expect: true, Close: true,
		Framing: Framing{Kind: Chunked, Trailer: "Digest"}, Fields: []Field{{"Transfer-Encoding", "chunked"}, {"Trailer", "Digest, Host"}}}
	got, err = AppendRequest(nil, body, restrict.DeleteOnly())
	if want := "PUT /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n" +
		"Expect: 100-continue\r\nConnection: close\r\n\r\n"; err != nil || string(got) != want {
		t.Errorf("got\n%q %v\nwant\n%q", got, err, want)
	}
}

// What AppendRequest refuses leaves nothing behind, whoever made it: the HTTP/2 server hands on what clients write.
func TestAppendRequestRefuses(t *testing.T) {
	all := plans(t)
	base := func() *Outgoing { return &Outgoing{Method: "GET", Path: "/", Authority: "a.example"} }
	field := func(name, value string) func(*Outgoing) {
		return func(o *Outgoing) { o.Fields = []Field{{"X", "y"}, {name, value}} }
	}
	for name, c := range map[string]struct {
		code   string
		change func(o *Outgoing)
		plan   string
	}{
		"no-plan":                        {CodeNoPlan, func(o *Outgoing) { o.Method = "bad method" }, "zero"},
		"method-empty":                   {CodeMethodByte, func(o *Outgoing) { o.Method = "" }, ""},
		"method-with-space":              {CodeMethodByte, func(o *Outgoing) { o.Method = "GET /evil HTTP/1.1\r\nX:" }, ""},
		"method-lower":                   {CodeMethodCase, func(o *Outgoing) { o.Method = "get" }, ""},
		"method-long":                    {CodeMethodTooLong, func(o *Outgoing) { o.Method = strings.Repeat("A", 33) }, ""},
		"connect":                        {CodeMethodConnect, func(o *Outgoing) { o.Method = "CONNECT" }, ""},
		"trace-beside-headers":           {CodeMethodTrace, func(o *Outgoing) { o.Method = "TRACE" }, "v2"},
		"trace-with-body":                {CodeMethodTrace, func(o *Outgoing) { o.Method = "TRACE"; o.Framing = Framing{Kind: Chunked} }, ""},
		"path-empty":                     {CodePathInvalid, func(o *Outgoing) { o.Path = "" }, ""},
		"path-without-slash":             {CodePathInvalid, func(o *Outgoing) { o.Path = "http://evil.example/" }, ""},
		"path-with-space":                {CodePathInvalid, func(o *Outgoing) { o.Path = "/ HTTP/1.1" }, ""},
		"path-with-line-end":             {CodePathInvalid, func(o *Outgoing) { o.Path = "/\r\nHost: evil" }, ""},
		"path-with-fragment":             {CodePathInvalid, func(o *Outgoing) { o.Path = "/#" }, ""},
		"path-asterisk":                  {CodePathInvalid, func(o *Outgoing) { o.Path = "*" }, ""},
		"authority-empty":                {CodeAuthorityInvalid, func(o *Outgoing) { o.Authority = "" }, ""},
		"authority-userinfo":             {CodeAuthorityInvalid, func(o *Outgoing) { o.Authority = "u@a.example" }, ""},
		"authority-line-end":             {CodeAuthorityInvalid, func(o *Outgoing) { o.Authority = "a\r\nX: y" }, ""},
		"authority-port":                 {CodeAuthorityInvalid, func(o *Outgoing) { o.Authority = "a:99999" }, ""},
		"name-empty":                     {CodeNameEmpty, field("", "x"), ""},
		"name-pseudo":                    {CodeNameByte, field(":path", "/evil"), ""},
		"name-space":                     {CodeNameByte, field("X Y", "x"), ""},
		"name-line-end":                  {CodeNameByte, field("X\r\nY", "x"), ""},
		"name-trailing-space":            {CodeNameByte, field("Restrict-Access-To-Tenants ", "x"), "v1"},
		"name-non-ascii":                 {CodeNameNonASCII, field("Ré", "x"), ""},
		"value-line-end":                 {CodeValueByte, field("Y", "a\r\nRestrict-Access-Context: x"), "v1"},
		"value-lf":                       {CodeValueByte, field("Y", "a\nb"), ""},
		"value-cr":                       {CodeValueByte, field("Y", "a\rb"), ""},
		"value-nul":                      {CodeValueByte, field("Y", "12345678\x00"), ""},
		"value-of-a-dropped-field":       {CodeValueByte, field("Restrict-Access-Context", "a\nb"), ""},
		"value-of-a-hop-by-hop-field":    {CodeValueByte, field("Keep-Alive", "a\nb"), ""},
		"host-other":                     {CodeHostMismatch, field("Host", "login.live.com"), ""},
		"host-empty":                     {CodeHostMismatch, field("Host", ""), ""},
		"host-subdomain":                 {CodeHostMismatch, field("host", "x.a.example"), ""},
		"host-other-port":                {CodeHostMismatch, func(o *Outgoing) { o.Authority = "a.example:8443"; o.Fields = []Field{{"Host", "a.example:443"}} }, ""},
		"host-two-dots":                  {CodeHostMismatch, field("Host", "a.example.."), ""},
		"host-twice":                     {CodeHostMultiple, func(o *Outgoing) { o.Fields = []Field{{"Host", "a.example"}, {"host", "a.example"}} }, ""},
		"length-beside-no-body":          {CodeFramingInvalid, field("Content-Length", "5"), ""},
		"length-other":                   {CodeFramingInvalid, func(o *Outgoing) { field("Content-Length", "5")(o); o.Framing = Framing{Kind: Length, Length: 6} }, ""},
		"length-beside-chunked":          {CodeFramingInvalid, func(o *Outgoing) { field("Content-Length", "5")(o); o.Framing = Framing{Kind: Chunked} }, ""},
		"length-malformed":               {CodeContentLength, field("Content-Length", "+0"), ""},
		"length-twice":                   {CodeContentLengthMany, func(o *Outgoing) { o.Fields = []Field{{"Content-Length", "0"}, {"content-length", "0"}} }, ""},
		"length-negative":                {CodeFramingInvalid, func(o *Outgoing) { o.Framing = Framing{Kind: Length, Length: -1} }, ""},
		"until-close":                    {CodeFramingInvalid, func(o *Outgoing) { o.Framing = Framing{Kind: UntilClose} }, ""},
		"coding-beside-no-body":          {CodeFramingInvalid, field("Transfer-Encoding", "chunked"), ""},
		"coding-other":                   {CodeTransferEncoding, func(o *Outgoing) { field("Transfer-Encoding", "gzip")(o); o.Framing = Framing{Kind: Chunked} }, ""},
		"length-lookalike":               {CodeNameLookalike, field("Content_Length", "5"), ""},
		"coding-lookalike":               {CodeNameLookalike, field("TRANSFER_encoding", "chunked"), ""},
		"trailer-restriction-header":     {CodeTrailerForbidden, func(o *Outgoing) { o.Framing = Framing{Kind: Chunked, Trailer: "Restrict-Access-Context"} }, ""},
		"trailer-line-end":               {CodeTrailerInvalid, func(o *Outgoing) { o.Framing = Framing{Kind: Chunked, Trailer: "X\r\nY"} }, ""},
		"upgrade-h2c":                    {CodeUpgradeUnsupported, func(o *Outgoing) { o.Upgrade = "h2c" }, ""},
		"upgrade-post":                   {CodeUpgradeUnsupported, func(o *Outgoing) { o.Upgrade = "websocket"; o.Method = "POST" }, ""},
		"upgrade-with-body":              {CodeUpgradeUnsupported, func(o *Outgoing) { o.Upgrade = "websocket"; o.Framing = Framing{Kind: Chunked} }, ""},
		"upgrade-beside-restriction-set": {CodeUpgradeRestricted, func(o *Outgoing) { o.Upgrade = "websocket" }, "v1-consumer"},
	} {
		t.Run(name, func(t *testing.T) {
			o := base()
			c.change(o)
			plan := restrict.DeleteOnly()
			switch c.plan {
			case "zero":
				plan = restrict.Plan{}
			case "":
			default:
				plan = all[c.plan]
			}
			dst := make([]byte, 6, 4096)
			copy(dst, "before")
			out, err := AppendRequest(dst, o, plan)
			if !errors.Is(err, &Error{Code: c.code}) {
				t.Errorf("%v, want %s", err, c.code)
			}
			if string(out) != "before" {
				t.Errorf("appended %q", out)
			}
		})
	}
}

func TestAppendRequestDoesNotAllocate(t *testing.T) {
	plan := plans(t)["v1"]
	o := browserRequest()
	dst := make([]byte, 0, 8192)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendRequest(dst, o, plan); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
