package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"sekisho/internal/dnsx/resolver"
	"sekisho/internal/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = endpoint.Host("www.example.com")

// bothOnOnePort listens on a port that is free for UDP and for TCP; a port that is taken for TCP is let go.
func bothOnOnePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		packets.Close()
	}
	t.Fatal("no port of 20 was free for UDP and TCP")
	return nil, nil
}

// server answers on loopback, over UDP and TCP on one port, what handle says.
func server(t *testing.T, handle dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	packets, streams := bothOnOnePort(t)
	at := netip.MustParseAddrPort(packets.LocalAddr().String())
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: handle}, {Listener: streams, Handler: handle}} {
		started, ended := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() {
			defer close(ended)
			_ = s.ActivateAndServe() // its end is the shutdown below
		}()
		<-started
		t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	}
	return at
}

func record(t *testing.T, text string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// zone answers from lines in the form of a zone file; names without a line do not exist.
func zone(t *testing.T, count *atomic.Int32, lines ...string) dns.HandlerFunc {
	var records []dns.RR
	for _, l := range lines {
		records = append(records, record(t, l))
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		if count != nil {
			count.Add(1)
		}
		m := new(dns.Msg).SetReply(q)
		exists := false
		for _, r := range records {
			if strings.EqualFold(r.Header().Name, q.Question[0].Name) {
				exists = true
				if r.Header().Rrtype == q.Question[0].Qtype || r.Header().Rrtype == dns.TypeCNAME {
					m.Answer = append(m.Answer, r)
				}
			}
		}
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
		if len(m.Answer) == 0 {
			m.Ns = []dns.RR{record(t, "example.com. 60 IN SOA ns.example.com. admin.example.com. 1 2 3 4 30")}
		}
		_ = w.WriteMsg(m)
	}
}

func addrs(list ...string) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, s := range list {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}

func asking(servers ...netip.AddrPort) *resolver.Resolver {
	return resolver.New(resolver.Options{Servers: servers, TryLimit: 300 * time.Millisecond})
}

func TestAddressesComeInTurn(t *testing.T) {
	r := asking(server(t, zone(t, nil, "www.example.com. 60 IN A 192.0.2.1", "www.example.com. 60 IN A 192.0.2.2",
		"WWW.example.com. 60 IN AAAA 2001:db8::1")))
	got, err := r.Lookup(t.Context(), host)
	if want := addrs("192.0.2.1", "2001:db8::1", "192.0.2.2"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
}

func TestAliasesAreFollowed(t *testing.T) {
	r := asking(server(t, zone(t, nil, "www.example.com. 60 IN CNAME a.example.com.", "a.example.com. 60 IN CNAME b.example.net.",
		"b.example.net. 60 IN A 192.0.2.9")))
	if got, err := r.Lookup(t.Context(), host); err != nil || !slices.Equal(got, addrs("192.0.2.9")) {
		t.Errorf("%v %v", got, err)
	}
	// A whole chain in one answer, in any order, beside records that nobody asked for.
	r = asking(server(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			for _, l := range []string{"b.example.net. 60 IN A 192.0.2.9", "evil.example. 60 IN A 203.0.113.66",
				"www.example.com. 60 IN CNAME b.example.net.", "b.example.net. 60 CH A 203.0.113.67"} {
				m.Answer = append(m.Answer, record(t, l))
			}
		}
		_ = w.WriteMsg(m)
	}))
	if got, err := r.Lookup(t.Context(), host); err != nil || !slices.Equal(got, addrs("192.0.2.9")) {
		t.Errorf("%v %v", got, err)
	}
}

func TestAliasesWithoutEndAreRefused(t *testing.T) {
	var asked atomic.Int32
	r := asking(server(t, zone(t, &asked, "www.example.com. 60 IN CNAME a.example.com.", "a.example.com. 60 IN CNAME www.example.com.")))
	_, err := r.Lookup(t.Context(), host)
	var failed *resolver.ServerError
	if !errors.As(err, &failed) || asked.Load() > 60 {
		t.Errorf("%v after %d questions", err, asked.Load())
	}
	asked.Store(0)
	r = asking(server(t, func(w dns.ResponseWriter, q *dns.Msg) { // each name leads to another one
		n := asked.Add(1)
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{record(t, q.Question[0].Name+fmt.Sprintf(" 60 IN CNAME n%d.example.com.", n))}
		_ = w.WriteMsg(m)
	}))
	if _, err := r.Lookup(t.Context(), host); !errors.As(err, &failed) || asked.Load() > 60 {
		t.Errorf("%v after %d questions", err, asked.Load())
	}
}

