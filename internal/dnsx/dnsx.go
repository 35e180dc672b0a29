// Package dnsx is the little of DNS that we need, over github.com/miekg/dns: what addresses a name has, by which chain of
// aliases, and who said so.
//
//	c := dnsx.Client{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}}
//	answer, err := c.Lookup(ctx, "outlook.office365.com")
//	// answer.Chain: ooc-g2.tm-4.office.com, …; answer.Addrs; answer.Server
//
// The system's resolver hides the chain, which tells who carries a name (CNAME to azurefd.net: Front Door), so servers
// are asked directly. Nothing is cached. An answer is taken only for what was asked: records of names outside the chain
// are counted and left out, a chain that returns to itself is an error, and everything ends within Client.Timeout, however
// long a server is silent. RFC 1034, section 3.6.2 (aliases); RFC 5452, section 9.1 (which answers to accept).
package dnsx

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

const (
	// DefaultTimeout bounds one Lookup (chosen: a person waits for it; the stub resolver's own five seconds for one try,
	// resolv.conf(5)).
	DefaultTimeout = 5 * time.Second
	// tryTimeout bounds one question to one server (chosen: a server that needs longer is asked again or passed over).
	tryTimeout = 2 * time.Second
	// mostAliases bounds the chain (chosen: content networks use up to six).
	mostAliases = 16
	// mostAddrs bounds the addresses of one name (chosen: the largest answers of Microsoft's names have a dozen).
	mostAddrs = 256
	// mostServers bounds the servers (chosen: resolv.conf(5) knows three).
	mostServers = 16
	// systemFile names the system's servers.
	systemFile = "/etc/resolv.conf"
)

// Client asks name servers. The zero value asks the system's. Safe for concurrent use.
type Client struct {
	// Servers are asked in order until one answers; nil: those of /etc/resolv.conf. A server that says that a name does
	// not exist has answered. At most 16 are used.
	Servers []netip.AddrPort
	// Timeout bounds one Lookup over all servers and both families; 0: DefaultTimeout.
	Timeout time.Duration
	// Now is the clock of Answer.At; nil: the system's.
	Now func() time.Time
}

// Answer is what a server said of a name.
type Answer struct {
	Name   endpoint.Host   // that was asked for
	Chain  []endpoint.Host // the names that it is an alias of, in order, without Name; nil: it is none
	Addrs  []netip.Addr    // IPv4 first, in the order received, each once; at least one
	Server netip.AddrPort  // who answered
	At     time.Time       // UTC
	// Strangers counts records of names that neither were asked for nor stand in the chain.
	Strangers int
}

// End is the last name of the chain: the one that has the addresses.
func (a Answer) End() endpoint.Host {
	if len(a.Chain) == 0 {
		return a.Name
	}
	return a.Chain[len(a.Chain)-1]
}

// SystemServers returns the servers of the system's configuration. The error is a *finding.Problem.
func SystemServers() ([]netip.AddrPort, error) {
	config, err := dns.ClientConfigFromFile(systemFile)
	if err != nil {
		return nil, finding.Fail("dnsx.no-servers", err, "file", systemFile)
	}
	var list []netip.AddrPort
	for _, text := range config.Servers {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	if len(list) == 0 {
		return nil, finding.Fail("dnsx.no-servers", nil, "file", systemFile)
	}
	return list, nil
}

// ParseServer reads "192.0.2.53", "192.0.2.53:5353", "2001:db8::53" or "[2001:db8::53]:5353"; ok is false for anything
// else, host names among it: they would have to be resolved first.
func ParseServer(s string) (server netip.AddrPort, ok bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.AddrPortFrom(a.Unmap(), 53), true
	}
	p, err := netip.ParseAddrPort(s)
	if err != nil || p.Port() == 0 || p.Addr().Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), true
}

// Lookup returns the addresses of host, which is in normal form. It waits at most Timeout. The error is a *finding.Problem
// (dnsx.no-such-name, dnsx.no-address, dnsx.refused, dnsx.timeout, dnsx.unreachable, dnsx.wrong-answer, dnsx.alias-loop,
// dnsx.too-many, dnsx.no-servers) or, when the caller gave up, ctx.Err().
func (c *Client) Lookup(ctx context.Context, host endpoint.Host) (Answer, error) {
	servers := c.Servers
	if len(servers) == 0 {
		var err error
		if servers, err = SystemServers(); err != nil {
			return Answer{}, err
		}
	}
	servers = servers[:min(len(servers), mostServers)]
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	now := c.Now
	if now == nil {
		now = time.Now
	}
	var problem error
	for _, server := range servers {
		q := &query{server: server, answer: Answer{Name: host, Server: server, At: now().UTC()}}
		err := q.run(bounded)
		if err == nil {
			return q.answer, nil
		}
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		problem = err
		if q.final || bounded.Err() != nil {
			break
		}
	}
	return Answer{}, problem
}

// query is one name asked of one server.
type query struct {
	server netip.AddrPort
	answer Answer
	final  bool // the server answered; another would say the same
}

