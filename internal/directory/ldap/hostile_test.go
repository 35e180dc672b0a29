package ldap

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

// What follows writes LDAP by hand, byte by byte, and shares nothing with what reads it.

func tlv(tag byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	out := []byte{tag}
	switch n := len(body); {
	case n < 0x80:
		out = append(out, byte(n))
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, body...)
}

func text(s string) []byte { return tlv(0x04, []byte(s)) }

func number(tag byte, n int) []byte { return tlv(tag, []byte{byte(n >> 8), byte(n)}) }

func envelope(id int, operation []byte, controls ...[]byte) []byte {
	parts := [][]byte{number(0x02, id), operation}
	if len(controls) > 0 {
		parts = append(parts, tlv(0xa0, controls...))
	}
	return tlv(0x30, parts...)
}

func result(tag byte, code int) []byte {
	return tlv(tag, tlv(0x0a, []byte{byte(code)}), text(""), text("said so"))
}

func found(dn string, attributes ...[]byte) []byte {
	return tlv(0x64, text(dn), tlv(0x30, attributes...))
}

func attribute(name string, values ...string) []byte {
	var all [][]byte
	for _, v := range values {
		all = append(all, text(v))
	}
	return tlv(0x30, text(name), tlv(0x31, all...))
}

// control is a response control; of pages its size and cookie.
func paged(cookie string) []byte {
	return tlv(0x30, text("1.2.840.113556.1.4.319"), tlv(0x04, tlv(0x30, number(0x02, 0), text(cookie))))
}

func toldChanges(more int, cookie string) []byte {
	return tlv(0x30, text("1.2.840.113556.1.4.841"), tlv(0x04, tlv(0x30, number(0x02, more), number(0x02, 0), text(cookie))))
}

func person(n int) []byte {
	dn := fmt.Sprintf("CN=u%d,DC=corp,DC=example", n)
	return found(dn, attribute("objectClass", "user"), attribute("objectGUID", fmt.Sprintf("%016d", n)), attribute("userPrincipalName", fmt.Sprintf("u%d@contoso.com", n)))
}

// liar answers every request with what answer returns for it; ok false ends the connection. Bind and what the server says
// of itself are answered truly unless answer does.
type liar struct {
	t      *testing.T
	answer func(request request, w io.Writer) (handled, ok bool)
	tls    *tls.Config
	start  bool // StartTLS is answered with success
}

// request is what was asked.
type request struct {
	id   int
	tag  byte
	base string
	n    int // how many searches below the domain there were before
}

