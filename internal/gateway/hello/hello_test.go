package hello

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clientHello returns the first flight that crypto/tls sends for config.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		tls.Client(near, config).Handshake()
	}()
	buf := make([]byte, 32<<10)
	n, err := far.Read(buf)
	far.Close()
	near.Close()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// messageOf takes the handshake message out of one record.
func messageOf(t testing.TB, raw []byte) []byte {
	t.Helper()
	if size := int(raw[3])<<8 | int(raw[4]); size != len(raw)-recordHeader {
		t.Fatalf("%d bytes in more than one record", len(raw))
	}
	return raw[recordHeader:]
}

// records wraps fragments.
func records(fragments ...[]byte) (raw []byte) {
	for _, f := range fragments {
		raw = append(raw, typeHandshake, 3, 1, byte(len(f)>>8), byte(len(f)))
		raw = append(raw, f...)
	}
	return raw
}

func goHellos(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"post-quantum": clientHello(t, &tls.Config{ServerName: "login.microsoftonline.com", NextProtos: []string{"h2", "http/1.1"},
			CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519}}),
		"tls-1.2": clientHello(t, &tls.Config{ServerName: "login.microsoftonline.com", NextProtos: []string{"h2", "http/1.1"},
			MaxVersion: tls.VersionTLS12}),
		"no-name": clientHello(t, &tls.Config{InsecureSkipVerify: true}),
	}
}

