package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
)

// FuzzParseHello: never a panic, the same answer over any split; and where crypto/tls as a server gets to see a name,
// it is the name that we saw.
func FuzzParseHello(f *testing.F) {
	for _, raw := range goHellos(f) {
		f.Add(raw, uint16(7))
	}
	for _, c := range cases() {
		f.Add(c.raw, uint16(40))
	}
	f.Fuzz(func(t *testing.T, raw []byte, at uint16) {
		h, err := Read(bytes.NewReader(raw), Limits{})
		cut := min(int(at), len(raw))
		h2, err2 := Read(io.MultiReader(bytes.NewReader(raw[:cut]), oneByte{bytes.NewReader(raw[cut:])}), Limits{})
		if (err == nil) != (err2 == nil) {
			t.Fatalf("at once %v, cut at %d %v", err, cut, err2)
		}
		if err != nil {
			var e *Error
			if h != nil || !errors.As(err, &e) && err != io.EOF {
				t.Fatalf("%v %v", h, err)
			}
			return
		}
		if !bytes.HasPrefix(raw, h.Raw) || len(h2.Raw) > len(raw) {
			t.Fatal("raw is not what was read")
		}
		h.Raw, h2.Raw, h.Size, h2.Size = nil, nil, 0, 0
		h.SNIError, h2.SNIError = nil, nil
		if !reflect.DeepEqual(h, h2) {
			t.Fatalf("at once %+v\ncut at %d %+v", h, cut, h2)
		}
		var seen *tls.ClientHelloInfo
		config := &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			seen = i
			return nil, errStop
		}}
		tls.Server(replay{bytes.NewReader(raw)}, config).Handshake()
		// crypto/tls refuses or drops a trailing dot.
		if seen != nil && seen.ServerName != h.RawSNI && seen.ServerName+"." != h.RawSNI {
			t.Fatalf("crypto/tls sees %q, we %q", seen.ServerName, h.RawSNI)
		}
	})
}

var errStop = errors.New("seen enough")

// replay is a connection that gives bytes and takes all.
type replay struct{ r io.Reader }

func (c replay) Read(p []byte) (int, error)       { return c.r.Read(p) }
func (c replay) Write(p []byte) (int, error)      { return len(p), nil }
func (c replay) Close() error                     { return nil }
func (c replay) LocalAddr() net.Addr              { return nil }
func (c replay) RemoteAddr() net.Addr             { return nil }
func (c replay) SetDeadline(time.Time) error      { return nil }
func (c replay) SetReadDeadline(time.Time) error  { return nil }
func (c replay) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkRead(b *testing.B) {
	raw := goHellos(b)["post-quantum"]
	r := bytes.NewReader(nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(raw)
		if _, err := Read(r, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
