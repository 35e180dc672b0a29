package dnsx_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// sockets returns a UDP and a TCP socket of one number, which may take more than one try.
func sockets(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		stream, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packet, err := net.ListenPacket("udp", stream.Addr().String())
		if err == nil {
			return packet, stream
		}
		stream.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// serve runs a real server on a free port, UDP and TCP, and returns its address.
func serve(t *testing.T, answer func(w dns.ResponseWriter, q *dns.Msg)) netip.AddrPort {
	t.Helper()
	packet, stream := sockets(t)
	handler := dns.HandlerFunc(answer)
	for _, s := range []*dns.Server{{PacketConn: packet, Handler: handler}, {Listener: stream, Handler: handler}} {
		done := make(chan error, 1)
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { done <- s.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = s.Shutdown(); <-done })
	}
	return packet.LocalAddr().(*net.UDPAddr).AddrPort()
}

// zone answers from records in the form of a zone file.
func zone(t *testing.T, records ...string) func(dns.ResponseWriter, *dns.Msg) {
	t.Helper()
	var all []dns.RR
	for _, text := range records {
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		for _, r := range all {
			if kind := r.Header().Rrtype; kind == dns.TypeCNAME || kind == q.Question[0].Qtype {
				reply.Answer = append(reply.Answer, r)
			}
		}
		if _, packet := w.RemoteAddr().(*net.UDPAddr); packet {
			reply.Truncate(dns.MinMsgSize)
		}
		_ = w.WriteMsg(reply)
	}
}

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	return ""
}

func lookup(server netip.AddrPort, name endpoint.Host) (dnsx.Answer, error) {
	c := dnsx.Client{Servers: []netip.AddrPort{server}, Timeout: 3 * time.Second}
	return c.Lookup(context.Background(), name)
}

func TestChainIsTold(t *testing.T) {
	server := serve(t, zone(t,
		"b.example.net. 60 IN CNAME c.azurefd.net.", // the order of records means nothing, RFC 1034, section 3.6.2
		"www.example.com. 60 IN CNAME B.Example.NET.",
		"c.azurefd.net. 60 IN A 13.107.246.40",
		"c.azurefd.net. 60 IN A 13.107.246.40",
		"c.azurefd.net. 60 IN AAAA 2620:1ec:bdf::40",
		"elsewhere.example.org. 60 IN A 192.0.2.66",
	))
	got, err := lookup(server, "www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Chain, []endpoint.Host{"b.example.net", "c.azurefd.net"}) || got.End() != "c.azurefd.net" {
		t.Errorf("chain %v", got.Chain)
	}
	if want := []netip.Addr{netip.MustParseAddr("13.107.246.40"), netip.MustParseAddr("2620:1ec:bdf::40")}; !slices.Equal(got.Addrs, want) {
		t.Errorf("addresses %v", got.Addrs)
	}
	if got.Strangers == 0 || got.Server != server || got.At.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestTheRestOfAChainIsAskedFor(t *testing.T) {
	server := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		switch text := ""; q.Question[0].Name {
		case "a.example.com.":
			text = "a.example.com. 60 IN CNAME b.example.com."
			r, _ := dns.NewRR(text)
			reply.Answer = append(reply.Answer, r)
		case "b.example.com.":
			if q.Question[0].Qtype == dns.TypeA {
				r, _ := dns.NewRR("b.example.com. 60 IN A 192.0.2.1")
				reply.Answer = append(reply.Answer, r)
			}
		}
		_ = w.WriteMsg(reply)
	})
	got, err := lookup(server, "a.example.com")
	if err != nil || got.End() != "b.example.com" || len(got.Addrs) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTruncatedAnswersAreAskedForByTCP(t *testing.T) {
	server := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if _, packet := w.RemoteAddr().(*net.UDPAddr); packet {
			reply.Truncated = true
		} else if q.Question[0].Qtype == dns.TypeA {
			r, _ := dns.NewRR("a.example.com. 60 IN A 192.0.2.1")
			reply.Answer = append(reply.Answer, r)
		}
		_ = w.WriteMsg(reply)
	})
	if got, err := lookup(server, "a.example.com"); err != nil || len(got.Addrs) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestResolversThatLie(t *testing.T) {
	rcode := func(n int) func(dns.ResponseWriter, *dns.Msg) {
		return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, n)) }
	}
	many := make([]string, 400)
	for i := range many {
		many[i] = "a.example.com. 60 IN AAAA 2001:db8::" + string("0123456789abcdef"[i/256%16]) + string("0123456789abcdef"[i/16%16]) + string("0123456789abcdef"[i%16])
	}
	for name, c := range map[string]struct {
		answer func(dns.ResponseWriter, *dns.Msg)
		want   string
	}{
		"no-such-name":   {rcode(dns.RcodeNameError), "dnsx.no-such-name"},
		"refused":        {rcode(dns.RcodeRefused), "dnsx.refused"},
		"server-failure": {rcode(dns.RcodeServerFailure), "dnsx.refused"},
		"empty":          {zone(t), "dnsx.no-address"},
		"other-name":     {zone(t, "evil.example.net. 60 IN A 192.0.2.66"), "dnsx.no-address"},
		"loop":           {zone(t, "a.example.com. 60 IN CNAME b.example.com.", "b.example.com. 60 IN CNAME a.example.com."), "dnsx.alias-loop"},
		"itself":         {zone(t, "a.example.com. 60 IN CNAME a.example.com."), "dnsx.alias-loop"},
		"flood":          {zone(t, many...), "dnsx.too-many"},
		"other-question": {func(w dns.ResponseWriter, q *dns.Msg) {
			reply := new(dns.Msg).SetReply(q)
			reply.Question[0].Name = "evil.example.net."
			_ = w.WriteMsg(reply)
		}, "dnsx.wrong-answer"},
		"garbage": {func(w dns.ResponseWriter, q *dns.Msg) {
			_, _ = w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x80, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0xc0, 0x0c})
		}, "dnsx.wrong-answer"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lookup(serve(t, c.answer), "a.example.com")
			if code(err) != c.want {
				t.Errorf("%+v, %v (code %q, want %q)", got, err, code(err), c.want)
			}
		})
	}
}

func TestASilentServerCostsItsTimeAlone(t *testing.T) {
	silent := serve(t, func(dns.ResponseWriter, *dns.Msg) {})
	c := dnsx.Client{Servers: []netip.AddrPort{silent}, Timeout: 200 * time.Millisecond}
	begin := time.Now()
	_, err := c.Lookup(context.Background(), "a.example.com")
	if took := time.Since(begin); code(err) != "dnsx.timeout" || took > 2*time.Second {
		t.Errorf("%v after %v", err, took)
	}
	// The next server is asked where the first one is not there at all.
	gone := netip.MustParseAddrPort("127.0.0.1:1")
	good := serve(t, zone(t, "a.example.com. 60 IN A 192.0.2.1"))
	c = dnsx.Client{Servers: []netip.AddrPort{gone, good}}
	if got, err := c.Lookup(context.Background(), "a.example.com"); err != nil || got.Server != good {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Lookup(ctx, "a.example.com"); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who gave up gets %v", err)
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.53": "192.0.2.53:53", "192.0.2.53:5353": "192.0.2.53:5353", "2001:db8::53": "[2001:db8::53]:53",
		"[2001:db8::53]:5353": "[2001:db8::53]:5353", "dns.example.com": "", "": "", "192.0.2.53:0": "", "fe80::1%eth0": "",
	} {
		got, ok := dnsx.ParseServer(text)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}
