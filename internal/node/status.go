package node

import (
	"errors"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/console"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/lab"
	"sekisho/internal/ops"
	"sekisho/internal/policy"
	"sekisho/internal/servicetags"
)

// warnings are the standing ones: what the configuration says, and what went wrong since.
func (n *Node) warnings() finding.List {
	list := append(finding.List{}, n.current.Load().warnings...)
	if rejected := n.rejected.Load(); rejected != nil {
		list = append(list, *rejected...)
	}
	switch audit := n.spool.Stats(); {
	case audit.Full:
		list = append(list, finding.New("node.audit-full", finding.Warning, finding.Pos{}, "when", n.current.Load().edition.WhenFull))
	case audit.Store != "":
		list = append(list, finding.New("node.audit-store", finding.Warning, finding.Pos{}, "cause", audit.Store))
	}
	if h := n.held.Load(); h != nil {
		list = append(list, h.warning())
	}
	list = append(list, n.updateWarnings(n.current.Load())...)
	list = append(list, catalog.Stale(n.ages(n.current.Load()))...)
	_, problems := n.serviceTags()
	return append(list, problems...)
}

// serviceTags reads which service tags are imported, three small files, at every call: a "catalog import" beside the
// running checkpoint shows at once. The findings tell what is old or cannot be read.
func (n *Node) serviceTags() ([]explain.TagFile, finding.List) {
	var list finding.List
	manifests, err := servicetags.NewStore(folders(n.catalogData()).catalog(), n.options.Now).Current()
	if problem := (*finding.Problem)(nil); errors.As(err, &problem) {
		for _, f := range problem.Findings {
			f.Severity = finding.Warning // nothing that the gateway does hangs on it
			list = append(list, f)
		}
	}
	files := explain.TagFiles(manifests, n.options.Now(), warnAge(n.current.Load()))
	for _, f := range files {
		if f.Stale {
			list = append(list, explain.TagsStale(f))
		}
	}
	return files, list
}

// ready is the detail of /readyz. The checkpoint is ready as soon as it judges; warnings do not take it out of service,
// because what it refuses meanwhile it would refuse on every other node too. Only when it refuses everything is it not
// ready.
func (n *Node) ready() ops.Readiness {
	b := n.current.Load()
	if b == nil {
		return ops.Readiness{}
	}
	tags, _ := n.serviceTags()
	return ops.Readiness{
		ServiceTags: tags, Sources: n.ages(b), Updates: n.attempts(), Updating: b.config.Catalog.Update.V, Waiting: b.waiting,
		Ready: !(n.spool.Full() && b.edition.WhenFull == gateway.RefuseAll), Edition: b.edition.Number, Policy: b.edition.Program.Hash(), Catalog: b.edition.Program.CatalogVersion(),
		Lab: n.options.Lab, Warnings: n.warnings(), Installed: b.installed, LastReload: n.lastReload.Load(),
	}
}

// Status is what the console shows.
func (n *Node) Status() console.Status {
	b := n.current.Load()
	program, snapshot := b.edition.Program, b.edition.Catalog
	s := console.Status{
		Version: n.options.Version, Lab: n.options.Lab, Started: n.started, Now: n.options.Now(),
		Organisation: b.config.Organisation.Name.V, Language: b.config.Language.V,
		Edition: b.edition.Number, PolicyHash: program.Hash(), CatalogVersion: snapshot.Version(), CatalogDate: snapshot.Date(),
		Gateway: n.seenGateway(b.config), PAC: n.seenPAC(b.config), Root: strings.TrimSuffix(n.seenPAC(b.config), "/proxy.pac") + "/ca.pem",
		Warnings: n.warnings(),
	}
	s.ServiceTags, _ = n.serviceTags()
	s.Sources, s.Updates, s.Updating, s.Waiting = n.ages(b), n.attempts(), b.config.Catalog.Update.V, b.waiting
	audit := n.spool.Stats()
	s.Audit = console.Audit{Pending: audit.Unstored, Lost: audit.Lost, Full: audit.Full}
	for _, id := range program.Features() {
		if f, ok := snapshot.Feature(id); ok {
			s.Features = append(s.Features, console.Feature{ID: string(id), TitleJA: f.Title.JA, TitleEN: f.Title.EN, Sets: len(f.Claims)})
		}
	}
	for _, r := range program.Rings() {
		s.Rings = append(s.Rings, console.Ring{Name: r.Name, Mode: r.Mode.String(), Profile: r.Profile, People: people(r)})
	}
	t := &n.metrics.traffic
	s.Traffic = console.Traffic{
		Open: t.open.Load(), Tunnelled: t.tunnelled.Load(), Intercepted: t.intercepted.Load(), Forwarded: t.forwarded.Load(),
		Refused: t.refused.Load(), SignIns: t.signIns.Load(), Blocked: t.blocked.Load(),
	}
	return s
}

// people writes a ring's selectors in the words of the configuration.
func people(r policy.Ring) string {
	var parts []string
	add := func(kind string, values []string) {
		if len(values) > 0 {
			parts = append(parts, kind+": "+strings.Join(values, ", "))
		}
	}
	clients := make([]string, len(r.Clients))
	for i, p := range r.Clients {
		clients[i] = p.String()
	}
	add("clients", clients)
	if len(r.Users) > 0 {
		parts = append(parts, "users: "+itoa(len(r.Users))) // the listener asks for no credentials, so it names nobody
	}
	add("groups", r.Groups)
	if r.Percent > 0 {
		parts = append(parts, "percent: "+itoa(r.Percent))
	}
	return strings.Join(parts, "; ")
}

// Roots returns the roots that clients trust, PEM: the gateway's, and the lab's (nil outside the lab).
func (n *Node) Roots() (gatewayRoot, labRoot []byte) {
	if n.world != nil {
		labRoot = n.world.RootPEM()
	}
	return n.current.Load().authority.RootPEM(), labRoot
}

// OperationsAddress is host:port of the operations listener.
func (n *Node) OperationsAddress() string { return n.operationsAt }

// LabHeads are the request heads that reached the lab's sockets, oldest first; nil outside the lab.
func (n *Node) LabHeads() []lab.Head {
	if n.world == nil {
		return nil
	}
	return n.world.Heads()
}
