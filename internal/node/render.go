package node

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/impact"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/autoconfig"
	"sekisho/internal/render/targets"
	"sekisho/internal/route"
)

// RenderInput is what the render targets are given for a configuration and the program compiled from it. Where the
// configuration names no URLs, which it may on loopback alone, the listeners stand in.
func RenderInput(c *config.Config, program *policy.Program, tags feed.Tags) render.Input {
	return renderInput(c, program, tags, c.Listen.Gateway.V.String(), c.Listen.Operations.V.String())
}

// renderInput is RenderInput with the addresses of the listeners.
func renderInput(c *config.Config, program *policy.Program, tags feed.Tags, gateway, operations string) render.Input {
	pac, crl := "http://"+operations+"/proxy.pac", "http://"+operations+"/crl"
	if c.URLs.Gateway.Given() {
		gateway = c.URLs.Gateway.V.String()
	}
	if c.URLs.PAC.Given() {
		pac = c.URLs.PAC.V
	}
	if c.URLs.CRL.Given() {
		crl = c.URLs.CRL.V
	}
	in := render.Input{
		Program: program, Tags: tags, Organisation: c.Organisation.Name.V, Language: c.Language.V, Reasons: map[string]string{},
		Proxies: []string{gateway}, Rings: map[string][]string{}, PACURL: pac, RootURL: rootURL(pac), Own: []string{pac, crl},
		GatewayNets: values(c.Network.SourceAddresses),
	}
	if len(c.PAC.Proxies) > 0 {
		in.Proxies = values(c.PAC.Proxies)
	}
	for _, r := range c.Rings {
		if len(r.Proxies) > 0 {
			in.Rings[r.Name.V] = values(r.Proxies)
		}
	}
	for i, h := range c.Hosts {
		in.Reasons["hosts["+strconv.Itoa(i)+"]"] = h.Reason.V
	}
	return in
}

// scripts are the PAC files of one edition.
type scripts map[string][]byte // by ring, "" for everybody

// writeScripts makes them. The warning is of the largest.
func writeScripts(in render.Input) (scripts, finding.List, error) {
	out := scripts{}
	var large finding.List
	names := []string{""}
	for _, r := range in.Program.Rings() {
		names = append(names, r.Name)
	}
	for _, name := range names {
		body, err := autoconfig.Write(in, name)
		if err != nil {
			return nil, nil, err
		}
		out[name] = body
		if found := autoconfig.Large(body); len(large) == 0 {
			large = found
		}
	}
	return out, large, nil
}

// rootURL is where the operations listener has the root certificate, beside the PAC file.
func rootURL(pac string) string { return strings.TrimSuffix(pac, "/proxy.pac") + "/ca.pem" }

// ringURL is where the PAC file of a ring is, beside that of everybody, which "" stands for.
func ringURL(pac, ring string) string {
	if ring == "" {
		return pac
	}
	return strings.TrimSuffix(pac, "/proxy.pac") + "/pac/" + url.PathEscape(ring) + "/proxy.pac"
}

// Communities chooses the BGP communities of a route filter for the features in use, over the circuits of the configuration:
// those of "sekisho route filter". An error is a file of routes that cannot be read.
func Communities(c *config.Config, data string, program *policy.Program, m365 bool, now time.Time) ([]bgp.Community, error) {
	book, found := RouteBook(c, data, program.Catalog(), RouteFiles{}, now)
	if book == nil {
		return nil, &finding.Problem{Findings: found}
	}
	var over *route.Circuit
	circuits := book.Circuits()
	if i := slices.IndexFunc(circuits, func(c route.Circuit) bool { return c.Microsoft }); i >= 0 {
		over = &circuits[i]
	}
	filter := book.Filter(book.Rows(program.Features(), nil), over, m365)
	return filter.List(), nil
}

// RenderTargets returns every target of "render".
func RenderTargets() []render.Target { return targets.All() }

// RenderSide is a version of the catalog as a target sees it.
func RenderSide(c *config.Config, d Dated) (render.Input, finding.List) {
	s := side(c, d)
	var tags feed.Tags
	if s.Tags != nil {
		tags = s.Tags.Prefixes
	}
	return RenderInput(c, s.Program, tags), s.Findings
}

// toldElsewhere are targets whose lines an impact leaves out: the PAC file has a renderer of its own, tables are told by the
// rules, lists by the feeds; and of devices nobody has all, so that "render TARGET --since" tells each by itself.
var toldElsewhere = []string{"pac", "json", "csv", "yaml", "xlsx", "edl", "panos", "fortios", "nftables", "ipset", "windows", "azure", "fiddler", "squid", "client", "zscaler"}

// renderLines makes the targets renderers of an impact. The PAC file has a renderer of its own.
func renderLines(c *config.Config) []impact.Renderer {
	var out []impact.Renderer
	for _, t := range targets.All() {
		if slices.Contains(toldElsewhere, t.Name()) {
			continue
		}
		options, err := render.ParseOptions(t, nil)
		if err != nil {
			continue
		}
		out = append(out, render.Lines{Target: t, Options: options, Input: func(s impact.Side) render.Input {
			var tags feed.Tags
			if s.Tags != nil {
				tags = s.Tags.Prefixes
			}
			return impactInput(c, s.Program, tags)
		}})
	}
	return out
}

// impactInput has names in place of listeners, which may be on any port: where they are is no change of the catalog.
func impactInput(c *config.Config, program *policy.Program, tags feed.Tags) render.Input {
	return renderInput(c, program, tags, "gateway:3128", "gateway:3180")
}

// rendered is what the handler of /render/ serves now.
func (n *Node) rendered(tags *feedTags) func() render.Current {
	return func() render.Current {
		b := n.current.Load()
		if b == nil {
			return render.Current{}
		}
		in := renderInput(b.config, b.edition.Program, tags.of(b.edition.Catalog), n.gatewayAt, n.operationsAt)
		in.Root = b.authority.RootPEM
		in.Communities = func(m365 bool) ([]bgp.Community, error) {
			return Communities(b.config, n.options.Data, b.edition.Program, m365, n.options.Now())
		}
		changed := b.installed
		if at := tags.changed(); at.After(changed) {
			changed = at
		}
		return render.Current{
			Input: in, Edition: strconv.FormatUint(b.edition.Number, 10) + " " + changed.String(), Changed: changed,
			Since: func(version string) (render.Input, error) { return n.renderedSince(b, in, version) },
		}
	}
}

// renderedSince is what the targets are given for what changed since a version of the catalog that is kept in the data folder,
// as "render --since" has it, but for files: none is opened for who asks over HTTP.
func (n *Node) renderedSince(b *built, in render.Input, version string) (render.Input, error) {
	versions := NewVersions(n.catalogData(), n.options.Now, nil)
	earlier, _, _, err := versions.Side(version)
	if err != nil {
		return render.Input{}, err
	}
	sides := [2]Dated{earlier, {Snapshot: b.edition.Catalog, Tags: versions.InUse()}}
	Comparable(&sides)
	s := side(b.config, sides[0])
	if s.Program == nil {
		return render.Input{}, &finding.Problem{Findings: s.Findings}
	}
	before := renderInput(b.config, s.Program, sides[0].Tags.Prefixes, n.gatewayAt, n.operationsAt)
	before.Communities = func(m365 bool) ([]bgp.Community, error) {
		return Communities(b.config, n.options.Data, s.Program, m365, n.options.Now())
	}
	in.Tags, in.Before = sides[1].Tags.Prefixes, &before
	return in, nil
}
