package route

import (
	"slices"
	"strings"

	"sekisho/internal/bgp"
)

// Region is an Azure region as four worlds call it.
type Region struct {
	Tag   string // in service tags: "AzureCloud.<Tag>"
	Name  string // in Azure's own tools: "francecentral"
	Title string // in the documentation: "France Central"
	Area  string // geopolitical area of ExpressRoute; "" when the page does not list the region
	Cloud string // public, usgov, china
	// Number is the last part of the region's communities (12076:51<number>), as the routing page prints it. 0: the page
	// prints none, and then nobody here knows it.
	Number uint16
	// Alike says that Tag and Title were joined because they are alike; no page says so.
	Alike bool
}

// Community is the region's community on Microsoft peering; ok is false where the page prints none.
func (r Region) Community() (c bgp.Community, ok bool) {
	if r.Number == 0 {
		return bgp.Community{}, false
	}
	return bgp.Community{AS: bgp.MicrosoftEdge, Value: 51000 + r.Number}, true
}

// service returns the region's community of one service (52: Storage, 53: SQL, 54: Cosmos DB, 55: Backup). The page
// prints these columns for the regions of the public cloud.
func (r Region) service(class uint16) (bgp.Community, bool) {
	if r.Number == 0 || r.Cloud != "public" {
		return bgp.Community{}, false
	}
	return bgp.Community{AS: bgp.MicrosoftEdge, Value: class*1000 + r.Number}, true
}

// serviceClasses are the columns of the routing page beside the region's own, by service tag.
var serviceClasses = map[string]uint16{"Storage": 52, "Sql": 53, "AzureCosmosDB": 54, "AzureBackup": 55}

