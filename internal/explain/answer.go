package explain

import (
	"net/netip"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/route"
	"sekisho/internal/servicetags"
)

// Context is what an answer is given from.
type Context struct {
	Catalog *catalog.Snapshot // nil: that of Program, else the built-in one; the view that Program was compiled with wins over its own version
	Program *policy.Program   // nil: the answer has no decision
	Subject policy.Subject    // who would ask; the zero value is a caller of whom nothing is known
	Now     time.Time         // from which ages are counted; zero: the catalog's own date

	// Tags are the imported service tags; nil: nobody imported any, which answers about addresses say.
	Tags *servicetags.Index
	// TagFiles say which files Tags come from.
	TagFiles []servicetags.Manifest
	// Roads answers which road carries the target; nil: the answer has no route.
	Roads *route.Book
	// WarnAge is the age past which an answer warns of its data; 0: 30 days for the reading of the catalog and for lists
	// (Microsoft announces changes 30 days ahead), 365 for pages, and 14 for service tags (published weekly, new addresses
	// unused for a week).
	WarnAge time.Duration
}

// Ages past which an answer warns.
const (
	warnCatalog = 30 * 24 * time.Hour
	warnTags    = 14 * 24 * time.Hour
)

// Answer is everything that is known about one target.
type Answer struct {
	Given   string     `json:"target"` // as given
	Target  string     `json:"normal_form"`
	Kind    string     `json:"kind"`           // host, address, prefix, url
	Host    string     `json:"host,omitempty"` // of a host or URL
	Address string     `json:"address,omitempty"`
	Prefix  string     `json:"prefix,omitempty"`
	Port    uint16     `json:"port,omitempty"` // asked for, or the one that is assumed: 443
	Plain   bool       `json:"plain_http"`     // asked for as http://
	Catalog CatalogAge `json:"catalog"`

	Sets []Set `json:"sets"` // that cover the target, most specific first; withdrawn ones last

	ServiceTags []TagFile `json:"service_tags"` // the imported files that answered
	Tags        []Tag     `json:"tags"`         // that cover the address or prefix, most specific first, then those within it
	TagsCut     bool      `json:"tags_cut"`     // more tags lie within the prefix than are listed

	Class          *Class            `json:"class"`           // null for addresses
	Handling       *Handling         `json:"handling"`        // null for addresses
	SignInAddress  bool              `json:"sign_in_address"` // the address belongs to the published ranges of the sign-in hosts
	Decision       *Decision         `json:"decision"`        // null without a policy, and for prefixes
	Route          *route.Answer     `json:"route"`           // whose the target is and which road carries it; null where nobody asked
	Contradictions []Contradiction   `json:"contradictions"`
	Hints          []finding.Finding `json:"hints"`
}

// CatalogAge says which catalog answered.
type CatalogAge struct {
	Version string `json:"version"`
	AgeDays int    `json:"age_days"` // since its newest source was read
	Stale   bool   `json:"stale"`    // past the age at which an answer warns
}

// TagFile is an imported service tags file.
type TagFile struct {
	Version string `json:"version"`  // "public-376": cloud and change number
	Date    string `json:"date"`     // "" when the file's name tells none
	AgeDays int    `json:"age_days"` // since Date, or since the import
	Stale   bool   `json:"stale"`
}

// Tag is a service tag that covers the target, or a part of it.
type Tag struct {
	Tag          string   `json:"tag"`
	Region       string   `json:"region"` // "" for tags of no single region
	Service      string   `json:"service"`
	Match        string   `json:"match"` // the prefix that covers the target, or lies within it
	Part         bool     `json:"part"`  // of a prefix asked about only a part is covered
	Cloud        string   `json:"cloud"`
	ChangeNumber int64    `json:"change_number"`
	Features     []string `json:"network_features"` // where the tag may be used: API, NSG, UDR, FW, VSE
}

// Set is one claim that covers the target.
type Set struct {
	Claim        string       `json:"id"` // source/cloud/id
	Title        catalog.Text `json:"title"`
	Area         string       `json:"area"`
	Category     string       `json:"category"` // optimize, allow, default, "" when the source states none
	Required     bool         `json:"required"`
	Lost         catalog.Text `json:"lost_without"`
	Match        string       `json:"match"`                 // the pattern or prefix that covers the target, or lies within it
	Part         bool         `json:"part"`                  // of a prefix asked about only a part is covered
	ServiceTag   string       `json:"service_tag,omitempty"` // the set names this Azure service tag, and Match is a prefix of the tag
	Ports        string       `json:"ports"`
	Direction    string       `json:"direction"`
	ExpressRoute string       `json:"express_route"` // yes, no, not-stated
	Feature      string       `json:"feature"`       // the first feature that names it; "" when none does
	Features     []Feature    `json:"features"`      // all of them
	Handling     RowHandling  `json:"handling"`      // what the row itself says; for one host see Answer.Handling
	Source       Source       `json:"source"`
	Withdrawn    string       `json:"withdrawn,omitempty"` // date
	// With a policy: the row is for another cloud, location or way of working than the organisation's, and the values of
	// the section "tenant" that it still lacks.
	NotForTenant bool           `json:"not_for_tenant,omitempty"`
	Lacks        []catalog.Hole `json:"lacks,omitempty"`
}

