package route

import (
	"slices"

	"sekisho/internal/bgp"
)

// overMicrosoft is the verdict of Microsoft peering: the best that a circuit of the organisation gives, or, where there is
// none with that peering, what would be needed.
func (b *Book) overMicrosoft(f *facts) Verdict {
	var best *Verdict
	for i := range b.spec.Circuits {
		c := &b.spec.Circuits[i]
		v := b.microsoftOn(f, c)
		v.Circuit = c.Name
		if !c.Microsoft && !f.private && !f.special && (v.State == Yes || v.State == Possible || v.State == Approval) {
			v.State = worse(v.State, Possible)
			v.Needs = append([]Remark{{Code: NeedMicrosoft, Value: c.Name}}, v.Needs...)
		}
		// Of circuits that do equally well, the one that needs less, then the one of which more is known.
		if best == nil || best.State.Worse(v.State) ||
			best.State == v.State && (len(best.Needs) > len(v.Needs) || len(best.Needs) == len(v.Needs) && best.level() < v.level()) {
			best = &v
		}
	}
	if best == nil {
		v := b.microsoftOn(f, nil)
		if v.State == Possible || v.State == Approval {
			need := Remark{Code: NeedCircuit, Value: areaFor(v.Needs)}
			v.Needs = append([]Remark{need, {Code: NeedMicrosoft}}, v.Needs...)
		}
		best = &v
	}
	return *best
}

// areaFor is the geopolitical area in which a Standard circuit receives the community that is needed: that of a regional
// one; "" for a service's, which every location receives.
func areaFor(needs []Remark) string {
	for _, n := range needs {
		if n.Code != NeedCommunity {
			continue
		}
		if c, err := bgp.ParseCommunity(n.Value); err == nil {
			if r, ok := regionOf(c); ok {
				return r.Area
			}
		}
		return ""
	}
	return ""
}

// level is the strongest evidence that v names itself; 0 for what tags, lists and names tell.
func (v *Verdict) level() Level {
	if len(v.Evidence) == 0 {
		return 0
	}
	return v.Evidence[0].Level
}

func worse(s, t State) State {
	if s.Worse(t) {
		return s
	}
	return t
}

// microsoftOn is the verdict over one circuit; nil: one that the organisation would have to order. The ladder stands here,
// from the strongest evidence to the weakest.
func (b *Book) microsoftOn(f *facts, c *Circuit) Verdict {
	switch {
	case f.private || f.owner.Code == OwnerPrivate:
		return say(MicrosoftPeering, No, ReasonPrivateAddress, sourceRouting)
	case f.special:
		return say(MicrosoftPeering, No, ReasonSpecialAddress, sourceRegistries)
	}
	below := func() Verdict {
		if v, ok := b.byCommunity(f, c); ok {
			return v
		}
		return b.byTag(f, c)
	}
	if c == nil || len(c.Received) == 0 || !c.Microsoft || !f.prefix.IsValid() {
		return below()
	}
	r, file, ok := c.received(f.prefix)
	if ok && r.Prefix.Bits() > 0 && r.OverExpressRoute() && !r.PrivatePeering() {
		v := say(MicrosoftPeering, Yes, ReasonReceived, sourceRouting)
		v.Evidence = []Evidence{received(r, file)}
		return v
	}
	v := below()
	if v.State != Yes && v.State != Unknown {
		return v
	}
	v.State, v.Reason, v.Notes = No, ReasonNotReceived, nil
	v.Evidence = []Evidence{{ByRoute, "-", c.Received[0].File}}
	if ok && r.Prefix.Bits() > 0 {
		v.Reason, v.Evidence = ReasonElsewhere, []Evidence{received(r, file)}
	}
	return v
}

