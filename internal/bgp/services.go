package bgp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"

	"sekisho/internal/finding"
)

// Service is one community of a bgpServiceCommunities export.
type Service struct {
	Name      string // communityName: "For Skype", "Azure Storage Japan East"
	Service   string // serviceName of the group that it stands in
	Region    string // serviceSupportedRegion: "Global", "Japan East"; "" when the export has none
	Community Community
	Prefixes  []netip.Prefix // masked, each once; nil: the export lists none, which says nothing
	// Authorised says whether the subscription that made the export may use the community; Stated, whether the export
	// says so.
	Authorised, Stated bool
}

// Services is one export. Obtain it from ParseServices; nil is empty. Read-only, safe for concurrent use.
type Services struct {
	File string
	List []Service // by community
	tree bart.Table[[]int]
}

// Len is the number of communities.
func (s *Services) Len() int {
	if s == nil {
		return 0
	}
	return len(s.List)
}

// Find returns the service of c.
func (s *Services) Find(c Community) (Service, bool) {
	if s == nil {
		return Service{}, false
	}
	i, ok := slices.BinarySearchFunc(s.List, c, func(e Service, c Community) int { return e.Community.Compare(c) })
	if !ok {
		return Service{}, false
	}
	return s.List[i], true
}

// AppendCovering appends every service one of whose prefixes contains p, with the longest of them, in the order of List.
func (s *Services) AppendCovering(dst []Covering, p netip.Prefix) []Covering {
	if s == nil || !p.IsValid() {
		return dst
	}
	begin := len(dst)
	for q, list := range s.tree.Supernets(p) { // the longest first
		for _, i := range list {
			if !slices.ContainsFunc(dst[begin:], func(c Covering) bool { return c.Community == s.List[i].Community }) {
				dst = append(dst, Covering{Service: &s.List[i], Prefix: q})
			}
		}
	}
	slices.SortFunc(dst[begin:], func(a, b Covering) int { return a.Community.Compare(b.Community) })
	return dst
}

// Covering is a service with the prefix that covers what was asked.
type Covering struct {
	*Service
	Prefix netip.Prefix
}

// Listed counts the communities that have prefixes.
func (s *Services) Listed() int {
	n := 0
	if s != nil {
		for i := range s.List {
			if len(s.List[i].Prefixes) > 0 {
				n++
			}
		}
	}
	return n
}

// ParseServices reads an export of the communities that Microsoft announces: the answer of the REST call, what
// `az network route-filter rule list-service-communities` prints, or `Get-AzBgpServiceCommunity | ConvertTo-Json -Depth 5`,
// in UTF-8 or, as Windows PowerShell saves it, UTF-16. Keys count in any letter case; unknown ones are passed over.
//
// Errors make the file unusable, and the result is nil exactly then: JSON that is broken or cut off, no community at all,
// a community or a prefix that cannot be read or
// that Microsoft cannot announce (another AS than 12076, a private range, a default route), two entries for one community that disagree on authorisation. Warnings tell
// of communities without prefixes.
func ParseServices(name string, data []byte) (*Services, finding.List) {
	text, found := readable(name, data)
	if found != nil {
		return nil, found
	}
	var root any
	if found := decode(name, text, &root); found != nil {
		return nil, found
	}
	p := &servicesParser{file: name, at: map[Community]int{}}
	p.value(root, "", "", 0)
	switch {
	case p.found.HasErrors():
		return nil, p.found
	case len(p.list) == 0:
		return nil, append(p.found, finding.New("bgp.no-communities", finding.Error, finding.Pos{File: name}))
	}
	slices.SortFunc(p.list, func(a, b Service) int { return a.Community.Compare(b.Community) })
	s := &Services{File: name, List: p.list}
	bare := 0
	for i, e := range s.List {
		if len(e.Prefixes) == 0 {
			bare++
		}
		for _, prefix := range e.Prefixes {
			list, _ := s.tree.Get(prefix)
			s.tree.Insert(prefix, append(list, i))
		}
	}
	if bare > 0 {
		p.found = append(p.found, finding.New("bgp.without-prefixes", finding.Warning, finding.Pos{File: name},
			"count", strconv.Itoa(bare), "all", strconv.Itoa(len(s.List))))
	}
	return s, p.found
}

type servicesParser struct {
	file  string
	list  []Service
	at    map[Community]int
	total int
	found finding.List
}

func (p *servicesParser) fail(code, path string, args ...string) {
	if len(p.found) < maxFindings {
		p.found = append(p.found, finding.New(code, finding.Error, finding.Pos{File: p.file}, append(args, "path", path)...))
	}
}

