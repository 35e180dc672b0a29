package zone

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Limits of asking; chosen. A server on loopback answers in milliseconds, or asks others first.
const (
	askTime    = 5 * time.Second // both questions together, TCP included
	udpBytes   = 1232            // DNS Flag Day 2020
	maxAliases = 8
	maxAnswers = 64 // records taken of one answer
)

// ask puts both questions to the server. One that has no answer does not take the other's away: servers that know one record
// alone, and ask nobody else, refuse the rest.
func ask(ctx context.Context, server, name string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var a Answer
	var errs []error
	for _, t := range []uint16{dns.TypeTXT, dns.TypeMX} {
		m, err := exchange(ctx, server, name, t)
		if err != nil {
			errs = append(errs, fmt.Errorf("ask %s for %s of %q: %w", server, dns.TypeToString[t], name, err))
			continue
		}
		a.take(m, dns.Fqdn(name), t)
	}
	return a, errors.Join(errs...)
}

// exchange asks by UDP, and by TCP when the answer was cut off (RFC 7766, section 5).
func exchange(ctx context.Context, server, name string, t uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), t)
	q.SetEdns0(udpBytes, false)
	var m *dns.Msg
	var err error
	for _, network := range []string{"udp", "tcp"} {
		c := &dns.Client{Net: network, Timeout: askTime, UDPSize: udpBytes}
		if m, _, err = c.ExchangeContext(ctx, q, server); err != nil {
			return nil, err
		}
		if !m.Truncated {
			break
		}
	}
	switch {
	case m.Truncated:
		return nil, errors.New("the answer is cut off")
	case m.Id != q.Id || len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != t:
		return nil, errors.New("the answer is to another question")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("the server answered %s", dns.RcodeToString[m.Rcode])
	}
	return m, nil
}

// take adds the records that name's own chain of aliases leads to within the answer.
func (a *Answer) take(m *dns.Msg, name string, t uint16) {
	for range maxAliases {
		next, taken := "", 0
		for _, rr := range m.Answer {
			if !strings.EqualFold(rr.Header().Name, name) || rr.Header().Class != dns.ClassINET || taken == maxAnswers {
				continue
			}
			switch rr := rr.(type) {
			case *dns.CNAME:
				next = rr.Target
			case *dns.TXT:
				if t == dns.TypeTXT {
					a.Texts = append(a.Texts, strings.Join(rr.Txt, ""))
					taken++
				}
			case *dns.MX:
				if t == dns.TypeMX {
					a.Exchanges = append(a.Exchanges, strings.ToLower(strings.TrimSuffix(rr.Mx, ".")))
					taken++
				}
			}
		}
		if taken > 0 || next == "" {
			return
		}
		name = next
	}
}
