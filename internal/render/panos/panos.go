// Package panos is the target "panos": objects, security rules and a decryption exclusion for PAN-OS, as set commands.
//
// Names become URL lists and rules with the category, because PAN-OS tells names by what the client asks for: an asterisk
// there stands for one or more whole labels and a caret for exactly one, neither for a part of a label, and the slash at the
// end keeps "example.com" from meaning "example.com.evil.example" as well. Where the checkpoint's address is known the
// lists are external dynamic lists that the firewall fetches from it (target edl), otherwise objects on the firewall.
// Names on UDP, which no URL list sees, become FQDN address objects; a wildcard there cannot be said. What the policy
// refuses below a wildcard has a deny rule before it. Names that must not be inspected are excluded from decryption by a
// policy rule and not by the list of excluded servers, whose asterisk stands for a single label.
package panos

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sekisho/internal/catalog/feed"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/stamp"
)

var pages = []flow.Page{
	{Title: "Guidelines for URL Category Exceptions", URL: "https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/url-category-exceptions/guidelines-for-url-category-exceptions", Read: "2026-11-23"},
	{Title: "External Dynamic List", URL: "https://docs.paloaltonetworks.com/pan-os/11-0/pan-os-admin/policy/use-an-external-dynamic-list-in-policy/external-dynamic-list", Read: "2026-11-23"},
}

// Target is "panos".
type Target struct{}

