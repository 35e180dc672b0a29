package panos

import (
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/stamp"
)

// The options of header insertion.
const (
	optionHeaders = "headers"   // the firewall sets the headers itself
	optionValue   = "max-value" // of a header; 0: no limit
)

// What PAN-OS holds: 50 domains and 5 headers an entry, 512 bytes a value ("Create HTTP Header Insertion Entries using
// Predefined Types", "Understand SaaS Custom Headers", and the schema of URL filtering profiles of PAN-OS 8.1 to 10.0 in the
// vendor's library pango).
const mostDomains = 50

var headerPages = []flow.Page{
	{Title: "HTTP Header Insertion", URL: "https://docs.paloaltonetworks.com/pan-os/11-0/pan-os-web-interface-help/objects/objects-security-profiles-url-filtering/http-header-insertion", Read: "2026-11-23"},
	{Title: "Understand SaaS Custom Headers", URL: "https://docs.paloaltonetworks.com/pan-os/10-1/pan-os-admin/app-id/http-header-insertion/http-header-insertion-understand-custom-headers", Read: "2026-11-23"},
}

// headerNotes say what the device does with headers, for comments.
var headerNotes = []string{
	"Headers: rule sekisho-sign-in decrypts exactly the sign-in hosts and sets the headers of the ring; keep it before other rules.",
	"PAN-OS sets headers on HTTP/1 alone, for GET, POST, PUT and HEAD: HTTP/2 is not offered to these hosts (strip-alpn). It replaces",
	"a header that the client sent under the same name, and removes none: other restriction headers of a client pass.",
	"The permitted tenants stand below.",
}

// ring is whose headers the firewall sets; nil: nobody's, it was not asked to.
func ring(in render.Input) (*stamp.Ring, error) {
	if !in.Options.Bool(optionHeaders) {
		return nil, nil
	}
	r, err := stamp.Whole(in, "panos")
	if err != nil {
		return nil, err
	}
	return &r, r.Fits("panos", optionValue, in.Options.Int(optionValue))
}

// sets reports whether the firewall sets headers of r on a host, and so lets it pass by a rule of its own.
func sets(r *stamp.Ring, host string) bool {
	return slices.ContainsFunc(r.Groups(), func(g stamp.Group) bool { return slices.Contains(g.Hosts, endpoint.Host(host)) })
}

// signIn makes the profile that sets the headers of r, and the rules that let exactly the sign-in hosts pass with it.
func (c *commands) signIn(p *flow.Plan, r *stamp.Ring) {
	const name = "sekisho-sign-in"
	var ports endpoint.Ports
	var hosts []endpoint.Host
	n := 0
	for _, g := range r.Groups() {
		for chunk := range slices.Chunk(g.Hosts, mostDomains) {
			n++
			entry := "profiles url-filtering sekisho-headers http-header-insertion sekisho-" + strconv.Itoa(n)
			for _, f := range g.Set {
				header := entry + " type Custom headers " + f.Name
				c.add(header+" header "+f.Name+" value "+strconv.Quote(f.Value)+" log no", header)
			}
			for _, h := range chunk {
				c.add(entry+" type Custom domains "+string(h), entry+" type Custom domains "+string(h))
			}
		}
		hosts = append(hosts, g.Hosts...)
	}
	for _, h := range r.Hosts {
		if slices.Contains(hosts, h.Name) {
			ports = ports.Union(h.Ports)
		}
	}
	category := "profiles custom-url-category " + name
	c.add(category+` type "URL List"`, category)
	for _, h := range hosts {
		c.add(category+" list "+string(h)+"/", category+" list "+string(h)+"/")
	}
	c.add("profiles decryption sekisho-http1 ssl-forward-proxy strip-alpn yes", "profiles decryption sekisho-http1")
	service, source := c.service(ports, endpoint.TCP), addresses(p.Sources)
	rule := "rulebase decryption rules " + name
	c.add(rule+" from "+c.from+" to "+c.to+" source "+source+" destination any service any category "+name+" action decrypt type ssl-forward-proxy profile sekisho-http1", rule)
	rule = "rulebase security rules " + name
	c.add(rule+" from "+c.from+" to "+c.to+" source "+source+" destination any application any service "+service+" category "+name+" action allow log-end yes", rule)
	c.add(rule+" profile-setting profiles url-filtering sekisho-headers", rule+" profile-setting")
}

// headerFindings warn of what the device does not do.
func headerFindings() finding.List {
	return finding.List{finding.New("panos.headers", finding.Warning, finding.Pos{})}
}

// notes are the comments about headers, none where r is nil.
func notes(r *stamp.Ring) string {
	if r == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(render.Comment("#", headerNotes...))
	for _, page := range headerPages {
		b.WriteString(render.Comment("#", "  "+page.String()))
	}
	return b.String()
}
