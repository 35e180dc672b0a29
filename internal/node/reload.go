package node

import (
	"context"
	"errors"
	"time"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/ops"
)

// Who asked for a reload, in logs and in /readyz.
const (
	bySignal = "signal" // SIGHUP, or a caller of Reload
	byFile   = "file"   // a file of the configuration has changed
	byUpdate = "update" // the catalog was updated
	byAPI    = "api"    // POST /api/reload, which "sekisho reload" sends
)

// Results of a reload, in metrics and in /readyz.
const (
	reloadDone     = "done"
	reloadRejected = "rejected"
)

// Reload reads the configuration again and swaps the edition. The new edition is built whole before the old one goes. A
// wrong configuration changes nothing: the error says why, it is logged and counted, and it stays a standing warning
// until a Reload succeeds. Listeners do not move. Safe for concurrent use; one runs at a time.
func (n *Node) Reload(ctx context.Context) error { return n.reload(ctx, bySignal) }

func (n *Node) reload(ctx context.Context, by string) error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	return n.reloadHeld(ctx, by)
}

// reloadHeld is reload for whoever holds n.reloading.
func (n *Node) reloadHeld(ctx context.Context, by string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Marked before anything is read: what changes while it is read is seen as a change afterwards.
	n.watched.mark()
	b, named, err := n.rebuild()
	n.watched.name(b, named)
	result := reloadDone
	if err != nil {
		result = reloadRejected
		problems := rejection(err)
		n.rejected.Store(&problems)
		n.log.Warn("reload rejected", "by", by, "edition", n.current.Load().edition.Number, "error", err.Error())
	} else {
		n.rejected.Store(nil)
		n.install(b)
	}
	n.lastReload.Store(&ops.LastReload{Time: n.options.Now(), By: by, Result: result})
	n.metrics.reloads.WithLabelValues(result).Inc()
	return err
}

// rejection words err as standing warnings: that the reload was rejected, and each problem with its place.
func rejection(err error) finding.List {
	var problem *finding.Problem
	if !errors.As(err, &problem) {
		return finding.List{finding.New("node.reload-rejected", finding.Warning, finding.Pos{}, "cause", err.Error())}
	}
	list := finding.List{finding.New("node.reload-rejected", finding.Warning, finding.Pos{}, "cause", "")}
	for _, f := range problem.Findings.Of(finding.Error) {
		f.Severity = finding.Warning
		list = append(list, f)
	}
	return list
}

// rebuild makes the next edition and changes nothing. named is the configuration that was read, also when it cannot be
// used; nil when it could not even be read.
func (n *Node) rebuild() (made *built, named *config.Config, err error) {
	if n.options.Load == nil {
		return nil, nil, finding.Fail("node.no-reload", nil)
	}
	c, problems := n.options.Load()
	if problems.HasErrors() {
		return nil, c, &finding.Problem{Findings: problems.Sort()}
	}
	unfilled, err := Catalog(n.catalogData())
	if err != nil {
		return nil, c, err
	}
	program, found := Compile(c, unfilled)
	if found.HasErrors() {
		return nil, c, &finding.Problem{Findings: found.Sort()}
	}
	running := n.current.Load()
	if c.Listen.Gateway.V != running.config.Listen.Gateway.V || c.Listen.Operations.V != running.config.Listen.Operations.V {
		found = append(found, finding.New("node.listen-unchanged", finding.Warning, c.Listen.Gateway.Pos))
	}
	now, then := c.Limits, n.options.Config.Limits
	if now.Connections.V != then.Connections.V || now.ConnectionsPerClient.V != then.ConnectionsPerClient.V || now.TunnelIdleMinutes.V != then.TunnelIdleMinutes.V {
		found = append(found, finding.New("node.limits-unchanged", finding.Warning, c.Limits.Connections.Pos))
	}
	made, err = n.build(c, program, append(problems, found...), program.Catalog(), running.edition.Number+1)
	return made, c, err
}

// reloadByAPI is what POST /api/reload does.
func (n *Node) reloadByAPI(ctx context.Context) ops.ReloadAnswer {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	err := n.reloadHeld(ctx, byAPI)
	b := n.current.Load()
	a := ops.ReloadAnswer{
		Reloaded: err == nil, Edition: b.edition.Number, Policy: b.edition.Program.Hash(), Catalog: b.edition.Program.CatalogVersion(),
		Findings: b.warnings,
	}
	var problem *finding.Problem
	switch {
	case err == nil:
	case errors.As(err, &problem):
		a.Findings = problem.Findings
		if problem.Cause != nil {
			a.Cause = problem.Cause.Error()
		}
	default:
		a.Findings, a.Cause = nil, err.Error()
	}
	return a
}

// watchFiles reloads when a file that the configuration consists of has changed and has then been still for one round,
// until ctx ends. A file is looked at, not listened to: that sees an editor that renames, a link that is turned to
// another folder (a ConfigMap of Kubernetes), a file of a network drive, and works on every system.
func (n *Node) watchFiles(ctx context.Context) {
	tick := time.NewTicker(n.options.WatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n.watched.settled() {
			n.reloading.Lock()
			if n.watched.changed() { // or somebody else has reloaded meanwhile
				_ = n.reloadHeld(ctx, byFile) // logged, counted and shown there
			}
			n.reloading.Unlock()
		}
	}
}