// value looks for objects with a community, wherever they stand: the forms of the export differ in what is around them.
func (p *servicesParser) value(v any, path, service string, depth int) {
	if depth > 8 || len(p.found) >= maxFindings {
		return
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			p.value(e, path+"["+strconv.Itoa(i)+"]", service, depth+1)
		}
	case map[string]any:
		if text, ok := word(v, "serviceName"); ok {
			service = text
		}
		if _, ok := member(v, "communityValue"); ok {
			p.community(v, path, service)
			return
		}
		for _, key := range []string{"value", "properties", "bgpCommunities"} {
			if inner, ok := member(v, key); ok {
				p.value(inner, strings.TrimPrefix(path+"."+key, "."), service, depth+1)
			}
		}
	case string:
		// PowerShell prints what lies deeper than -Depth as a text.
		if strings.Contains(v, "CommunityValue") || strings.Contains(v, "System.") || strings.Contains(v, "Microsoft.Azure") {
			p.fail("bgp.depth", path, "value", clip(v))
		}
	}
}

func (p *servicesParser) community(v map[string]any, path, service string) {
	e := Service{Service: service}
	text, _ := word(v, "communityValue")
	var err error
	if e.Community, err = ParseCommunity(text); err != nil || !e.Community.Microsoft() {
		p.fail("bgp.community", path, "value", clip(text)) // every community of ExpressRoute begins with 12076
		return
	}
	e.Name, _ = word(v, "communityName")
	e.Region, _ = word(v, "serviceSupportedRegion")
	switch may, ok := member(v, "isAuthorizedToUse"); may := may.(type) {
	case bool:
		e.Authorised, e.Stated = may, true
	case string:
		e.Authorised, e.Stated = strings.EqualFold(may, "true"), true
	default:
		e.Stated = ok && may != nil
	}
	var texts []string
	switch list, _ := member(v, "communityPrefixes"); list := list.(type) {
	case []any:
		for _, t := range list {
			s, _ := t.(string)
			texts = append(texts, s)
		}
	case string:
		// An array beyond PowerShell's -Depth: its members with blanks between, or only the name of its type.
		if strings.Contains(list, "System.") || strings.Contains(list, "{") {
			p.fail("bgp.depth", path+".communityPrefixes", "value", clip(list))
			return
		}
		texts = strings.Fields(list)
	case nil:
	default:
		p.fail("bgp.prefix", path+".communityPrefixes", "value", "")
		return
	}
	seen := make(map[netip.Prefix]bool, len(texts))
	for i, text := range texts {
		prefix, ok := parsePrefix(text)
		if !ok || !announced(prefix) {
			p.fail("bgp.prefix", path+".communityPrefixes["+strconv.Itoa(i)+"]", "value", clip(text))
			continue
		}
		if !seen[prefix] {
			seen[prefix] = true
			e.Prefixes = append(e.Prefixes, prefix)
		}
	}
	if p.total += len(e.Prefixes); p.total > maxPrefixes {
		p.fail("bgp.too-many", path, "max", strconv.Itoa(maxPrefixes))
		return
	}
	// IPv6 prefixes stand in an entry of their own under the same community.
	if i, twice := p.at[e.Community]; twice {
		before := &p.list[i]
		if before.Stated && e.Stated && before.Authorised != e.Authorised {
			p.fail("bgp.disagree", path, "value", e.Community.String())
			return
		}
		for _, prefix := range e.Prefixes {
			if !slices.Contains(before.Prefixes, prefix) {
				before.Prefixes = append(before.Prefixes, prefix)
			}
		}
		return
	}
	p.at[e.Community] = len(p.list)
	p.list = append(p.list, e)
}

// announced reports whether Microsoft could announce p under a community: it is public, and no wider than its widest
// block, a /8 (chosen; a default route or half the Internet would make every address Microsoft's).
func announced(p netip.Prefix) bool {
	a := p.Addr()
	return p.Bits() >= 8 && !a.IsPrivate() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
}

// member returns v's value under key in any letter case.
func member(v map[string]any, key string) (any, bool) {
	if x, ok := v[key]; ok {
		return x, true
	}
	for k, x := range v {
		if strings.EqualFold(k, key) {
			return x, true
		}
	}
	return nil, false
}

func word(v map[string]any, key string) (string, bool) {
	x, _ := member(v, key)
	s, ok := x.(string)
	return s, ok
}
