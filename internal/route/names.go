package route

import (
	"strings"
	"sync"

	"sekisho/internal/endpoint"
)

// nameRule is what a name alone tells: the weakest evidence.
type nameRule struct {
	owner  string // OwnerFrontDoor, OwnerMicrosoft, OwnerCDN, OwnerOther
	holder string
	kind   Kind
	source string
	// community is the service community of the hosts; 0: none.
	community uint16
}

// Kind says what a target outside the closed network is, for the list of what is lost without it.
type Kind string

// The kinds.
const (
	KindCertificate Kind = "certificate" // revocation lists, OCSP, issuers
	KindCDN         Kind = "cdn"         // a content network outside Microsoft
	KindFrontDoor   Kind = "front-door"  // Azure Front Door, Azure CDN
	KindApple       Kind = "apple"
	KindGoogle      Kind = "google"
	KindMicrosoft   Kind = "microsoft" // Microsoft's network outside Azure
	KindOther       Kind = "other"     // anybody else
	KindUnknown     Kind = "unknown"
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{KindCertificate, KindApple, KindGoogle, KindCDN, KindFrontDoor, KindMicrosoft, KindOther, KindUnknown}
}

// nameRules returns the index of names. "*.x" leaves out x itself; where both count both are written.
var nameRules = sync.OnceValue(func() *endpoint.Index[nameRule] {
	x := new(endpoint.Index[nameRule])
	add := func(r nameRule, names ...string) {
		for _, n := range names {
			x.Add(endpoint.MustPattern(n), r)
		}
	}
	both := func(r nameRule, domains ...string) {
		for _, d := range domains {
			add(r, d, "*."+d)
		}
	}
	// Aliases by which Front Door, Azure CDN and Microsoft's own edge answer.
	add(nameRule{owner: OwnerFrontDoor, holder: "Azure Front Door", kind: KindFrontDoor, source: sourceFAQ},
		"*.azurefd.net", "*.azureedge.net", "*.t-msedge.net", "*.a-msedge.net", "*.b-msedge.net", "*.c-msedge.net", "*.dc-msedge.net", "*.e-msedge.net",
		"*.l-msedge.net", "*.s-msedge.net", "*.ax-msedge.net", "*.fb-t-msedge.net", "*.ln-msedge.net", "*.k-msedge.net", "*.ax-dc-msedge.net")
	add(nameRule{owner: OwnerFrontDoor, holder: "Azure Front Door", kind: KindFrontDoor, source: sourceTeamsCDN}, "devicemgmt-cdn.teams.microsoft.com")
	// Content networks outside Microsoft.
	for holder, domains := range map[string][]string{
		"Akamai":            {"akamai.net", "akamaiedge.net", "akamaized.net", "akamaihd.net", "akamaitechnologies.com", "edgesuite.net", "edgekey.net", "akadns.net"},
		"Fastly":            {"fastly.net", "fastlylb.net"},
		"Amazon CloudFront": {"cloudfront.net"},
		"Cloudflare":        {"cloudflare.net", "cloudflare.com"},
		"Edgio":             {"edgecastcdn.net", "v0cdn.net", "edgecast.com", "llnwd.net", "llnwi.net"},
		"Lumen":             {"footprint.net"},
	} {
		both(nameRule{owner: OwnerCDN, holder: holder, kind: KindCDN, source: sourceArticle}, domains...)
	}
	// Windows Update and Delivery Optimization may come from content networks outside Microsoft, says the article.
	both(nameRule{owner: OwnerCDN, holder: "Windows Update", kind: KindCDN, source: sourceArticle}, "windowsupdate.com", "delivery.mp.microsoft.com", "update.microsoft.com")
	// Certificate authorities.
	for holder, domains := range map[string][]string{
		"DigiCert":   {"digicert.com", "digicert.cn", "geotrust.com", "verisign.com", "verisign.net", "symcb.com", "symcd.com", "thawte.com", "omniroot.com", "public-trust.com"},
		"Entrust":    {"entrust.net", "entrust.com"},
		"GlobalSign": {"globalsign.net", "globalsign.com"},
		"Sectigo":    {"sectigo.com", "usertrust.com", "comodoca.com"},
		"IdenTrust":  {"identrust.com"},
		"Amazon":     {"amazontrust.com"},
		"ISRG":       {"letsencrypt.org", "lencr.org"},
	} {
		both(nameRule{owner: OwnerOther, holder: holder, kind: KindCertificate, source: sourceArticle}, domains...)
	}
	both(nameRule{owner: OwnerOther, holder: "Google", kind: KindCertificate, source: sourceArticle}, "pki.goog")
	// Microsoft's own revocation lists and issuers stand on content networks too.
	add(nameRule{owner: OwnerCDN, holder: "Microsoft PKI", kind: KindCertificate, source: sourceArticle},
		"crl.microsoft.com", "mscrl.microsoft.com", "ocsp.msocsp.com", "ocsp2.msocsp.com", "oneocsp.microsoft.com", "*.ocsp.microsoft.com", "cacerts.microsoft.com", "ctldl.windowsupdate.com")
	both(nameRule{owner: OwnerOther, holder: "Apple", kind: KindApple, source: sourceArticle},
		"apple.com", "cdn-apple.com", "mzstatic.com", "icloud.com", "icloud-content.com", "apple-cloudkit.com", "itunes.com", "aaplimg.com", "apple-dns.net", "me.com", "apple-mapkit.com", "apple-livephotoskit.com", "apzones.com")
	both(nameRule{owner: OwnerOther, holder: "Google", kind: KindGoogle, source: sourceArticle},
		"google.com", "googleapis.com", "gstatic.com", "gvt1.com", "gvt2.com", "gvt3.com", "android.com", "ggpht.com", "googleusercontent.com", "google-analytics.com",
		"googletagmanager.com", "firebase.com", "crashlytics.com", "youtube.com", "ytimg.com", "google.co.jp", "withgoogle.com", "chrome.com", "gcr.io", "app-measurement.com")
	for holder, domains := range map[string][]string{
		"Intel": {"intel.com"}, "AMD": {"amd.com"}, "Infineon": {"infineon.com"}, "STMicroelectronics": {"st.com", "stmicro.com"}, "Qualcomm": {"qualcomm.com"},
		"Samsung": {"samsung.com", "samsungknox.com", "secb2b.com", "samsungmdm.com"}, "GitHub": {"github.com", "githubusercontent.com", "ghcr.io"}, "TeamViewer": {"teamviewer.com"},
		"Adobe": {"adobe.com", "typekit.net"}, "Facebook": {"facebook.com", "facebook.net", "fbcdn.net"}, "LinkedIn": {"linkedin.com", "licdn.com"}, "Docker": {"docker.io", "docker.com"},
		"Ubuntu": {"ubuntu.com"}, "Debian": {"debian.org"}, "Red Hat": {"redhat.com"}, "Python": {"pypi.org", "pythonhosted.org"}, "Twitter": {"twitter.com", "twimg.com"},
	} {
		both(nameRule{owner: OwnerOther, holder: holder, kind: KindOther, source: sourceArticle}, domains...)
	}
	// Resource Manager has a community of its own, though the Microsoft 365 list says "no" of the host.
	both(nameRule{owner: OwnerMicrosoft, holder: "Azure Resource Manager", kind: KindMicrosoft, source: sourceRouting, community: 5070}, "management.azure.com")
	return x
})

// knownHosts are exact names of nameRules that a wildcard of a list covers, though the list does not name them.
var knownHosts = []endpoint.Host{"devicemgmt-cdn.teams.microsoft.com"}

// byName returns what h alone tells: the most specific rule.
func byName(h endpoint.Host) (nameRule, bool) {
	// In the zones of Private Link a service has an address of the virtual network.
	if strings.Contains(h.String(), ".privatelink.") {
		return nameRule{owner: OwnerPrivate, holder: "Private Link", source: sourceArticle}, true
	}
	return nameRules().Best(h)
}
