package lab

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/lab/fault"
	"sekisho/internal/lab/state"
)

// Where the faults are kept in the state.
const (
	faultKind = "fault"
	faultKey  = "set"
)

// Faults returns what is made to go wrong in this lab. What is set there strikes from the next step on: open connections
// that wait for a request are closed, so that none hides it.
func (w *World) Faults() *fault.Book { return &w.faults }

// openFaults sets again what was to be kept, and begins to keep what changes.
func (w *World) openFaults(ctx context.Context) error {
	kept, err := keptFaults(ctx, w.state)
	if err != nil {
		return err
	}
	w.faults.Now = w.now
	w.faults.Changed = w.faultsChanged
	w.faults.Restore(slices.DeleteFunc(kept, func(f fault.Fault) bool { return !f.Keep }))
	w.faultsChanged(w.faults.List()) // those that were not kept are gone from the state too
	return nil
}

// keptFaults reads the faults that were set when the state was last written.
func keptFaults(ctx context.Context, db *state.DB) ([]fault.Fault, error) {
	data, ok, err := db.Get(ctx, faultKind, faultKey)
	if err != nil || !ok {
		return nil, err
	}
	var kept []fault.Fault
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, nil // written by something else: no reason to refuse a start
	}
	return kept, nil
}

// faultsChanged keeps the faults in the state, where lab status reads them, and closes what would hide them.
func (w *World) faultsChanged(set []fault.Fault) {
	data, err := json.Marshal(set)
	if err == nil {
		err = w.state.Put(context.Background(), faultKind, faultKey, data)
	}
	if err != nil {
		w.logger.Warn("the lab's faults could not be kept", "error", err.Error())
	}
	for _, f := range []*front{w.tls, w.plain} {
		if f != nil {
			f.server.SetKeepAlivesEnabled(false) // closes those on which nothing happens
		}
	}
	w.pause(context.Background(), settle)
	for _, f := range []*front{w.tls, w.plain} {
		if f != nil {
			f.server.SetKeepAlivesEnabled(true)
		}
	}
	w.logger.Info("lab faults", "set", faultNames(set))
}

// settle is how long connections are not kept after a change, so that those whose answer is just being sent are closed,
// too; chosen.
const settle = 30 * time.Millisecond

// activeFaults are the names of the faults that are set, each once.
func (w *World) activeFaults() []string { return faultNames(w.faults.List()) }

func faultNames(set []fault.Fault) []string {
	var names []string
	for _, f := range set {
		names = append(names, f.Name)
	}
	return slices.Compact(names) // the list is sorted
}

// strike takes the fault that concerns host at a step, and says so in the log.
func (w *World) strike(host endpoint.Host, fits func(fault.Fault) bool, names ...string) (fault.Fault, bool) {
	f, ok := w.faults.Take(host, fits, names...)
	if ok {
		w.logger.Info("lab fault", "name", f.Name, "host", string(host))
	}
	return f, ok
}

// clock is the time that the lab's services go by.
func (w *World) clock() time.Time {
	now := w.now()
	if f, ok := w.faults.Standing("clock.skew"); ok {
		now = now.Add(f.Duration("by"))
	}
	return now
}

// pause waits for d, until ctx ends or until the lab closes; it reports whether all of d passed.
func (w *World) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(min(d, fault.MaxWait))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-w.closing:
	}
	return false
}

// maxPlaces bounds the addresses whose names are remembered; chosen. Above it they are forgotten and found again at the
// next look-up.
const maxPlaces = 4096

// places remembers which names were looked up for an address, because a dial knows the address alone.
type places struct {
	mu    sync.Mutex
	names map[netip.Addr][]endpoint.Host
}

func (p *places) note(h endpoint.Host, at []netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names == nil || len(p.names) >= maxPlaces {
		p.names = map[netip.Addr][]endpoint.Host{}
	}
	for _, a := range at {
		if known := p.names[a]; !slices.Contains(known, h) && len(known) < 16 {
			p.names[a] = append(slices.Clip(known), h)
		}
	}
}