// listen serves until the test ends.
func (l *liar) listen() Server {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	done := make(chan struct{})
	l.t.Cleanup(func() { in.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := in.Accept()
			if err != nil {
				return
			}
			l.serve(conn)
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(in.Addr().String())
	return Server{Host: "localhost", Port: port, TLS: l.tls != nil && !l.start}
}

func (l *liar) serve(conn net.Conn) {
	if l.tls != nil && !l.start {
		conn = tls.Server(conn, l.tls)
	}
	searches := 0
	for {
		r, err := next(conn)
		if err != nil {
			return
		}
		if strings.HasSuffix(r.base, "DC=corp,DC=example") && !strings.HasPrefix(r.base, "CN=Partitions") {
			r.n = searches
			searches++
		}
		if l.answer != nil {
			if handled, ok := l.answer(r, conn); !ok {
				return
			} else if handled {
				continue
			}
		}
		switch {
		case r.tag == 0x77 && l.start:
			conn.Write(envelope(r.id, result(0x78, 0)))
			conn = tls.Server(conn, l.tls)
		case r.tag == 0x60:
			conn.Write(envelope(r.id, result(0x61, 0)))
		case r.tag == 0x63 && r.base == "":
			conn.Write(envelope(r.id, found("", attribute("defaultNamingContext", "DC=corp,DC=example"), attribute("configurationNamingContext", "CN=Configuration,DC=corp,DC=example"), attribute("supportedControl", "1.2.840.113556.1.4.841"))))
			conn.Write(envelope(r.id, result(0x65, 0)))
		case r.tag == 0x63:
			conn.Write(envelope(r.id, result(0x65, 0), paged("")))
		default:
			return
		}
	}
}

// next reads a request; what is none, such as the first words of TLS, is an error.
func next(conn net.Conn) (r request, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("no request")
		}
	}()
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return request{}, err
	}
	length := int(head[1])
	if length >= 0x80 {
		more := make([]byte, length&0x7f)
		if _, err := io.ReadFull(conn, more); err != nil {
			return request{}, err
		}
		length = 0
		for _, b := range more {
			length = length<<8 | int(b)
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(conn, body); err != nil {
		return request{}, err
	}
	for _, b := range body[2 : 2+body[1]] {
		r.id = r.id<<8 | int(b)
	}
	body = body[2+body[1]:]
	r.tag = body[0]
	skip := 2
	if body[1] >= 0x80 {
		skip += int(body[1] & 0x7f)
	}
	if body = body[skip:]; r.tag == 0x63 && body[0] == 0x04 {
		r.base = string(body[2 : 2+body[1]])
	}
	return r, nil
}

// asked is the options of reading from s, in the clear, with patience enough for a busy machine.
func asked(s Server) Options {
	return Options{
		Servers: []Server{s}, Login: Login{Name: "reader@corp.example", Password: "secret"}, Cleartext: true, Timeout: 10 * time.Minute,
		limits: limits{request: 2 * time.Minute, page: 10},
	}
}

// trouble reads and returns the one finding that it ends with.
func trouble(t *testing.T, o Options) finding.Finding {
	t.Helper()
	d, _, err := Read(context.Background(), o)
	var problem *finding.Problem
	if d != nil || !errors.As(err, &problem) || len(problem.Findings) != 1 {
		t.Fatalf("got %v, %v", d, err)
	}
	f := problem.Findings[0]
	for _, lang := range []string{"en", "ja"} {
		if text := message.New(lang).Finding(f); text == "" || strings.Contains(text, "<no value>") || strings.Contains(text, f.Code) {
			t.Errorf("%s: %q", f.Code, text)
		}
	}
	return f
}

// below answers searches below the domain alone.
func below(answer func(r request, w io.Writer) bool) func(request, io.Writer) (bool, bool) {
	return func(r request, w io.Writer) (bool, bool) {
		if r.tag != 0x63 || r.base != "DC=corp,DC=example" {
			return false, true
		}
		return true, answer(r, w)
	}
}

func TestATrueServerIsRead(t *testing.T) {
	l := &liar{t: t, answer: below(func(r request, w io.Writer) bool {
		for i := range 10 {
			w.Write(envelope(r.id, person(10*r.n+i)))
		}
		cookie := "more"
		if r.n == 4 {
			cookie = ""
			w.Write(envelope(r.id, tlv(0x73, text("ldap://child.corp.example/DC=child,DC=corp,DC=example"))))
		}
		w.Write(envelope(r.id, result(0x65, 0), paged(cookie)))
		return true
	})}
	d, notices, err := Read(context.Background(), asked(l.listen()))
	if err != nil || len(d.Accounts) != 50 {
		t.Fatalf("%v, %v", d, err)
	}
	if len(notices) != 1 || notices[0].Code != "ldap.referrals" || !strings.Contains(notices[0].Args["to"], "child.corp.example") {
		t.Errorf("notices %v", notices)
	}
}

func TestALyingServerIsLeft(t *testing.T) {
	done := func(r request, w io.Writer, controls ...[]byte) bool {
		w.Write(envelope(r.id, result(0x65, 0), controls...))
		return true
	}
	for name, c := range map[string]struct {
		answer func(r request, w io.Writer) bool
		code   string
	}{
		"says-nothing":          {func(request, io.Writer) bool { return true }, "ldap.slow"},
		"stops-in-a-message":    {func(r request, w io.Writer) bool { w.Write(envelope(r.id, person(1))[:20]); return true }, "ldap.slow"},
		"ends-in-a-message":     {func(r request, w io.Writer) bool { w.Write(envelope(r.id, person(1))[:20]); return false }, "ldap.lost"},
		"ends-between-messages": {func(r request, w io.Writer) bool { w.Write(envelope(r.id, person(1))); return false }, "ldap.lost"},
		"ends-at-once":          {func(request, io.Writer) bool { return false }, "ldap.lost"},
		"speaks-http":           {func(r request, w io.Writer) bool { io.WriteString(w, "HTTP/1.1 400 Bad Request\r\n\r\n"); return true }, "ldap.garbage"},
		"indefinite-length":     {func(r request, w io.Writer) bool { w.Write([]byte{0x30, 0x80, 0, 0}); return true }, "ldap.garbage"},
		"length-of-nine-bytes":  {func(r request, w io.Writer) bool { w.Write([]byte{0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1}); return true }, "ldap.garbage"},
		"length-beyond-the-end": {func(r request, w io.Writer) bool {
			w.Write(tlv(0x30, number(2, r.id), []byte{0x64, 50, 4, 0}))
			return true
		}, "ldap.garbage"},
		"no-operation":      {func(r request, w io.Writer) bool { w.Write(tlv(0x30, number(2, r.id))); return true }, "ldap.garbage"},
		"number-of-another": {func(r request, w io.Writer) bool { w.Write(envelope(r.id+77, person(1))); return done(r, w, paged("")) }, "ldap.garbage"},
		"object-without-values": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, tlv(0x64, text("CN=x"), tlv(0x30, tlv(0x30, text("mail"))))))
			return done(r, w, paged(""))
		}, "ldap.garbage"},
		"object-of-numbers": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, tlv(0x64, number(2, 7), number(2, 8))))
			return done(r, w, paged(""))
		}, "ldap.garbage"},
		"nested-a-thousand-times": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, tlv(0x64, text("CN=x"), nested(1000))))
			return true
		}, "ldap.garbage"},
		"a-million-empty-things": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, tlv(0x64, text("CN=x"), tlv(0x30, bytes.Repeat([]byte{4, 0}, 900_000)))))
			return true
		}, "ldap.garbage"},
		"control-nested": {func(r request, w io.Writer) bool {
			return done(r, w, tlv(0x30, text("1.2.840.113556.1.4.319"), tlv(4, nested(1000))))
		}, "ldap.garbage"},
		"control-of-an-object": {func(r request, w io.Writer) bool { w.Write(envelope(r.id, person(1), paged(""))); return true }, "ldap.garbage"},
		"value-of-10-MiB": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=big,DC=corp,DC=example", attribute("mail", strings.Repeat("a", 10<<20)))))
			return true
		}, "ldap.long-message"},
		"announces-4-GiB": {func(r request, w io.Writer) bool {
			w.Write([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, byte(r.id)})
			return false
		}, "ldap.lost"},
		"value-of-100-KiB": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=big", attribute("mail", strings.Repeat("a", 100<<10)))))
			return done(r, w, paged(""))
		}, "directory.long-value"},
		"result-of-a-MiB": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, tlv(0x65, tlv(0x0a, []byte{0}), text(strings.Repeat("x", 1<<20)), text(""))))
			return true
		}, "ldap.long-message"},
		"no-word-of-pages": {func(r request, w io.Writer) bool { w.Write(envelope(r.id, person(1))); return done(r, w) }, "ldap.no-pages"},
		"the-same-page-for-ever": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, person(1)))
			return done(r, w, paged("same"))
		}, "ldap.repeats"},
		"empty-pages-for-ever": {func(r request, w io.Writer) bool { return done(r, w, paged(fmt.Sprint("cookie", r.n))) }, "ldap.repeats"},
		"a-page-without-end": {func(r request, w io.Writer) bool {
			for i := range 100_000 {
				if _, err := w.Write(envelope(r.id, person(i))); err != nil {
					return false
				}
			}
			return true
		}, "ldap.endless-page"},
		"part-of-the-values": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=x", attribute("objectClass", "user"), attribute("proxyAddresses;range=0-1499", "smtp:a@b.example"))))
			return done(r, w, paged(""))
		}, "directory.ldap-range"},
		"two-names-of-one": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=x", attribute("objectClass", "user"), attribute("userPrincipalName", "a@b.example", "c@d.example"))))
			return done(r, w, paged(""))
		}, "directory.several-values"},
		"not-text": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=x", attribute("objectClass", "user"), attribute("mail", "\xff\xfe"))))
			return done(r, w, paged(""))
		}, "directory.not-text"},
		"two-of-one-name": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=x", attribute("objectClass", "user"), attribute("objectGUID", strings.Repeat("a", 16)))))
			w.Write(envelope(r.id, found("CN=x", attribute("objectClass", "user"), attribute("objectGUID", strings.Repeat("b", 16)))))
			return done(r, w, paged(""))
		}, "directory.same-object-here"},
		"too-many":         {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 4))); return true }, "ldap.limit"},
		"too-slow":         {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 3))); return true }, "ldap.limit"},
		"elsewhere":        {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 10))); return true }, "ldap.referral"},
		"busy":             {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 51))); return true }, "ldap.busy"},
		"denied":           {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 50))); return true }, "ldap.denied"},
		"unwilling":        {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 53))); return true }, "ldap.result"},
		"ends-with-a-bind": {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x61, 0))); return true }, "ldap.garbage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &liar{t: t, answer: below(c.answer)}
			o := asked(l.listen())
			if c.code == "ldap.slow" {
				o.limits.request = time.Second
			}
			if f := trouble(t, o); f.Code != c.code {
				t.Errorf("got %v, want %s", f, c.code)
			} else if name == "value-of-10-MiB" && f.Args["dn"] != "CN=big,DC=corp,DC=example" {
				t.Errorf("args %v", f.Args)
			}
		})
	}
}

