package node

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/lab"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/tenant"
)

// reports reports whether p has a ring that only reports: only such a ring needs to know directories, and nobody is asked
// for the others.
func reports(p *policy.Program) bool {
	return slices.ContainsFunc(p.Rings(), func(r policy.Ring) bool { return r.Mode == policy.Report })
}

// signInHost is where the tenants of a cloud publish their configuration ("National clouds", Microsoft identity platform).
func signInHost(cloud string) endpoint.Host {
	switch cloud {
	case "usgov":
		return "login.microsoftonline.us"
	case "china":
		return "login.partner.microsoftonline.cn"
	}
	return "login.microsoftonline.com"
}

// tenantNetwork is the road of the gateway's own questions. p may be nil: nobody is restricted.
func tenantNetwork(c *config.Config, p *policy.Program, n gateway.Network) tenant.Network {
	host := signInHost(c.Tenant.Cloud.V)
	return tenant.Network{Host: host, Resolve: n.Resolve, Dial: n.Dial, Roots: n.Roots, Header: ownHeader(p, host)}
}

// ownHeader is what the gateway's own questions to host carry: the headers of the first ring that enforces, as the
// requests of its people do. Whoever looks at what leaves the machine then sees no request to a sign-in host without
// them; and an OpenID configuration is public, no header changes it. Where no ring enforces there is nothing to carry.
func ownHeader(p *policy.Program, host endpoint.Host) http.Header {
	if p == nil {
		return nil
	}
	class := p.Catalog().Classify(host).Class
	if class != catalog.SignIn {
		return nil // the sign-in host of another cloud gets no restriction header from anybody
	}
	for _, r := range p.Rings() {
		if r.Mode != policy.Enforce {
			continue
		}
		for _, profile := range p.Profiles() {
			if profile.Name() != r.Profile {
				continue
			}
			header := http.Header{}
			for _, f := range profile.Plan(class).Set() {
				header[f.Name] = []string{f.Value}
			}
			return header
		}
	}
	return nil
}

// States of an OnlineEntry.
const (
	TenantFound    = "found"
	TenantNone     = "no-such-tenant"
	TenantNotKnown = "not-known" // the service could not be asked
)

// Online is what the sign-in service says of the profiles.
type Online struct {
	Host     string          `json:"host"` // that was asked
	Profiles []OnlineProfile `json:"profiles"`
}

// OnlineProfile is one profile with its tenants.
type OnlineProfile struct {
	Profile string        `json:"profile"`
	Version string        `json:"version"`
	Entries []OnlineEntry `json:"entries"` // as configured: permitted tenants, or the tenant of a version 2 policy
	Context *OnlineEntry  `json:"context"` // null for version 2
	// ContextListed is whether the context's directory is among the permitted; null when that is not known.
	ContextListed *bool `json:"context_listed"`
}

// OnlineEntry is one tenant.
type OnlineEntry struct {
	Tenant    string `json:"tenant"`
	Directory string `json:"directory"` // "" unless State is found
	State     string `json:"state"`
	Cause     string `json:"cause"` // why it is not known
	pos       finding.Pos
}

// Whole reports whether every tenant could be asked about.
func (o Online) Whole() bool {
	for _, p := range o.Profiles {
		unknown := func(e OnlineEntry) bool { return e.State == TenantNotKnown }
		if slices.ContainsFunc(p.Entries, unknown) || p.Context != nil && unknown(*p.Context) {
			return false
		}
	}
	return true
}

// Settles reports whether f doubts what is known now: whether a context is among the permitted, which the configuration
// alone does not tell where domains are listed.
func (o Online) Settles(f finding.Finding) bool {
	return f.Code == "restrict.context-unseen" && slices.ContainsFunc(o.Profiles, func(p OnlineProfile) bool {
		return p.Context != nil && p.ContextListed != nil && p.Context.pos == f.Pos
	})
}

