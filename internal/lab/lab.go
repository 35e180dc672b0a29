// Package lab is the world outside, offline: Microsoft's sign-in, Graph and every other host of the catalog, answering
// under their real names on loopback, with tenants and people to rehearse with.
//
//	w, err := lab.Open(ctx, lab.Options{Dir: dir, Catalog: catalog.Builtin()})
//	addrs, _ := w.Resolve(ctx, "login.microsoftonline.com") // published addresses
//	c, _ := w.Dial(ctx, netip.AddrPortFrom(addrs[0], 443))  // leads to a listener on loopback
//	w.Heads()                                               // each request head, byte for byte
//
// The lab sees only bytes on its sockets and shares no code with what it is used to test: it must not import the
// packages policy, restrict, wire and gateway. It listens on 127.0.0.1 alone, has its own certificate authority whose
// subject says LAB, and every page of it says that it is a lab. What it does, and from which source that is known,
// stands in docs/lab-fidelity.md.
package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/entra"
	"sekisho/internal/lab/fault"
	"sekisho/internal/lab/graph"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/msa"
	"sekisho/internal/lab/origin"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/state"
	"sekisho/internal/lab/token"
	"sekisho/internal/lab/zone"
	"sekisho/internal/lockfile"
)

// Options of Open. Catalog is required.
type Options struct {
	// Dir is the lab's own folder, made when missing: root.pem, root.key and signing-keys.json (mode 0600), and what the lab remembers, in
	// state.File. One lab at a time runs in it. An own lab.yaml in it (DirectoryFile) takes the place of the shipped one.
	// "" keeps all of it in memory.
	Dir string
	// Catalog says which hosts exist and where they live.
	Catalog *catalog.Snapshot
	// Hosts are further hosts that exist in the lab: the organisation's own rows. They behave as origins.
	Hosts []endpoint.Pattern
	// Directory is who lives there, in place of what Dir holds and of the shipped lab.yaml, which the lab otherwise
	// begins with. Changes to it are kept in memory alone.
	Directory *directory.Directory
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger takes debug lines about handshakes and the like; nil drops them.
	Logger *slog.Logger
}

// World is a running lab. Safe for concurrent use. Close it.
type World struct {
	atlas       atlas
	hosts       []endpoint.Pattern
	now         func() time.Time
	logger      *slog.Logger
	authority   *authority
	lock        *lockfile.Lock // of the folder; nil without one
	state       *state.DB
	directory   *directory.Store
	keys        *token.Ring
	zone        *zone.Zone
	journal     *journal.Journal
	recorder    recorder
	connections connectionCount
	tls, plain  *front
	// What goes wrong, and where it leads.
	faults                 fault.Book
	places                 places
	closing                chan struct{} // closed when Close begins
	closeOnce              sync.Once
	portalTLS, portalPlain *front
	resets, stalls         *trap
	proxy                  *standIn
}

// Open starts a lab. ctx bounds the start alone; the lab runs until Close. Nothing runs when an error is returned.
func Open(ctx context.Context, o Options) (*World, error) {
	if o.Catalog == nil {
		return nil, errors.New("open lab: a catalog is needed")
	}
	return open(ctx, o, snapshotAtlas{o.Catalog, o.Catalog.SignInPrefixes()})
}

func open(ctx context.Context, o Options, m atlas) (*World, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	w := &World{atlas: m, hosts: o.Hosts, now: o.Now, logger: o.Logger, closing: make(chan struct{})}
	if w.now == nil {
		w.now = time.Now
	}
	if w.logger == nil {
		w.logger = discard()
	}
	if err := w.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open lab: %w", err), w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context, o Options) (err error) {
	path := ""
	if o.Dir != "" {
		if w.lock, err = lockFolder(o.Dir, lockWait); err != nil {
			return err
		}
		path = filepath.Join(o.Dir, state.File)
	}
	if w.authority, err = openAuthority(o.Dir, w.now); err != nil {
		return err
	}
	if w.state, err = state.Open(ctx, path); err != nil {
		return err
	}
	if w.journal, err = journal.Open(ctx, w.state, func(err error) {
		w.logger.Warn("the lab's sign-in log cannot be written; it is tried again", "error", err.Error())
	}); err != nil {
		return err
	}
	if o.Directory != nil {
		w.directory = directory.Fixed(o.Directory)
	} else if w.directory, err = readDirectory(ctx, o.Dir, w.state); err != nil {
		return err
	}
	if w.directory.Edited() {
		w.logger.Warn("the lab's directory began with another lab.yaml; what the file says now counts after sekisho lab reset",
			"file", filepath.Join(o.Dir, DirectoryFile))
	}
	keyFile := ""
	if o.Dir != "" {
		keyFile = filepath.Join(o.Dir, token.File)
	}
	if w.keys, err = token.Open(keyFile, w.now); err != nil {
		return err
	}
	handler, err := w.services(ctx)
	if err != nil {
		return err
	}
	if w.tls, err = openFront(w, w.tlsConfig(), handler); err != nil {
		return err
	}
	if w.plain, err = openFront(w, nil, handler); err != nil {
		return err
	}
	if err = w.openTrouble(); err != nil {
		return err
	}
	return w.openFaults(ctx)
}

