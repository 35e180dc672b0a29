package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/graph"
	"sekisho/internal/signin"
)

// tenantFlags say where the tenant's domains and what it holds already come from.
type tenantFlags struct {
	domains    string
	initial    string
	verified   []string
	unverified []string
	graph      bool // ask Microsoft Graph
	refresh    bool // ask it and replace the file of domains
	tenant     string
	ask        *graphFlags
}

// Bounds of asking the tenant; chosen.
const (
	tenantTimeout = 15 * time.Minute // default of --timeout: a million users in pages of 999
	mostRecords   = 200              // domains whose DNS records are asked for, one request each
)

// Permissions that reading the tenant needs, the least privileged ones (Microsoft Graph, "List domains", "List users", "List
// groups", "List orgContacts").
const (
	readDomains  = "Domain.Read.All"
	readUsers    = "User.Read.All"
	readGroups   = "Group.Read.All"
	readContacts = "OrgContact.Read.All"
	readerRole   = "Global Reader"
)

func (a *app) tenantFlags(c *cobra.Command, f *tenantFlags) {
	flags := c.Flags()
	flags.StringVar(&f.domains, "domains", "", a.t("signin.flag.domains"))
	flags.StringVar(&f.initial, "initial", "", a.t("signin.flag.initial"))
	flags.StringArrayVar(&f.verified, "verified", nil, a.t("signin.flag.verified"))
	flags.StringArrayVar(&f.unverified, "unverified", nil, a.t("signin.flag.unverified"))
	flags.BoolVar(&f.graph, "graph", false, a.t("signin.flag.graph"))
	flags.BoolVar(&f.refresh, "refresh", false, a.t("signin.flag.refresh"))
	flags.StringVar(&f.tenant, "tenant", "", a.t("signin.flag.tenant"))
	f.ask = a.graphFlags(c, tenantTimeout)
}

// signinTenant reads the domains of the tenant, from a file, from Microsoft Graph, from flags, or from several of them.
func (a *app) signinTenant(ctx context.Context, f *tenantFlags) (*signin.Tenant, error) {
	var domains []signin.Domain
	switch {
	case f.refresh && (f.domains == "" || f.domains == "-"):
		return nil, a.usage("signin.refresh-what")
	case f.graph && f.domains != "" && !f.refresh:
		return nil, a.usage("signin.graph-or-file")
	case f.graph || f.refresh:
		read, err := a.askDomains(ctx, f)
		if err != nil {
			return nil, err
		}
		if f.refresh {
			data, err := read.Encode()
			if err == nil {
				err = writeWhole(f.domains, data, 0o644)
			}
			if err != nil {
				return nil, finding.Fail("cli.unwritable", bareError(err), "file", f.domains)
			}
			a.notef("%s\n", a.t("signin.refreshed", "file", f.domains, "count", itoa(len(read.List))))
		}
		domains = read.List
	case f.domains != "":
		read, err := a.readDomainsFile(f.domains)
		if err != nil {
			return nil, err
		}
		domains = read.List
	}
	if f.initial != "" {
		domains = append(domains, signin.Domain{Name: f.initial, Initial: true})
	}
	for _, name := range f.verified {
		domains = append(domains, signin.Domain{Name: name, Verified: true})
	}
	for _, name := range f.unverified {
		domains = append(domains, signin.Domain{Name: name})
	}
	if len(domains) == 0 {
		return nil, a.usage("signin.no-tenant")
	}
	tenant, found := signin.NewTenant(domains)
	if tenant == nil {
		return nil, &finding.Problem{Findings: found}
	}
	return tenant, nil
}

// readDomainsFile reads a file of domains and says on the standard error how old it is: a domain that was verified meanwhile
// changes everything.
func (a *app) readDomainsFile(file string) (signin.Domains, error) {
	in, name, err := a.openInput(file)
	if err != nil {
		return signin.Domains{}, err
	}
	defer in.Close()
	read, err := signin.ReadDomains(name, in)
	if err != nil {
		return signin.Domains{}, err
	}
	at := read.Read
	if info, err := os.Stat(file); at.IsZero() && file != "-" && err == nil {
		at = info.ModTime()
	}
	if !at.IsZero() {
		days := max(0, int(time.Since(at)/(24*time.Hour)))
		a.notef("%s\n", a.t("signin.domains-age", "file", name, "date", at.UTC().Format("2006-01-02 15:04"), "days", strconv.Itoa(days)))
	}
	return read, nil
}

