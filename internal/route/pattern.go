package route

import "slices"

// Pattern is a way in which an organisation is connected. The zero value is none.
type Pattern uint8

// The patterns of the article on connection patterns, in its order.
const (
	Internet           Pattern = iota + 1
	VPN                        // VPN gateway or appliance in a virtual network, over the Internet
	PrivatePeering             // ExpressRoute, private peering
	MicrosoftPeering           // ExpressRoute, Microsoft peering with a route filter
	IPsec                      // IPsec over ExpressRoute private peering
	MACsec                     // ExpressRoute Direct with MACsec
	PeeringService             // Azure Peering Service
	AzureEgress                // the way out through Azure: a proxy there, or a default route
	GlobalSecureAccess         // Microsoft Entra Internet Access and Private Access
)

var patternCodes = [...]string{"none", "internet", "vpn", "expressroute-private", "expressroute-microsoft", "expressroute-ipsec",
	"expressroute-direct-macsec", "peering-service", "azure-egress", "global-secure-access"}

// Patterns returns every pattern in the article's order.
func Patterns() []Pattern {
	return []Pattern{Internet, VPN, PrivatePeering, MicrosoftPeering, IPsec, MACsec, PeeringService, AzureEgress, GlobalSecureAccess}
}

// PatternNamed returns the pattern whose code is name; 0 when there is none.
func PatternNamed(name string) Pattern { return Pattern(max(0, slices.Index(patternCodes[:], name))) }

// String is the stable code.
func (p Pattern) String() string {
	if int(p) < len(patternCodes) {
		return patternCodes[p]
	}
	return "none"
}

// MarshalText prints the code.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Private reports whether p is a closed network: no part of it goes through the Internet. Peering Service, VPN and Global
// Secure Access are not, whatever they encrypt, and a way out through Azure ends in the Internet.
func (p Pattern) Private() bool {
	return p == PrivatePeering || p == MicrosoftPeering || p == IPsec || p == MACsec
}

// Encrypted reports whether p encrypts on the way, whatever the application does. That a plain ExpressRoute circuit does
// not is no lack of security where everything is HTTPS, as the article says.
func (p Pattern) Encrypted() bool {
	return p == VPN || p == IPsec || p == MACsec || p == GlobalSecureAccess
}

// State is the answer of one pattern about one target. The zero value is Unknown.
type State uint8

const (
	Unknown  State = iota // not known; Answer.Ask says whom to ask
	Yes                   // carries it with what the organisation has
	Possible              // carries it once Verdict.Needs are there
	Approval              // as Possible, and Microsoft must approve it first
	No                    // does not carry it
)

var stateCodes = [...]string{"unknown", "yes", "possible", "needs-approval", "no"}

// States returns every state, the best first.
func States() []State { return []State{Yes, Possible, Approval, Unknown, No} }

// String is the stable code: yes, possible, needs-approval, unknown or no.
func (s State) String() string {
	if int(s) < len(stateCodes) {
		return stateCodes[s]
	}
	return "unknown"
}

// MarshalText prints the code.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Worse reports whether s promises less than t: yes, possible, needs-approval, unknown, no.
func (s State) Worse(t State) bool { return s.rank() > t.rank() }

func (s State) rank() int {
	switch s {
	case Yes:
		return 0
	case Possible:
		return 1
	case Approval:
		return 2
	case No:
		return 4
	}
	return 3
}

// Level is how strong a piece of evidence is. A higher level overrules every lower one. The zero value is none.
type Level uint8

const (
	ByName      Level = iota + 1 // the name, or an alias that it has
	ByAS                         // the AS that holds the address, from the user's own table
	ByList                       // the endpoint lists of the catalog
	ByTag                        // the service tags file
	ByCommunity                  // the prefixes of a community, from a bgpServiceCommunities export
	ByRoute                      // a route that the organisation's router received
)

var levelCodes = [...]string{"none", "name", "as", "list", "tag", "community", "observed"}

// String is the stable code: name, as, list, tag, community or observed.
func (l Level) String() string {
	if int(l) < len(levelCodes) {
		return levelCodes[l]
	}
	return "none"
}