// Feature names a set, and may be in use.
type Feature struct {
	ID    string `json:"id"`
	InUse bool   `json:"in_use"` // false also without a policy, and where the row does not apply
}

// Source says where a statement comes from, and how old it is.
type Source struct {
	ID      string       `json:"id"`
	Title   catalog.Text `json:"title"`
	URL     string       `json:"url"`
	Date    string       `json:"date"` // as precise as known; "" when the page shows none
	Read    string       `json:"read"`
	AgeDays int          `json:"age_days"` // since Date, or since Read where there is no date
	Stale   bool         `json:"stale"`    // past the age at which an answer warns
}

// Class is the host's role in sign-in.
type Class struct {
	Code    string       `json:"code"`
	Pattern string       `json:"pattern,omitempty"`
	Why     catalog.Text `json:"why"`
	Source  *Source      `json:"source,omitempty"`
}

// Handling is how traffic to the host must be treated.
type Handling struct {
	Inspection         string      `json:"inspection"` // not-stated, allowed, discouraged, required, forbidden
	ProxyAuthExempt    bool        `json:"proxy_auth_exempt"`
	ByteRanges         bool        `json:"byte_ranges"`
	ClientCertificate  bool        `json:"client_certificate"`
	WebSocket          bool        `json:"websocket"`
	IdleTimeoutSeconds int64       `json:"idle_timeout_seconds"` // 0: not stated
	Statements         []Statement `json:"statements"`
}

// RowHandling is what one row says of the handling of all its hosts.
type RowHandling struct {
	Inspection         string `json:"inspection"` // not-stated, allowed, discouraged, required, forbidden
	ProxyAuthExempt    bool   `json:"proxy_auth_exempt"`
	ByteRanges         bool   `json:"byte_ranges"`
	ClientCertificate  bool   `json:"client_certificate"`
	WebSocket          bool   `json:"websocket"`
	IdleTimeoutSeconds int64  `json:"idle_timeout_seconds"` // 0: not stated
}

// Statement is one sourced sentence.
type Statement struct {
	Aspect  string       `json:"aspect"`
	Value   string       `json:"value"`
	Pattern string       `json:"pattern,omitempty"`
	Text    catalog.Text `json:"text"`
	Source  Source       `json:"source"`
}

// Decision is what the policy would do for the caller.
type Decision struct {
	Client  string   `json:"client,omitempty"`
	User    string   `json:"user,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Verdict string   `json:"verdict"` // permit, deny
	Action  string   `json:"action"`  // refuse, tunnel, intercept, forward
	Reason  string   `json:"reason"`
	Rule    Rule     `json:"rule"`
	Ring    string   `json:"ring"` // "" when none matches
	Mode    string   `json:"mode"` // enforce, report, off; "" without a ring
	Profile string   `json:"profile"`
	Would   string   `json:"would"` // report ring: what enforcing would restrict
	// Deletes says that every restriction header of the client is deleted.
	Deletes    bool     `json:"deletes_restriction_headers"`
	Sets       []Header `json:"sets_headers"`
	PolicyHash string   `json:"policy_hash"`
}

// Rule is why.
type Rule struct {
	Text    string `json:"text"`
	Place   string `json:"place,omitempty"` // file:line:column
	Pattern string `json:"pattern,omitempty"`
	Claim   string `json:"claim,omitempty"`
	Ports   string `json:"ports,omitempty"`
}

// Header is one field that the gateway would set.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Contradiction is a fact about the target on which claims disagree.
type Contradiction struct {
	Aspect string `json:"aspect"` // required, category, express-route, inspection, ports
	Says   []Says `json:"says"`
}

// Says is one party of a contradiction.
type Says struct {
	Claim string `json:"claim"`
	Value string `json:"value"`
}

func authorityOf(t endpoint.Target) endpoint.Authority {
	port := t.Port
	if port == 0 {
		port = 443
	}
	return endpoint.Authority{Host: t.Host, Addr: t.Addr, Port: port}
}

// contains reports whether one of prefixes holds a.
func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
