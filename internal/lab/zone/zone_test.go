package zone

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Keeper.
type memory struct {
	mu   sync.Mutex
	docs map[string][]byte
}

func (m *memory) Put(_ context.Context, kind, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.docs[kind+" "+key] = value
	return nil
}

func (m *memory) Delete(_ context.Context, kind, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs, kind+" "+key)
	return nil
}

func (m *memory) All(_ context.Context, kind string, f func(string, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(m.docs)) {
		if key, ok := strings.CutPrefix(k, kind+" "); ok {
			if err := f(key, m.docs[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

func own(t testing.TB) *Zone {
	t.Helper()
	z, err := New(&memory{docs: map[string][]byte{}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestParse(t *testing.T) {
	for in, want := range map[[3]string]string{
		{"Contoso.NET.", "txt", "MS=ms12345678"}:          `contoso.net. IN TXT "MS=ms12345678"`,
		{"contoso.net", "TXT", `v=spf1 "x" \`}:            `contoso.net. IN TXT "v=spf1 \"x\" \\"`,
		{"contoso.net", "MX", "ms12345678.MSV1.invalid."}: "contoso.net. IN MX 32767 ms12345678.msv1.invalid.",
		{"contoso.net", "mx", " 0  mail.contoso.net"}:     "contoso.net. IN MX 0 mail.contoso.net.",
		{"contoso.net", "A", "192.0.2.1"}:                 "error: zone.type",
		{"contoso.net", "MX", "x y z"}:                    "error: zone.exchange",
		{"contoso.net", "MX", "65536 mail.contoso.net"}:   "error: zone.preference",
		{"contoso.net", "TXT", ""}:                        "error: zone.text",
		{"contoso.net", "TXT", "a\nb"}:                    "error: zone.text",
		{"contoso.net", "TXT", strings.Repeat("a", 1021)}: "error: zone.text",
		{"localhost", "TXT", "a"}:                         "error: zone.name",
	} {
		r, err := Parse(in[0], in[1], in[2])
		got := r.String()
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%.60q: %s, want %s", in, got, want)
		}
	}
	if _, err := Parse("bad name.net", "TXT", "a"); err == nil {
		t.Error("a name with a space is taken")
	}
}

func TestServersOutsideAreRefused(t *testing.T) {
	for _, server := range []string{"192.0.2.1:53", "127.0.0.1", "localhost:53", "127.0.0.1:0", "[2001:db8::1]:53"} {
		if _, err := New(nil, server); err == nil {
			t.Errorf("%s is taken", server)
		}
	}
	for _, server := range []string{"127.0.0.1:53", "[::1]:5353", "127.8.8.8:53"} {
		if _, err := New(nil, server); err != nil {
			t.Error(err)
		}
	}
}

func set(t testing.TB, z *Zone, name, typ, value string) {
	t.Helper()
	r, err := Parse(name, typ, value)
	if err == nil {
		err = z.Set(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestOwnRecords(t *testing.T) {
	z := own(t)
	set(t, z, "contoso.net", TXT, "MS=ms1")
	set(t, z, "contoso.net", TXT, "v=spf1 -all")
	set(t, z, "contoso.net", MX, "10 a.contoso.net")
	set(t, z, "contoso.net", MX, "20 a.contoso.net") // the same again
	set(t, z, "fabrikam.net", TXT, "other")
	a, err := z.Lookup(t.Context(), "contoso.net")
	if want := (Answer{[]string{"MS=ms1", "v=spf1 -all"}, []string{"a.contoso.net"}}); err != nil || !cmp.Equal(a, want) {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := z.Lookup(t.Context(), "nothing.net"); err != nil || len(a.Texts)+len(a.Exchanges) > 0 {
		t.Errorf("%+v %v", a, err)
	}
	gone, err := z.Unset(t.Context(), "CONTOSO.net", "mx", "")
	if err != nil || len(gone) != 1 || gone[0].Preference != 20 {
		t.Errorf("%v %v", gone, err)
	}
	if gone, err = z.Unset(t.Context(), "contoso.net", TXT, "MS=ms1"); err != nil || len(gone) != 1 {
		t.Errorf("%v %v", gone, err)
	}
	if gone, err = z.Unset(t.Context(), "contoso.net", "", ""); err != nil || len(gone) != 1 {
		t.Errorf("%v %v", gone, err)
	}
	if _, err = z.Unset(t.Context(), "contoso.net", "AAAA", ""); err == nil {
		t.Error("an unknown type is taken")
	}
	left, _ := z.List(t.Context())
	if data, _ := json.Marshal(left); string(data) != `[{"name":"fabrikam.net","type":"TXT","value":"other"}]` {
		t.Errorf("%s", data)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	z := own(t)
	for i := range MaxRecords {
		data, _ := json.Marshal(Record{Name: "contoso.net", Type: TXT, Value: fmt.Sprint(i)})
		z.keeper.Put(t.Context(), kind, Record{Name: "contoso.net", Type: TXT, Value: fmt.Sprint(i)}.key(), data)
	}
	if err := z.Set(t.Context(), Record{Name: "contoso.net", Type: TXT, Value: "more"}); err == nil || !strings.Contains(err.Error(), "zone.full") {
		t.Error("one more record is kept", err)
	}
	if err := z.Set(t.Context(), Record{Name: "contoso.net", Type: TXT, Value: "7"}); err != nil {
		t.Error("the same record is refused", err)
	}
}

// server is a real DNS server on loopback, over UDP and TCP at one port.
func server(t testing.TB, handle dns.HandlerFunc) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil { // somebody else's port
			l.Close()
			continue
		}
		for _, s := range []*dns.Server{{Listener: l, Handler: handle}, {PacketConn: p, Handler: handle}} {
			ready, done := make(chan struct{}), make(chan struct{})
			s.NotifyStartedFunc = func() { close(ready) }
			go func() {
				defer close(done)
				s.ActivateAndServe()
			}()
			<-ready
			t.Cleanup(func() {
				s.Shutdown()
				<-done
			})
		}
		return l.Addr().String()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return ""
}

func rr(t testing.TB, line string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAsksAServer(t *testing.T) {
	records := map[string][]dns.RR{}
	for _, line := range []string{
		`contoso.net. 60 IN TXT "MS=ms1" "2345678"`, `contoso.net. 60 IN MX 10 Mail.Contoso.net.`, `alias.net. 60 IN CNAME contoso.net.`,
		`loop.net. 60 IN CNAME loop.net.`,
	} {
		r := rr(t, line)
		records[r.Header().Name] = append(records[r.Header().Name], r)
	}
	for i := range 40 { // more than one packet holds
		records["long.net."] = append(records["long.net."], rr(t, fmt.Sprintf(`long.net. 60 IN TXT "%d %s"`, i, strings.Repeat("x", 100))))
	}
	addr := server(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		name := q.Question[0].Name
		switch name {
		case "broken.net.":
			m.Rcode = dns.RcodeServerFailure
		case "half.net.": // a server that knows one record and refuses everything else
			if q.Question[0].Qtype == dns.TypeTXT {
				m.Answer = append(m.Answer, rr(t, `half.net. 60 IN TXT "MS=ms1"`))
			} else {
				m.Rcode = dns.RcodeRefused
			}
		case "other.net.":
			m.Question[0].Name = "another.net."
		case "forged.net.":
			m.Answer = append(m.Answer, rr(t, `elsewhere.net. 60 IN TXT "MS=ms9"`))
		default:
			for _, name := range []string{name, "contoso.net."} {
				for _, r := range records[name] {
					if r.Header().Rrtype == q.Question[0].Qtype || r.Header().Rrtype == dns.TypeCNAME {
						m.Answer = append(m.Answer, r)
					}
				}
				if name == "contoso.net." || len(m.Answer) == 0 || m.Answer[0].Header().Rrtype != dns.TypeCNAME {
					break
				}
			}
			if len(records[name]) == 0 {
				m.Rcode = dns.RcodeNameError
			}
		}
		if _, tcp := w.LocalAddr().(*net.TCPAddr); !tcp {
			m.Truncate(udpBytes)
		}
		w.WriteMsg(m)
	})
	z, err := New(&memory{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Answer{
		"contoso.net": {[]string{"MS=ms12345678"}, []string{"mail.contoso.net"}},
		"alias.net":   {[]string{"MS=ms12345678"}, []string{"mail.contoso.net"}},
		"loop.net":    {},
		"nothing.net": {},
		"forged.net":  {}, // a record of another name proves nothing
	} {
		if a, err := z.Lookup(t.Context(), name); err != nil || !cmp.Equal(a, want) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	if a, err := z.Lookup(t.Context(), "half.net"); err == nil || !strings.Contains(err.Error(), "REFUSED") || !cmp.Equal(a, Answer{Texts: []string{"MS=ms1"}}) {
		t.Errorf("half an answer: %+v %v", a, err)
	}
	if a, err := z.Lookup(t.Context(), "long.net"); err != nil || len(a.Texts) != 40 {
		t.Errorf("over TCP: %d texts, %v", len(a.Texts), err)
	}
	for name, want := range map[string]string{"broken.net": "SERVFAIL", "other.net": "another question"} {
		if _, err := z.Lookup(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	z, err := New(nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Lookup(t.Context(), "contoso.net"); err == nil || !strings.Contains(err.Error(), addr) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("contoso.net", "TXT", "MS=ms12345678")
	f.Add("Contoso.NET.", "mx", "10 mail.contoso.net.")
	f.Add("例え.jp", "MX", "1 2 3")
	f.Add("-", "", "\x00\xff")
	f.Fuzz(func(t *testing.T, name, typ, value string) {
		r, err := Parse(name, typ, value)
		if err != nil {
			if r != (Record{}) {
				t.Fatalf("a record beside %v", err)
			}
			return
		}
		again := r.Value
		if r.Type == MX {
			again = fmt.Sprint(r.Preference, " ", r.Value)
		}
		if twice, err := Parse(r.Name, r.Type, again); err != nil || twice != r {
			t.Fatalf("%+v, then %+v, %v", r, twice, err)
		}
	})
}

// The server that is asked can be changed while the lab runs, outlives it, and is never one outside this machine.
func TestUse(t *testing.T) {
	m := &memory{docs: map[string][]byte{}}
	z, err := New(m, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"127.0.0.1", "localhost:53", "127.0.0.1:0", "192.0.2.1:53", "[2001:db8::1]:53", "0.0.0.0:53"} {
		if err := z.Use(t.Context(), bad); err == nil || z.Server() != "" {
			t.Errorf("%s: %v, asked is %q", bad, err, z.Server())
		}
	}
	for _, server := range []string{"127.0.0.1:5353", "[::1]:5353", ""} {
		if err := z.Use(t.Context(), server); err != nil || z.Server() != server {
			t.Errorf("%s: %v, asked is %q", server, err, z.Server())
		}
		again, err := New(m, "")
		if err == nil {
			err = again.Resume(t.Context())
		}
		if err != nil || again.Server() != server {
			t.Errorf("after a restart: %v, asked is %q", err, again.Server())
		}
	}
}