func (p *places) at(a netip.Addr) []endpoint.Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names[a]
}

// misresolve is what a look-up of h comes to when it is made to go wrong; nothing and no error otherwise.
func (w *World) misresolve(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
	if f, ok := w.strike(h, nil, "dns.slow"); ok && !w.pause(ctx, f.Duration("wait")) {
		return nil, lookup(h, "no answer in time", func(e *net.DNSError) { e.IsTimeout = true })
	}
	f, ok := w.strike(h, nil, "dns.nxdomain", "dns.nodata", "dns.servfail", "dns.loop", "dns.timeout", "dns.sinkhole",
		"dns.private", "dns.hijack", "dns.v6-only", "dns.v4-only")
	if !ok {
		return nil, nil
	}
	switch f.Name {
	case "dns.nxdomain", "dns.nodata":
		return nil, lookup(h, "no such host", func(e *net.DNSError) { e.IsNotFound = true })
	case "dns.loop":
		return nil, lookup(h, "the aliases lead in a circle", nil)
	case "dns.timeout":
		w.pause(ctx, fault.MaxWait)
		return nil, lookup(h, "no answer in time", func(e *net.DNSError) { e.IsTimeout = true })
	case "dns.sinkhole", "dns.private":
		return []netip.Addr{f.Addr("address")}, nil
	case "dns.hijack":
		return []netip.Addr{w.portalAddress()}, nil
	case "dns.v6-only", "dns.v4-only":
		return w.oneFamily(h, f.Name == "dns.v6-only")
	}
	return nil, lookup(h, "server misbehaving", func(e *net.DNSError) { e.IsTemporary = true })
}

func lookup(h endpoint.Host, why string, with func(*net.DNSError)) error {
	err := &net.DNSError{Err: why, Name: string(h), Server: "lab"}
	if with != nil {
		with(err)
	}
	return err
}

// sixPool is where hosts without published IPv6 addresses live while they have IPv6 alone: inside Microsoft's own range
// (ARIN, NET6-2603-1000-1).
var sixPool = netip.MustParsePrefix("2603:1000::/24")

// oneFamily are the addresses of h in one family alone.
func (w *World) oneFamily(h endpoint.Host, six bool) ([]netip.Addr, error) {
	all, err := w.addresses(h)
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(all, func(a netip.Addr) bool { return a.Is6() != six })
	if len(out) == 0 && six {
		out = append(out, inside([]netip.Prefix{sixPool}, h, 0))
	}
	if len(out) == 0 {
		out = append(out, w.pooled(h))
	}
	return out, nil
}

// misdial is what a connection to an address comes to when it is made to go wrong; neither connection nor error otherwise.
func (w *World) misdial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	fits := func(f fault.Fault) bool {
		switch family := f.Word("family"); f.Name {
		case "tcp.reset", "tcp.stall":
			return f.Word("at") == "accept"
		default:
			return family == "any" || (family == "6") == to.Addr().Is6()
		}
	}
	names := w.places.at(to.Addr())
	if len(names) == 0 {
		names = []endpoint.Host{""} // looked up by nobody: what strikes everywhere strikes it too
	}
	for _, h := range names {
		f, ok := w.strike(h, fits, "tcp.refused", "tcp.unreachable", "tcp.blackhole", "tcp.reset", "tcp.stall")
		if !ok {
			continue
		}
		switch f.Name {
		case "tcp.unreachable":
			return nil, unconnected(to, syscall.EHOSTUNREACH)
		case "tcp.blackhole":
			w.pause(ctx, fault.MaxWait)
			return nil, unconnected(to, syscall.ETIMEDOUT)
		case "tcp.reset":
			return connect(ctx, w.resets.listener)
		case "tcp.stall":
			return connect(ctx, w.stalls.listener)
		}
		return nil, refused(to)
	}
	return nil, nil
}
