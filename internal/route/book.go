package route

import (
	"net/netip"
	"slices"
	"time"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/servicetags"
)

// Road is a way out of the organisation's network that is no circuit.
type Road = Pattern

// Holder is who holds an address, by a table of AS numbers.
type Holder struct {
	AS     uint32
	Name   string
	Prefix netip.Prefix
	File   string
}

// Holders finds the AS of an address; ok is false when it knows none.
type Holders interface {
	Holder(a netip.Addr) (h Holder, ok bool)
}

// Spec is everything that verdicts are made from. Only Catalog is needed; what is missing makes answers weaker and never
// wrong.
type Spec struct {
	Catalog  *catalog.Snapshot // nil: the built-in one
	Tags     *servicetags.Index
	TagFiles []servicetags.Manifest
	Services *bgp.Services // the bgpServiceCommunities export; nil: none
	Holders  Holders       // the user's table of AS numbers; nil: none
	Circuits []Circuit
	// Roads are what the organisation has beside its circuits. nil: the Internet alone.
	Roads []Road
	Now   time.Time // from which ages are counted; zero: the catalog's own date
}

// Book is a Spec, prepared to answer about many targets. Obtain it from NewBook. Safe for concurrent use.
type Book struct {
	spec     Spec
	signIn   []netip.Prefix
	prefixes endpoint.PrefixIndex[catalog.Hit]
	tagFile  map[servicetags.Cloud]string // "public-376"
}

// NewBook prepares s.
func NewBook(s Spec) *Book {
	if s.Catalog == nil {
		s.Catalog = catalog.Builtin()
	}
	if s.Now.IsZero() {
		s.Now = s.Catalog.Date()
	}
	if s.Roads == nil {
		s.Roads = []Road{Internet}
	}
	b := &Book{spec: s, signIn: s.Catalog.SignInPrefixes(), tagFile: map[servicetags.Cloud]string{}}
	for _, m := range s.TagFiles {
		b.tagFile[m.Cloud] = m.Version()
	}
	for _, f := range s.Tags.Files() {
		if b.tagFile[f.Cloud] == "" {
			b.tagFile[f.Cloud] = servicetags.Manifest{Cloud: f.Cloud, ChangeNumber: f.ChangeNumber}.Version()
		}
	}
	for _, set := range s.Catalog.Sets() {
		if set.Withdrawn.IsZero() {
			for _, p := range set.Prefixes {
				b.prefixes.Add(p, catalog.Hit{Set: set, Prefix: p})
			}
		}
	}
	return b
}

// Catalog is the catalog that b answers from.
func (b *Book) Catalog() *catalog.Snapshot { return b.spec.Catalog }

// Circuits are the organisation's. The slice is the caller's.
func (b *Book) Circuits() []Circuit { return slices.Clone(b.spec.Circuits) }

// Has reports whether the organisation has p: a road of that name, or a circuit that offers it.
func (b *Book) Has(p Pattern) bool {
	if slices.Contains(b.spec.Roads, p) {
		return true
	}
	return slices.ContainsFunc(b.spec.Circuits, func(c Circuit) bool {
		switch p {
		case PrivatePeering:
			return c.Private
		case MicrosoftPeering:
			return c.Microsoft && len(c.Filter) > 0
		case IPsec:
			return c.Private && c.IPsec
		case MACsec:
			return c.Direct && c.MACsec
		}
		return false
	})
}

// facts is what is known of one address or range, or of a name without address.
type facts struct {
	prefix  netip.Prefix // invalid: a name alone
	private bool
	special bool
	falsely bool // special, and what a resolver gave for a name: that tells nothing of the name
	hits    []servicetags.Hit
	sets    []catalog.Hit
	holder  Holder
	rule    nameRule // of the name, when the name is all that is known
	named   string   // the name that rule was found for

	region     *Region
	azureCloud bool   // in AzureCloud, of a region or not
	frontDoor  string // the tag of Front Door, Backend left out
	firstParty bool   // that tag is AzureFrontDoor.FirstParty
	services   []bgp.Community
	m365       []bgp.Community // of the rows that the list announces over ExpressRoute
	cloud      string          // of the tags or rows: public, usgov, china

	owner Owner
}

// microsoftAS are the AS numbers of Microsoft's networks, AS8075 and its family: those of the registry's block and those
// that announce Microsoft's prefixes in the tables at hand.
var microsoftAS = []uint32{8068, 8069, 8070, 8071, 8072, 8073, 8074, 8075, 12076, 3598, 6584}

// contentAS are the AS numbers of large content networks.
var contentAS = map[uint32]string{
	20940: "Akamai", 16625: "Akamai", 32787: "Akamai", 54113: "Fastly", 13335: "Cloudflare", 16509: "Amazon", 15133: "Edgio", 22822: "Edgio", 3356: "Lumen",
}

// special are ranges that nobody is reached at: RFC 6890 and its successors, multicast (RFC 5771, RFC 4291). Those that
// are private to a network are in private.
var special = prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/3", "::/127", "100::/64", "2001:db8::/32", "3fff::/20", "fe80::/10", "ff00::/8")

// private are RFC 1918, RFC 6598 (carrier-grade NAT, used inside networks as well) and RFC 4193.
var private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