// nested is depth sequences in each other.
func nested(depth int) []byte {
	out := text("in the middle")
	for range depth {
		out = tlv(0x30, out)
	}
	return out
}

// TestMemoryIsBounded: whatever comes, it is left before much of it is held.
func TestMemoryIsBounded(t *testing.T) {
	l := &liar{t: t, answer: below(func(r request, w io.Writer) bool {
		// One object after another, each large and finely divided.
		for i := range 200 {
			values := make([]string, 700)
			for j := range values {
				values[j] = strings.Repeat("v", 1000)
			}
			if _, err := w.Write(envelope(r.id, found(fmt.Sprintf("CN=%d", i), attribute("objectClass", "computer"), attribute("other", values...)))); err != nil {
				return false
			}
		}
		return true
	})}
	var before, after runtime.MemStats
	peak := uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapInuse)
			}
		}
	}()
	o := asked(l.listen())
	f := trouble(t, o)
	close(stop)
	<-stopped
	if f.Code != "ldap.endless-page" {
		t.Errorf("got %v", f)
	}
	t.Logf("%d MiB at the most", peak>>20)
	if limit := before.HeapInuse + 700<<20; peak > limit {
		t.Errorf("%d MiB were held", peak>>20)
	}
}

func TestWhoGivesUpWaitsNoLonger(t *testing.T) {
	l := &liar{t: t, answer: below(func(request, io.Writer) bool { return true })}
	o := asked(l.listen())
	o.limits.request = time.Hour
	o.Timeout = 300 * time.Millisecond
	if f := trouble(t, o); f.Code != "ldap.too-long" {
		t.Errorf("got %v", f)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	o.Timeout = time.Hour
	if _, _, err := Read(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCertificatesHaveToVerify(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		names       []string
		from, until time.Time
		trusted     bool
		code        string
	}{
		"signed-itself":   {[]string{"localhost"}, now.Add(-time.Hour), now.Add(time.Hour), false, "ldap.tls-untrusted"},
		"expired":         {[]string{"localhost"}, now.Add(-2 * time.Hour), now.Add(-time.Hour), true, "ldap.tls-dates"},
		"not-yet":         {[]string{"localhost"}, now.Add(time.Hour), now.Add(2 * time.Hour), true, "ldap.tls-dates"},
		"another-name":    {[]string{"dc1.corp.example", "corp.example"}, now.Add(-time.Hour), now.Add(time.Hour), true, "ldap.tls-name"},
		"no-name":         {nil, now.Add(-time.Hour), now.Add(time.Hour), true, "ldap.tls-no-name"},
		"as-it-should-be": {[]string{"localhost"}, now.Add(-time.Hour), now.Add(time.Hour), true, ""},
	} {
		pair, cert := alone(t, c.names, c.from, c.until)
		for _, start := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/starttls=%v", name, start), func(t *testing.T) {
				l := &liar{t: t, tls: &tls.Config{Certificates: []tls.Certificate{pair}}, start: start}
				o := asked(l.listen())
				o.Cleartext, o.StartTLS, o.Roots = false, start, x509.NewCertPool()
				if c.trusted {
					o.Roots.AddCert(cert)
				}
				if c.code == "" {
					if d, _, err := Read(context.Background(), o); err != nil || len(d.Accounts) != 0 {
						t.Errorf("got %v, %v", d, err)
					}
				} else if f := trouble(t, o); f.Code != c.code {
					t.Errorf("got %v, want %s", f, c.code)
				}
			})
		}
	}
}