// regions is the table of "ExpressRoute routing requirements" (2026-03-12) joined with the tags of the service tags file
// (change number 376) and the areas of "ExpressRoute connectivity partners and peering locations".
var regions = []Region{
	{"eastus", "eastus", "East US", "North America", "public", 4, false},
	{"eastus2", "eastus2", "East US 2", "North America", "public", 5, false},
	{"westus", "westus", "West US", "North America", "public", 6, false},
	{"westus2", "westus2", "West US 2", "North America", "public", 26, false},
	{"westus3", "westus3", "West US 3", "North America", "public", 0, false},
	{"westcentralus", "westcentralus", "West Central US", "North America", "public", 27, false},
	{"northcentralus", "northcentralus", "North Central US", "North America", "public", 7, false},
	{"southcentralus", "southcentralus", "South Central US", "North America", "public", 8, false},
	{"centralus", "centralus", "Central US", "North America", "public", 9, false},
	{"canadacentral", "canadacentral", "Canada Central", "North America", "public", 20, false},
	{"canadaeast", "canadaeast", "Canada East", "North America", "public", 21, false},
	{"mexicocentral", "mexicocentral", "Mexico Central", "", "public", 0, false},
	{"southcentralus2", "southcentralus2", "South Central US 2", "", "public", 0, true},
	{"southeastus", "southeastus", "Southeast US", "", "public", 0, true},
	{"southeastus3", "southeastus3", "Southeast US 3", "", "public", 0, true},
	{"brazilsouth", "brazilsouth", "Brazil South", "South America", "public", 14, false},
	{"brazilse", "brazilsoutheast", "Brazil Southeast", "", "public", 0, true},
	{"brazilne", "brazilnortheast", "Brazil Northeast", "", "public", 0, true},
	{"chilec", "chilecentral", "Chile Central", "", "public", 0, true},
	{"northeurope", "northeurope", "North Europe", "Europe", "public", 3, false},
	{"northeurope2", "northeurope2", "North Europe 2", "", "public", 0, true},
	{"westeurope", "westeurope", "West Europe", "Europe", "public", 2, false},
	{"uksouth", "uksouth", "UK South", "Europe", "public", 24, false},
	{"ukwest", "ukwest", "UK West", "Europe", "public", 25, false},
	{"centralfrance", "francecentral", "France Central", "Europe", "public", 30, true},
	{"southfrance", "francesouth", "France South", "Europe", "public", 31, true},
	{"switzerlandn", "switzerlandnorth", "Switzerland North", "Europe", "public", 38, true},
	{"switzerlandw", "switzerlandwest", "Switzerland West", "Europe", "public", 39, true},
	{"germanyn", "germanynorth", "Germany North", "Europe", "public", 40, true},
	{"germanywc", "germanywestcentral", "Germany West Central", "Europe", "public", 41, true},
	{"norwaye", "norwayeast", "Norway East", "Europe", "public", 42, true},
	{"norwayw", "norwaywest", "Norway West", "Europe", "public", 43, true},
	{"swedencentral", "swedencentral", "Sweden Central", "Europe", "public", 0, false},
	{"swedensouth", "swedensouth", "Sweden South", "", "public", 0, false},
	{"italynorth", "italynorth", "Italy North", "Europe", "public", 0, false},
	{"polandcentral", "polandcentral", "Poland Central", "Europe", "public", 0, false},
	{"spaincentral", "spaincentral", "Spain Central", "", "public", 0, false},
	{"austriaeast", "austriaeast", "Austria East", "", "public", 0, false},
	{"belgiumcentral", "belgiumcentral", "Belgium Central", "", "public", 0, false},
	{"eastasia", "eastasia", "East Asia", "Asia", "public", 10, false},
	{"southeastasia", "southeastasia", "Southeast Asia", "Asia", "public", 11, false},
	{"indonesiacentral", "indonesiacentral", "Indonesia Central", "", "public", 0, false},
	{"malaysiawest", "malaysiawest", "Malaysia West", "", "public", 0, false},
	{"malaysiasouth", "malaysiasouth", "Malaysia South", "", "public", 0, false},
	{"taiwannorth", "taiwannorth", "Taiwan North", "", "public", 0, false},
	{"taiwannorthwest", "taiwannorthwest", "Taiwan Northwest", "", "public", 0, false},
	{"japaneast", "japaneast", "Japan East", "Japan", "public", 12, false},
	{"japanwest", "japanwest", "Japan West", "Japan", "public", 13, false},
	{"australiaeast", "australiaeast", "Australia East", "Oceania", "public", 15, false},
	{"australiasoutheast", "australiasoutheast", "Australia Southeast", "Oceania", "public", 16, false},
	{"newzealandnorth", "newzealandnorth", "New Zealand North", "", "public", 0, false},
	{"australiacentral", "australiacentral", "Australia Central", "Australia Government", "public", 32, false},
	{"australiacentral2", "australiacentral2", "Australia Central 2", "Australia Government", "public", 33, false},
	{"centralindia", "centralindia", "India Central", "India", "public", 17, false},
	{"westindia", "westindia", "India West", "India", "public", 18, false},
	{"southindia", "southindia", "India South", "India", "public", 19, false},
	{"jioindiacentral", "jioindiacentral", "Jio India Central", "", "public", 0, false},
	{"jioindiawest", "jioindiawest", "Jio India West", "", "public", 0, false},
	{"koreacentral", "koreacentral", "Korea Central", "South Korea", "public", 29, false},
	{"koreasouth", "koreasouth", "Korea South", "South Korea", "public", 28, false},
	{"southafricanorth", "southafricanorth", "South Africa North", "South Africa", "public", 34, false},
	{"southafricawest", "southafricawest", "South Africa West", "South Africa", "public", 35, false},
	{"uaenorth", "uaenorth", "UAE North", "UAE", "public", 36, false},
	{"uaecentral", "uaecentral", "UAE Central", "UAE", "public", 37, false},
	{"israelcentral", "israelcentral", "Israel Central", "Israel", "public", 0, false},
	{"israelnorthwest", "israelnorthwest", "Israel Northwest", "", "public", 0, false},
	{"qatarcentral", "qatarcentral", "Qatar Central", "Qatar", "public", 0, false},
	{"centraluseuap", "centraluseuap", "Central US EUAP", "", "public", 0, false},
	{"eastus2euap", "eastus2euap", "East US 2 EUAP", "", "public", 0, false},
	{"usstagee", "usstagee", "US Stage East", "", "public", 0, true},
	{"usstagec", "usstagec", "US Stage Central", "", "public", 0, true},
	{"usgovarizona", "usgovarizona", "US Gov Arizona", "US Government cloud", "usgov", 106, false},
	{"usgoviowa", "usgoviowa", "US Gov Iowa", "US Government cloud", "usgov", 109, false},
	{"usgovvirginia", "usgovvirginia", "US Gov Virginia", "US Government cloud", "usgov", 105, false},
	{"usgovtexas", "usgovtexas", "US Gov Texas", "US Government cloud", "usgov", 108, false},
	{"usdodcentral", "usdodcentral", "US DoD Central", "US Government cloud", "usgov", 209, false},
	{"usdodeast", "usdodeast", "US DoD East", "US Government cloud", "usgov", 205, false},
	{"chinanorth", "chinanorth", "China North", "China North", "china", 301, false},
	{"chinaeast", "chinaeast", "China East", "China East", "china", 302, false},
	{"chinaeast2", "chinaeast2", "China East 2", "China East", "china", 303, false},
	{"chinanorth2", "chinanorth2", "China North 2", "China North", "china", 304, false},
	{"chinanorth3", "chinanorth3", "China North 3", "China North", "china", 305, false},
}

// Regions returns the table of regions. The slice is the caller's.
func Regions() []Region { return slices.Clone(regions) }