// MarshalText prints the code.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Reason is why a verdict is as it is. Codes are stable; the texts are those of package message, "route.reason.<code>".
type Reason string

// The reasons.
const (
	ReasonPublicAddress    Reason = "public-address"            // the Internet reaches every public address
	ReasonPrivateAddress   Reason = "private-address"           // no public road leads to a private address
	ReasonSpecialAddress   Reason = "special-address"           // loopback, multicast, documentation
	ReasonFalseAnswer      Reason = "false-answer"              // a resolver gave a special address for a public name
	ReasonInVNet           Reason = "in-virtual-network"        // the address is in a range that a circuit names
	ReasonVNetUnknown      Reason = "virtual-network-not-known" // private, in no range that a circuit names
	ReasonVNetOnly         Reason = "virtual-network-only"      // the pattern leads to virtual networks and nowhere else
	ReasonM365NotByVPN     Reason = "m365-not-by-vpn-gateway"   // Azure's VPN gateway does not carry Microsoft 365
	ReasonReceived         Reason = "received"                  // the router has a route over ExpressRoute
	ReasonNotReceived      Reason = "not-received"              // the router has none
	ReasonElsewhere        Reason = "received-elsewhere"        // the router's best route leads another way
	ReasonCommunity        Reason = "community"                 // covered by a prefix of a community
	ReasonNoCommunity      Reason = "in-no-community"           // covered by no prefix of any community
	ReasonService          Reason = "service-community"         // Entra ID, Resource Manager and others with a community of their own
	ReasonRegion           Reason = "azure-region"              // in a region of Azure
	ReasonOutOfReach       Reason = "out-of-reach"              // in a region that the circuit's SKU does not reach
	ReasonReachUnknown     Reason = "reach-not-known"           // neither the region nor the location is in a table that tells
	ReasonRegionNoNumber   Reason = "region-without-community"  // in a region whose community Microsoft's page does not print
	ReasonOtherCloud       Reason = "other-cloud"               // in a national cloud
	ReasonFrontDoor        Reason = "front-door"                // on Azure Front Door
	ReasonAzureCloudOnly   Reason = "azure-cloud-only"          // in AzureCloud and in no region
	ReasonNoRegionalTag    Reason = "no-regional-tag"           // in tags of services and in no region
	ReasonM365             Reason = "m365"                      // Microsoft 365, by exception
	ReasonNotAzure         Reason = "not-azure"                 // Microsoft's, outside Azure
	ReasonNotMicrosoft     Reason = "not-microsoft"             // somebody else's
	ReasonUnknownOwner     Reason = "owner-not-known"           // nobody here knows whose it is
	ReasonMicrosoftNetwork Reason = "microsoft-network"         // reached through AS8075
	ReasonMACsec           Reason = "macsec"                    // as the peering below it, encrypted port to port
	ReasonEgress           Reason = "azure-egress"              // leaves through Azure
	ReasonGSA              Reason = "global-secure-access"      // by the traffic profiles of Global Secure Access
	ReasonNotResolved      Reason = "not-resolved"              // a name without known addresses
)

// Reasons returns every reason, in the order above.
func Reasons() []Reason {
	return []Reason{ReasonPublicAddress, ReasonPrivateAddress, ReasonSpecialAddress, ReasonFalseAnswer, ReasonInVNet, ReasonVNetUnknown, ReasonVNetOnly,
		ReasonM365NotByVPN, ReasonReceived, ReasonNotReceived, ReasonElsewhere, ReasonCommunity, ReasonNoCommunity, ReasonService,
		ReasonRegion, ReasonOutOfReach, ReasonReachUnknown, ReasonRegionNoNumber, ReasonOtherCloud, ReasonFrontDoor, ReasonAzureCloudOnly,
		ReasonNoRegionalTag, ReasonM365, ReasonNotAzure, ReasonNotMicrosoft, ReasonUnknownOwner, ReasonMicrosoftNetwork, ReasonMACsec,
		ReasonEgress, ReasonGSA, ReasonNotResolved}
}