// alone is a certificate that signs itself.
func alone(t *testing.T, names []string, from, until time.Time) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "alone"}, DNSNames: names, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, cert
}

// TestNothingIsSaidBeforeTLS: whoever refuses StartTLS, or adds words of their own behind the answer, hears no password.
func TestNothingIsSaidBeforeTLS(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		code   string
	}{
		"refused":          {envelope(1, result(0x78, 2)), "ldap.starttls"},
		"another-number":   {envelope(2, result(0x78, 0)), "ldap.garbage"},
		"another-answer":   {envelope(1, result(0x61, 0)), "ldap.garbage"},
		"words-behind":     {append(envelope(1, result(0x78, 0)), envelope(2, result(0x61, 0))...), "ldap.tls"},
		"no-answer-at-all": {[]byte("220 ready\r\n"), "ldap.garbage"},
	} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan request, 10)
			l := &liar{t: t, answer: func(r request, w io.Writer) (bool, bool) {
				heard <- r
				if r.tag == 0x77 {
					w.Write(c.answer)
				}
				return true, r.tag == 0x77
			}}
			o := asked(l.listen())
			o.Cleartext, o.StartTLS = false, true
			if f := trouble(t, o); f.Code != c.code {
				t.Errorf("got %v, want %s", f, c.code)
			}
			for len(heard) > 0 {
				if r := <-heard; r.tag == 0x60 {
					t.Error("the password was sent")
				}
			}
		})
	}
}