func within(list []netip.Prefix, p netip.Prefix) bool {
	for _, q := range list {
		if q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// factsOf gathers what is known of p.
func (b *Book) factsOf(p netip.Prefix) *facts {
	f := &facts{prefix: p, private: within(private, p), special: within(special, p)}
	switch {
	case f.private:
		f.owner = Owner{Code: OwnerPrivate, Level: ByList}
		return f
	case f.special:
		f.owner = Owner{Code: OwnerSpecial, Level: ByList}
		return f
	}
	f.hits = b.spec.Tags.AppendPrefix(nil, p)
	if p.IsSingleIP() {
		f.sets = b.spec.Catalog.AppendAddrHits(nil, p.Addr())
	} else {
		f.sets = b.prefixes.AppendCovering(nil, p)
	}
	if b.spec.Holders != nil {
		f.holder, _ = b.spec.Holders.Holder(p.Addr())
	}
	b.read(f)
	return f
}

// read draws from tags, rows and holder what the verdicts ask for.
func (b *Book) read(f *facts) {
	for _, h := range f.hits {
		if f.cloud == "" {
			f.cloud = map[servicetags.Cloud]string{servicetags.Public: "public", servicetags.Government: "usgov", servicetags.China: "china"}[h.Tag.Cloud]
		}
		service, regional, _ := cutTag(h.Tag.Name)
		switch service {
		case "AzureCloud":
			f.azureCloud = true
			if regional != "" && f.region == nil {
				f.region = regionFor(h.Tag)
			}
		case "AzureFrontDoor":
			// Front Door's back ends talk to origins; clients do not.
			if regional != "Backend" && f.frontDoor == "" {
				f.frontDoor, f.firstParty = h.Tag.Name, regional == "FirstParty"
			}
		default:
			if v := tagServices[service]; v != 0 && !slices.Contains(f.services, cloudService(v, f.cloud)) {
				f.services = append(f.services, cloudService(v, f.cloud))
			}
		}
	}
	// Storage, SQL, Cosmos DB and Backup have communities of their own in each region.
	if f.region != nil {
		for _, h := range f.hits {
			service, _, _ := cutTag(h.Tag.Name)
			if class := serviceClasses[service]; class != 0 {
				if c, ok := f.region.service(class); ok && !slices.Contains(f.services, c) {
					f.services = append(f.services, c)
				}
			}
		}
	}
	for _, h := range f.sets {
		cloud := cloudOf(h.Set.ID.Cloud)
		if f.cloud == "" {
			f.cloud = cloud
		}
		if h.Set.ExpressRoute != catalog.Yes {
			continue
		}
		switch c := areaServices[cloud][h.Set.Area]; {
		case b.signsIn(h.Prefix):
			if c := cloudService(5060, cloud); !slices.Contains(f.services, c) {
				f.services = append(f.services, c)
			}
		case c != 0 && !slices.Contains(f.m365, serviceCommunity(c)):
			f.m365 = append(f.m365, serviceCommunity(c))
		}
	}
	f.owner = b.ownerOf(f)
}

// cutTag splits "Storage.JapanEast".
func cutTag(name string) (service, rest string, ok bool) {
	for i := range name {
		if name[i] == '.' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

// regionFor returns the region of a tag; one that the table does not have is a region without area and number.
func regionFor(t *servicetags.Tag) *Region {
	if r, ok := regionByTag[t.Region]; ok {
		return r
	}
	cloud := map[servicetags.Cloud]string{servicetags.Government: "usgov", servicetags.China: "china"}[t.Cloud]
	if cloud == "" {
		cloud = "public"
	}
	return &Region{Tag: t.Region, Name: t.Region, Title: t.Region, Cloud: cloud}
}

// cloudOf is the cloud of a row's identity.
func cloudOf(cloud string) string {
	switch cloud {
	case "usgov", "usgovgcchigh", "usgovdod":
		return "usgov"
	case "china":
		return "china"
	}
	return "public"
}

// cloudService is a service's community in cloud: Entra ID's is another one for the government.
func cloudService(value uint16, cloud string) bgp.Community {
	if cloud == "usgov" && value == 5060 {
		value = 5160
	}
	return serviceCommunity(value)
}

// signsIn reports whether p is one of the published ranges of the sign-in hosts.
func (b *Book) signsIn(p netip.Prefix) bool {
	return p.IsValid() && slices.Contains(b.signIn, p)
}

// ownerOf names the owner by the strongest evidence.
func (b *Book) ownerOf(f *facts) Owner {
	switch {
	case f.frontDoor != "":
		return Owner{Code: OwnerFrontDoor, Name: f.frontDoor, Level: ByTag}
	case f.region != nil:
		return Owner{Code: OwnerAzure, Name: "AzureCloud." + f.region.Tag, Level: ByTag}
	case len(f.hits) > 0:
		return Owner{Code: OwnerNoRegion, Name: f.hits[0].Tag.Name, Level: ByTag}
	}
	for _, h := range f.sets {
		if holder := holderOf(h.Set); holder != "" {
			return Owner{Code: OwnerMicrosoft, Name: holder, Level: ByList}
		}
	}
	if f.holder.AS != 0 {
		o := Owner{Code: OwnerOther, Name: f.holder.Name, AS: f.holder.AS, Level: ByAS}
		if name := contentAS[f.holder.AS]; name != "" {
			o.Code = OwnerCDN
			if o.Name == "" {
				o.Name = name
			}
		}
		if slices.Contains(microsoftAS, f.holder.AS) {
			o.Code = OwnerMicrosoft
		}
		return o
	}
	if f.rule.owner != "" {
		return Owner{Code: f.rule.owner, Name: f.rule.holder, Level: ByName}
	}
	return Owner{Code: OwnerUnknown}
}

// holderOf names who holds the addresses of a row, where the row's area tells: the areas of Microsoft's own services.
// Rows of Apple, Google and others name addresses of theirs.
func holderOf(set *catalog.Set) string {
	switch set.Area {
	case "Exchange", "SharePoint", "Skype", "Common", "Entra", "MEM", "Azure", "Windows":
		return "Microsoft"
	}
	return ""
}
