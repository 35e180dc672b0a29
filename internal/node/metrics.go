package node

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sekisho/internal/audit"
	"sekisho/internal/gateway"
	"sekisho/internal/policy"
)

// metrics implements gateway.Metrics over Prometheus. Every label value comes from a closed list in the code; none
// comes from traffic, so the number of series has a bound.
type metrics struct {
	registry *prometheus.Registry

	known    atomic.Pointer[map[outcome]series] // never changed in place
	up, down prometheus.Counter

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	open     *prometheus.GaugeVec
	events   *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	updates  *prometheus.CounterVec

	gauges, counted sync.Map // the series of open and events by gateway.Gauge and gateway.Event, looked up once

	// What the status page shows, kept apart because a counter of the library cannot be read back.
	traffic struct{ open, tunnelled, intercepted, forwarded, refused, signIns, blocked atomic.Int64 }
}

// outcome is what the series of a finished request depend on. Every part comes from a closed list.
type outcome struct {
	kind    gateway.Kind
	verdict policy.Verdict
	action  policy.Action
	reason  policy.Reason
	mode    policy.Mode
	status  int // its hundreds
}

// series are those of one outcome, looked up once: looking them up by six labels costs more than all else that counting
// does.
type series struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

func newMetrics(version string) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "sekisho", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("requests_total", "Requests finished, by kind, verdict, action, reason, ring mode and status class.",
			"kind", "verdict", "action", "reason", "mode", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "sekisho", Name: "request_duration_seconds", Help: "Time from a request's first byte to its end.",
			Buckets: []float64{.001, .005, .025, .1, .25, 1, 5, 30, 300, 3600},
		}, []string{"kind", "action"}),
		bytes:   counter("bytes_total", "Bytes of bodies and tunnels, by direction (up: to the origin).", "direction"),
		open:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "sekisho", Name: "open", Help: "What is open now."}, []string{"what"}),
		events:  counter("events_total", "Events that should stay rare.", "event"),
		signIns: counter("sign_ins_total", "Requests seen on intercepted sign-in hosts, by outcome and ring mode.", "outcome", "mode"),
		updates: counter("catalog_updates_total", "Updates of the catalog's lists, by list and result (new, same, waiting, set-aside, rejected, failed).", "list", "result"),
		reloads: counter("reloads_total", "Times that the configuration was read again, by result (done, rejected).", "result"),
	}
	for _, result := range []string{reloadDone, reloadRejected} {
		m.reloads.WithLabelValues(result) // a series that is there from the start can be alarmed on
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "sekisho", Name: "build_info", Help: "Always 1; the version is the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.up, m.down = m.bytes.WithLabelValues("up"), m.bytes.WithLabelValues("down")
	m.registry.MustRegister(m.requests, m.seconds, m.bytes, m.open, m.events, m.signIns, m.reloads, m.updates, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler answers /metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// gauge adds a number that is read at each scrape.
func (m *metrics) gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "sekisho", Name: name, Help: help}, read))
}

// Finished counts one request.
func (m *metrics) Finished(o gateway.Outcome) {
	one := m.seriesOf(&o)
	one.requests.Inc()
	one.seconds.Observe(o.Duration.Seconds())
	m.up.Add(float64(o.Up))
	m.down.Add(float64(o.Down))
	switch {
	case o.Verdict == policy.Deny:
		m.traffic.refused.Add(1)
	case o.Kind == gateway.KindConnect && o.Action == policy.Tunnel:
		m.traffic.tunnelled.Add(1)
	case o.Kind == gateway.KindIntercepted:
		m.traffic.intercepted.Add(1)
	case o.Kind == gateway.KindPlain:
		m.traffic.forwarded.Add(1)
	}
}

// seriesOf returns the series of o.
func (m *metrics) seriesOf(o *gateway.Outcome) series {
	key := outcome{o.Kind, o.Verdict, o.Action, o.Reason, o.Mode, o.Status / 100}
	known := m.known.Load()
	if known != nil {
		if one, ok := (*known)[key]; ok {
			return one
		}
	}
	one := series{
		m.requests.WithLabelValues(string(o.Kind), o.Verdict.String(), o.Action.String(), string(o.Reason), o.Mode.String(), statusClass(o.Status)),
		m.seconds.WithLabelValues(string(o.Kind), o.Action.String()),
	}
	more := map[outcome]series{key: one}
	if known != nil {
		maps.Copy(more, *known)
	}
	m.known.CompareAndSwap(known, &more) // whoever comes second looks up again next time
	return one
}

// Add moves a gauge.
func (m *metrics) Add(g gateway.Gauge, delta int) {
	one, ok := m.gauges.Load(g)
	if !ok {
		one, _ = m.gauges.LoadOrStore(g, m.open.WithLabelValues(string(g)))
	}
	one.(prometheus.Gauge).Add(float64(delta))
	if g == gateway.GaugeConnections {
		m.traffic.open.Add(int64(delta))
	}
}

// Count counts an event.
func (m *metrics) Count(e gateway.Event) {
	one, ok := m.counted.Load(e)
	if !ok {
		one, _ = m.counted.LoadOrStore(e, m.events.WithLabelValues(string(e)))
	}
	one.(prometheus.Counter).Inc()
}

// signIn counts a record of a sign-in.
func (m *metrics) signIn(r audit.Record) {
	m.signIns.WithLabelValues(r.Outcome, r.Mode).Inc()
	m.traffic.signIns.Add(1)
	if r.Outcome == "blocked" {
		m.traffic.blocked.Add(1)
	}
}

// statusClass is "2xx" to "5xx", "none" for no answer.
func statusClass(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

// counted is a Recorder that counts what it hands on.
type counted struct {
	gateway.Recorder
	metrics *metrics
}

// Record counts a sign-in and hands the record on.
func (c counted) Record(r audit.Record) {
	if r.Kind == audit.SignIn {
		c.metrics.signIn(r)
	}
	c.Recorder.Record(r)
}
