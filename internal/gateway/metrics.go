package gateway

import (
	"time"

	"sekisho/internal/policy"
)

// Kind says what a request was. It is a label of metrics.
type Kind string

// The kinds of a request.
const (
	KindConnect     Kind = "connect"     // CONNECT: a tunnel, or a connection that is read
	KindIntercepted Kind = "intercepted" // one request inside a connection that is read
	KindPlain       Kind = "plain"       // one plain HTTP request
)

// Outcome is one finished request. Every text in it comes from a closed list, so each can be a label.
type Outcome struct {
	Kind     Kind
	Verdict  policy.Verdict
	Action   policy.Action
	Reason   policy.Reason
	Mode     policy.Mode
	Status   int    // answered to the client; 0: none
	Fault    string // what went wrong after the decision; "" when nothing did
	Duration time.Duration
	Up, Down int64 // bytes of bodies, or of the tunnel
}

// Gauge names a number that goes up and down.
type Gauge string

// The gauges.
const (
	GaugeConnections Gauge = "connections" // client connections
	GaugeTunnels     Gauge = "tunnels"
	GaugeIntercepted Gauge = "intercepted" // connections that are read
)

// Event names something that is only counted.
type Event string

// The events.
const (
	EventPanic        Event = "panic"         // a fault of Sekisho; it ended one connection
	EventAccept       Event = "accept-error"  // no descriptor, no memory
	EventTooMany      Event = "too-many"      // refused by Limits.Connections or PerClient
	EventPaced        Event = "paced"         // delayed, because its client causes many records
	EventFolded       Event = "folded"        // a refusal that was counted into the record of others
	EventReplay       Event = "replay"        // sent again, because a kept connection had been closed
	EventTunnelCut    Event = "tunnel-cut"    // ended by a new edition
	EventUpstreamDial Event = "upstream-dial" // a new connection to an origin
)

// Metrics counts. Its methods must be cheap and safe for concurrent use.
type Metrics interface {
	Finished(o Outcome)
	Add(g Gauge, delta int)
	Count(e Event)
}

// noMetrics counts nothing.
type noMetrics struct{}

func (noMetrics) Finished(Outcome) {}
func (noMetrics) Add(Gauge, int)   {}
func (noMetrics) Count(Event)      {}
