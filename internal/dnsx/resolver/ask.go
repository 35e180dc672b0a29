package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"sekisho/internal/endpoint"
)

const (
	typeA    = dns.TypeA
	typeAAAA = dns.TypeAAAA

	// udpBytes is the answer that fits one packet everywhere (DNS Flag Day 2020: 1232 bytes).
	udpBytes = 1232
	// tcpBytes bounds an answer over TCP (RFC 1035, section 4.2.2: a length of two bytes; chosen below it: no answer of
	// addresses has a hundred of them).
	tcpBytes = 16 << 10
	// forged bounds the packets that are looked at while one answer is waited for; a server sends one.
	forged = 32
)

// answer is what is known of one kind of address.
type answer struct {
	addrs  []netip.Addr
	exists bool // there is such a name
	ttl    time.Duration
	err    error // no server gave an answer that counts
}

// follow asks for h and goes along its aliases, also those that the answer leaves open.
func (r *Resolver) follow(ctx context.Context, h endpoint.Host, kind uint16) answer {
	name := dns.Fqdn(string(h))
	life := mostTTL
	for steps := 0; steps < chainLimit; {
		message, err := r.exchange(ctx, name, kind)
		if err != nil {
			return answer{err: err}
		}
		got, next, taken := read(message, name, kind, chainLimit-steps)
		got.ttl = min(got.ttl, life)
		if next == "" || got.err != nil {
			return got
		}
		steps += taken
		life, name = got.ttl, next
	}
	return answer{err: errors.New("a chain of aliases without end")}
}

// read takes the addresses that name's own chain leads to. next is where the chain goes on beyond the answer; "" when it
// ends here. taken is how many aliases were followed.
func read(m *dns.Msg, name string, kind uint16, most int) (got answer, next string, taken int) {
	if m.Rcode == dns.RcodeNameError {
		return answer{ttl: negative(m)}, "", 0
	}
	got = answer{exists: true, ttl: mostTTL}
	at := name
	for {
		alias := ""
		for _, record := range m.Answer {
			header := record.Header()
			if header.Class != dns.ClassINET || !strings.EqualFold(header.Name, at) {
				continue
			}
			var a netip.Addr
			switch record := record.(type) {
			case *dns.A:
				a, _ = netip.AddrFromSlice(record.A)
			case *dns.AAAA:
				a, _ = netip.AddrFromSlice(record.AAAA)
				if a.Is4In6() {
					continue // no such record is honest
				}
			case *dns.CNAME:
				if alias == "" {
					alias = record.Target
					got.ttl = min(got.ttl, seconds(header.Ttl))
				}
				continue
			}
			if header.Rrtype == kind && a.IsValid() && len(got.addrs) < MaxAddresses {
				got.addrs = append(got.addrs, a.Unmap())
				got.ttl = min(got.ttl, seconds(header.Ttl))
			}
		}
		switch {
		case len(got.addrs) > 0:
			return got, "", taken
		case alias == "" && at == name:
			got.ttl = negative(m)
			return got, "", taken
		case alias == "":
			// The chain leads out of the answer, unless the server says that there is nothing at its end.
			if hasSOA(m) {
				got.ttl = min(got.ttl, negative(m))
				return got, "", taken
			}
			return got, at, taken
		}
		if taken++; taken > most {
			got.err = errors.New("a chain of aliases without end")
			return got, "", taken
		}
		at = alias
	}
}

// seconds is a life as a record gives it. One with the highest bit set is 0 (RFC 2181, section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// negative is how long a name may be remembered as having nothing (RFC 2308, section 5); 0 without a SOA record.
func negative(m *dns.Msg) time.Duration {
	for _, record := range m.Ns {
		if soa, ok := record.(*dns.SOA); ok {
			return min(seconds(soa.Minttl), seconds(soa.Hdr.Ttl))
		}
	}
	return 0
}

func hasSOA(m *dns.Msg) bool {
	for _, record := range m.Ns {
		if record.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

// exchange asks the servers in turn until one gives an answer that counts: the name exists or does not. A server that
// fails, refuses or is silent is followed by the next.
func (r *Resolver) exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var last error
	for range rounds {
		for _, i := range r.order() {
			if ctx.Err() != nil {
				return nil, errors.Join(last, ctx.Err())
			}
			server := r.options.Servers[i]
			m, err := r.try(ctx, server, name, kind)
			if err == nil {
				r.passed[i].Store(0)
				return m, nil
			}
			r.passed[i].Store(int64(r.options.Now().Sub(r.begun) + passOver))
			last = fmt.Errorf("%s: %w", server, err)
		}
	}
	return nil, last
}

// order is in which order the servers are asked: as configured, those that did not answer a moment ago last, so that one
// that is down costs a few questions their patience and not all of them.
func (r *Resolver) order() []int {
	now := int64(r.options.Now().Sub(r.begun))
	var first, last []int
	for i := range r.options.Servers {
		if r.passed[i].Load() > now {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return append(first, last...)
}

// try asks one server: over UDP, without EDNS where the server does not know it, over TCP where the answer was cut.
func (r *Resolver) try(ctx context.Context, server netip.AddrPort, name string, kind uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.TryLimit)
	defer cancel()
	m, err := r.send(ctx, "udp", server, name, kind, true)
	if err == nil && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) {
		m, err = r.send(ctx, "udp", server, name, kind, false) // RFC 6891, section 7
	}
	if err == nil && m.Truncated {
		m, err = r.send(ctx, "tcp", server, name, kind, true)
	}
	switch {
	case err != nil:
		return nil, err
	case m.Truncated:
		return nil, errors.New("an answer over TCP that is cut")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("the server answers %s", dns.RcodeToString[m.Rcode])
	}
	return m, nil
}

// send asks once and waits for the answer with the id and the question that were sent, from a port that is new for each
// question (RFC 5452, section 9).
func (r *Resolver) send(ctx context.Context, network string, server netip.AddrPort, name string, kind uint16, edns bool) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	var id [2]byte
	rand.Read(id[:]) // never fails, see crypto/rand
	q.Id = binary.BigEndian.Uint16(id[:])
	if edns {
		q.SetEdns0(udpBytes, false)
	}
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	c, err := r.options.Dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if _, err := c.Write(packed); err != nil {
		return nil, err
	}
	for range forged {
		body, err := receive(c, network)
		if err != nil {
			return nil, err
		}
		m := new(dns.Msg)
		if m.Unpack(body) != nil || !m.Response || m.Opcode != dns.OpcodeQuery || m.Id != q.Id {
			continue
		}
		if len(m.Question) == 0 && m.Rcode == dns.RcodeFormatError {
			return m, nil // which repeats nothing (RFC 1035, section 4.1.1)
		}
		if len(m.Question) != 1 || m.Question[0].Qtype != kind || m.Question[0].Qclass != dns.ClassINET ||
			!strings.EqualFold(m.Question[0].Name, name) {
			continue
		}
		return m, nil
	}
	return nil, errors.New("only packets that answer another question")
}

// receive reads one message.
func receive(c net.Conn, network string) ([]byte, error) {
	if network != "tcp" {
		body := make([]byte, udpBytes+1)
		n, err := c.Read(body)
		return body[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > tcpBytes {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(c, body)
	return body, err
}
