package route

import (
	"slices"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
)

// Known is a community that the routing page names.
type Known struct {
	Community bgp.Community
	Title     catalog.Text
	Cloud     string // public, usgov, china
	// Approval: Microsoft must authorise the subscription, and the circuit must be Premium.
	Approval bool
	// Restricted: usable in the special cases of the page alone (PSTN).
	Restricted bool
}

func service(value uint16, cloud, ja, en string, approval bool) Known {
	return Known{Community: bgp.Community{AS: bgp.MicrosoftEdge, Value: value}, Cloud: cloud, Title: catalog.Text{JA: ja, EN: en}, Approval: approval}
}

// The service communities of Microsoft peering. The page marks 5010, 5020, 5030 and 5100 as needing authorisation; for the
// government cloud it marks none, so none is marked here.
var services = []Known{
	service(5010, "public", "Exchange Online", "Exchange Online", true),
	service(5020, "public", "SharePoint Online", "SharePoint Online", true),
	service(5030, "public", "Skype for Business / Microsoft Teams", "Skype for Business / Microsoft Teams", true),
	service(5040, "public", "CRM Online (Dynamics 8.2 以前)", "CRM Online (Dynamics 8.2 and older)", false),
	service(5050, "public", "Azure グローバル サービス (Azure DevOps のみ)", "Azure Global Services (Azure DevOps alone)", false),
	service(5060, "public", "Microsoft Entra ID", "Microsoft Entra ID", false),
	service(5070, "public", "Azure Resource Manager", "Azure Resource Manager", false),
	service(5100, "public", "その他の Microsoft 365 サービス", "Other Microsoft 365 services", true),
	service(5220, "public", "Microsoft Defender for Identity", "Microsoft Defender for Identity", false),
	{Community: bgp.Community{AS: bgp.MicrosoftEdge, Value: 5250}, Cloud: "public", Restricted: true,
		Title: catalog.Text{JA: "Microsoft PSTN サービス", EN: "Microsoft PSTN services"}},
	service(5110, "usgov", "Exchange Online (米国政府)", "Exchange Online (US Government)", false),
	service(5120, "usgov", "SharePoint Online (米国政府)", "SharePoint Online (US Government)", false),
	service(5130, "usgov", "Skype for Business / Teams (米国政府)", "Skype for Business / Teams (US Government)", false),
	service(5160, "usgov", "Microsoft Entra ID (米国政府)", "Microsoft Entra ID (US Government)", false),
	service(5200, "usgov", "その他の Microsoft 365 サービス (米国政府)", "Other Microsoft 365 services (US Government)", false),
}

// tagServices are the service communities that a service tag leads to.
var tagServices = map[string]uint16{
	"AzureActiveDirectory": 5060, "AzureResourceManager": 5070, "AzureDevOps": 5050, "AzureAdvancedThreatProtection": 5220,
}

// areaServices are the communities of the areas of the Microsoft 365 list.
var areaServices = map[string]map[string]uint16{
	"public": {"Exchange": 5010, "SharePoint": 5020, "Skype": 5030, "Common": 5100},
	"usgov":  {"Exchange": 5110, "SharePoint": 5120, "Skype": 5130, "Common": 5200},
}

// CommunityNamed describes c, region and service alike; ok is false for one that the page does not name.
func CommunityNamed(c bgp.Community) (k Known, ok bool) {
	for _, k := range services {
		if k.Community == c {
			return k, true
		}
	}
	r, ok := regionOf(c)
	if !ok {
		return Known{Community: c}, false
	}
	what := map[uint16]catalog.Text{
		51: {JA: r.Title, EN: r.Title}, 52: {JA: r.Title + " のストレージ", EN: r.Title + ", Storage"},
		53: {JA: r.Title + " の SQL", EN: r.Title + ", SQL"}, 54: {JA: r.Title + " の Cosmos DB", EN: r.Title + ", Cosmos DB"},
		55: {JA: r.Title + " の Backup", EN: r.Title + ", Backup"},
	}[c.Value/1000]
	return Known{Community: c, Title: what, Cloud: r.Cloud}, true
}

func serviceCommunity(value uint16) bgp.Community {
	return bgp.Community{AS: bgp.MicrosoftEdge, Value: value}
}

// needsApproval reports whether Microsoft must authorise the use of c.
func needsApproval(c bgp.Community) bool {
	return slices.ContainsFunc(services, func(k Known) bool { return k.Community == c && k.Approval })
}
