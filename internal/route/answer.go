package route

import (
	"net/netip"
	"time"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Remark is a code with a value: something that is needed, or that a reader should know. The texts are those of package
// message, "route.need.<code>" and "route.note.<code>".
type Remark struct {
	Code  string `json:"code"`
	Value string `json:"value,omitempty"`
}

// What a verdict may need.
const (
	NeedCircuit      = "circuit"           // value: the geopolitical area in which a Standard circuit suffices; "" when any does
	NeedMicrosoft    = "microsoft-peering" // value: the circuit that lacks it
	NeedPrivate      = "private-peering"
	NeedCommunity    = "community" // value: the community that the route filter must permit
	NeedPremium      = "premium"   // value: the area of the region
	NeedApproval     = "approval"  // value: the communities
	NeedDirect       = "direct-port"
	NeedMACsec       = "macsec"
	NeedVPNGateway   = "vpn-gateway"
	NeedVNet         = "virtual-network"
	NeedProvider     = "peering-provider"
	NeedEgressProxy  = "egress-proxy-or-default-route"
	NeedGSA          = "global-secure-access-client"
	NeedInternet     = "internet" // the road goes through the Internet all the same
	NeedInternetRoad = "internet-road"
)

// Needs returns the codes above.
func Needs() []string {
	return []string{NeedCircuit, NeedMicrosoft, NeedPrivate, NeedCommunity, NeedPremium, NeedApproval, NeedDirect, NeedMACsec, NeedVPNGateway,
		NeedVNet, NeedProvider, NeedEgressProxy, NeedGSA, NeedInternet, NeedInternetRoad}
}

// What a verdict may note.
const (
	NoteRegionalFrontDoor = "front-door-in-region" // value: the region; the two claims contradict each other
	NoteRegionalPart      = "regional-part"        // value: the region; its community alone carries a part of the service
	NotePrivateEndpoint   = "private-endpoint"     // a private endpoint would bring the service into the virtual network
	NoteInternetNeeded    = "m365-internet-needed" // even with approval
	NoteUnapprovedError   = "m365-unapproved"      // what an unapproved filter answers
	NoteNotClosed         = "not-closed"           // Peering Service is no closed network
	NoteListDiffers       = "list-differs"         // the endpoint list says otherwise of ExpressRoute
	NoteFirstParty        = "front-door-first-party"
	NoteExportBare        = "export-without-prefixes"
	NoteRestricted        = "restricted-community"
)

// NoteCodes returns the codes above.
func NoteCodes() []string {
	return []string{NoteRegionalFrontDoor, NoteRegionalPart, NotePrivateEndpoint, NoteInternetNeeded, NoteUnapprovedError, NoteNotClosed,
		NoteListDiffers, NoteFirstParty, NoteExportBare, NoteRestricted}
}

// Evidence is a fact that a verdict rests on.
type Evidence struct {
	Level Level `json:"level"`
	// Fact is the fact in its own terms, the same in every language: "AzureCloud.japanwest 20.189.228.0/23".
	Fact string `json:"fact"`
	// From names the file, the list or the page that says so, with its version: "public-376".
	From string `json:"from"`
}

// Verdict is what one pattern does for one target. The zero value says that nothing is known.
type Verdict struct {
	Pattern  Pattern    `json:"pattern"`
	State    State      `json:"verdict"`
	Reason   Reason     `json:"reason"`
	Circuit  string     `json:"circuit,omitempty"` // that the verdict is about
	Mixed    bool       `json:"mixed"`             // parts of the target have better ones; this is the worst
	Needs    []Remark   `json:"needs"`
	Notes    []Remark   `json:"notes"`
	Evidence []Evidence `json:"evidence"`
	Source   *Source    `json:"source"` // the page that the rule is from
}

// Owner says whose a target is.
type Owner struct {
	Code string `json:"code"` // private, special, azure, azure-no-region, front-door, microsoft, cdn, other, unknown, mixed
	Name string `json:"name"` // of the holder, as the evidence writes it
	AS   uint32 `json:"as,omitempty"`
	// Level is the evidence for it.
	Level Level `json:"evidence"`
}

// The owners.
const (
	OwnerPrivate   = "private"
	OwnerSpecial   = "special"
	OwnerAzure     = "azure"
	OwnerNoRegion  = "azure-no-region"
	OwnerFrontDoor = "front-door"
	OwnerMicrosoft = "microsoft"
	OwnerCDN       = "cdn"
	OwnerOther     = "other"
	OwnerUnknown   = "unknown"
	OwnerMixed     = "mixed"
)

// Owners returns the codes above.
func Owners() []string {
	return []string{OwnerPrivate, OwnerSpecial, OwnerAzure, OwnerNoRegion, OwnerFrontDoor, OwnerMicrosoft, OwnerCDN, OwnerOther, OwnerUnknown, OwnerMixed}
}

// microsofts reports whether an owner code is Microsoft's network.
func microsofts(code string) bool {
	return code == OwnerAzure || code == OwnerNoRegion || code == OwnerFrontDoor || code == OwnerMicrosoft
}

// Tag is a service tag that covers a target.
type Tag struct {
	Name   string `json:"tag"`
	Prefix string `json:"prefix"`
}

// Listed is what endpoint lists say of ExpressRoute: the first of the two claims.
type Listed struct {
	ExpressRoute string       `json:"express_route"` // yes, no, differs, not-stated
	Says         []ListedSays `json:"says"`
}

// ListedSays is one row's word.
type ListedSays struct {
	Claim        string `json:"claim"`
	ExpressRoute string `json:"express_route"`
	Match        string `json:"match"`
}

// Part is one address, range or host of a target, judged by itself.
type Part struct {
	Target      string          `json:"target"`
	From        string          `json:"from"` // resolved, list, known-host, tag, target
	Site        string          `json:"site,omitempty"`
	Owner       Owner           `json:"owner"`
	Tags        []Tag           `json:"tags"`
	Region      string          `json:"region"`
	Communities []bgp.Community `json:"communities"`
	Listed      Listed          `json:"m365_list"`
	Verdicts    []Verdict       `json:"verdicts"`
}

// Resolution is what a resolver said of a name, at one site.
type Resolution struct {
	Site     string          `json:"site"`
	Resolver string          `json:"resolver"`
	At       time.Time       `json:"at,omitzero"`
	Name     endpoint.Host   `json:"name"`
	Chain    []endpoint.Host `json:"chain"`
	Addrs    []netip.Addr    `json:"addresses"`
}

// Ask says whom to ask about what is not known.
type Ask struct {
	Whom     string       `json:"whom"` // product-support, network-team
	Product  catalog.Text `json:"product"`
	Question catalog.Text `json:"question"`
}

// Answer is everything that is known of the roads to one target.
type Answer struct {
	Given       string          `json:"target"`
	Target      string          `json:"normal_form"`
	Kind        string          `json:"kind"` // address, prefix, host, wildcard, set, feature, organisation
	Owner       Owner           `json:"owner"`
	Tags        []Tag           `json:"tags"`
	Region      string          `json:"region"` // Azure's name of the region; "" when there is none or more than one
	Communities []bgp.Community `json:"communities"`
	Listed      Listed          `json:"m365_list"`
	Mixed       bool            `json:"mixed"`
	Verdicts    []Verdict       `json:"verdicts"`
	Resolved    []Resolution    `json:"resolved"`
	Parts       []Part          `json:"parts"`     // what the verdicts were made of; the same target alone leaves it empty
	PartsCut    int             `json:"parts_cut"` // how many more there are
	Ask         *Ask            `json:"ask"`       // null when everything is known
	Hints       finding.List    `json:"hints"`
}

// Verdict returns what a says of p; the zero Verdict when it says nothing.
func (a *Answer) Verdict(p Pattern) Verdict { return verdictOf(a.Verdicts, p) }

func verdictOf(list []Verdict, p Pattern) Verdict {
	for _, v := range list {
		if v.Pattern == p {
			return v
		}
	}
	return Verdict{Pattern: p}
}
