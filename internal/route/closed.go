package route

import (
	"slices"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
)

// Outside is an endpoint that a closed network does not carry, or of which nobody here knows whether it does.
type Outside struct {
	Endpoint string            `json:"endpoint"`
	Kind     Kind              `json:"kind"`
	Owner    Owner             `json:"owner"`
	Required bool              `json:"required"`
	Reason   Reason            `json:"reason"`
	Evidence []Evidence        `json:"evidence"`
	Sets     []catalog.ClaimID `json:"sets"`
	// Lost says what is lost without it; empty where it is required: then the feature itself is.
	Lost  catalog.Text `json:"lost_without"`
	Mixed bool         `json:"mixed"` // some of its addresses are carried
}

// ClosedFeature says whether one feature can be used without any Internet connection.
type ClosedFeature struct {
	Feature catalog.FeatureID `json:"feature"`
	Title   catalog.Text      `json:"title"`
	// Answer is the worst of what the feature requires: no when one required endpoint needs the Internet, unknown when it is
	// not known of one, needs-approval and possible with Needs, yes when everything is carried as the circuits are.
	Answer    State               `json:"answer"`
	Endpoints int                 `json:"endpoints"`
	Required  int                 `json:"required"`
	Carried   int                 `json:"carried"`        // endpoints that the closed network carries, or would with Needs
	Outside   []Outside           `json:"needs_internet"` // certificates first, then by kind
	NotKnown  []Outside           `json:"not_known"`
	Needs     []Remark            `json:"needs"`
	Ask       *Ask                `json:"ask"` // whom to ask about NotKnown; null when it is empty
	Comes     []catalog.FeatureID `json:"comes_with"`
}

// Closed answers for each of features, by itself with what it requires: can it be used over ExpressRoute alone?
func (b *Book) Closed(features []catalog.FeatureID, resolved []Resolution) []ClosedFeature {
	var list []ClosedFeature
	for _, id := range features {
		f, ok := b.spec.Catalog.Feature(id)
		if !ok {
			continue
		}
		known, _ := b.spec.Catalog.Expand([]catalog.FeatureID{id})
		c := ClosedFeature{Feature: id, Title: f.Title, Answer: Yes, Outside: []Outside{}, NotKnown: []Outside{}, Needs: []Remark{}, Comes: []catalog.FeatureID{}}
		for _, k := range known {
			if k != id {
				c.Comes = append(c.Comes, k)
			}
		}
		for _, r := range b.Rows(known, resolved) {
			v := r.Closed()
			c.Endpoints++
			if r.Required {
				c.Required++
				c.Answer = worse(c.Answer, v.State)
			}
			out := Outside{Endpoint: r.Endpoint, Kind: r.Kind, Owner: r.Part.Owner, Required: r.Required, Reason: v.Reason, Evidence: v.Evidence, Sets: r.Sets, Lost: r.Lost, Mixed: v.Mixed}
			switch v.State {
			case No:
				c.Outside = append(c.Outside, out)
			case Unknown:
				c.NotKnown = append(c.NotKnown, out)
			default:
				c.Carried++
				c.Needs = append(c.Needs, v.Needs...)
			}
		}
		if c.Endpoints == 0 {
			c.Answer = Unknown
		}
		c.Needs = distinct(c.Needs)
		if len(c.NotKnown) > 0 {
			c.Ask = &Ask{Whom: "product-support", Product: f.Title, Question: catalog.Text{
				JA: f.Title.JA + " は、インターネット接続のない閉域網 (ExpressRoute の Microsoft ピアリングのみ) で利用できますか。使用する FQDN と IP アドレス範囲 (BGP コミュニティ) を教えてください。",
				EN: "Can " + f.Title.EN + " be used on a closed network without any Internet connection (Microsoft peering of ExpressRoute alone)? Which host names and address ranges (BGP communities) does it use?",
			}}
		}
		byKind := func(x, y Outside) int {
			if i, j := slices.Index(Kinds(), x.Kind), slices.Index(Kinds(), y.Kind); i != j {
				return i - j
			}
			switch {
			case x.Required && !y.Required:
				return -1
			case y.Required && !x.Required:
				return 1
			}
			return 0
		}
		slices.SortStableFunc(c.Outside, byKind)
		slices.SortStableFunc(c.NotKnown, byKind)
		list = append(list, c)
	}
	return list
}

