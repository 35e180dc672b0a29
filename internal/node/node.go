// Package node is one running checkpoint: it turns a configuration into the parts, joins them, and takes them down
// again. It is the only place where the gateway, the lab and the store engines meet, and it shows in one file all that
// is wired.
//
//	n, err := node.Start(ctx, node.Options{Config: c, Data: dir, Logger: logger})
//	…
//	n.Close(ctx)
//
// Start either returns a checkpoint that works or leaves nothing running. Every failure that the administrator can
// mend is a *finding.Problem.
package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"sekisho/internal/audit"
	"sekisho/internal/audit/sqlite"
	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/config"
	"sekisho/internal/console"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/lab"
	"sekisho/internal/m365"
	"sekisho/internal/ops"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
	"sekisho/internal/servicetags"
	"sekisho/internal/tenant"
)

// Options are what a checkpoint is started with.
type Options struct {
	Config *config.Config
	// Load reads the configuration again, for Reload; nil: Reload fails.
	Load func() (*config.Config, finding.List)
	// ConfigFile is the file that Load reads, "" when it reads none. It is watched, with the files that it names: when one
	// changes, the configuration is read again.
	ConfigFile string
	// WatchEvery is how often they are looked at; 0: every 0.7 s. Negative: never.
	WatchEvery time.Duration
	// After is how updates of the catalog wait; tests bend it. nil: time.After.
	After func(time.Duration) <-chan time.Time
	// Data is the folder for state; it is made when missing.
	Data string
	// CatalogData is the data folder whose catalog is in use and kept current; "" is Data. A lab rehearses with the catalog
	// of production and writes everything else elsewhere.
	CatalogData string
	// Lab puts the offline stand-in behind the gateway in place of the Internet.
	Lab     bool
	Version string
	Logger  *slog.Logger     // nil: nothing is logged
	Now     func() time.Time // nil: time.Now. What is waited for and limited goes by the monotonic clock
	// Steps bends the steps of the gateway, and Limits its limits; tests break one and look at what happens. nil in
	// production.
	Steps  func(*gateway.Steps)
	Limits func(*gateway.Limits)
}

// Node is a running checkpoint. Obtain it from Start and end it with Close.
type Node struct {
	options Options
	folders folders
	started time.Time
	log     *slog.Logger

	metrics *metrics
	created []string // files that Start made
	store   *sqlite.Store
	spool   *audit.Spool
	world   *lab.World // nil outside the lab
	gateway *gateway.Gateway
	tenants *tenant.Book // asked for rings that report alone

	gatewayAt, operationsAt string // host:port where the listeners really are

	reloading  sync.Mutex // one Reload at a time
	watched    *watched
	current    atomic.Pointer[built]
	rejected   atomic.Pointer[finding.List] // why the last Reload changed nothing; nil when it did
	lastReload atomic.Pointer[ops.LastReload]
	held       atomic.Pointer[held] // why no record is deleted; nil when they are
	reloaded   chan struct{}        // an edition was installed; the updates look at its settings

	failed  chan error
	closers []closer
	close   sync.Once
}

// closer takes one part down.
type closer struct {
	name string
	do   func(ctx context.Context) error
}

// Start builds everything and begins to serve.
func Start(ctx context.Context, o Options) (*Node, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.WatchEvery == 0 {
		o.WatchEvery = watchEvery
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		options: o, folders: folders(o.Data), started: o.Now(), log: o.Logger,
		metrics: newMetrics(o.Version), failed: make(chan error, 2), reloaded: make(chan struct{}, 1),
	}
	if err := n.start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = n.Close(closing)
		return nil, err
	}
	return n, nil
}

