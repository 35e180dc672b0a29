package node

import (
	"strconv"
	"strings"

	"sekisho/internal/catalog/feed"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/impact"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
)

// RenderInput is what the render targets are given for a configuration and the program compiled from it. Where the
// configuration names no URLs, which it may on loopback alone, the listeners stand in.
func RenderInput(c *config.Config, program *policy.Program, tags feed.Tags) render.Input {
	in := render.Input{
		Program: program, Tags: tags, Organisation: c.Organisation.Name.V, Language: c.Language.V, Reasons: map[string]string{},
		Proxies: []string{c.Listen.Gateway.V.String()}, PACURL: "http://" + c.Listen.Operations.V.String() + "/proxy.pac",
	}
	crl := "http://" + c.Listen.Operations.V.String() + "/crl"
	if c.URLs.Gateway.Given() {
		in.Proxies = []string{c.URLs.Gateway.V.String()}
	}
	if c.URLs.PAC.Given() {
		in.PACURL = c.URLs.PAC.V
	}
	if c.URLs.CRL.Given() {
		crl = c.URLs.CRL.V
	}
	in.Own, in.RootURL = []string{in.PACURL, crl}, rootURL(in.PACURL)
	for i, h := range c.Hosts {
		in.Reasons["hosts["+strconv.Itoa(i)+"]"] = h.Reason.V
	}
	return in
}

// rootURL is where the operations listener has the root certificate, beside the PAC file.
func rootURL(pac string) string { return strings.TrimSuffix(pac, "/proxy.pac") + "/ca.pem" }

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

// renderLines makes the targets renderers of an impact. The PAC file has a renderer of its own.
func renderLines(c *config.Config) []impact.Renderer {
	var out []impact.Renderer
	for _, t := range targets.All() {
		if t.Name() == "pac" || t.Name() == "json" || t.Name() == "csv" {
			continue // told by the PAC file's own renderer, and by the rules
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
			return RenderInput(c, s.Program, tags)
		}})
	}
	return out
}

// rendered is what the handler of /render/ serves now.
func (n *Node) rendered(tags *feedTags) func() render.Current {
	return func() render.Current {
		b := n.current.Load()
		if b == nil {
			return render.Current{}
		}
		in := RenderInput(b.config, b.edition.Program, tags.of(b.edition.Catalog))
		in.Proxies, in.PACURL = []string{n.seenGateway(b.config)}, n.seenPAC(b.config)
		in.Own, in.RootURL = []string{in.PACURL, n.crlURL(b.config)}, rootURL(in.PACURL)
		changed := b.installed
		if at := tags.changed(); at.After(changed) {
			changed = at
		}
		return render.Current{Input: in, Edition: strconv.FormatUint(b.edition.Number, 10) + " " + changed.String(), Changed: changed}
	}
}