// Name returns "panos".
func (Target) Name() string { return "panos" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// The options.
const (
	optionURL       = "url"       // of the checkpoint, as the firewall reaches it; default: that of the PAC file
	optionStatic    = "static"    // objects instead of external dynamic lists
	optionFrom      = "from-zone" // zones of outbound rules; those of inbound rules are the other way round
	optionTo        = "to-zone"
	optionURLs      = "max-urls"
	optionIPs       = "max-ips"
	optionLists     = "max-lists"
	optionAddresses = "max-addresses"
)

// Options returns zones and limits. 50,000 entries of URLs and of addresses are the smaller figures of "External Dynamic
// List" (PAN-OS 7.1 to 11.0), 30 lists that of 9.1. 2500 address objects is chosen: the smallest models have it
// (https://www.paloaltonetworks.com/products/product-comparison).
func (Target) Options() []render.Option {
	return flow.Options(
		render.Option{Name: optionURL},
		render.Option{Name: optionStatic, Kind: render.Flag},
		render.Option{Name: optionFrom, Default: "any"},
		render.Option{Name: optionTo, Default: "any"},
		render.Option{Name: optionURLs, Kind: render.Number, Default: "50000"},
		render.Option{Name: optionIPs, Kind: render.Number, Default: "50000"},
		render.Option{Name: optionLists, Kind: render.Number, Default: "30"},
		render.Option{Name: optionAddresses, Kind: render.Number, Default: "2500"},
		render.Option{Name: optionHeaders, Kind: render.Flag},
		stamp.Option(),
		render.Option{Name: optionValue, Kind: render.Number, Default: "512"},
	)
}

func names(p endpoint.Pattern, r endpoint.PortRange) flow.Obstacle {
	if r.Proto == endpoint.UDP {
		if p.Kind() == endpoint.Exact {
			return flow.None
		}
		return flow.BadPort
	}
	if _, ok := entry(p); !ok {
		return flow.BadPattern
	}
	return flow.None
}

// entry is p as an entry of a URL list; ok is false when a star is a part of a label.
func entry(p endpoint.Pattern) (text string, ok bool) {
	text, ok = feed.Location(p)
	return text + "/", ok
}

// zone is what a name of a zone may be ("Building Blocks of Security Zones": up to 31 letters, digits, hyphens, periods,
// underscores and blanks), without the blank, which would want quotes.
var zone = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$`)

// Render returns sekisho.panos.txt.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	c := commands{from: in.Options.Text(optionFrom), to: in.Options.Text(optionTo)}
	for option, value := range map[string]string{optionFrom: c.from, optionTo: c.to} {
		if !zone.MatchString(value) {
			return render.Output{}, finding.Fail("flow.name", nil, "target", t.Name(), "option", option, "value", render.OneLine(value), "form", zone.String())
		}
	}
	var err error
	if c.base, err = base(in); err != nil {
		return render.Output{}, err
	}
	plan, err := flow.New(in, m, Device())
	if err != nil {
		return render.Output{}, err
	}
	c.query = query(in.Options)
	if c.ring, err = ring(in); err != nil {
		return render.Output{}, err
	}
	if c.ring != nil {
		plan.Unsaid = slices.DeleteFunc(plan.Unsaid, func(u flow.Unsaid) bool { return u.Why == flow.GatewayOnly && sets(c.ring, u.What) })
	}
	objects, lists := c.objects(plan)
	urls, ips, addresses := count(objects, lists)
	fetched := 0
	if c.base != "" {
		fetched = len(lists)
	}
	found, err := flow.Check(t.Name(), in.Options, flow.Limit{Option: optionURLs, Count: urls}, flow.Limit{Option: optionIPs, Count: ips},
		flow.Limit{Option: optionLists, Count: fetched}, flow.Limit{Option: optionAddresses, Count: addresses})
	if err != nil {
		return render.Output{}, err
	}
	w := &strings.Builder{}
	head := append(render.Header(in, t.Name()), flow.Unverified(pages...)...)
	w.WriteString(render.Comment("#", append(head, plan.Comments()...)...))
	w.WriteString(render.Comment("#", "Paste in configuration mode, without these lines, look at the candidate, commit.",
		"New rules stand last: move them before the rules that deny. A rule with a category lets the first packets of a connection pass",
		"until the name is known."))
	w.WriteString(notes(c.ring))
	if c.ring != nil {
		found = append(found, headerFindings()...)
	}
	if before := flow.Earlier(in, Device()); before != nil {
		earlier := *in.Before
		earlier.Options = in.Options
		if c.ring, err = ring(earlier); err != nil {
			c.ring = nil // it set none that could be named: all of today's are new
		}
		old, _ := c.objects(before)
		c.difference(w, old, objects)
	} else {
		for _, o := range objects {
			w.WriteString(o.Text)
		}
	}
	files := []render.File{{Name: "sekisho.panos.txt", Type: "text/plain; charset=utf-8", Body: []byte(w.String()), Comment: "#"}}
	findings := append(plan.Findings(t.Name()), found...)
	return render.Output{Files: files, Findings: append(findings, flow.NotVerified(t.Name(), pages...))}, nil
}

// base is where the firewall finds the checkpoint; "": nowhere, objects are static.
func base(in render.Input) (string, error) {
	text := in.Options.Text(optionURL)
	if in.Options.Bool(optionStatic) {
		return "", nil
	}
	given := text != ""
	if !given {
		text = in.PACURL
	}
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	// What is printed between quotes is a scheme, a host and a port, and nothing else of what was given.
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !host.MatchString(u.Host) {
		if !given {
			return "", nil
		}
		return "", finding.Fail("flow.url", nil, "target", "panos", "option", optionURL, "value", render.OneLine(text))
	}
	if a, err := netip.ParseAddr(u.Hostname()); !given && (err == nil && a.IsLoopback() || u.Hostname() == "localhost") {
		return "", nil // no firewall reaches that
	}
	return u.Scheme + "://" + u.Host, nil
}

var host = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// query is what the lists depend on, so that the checkpoint serves those that the rules were made with.
func query(o render.Options) string {
	v := url.Values{}
	if o.Text(flow.OptionFor) == "clients" {
		v.Set(flow.OptionFor, "clients")
	}
	if list := o.List(flow.OptionInbound); len(list) > 0 {
		v.Set(flow.OptionInbound, strings.Join(list, ","))
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}