// TestTheCacheHonoursTheLifeOfAnAnswer: of addresses, of a chain's shortest part, of what does not exist, and of nothing.
func TestTheCacheHonoursTheLifeOfAnAnswer(t *testing.T) {
	var asked atomic.Int32
	at := server(t, zone(t, &asked, "www.example.com. 100 IN A 192.0.2.1", "now.example.com. 0 IN A 192.0.2.2",
		"alias.example.com. 10 IN CNAME www.example.com.", "long.example.com. 4000000 IN A 192.0.2.3"))
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	r := resolver.New(resolver.Options{Servers: []netip.AddrPort{at}, Now: clock})
	questions := func(h endpoint.Host) int32 {
		t.Helper()
		before := asked.Load()
		_, err := r.Lookup(t.Context(), h)
		var none *resolver.NameError
		if err != nil && !errors.As(err, &none) {
			t.Fatal(err)
		}
		return asked.Load() - before
	}
	for _, c := range []struct {
		host endpoint.Host
		life time.Duration
	}{{"www.example.com", 100 * time.Second}, {"alias.example.com", 10 * time.Second}, {"none.example.com", 30 * time.Second}, {"long.example.com", time.Hour}} {
		if questions(c.host) == 0 {
			t.Errorf("%s is known before it was asked for", c.host)
		}
		if pass(c.life - time.Second); questions(c.host) != 0 {
			t.Errorf("%s is forgotten within its life", c.host)
		}
		// AAAA of the names above is remembered as nothing for 30 s, and with it the whole.
		if pass(time.Hour + time.Second); questions(c.host) == 0 {
			t.Errorf("%s is remembered beyond its life", c.host)
		}
	}
	if questions("now.example.com"); questions("now.example.com") == 0 {
		t.Error("an answer with life 0 is remembered")
	}
}

func TestAServerThatFailsIsFollowedByTheNext(t *testing.T) {
	good := server(t, zone(t, nil, "www.example.com. 60 IN A 192.0.2.1"))
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, first := range map[string]netip.AddrPort{
		"silent": netip.MustParseAddrPort(silent.LocalAddr().String()),
		"closed": netip.MustParseAddrPort(closed.LocalAddr().String()),
		"fails": server(t, func(w dns.ResponseWriter, q *dns.Msg) {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		}),
		"refuses": server(t, func(w dns.ResponseWriter, q *dns.Msg) {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
		}),
	} {
		r := asking(first, good)
		if got, err := r.Lookup(t.Context(), host); err != nil || !slices.Equal(got, addrs("192.0.2.1")) {
			t.Errorf("%s: %v %v", name, got, err)
		}
		// The next question does not wait for the first server again.
		start := time.Now()
		_, _ = r.Lookup(t.Context(), "other.example.com")
		if took := time.Since(start); took > 250*time.Millisecond {
			t.Errorf("%s: the next question took %v", name, took)
		}
		if _, err := asking(first).Lookup(t.Context(), host); err == nil {
			t.Errorf("%s alone: no error", name)
		} else if failed := (*resolver.ServerError)(nil); !errors.As(err, &failed) || name == "silent" != failed.Timeout() {
			t.Errorf("%s alone: %v", name, err)
		}
	}
}

func TestACutAnswerIsAskedForOverTCP(t *testing.T) {
	at := server(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m.Truncated = true
		} else if q.Question[0].Qtype == dns.TypeA {
			for i := range 100 {
				m.Answer = append(m.Answer, record(t, fmt.Sprintf("www.example.com. 60 IN A 192.0.2.%d", i)))
			}
		}
		_ = w.WriteMsg(m)
	})
	got, err := asking(at).Lookup(t.Context(), host)
	if err != nil || len(got) != resolver.MaxAddresses {
		t.Errorf("%d addresses, %v", len(got), err)
	}
}

func TestAServerWithoutEDNSIsAskedWithout(t *testing.T) {
	at := server(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() != nil {
			_ = w.WriteMsg(&dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Rcode: dns.RcodeFormatError}})
			return
		}
		zone(t, nil, "www.example.com. 60 IN A 192.0.2.1")(w, q)
	})
	if got, err := asking(at).Lookup(t.Context(), host); err != nil || !slices.Equal(got, addrs("192.0.2.1")) {
		t.Errorf("%v %v", got, err)
	}
}