// Choice is a community that a route filter should permit.
type Choice struct {
	Community bgp.Community `json:"community"`
	Title     catalog.Text  `json:"title"`
	Endpoints []string      `json:"endpoints"` // that it carries
	Approval  bool          `json:"needs_approval"`
	Premium   bool          `json:"needs_premium"` // the circuit's SKU does not reach it
	Permitted bool          `json:"permitted"`     // the circuit's filter has it already
	// Prefixes4 and Prefixes6 count what Microsoft announces under it; CountedBy says by what: export, tags, or "" when
	// nothing at hand tells.
	Prefixes4 int    `json:"prefixes_v4"`
	Prefixes6 int    `json:"prefixes_v6"`
	CountedBy string `json:"counted_by"`
}

// Filter is a route filter for a choice of features.
type Filter struct {
	Circuit     string          `json:"circuit"`
	Choices     []Choice        `json:"communities"`
	Superfluous []bgp.Community `json:"superfluous"` // the circuit's filter permits them and no chosen endpoint needs them
	NotCarried  []string        `json:"not_carried"` // endpoints that no community carries, wholly or in part
	Prefixes4   int             `json:"prefixes_v4"`
	Prefixes6   int             `json:"prefixes_v6"`
}

// List returns the communities that the filter is made of, approved ones alone unless m365.
func (f *Filter) List() []bgp.Community {
	list := make([]bgp.Community, len(f.Choices))
	for i, c := range f.Choices {
		list[i] = c.Community
	}
	return list
}

// Filter chooses the fewest communities that carry what rows need of Microsoft peering, over c (nil: a circuit yet to be
// ordered). Communities of Microsoft 365 are among them only with m365.
func (b *Book) Filter(rows []*Row, c *Circuit, m365 bool) Filter {
	return b.filter(rows, c, m365, false)
}

// FilterInReach is Filter without the communities that c cannot receive as it is: those of regions beyond its SKU's reach,
// or of which that is not known, and those that need Premium. What only they carry stands under NotCarried.
func (b *Book) FilterInReach(rows []*Row, c *Circuit, m365 bool) Filter {
	return b.filter(rows, c, m365, true)
}

func (b *Book) filter(rows []*Row, c *Circuit, m365, inReach bool) Filter {
	f := Filter{Choices: []Choice{}, Superfluous: []bgp.Community{}, NotCarried: []string{}}
	if c != nil {
		f.Circuit = c.Name
	}
	var items [][]bgp.Community
	var whose [][]int // rows of each item
	index := map[string]int{}
	for n, r := range rows {
		lost := false
		for i := range r.parts {
			list := b.alternatives(&r.parts[i], m365)
			if inReach {
				list = slices.DeleteFunc(list, c.beyond)
			}
			if len(list) == 0 {
				lost = lost || r.parts[i].Owner.Code != OwnerPrivate
				continue
			}
			key := joined(list)
			at, ok := index[key]
			if !ok {
				at = len(items)
				index[key] = at
				items, whose = append(items, list), append(whose, nil)
			}
			if !slices.Contains(whose[at], n) {
				whose[at] = append(whose[at], n)
			}
		}
		if lost {
			f.NotCarried = append(f.NotCarried, r.Endpoint)
		}
	}
	for _, community := range fewest(items) {
		choice := Choice{Community: community, Approval: needsApproval(community), Permitted: c.permits(community), Endpoints: []string{}}
		k, _ := CommunityNamed(community)
		choice.Title = k.Title
		if s, ok := b.spec.Services.Find(community); ok {
			if k.Title.IsZero() {
				choice.Title = catalog.Text{JA: s.Name, EN: s.Name}
			}
			if s.Stated {
				choice.Approval = !s.Authorised
			}
		}
		choice.Premium = c.beyond(community)
		choice.Prefixes4, choice.Prefixes6, choice.CountedBy = b.count(community)
		f.Prefixes4, f.Prefixes6 = f.Prefixes4+choice.Prefixes4, f.Prefixes6+choice.Prefixes6
		for i, list := range items {
			if !slices.Contains(list, community) {
				continue
			}
			for _, n := range whose[i] {
				if !slices.Contains(choice.Endpoints, rows[n].Endpoint) {
					choice.Endpoints = append(choice.Endpoints, rows[n].Endpoint)
				}
			}
		}
		f.Choices = append(f.Choices, choice)
	}
	if c != nil {
		for _, permitted := range c.Filter {
			if !slices.ContainsFunc(f.Choices, func(x Choice) bool { return x.Community == permitted }) {
				f.Superfluous = append(f.Superfluous, permitted)
			}
		}
	}
	return f
}

