package node

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sekisho/internal/ca"
	"sekisho/internal/caller"
	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/config"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/m365"
	"sekisho/internal/policy"
)

// built is one edition with what node itself serves from it. Immutable.
type built struct {
	config    *config.Config
	edition   *gateway.Edition
	authority *ca.Authority
	pac       scripts
	warnings  finding.List
	waiting   string // version of the catalog that waits for approval; "" when none does

	past      func() past // what is told of the versions before; made at the first question, for few ever ask
	installed time.Time
}

// past is what is told of the versions of the catalog up to the one in use.
type past struct {
	archive *m365.Archive // of the lists that are served on
	changes []byte        // feed of changes
}

// pastOf gathers it once, when somebody asks. It reads up to mostVersions versions and compares them, which costs a
// reload more than everything else together. Nobody judges by it.
func (n *Node) pastOf(c *config.Config, date time.Time) func() past {
	day := n.options.Now()
	return sync.OnceValue(func() past {
		archive, changes := history(Shelf(n.catalogData(), n.options.Now), c, day)
		return past{archive, feed.Atom(changesURL(n.seenPAC(c)), c.Organisation.Name.V, date, changes)}
	})
}

// build makes an edition from a configuration whose policy has been compiled. It changes nothing that is running.
func (n *Node) build(c *config.Config, program *policy.Program, found finding.List, snapshot *catalog.Snapshot, number uint64) (*built, error) {
	signs := authorityOptions(c, snapshot, n.crlURL(c))
	signs.Now = n.options.Now
	authority, created, err := ca.Open(n.folders.ca(), signs)
	if err != nil {
		return nil, err
	}
	for _, file := range created {
		n.created = append(n.created, filepath.Join(n.folders.ca(), file))
	}
	edition := &gateway.Edition{
		Number: number, Program: program, Catalog: snapshot, Issuer: authority.Issuer(),
		Contact: c.Organisation.Contact.V, Language: c.Language.V, WhenFull: c.Audit.WhenFull.V,
	}
	if c.Authentication.Enabled() {
		book, err := caller.Open(c.Authentication.Passwords.V, c.Authentication.Groups.V)
		if err != nil {
			return nil, err
		}
		edition.Identify = book
	}
	if edition.Network, err = n.network(c); err != nil {
		return nil, err
	}
	if reports(program) {
		edition.Tenants = n.tenants
	}
	files, large, err := writeScripts(renderInput(c, program, nil, n.gatewayAt, n.operationsAt))
	if err != nil {
		return nil, err
	}
	edition.Own = n.ownDocuments(c, authority, files)
	return &built{
		config: c, edition: edition, authority: authority, pac: files,
		warnings: append(found.Of(finding.Warning), large...), past: n.pastOf(c, snapshot.Date()), installed: n.options.Now(), waiting: waitingVersion(Shelf(n.catalogData(), n.options.Now)),
	}, nil
}

// network is the road to the origins: the lab's, or the Internet's. In the lab an upstream proxy of the configuration is
// the lab's stand-in, whatever its name or address.
func (n *Node) network(c *config.Config) (gateway.Network, error) {
	if n.world == nil {
		return internet(c.Network)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(n.world.RootPEM())
	way, err := parent(c.Network.UpstreamProxy)
	if err != nil {
		return gateway.Network{}, err
	}
	network := gateway.Network{Resolve: n.world.Resolve, Dial: n.world.Dial, Roots: roots, Parent: way}
	if way == nil {
		return network, nil
	}
	at := n.world.ProxyAddress()
	network.Resolve = func(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
		if h == way.Address.Host {
			return []netip.Addr{at}, nil
		}
		return n.world.Resolve(ctx, h)
	}
	network.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		if a := way.Address.Addr; a.IsValid() && to == netip.AddrPortFrom(a, way.Address.Port) {
			to = netip.AddrPortFrom(at, to.Port())
		}
		return n.world.Dial(ctx, to)
	}
	return network, nil
}

// install makes b the edition that judges from now on.
func (n *Node) install(b *built) {
	n.current.Store(b)
	n.tenants.Use(tenantNetwork(b.config, b.edition.Program, b.edition.Network))
	n.gateway.Load(b.edition)
	if reports(b.edition.Program) {
		for _, p := range b.edition.Program.Profiles() {
			n.tenants.Want(p.Permitted()...)
		}
	}
	n.log.Info("edition", "number", b.edition.Number, "policy_hash", b.edition.Program.Hash(), "catalog_version", b.edition.Program.CatalogVersion())
}

// authorityOptions are those of the signing authority: it may sign for what the policy can intercept, nothing else.
func authorityOptions(c *config.Config, snapshot *catalog.Snapshot, crl string) ca.Options {
	return ca.Options{Organisation: c.Organisation.Name.V, Permitted: interceptable(c, snapshot), CRLURL: crl}
}

// interceptable lists the names that may be intercepted, "name" or "*.suffix", sorted: the sign-in hosts and the
// organisation's own rows that say so.
func interceptable(c *config.Config, snapshot *catalog.Snapshot) []string {
	var names []string
	for _, class := range snapshot.Classes() {
		if class.Class == catalog.SignIn || class.Class == catalog.SignInConsumer {
			names = append(names, class.Pattern.String())
		}
	}
	for _, h := range c.Hosts {
		if h.Handling.V == "inspect" {
			names = append(names, constraint(h.Host.V.String()))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// constraint is the narrowest "name" or "*.suffix" that covers a pattern; a star that stands for a part of a label or
// for a label in the middle covers its siblings too, because name constraints know whole suffixes alone (RFC 5280,
// section 4.2.1.10).
func constraint(pattern string) string {
	star := strings.LastIndexByte(pattern, '*')
	if star < 0 {
		return pattern
	}
	if dot := strings.IndexByte(pattern[star:], '.'); dot >= 0 {
		return "*" + pattern[star+dot:]
	}
	return pattern
}

// What clients see: the configured URLs, or on loopback the listeners themselves.

func (n *Node) seenGateway(c *config.Config) string {
	if c.URLs.Gateway.Given() {
		return c.URLs.Gateway.V.String()
	}
	return n.gatewayAt
}

func (n *Node) seenPAC(c *config.Config) string {
	if c.URLs.PAC.Given() {
		return c.URLs.PAC.V
	}
	return "http://" + n.operationsAt + "/proxy.pac"
}

func (n *Node) crlURL(c *config.Config) string {
	if c.URLs.CRL.Given() {
		return c.URLs.CRL.V
	}
	return "http://" + n.operationsAt + "/crl"
}

// writeTrust writes the bundle of the two roots that clients of the lab trust: the gateway's, which vouches for what is
// intercepted, and the lab's, which vouches for what is tunnelled.
func (n *Node) writeTrust(b *built) error {
	bundle := slices.Concat(b.authority.RootPEM(), n.world.RootPEM())
	file := n.folders.trust()
	temporary := file + ".new"
	if err := os.WriteFile(temporary, bundle, 0o644); err != nil {
		return finding.Fail("node.unwritable", err, "file", file)
	}
	if err := os.Rename(temporary, file); err != nil {
		return finding.Fail("node.unwritable", err, "file", file)
	}
	return nil
}
