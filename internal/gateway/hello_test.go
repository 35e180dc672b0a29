package gateway

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/policy"
)

// bareHello is a ClientHello of crypto/tls without a server name.
func bareHello() []byte {
	a, z := net.Pipe()
	go func() {
		_ = tls.Client(a, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}()
	buf := make([]byte, 8<<10)
	n, _ := z.Read(buf)
	z.Close()
	a.Close()
	return buf[:n]
}

// extended returns the hello, one record, with another extension in front of its own.
func extended(hello []byte, kind uint16, data []byte) []byte {
	msg := bytes.Clone(hello[5:])
	at := 4 + 2 + 32
	at += 1 + int(msg[at])                           // session id
	at += 2 + int(binary.BigEndian.Uint16(msg[at:])) // cipher suites
	at += 1 + int(msg[at])                           // compression methods
	own := msg[at+2:]                                // extensions
	ext := binary.BigEndian.AppendUint16(nil, kind)  //
	ext = binary.BigEndian.AppendUint16(ext, uint16(len(data)))
	all := append(append(ext, data...), own...)
	msg = append(binary.BigEndian.AppendUint16(msg[:at:at], uint16(len(all))), all...)
	n := len(msg) - 4
	msg[1], msg[2], msg[3] = byte(n>>16), byte(n>>8), byte(n)
	return records(msg, 16<<10)
}

// records cuts a handshake message into records of at most n bytes.
func records(msg []byte, n int) (out []byte) {
	for len(msg) > 0 {
		part := msg[:min(n, len(msg))]
		msg = msg[len(part):]
		out = append(append(out, 22, 3, 1, byte(len(part)>>8), byte(len(part))), part...)
	}
	return out
}

// nameList is a server_name extension with these host names (RFC 6066, section 3).
func nameList(names ...string) (out []byte) {
	for _, n := range names {
		out = append(binary.BigEndian.AppendUint16(append(out, 0), uint16(len(n))), n...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
}

func namedHello(names ...string) []byte { return extended(bareHello(), 0, nameList(names...)) }

// TestWhatComesAfterCONNECT is the table of first bytes that are no ClientHello for the name of the CONNECT. Neither a host
// that is read nor one that is not gets a byte of them.
func TestWhatComesAfterCONNECT(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	fine := func(host string) []byte { return namedHello(host) }
	swapped := map[string]string{signInHost: tunnelHost, tunnelHost: signInHost}
	for name, c := range map[string]struct {
		bytes  func(host string) []byte
		reason policy.Reason
	}{
		"HTTP":                  {func(h string) []byte { return []byte("GET / HTTP/1.1\r\nHost: " + h + "\r\n\r\n") }, policy.ReasonNotTLS},
		"SSH":                   {func(string) []byte { return []byte("SSH-2.0-x\r\n") }, policy.ReasonNotTLS},
		"the preface of HTTP/2": {func(string) []byte { return []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") }, policy.ReasonNotTLS},
		"zeros":                 {func(string) []byte { return make([]byte, 64) }, policy.ReasonNotTLS},
		"SSLv2": {func(string) []byte {
			return append([]byte{0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10}, make([]byte, 40)...)
		}, policy.ReasonNotTLS},
		"a ServerHello":              {func(h string) []byte { b := fine(h); b[5] = 2; return b }, policy.ReasonNotTLS},
		"an alert":                   {func(string) []byte { return []byte{21, 3, 1, 0, 2, 1, 0} }, policy.ReasonNotTLS},
		"application data":           {func(string) []byte { return append([]byte{23, 3, 3, 0, 32}, make([]byte, 32)...) }, policy.ReasonNotTLS},
		"an empty record":            {func(h string) []byte { return append([]byte{22, 3, 1, 0, 0}, fine(h)...) }, policy.ReasonNotTLS},
		"a record beyond 16 KiB":     {func(string) []byte { return append([]byte{22, 3, 1, 0xff, 0xff}, make([]byte, 100)...) }, policy.ReasonNotTLS},
		"a hello beyond the limit":   {func(h string) []byte { return records(append([]byte{1, 1, 0, 0}, make([]byte, 65536)...), 16<<10) }, policy.ReasonNotTLS},
		"bytes behind the hello":     {func(h string) []byte { b := fine(h); return records(append(bytes.Clone(b[5:]), 1, 0, 0, 1, 0), 16<<10) }, policy.ReasonNotTLS},
		"a wrong length inside":      {func(h string) []byte { b := fine(h); b[8] -= 3; return b }, policy.ReasonNotTLS},
		"another name":               {func(h string) []byte { return fine(swapped[h]) }, policy.ReasonSNI},
		"another sign-in host":       {func(string) []byte { return fine("login.windows.net") }, policy.ReasonSNI},
		"a device host":              {func(string) []byte { return fine("device." + signInHost) }, policy.ReasonSNI},
		"two names":                  {func(h string) []byte { return namedHello(h, swapped[h]) }, policy.ReasonNotTLS},
		"two equal names":            {func(h string) []byte { return namedHello(h, h) }, policy.ReasonNotTLS},
		"two extensions":             {func(h string) []byte { return extended(fine(h), 0, nameList(swapped[h])) }, policy.ReasonNotTLS},
		"an empty name":              {func(string) []byte { return namedHello("") }, policy.ReasonNotTLS},
		"an empty list":              {func(string) []byte { return namedHello() }, policy.ReasonNotTLS},
		"an address for a name":      {func(string) []byte { return fine("20.190.128.1") }, policy.ReasonSNI},
		"NUL in the name":            {func(h string) []byte { return fine(h + "\x00.evil.example") }, policy.ReasonSNI},
		"a percent form":             {func(h string) []byte { return fine(strings.Replace(h, ".", "%2e", 1)) }, policy.ReasonSNI},
		"full width":                 {func(h string) []byte { return fine("ｘ" + h) }, policy.ReasonSNI},
		"two dots at the end":        {func(h string) []byte { return fine(h + "..") }, policy.ReasonSNI},
		"a port in the name":         {func(h string) []byte { return fine(h + ":443") }, policy.ReasonSNI},
		"a name of 1,000 bytes":      {func(h string) []byte { return fine(strings.Repeat("a", 990) + ".example") }, policy.ReasonSNI},
		"another name, byte by byte": {func(h string) []byte { return records(fine(swapped[h])[5:], 1) }, policy.ReasonSNI},
	} {
		for _, host := range []string{signInHost, tunnelHost} {
			t.Run(name+"/"+host, func(t *testing.T) {
				w.t = t
				before := len(w.finished())
				conn := w.connect(host + ":443")
				_, _ = conn.Write(c.bytes(host))
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.ReadAll(conn)
				var r audit.Record
				for range 200 {
					if all := w.finished(); len(all) > before {
						r = all[len(all)-1]
						break
					}
					time.Sleep(5 * time.Millisecond)
				}
				if r.Verdict != "deny" || r.Host != host || c.reason != "" && r.Reason != string(c.reason) {
					t.Errorf("want %s, recorded %+v", c.reason, r)
				}
				if heads, n := w.everything(); n != 0 {
					t.Errorf("%d bytes reached an origin: %q", n, heads)
					w.forgetAll()
				}
			})
		}
	}
	w.t = t
}

// TestOddHellosOfATunnelReachTheOriginAsTheyAre sends hellos that are unusual and right through a tunnel, along with what
// follows them, and holds every byte that the origin got against every byte that was sent.
func TestOddHellosOfATunnelReachTheOriginAsTheyAre(t *testing.T) {
	const host = "other.example.com"
	w := newWorld(t, baseSpec(), short)
	w.echo(host)
	old := namedHello(host)
	old[9], old[10] = 3, 1 // TLS 1.0 in the hello itself
	for name, hello := range map[string][]byte{
		"one record":             namedHello(host),
		"a byte a record":        records(namedHello(host)[5:], 1),
		"capitals":               namedHello("Other.Example.COM"),
		"a trailing dot":         namedHello(host + "."),
		"a legacy version":       old,
		"60,000 bytes":           extended(namedHello(host), 21, make([]byte, 60000)), // padding, RFC 7685
		"an ECH of somebody":     extended(namedHello(host), 0xfe0d, make([]byte, 200)),
		"early data":             append(extended(namedHello(host), 42, nil), 23, 3, 3, 0, 3, 1, 2, 3),
		"what nobody knows":      extended(namedHello(host), 0x7a7a, []byte("x")),
		"bytes along with it":    append(namedHello(host), 20, 3, 3, 0, 1, 1),
		"an alert along with it": append(namedHello(host), 21, 3, 3, 0, 2, 1, 0),
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			c := w.connect(host + ":443")
			// The origin echoes, so what comes back is what it got; a first byte of 22 and a type of 1 is no HelloRetryRequest.
			_, _ = c.Write(hello)
			more := []byte("and \x00\xff what follows\r\n\r\n")
			_, _ = c.Write(more)
			_ = c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c)
			if want := append(bytes.Clone(hello), more...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v; the origin got %d bytes, %d were sent", err, len(got), len(want))
			}
		})
	}
	w.t = t
}

// TestEarlyDataIsNotAccepted: a replayed token request would be a second sign-in (RFC 8446, section 8).
func TestEarlyDataIsNotAccepted(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	c := w.connect(signInHost + ":443")
	_, _ = c.Write(append(extended(namedHello(signInHost), 42, nil), 23, 3, 3, 0, 3, 1, 2, 3))
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.ReadAll(c)
	w.waitRecord(func(r audit.Record) bool { return strings.HasPrefix(r.Error, "client-handshake") })
	// And no ticket offers it: a session without a maximum for early data cannot be used so.
	var ticket *tls.ClientSessionState
	keep := keepTicket{&ticket}
	s := tls.Client(w.connect(signInHost+":443"), &tls.Config{ServerName: signInHost, RootCAs: w.roots, ClientSessionCache: keep})
	_, _ = io.WriteString(s, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\nConnection: close\r\n\r\n")
	_, _ = io.ReadAll(s)
	if ticket == nil {
		t.Fatal("no ticket came")
	}
	_, state, err := ticket.ResumptionState()
	if err != nil || state.EarlyData {
		t.Errorf("the ticket offers early data: %v %+v", err, state)
	}
	w.checkAll()
}

type keepTicket struct{ at **tls.ClientSessionState }

func (k keepTicket) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (k keepTicket) Put(_ string, s *tls.ClientSessionState)    { *k.at = s }

// TestOldTLSIsNotSpoken: TLS 1.0 and 1.1 are refused where the connection is read (RFC 8996).
func TestOldTLSIsNotSpoken(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	c := tls.Client(w.connect(signInHost+":443"), &tls.Config{ServerName: signInHost, RootCAs: w.roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err := c.Handshake(); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	w.waitRecord(func(r audit.Record) bool { return strings.HasPrefix(r.Error, "client-handshake") })
	if _, n := w.everything(); n != 0 {
		t.Errorf("%d bytes reached an origin", n)
	}
}

// TestAliasesAreOpenForTheirNetworksAlone: an alias of the sign-in hosts is a tunnel for the networks that are named, with
// its own reason in the record, and a refusal for everybody else.
func TestAliasesAreOpenForTheirNetworksAlone(t *testing.T) {
	spec := baseSpec()
	for _, host := range []string{"sts.windows.net", "westeurope.login.microsoft.com", "login.microsoftonline.us"} {
		spec.Aliases = append(spec.Aliases, policy.AliasSpec{Pattern: policy.At{Text: host}, Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.8/30")}})
	}
	w := newWorld(t, spec, short)
	for _, a := range spec.Aliases {
		w.echo(a.Pattern.Text)
		for from, open := range map[string]bool{"127.0.0.1": false, "127.0.0.7": false, "127.0.0.8": true, "127.0.0.11": true, "127.0.0.12": false} {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			c, err := d.Dial("tcp", w.addr)
			if err != nil {
				t.Skipf("%v; the addresses of 127.0.0.0/8 turn this test on", err)
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(c, "CONNECT "+a.Pattern.Text+":443 HTTP/1.1\r\nHost: x\r\n\r\n")
			head := readHead(t, c)
			if strings.HasPrefix(head, "HTTP/1.1 200 ") != open {
				t.Errorf("%s from %s: %q", a.Pattern.Text, from, head)
			}
			reason := "alias-allowed"
			if open {
				hello := namedHello(a.Pattern.Text)
				_, _ = c.Write(hello)
				got := make([]byte, len(hello))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, hello) {
					t.Errorf("%s from %s: not its own bytes, %v", a.Pattern.Text, from, err)
				}
			} else if reason = "alias-host"; strings.HasSuffix(a.Pattern.Text, ".us") {
				reason = "other-cloud"
			}
			c.Close()
			r := w.waitRecord(func(r audit.Record) bool { return r.Host == a.Pattern.Text && r.Client == from })
			if r.Reason != reason || (r.Verdict == "permit") != open {
				t.Errorf("%s from %s is recorded as %+v", a.Pattern.Text, from, r)
			}
		}
	}
}
