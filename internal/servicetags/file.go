package servicetags

import (
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Cloud is one of the clouds that have a service tags file of their own. The zero value is none.
type Cloud uint8

const (
	Public     Cloud = iota + 1
	Government       // Azure Government (United States)
	China            // Azure operated by 21Vianet
)

// Clouds returns every cloud.
func Clouds() []Cloud { return []Cloud{Public, Government, China} }

// String is the stable code: public, government or china; "none" for the zero value.
func (c Cloud) String() string {
	switch c {
	case Public:
		return "public"
	case Government:
		return "government"
	case China:
		return "china"
	}
	return "none"
}

// MarshalText prints the code.
func (c Cloud) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what String prints.
func (c *Cloud) UnmarshalText(text []byte) error {
	*c = CloudNamed(string(text))
	return nil
}

// CloudNamed reads the cloud field of a file, our own code, or the name that Azure's tools use for the cloud, in any
// case. It returns 0 for anything else. Only the public file was at hand; the other two names are those of the
// download's file names (AzureGovernment, China) and of Azure's environments (AzureUSGovernment, AzureChinaCloud).
func CloudNamed(name string) Cloud {
	switch strings.ToLower(name) {
	case "public", "azurecloud":
		return Public
	case "government", "usgov", "azuregovernment", "azureusgovernment":
		return Government
	case "china", "azurechina", "azurechinacloud":
		return China
	}
	return 0
}

// File is one service tags file. It is read-only.
type File struct {
	Cloud        Cloud
	ChangeNumber int64 // of the whole file; grows with each publication
	// Date is the day in the file's name, UTC: the body has none. Zero when the name has none either.
	Date time.Time
	Tags []*Tag // in the file's order; names are unique
	// Prefixes counts the prefixes of all tags.
	Prefixes int
}

// Tag is one service tag. It is read-only.
type Tag struct {
	Name         string // "AzureActiveDirectory", "Storage.JapanEast"
	Cloud        Cloud
	ChangeNumber int64
	// Region is Azure's short form ("japaneast", "centralfrance"); "" for tags of no single region.
	Region   string
	RegionID int64 // not the number of a BGP community; 0 when there is no region
	Platform string
	// Service is the systemService field: "AzureAD", "AzureStorage"; "" for AzureCloud and its regions.
	Service  string
	Prefixes []netip.Prefix // masked, in the file's order, each once
	// Features says where the tag may be used: API, NSG, UDR, FW, VSE. nil when the file says nothing.
	Features []string
}

// dateInName finds the day that Microsoft puts at the end of the file's name.
var dateInName = regexp.MustCompile(`(20\d{6})\.json$`)

// dateOf reads the day from a file name such as ServiceTags_Public_20251117.json; zero when there is none.
func dateOf(name string) time.Time {
	m := dateInName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}
	}
	day, err := time.Parse("20060102", m[1])
	if err != nil {
		return time.Time{}
	}
	return day
}
