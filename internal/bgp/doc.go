// Package bgp reads what Azure and the organisation's own routers say about routes: the bgpServiceCommunities export
// (which prefixes Microsoft announces under which community, and which of them a subscription may use), and the routes
// that a router received, as FRR prints them in JSON and Cisco and Juniper in text.
//
//	services, found := bgp.ParseServices("communities.json", data)
//	covering := services.AppendCovering(nil, netip.MustParseAddr("20.190.128.1")) // 12076:5060, 12076:51008
//	dump, found := bgp.ParseRoutes("router.txt", data)
//	route, ok := dump.Best(netip.MustParseAddr("20.190.128.1"))
//
// Files are read strictly and within bounds: one that is cut off, or that counts more routes than it holds, is refused
// with the line at which it ends, because half a table says "not received" of what the router has. The package draws no
// conclusion. Sources: "ExpressRoute routing requirements",
// https://learn.microsoft.com/azure/expressroute/expressroute-routing, and "Bgp Service Communities - List",
// https://learn.microsoft.com/rest/api/expressroute/bgp-service-communities/list, read 2026-11-23.
package bgp
