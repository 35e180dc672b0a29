package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// A real client and a real server that disagree about the key share: their second hello is read in the middle.
func TestRetryOfARealClient(t *testing.T) {
	cert, pool := certificate(t, "login.live.com")
	client, near := pair(t)
	far, server := pair(t)
	done := make(chan error, 2)
	go func() {
		done <- tls.Client(client, &tls.Config{ServerName: "login.live.com", RootCAs: pool, MinVersion: tls.VersionTLS13,
			CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP521}}).Handshake()
	}()
	go func() {
		done <- tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}, CurvePreferences: []tls.CurveID{tls.CurveP521}}).Handshake()
	}()
	near.SetDeadline(time.Now().Add(10 * time.Second))
	far.SetDeadline(time.Now().Add(10 * time.Second))
	first, err := Read(near, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	far.Write(first.Raw)
	var answer []byte
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		near.Write(buf[:n])
		answer = append(answer, buf[:n]...)
		if retried, known := Retried(answer); known {
			if !retried {
				t.Fatal("the server did not ask again; the test shows nothing")
			}
			break
		}
	}
	second, err := ReadSecond(near, first, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !SameName(first, second) || second.SNI != "login.live.com" || bytes.Equal(first.Raw, second.Raw) {
		t.Errorf("%+v", second)
	}
	far.Write(second.Raw)
	copied := make(chan struct{}, 2)
	for _, c := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() { io.Copy(c[0], c[1]); copied <- struct{}{} }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, c := range []net.Conn{near, far} {
		c.Close()
	}
	<-copied
	<-copied
}

func TestRetriedOverEveryPrefix(t *testing.T) {
	retry := append([]byte{22, 3, 3, 0, 60, 2, 0, 0, 56, 3, 3}, retryRandom...)
	for n := range retry {
		if retried, known := Retried(retry[:n]); retried || known {
			t.Errorf("%d bytes: %v %v", n, retried, known)
		}
	}
	if retried, known := Retried(append(retry, 0)); !retried || !known {
		t.Error("not seen")
	}
	for i := range retry {
		if i >= 2 && i <= 4 || i >= 6 && i <= 10 { // lengths and versions decide nothing
			continue
		}
		other := slices.Clone(retry)
		other[i] ^= 0x40
		if retried, known := Retried(other[:i+1]); retried || !known {
			t.Errorf("byte %d differs: %v %v", i, retried, known)
		}
	}
}

func TestReadSecondSkipsWhatMayComeBefore(t *testing.T) {
	good := records(named("login.live.com"))
	spec, early := []byte{20, 3, 3, 0, 1, 1}, []byte{23, 3, 3, 0, 3, 1, 2, 3}
	for name, c := range map[string]struct {
		code string
		raw  []byte
	}{
		"alone":              {"", good},
		"after-cipher-spec":  {"", slices.Concat(spec, good)},
		"after-early-data":   {"", slices.Concat(early, early, spec, good)},
		"alert":              {CodeMalformed, []byte{21, 3, 3, 0, 2, 1, 0}},
		"text":               {CodeMalformed, []byte("GET / HTTP/1.1")},
		"empty-record":       {CodeMalformed, []byte{23, 3, 3, 0, 0}},
		"huge-record":        {CodeMalformed, []byte{23, 3, 3, 0x41, 1}},
		"spec-inside":        {CodeMalformed, slices.Concat(good[:5], spec, good[5:])},
		"wrong-version":      {CodeMalformed, []byte{22, 2}},
		"no-end-of-records":  {CodeTooLong, bytes.Repeat(spec, 5000)},
		"no-end-of-the-data": {CodeTooLong, bytes.Repeat(append([]byte{23, 3, 3, 0x40, 0}, make([]byte, 1<<14)...), 5)},
	} {
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(c.raw), "byte by byte": oneByte{bytes.NewReader(c.raw)}} {
			h, err := ReadSecond(r, &Hello{EarlyData: true}, Limits{})
			if c.code != "" {
				if !errors.Is(err, &Error{Code: c.code}) || errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s, %s: %v", name, how, err)
				}
				continue
			}
			if err != nil || h.SNI != "login.live.com" || !bytes.Equal(h.Raw, c.raw) || h.Size != len(c.raw) {
				t.Errorf("%s, %s: %+v %v", name, how, h, err)
			}
		}
	}
	if _, err := ReadSecond(bytes.NewReader(slices.Concat(early, good)), new(Hello), Limits{}); !errors.Is(err, &Error{Code: CodeMalformed}) {
		t.Errorf("early data that the first hello did not offer: %v", err)
	}
	other, _ := Parse(named("login.microsoftonline.com"))
	first, _ := Parse(named("login.live.com"))
	if SameName(first, other) || !SameName(first, first) || SameName(first, new(Hello)) {
		t.Error("names")
	}
}
