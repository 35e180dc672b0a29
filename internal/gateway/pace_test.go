package gateway

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/audit"
)

func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// One address that is refused without end is slowed; another feels nothing of it.
func TestRefusalsOfOneClientAreSlowed(t *testing.T) {
	p := newPacer(&Limits{PerClientRefusals: 500})
	for range 500 * refusalBurst {
		if d := p.refusal(address(1), 0); d != 0 {
			t.Fatalf("%v within what comes at once", d)
		}
	}
	var last time.Duration
	for range 20_000 {
		last = p.refusal(address(1), 0)
	}
	if last < mostDelay*9/10 || last > mostDelay {
		t.Errorf("the last waits %v", last)
	}
	if d := p.refusal(address(2), 0); d != 0 {
		t.Errorf("another waits %v", d)
	}
	if d := p.permit(address(1), scarce-1); d != 0 {
		t.Errorf("what is permitted waits %v", d)
	}
	if d := p.refusal(address(3), scarce); d != 0 {
		t.Errorf("a first refusal waits %v while room is scarce", d)
	}
}

// A table with a place for every address that was ever refused has no bound.
func TestManyAddressesHaveNoMoreThanTheirTable(t *testing.T) {
	p := newPacer(&Limits{PerClientRefusals: 500})
	for i := range 50_000 {
		p.refusal(address(i), 0)
		p.fold(address(i), 16, func() audit.Record { return audit.Record{Client: address(i).String()} }, func(audit.Record) {})
	}
	if len(p.clients) > pacedClients || p.folding > foldedClients {
		t.Errorf("%d clients, %d counts", len(p.clients), p.folding)
	}
	network := netip.MustParseAddr("2001:db8::1")
	p = newPacer(&Limits{PerClientRefusals: 500})
	p.refusal(network, 0)
	p.refusal(netip.MustParseAddr("2001:db8::ffff:2"), 0)
	if len(p.clients) != 1 {
		t.Errorf("one network has %d places", len(p.clients))
	}
}

// What is folded is counted, every one, whoever it was and whenever the gateway ends.
func TestWhatIsFoldedIsCounted(t *testing.T) {
	p := newPacer(&Limits{PerClientRefusals: 500})
	var mu sync.Mutex
	var written []audit.Record
	write := func(r audit.Record) { mu.Lock(); defer mu.Unlock(); written = append(written, r) }
	own := 0
	const all = 20_000
	for i := range all {
		from := address(i % 700)
		if !p.fold(from, reserved, func() audit.Record { return audit.Record{Client: from.String()} }, write) {
			own++
		}
	}
	p.end(write)
	folded, nobody := 0, 0
	for _, r := range written {
		var n int
		if _, err := fmt.Sscanf(r.Error, "folded-%d", &n); err != nil {
			t.Fatal(r.Error)
		}
		folded += n
		if r.Client == "" {
			nobody++
		}
	}
	if own+folded != all || own < 10 || own > allRecords*(recordBurst+10) || len(written) > foldedClients+1 || nobody != 1 {
		t.Errorf("%d of their own, %d counted in %d records, %d of them without a client", own, folded, len(written), nobody)
	}
	if p.fold(address(1), reserved-1, nil, nil) {
		t.Error("folded although there is room")
	}
}

// In the last eighth of the spool refusals share one record, however many clients they are of.
func TestTheLastOfTheSpoolIsForWhatIsPermitted(t *testing.T) {
	p := newPacer(&Limits{PerClientRefusals: 500})
	var written []audit.Record
	write := func(r audit.Record) { written = append(written, r) }
	const all = 20_000
	for i := range all {
		if !p.fold(address(i), last, func() audit.Record { return audit.Record{Client: address(i).String()} }, write) {
			t.Fatal("a record of its own")
		}
	}
	p.end(write)
	if len(written) != 1 || written[0].Count() != all || written[0].Client != "" {
		t.Errorf("%+v", written)
	}
}

// While the spool is nearly full, refusals go on being answered, few of them take room, and all are counted at the end.
func TestRefusalsLeaveRoomForSignIn(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	w.filled.Store(reserved)
	const asked = 200
	for range asked {
		if got := w.raw("CONNECT files.example.net:443 HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
			t.Fatalf("%q", cut(got, 100))
		}
	}
	if got := w.inside(signInHost, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("sign-in: %q", cut(got, 100))
	}
	for range 400 { // records follow answers
		n := 0
		w.mu.Lock()
		for _, r := range w.records { // those of the sign-in do not count
			if r.Verdict == "deny" && !strings.HasPrefix(r.Error, "folded-") {
				n++
			} else if k := 0; r.Verdict == "deny" {
				_, _ = fmt.Sscanf(r.Error, "folded-%d", &k)
				n += k
			}
		}
		w.mu.Unlock()
		w.g.pacer.mu.Lock()
		for _, c := range w.g.pacer.clients {
			n += c.folded
		}
		w.g.pacer.mu.Unlock()
		if n >= asked {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.g.pacer.end(w.Record)
	w.mu.Lock()
	defer w.mu.Unlock()
	own, folded := 0, 0
	for _, r := range w.records {
		switch n := 0; {
		case r.Verdict != "deny":
		case !strings.HasPrefix(r.Error, "folded-"):
			own++
		default:
			_, _ = fmt.Sscanf(r.Error, "folded-%d", &n)
			folded += n
			if r.Client != "127.0.0.1" || r.Host != "files.example.net" || r.Reason != "not-allowed" {
				t.Errorf("%+v", r)
			}
		}
	}
	if own+folded != asked || own > 60 || own < recordBurst-2 {
		t.Errorf("%d of their own and %d counted, of %d", own, folded, asked)
	}
}

// Who waits does not keep the gateway from ending.
func TestADelayEndsWithTheGateway(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.PerClientRefusals = 1 })
	for range refusalBurst {
		w.raw("CONNECT files.example.net:443 HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	start := time.Now()
	w.raw("CONNECT files.example.net:443 HTTP/1.1\r\nHost: x\r\n\r\n")
	if d := time.Since(start); d < 300*time.Millisecond || d > 5*time.Second {
		t.Errorf("one more took %v", d)
	}
	done := make(chan bool)
	for range 5 {
		go func() { w.raw("CONNECT files.example.net:443 HTTP/1.1\r\nHost: x\r\n\r\n"); done <- true }()
	}
	time.Sleep(50 * time.Millisecond)
	w.g.pacer.hurry()
	for range 5 {
		<-done
	}
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("ended after %v", d)
	}
}