// RegionNamed returns the region that a service tag, Azure's tools or the documentation call name, in any letter case.
func RegionNamed(name string) (Region, bool) {
	for _, r := range regions {
		if strings.EqualFold(r.Tag, name) || strings.EqualFold(r.Name, name) || strings.EqualFold(r.Title, name) {
			return r, true
		}
	}
	return Region{}, false
}

// regionByTag finds a region by its service tag without allocating.
var regionByTag = func() map[string]*Region {
	m := make(map[string]*Region, len(regions))
	for i := range regions {
		m[regions[i].Tag] = &regions[i]
	}
	return m
}()

// regionOf returns the region whose community c is.
func regionOf(c bgp.Community) (Region, bool) {
	if !c.Microsoft() || c.Value < 51000 || c.Value >= 56000 {
		return Region{}, false
	}
	number := c.Value % 1000
	for _, r := range regions {
		if r.Number == number && (c.Value < 52000 || r.Cloud == "public") {
			return r, true
		}
	}
	return Region{}, false
}

// Location is a place where ExpressRoute circuits begin.
type Location struct {
	Name  string // as the page prints it: "Tokyo2"
	Area  string
	Local string // the region that a circuit of SKU Local reaches; "" when there is none
}

// locations are those of "ExpressRoute connectivity partners and peering locations". The column of local regions was read
// in an older edition of the page "Service providers by location"; a location that it did not have has no local region
// here, which makes an answer for SKU Local unknown and never yes.
var locations = func() []Location {
	var list []Location
	for _, area := range []struct{ name, places string }{
		{"Japan", "Tokyo=japaneast Tokyo2=japaneast Tokyo3=japaneast Osaka=japanwest"},
		{"Asia", "Bangkok Hong_Kong=eastasia Hong_Kong2=eastasia Jakarta Jakarta2 Kuala_Lumpur Singapore=southeastasia Singapore2=southeastasia Taipei Taipei2"},
		{"Australia Government", "Canberra=australiacentral Canberra2=australiacentral2"},
		{"Europe", "Amsterdam=westeurope Amsterdam2=westeurope Berlin=germanyn Brussels Brussels2 Copenhagen Dublin=northeurope Dublin2=northeurope Frankfurt=germanywc " +
			"Frankfurt2=germanywc Geneva=switzerlandw London=uksouth London2=uksouth Madrid=westeurope Madrid2 Marseille=southfrance Milan Milan2 Munich Newport(Wales)=ukwest " +
			"Oslo=norwaye Paris=centralfrance Paris2=centralfrance Stavanger Stockholm Vienna Vienna2 Warsaw Zurich Zurich2"},
		{"North America", "Atlanta Atlanta2 Chicago=northcentralus Chicago2=northcentralus Dallas Dallas2 Denver=westcentralus Las_Vegas Los_Angeles Los_Angeles2 Miami Minneapolis Montreal New_York " +
			"Phoenix=westus3 Phoenix2 Portland=westus2 Quebec_City=canadaeast Queretaro Quincy=westus2 San_Antonio=southcentralus Seattle=westus2 Silicon_Valley=westus " +
			"Silicon_Valley2=westus Toronto Toronto2 Vancouver Washington_DC Washington_DC2"},
		{"India", "Chennai=southindia Chennai2=southindia Mumbai=westindia Mumbai2=westindia Pune=centralindia"},
		{"Israel", "Tel_Aviv Tel_Aviv2"},
		{"Oceania", "Auckland Melbourne=australiasoutheast Perth Sydney Sydney2"},
		{"South Korea", "Busan=koreasouth Seoul=koreacentral Seoul2=koreacentral"},
		{"UAE", "Abu_Dhabi=uaecentral Dubai=uaenorth Dubai2=uaenorth"},
		{"South Africa", "Cape_Town=southafricawest Johannesburg=southafricanorth"},
		{"South America", "Bogota Campinas=brazilsouth Rio_de_Janeiro Sao_Paulo=brazilsouth Sao_Paulo2=brazilsouth Santiago"},
		{"Qatar", "Doha=qatarcentral Doha2=qatarcentral"},
		{"China East", "Shanghai Shanghai2"},
		{"China North", "Beijing Beijing2"},
	} {
		for _, place := range strings.Fields(area.places) {
			name, local, _ := strings.Cut(place, "=")
			list = append(list, Location{Name: strings.ReplaceAll(name, "_", " "), Area: area.name, Local: local})
		}
	}
	return list
}()

// Locations returns the known locations. The slice is the caller's.
func Locations() []Location { return slices.Clone(locations) }

// LocationNamed returns the location called name, in any letter case; ok is false where the page has none of that name.
func LocationNamed(name string) (l Location, ok bool) {
	for _, l := range locations {
		if strings.EqualFold(l.Name, name) {
			return l, true
		}
	}
	return Location{}, false
}