func TestAFaultyStateOfChanges(t *testing.T) {
	object := func(more ...[]byte) []byte {
		return found("CN=u,DC=corp,DC=example", append([][]byte{attribute("objectGUID", strings.Repeat("g", 16))}, more...)...)
	}
	for name, c := range map[string]struct {
		answer func(r request, w io.Writer) bool
		code   string
	}{
		"changes-for-ever": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, object(attribute("objectClass", "user"))))
			w.Write(envelope(r.id, result(0x65, 0), toldChanges(1, "c")))
			return true
		}, "ldap.repeats"},
		"no-cookie": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, result(0x65, 0), toldChanges(0, "")))
			return true
		}, "ldap.no-pages"},
		"no-control": {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 0), paged(""))); return true }, "ldap.no-pages"},
		"change-of-a-secret": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, object(attribute("mail", "a@b.example"))))
			w.Write(envelope(r.id, result(0x65, 0), toldChanges(0, "c")))
			return true
		}, "ldap.garbage"},
		"object-without-guid": {func(r request, w io.Writer) bool {
			w.Write(envelope(r.id, found("CN=u", attribute("objectClass", "user"))))
			w.Write(envelope(r.id, result(0x65, 0), toldChanges(0, "c")))
			return true
		}, "ldap.garbage"},
		"denied": {func(r request, w io.Writer) bool { w.Write(envelope(r.id, result(0x65, 50))); return true }, "ldap.dirsync-denied"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &liar{t: t, answer: below(c.answer)}
			o := asked(l.listen())
			o.State = filepath.Join(t.TempDir(), "state")
			if f := trouble(t, o); f.Code != c.code {
				t.Errorf("got %v, want %s", f, c.code)
			}
			if _, err := os.Stat(o.State); err == nil {
				t.Error("a state was written")
			}
		})
	}
}

// TestARefusedCookieIsReadAnew: a domain controller that was restored does not know how to go on.
func TestARefusedCookieIsReadAnew(t *testing.T) {
	l := &liar{t: t, answer: below(func(r request, w io.Writer) bool {
		switch r.n {
		case 0, 3: // everything
			w.Write(envelope(r.id, person(1)))
			w.Write(envelope(r.id, result(0x65, 0), toldChanges(0, "cookie")))
		case 2: // changes
			w.Write(envelope(r.id, result(0x65, 53)))
		default: // who is locked out
			w.Write(envelope(r.id, result(0x65, 0), paged("")))
		}
		return true
	})}
	s := l.listen()
	o := asked(s)
	o.State = filepath.Join(t.TempDir(), "state")
	if _, _, err := Read(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	// The counting is of a connection, so the second reading begins where the first ended.
	l.answer = below(func(r request, w io.Writer) bool {
		switch r.n {
		case 0:
			w.Write(envelope(r.id, result(0x65, 53)))
		case 1:
			w.Write(envelope(r.id, person(1)))
			w.Write(envelope(r.id, person(2)))
			w.Write(envelope(r.id, result(0x65, 0), toldChanges(0, "cookie")))
		default:
			w.Write(envelope(r.id, result(0x65, 0), paged("")))
		}
		return true
	})
	d, notices, err := Read(context.Background(), o)
	if err != nil || len(d.Accounts) != 2 || len(notices) != 1 || notices[0].Args["why"] != "refused" {
		t.Errorf("got %v, %v, %v", d, notices, err)
	}
}
