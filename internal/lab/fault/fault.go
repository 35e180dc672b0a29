// Package fault describes what can be made to go wrong in the lab: every fault has one name, a few arguments, the hosts
// that it strikes, and an end.
//
//	f, err := fault.New("tcp.reset", "login.microsoftonline.com", "at=head")
//	f.Count = 1                  // strikes once
//	err = world.Faults().Set(f)  // from now on
//
// It decides which fault strikes; it breaks nothing itself. The lab asks it at each step (a look-up, a dial, a
// handshake, a request) and acts. The table of Kinds is the one list of faults: command, documents and tests read it.
package fault

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Limits; chosen.
const (
	// MaxSet is how many faults are set at once.
	MaxSet = 64
	// MaxLife is the longest time for which a fault can be set; one without a time stays until it is cleared.
	MaxLife = 31 * 24 * time.Hour
	// MaxCount is the largest number of strikes.
	MaxCount = 1_000_000
	// MaxWait bounds everything in the lab that waits because of a fault. It is longer than any client's patience, and a
	// lab that closes does not wait for it.
	MaxWait = 10 * time.Minute
)

// Everywhere is the host pattern of a fault that strikes all hosts.
const Everywhere = "*"

// Fault is one fault as it is set. Obtain it from New; Until, Count and Keep may be set afterwards.
type Fault struct {
	Name string `json:"name"`
	// Host is the pattern of the hosts that it strikes, Everywhere for all.
	Host string `json:"host"`
	// Arguments are all arguments of its kind, with the defaults of those that were not given.
	Arguments map[string]string `json:"arguments"`
	// Until is when it ends; the zero time: when it is cleared.
	Until time.Time `json:"until,omitzero"`
	// Count is how many times it still strikes; 0: without limit.
	Count int `json:"count"`
	// Keep has it set again when the lab starts anew; without, a start clears it.
	Keep bool `json:"keep"`
	// Struck is how many times it has struck.
	Struck int `json:"struck"`

	pattern endpoint.Pattern // zero: everywhere
}

// New makes a fault by the name of its kind, a host pattern ("" and "*" strike all hosts) and settings "argument=value".
// The error is a *finding.Problem that names what was probably meant.
func New(name, host string, settings ...string) (Fault, error) {
	kind, ok := Lookup(name)
	if !ok {
		return Fault{}, finding.Fail("fault.unknown", nil, "name", name, "want", finding.Nearest(name, Names()))
	}
	f := Fault{Name: name, Host: Everywhere, Arguments: map[string]string{}}
	if host != "" && host != Everywhere {
		if kind.Whole {
			return Fault{}, finding.Fail("fault.whole", nil, "name", name)
		}
		p, err := endpoint.ParsePattern(host)
		if err != nil {
			return Fault{}, finding.Fail("fault.host", nil, "value", host, "want", Everywhere+", login.microsoftonline.com, *.manage.microsoft.com")
		}
		f.Host, f.pattern = p.String(), p
	}
	for _, a := range kind.Arguments {
		f.Arguments[a.Name] = a.Default
	}
	given := map[string]bool{}
	for _, s := range settings {
		key, value, ok := strings.Cut(s, "=")
		i := slices.IndexFunc(kind.Arguments, func(a Argument) bool { return a.Name == key })
		switch {
		case !ok:
			return Fault{}, finding.Fail("fault.setting", nil, "value", s, "known", kind.usage())
		case i < 0:
			return Fault{}, finding.Fail("fault.argument-unknown", nil, "name", name, "value", key,
				"want", finding.Nearest(key, kind.argumentNames()), "known", kind.usage())
		case given[key]:
			return Fault{}, finding.Fail("fault.argument-twice", nil, "name", name, "value", key)
		}
		normal, ok := kind.Arguments[i].normal(value)
		if !ok {
			return Fault{}, finding.Fail("fault.argument-bad", nil, "name", name, "argument", key, "value", value, "known", kind.Arguments[i].Allowed())
		}
		f.Arguments[key], given[key] = normal, true
	}
	return f, nil
}

// again reads a fault that was kept, as strictly as one that is set.
func (f Fault) again() (Fault, error) {
	var settings []string
	for key, value := range f.Arguments {
		settings = append(settings, key+"="+value)
	}
	out, err := New(f.Name, f.Host, settings...)
	out.Until, out.Count, out.Keep, out.Struck = f.Until, max(f.Count, 0), f.Keep, f.Struck
	return out, err
}

// For bounds f: it ends after d from now; 0 leaves it without end. The error is a *finding.Problem.
func (f Fault) For(now time.Time, d time.Duration) (Fault, error) {
	switch {
	case d < 0 || d > MaxLife:
		return f, finding.Fail("fault.life", nil, "value", d.String(), "most", strconv.Itoa(int(MaxLife.Hours()))+"h")
	case d > 0:
		f.Until = now.Add(d).UTC().Truncate(time.Millisecond)
	}
	return f, nil
}

// Times bounds f to n strikes; 0 leaves it without limit. The error is a *finding.Problem.
func (f Fault) Times(n int) (Fault, error) {
	if n < 0 || n > MaxCount {
		return f, finding.Fail("fault.count", nil, "value", strconv.Itoa(n), "most", strconv.Itoa(MaxCount))
	}
	if kind, _ := Lookup(f.Name); kind.Whole && n > 0 { // it has no strikes
		return f, finding.Fail("fault.count-whole", nil, "name", f.Name)
	}
	f.Count = n
	return f, nil
}

// Strikes reports whether f concerns host.
func (f Fault) Strikes(host endpoint.Host) bool { return f.pattern.IsZero() || f.pattern.Match(host) }

// String is how f is set on the command line, without its end.
func (f Fault) String() string {
	out := f.Name
	if f.Host != Everywhere {
		out += " --host " + f.Host
	}
	kind, _ := Lookup(f.Name)
	for _, a := range kind.Arguments {
		if v := f.Arguments[a.Name]; v != a.Default {
			out += " " + a.Name + "=" + v
		}
	}
	return out
}

// Duration returns an argument of type Duration.
func (f Fault) Duration(name string) time.Duration {
	d, _ := time.ParseDuration(f.Arguments[name])
	return d
}

// Number returns an argument of type Number.
func (f Fault) Number(name string) int {
	n, _ := strconv.Atoi(f.Arguments[name])
	return n
}

// Word returns an argument as it is written.
func (f Fault) Word(name string) string { return f.Arguments[name] }

// Addr returns an argument of type Address.
func (f Fault) Addr(name string) netip.Addr {
	a, _ := netip.ParseAddr(f.Arguments[name])
	return a
}
