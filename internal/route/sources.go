package route

import "sekisho/internal/catalog"

// Source is a page that a verdict rests on.
type Source struct {
	ID    string       `json:"id"`
	Title catalog.Text `json:"title"`
	URL   string       `json:"url"`
	Date  string       `json:"date"` // the page's own, as precise as known; "" when it shows none
}

// The sources, by id. All were read on 2026-11-23.
const (
	sourceArticle    = "connection-patterns"
	sourceRouting    = "expressroute-routing"
	sourceFAQ        = "expressroute-faq"
	sourceLocations  = "expressroute-locations"
	sourceFilter     = "expressroute-route-filter"
	sourceM365       = "expressroute-m365"
	sourceTags       = "service-tags"
	sourcePeering    = "peering-service"
	sourceMACsec     = "expressroute-macsec"
	sourceIPsec      = "expressroute-ipsec"
	sourceGSA        = "global-secure-access"
	sourceEgress     = "azure-egress"
	sourceTeamsCDN   = "teams-front-door"
	sourceExport     = "bgp-service-communities"
	sourceRegistries = "private-addresses"
)

// Sources returns every source, in the order of their importance for a reader.
func Sources() []Source {
	learn := "https://learn.microsoft.com/azure/"
	return []Source{
		{sourceArticle, catalog.Text{JA: "オンプレミスと Microsoft サービス間の接続パターン", EN: "Connection patterns between on-premises and Microsoft services (Azure support team, Japan)"},
			"https://jpaztech.github.io/blog/network/connection-method-between-microsoft-and-on-prem/", "2024-09-12"},
		{sourceRouting, catalog.Text{JA: "ExpressRoute のルーティングの要件", EN: "ExpressRoute routing requirements"}, learn + "expressroute/expressroute-routing", "2026-03-12"},
		{sourceFAQ, catalog.Text{JA: "ExpressRoute の FAQ", EN: "ExpressRoute FAQ"}, learn + "expressroute/expressroute-faqs", "2023-06"},
		{sourceLocations, catalog.Text{JA: "ExpressRoute の接続パートナーとピアリングの場所", EN: "ExpressRoute connectivity partners and peering locations"}, learn + "expressroute/expressroute-locations", "2025-11-09"},
		{sourceFilter, catalog.Text{JA: "Microsoft ピアリング用のルート フィルターを構成する", EN: "Configure route filters for Microsoft peering"}, learn + "expressroute/how-to-routefilter-portal", ""},
		{sourceM365, catalog.Text{JA: "Azure ExpressRoute for Microsoft 365", EN: "Azure ExpressRoute for Microsoft 365"}, "https://learn.microsoft.com/microsoft-365/enterprise/azure-expressroute", ""},
		{sourceTags, catalog.Text{JA: "Azure サービス タグの概要", EN: "Azure service tags overview"}, "https://learn.microsoft.com/azure/virtual-network/service-tags-overview", ""},
		{sourcePeering, catalog.Text{JA: "Azure Peering Service の概要", EN: "Azure Peering Service overview"}, learn + "peering-service/about", ""},
		{sourceMACsec, catalog.Text{JA: "ExpressRoute Direct ポートで MACsec を構成する", EN: "Configure MACsec on ExpressRoute Direct ports"}, learn + "expressroute/expressroute-howto-macsec", ""},
		{sourceIPsec, catalog.Text{JA: "ExpressRoute プライベート ピアリング経由のサイト間 VPN 接続を構成する", EN: "Configure a site-to-site VPN connection over ExpressRoute private peering"}, learn + "vpn-gateway/site-to-site-vpn-private-peering", ""},
		{sourceGSA, catalog.Text{JA: "Global Secure Access とは", EN: "What is Global Secure Access"}, "https://learn.microsoft.com/entra/global-secure-access/overview-what-is-global-secure-access", ""},
		{sourceEgress, catalog.Text{JA: "オンプレミスからのインターネット宛ての通信を Azure 経由にする方法", EN: "How to route on-premises Internet traffic through Azure (Azure support team, Japan)"}, "https://jpaztech.github.io/blog/network/forcetunneling-azure-to-onpre-configuration/", ""},
		{sourceTeamsCDN, catalog.Text{JA: "devicemgmt-cdn.teams.microsoft.com は Front Door にある (azure-docs #99941)", EN: "devicemgmt-cdn.teams.microsoft.com is on Front Door (azure-docs #99941)"}, "https://github.com/MicrosoftDocs/azure-docs/issues/99941", ""},
		{sourceExport, catalog.Text{JA: "Bgp Service Communities - List (REST)", EN: "Bgp Service Communities - List (REST)"}, "https://learn.microsoft.com/rest/api/expressroute/bgp-service-communities/list", ""},
		{sourceRegistries, catalog.Text{JA: "IANA 特殊用途アドレス レジストリ", EN: "IANA special-purpose address registries"}, "https://www.iana.org/assignments/iana-ipv4-special-registry/", ""},
	}
}

// sourceByID is Sources by id; the values are shared and never changed.
var sourceByID = func() map[string]*Source {
	m := map[string]*Source{}
	for _, s := range Sources() {
		m[s.ID] = &s
	}
	return m
}()