// alternatives are the communities of which one is enough for p. Without an export a service with a community of its own
// needs that one: a region's carries a part of it.
func (b *Book) alternatives(p *Part, m365 bool) []bgp.Community {
	v := verdictOf(p.Verdicts, MicrosoftPeering)
	if v.State == No || v.State == Unknown || v.State == Approval && !m365 {
		if v.Reason != ReasonNotReceived { // the filter may be why it is not received
			return nil
		}
	}
	var list []bgp.Community
	global := slices.ContainsFunc(p.Communities, func(c bgp.Community) bool { return c.Value < 51000 })
	for _, c := range p.Communities {
		if b.spec.Services.Len() == 0 && global && c.Value >= 51000 || needsApproval(c) && !m365 {
			continue
		}
		list = append(list, c)
	}
	return list
}

// count is how many prefixes a community announces.
func (b *Book) count(c bgp.Community) (v4, v6 int, by string) {
	tally := func(is4 bool) {
		if is4 {
			v4++
		} else {
			v6++
		}
	}
	if s, ok := b.spec.Services.Find(c); ok && len(s.Prefixes) > 0 {
		for _, p := range s.Prefixes {
			tally(p.Addr().Is4())
		}
		return v4, v6, "export"
	}
	name := ""
	if r, ok := regionOf(c); ok {
		name = "AzureCloud." + r.Tag
		for tag, class := range serviceClasses {
			if c.Value/1000 == class {
				name = tag + "." + r.Tag
			}
		}
	}
	for tag, value := range tagServices {
		if serviceCommunity(value) == c {
			name = tag
		}
	}
	for _, f := range b.spec.Tags.Files() {
		for _, t := range f.Tags {
			if t.Name == name {
				for _, p := range t.Prefixes {
					tally(p.Addr().Is4())
				}
				return v4, v6, "tags"
			}
		}
	}
	return 0, 0, ""
}

// exact is up to how many communities every combination is tried (chosen: 65,536 combinations are milliseconds).
const exact = 16

// fewest returns as few communities as possible of which each item has one, sorted. Beyond exact undecided ones it takes
// whichever serves most of what is left, which may be one too many.
func fewest(items [][]bgp.Community) []bgp.Community {
	var chosen []bgp.Community
	has := func(item []bgp.Community) bool {
		return slices.ContainsFunc(item, func(c bgp.Community) bool { return slices.Contains(chosen, c) })
	}
	for _, item := range items {
		if len(item) == 1 && !slices.Contains(chosen, item[0]) {
			chosen = append(chosen, item[0])
		}
	}
	left := slices.DeleteFunc(slices.Clone(items), has)
	var open []bgp.Community
	for _, item := range left {
		for _, c := range item {
			if !slices.Contains(open, c) {
				open = append(open, c)
			}
		}
	}
	slices.SortFunc(open, bgp.Community.Compare)
	if len(open) <= exact {
		chosen = append(chosen, smallest(left, open)...)
	} else {
		for len(left) > 0 {
			best, most := open[0], 0
			for _, c := range open {
				n := 0
				for _, item := range left {
					if slices.Contains(item, c) {
						n++
					}
				}
				if n > most {
					best, most = c, n
				}
			}
			chosen = append(chosen, best)
			left = slices.DeleteFunc(left, has)
		}
	}
	slices.SortFunc(chosen, bgp.Community.Compare)
	return chosen
}

// smallest tries every combination of open, small ones first.
func smallest(items [][]bgp.Community, open []bgp.Community) []bgp.Community {
	masks := make([]uint, len(items))
	for i, item := range items {
		for j, c := range open {
			if slices.Contains(item, c) {
				masks[i] |= 1 << j
			}
		}
	}
	best, size := uint(1)<<len(open)-1, len(open)
	for try := uint(0); try < 1<<len(open); try++ {
		n := 0
		for x := try; x != 0; x &= x - 1 {
			n++
		}
		if n < size && !slices.ContainsFunc(masks, func(m uint) bool { return m&try == 0 }) {
			best, size = try, n
		}
	}
	var list []bgp.Community
	for j, c := range open {
		if best&(1<<j) != 0 {
			list = append(list, c)
		}
	}
	return list
}
