// Package stamp is which headers go on which hosts for whom, for targets that put them there: the rings of the policy with the
// sign-in hosts of the features in use.
//
//	rings, err := stamp.Rings(in, "squid") // in the order in which they are asked
//	ring, err := stamp.One(in, "fiddler")         // for a device that knows one set of headers alone
//
// Hosts are single names: no wildcard ever gets a header ("Manage access to SaaS applications with tenant restrictions",
// https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions, read 2026-11-23). A ring that a device cannot
// tell apart is refused, not guessed: taking one ring for another would restrict the wrong people, or nobody.
package stamp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/restrict"
)

// OptionRing names the ring that everybody is taken to be in.
const OptionRing = "ring"

// Option is that option.
func Option() render.Option { return render.Option{Name: OptionRing, Kind: render.Text} }

// Host is a sign-in host in use with the headers of one ring. Set is nil where the ring sets none.
type Host struct {
	Name  endpoint.Host
	Class catalog.Class
	Ports endpoint.Ports // TCP, as all rules together open it
	Set   []restrict.Field
}

// Ring is a ring with what it does at each sign-in host. Clients nil: everybody who is not in an earlier one.
type Ring struct {
	Name    string
	Mode    policy.Mode
	Clients []netip.Prefix
	Hosts   []Host // sorted by name
}

