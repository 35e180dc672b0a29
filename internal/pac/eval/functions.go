package eval

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// functions adds the PAC interface.
func (s *Script) functions() error {
	text := func(f func(a, b string) bool) func(goja.FunctionCall) goja.Value {
		return func(c goja.FunctionCall) goja.Value {
			return s.vm.ToValue(f(c.Argument(0).String(), c.Argument(1).String()))
		}
	}
	table := map[string]func(goja.FunctionCall) goja.Value{
		"isPlainHostName":     text(func(host, _ string) bool { return !strings.ContainsAny(host, ".:") }),
		"dnsDomainIs":         text(strings.HasSuffix),
		"localHostOrDomainIs": text(localHostOrDomainIs),
		"shExpMatch":          text(shExpMatch),
		"isResolvable":        text(func(host, _ string) bool { return s.resolve4(host).IsValid() }),
		"isResolvableEx":      text(func(host, _ string) bool { return len(s.resolve(host)) > 0 }),
		"isInNetEx":           text(s.isInNetEx),
		"isInNet": func(c goja.FunctionCall) goja.Value {
			return s.vm.ToValue(s.isInNet(c.Argument(0).String(), c.Argument(1).String(), c.Argument(2).String()))
		},
		"dnsResolve": func(c goja.FunctionCall) goja.Value {
			if a := s.resolve4(c.Argument(0).String()); a.IsValid() {
				return s.vm.ToValue(a.String())
			}
			return goja.Null()
		},
		"dnsResolveEx": func(c goja.FunctionCall) goja.Value {
			return s.vm.ToValue(join(s.resolve(c.Argument(0).String())))
		},
		"myIpAddress":   func(goja.FunctionCall) goja.Value { return s.vm.ToValue(s.client().String()) },
		"myIpAddressEx": func(goja.FunctionCall) goja.Value { return s.vm.ToValue(s.client().String()) },
		"sortIpAddressList": func(c goja.FunctionCall) goja.Value {
			sorted, ok := sortAddresses(c.Argument(0).String())
			if !ok {
				return s.vm.ToValue(false)
			}
			return s.vm.ToValue(sorted)
		},
		"getClientVersion": func(goja.FunctionCall) goja.Value { return s.vm.ToValue("1.0") },
		"convert_addr": func(c goja.FunctionCall) goja.Value {
			a, err := netip.ParseAddr(c.Argument(0).String())
			if err != nil || !a.Is4() {
				return s.vm.ToValue(0)
			}
			b := a.As4()
			return s.vm.ToValue(int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3]))
		},
		"dnsDomainLevels": func(c goja.FunctionCall) goja.Value {
			return s.vm.ToValue(strings.Count(c.Argument(0).String(), "."))
		},
		"weekdayRange": func(c goja.FunctionCall) goja.Value { return s.vm.ToValue(s.weekdayRange(words(c))) },
		"dateRange":    func(c goja.FunctionCall) goja.Value { return s.vm.ToValue(s.dateRange(words(c))) },
		"timeRange":    func(c goja.FunctionCall) goja.Value { return s.vm.ToValue(s.timeRange(words(c))) },
		"alert":        func(goja.FunctionCall) goja.Value { return goja.Undefined() },
	}
	for name, f := range table {
		if err := s.vm.Set(name, f); err != nil {
			return err
		}
	}
	return nil
}

// words are the arguments as text.
func words(c goja.FunctionCall) []string {
	out := make([]string, 0, len(c.Arguments))
	for _, a := range c.Arguments {
		out = append(out, a.String())
	}
	return out
}

// localHostOrDomainIs: the same host, or a host without a domain that is the first label of it.
func localHostOrDomainIs(host, domain string) bool {
	return host == domain || !strings.Contains(host, ".") && strings.HasPrefix(domain, host+".")
}

// shExpMatch matches the whole text against a shell expression of * and ?. It takes time in proportion to the product
// of the two lengths, never more.
func shExpMatch(s, pattern string) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, mark = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}

// resolve answers for names and for addresses, which stand for themselves.
func (s *Script) resolve(host string) []netip.Addr {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	if s.opts.Resolve == nil {
		return nil
	}
	return s.opts.Resolve(host)
}

// resolve4 is the first IPv4 address, which is all that the functions of 1996 know.
func (s *Script) resolve4(host string) netip.Addr {
	for _, a := range s.resolve(host) {
		if a = a.Unmap(); a.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

func (s *Script) client() netip.Addr {
	if s.opts.Client.IsValid() {
		return s.opts.Client.Unmap().WithZone("")
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// isInNet compares under a mask of four numbers; the mask need not be a prefix.
func (s *Script) isInNet(host, pattern, mask string) bool {
	a := s.resolve4(host)
	p, err1 := netip.ParseAddr(pattern)
	m, err2 := netip.ParseAddr(mask)
	if !a.IsValid() || err1 != nil || err2 != nil || !p.Is4() || !m.Is4() {
		return false
	}
	x, y, z := a.As4(), p.As4(), m.As4()
	for i := range x {
		if x[i]&z[i] != y[i]&z[i] {
			return false
		}
	}
	return true
}

func (s *Script) isInNetEx(host, prefix string) bool {
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(s.resolve(host), func(a netip.Addr) bool { return p.Contains(a.Unmap()) })
}

// join prints addresses as the functions with Ex do.
func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ";")
}

// sortAddresses sorts a list separated by semicolons, IPv6 before IPv4.
func sortAddresses(list string) (string, bool) {
	var addrs []netip.Addr
	for _, text := range strings.Split(list, ";") {
		a, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return "", false
		}
		addrs = append(addrs, a)
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int {
		if a.Is4() != b.Is4() {
			if b.Is4() {
				return -1
			}
			return 1
		}
		return a.Compare(b)
	})
	return join(addrs), true
}

// number reads a whole number from least to most.
func number(s string, least, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && least <= n && n <= most
}

// between reports whether x lies in the range from a to b, which wraps around when b is before a.
func between(a, x, b []int) bool {
	if compare(a, b) <= 0 {
		return compare(a, x) <= 0 && compare(x, b) <= 0
	}
	return compare(a, x) <= 0 || compare(x, b) <= 0
}

func compare(a, b []int) int {
	return slices.CompareFunc(a, b, func(x, y int) int { return cmp.Compare(x, y) })
}
