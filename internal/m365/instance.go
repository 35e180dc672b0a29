package m365

import (
	"slices"
	"strings"

	"sekisho/internal/catalog"
)

// Instance is one cloud of the service, in the service's own spelling.
type Instance string

// The instances that the service has. Germany is retired.
const (
	Worldwide    Instance = "Worldwide"
	China        Instance = "China"
	USGovDoD     Instance = "USGovDoD"
	USGovGCCHigh Instance = "USGovGCCHigh"
)

// Instances returns every instance, in the order in which the service lists them.
func Instances() []Instance { return []Instance{Worldwide, USGovDoD, USGovGCCHigh, China} }

// ParseInstance reads an instance as people and scripts write it; the service takes any letter case ("WorldWide").
func ParseInstance(s string) (Instance, bool) {
	for _, i := range Instances() {
		if strings.EqualFold(s, string(i)) {
			return i, true
		}
	}
	return "", false
}

// Cloud is the second part of the claims of this instance's list.
func (i Instance) Cloud() string { return strings.ToLower(string(i)) }

// Source is the first part of the claims of this instance's list.
func (i Instance) Source() string {
	if i == Worldwide {
		return "m365-list"
	}
	return "m365-list-" + i.Cloud()
}

// tenants is the cloud of the tenants that the list is for, as the catalog tells them apart.
func (i Instance) tenants() string {
	switch i {
	case China:
		return catalog.China
	case USGovDoD, USGovGCCHigh:
		return catalog.USGov
	}
	return catalog.Worldwide
}

// areas are the service areas with the names that the service shows for them.
var areas = []struct{ code, name string }{
	{"Exchange", "Exchange Online"},
	{"SharePoint", "SharePoint Online and OneDrive for Business"},
	{"Skype", "Microsoft Teams"},
	{"Common", "Microsoft 365 Common and Office Online"},
	{AreaIntune, "Microsoft Intune"},
}

// AreaIntune is the service area of Intune, which the service gives only when it is asked for by name.
const AreaIntune = "MEM"

// areaCommon is the service area whose rows always come along, because all others need them.
const areaCommon = "Common"

// areaNamed returns the service's spelling of an area.
func areaNamed(s string) (string, bool) {
	i := slices.IndexFunc(areas, func(a struct{ code, name string }) bool { return strings.EqualFold(a.code, s) })
	if i < 0 {
		return "", false
	}
	return areas[i].code, true
}

// displayName is the name that the service shows for an area; the area itself for one that we do not know.
func displayName(area string) string {
	for _, a := range areas {
		if a.code == area {
			return a.name
		}
	}
	return area
}