// Hosts returns the sign-in hosts that a feature in use names exactly, sorted, with their ports and no headers.
func Hosts(p *policy.Program) []Host {
	ports := map[endpoint.Host]endpoint.Ports{}
	for _, o := range p.Openings() {
		h, ok := o.Pattern.Host()
		if !ok || o.Own {
			continue
		}
		switch p.Catalog().Classify(h).Class {
		case catalog.SignIn, catalog.SignInConsumer:
			ports[h] = ports[h].Union(o.Ports)
		}
	}
	var out []Host
	for h, list := range ports {
		out = append(out, Host{Name: h, Class: p.Catalog().Classify(h).Class, Ports: list})
	}
	slices.SortFunc(out, func(a, b Host) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

// Rings returns the rings that the device tells apart by client address. With the option "ring" it is that ring alone, for
// everybody. The error, a *finding.Problem, is of a ring that the policy has not, or of one that selects people by what a
// device does not know (users, groups, shares).
func Rings(in render.Input, target string) ([]Ring, error) {
	all := in.Program.Rings()
	if name := in.Options.Text(OptionRing); name != "" {
		i := slices.IndexFunc(all, func(r policy.Ring) bool { return r.Name == name })
		if i < 0 {
			return nil, finding.Fail("stamp.no-ring", nil, "ring", name, "want", finding.Nearest(name, names(all)), "known", strings.Join(names(all), ", "))
		}
		r := ringOf(in.Program, all[i])
		r.Clients = nil
		return []Ring{r}, nil
	}
	var out []Ring
	for _, r := range all {
		if len(r.Users)+len(r.Groups) > 0 || r.Percent != 0 && r.Percent != 100 {
			return nil, finding.Fail("stamp.people", nil, "target", target, "ring", r.Name, "known", strings.Join(names(all), ", "))
		}
		out = append(out, ringOf(in.Program, r))
		if r.CatchAll() {
			break // nobody comes to those behind it
		}
	}
	return out, nil
}

// Enforced returns the rings that set headers, whoever is in them, with what they set: for who compares a device with the
// policy.
func Enforced(p *policy.Program) []Ring {
	var out []Ring
	for _, r := range p.Rings() {
		if r.Mode == policy.Enforce {
			out = append(out, ringOf(p, r))
		}
	}
	return out
}

// Whole is One for a device that everybody passes: without a chosen ring, every ring has to set the same, so that nobody gets the
// headers of a ring that they are not in.
func Whole(in render.Input, target string) (Ring, error) {
	one, err := One(in, target)
	if err != nil || in.Options.Text(OptionRing) != "" {
		return one, err
	}
	all := in.Program.Rings()
	for _, r := range all {
		if r.Mode != policy.Enforce {
			return Ring{}, several(target, all)
		}
		if r.CatchAll() {
			return one, nil // nobody comes to those behind it
		}
	}
	return Ring{}, several(target, all) // who is in no ring gets no headers
}

// several is the error of rings that a device would have to tell apart. It names those that can be chosen.
func several(target string, all []policy.Ring) error {
	enforced := slices.DeleteFunc(slices.Clone(all), func(r policy.Ring) bool { return r.Mode != policy.Enforce })
	return finding.Fail("stamp.several", nil, "target", target, "known", strings.Join(names(enforced), ", "))
}

// One returns the one ring whose headers a device is to set: the chosen one, or the one that enforces when there is no other
// with other headers. The error says why there is none: restrictions off, several to choose from, no sign-in host in use.
func One(in render.Input, target string) (Ring, error) {
	all := in.Program.Rings()
	known := strings.Join(names(all), ", ")
	if in.Options.Text(OptionRing) != "" {
		rings, err := Rings(in, target)
		if err != nil {
			return Ring{}, err
		}
		if rings[0].Mode != policy.Enforce {
			return Ring{}, finding.Fail("stamp.not-enforced", nil, "target", target, "ring", rings[0].Name, "mode", rings[0].Mode.String(), "known", known)
		}
		return rings[0].checked(target)
	}
	var found []Ring
	for _, r := range all {
		if r.Mode == policy.Enforce {
			if one := ringOf(in.Program, r); !slices.ContainsFunc(found, one.same) {
				found = append(found, one)
			}
		}
	}
	switch len(found) {
	case 0:
		return Ring{}, finding.Fail("stamp.off", nil, "target", target)
	case 1:
		return found[0].checked(target)
	}
	return Ring{}, several(target, all)
}

// checked is r unless it sets nothing anywhere.
func (r Ring) checked(target string) (Ring, error) {
	if !slices.ContainsFunc(r.Hosts, func(h Host) bool { return len(h.Set) > 0 }) {
		return Ring{}, finding.Fail("stamp.no-host", nil, "target", target)
	}
	return r, nil
}

// same reports whether both set the same on the same hosts.
func (r Ring) same(o Ring) bool {
	return slices.EqualFunc(r.Hosts, o.Hosts, func(a, b Host) bool { return a.Name == b.Name && slices.Equal(a.Set, b.Set) })
}

// Group is hosts that get the same headers.
type Group struct {
	Hosts []endpoint.Host
	Set   []restrict.Field
}

// Groups joins the hosts of r that get the same headers, in the order of the first host of each; hosts without headers are
// left out.
func (r Ring) Groups() []Group {
	var out []Group
	for _, h := range r.Hosts {
		if len(h.Set) == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(g Group) bool { return slices.Equal(g.Set, h.Set) })
		if i < 0 {
			out = append(out, Group{Set: h.Set})
			i = len(out) - 1
		}
		out[i].Hosts = append(out[i].Hosts, h.Name)
	}
	return out
}

// Fits is the error, a *finding.Problem, of a header whose value is longer than most bytes; 0: no limit. Nothing is ever cut.
func (r Ring) Fits(target, option string, most int) error {
	for _, h := range r.Hosts {
		for _, f := range h.Set {
			if most > 0 && len(f.Value) > most {
				return finding.Fail("stamp.too-long", nil, "target", target, "header", f.Name, "bytes", strconv.Itoa(len(f.Value)), "max", strconv.Itoa(most), "option", option)
			}
		}
	}
	return nil
}

// Longest returns the longest field of each name that r sets, in the order in which the names are first set.
func (r Ring) Longest() []restrict.Field {
	var out []restrict.Field
	for _, h := range r.Hosts {
		for _, f := range h.Set {
			i := slices.IndexFunc(out, func(o restrict.Field) bool { return o.Name == f.Name })
			switch {
			case i < 0:
				out = append(out, f)
			case len(f.Value) > len(out[i].Value):
				out[i] = f
			}
		}
	}
	return out
}

// ringOf is r with the headers of its profile; none unless it enforces.
func ringOf(p *policy.Program, r policy.Ring) Ring {
	out := Ring{Name: r.Name, Mode: r.Mode, Clients: r.Clients, Hosts: Hosts(p)}
	if r.Mode != policy.Enforce {
		return out
	}
	for _, profile := range p.Profiles() {
		if profile.Name() == r.Profile {
			for i := range out.Hosts {
				out.Hosts[i].Set = profile.Plan(out.Hosts[i].Class).Set()
			}
		}
	}
	return out
}

func names(rings []policy.Ring) []string {
	var out []string
	for _, r := range rings {
		out = append(out, r.Name)
	}
	return out
}