// start is the order of the house: judge the configuration, take the ports, open what holds state, build the edition,
// serve. Whatever can be wrong with the configuration is found before the first file is touched.
func (n *Node) start(ctx context.Context) error {
	// Before the files are read again: what has changed since the configuration was read shows as a change.
	n.watched = newWatched(time.Now, n.options.Config, n.options.ConfigFile, folders(n.catalogData()).catalogInUse())
	unfilled, err := Catalog(n.catalogData())
	if err != nil {
		return err
	}
	program, found := Compile(n.options.Config, unfilled)
	if found.HasErrors() {
		return &finding.Problem{Findings: found.Sort()}
	}
	snapshot := program.Catalog() // filled with the organisation's values

	gatewayListener, err := n.listen(ctx, "gateway", n.options.Config.Listen.Gateway.V.String())
	if err != nil {
		return err
	}
	operationsListener, err := n.listen(ctx, "operations", n.options.Config.Listen.Operations.V.String())
	if err != nil {
		return err
	}
	n.gatewayAt, n.operationsAt = gatewayListener.Addr().String(), operationsListener.Addr().String()

	if err := n.folders.make(); err != nil {
		return err
	}
	if err := n.openAudit(ctx); err != nil {
		return err
	}
	if n.options.Lab {
		if err := n.openLab(ctx, snapshot); err != nil {
			return err
		}
	}
	n.tenants = tenant.New(tenant.Options{Now: n.options.Now})
	n.onClose("tenants", func(context.Context) error { n.tenants.Close(); return nil })
	first, err := n.build(n.options.Config, program, found, snapshot, 1)
	if err != nil {
		return err
	}
	if n.options.Lab {
		if err := n.writeTrust(first); err != nil {
			return err
		}
	}

	bounds := limits(n.options.Config.Limits)
	if n.options.Limits != nil {
		n.options.Limits(&bounds)
	}
	n.gateway = gateway.New(gateway.Options{
		Limits:   bounds,
		Recorder: counted{n.spool, n.metrics}, Logger: n.log, Metrics: n.metrics, Now: n.options.Now, Steps: n.options.Steps,
	})
	n.install(first)
	n.serve("gateway", func() error { return n.gateway.Serve(gatewayListener) }, gateway.ErrClosed, n.gateway.Shutdown)

	token, err := n.writeControl()
	if err != nil {
		return err
	}
	server := ops.Server(ops.Handler(n.parts(token)))
	server.ErrorLog = slog.NewLogLogger(n.log.Handler(), slog.LevelDebug)
	few := netutil.LimitListener(operationsListener, operationsConnections(gateway.Descriptors()))
	n.serve("operations", func() error { return server.Serve(few) }, http.ErrServerClosed, server.Shutdown)
	if n.options.Load != nil && n.options.WatchEvery > 0 {
		n.background(ctx, "file watch", n.watchFiles)
	}
	n.metrics.registry.MustRegister(newFreshness(n))
	n.background(ctx, "catalog updates", n.keepCurrent)
	n.background(ctx, "memory", tidy)
	return nil
}

// catalogData is the data folder that has the catalog.
func (n *Node) catalogData() string {
	if n.options.CatalogData != "" {
		return n.options.CatalogData
	}
	return n.options.Data
}

// operationsConnections is how many connections the operations listener serves at once, out of so many descriptors: those
// beyond it wait, and take none from the gateway. A sixteenth, 16 to 512 (chosen: PAC files and metrics are answered at
// once; the gateway keeps 200 descriptors and a third of the others free of its own).
func operationsConnections(descriptors int) int { return min(max(descriptors/16, 16), 512) }

