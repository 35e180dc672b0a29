// Package zscaler is the target "zscaler": what an administrator of Zscaler Internet Access enters so that it sets the
// restriction headers: a tenant profile, the rule that uses it, and the custom categories for SSL inspection.
//
// It is text to enter and no file to import. Zscaler sets the headers itself, from the tenant profile; the hosts are its own
// application "Microsoft Login Services". Categories compare whole names; a leading period is the domain and up to five
// levels below it ("URL Format Guidelines"), so that a category of names that must not be inspected holds the domain of a
// wildcard as well. A wildcard whose domain is a sign-in host, or with a star elsewhere, is left out and said.
package zscaler

import (
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/stamp"
	"sekisho/internal/restrict"
)

var pages = []flow.Page{
	{Title: "Adding Tenant Profiles", URL: "https://help.zscaler.com/zia/adding-tenant-profiles", Read: "2026-11-23"},
	{Title: "Adding Rules to the Cloud App Control Policy", URL: "https://help.zscaler.com/zia/adding-rules-cloud-app-control-policy", Read: "2026-11-23"},
	{Title: "URL Format Guidelines", URL: "https://help.zscaler.com/zia/url-format-guidelines", Read: "2026-11-23"},
}

// Target is "zscaler".
type Target struct{}

// Name returns "zscaler".
func (Target) Name() string { return "zscaler" }

// optionTenants is how many tenants a profile may have; 0: no limit.
const optionTenants = "max-tenants"

// Options returns the ring and the limit: 500 tenants a profile ("Adding Tenant Profiles").
func (Target) Options() []render.Option {
	return []render.Option{stamp.Option(), {Name: optionTenants, Kind: render.Number, Default: "500"}}
}

// Render returns sekisho-zscaler.txt.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	ring, err := stamp.Whole(in, t.Name())
	if err != nil {
		return render.Output{}, err
	}
	set := map[string]string{}
	var hosts []string
	for _, g := range ring.Groups() {
		for _, f := range g.Set {
			set[f.Name] = f.Value
		}
	}
	for _, h := range ring.Hosts {
		hosts = append(hosts, string(h.Name))
	}
	say := in.Printer()
	w := &strings.Builder{}
	w.WriteString(render.Comment("#", append(render.Header(in, t.Name()), flow.Unverified(pages...)...)...))
	line := func(id string) { w.WriteString("\n" + render.OneLine(say.Text("zscaler."+id, nil)) + "\n") }
	field := func(name, value string) { w.WriteString(strings.TrimRight("  "+name+": "+value, " ") + "\n") }
	tenants := strings.Split(set[restrict.HeaderTenants], ",")
	found, err := flow.Check(t.Name(), in.Options, flow.Limit{Option: optionTenants, Count: len(tenants)})
	if err != nil {
		return render.Output{}, err
	}
	line("profile")
	if v1 := set[restrict.HeaderTenants]; v1 != "" {
		field("Version", "1")
		field("Tenant Directory ID", set[restrict.HeaderContext])
		field("Office 365 Tenants or Tenant IDs", "")
		for _, name := range tenants {
			w.WriteString("    " + name + "\n")
		}
		personal := "Yes"
		if set[restrict.HeaderPolicy] == restrict.BlockConsumers {
			personal = "No"
		}
		field("Allow Personal Office 365 Domains", personal)
	} else {
		field("Version", "2")
		field("Tenant Directory ID:Policy ID", set[restrict.HeaderPolicy])
	}
	line("rule")
	line("inspect")
	list(w, hosts)
	line("never")
	never, left := uninspected(in, m)
	list(w, never)
	if len(left) > 0 {
		found = append(found, finding.New("zscaler.left-out", finding.Warning, finding.Pos{}, "count", strconv.Itoa(len(left)), "values", strings.Join(left[:min(len(left), 5)], ", ")))
		line("left")
		list(w, left)
	}
	line("order")
	found = append(found, flow.NotVerified(t.Name(), pages...))
	f := render.File{Name: "sekisho-zscaler.txt", Type: "text/plain; charset=utf-8", Body: []byte(w.String()), Comment: "#"}
	return render.Output{Files: []render.File{f}, Findings: found}, nil
}

func list(w *strings.Builder, values []string) {
	for _, v := range values {
		w.WriteString("    " + v + "\n")
	}
}

// uninspected are the names in use that must not be inspected, as entries of a category, and those that no entry holds.
func uninspected(in render.Input, m *render.Model) (entries, left []string) {
	snap := in.Program.Catalog()
	take := func(p endpoint.Pattern) {
		if p.IsZero() || snap.HandlingOf(p).Inspection != catalog.InspectionForbidden {
			return
		}
		word := p.String()
		switch p.Kind() {
		case endpoint.Exact:
			entries = append(entries, word)
		case endpoint.Suffix:
			domain := strings.TrimPrefix(word, "*.")
			if signsIn(snap, p, domain) {
				left = append(left, word)
			} else {
				entries = append(entries, "."+domain)
			}
		default:
			left = append(left, word)
		}
	}
	for _, r := range m.Rows {
		take(r.Host)
	}
	for _, k := range snap.Classes() {
		take(k.Pattern)
	}
	slices.Sort(entries)
	slices.Sort(left)
	return slices.Compact(entries), slices.Compact(left)
}

// signsIn reports whether an entry for the domain of p, which holds the domain too, would hold a sign-in host.
func signsIn(snap *catalog.Snapshot, p endpoint.Pattern, domain string) bool {
	for _, k := range snap.Classes() {
		if (k.Class == catalog.SignIn || k.Class == catalog.SignInConsumer) && (p.Covers(k.Pattern) || k.Pattern.String() == domain) {
			return true
		}
	}
	return false
}