// openTrouble opens what faults lead to, and the stand-in for an organisation's proxy.
func (w *World) openTrouble() (err error) {
	if w.portalTLS, err = openFront(w, w.portalConfig(), http.HandlerFunc(w.portal)); err != nil {
		return err
	}
	if w.portalPlain, err = openFront(w, nil, http.HandlerFunc(w.portal)); err != nil {
		return err
	}
	if w.resets, err = openTrap((*line).reset); err != nil {
		return err
	}
	if w.stalls, err = openTrap((*line).hold); err != nil {
		return err
	}
	w.proxy, err = openStandIn(w)
	return err
}

// services wires what answers under which name.
func (w *World) services(ctx context.Context) (http.Handler, error) {
	names, err := zone.New(w.state, "")
	if err != nil {
		return nil, err
	}
	if err := names.Resume(ctx); err != nil {
		return nil, err
	}
	w.zone = names
	pages := page.New()
	pages.Faults = w.activeFaults
	consumers := msa.New(msa.Options{Directory: w.directory, Journal: w.journal, Pages: pages, Now: w.clock})
	directory := graph.New(graph.Options{Directory: w.directory, Keys: w.keys, Journal: w.journal, Zone: names, Now: w.clock})
	signIn, err := entra.New(ctx, entra.Options{
		Directory: w.directory, Keys: w.keys, Journal: w.journal, Pages: pages, Consumers: consumers, Memory: w.state, Now: w.clock, Graph: directory,
	})
	if err != nil {
		return nil, err
	}
	return &router{
		w: w, pages: pages,
		services: map[string]http.Handler{
			"login.microsoftonline.com": signIn,
			"login.microsoft.com":       signIn,
			"login.windows.net":         signIn,
			entra.ConsumerHost:          consumers,
			"graph.microsoft.com":       directory,
		},
		origin: &origin.Service{Keys: w.keys, Now: w.clock, SNI: func(r *http.Request) (string, bool) {
			a := arrivalOf(r)
			return a.sni, a.tls
		}},
	}, nil
}

// serves reports whether h exists in the lab.
func (w *World) serves(h endpoint.Host) bool {
	for _, p := range w.hosts {
		if p.Match(h) {
			return true
		}
	}
	return w.atlas.known(h)
}

// RootPEM returns the lab's root certificate.
func (w *World) RootPEM() []byte { return w.authority.rootPEM }

// Directory returns who lives in the lab, as it is now. Read-only.
func (w *World) Directory() *directory.Directory { return w.directory.Current() }

// Store returns what holds the lab's directory, for whoever changes it.
func (w *World) Store() *directory.Store { return w.directory }

// Zone returns the DNS that the verification of domains asks.
func (w *World) Zone() *zone.Zone { return w.zone }

// State returns what the lab remembers. It is closed by Close.
func (w *World) State() *state.DB { return w.state }

// SignIns returns the lab's sign-in log, oldest first.
func (w *World) SignIns() []journal.SignIn { return w.journal.SignIns() }

// Close ends every connection and waits for everything that the lab runs. A second Close does nothing.
func (w *World) Close() error {
	var errs []error
	w.closeOnce.Do(func() { close(w.closing) })
	if w.proxy != nil {
		errs = append(errs, w.proxy.close())
	}
	for _, f := range []*front{w.tls, w.plain, w.portalTLS, w.portalPlain} {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	for _, t := range []*trap{w.resets, w.stalls} {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	if w.journal != nil {
		errs = append(errs, w.journal.Close())
	}
	if w.state != nil {
		errs = append(errs, w.state.Close()) // when nothing that writes runs any more
	}
	if w.lock != nil {
		errs = append(errs, w.lock.Release())
		w.lock = nil
	}
	return errors.Join(errs...)
}