func (q *query) fail(code string, cause error, args ...string) error {
	return finding.Fail(code, cause, append([]string{"name", q.answer.Name.String(), "server", q.server.String()}, args...)...)
}

// run asks for both families. That one of them has no address is no mistake.
func (q *query) run(ctx context.Context) error {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if err := q.follow(ctx, kind); err != nil {
			return err
		}
	}
	if len(q.answer.Addrs) == 0 {
		q.final = true
		return q.fail("dnsx.no-address", nil)
	}
	return nil
}

// follow asks for one family and goes along the chain until there are addresses or nothing more comes.
func (q *query) follow(ctx context.Context, kind uint16) error {
	name := q.answer.Name
	var chain []endpoint.Host
	for {
		reply, err := q.ask(ctx, name, kind)
		if err != nil {
			return err
		}
		more, found, err := q.read(reply, name, &chain)
		if err != nil {
			return err
		}
		if len(q.answer.Chain) == 0 {
			q.answer.Chain = chain
		}
		if found || more == name {
			return nil
		}
		name = more // the server left the rest of the chain to us
	}
}

// read takes the aliases from name on, in whatever order they stand, and the addresses at their end.
func (q *query) read(reply *dns.Msg, name endpoint.Host, chain *[]endpoint.Host) (end endpoint.Host, found bool, err error) {
	alias := map[endpoint.Host]endpoint.Host{}
	addrs := map[endpoint.Host][]netip.Addr{}
	for _, r := range reply.Answer {
		owner, err := endpoint.ParseHost(r.Header().Name)
		if err != nil {
			q.answer.Strangers++
			continue
		}
		switch r := r.(type) {
		case *dns.CNAME:
			target, err := endpoint.ParseHost(r.Target)
			if err != nil {
				return name, false, q.fail("dnsx.wrong-answer", err)
			}
			alias[owner] = target
		case *dns.A:
			if a, ok := netip.AddrFromSlice(r.A.To4()); ok {
				addrs[owner] = append(addrs[owner], a)
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(r.AAAA); ok {
				addrs[owner] = append(addrs[owner], a.Unmap())
			}
		}
	}
	used := 0
	end = name
	for {
		target, ok := alias[end]
		if !ok {
			break
		}
		used++
		if target == q.answer.Name || slices.Contains(*chain, target) {
			q.final = true
			return end, false, q.fail("dnsx.alias-loop", nil, "alias", target.String())
		}
		if len(*chain) == mostAliases {
			q.final = true
			return end, false, q.fail("dnsx.too-many", nil, "max", strconv.Itoa(mostAliases))
		}
		*chain = append(*chain, target)
		end = target
	}
	for _, a := range addrs[end] {
		if slices.Contains(q.answer.Addrs, a) {
			continue
		}
		if len(q.answer.Addrs) == mostAddrs {
			q.final = true
			return end, false, q.fail("dnsx.too-many", nil, "max", strconv.Itoa(mostAddrs))
		}
		q.answer.Addrs = append(q.answer.Addrs, a)
	}
	for owner := range addrs {
		if owner != end {
			q.answer.Strangers += len(addrs[owner])
		}
	}
	q.answer.Strangers += len(alias) - used
	return end, len(addrs[end]) > 0, nil
}

// ask puts one question, by UDP and, where the answer does not fit, by TCP.
func (q *query) ask(ctx context.Context, name endpoint.Host, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name.String()), kind)
	question.SetEdns0(1232, false) // what fits any path, DNS Flag Day 2020
	var reply *dns.Msg
	for _, network := range []string{"udp", "tcp"} {
		var err error
		client := dns.Client{Net: network, Timeout: tryTimeout, UDPSize: 1232}
		bounded, cancel := context.WithTimeout(ctx, tryTimeout)
		reply, _, err = client.ExchangeContext(bounded, question, q.server.String())
		cancel()
		if err != nil {
			return nil, q.trouble(ctx, err)
		}
		if !reply.Truncated {
			break
		}
	}
	if !reply.Response || len(reply.Question) != 1 || reply.Question[0].Qtype != kind ||
		dns.CanonicalName(reply.Question[0].Name) != dns.CanonicalName(question.Question[0].Name) {
		return nil, q.fail("dnsx.wrong-answer", nil)
	}
	switch reply.Rcode {
	case dns.RcodeSuccess:
		return reply, nil
	case dns.RcodeNameError:
		q.final = true
		return nil, q.fail("dnsx.no-such-name", nil)
	}
	return nil, q.fail("dnsx.refused", nil, "said", dns.RcodeToString[reply.Rcode])
}

func (q *query) trouble(ctx context.Context, err error) error {
	var timeout net.Error
	var network *net.OpError
	switch {
	case ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		return q.fail("dnsx.timeout", nil)
	case errors.As(err, &network):
		return q.fail("dnsx.unreachable", err)
	}
	return q.fail("dnsx.wrong-answer", err)
}