// byCommunity judges by the export of the communities' prefixes; ok is false where it says nothing of the target.
func (b *Book) byCommunity(f *facts, c *Circuit) (v Verdict, ok bool) {
	if b.spec.Services.Len() == 0 || !f.prefix.IsValid() {
		return v, false
	}
	covering := b.spec.Services.AppendCovering(nil, f.prefix)
	file := b.spec.Services.File
	if len(covering) == 0 {
		if !b.silenceTells(f) {
			return v, false
		}
		v = say(MicrosoftPeering, No, ReasonNoCommunity, sourceExport)
		v.Evidence = []Evidence{{ByCommunity, "-", file}}
		return v, true
	}
	v = say(MicrosoftPeering, No, ReasonCommunity, sourceExport)
	first := true
	for _, s := range covering {
		state, needs := b.use(s, c)
		// Of equally good ones, one that the filter permits, then one of a service, which carries more, then the rest.
		if first || v.State.Worse(state) {
			v.State, v.Needs, first = state, needs, false
		}
		v.Evidence = append(v.Evidence, Evidence{ByCommunity, s.Community.String() + " " + s.Prefix.String(), file})
		if k, known := CommunityNamed(s.Community); known && k.Restricted {
			v.Notes = append(v.Notes, Remark{NoteRestricted, s.Community.String()})
		}
	}
	if v.State == Approval {
		v.Notes = append(v.Notes, Remark{Code: NoteInternetNeeded}, Remark{Code: NoteUnapprovedError})
	}
	return v, true
}

// use says what it takes to receive the prefixes of one community over c.
func (b *Book) use(s bgp.Covering, c *Circuit) (State, []Remark) {
	approval := s.Stated && !s.Authorised || !s.Stated && needsApproval(s.Community)
	if c != nil && c.Approved {
		approval = false
	}
	var needs []Remark
	state := Yes
	if region, ok := regionOf(s.Community); ok && c != nil {
		switch c.reach(&region) {
		case Possible:
			state, needs = Possible, append(needs, Remark{NeedPremium, region.Area})
		case Unknown:
			state = Unknown
		case No:
			return No, nil
		}
	}
	if needsApproval(s.Community) && (c == nil || c.SKU != Premium) {
		state, needs = worse(state, Possible), append(needs, Remark{Code: NeedPremium})
	}
	if approval {
		state, needs = worse(state, Approval), append(needs, Remark{NeedApproval, s.Community.String()})
	}
	if !c.permits(s.Community) {
		state, needs = worse(state, Possible), append(needs, Remark{NeedCommunity, s.Community.String()})
	}
	return state, needs
}

// silenceTells reports whether the export's not naming the target means that it is not announced: the export is one of
// everything, or it has prefixes for each community that the tags would lead to.
func (b *Book) silenceTells(f *facts) bool {
	if b.spec.Services.Listed() >= wholeExport {
		return true
	}
	expected := f.expected()
	if len(expected) == 0 {
		return false
	}
	for _, c := range expected {
		if s, ok := b.spec.Services.Find(c); !ok || len(s.Prefixes) == 0 {
			return false
		}
	}
	return true
}