// tenantClient is the client that asks the tenant, named by --tenant or by the configuration.
func (a *app) tenantClient(f *tenantFlags, scopes ...string) (*graph.Client, error) {
	name := f.tenant
	if name == "" {
		// Without a configuration nobody is named, which graphClient says.
		if settings, err := a.settings(); err == nil {
			name = settings.Tenant.ID.V
		}
	}
	return a.graphClient(f.ask, name, scopes...)
}

// askDomains asks Microsoft Graph for the domains, and for the DNS records of those that are not verified.
func (a *app) askDomains(ctx context.Context, f *tenantFlags) (signin.Domains, error) {
	client, err := a.tenantClient(f, readDomains)
	if err != nil {
		return signin.Domains{}, err
	}
	defer client.HTTP.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, f.ask.timeout)
	defer cancel()
	out := signin.Domains{Read: time.Now()}
	need := graph.Need{Permission: readDomains, Role: readerRole}
	if _, err = client.Each(ctx, "v1.0/domains", need, func(raw json.RawMessage) error {
		d, err := signin.DecodeDomain(raw)
		out.List = append(out.List, d)
		return err
	}); err != nil {
		return signin.Domains{}, a.late(err, f)
	}
	if len(out.List) == 0 {
		return signin.Domains{}, finding.Fail("signin.no-domains", nil, "file", client.Base)
	}
	asked := 0
	for i := range out.List {
		d := &out.List[i]
		if d.Verified {
			continue
		}
		if asked++; asked > mostRecords {
			a.notef("%s: %s\n", a.t("warning"), a.t("signin.records-cut", "max", itoa(mostRecords)))
			break
		}
		if _, err = client.Each(ctx, "v1.0/domains/"+url.PathEscape(d.Name)+"/verificationDnsRecords", need, func(raw json.RawMessage) error {
			r, ok, err := signin.DecodeRecord(raw)
			if ok {
				d.Records = append(d.Records, r)
			}
			return err
		}); err != nil {
			return signin.Domains{}, a.late(err, f)
		}
	}
	return out, nil
}

// askExisting asks Microsoft Graph for what the tenant holds: users, and groups and contacts where that is permitted.
func (a *app) askExisting(ctx context.Context, f *tenantFlags) ([]signin.Existing, error) {
	client, err := a.tenantClient(f, readUsers, readGroups, readContacts)
	if err != nil {
		return nil, err
	}
	defer client.HTTP.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, f.ask.timeout)
	defer cancel()
	var out []signin.Existing
	for _, list := range []struct {
		kind       directory.Kind
		path       string
		permission string
	}{
		{directory.User, "users?$select=id,userPrincipalName,mail,proxyAddresses,onPremisesImmutableId,onPremisesSyncEnabled,displayName&$top=999", readUsers},
		{directory.Group, "groups?$select=id,displayName,mail,proxyAddresses,onPremisesSyncEnabled,mailEnabled&$top=999", readGroups},
		{directory.Contact, "contacts?$select=id,displayName,mail,proxyAddresses,onPremisesSyncEnabled&$top=999", readContacts},
	} {
		more, err := client.Each(ctx, "v1.0/"+list.path, graph.Need{Permission: list.permission, Role: readerRole}, func(raw json.RawMessage) error {
			if len(out) >= signin.MaxExisting {
				return graph.ErrStop
			}
			e, err := signin.DecodeExisting(raw, list.kind)
			out = append(out, e)
			if a.Terminal && len(out)%999 == 0 {
				a.notef("\r%s", a.t("signin.progress", "count", itoa(len(out))))
			}
			return err
		})
		var problem *finding.Problem
		switch {
		case err != nil && list.kind != directory.User && errors.As(err, &problem):
			// People can be planned for without the rest; what was not looked at is said.
			a.notef("%s: %s\n", a.t("warning"), a.t("signin.existing-left."+list.kind.String(), "said", a.printer.Finding(problem.Findings[0])))
		case err != nil:
			return nil, a.late(err, f)
		case more:
			return nil, finding.Fail("signin.existing-many", nil, "max", itoa(signin.MaxExisting))
		}
	}
	return out, nil
}

// late is the error of a reading that took longer than it was given.
func (a *app) late(err error, f *tenantFlags) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return finding.Fail("signin.graph-time", nil, "time", f.ask.timeout.String())
	}
	return err
}

// signinExisting is what the tenant holds already: from a file, from Microsoft Graph where --graph is given, or nothing.
func (a *app) signinExisting(ctx context.Context, f *tenantFlags, file string) ([]signin.Existing, error) {
	if file == "" {
		if !f.graph {
			return nil, nil
		}
		return a.askExisting(ctx, f)
	}
	in, name, err := a.openInput(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return signin.ReadExisting(name, in)
}
