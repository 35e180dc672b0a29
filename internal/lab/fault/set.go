package fault

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Book holds the faults that are set. The zero value is empty and its clock is time.Now. Safe for concurrent use.
type Book struct {
	// Now is the clock; nil is time.Now. Set it before first use.
	Now func() time.Time
	// Changed is told of the faults whenever some are set, cleared or used up; not when one ends by time. It is called
	// without a lock, one call after the other. nil: nobody is told. Set it before first use.
	Changed func([]Fault)

	telling sync.Mutex // one Changed at a time
	mu      sync.Mutex
	set     []*Fault     // the newest last
	some    atomic.Int32 // len(set), for who asks at each request
}

func (b *Book) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// Set sets a fault; one of the same name for the same hosts makes room for it. The error is a *finding.Problem when too
// many are set.
func (b *Book) Set(f Fault) error {
	if _, ok := Lookup(f.Name); !ok { // not from New
		return finding.Fail("fault.unknown", nil, "name", f.Name, "want", finding.Nearest(f.Name, Names()))
	}
	b.mu.Lock()
	b.expire()
	b.set = slices.DeleteFunc(b.set, func(old *Fault) bool { return old.Name == f.Name && old.Host == f.Host })
	if len(b.set) >= MaxSet {
		b.mu.Unlock()
		return finding.Fail("fault.too-many", nil, "limit", strconv.Itoa(MaxSet))
	}
	b.set = append(b.set, &f)
	b.some.Store(int32(len(b.set)))
	b.mu.Unlock()
	b.tell()
	return nil
}

// Restore sets what was kept, as far as it is still meant. What cannot be read is left out.
func (b *Book) Restore(kept []Fault) {
	for _, f := range kept {
		if f, err := f.again(); err == nil && !f.ended(b.now()) {
			_ = b.Set(f)
		}
	}
}

// Clear clears those of a name, for the given host pattern alone unless it is "", and returns them. The error is a
// *finding.Problem when the name is not known.
func (b *Book) Clear(name, host string) ([]Fault, error) {
	if _, ok := Lookup(name); !ok {
		return nil, finding.Fail("fault.unknown", nil, "name", name, "want", finding.Nearest(name, Names()))
	}
	return b.clear(func(f *Fault) bool { return f.Name == name && (host == "" || f.Host == host) }), nil
}

// ClearAll clears all and returns them.
func (b *Book) ClearAll() []Fault { return b.clear(func(*Fault) bool { return true }) }

func (b *Book) clear(which func(*Fault) bool) []Fault {
	out := []Fault{}
	b.mu.Lock()
	b.expire()
	b.set = slices.DeleteFunc(b.set, func(f *Fault) bool {
		if which(f) {
			out = append(out, *f)
			return true
		}
		return false
	})
	b.some.Store(int32(len(b.set)))
	b.mu.Unlock()
	if len(out) > 0 {
		b.tell()
	}
	sortFaults(out)
	return out
}

// List returns those that are set, by name and hosts.
func (b *Book) List() []Fault {
	out := []Fault{}
	if b.some.Load() == 0 {
		return out
	}
	b.mu.Lock()
	b.expire()
	for _, f := range b.set {
		out = append(out, *f)
	}
	b.mu.Unlock()
	sortFaults(out)
	return out
}

func sortFaults(list []Fault) {
	slices.SortFunc(list, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host)) })
}

// Take returns the fault that strikes host at a step, and counts the strike: of those named, the one that was set last.
// fits may refuse one by its arguments; nil takes any.
func (b *Book) Take(host endpoint.Host, fits func(Fault) bool, names ...string) (Fault, bool) {
	if b.some.Load() == 0 {
		return Fault{}, false
	}
	b.mu.Lock()
	b.expire()
	var struck Fault
	found, over := false, false
	for i := len(b.set) - 1; i >= 0 && !found; i-- {
		f := b.set[i]
		if !slices.Contains(names, f.Name) || !f.Strikes(host) || fits != nil && !fits(*f) {
			continue
		}
		f.Struck++
		if struck, found = *f, true; f.Count == 1 {
			b.set, over = slices.Delete(b.set, i, i+1), true
			b.some.Store(int32(len(b.set)))
		} else if f.Count > 1 {
			f.Count--
		}
	}
	b.mu.Unlock()
	if over {
		b.tell()
	}
	return struck, found
}

// Standing returns a fault that is set, without counting a strike: for what has no single moment, as the clock.
func (b *Book) Standing(name string) (Fault, bool) {
	if b.some.Load() == 0 {
		return Fault{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	for i := len(b.set) - 1; i >= 0; i-- {
		if b.set[i].Name == name {
			return *b.set[i], true
		}
	}
	return Fault{}, false
}

// expire forgets those whose time is over. The caller holds b.mu.
func (b *Book) expire() {
	now := b.now()
	b.set = slices.DeleteFunc(b.set, func(f *Fault) bool { return f.ended(now) })
	b.some.Store(int32(len(b.set)))
}

func (f Fault) ended(now time.Time) bool { return !f.Until.IsZero() && !now.Before(f.Until) }

// Ended reports whether the time of f is over.
func (f Fault) Ended(now time.Time) bool { return f.ended(now) }

func (b *Book) tell() {
	if b.Changed == nil {
		return
	}
	b.telling.Lock()
	defer b.telling.Unlock()
	b.Changed(b.List())
}
