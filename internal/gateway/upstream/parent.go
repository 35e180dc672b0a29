package upstream

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/wire"
)

// Parent is a proxy through which origins are reached, in a network that has no other way out.
type Parent struct {
	Address endpoint.Authority // where it listens: a name or an address, and a port
	// Authorization is the value of Proxy-Authorization that it is sent; "" for none. It goes to the parent alone.
	Authorization string
	// Via is how this gateway calls itself in Via, so that a loop through the parent is noticed (RFC 9110, section 7.6.3).
	Via string
}

// Road is the name of this way out in a Key.
func (p *Parent) Road() string { return "proxy " + p.Address.String() }

// Steps of an *Error that happen at a parent.
const (
	StepParentDial   = "proxy-dial"   // it does not accept connections
	StepParentAnswer = "proxy-answer" // it closed, sent what is no HTTP, or spoke before it was spoken to
	StepParentRefuse = "proxy-refuse" // it answered CONNECT with Error.Status
)

// errEarly is a parent that sends bytes of the tunnel before the client's first: whatever speaks there is not the origin
// of a TLS connection, where the client begins (RFC 8446, section 2).
var errEarly = errors.New("bytes came through the tunnel before any were sent")

var errInterims = errors.New("interim answers do not end")

// Through opens the connection of key through the parent p, which listens at to. For a key with TLS it asks for a tunnel
// to key.Host, by name, so that the parent resolves it (a key without a host names the address); any 2xx opens it (RFC
// 9110, section 9.3.6). For a key without TLS the connection to the parent itself is returned: requests on it must be in
// absolute form. It returns *Error.
func Through(ctx context.Context, key Key, p *Parent, to netip.AddrPort, dial DialFunc, lim Limits) (*Conn, error) {
	dialling, cancel := context.WithTimeout(ctx, lim.Dial)
	raw, err := dial(dialling, to)
	cancel()
	if err != nil {
		return nil, &Error{Step: StepParentDial, Err: err}
	}
	if key.TLS {
		if err := p.tunnel(ctx, key, raw, lim); err != nil {
			raw.Close()
			return nil, err
		}
	}
	t := NewTimed(raw, lim.ReadStall, lim.WriteStall)
	return &Conn{Key: key, Timed: t, stream: t}, nil
}

// tunnel has the parent connect raw with the origin.
func (p *Parent) tunnel(ctx context.Context, key Key, raw net.Conn, lim Limits) error {
	// Who gives up ends the wait at once.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = raw.SetDeadline(time.Now().Add(lim.Parent))
	if _, err := raw.Write(p.request(key)); err != nil {
		return &Error{Step: StepParentAnswer, Err: cause(ctx, err)}
	}
	br := bufio.NewReaderSize(raw, 4<<10)
	var head wire.ResponseHead
	for interims := 0; ; interims++ {
		if err := wire.ReadResponseInto(br, wire.Limits{}, &head); err != nil {
			return &Error{Step: StepParentAnswer, Err: cause(ctx, err)}
		}
		if head.Status >= 200 || head.Status == 101 {
			break
		}
		if interims >= 16 { // chosen: nobody needs so many
			return &Error{Step: StepParentAnswer, Err: errInterims}
		}
	}
	if head.Status < 200 || head.Status > 299 {
		return &Error{Step: StepParentRefuse, Status: head.Status, Err: errors.New("it answers " + strconv.Itoa(head.Status))}
	}
	if br.Buffered() > 0 {
		return &Error{Step: StepParentAnswer, Err: errEarly}
	}
	if !stop() {
		return &Error{Step: StepParentAnswer, Err: ctx.Err()}
	}
	return raw.SetDeadline(time.Time{})
}

// cause prefers the reason for which a wait was ended to its consequence.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// request is the CONNECT for key. Everything in it is in normal form: nothing comes from the client.
func (p *Parent) request(key Key) []byte {
	host := string(key.Host)
	if host == "" {
		host = key.To.Addr().String()
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(key.To.Port())))
	out := make([]byte, 0, 256)
	out = append(out, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n"...)
	if p.Via != "" {
		out = append(out, "Via: 1.1 "+p.Via+"\r\n"...)
	}
	if p.Authorization != "" {
		out = append(out, "Proxy-Authorization: "+p.Authorization+"\r\n"...)
	}
	return append(out, "\r\n"...)
}