// listen takes a port; it is given back when Start fails.
func (n *Node) listen(ctx context.Context, name, address string) (net.Listener, error) {
	l, err := listening().Listen(ctx, "tcp", address)
	if err != nil {
		return nil, finding.Fail("node.listen", err, "listener", name, "address", address)
	}
	n.onClose(name+" listener", func(context.Context) error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// openAudit opens the store and the spool before it. The boot id tells records of this process from those of another.
func (n *Node) openAudit(ctx context.Context) error {
	store, err := sqlite.Open(ctx, n.folders.store())
	if err != nil {
		return err
	}
	n.store = store
	n.onClose("store", func(context.Context) error { return store.Close() })
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "node"
	}
	n.spool, err = audit.OpenSpool(audit.SpoolOptions{
		Dir: n.folders.spool(), Store: store, Node: name, Log: n.log,
		MaxBytes: int64(n.options.Config.Audit.SpoolMiB.V) << 20,
	})
	if err != nil {
		return err
	}
	n.onClose("spool", n.spool.Close)
	n.metrics.gauge("edition", "Number of the edition that judges.", func() float64 {
		if b := n.current.Load(); b != nil {
			return float64(b.edition.Number)
		}
		return 0
	})
	n.metrics.gauge("configuration_rejected", "1 while the configuration on disk was rejected and the edition before it judges.", func() float64 {
		if n.rejected.Load() != nil {
			return 1
		}
		return 0
	})
	n.metrics.gauge("audit_unstored", "Records recorded and not yet stored.", func() float64 { return float64(n.spool.Stats().Unstored) })
	n.metrics.gauge("audit_lost", "Records lost since the start.", func() float64 { return float64(n.spool.Stats().Lost) })
	n.metrics.gauge("audit_spool_bytes", "Bytes of the spool on disk.", func() float64 { return float64(n.spool.Stats().Bytes) })
	n.background(ctx, "retention", n.retain)
	return nil
}

// background runs work until the node closes; it has to end soon after its context.
func (n *Node) background(ctx context.Context, name string, work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	n.onClose(name, func(context.Context) error { cancel(); <-done; return nil })
}

// openLab starts the stand-in for Microsoft's cloud.
func (n *Node) openLab(ctx context.Context, snapshot *catalog.Snapshot) error {
	var own []endpoint.Pattern
	for _, h := range n.options.Config.Hosts {
		own = append(own, h.Host.V)
	}
	world, err := lab.Open(ctx, lab.Options{Dir: n.folders.lab(), Catalog: snapshot, Hosts: own, Now: n.options.Now, Logger: n.log})
	if err != nil {
		return err
	}
	n.world = world
	n.onClose("lab", func(context.Context) error { return world.Close() })
	return nil
}

// serve runs one listener until shutdown is called; its failure ends the node.
func (n *Node) serve(name string, run func() error, closed error, shutdown func(context.Context) error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(); err != nil && !errors.Is(err, closed) {
			n.failed <- finding.Fail("node.listener-failed", err, "listener", name)
		}
	}()
	n.onClose(name, func(ctx context.Context) error {
		draining, cancel := drainTime(ctx)
		defer cancel()
		err := shutdown(draining)
		<-done
		if errors.Is(err, context.DeadlineExceeded) {
			n.log.Info("connections cut at the end", "listener", name) // tunnels may last for days: that is no failure
			return nil
		}
		return err
	})
}

// drainTime is the part of the time of a Close that connections may take: three quarters of what is left, so that the
// records of those that are cut can still be stored.
func drainTime(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)*3/4)
}

// onClose adds a part to what Close takes down, last first.
func (n *Node) onClose(name string, do func(ctx context.Context) error) {
	n.closers = append(n.closers, closer{name, do})
}

// Failed receives the error of a listener that can accept no more.
func (n *Node) Failed() <-chan error { return n.failed }

// Close drains and takes everything down within ctx. Tunnels that still run when three quarters of that time are over are
// cut, which is no error. It may be called more than once.
func (n *Node) Close(ctx context.Context) error {
	var problems []error
	n.close.Do(func() {
		for i := len(n.closers) - 1; i >= 0; i-- {
			if err := n.closers[i].do(ctx); err != nil {
				problems = append(problems, finding.Fail("node.close", err, "part", n.closers[i].name))
			}
		}
	})
	return errors.Join(problems...)
}

// parts are what the operations listener serves; token is what whoever may change something shows.
func (n *Node) parts(token string) ops.Parts {
	tags := &feedTags{store: servicetags.NewStore(folders(n.catalogData()).catalog(), n.options.Now)}
	return ops.Parts{
		Token:   token,
		Reload:  n.reloadByAPI,
		Faults:  n.faultsByAPI(),
		Records: n.recordsByAPI(),
		PAC:     func(ring string) ([]byte, bool) { body, ok := n.current.Load().pac[ring]; return body, ok },
		Root:    func() []byte { return n.current.Load().authority.RootPEM() },
		CRL:     func(name string) ([]byte, bool) { return n.current.Load().authority.CRL(name) },
		Ready:   n.ready,
		Metrics: n.metrics.handler(),
		Console: console.Handler(n),
		Lists:   n.aged(m365.Handler(func() *m365.Archive { return n.current.Load().past().archive })),
		Changes: func() []byte { return n.current.Load().past().changes },
		Render:  n.aged(render.Handler(targets.All(), n.rendered(tags))),
		Feeds: n.aged(feed.Handler(func() feed.Current {
			b := n.current.Load()
			changed := b.installed
			if at := tags.changed(); at.After(changed) {
				changed = at
			}
			return feed.Current{Snapshot: b.edition.Catalog, InUse: b.edition.Program.Features(), Changed: changed, Tags: tags.of(b.edition.Catalog)}
		})),
	}
}