// TestALyingServerIsBounded sends what an answer must not be; each ends as no answer within the limits.
func TestALyingServerIsBounded(t *testing.T) {
	poison := func(m *dns.Msg) *dns.Msg {
		m.Answer = []dns.RR{record(t, "www.example.com. 60 IN A 203.0.113.66")}
		return m
	}
	for name, handle := range map[string]dns.HandlerFunc{
		"another id": func(w dns.ResponseWriter, q *dns.Msg) {
			m := poison(new(dns.Msg).SetReply(q))
			m.Id++
			_ = w.WriteMsg(m)
		},
		"another question": func(w dns.ResponseWriter, q *dns.Msg) {
			m := poison(new(dns.Msg).SetReply(q))
			m.Question[0].Name = "evil.example."
			_ = w.WriteMsg(m)
		},
		"no question": func(w dns.ResponseWriter, q *dns.Msg) {
			m := poison(new(dns.Msg).SetReply(q))
			m.Question = nil
			_ = w.WriteMsg(m)
		},
		"a question": func(w dns.ResponseWriter, q *dns.Msg) {
			m := poison(new(dns.Msg).SetReply(q))
			m.Response = false
			_ = w.WriteMsg(m)
		},
		"garbage": func(w dns.ResponseWriter, _ *dns.Msg) { _, _ = w.Write([]byte("\x00\x01garbage")) },
		"a flood": func(w dns.ResponseWriter, q *dns.Msg) {
			for range 200 {
				_, _ = w.Write([]byte{0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			}
		},
		"a mapped address": func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			if q.Question[0].Qtype == dns.TypeAAAA {
				m.Answer = []dns.RR{&dns.AAAA{Hdr: dns.RR_Header{Name: "www.example.com.", Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 60}, AAAA: net.ParseIP("::ffff:10.0.0.1")}}
			}
			_ = w.WriteMsg(m)
		},
	} {
		start := time.Now()
		got, err := asking(server(t, handle)).Lookup(t.Context(), host)
		if err == nil || len(got) > 0 || time.Since(start) > 3*time.Second {
			t.Errorf("%s: %v %v after %v", name, got, err, time.Since(start))
		}
	}
}

func TestStaticNamesAreNotAskedFor(t *testing.T) {
	var asked atomic.Int32
	at := server(t, zone(t, &asked, "www.example.com. 60 IN A 192.0.2.1"))
	r := resolver.New(resolver.Options{Servers: []netip.AddrPort{at}, Static: []resolver.Static{{Host: host, Addrs: addrs("10.0.0.1", "fd00::1")}}})
	got, err := r.Lookup(t.Context(), host)
	if err != nil || !slices.Equal(got, addrs("10.0.0.1", "fd00::1")) || asked.Load() != 0 {
		t.Errorf("%v %v after %d questions", got, err, asked.Load())
	}
	got[0] = netip.Addr{}
	if again, _ := r.Lookup(t.Context(), host); !again[0].IsValid() {
		t.Error("a caller can change what the next one gets")
	}
}

func TestManyWhoWantOneNameAskOnce(t *testing.T) {
	var asked atomic.Int32
	at := server(t, func(w dns.ResponseWriter, q *dns.Msg) {
		time.Sleep(50 * time.Millisecond)
		zone(t, &asked, "www.example.com. 60 IN A 192.0.2.1")(w, q)
	})
	r := asking(at)
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if _, err := r.Lookup(t.Context(), host); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := asked.Load(); n != 2 {
		t.Errorf("%d questions, want one of each kind", n)
	}
	// Who gives up does not take the answer from the others.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Lookup(gone, "another.example.com"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := r.Lookup(t.Context(), "another.example.com"); errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTheSystemsAnswerIsKeptForASecond(t *testing.T) {
	asked, now := 0, time.Unix(1_800_000_000, 0)
	var fail error
	r := resolver.New(resolver.Options{Now: func() time.Time { return now }, System: func(context.Context, endpoint.Host) ([]netip.Addr, error) {
		asked++
		return addrs("192.0.2." + strconv.Itoa(asked)), fail
	}})
	want := func(address string, questions int) {
		t.Helper()
		got, err := r.Lookup(t.Context(), host)
		if err != nil || !slices.Equal(got, addrs(address)) || asked != questions {
			t.Errorf("%v %v after %d questions, want %s after %d", got, err, asked, address, questions)
		}
		if len(got) > 0 {
			got[0] = netip.Addr{} // the slice belongs to the caller
		}
	}
	want("192.0.2.1", 1)
	now = now.Add(999 * time.Millisecond)
	want("192.0.2.1", 1)
	now = now.Add(time.Millisecond)
	want("192.0.2.2", 2)
	now, fail = now.Add(time.Second), errors.New("no answer")
	for range 2 {
		if _, err := r.Lookup(t.Context(), host); !errors.Is(err, fail) {
			t.Errorf("a failure is not told: %v", err)
		}
	}
	if fail = nil; asked != 4 {
		t.Errorf("%d questions: a failure is kept", asked)
	}
	want("192.0.2.5", 5)
}