// expected are the communities that tags and lists lead to: of services first, then of the region, then of Microsoft 365.
func (f *facts) expected() []bgp.Community {
	list := slices.Clone(f.services)
	if f.region != nil {
		if c, ok := f.region.Community(); ok {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		list = append(list, f.m365...)
	}
	return list
}

// byTag judges by the service tags, the endpoint lists, the AS and the name, in this order.
func (b *Book) byTag(f *facts, c *Circuit) Verdict {
	switch {
	case f.frontDoor != "" && !(f.firstParty && f.isM365()):
		v := say(MicrosoftPeering, No, ReasonFrontDoor, sourceFAQ)
		if f.region != nil {
			v.Notes = []Remark{{NoteRegionalFrontDoor, f.region.Tag}}
		}
		return v
	case f.cloud == "china" && len(f.m365) > 0 && f.region == nil:
		// The page says that no Microsoft 365 community exists there.
		return say(MicrosoftPeering, No, ReasonOtherCloud, sourceRouting)
	case len(f.services) > 0:
		return b.byService(f, c)
	case f.region != nil:
		return b.byRegion(f, c)
	case f.azureCloud:
		return say(MicrosoftPeering, Unknown, ReasonAzureCloudOnly, sourceTags)
	case f.isM365():
		return b.byM365(f, c)
	case len(f.hits) > 0:
		return say(MicrosoftPeering, No, ReasonNoRegionalTag, sourceArticle)
	}
	switch f.owner.Code {
	case OwnerMicrosoft:
		// Without service tags nobody can say whether Microsoft's address lies in Azure.
		if b.spec.Tags.Len() == 0 {
			if f.rule.community != 0 {
				f.services = append(f.services, serviceCommunity(f.rule.community))
				return b.byService(f, c)
			}
			return say(MicrosoftPeering, Unknown, ReasonUnknownOwner, sourceTags)
		}
		if f.rule.community != 0 {
			f.services = append(f.services, serviceCommunity(f.rule.community))
			return b.byService(f, c)
		}
		if !f.prefix.IsValid() {
			return say(MicrosoftPeering, Unknown, ReasonNotResolved, sourceArticle)
		}
		return say(MicrosoftPeering, No, ReasonNotAzure, sourceArticle)
	case OwnerFrontDoor:
		return say(MicrosoftPeering, No, ReasonFrontDoor, sourceFAQ)
	case OwnerCDN, OwnerOther:
		return say(MicrosoftPeering, No, ReasonNotMicrosoft, sourceArticle)
	}
	if !f.prefix.IsValid() {
		return say(MicrosoftPeering, Unknown, ReasonNotResolved, sourceArticle)
	}
	return say(MicrosoftPeering, Unknown, ReasonUnknownOwner, sourceArticle)
}

// byService: services with a community of their own. For Storage and its like the region's community serves as well; for
// Entra ID and Resource Manager it carries the part in that region alone.
func (b *Book) byService(f *facts, c *Circuit) Verdict {
	global := slices.ContainsFunc(f.services, func(s bgp.Community) bool { return s.Value < 51000 })
	if !global {
		return b.byRegion(f, c)
	}
	v := say(MicrosoftPeering, Possible, ReasonService, sourceRouting)
	if f.region != nil {
		v.Notes = []Remark{{NoteRegionalPart, f.region.Tag}}
	}
	for _, s := range f.services {
		if c.permits(s) {
			v.State = Yes
			return v
		}
	}
	for _, s := range f.services {
		if s.Value < 51000 {
			v.Needs = append(v.Needs, Remark{NeedCommunity, s.String()})
		}
	}
	return v
}

// byRegion: an address in a region of Azure, by the SKU's reach and the route filter.
func (b *Book) byRegion(f *facts, c *Circuit) Verdict {
	v := say(MicrosoftPeering, Possible, ReasonRegion, sourceRouting)
	own, numbered := f.region.Community()
	if c != nil {
		switch c.reach(f.region) {
		case Possible:
			v.Reason = ReasonOutOfReach
			v.Needs = append(v.Needs, Remark{NeedPremium, f.region.Area})
		case Unknown:
			return say(MicrosoftPeering, Unknown, ReasonReachUnknown, sourceLocations)
		case No:
			return say(MicrosoftPeering, No, ReasonOtherCloud, sourceLocations)
		}
	}
	if !numbered {
		v.State, v.Reason, v.Source = Unknown, ReasonRegionNoNumber, sourceByID[sourceRouting]
		return v
	}
	permitted := c.permits(own)
	for _, s := range f.services {
		permitted = permitted || c.permits(s)
	}
	switch {
	case !permitted:
		v.Needs = append(v.Needs, Remark{NeedCommunity, own.String()})
	case v.Reason == ReasonRegion:
		v.State = Yes
	}
	return v
}

// byM365: Microsoft 365 outside Azure, by exception alone.
func (b *Book) byM365(f *facts, c *Circuit) Verdict {
	v := say(MicrosoftPeering, Approval, ReasonM365, sourceM365)
	v.Notes = []Remark{{Code: NoteInternetNeeded}, {Code: NoteUnapprovedError}}
	if f.firstParty {
		v.Notes = append(v.Notes, Remark{NoteFirstParty, f.frontDoor})
	}
	permitted := slices.ContainsFunc(f.m365, c.permits)
	if !slices.ContainsFunc(f.m365, needsApproval) || c != nil && c.Approved {
		v.State = Possible
	} else {
		v.Needs = append(v.Needs, Remark{NeedApproval, joined(f.m365)})
	}
	if slices.ContainsFunc(f.m365, needsApproval) && (c == nil || c.SKU != Premium) {
		v.Needs = append(v.Needs, Remark{Code: NeedPremium})
	}
	if !permitted {
		v.Needs = append(v.Needs, Remark{NeedCommunity, f.m365[0].String()})
	}
	if v.State == Possible && permitted && len(v.Needs) == 0 {
		v.State = Yes
	}
	return v
}
