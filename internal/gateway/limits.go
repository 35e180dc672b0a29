package gateway

import (
	"time"

	"sekisho/internal/wire"
)

// Limits bound everything that a client or an origin could make wait or grow. A zero field takes its default. "Chosen"
// numbers have no source outside this page.
type Limits struct {
	// Connections is how many client connections are open at once; default 20,000, and no more than a third of the
	// descriptors that the process may have beyond 200 (chosen: a connection takes one, its origin another, a third is
	// room for kept connections; logs, stores and listeners take some tens). One too many is answered 503.
	Connections int
	// PerClient is how many of them one address may hold; default 4,096 (chosen: a terminal server with hundreds of
	// people behind one address is still served), and no more than a quarter of Connections.
	PerClient int
	// PerClientStreams is how many HTTP/2 requests one address may have open on all its connections together; default
	// 2,048 (chosen: some hundred browsers at their busiest), and no more than a twelfth of the descriptors beyond 200,
	// because each may take one towards an origin. One too many is answered 503; where many are, the connection ends.
	PerClientStreams int
	// AllStreams is how many HTTP/2 requests all clients together may have open; default 8,192 (chosen: four times what one
	// client may), and no more than a sixth of the descriptors beyond 200. One too many is answered 503 with the detail
	// "all-streams"; where many are, they are reset. With Connections, each of which has one connection to an origin at most, and IdleOrigins it bounds the
	// connections to origins: never more than the three together.
	AllStreams int
	// IdleOrigins is how many connections to origins are kept for a next request; default 512 (chosen), and no more than an
	// eighth of the descriptors beyond 200. The one too many is closed.
	IdleOrigins int
	// PerClientBytes is how many bytes of heads above 4 KiB, ClientHellos above 4 KiB, short request bodies (SmallBody) and
	// answers looked at are held for one address at once; default 16 MiB (chosen: thousands of token requests). A request
	// beyond it is answered 503.
	PerClientBytes int64
	// AllBytes is the same of all clients together; default 128 MiB (chosen: eight times what one client may). Beyond it a
	// client is refused what takes it above 16 KiB, so that thousands of greedy clients leave the others theirs.
	AllBytes int64
	// PerClientRefusals is how many refusals a second one address is answered at once, with ten seconds' worth at a time;
	// default 500 (chosen: hundreds of people behind one address, half of what is stored in passing). Beyond it answers are
	// delayed, by 10 s at most. When the audit spool is over five eighths full it is a twentieth, and permitted connections
	// and sign-ins beyond the whole of it are delayed likewise.
	PerClientRefusals int

	// Wire bounds message heads, on both sides.
	Wire wire.Limits
	// FirstByte is how long a new connection may say nothing; default 60 s (chosen).
	FirstByte time.Duration
	// Head is how long a head may take from its first byte; default 30 s (chosen: slow, honest links need a second).
	Head time.Duration
	// KeepAlive is how long a connection may wait between two requests; default 2 min (chosen: what browsers keep).
	KeepAlive time.Duration
	// Hello is how long the ClientHello may take after the 200 to CONNECT; default 30 s (chosen: browsers open
	// connections ahead of need).
	Hello time.Duration
	// Handshake is how long TLS with the client may take; default 15 s (chosen).
	Handshake time.Duration

	// Resolve is how long a name may take to resolve; default 8 s (chosen: two tries of a usual resolver).
	Resolve time.Duration
	// Dial is how long one address may take to accept; default 8 s (chosen: two lost SYN packets).
	Dial time.Duration
	// Parent is how long a parent proxy may take to answer a CONNECT; default 30 s (chosen: it resolves and dials in our
	// stead, with tries of its own).
	Parent time.Duration
	// Addresses is how many addresses of a name are tried; default 3 (chosen).
	Addresses int
	// OriginHandshake is how long TLS with the origin may take; default 15 s (chosen).
	OriginHandshake time.Duration
	// SignInStall is how long a sign-in host may send nothing; default 2 min (chosen: above the 100 s after which usual
	// clients give up).
	SignInStall time.Duration
	// OriginStall is the same for every other host; default 35 min (chosen: long polls and event streams of half an
	// hour pass; a dead peer is found by TCP keep-alive long before).
	OriginStall time.Duration
	// BodyStall is how long a client may send nothing in the middle of a body; default 5 min (chosen).
	BodyStall time.Duration
	// WriteStall is how long either side may take nothing of what is sent to it; default 5 min (chosen).
	WriteStall time.Duration
	// SmallBody is the largest request body that is read whole before the origin is asked; default 32 KiB (chosen: every
	// token request fits, and can be replayed).
	SmallBody int64

	// TunnelIdle is how long a tunnel may be silent unless the catalog asks for more; default 35 min (chosen: above the
	// half hour that push services ask for).
	TunnelIdle time.Duration
	// PlainHalfClosed is how long the answer to a plain request may go on after its client has closed its sending side and
	// cannot be asked whether it is there, while the origin is silent; default 350 ms (chosen: a client that has gone away
	// looks the same, and that must reach the origin within a second).
	PlainHalfClosed time.Duration
	// TunnelHalfClosed is TunnelIdle after one side has finished, and how long a plain request is answered after its client
	// has finished and has shown that it is there; default 2 min (chosen).
	TunnelHalfClosed time.Duration

	// Streams is how many requests one HTTP/2 connection may have open; default 100 (RFC 9113, section 6.5.2).
	Streams uint32
	// Linger is how long a connection is read after a refusal, so that the refusal arrives; default 1 s (chosen).
	Linger time.Duration
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.FirstByte, time.Minute},
		{&l.Head, 30 * time.Second},
		{&l.KeepAlive, 2 * time.Minute},
		{&l.Hello, 30 * time.Second},
		{&l.Handshake, 15 * time.Second},
		{&l.Resolve, 8 * time.Second},
		{&l.Dial, 8 * time.Second},
		{&l.Parent, 30 * time.Second},
		{&l.OriginHandshake, 15 * time.Second},
		{&l.SignInStall, 2 * time.Minute},
		{&l.OriginStall, 35 * time.Minute},
		{&l.BodyStall, 5 * time.Minute},
		{&l.WriteStall, 5 * time.Minute},
		{&l.TunnelIdle, 35 * time.Minute},
		{&l.PlainHalfClosed, 350 * time.Millisecond},
		{&l.TunnelHalfClosed, 2 * time.Minute},
		{&l.Linger, time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if l.Connections <= 0 {
		l.Connections = min(20_000, max((Descriptors()-200)/3, 8))
	}
	if l.PerClient <= 0 {
		l.PerClient = min(4_096, max(l.Connections/4, 1))
	}
	if l.PerClientStreams <= 0 {
		l.PerClientStreams = min(2_048, max((Descriptors()-200)/12, 8))
	}
	if l.AllStreams <= 0 {
		l.AllStreams = min(8_192, max((Descriptors()-200)/6, 16))
	}
	if l.IdleOrigins <= 0 {
		l.IdleOrigins = min(512, max((Descriptors()-200)/8, 4))
	}
	if l.PerClientBytes <= 0 {
		l.PerClientBytes = 16 << 20
	}
	if l.AllBytes <= 0 {
		l.AllBytes = 128 << 20
	}
	if l.PerClientRefusals <= 0 {
		l.PerClientRefusals = 500
	}
	if l.Addresses <= 0 {
		l.Addresses = 3
	}
	if l.SmallBody <= 0 {
		l.SmallBody = 32 << 10
	}
	if l.Streams == 0 {
		l.Streams = 100
	}
	return l
}