func TestReadTakesHellosOfCryptoTLS(t *testing.T) {
	for name, raw := range goHellos(t) {
		h, err := Read(bytes.NewReader(raw), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(h.Raw, raw) {
			t.Errorf("%s: raw differs", name)
		}
		wantName, wantVersion := "login.microsoftonline.com", uint16(tls.VersionTLS13)
		switch name {
		case "tls-1.2":
			wantVersion = tls.VersionTLS12
		case "no-name":
			wantName = ""
		case "post-quantum":
			if len(raw) < 1400 {
				t.Errorf("%d bytes: no post-quantum key share in it", len(raw))
			}
		}
		if h.HasSNI != (wantName != "") || h.RawSNI != wantName || h.SNI.String() != wantName || h.SNIError != nil {
			t.Errorf("%s: name %v %q %q %v", name, h.HasSNI, h.RawSNI, h.SNI, h.SNIError)
		}
		if h.Version != wantVersion || h.ECH || h.EarlyData {
			t.Errorf("%s: %+v", name, h)
		}
		if wantName != "" && !slices.Equal(h.ALPN, []string{"h2", "http/1.1"}) {
			t.Errorf("%s: alpn %q", name, h.ALPN)
		}
	}
}

// The segments in which a hello arrives, and the records into which a client cuts it, change nothing.
func TestReadOverEverySplit(t *testing.T) {
	for name, raw := range goHellos(t) {
		want, err := Read(bytes.NewReader(raw), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want.Raw, want.Size = nil, 0
		check := func(how string, at int, raw []byte, r io.Reader) {
			t.Helper()
			h, err := Read(r, Limits{})
			if err != nil {
				t.Fatalf("%s: %s at %d: %v", name, how, at, err)
			}
			if !bytes.Equal(h.Raw, raw) || h.Size == 0 || h.Size > len(raw) {
				t.Fatalf("%s: %s at %d: raw differs", name, how, at)
			}
			h.Raw, h.Size = nil, 0
			if !reflect.DeepEqual(want, h) {
				t.Fatalf("%s: %s at %d: %s", name, how, at, cmp.Diff(want, h))
			}
		}
		msg := messageOf(t, raw)
		for i := 1; i < len(raw); i++ {
			check("segments", i, raw, io.MultiReader(bytes.NewReader(raw[:i]), bytes.NewReader(raw[i:])))
		}
		for i := 1; i < len(msg); i++ {
			cut := records(msg[:i], msg[i:])
			check("records", i, cut, bytes.NewReader(cut))
		}
		var single [][]byte
		for i := range msg {
			single = append(single, msg[i:i+1])
		}
		cut := records(single...)
		check("records of one byte", 0, cut, bytes.NewReader(cut))
		check("segments and records of one byte", 0, cut, iotest.OneByteReader(bytes.NewReader(cut)))
		check("data with the error", 0, raw, iotest.DataErrReader(bytes.NewReader(raw)))
		more := append(slices.Clone(raw), "\x17\x03\x03\x00\x02ab"...)
		check("early data behind it", 0, more, bytes.NewReader(more))
	}
}

func TestReadEndsEarly(t *testing.T) {
	raw := goHellos(t)["post-quantum"]
	if _, err := Read(bytes.NewReader(nil), Limits{}); err != io.EOF {
		t.Errorf("nothing: %v", err)
	}
	for i := 1; i < len(raw); i++ {
		_, err := Read(bytes.NewReader(raw[:i]), Limits{})
		if !errors.Is(err, &Error{Code: CodeMalformed}) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d: %v", i, err)
		}
	}
}

func TestReadHonoursTheDeadline(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go near.Write([]byte{typeHandshake, 3, 1})
	far.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := Read(far, Limits{})
	if !errors.Is(err, &Error{Code: CodeTimeout}) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	endless := func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b), neverEnding(0)) }
	raw := goHellos(t)["post-quantum"]
	for name, c := range map[string]struct {
		in  io.Reader
		lim Limits
	}{
		"message of 16 MiB":    {endless([]byte{typeHandshake, 3, 1, 0x40, 0, typeClientHello, 0xff, 0xff, 0xff}), Limits{}},
		"above a small limit":  {bytes.NewReader(raw), Limits{Bytes: 1000}},
		"too many records":     {bytes.NewReader(records([]byte{1}, []byte{0}, []byte{1}, []byte{0})), Limits{Records: 3}},
		"headers up the limit": {bytes.NewReader(oneByteRecords(append([]byte{1, 0, 0, 200}, make([]byte, 200)...))), Limits{Bytes: 300}},
	} {
		if _, err := Read(c.in, c.lim); !errors.Is(err, &Error{Code: CodeTooLong}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func oneByteRecords(msg []byte) (raw []byte) {
	for i := range msg {
		raw = append(raw, records(msg[i:i+1])...)
	}
	return raw
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// listenOnce hands the first bytes that a command sends to a fresh port to Read.
func listenOnce(t *testing.T, command func(addr string) *exec.Cmd) *Hello {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	context.AfterFunc(ctx, func() { l.Close() })
	cmd := command(l.Addr().String())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	h, err := Read(conn, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestReadTakesHelloOfOpenSSL(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl (package openssl)")
	}
	for name, args := range map[string][]string{
		"plain":   {"-servername", "Login.Microsoft.com", "-alpn", "h2,http/1.1"},
		"tls-1.2": {"-servername", "Login.Microsoft.com", "-alpn", "h2,http/1.1", "-tls1_2"},
		"odd": {"-servername", "Login.Microsoft.com", "-alpn", "h2,http/1.1", "-tls1_3", "-groups", "P-521:X25519",
			"-status", "-max_send_frag", "512"},
	} {
		h := listenOnce(t, func(addr string) *exec.Cmd {
			return exec.Command(path, append([]string{"s_client", "-connect", addr}, args...)...)
		})
		if h.RawSNI != "Login.Microsoft.com" || h.SNI != "login.microsoft.com" || !slices.Equal(h.ALPN, []string{"h2", "http/1.1"}) {
			t.Errorf("%s: %+v", name, h)
		}
		if want := uint16(tls.VersionTLS13); name != "tls-1.2" && h.Version != want {
			t.Errorf("%s: version %x", name, h.Version)
		}
	}
	h := listenOnce(t, func(addr string) *exec.Cmd {
		return exec.Command(path, "s_client", "-connect", addr, "-noservername")
	})
	if h.HasSNI || h.RawSNI != "" {
		t.Errorf("without name: %+v", h)
	}
}

func TestReadTakesHelloOfCurl(t *testing.T) {
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl (package curl)")
	}
	h := listenOnce(t, func(addr string) *exec.Cmd {
		_, port, _ := net.SplitHostPort(addr)
		return exec.Command(path, "-s", "--noproxy", "*", "--connect-to", "login.live.com:443:127.0.0.1:"+port, "https://login.live.com/")
	})
	if h.SNI != "login.live.com" || !slices.Contains(h.ALPN, "http/1.1") {
		t.Errorf("%+v", h)
	}
}

// What came along with a hello is taken, and told apart from it: it may be another hello, with another name.
func TestSizeEndsWithTheHello(t *testing.T) {
	first, second := records(named("login.live.com")), records(named("login.microsoftonline.com"))
	h, err := Read(bytes.NewReader(append(bytes.Clone(first), second...)), Limits{})
	if err != nil || h.Size != len(first) || !bytes.Equal(h.Raw[:h.Size], first) || h.SNI != "login.live.com" {
		t.Errorf("%+v %v", h, err)
	}
}

// What was read stays as it is when the room it was read into is used again.
func TestReleaseGivesTheRoomBack(t *testing.T) {
	raw := map[string][]byte{}
	for _, name := range []string{"one.example.com", "two.example.org"} {
		raw[name] = clientHello(t, &tls.Config{ServerName: name, CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: []string{"h2"}})
	}
	for range 100 {
		for name, wire := range raw {
			h, err := Read(bytes.NewReader(wire), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(h.Raw, wire) || h.Size != len(wire) {
				t.Fatalf("%s: %d bytes of %d in Raw, size %d", name, len(h.Raw), len(wire), h.Size)
			}
			h.Release()
			h.Release() // once is as good as twice
			if other, err := Read(bytes.NewReader(raw["one.example.com"]), Limits{}); err != nil || other.RawSNI != "one.example.com" {
				t.Fatalf("%v", err)
			}
			if h.Raw != nil || h.RawSNI != name || string(h.SNI) != name || len(h.ALPN) != 1 || h.ALPN[0] != "h2" {
				t.Fatalf("%s: released, it says %+v", name, h)
			}
		}
	}
}