// AskTenants asks the sign-in service about every tenant that c names, by the road that the gateway takes: its resolver,
// its roots, with the restriction headers of p where a ring enforces. With inLab it asks a lab that is started for it. The findings tell what does not agree; what could not be asked
// is not known, and no finding says otherwise.
func AskTenants(ctx context.Context, c *config.Config, p *policy.Program, inLab bool) (Online, finding.List, error) {
	var network gateway.Network
	if inLab {
		world, err := lab.Open(ctx, lab.Options{Catalog: catalog.Builtin()})
		if err != nil {
			return Online{}, nil, err
		}
		defer world.Close()
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(world.RootPEM())
		network = gateway.Network{Resolve: world.Resolve, Dial: world.Dial, Roots: roots}
	} else {
		var err error
		if network, err = internet(c.Network); err != nil {
			return Online{}, nil, err
		}
	}
	book := tenant.New(tenant.Options{})
	defer book.Close()
	road := tenantNetwork(c, p, network)
	book.Use(road)
	online := Online{Host: string(road.Host), Profiles: []OnlineProfile{}}
	var wait sync.WaitGroup
	turns := make(chan struct{}, 8) // more than the book asks at one time, few enough to wait for
	ask := func(e *OnlineEntry) {
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			id, err := book.Find(ctx, e.Tenant)
			switch {
			case err == nil:
				e.State, e.Directory = TenantFound, id
			case errors.Is(err, tenant.ErrNone):
				e.State = TenantNone
			default:
				e.State, e.Cause = TenantNotKnown, err.Error()
			}
		})
	}
	for _, p := range c.Profiles {
		o := OnlineProfile{Profile: p.Name.V, Version: p.Version.V, Entries: []OnlineEntry{}}
		for _, t := range p.PermittedTenants {
			o.Entries = append(o.Entries, OnlineEntry{Tenant: t.V, pos: t.Pos})
		}
		if p.Version.V == "v2" {
			directory, _, _ := strings.Cut(p.Policy.V, ":")
			o.Entries = append(o.Entries, OnlineEntry{Tenant: directory, pos: p.Policy.Pos})
		} else {
			o.Context = &OnlineEntry{Tenant: p.Context.V, pos: p.Context.Pos}
		}
		online.Profiles = append(online.Profiles, o)
	}
	for i := range online.Profiles {
		p := &online.Profiles[i]
		for k := range p.Entries {
			ask(&p.Entries[k])
		}
		if p.Context != nil {
			ask(p.Context)
		}
	}
	wait.Wait()
	var found finding.List
	for i := range online.Profiles {
		found = append(found, online.Profiles[i].agree()...)
	}
	return online, found.Sort(), ctx.Err()
}

// agree holds the entries of a profile against each other.
func (p *OnlineProfile) agree() finding.List {
	var found finding.List
	all, listed := true, false
	first := map[string]string{}
	entries := p.Entries
	if p.Context != nil {
		entries = append(slices.Clone(entries), *p.Context)
	}
	for i, e := range entries {
		context := p.Context != nil && i == len(entries)-1
		switch e.State {
		case TenantNone:
			if !context || e.Tenant != "" {
				found = append(found, finding.New("node.tenant-none", finding.Warning, e.pos, "profile", p.Profile, "tenant", e.Tenant))
			}
		case TenantFound:
			if context {
				listed = first[e.Directory] != ""
				continue
			}
			if other := first[e.Directory]; other != "" && !restrict.IsDirectoryID(e.Tenant) && !restrict.IsDirectoryID(other) {
				found = append(found, finding.New("node.tenant-twice", finding.Info, e.pos, "profile", p.Profile, "tenant", e.Tenant,
					"other", other, "directory", e.Directory))
			}
			first[e.Directory] = e.Tenant
		}
		if !context && e.State == TenantNotKnown {
			all = false
		}
	}
	if p.Context != nil && p.Context.State == TenantFound && (listed || all) {
		p.ContextListed = &listed
		if !listed {
			found = append(found, finding.New("node.context-not-permitted", finding.Warning, p.Context.pos, "profile", p.Profile, "context", p.Context.Tenant))
		}
	}
	return found
}
