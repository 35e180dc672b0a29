// Package route answers whose an address is and which road carries it: the Internet, a VPN gateway, ExpressRoute (private
// peering, Microsoft peering, IPsec over it, a Direct port with MACsec), Azure Peering Service, a way out through Azure,
// Global Secure Access.
//
//	b := route.NewBook(route.Spec{Catalog: snapshot, Tags: index, Circuits: circuits})
//	a := b.Address(netip.MustParseAddr("20.189.229.1"))
//	// a.Owner.Code azure, a.Region japanwest, a.Communities 12076:51013, a verdict for each pattern
//
// Two claims are kept apart, because they differ: what the endpoint lists say of ExpressRoute (Answer.Listed), and what
// the address says (Answer.Verdicts). Evidence has levels, and a higher one overrules every lower one: routes that the
// organisation's router received, the prefixes that Microsoft announces under a community, service tags, the endpoint
// lists of the catalog, an AS table, and last the name. The zero State is unknown: what is not known is never a yes.
//
// A community number is never computed from a region's id; it stands in the table of region.go, from Microsoft's page, or
// in the export that the user gave, or it is not known. The package is pure: it resolves nothing, reads no file and knows
// no clock but the one given. Sources: sources.go.
package route
