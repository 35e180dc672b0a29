package route

import (
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/servicetags"
)

// wholeExport is how many communities with prefixes make an export one of everything (chosen: the public cloud has some
// two hundred; whoever exported a region or two has fewer than twenty).
const wholeExport = 40

// judge gives the verdict of every pattern.
func (b *Book) judge(f *facts) []Verdict {
	list := make([]Verdict, 0, len(patternCodes)-1)
	if f.falsely {
		for _, p := range Patterns() {
			v := say(p, Unknown, ReasonFalseAnswer, sourceRegistries)
			v.Needs, v.Notes, v.Evidence = []Remark{}, []Remark{}, b.evidence(f)
			list = append(list, v)
		}
		return list
	}
	private := b.overPrivate(f)
	microsoft := b.overMicrosoft(f)
	for _, v := range []Verdict{b.overInternet(f), b.overVPN(f), private, microsoft, b.overIPsec(f, private), b.overMACsec(private, microsoft),
		b.overPeeringService(f), b.overEgress(f), b.overGSA(f)} {
		if v.Needs == nil {
			v.Needs = []Remark{}
		}
		if v.Notes == nil {
			v.Notes = []Remark{}
		}
		if v.Evidence == nil {
			v.Evidence = b.evidence(f)
		}
		list = append(list, v)
	}
	return list
}

func say(p Pattern, s State, r Reason, source string) Verdict {
	return Verdict{Pattern: p, State: s, Reason: r, Source: sourceByID[source]}
}

// evidence is what tells whose the target is: the strongest piece, and what a reader would look up.
func (b *Book) evidence(f *facts) []Evidence {
	list := []Evidence{}
	switch {
	case f.private || f.special:
		return append(list, Evidence{ByList, f.prefix.String(), sourceRegistries})
	case len(f.hits) > 0:
		for _, h := range f.telling() {
			list = append(list, Evidence{ByTag, h.Tag.Name + " " + h.Prefix.String(), b.tagFile[h.Tag.Cloud]})
		}
	}
	if len(list) == 0 {
		for _, h := range f.sets[:min(len(f.sets), 3)] {
			list = append(list, Evidence{ByList, h.Set.ID.String() + " " + h.Prefix.String(), b.spec.Catalog.Version()})
		}
	}
	if f.holder.AS != 0 {
		list = append(list, Evidence{ByAS, "AS" + strconv.FormatUint(uint64(f.holder.AS), 10) + " " + f.holder.Name + " " + f.holder.Prefix.String(), f.holder.File})
	}
	if len(list) == 0 && f.rule.owner != "" {
		list = append(list, Evidence{ByName, f.named, f.rule.source})
	}
	return list
}

// telling are the tags that a verdict rests on: Front Door's, the services with a community, the region; else the first.
func (f *facts) telling() []servicetags.Hit {
	var list []servicetags.Hit
	for _, h := range f.hits {
		service, _, _ := cutTag(h.Tag.Name)
		switch {
		case h.Tag.Name == f.frontDoor, tagServices[service] != 0, service == "AzureCloud" && f.region != nil && h.Tag.Region != "":
			if !slices.ContainsFunc(list, func(x servicetags.Hit) bool { return x.Tag == h.Tag }) {
				list = append(list, h)
			}
		}
	}
	if len(list) == 0 && len(f.hits) > 0 {
		list = f.hits[:1]
	}
	return list
}

func (b *Book) overInternet(f *facts) Verdict {
	switch {
	case f.private:
		return say(Internet, No, ReasonPrivateAddress, sourceArticle)
	case f.special:
		return say(Internet, No, ReasonSpecialAddress, sourceRegistries)
	case f.owner.Code == OwnerPrivate:
		return say(Internet, No, ReasonPrivateAddress, sourceArticle)
	}
	v := say(Internet, Yes, ReasonPublicAddress, sourceArticle)
	if !f.prefix.IsValid() && f.rule.owner == "" {
		v.Reason = ReasonNotResolved // a public name, as far as anybody knows
	}
	if !slices.Contains(b.spec.Roads, Internet) {
		v.State, v.Needs = Possible, []Remark{{Code: NeedInternetRoad}}
	}
	return v
}

// isM365 reports whether a target is Microsoft 365's and not Azure's.
func (f *facts) isM365() bool { return len(f.m365) > 0 && f.region == nil }

// toVNet is the verdict of a pattern that leads to virtual networks and nowhere else.
func (b *Book) toVNet(p Pattern, f *facts, has bool, need Remark, source string) Verdict {
	switch {
	case f.private || f.owner.Code == OwnerPrivate:
		for i := range b.spec.Circuits {
			c := &b.spec.Circuits[i]
			if !f.prefix.IsValid() || !within(c.VNets, f.prefix) {
				continue
			}
			v := say(p, Yes, ReasonInVNet, source)
			v.Circuit = c.Name
			v.Evidence = []Evidence{{ByList, f.prefix.String(), placeOf(c)}}
			if !has {
				v.State, v.Needs = Possible, []Remark{need}
			}
			return v
		}
		v := say(p, Unknown, ReasonVNetUnknown, source)
		v.Needs = []Remark{{Code: NeedVNet}}
		return v
	case f.special:
		return say(p, No, ReasonSpecialAddress, sourceRegistries)
	case f.isM365() && p == VPN:
		return say(p, No, ReasonM365NotByVPN, sourceArticle)
	case f.owner.Code == OwnerUnknown && !f.prefix.IsValid():
		return say(p, Unknown, ReasonNotResolved, sourceArticle)
	}
	v := say(p, No, ReasonVNetOnly, source)
	if f.owner.Code == OwnerAzure {
		v.Notes = []Remark{{Code: NotePrivateEndpoint}}
	}
	return v
}

// placeOf names where a circuit was written.
func placeOf(c *Circuit) string {
	if c.Pos.Known() {
		return c.Pos.String()
	}
	return c.Name
}

func (b *Book) overVPN(f *facts) Verdict {
	return b.toVNet(VPN, f, slices.Contains(b.spec.Roads, VPN), Remark{Code: NeedVPNGateway}, sourceArticle)
}

func (b *Book) overPrivate(f *facts) Verdict {
	// What the router received comes before what the configuration says.
	if f.private && f.prefix.IsValid() {
		for i := range b.spec.Circuits {
			c := &b.spec.Circuits[i]
			if r, file, ok := c.received(f.prefix); ok && r.Prefix.Bits() > 0 && r.OverExpressRoute() && r.PrivatePeering() {
				v := say(PrivatePeering, Yes, ReasonReceived, sourceRouting)
				v.Circuit, v.Evidence = c.Name, []Evidence{received(r, file)}
				return v
			}
		}
	}
	v := b.toVNet(PrivatePeering, f, false, Remark{Code: NeedPrivate}, sourceArticle)
	if v.Reason != ReasonInVNet {
		return v
	}
	for i := range b.spec.Circuits {
		if c := &b.spec.Circuits[i]; c.Private && within(c.VNets, f.prefix) {
			v.State, v.Circuit, v.Needs = Yes, c.Name, nil
			if len(c.Received) > 0 { // and the router has no such route, else it would have been found above
				v.State, v.Reason = No, ReasonNotReceived
				v.Evidence = []Evidence{{ByRoute, "-", c.Received[0].File}}
			}
			return v
		}
	}
	return v
}

func received(r bgp.Route, file string) Evidence {
	fact := r.Prefix.String()
	for i, as := range r.Path {
		if i == 0 {
			fact += " path"
		}
		fact += " " + strconv.FormatUint(uint64(as), 10)
	}
	for _, c := range r.Communities {
		fact += " " + c.String()
	}
	return Evidence{ByRoute, fact, file}
}

func (b *Book) overIPsec(f *facts, private Verdict) Verdict {
	v := private
	v.Pattern, v.Source = IPsec, sourceByID[sourceIPsec]
	v.Needs, v.Notes = slices.Clone(private.Needs), slices.Clone(private.Notes)
	if v.State != Yes && v.State != Possible {
		return v
	}
	for i := range b.spec.Circuits {
		if c := &b.spec.Circuits[i]; c.Name == v.Circuit && c.IPsec {
			return v
		}
	}
	v.State = Possible
	v.Needs = append(v.Needs, Remark{Code: NeedVPNGateway})
	return v
}

// overMACsec carries what the peerings carry, encrypted between the organisation's port and Microsoft's.
func (b *Book) overMACsec(private, microsoft Verdict) Verdict {
	v := microsoft
	if microsoft.State.Worse(private.State) {
		v = private
	}
	v.Pattern = MACsec
	v.Needs, v.Notes = slices.Clone(v.Needs), slices.Clone(v.Notes)
	switch v.State {
	case Yes, Possible, Approval:
		v.Source = sourceByID[sourceMACsec]
		c := b.circuit(v.Circuit)
		switch {
		case c != nil && c.Direct && c.MACsec:
			if v.State == Yes {
				v.Reason = ReasonMACsec
			}
			return v
		case c != nil && c.Direct:
			v.Needs = append(v.Needs, Remark{Code: NeedMACsec})
		default:
			v.Needs = append(v.Needs, Remark{Code: NeedDirect}, Remark{Code: NeedMACsec})
		}
		if v.State == Yes {
			v.State = Possible
		}
	}
	return v
}

func (b *Book) circuit(name string) *Circuit {
	for i := range b.spec.Circuits {
		if b.spec.Circuits[i].Name == name {
			return &b.spec.Circuits[i]
		}
	}
	return nil
}

func (b *Book) overPeeringService(f *facts) Verdict {
	switch {
	case f.private || f.owner.Code == OwnerPrivate:
		return say(PeeringService, No, ReasonPrivateAddress, sourcePeering)
	case f.special:
		return say(PeeringService, No, ReasonSpecialAddress, sourceRegistries)
	case f.owner.Code == OwnerUnknown:
		if !f.prefix.IsValid() {
			return say(PeeringService, Unknown, ReasonNotResolved, sourcePeering)
		}
		return say(PeeringService, Unknown, ReasonUnknownOwner, sourcePeering)
	case !microsofts(f.owner.Code):
		return say(PeeringService, No, ReasonNotMicrosoft, sourcePeering)
	case f.cloud == "china":
		return say(PeeringService, No, ReasonOtherCloud, sourcePeering) // operated by 21Vianet, not by AS8075
	}
	v := say(PeeringService, Possible, ReasonMicrosoftNetwork, sourcePeering)
	v.Notes = []Remark{{Code: NoteNotClosed}}
	if slices.Contains(b.spec.Roads, PeeringService) {
		v.State = Yes
	} else {
		v.Needs = []Remark{{Code: NeedProvider}}
	}
	return v
}

func (b *Book) overEgress(f *facts) Verdict {
	switch {
	case f.private || f.owner.Code == OwnerPrivate:
		return say(AzureEgress, No, ReasonPrivateAddress, sourceEgress)
	case f.special:
		return say(AzureEgress, No, ReasonSpecialAddress, sourceRegistries)
	}
	v := say(AzureEgress, Possible, ReasonEgress, sourceEgress)
	// A default route over private peering is observed proof that there is such a way out.
	for i := range b.spec.Circuits {
		c := &b.spec.Circuits[i]
		if r, file, ok := c.received(f.prefix); ok && f.prefix.IsValid() && r.Prefix.Bits() == 0 && r.OverExpressRoute() {
			v.State, v.Circuit, v.Evidence = Yes, c.Name, []Evidence{received(r, file)}
			return v
		}
	}
	if slices.Contains(b.spec.Roads, AzureEgress) {
		v.State = Yes
	} else {
		v.Needs = []Remark{{Code: NeedEgressProxy}}
	}
	return v
}

func (b *Book) overGSA(f *facts) Verdict {
	if f.special {
		return say(GlobalSecureAccess, No, ReasonSpecialAddress, sourceRegistries)
	}
	v := say(GlobalSecureAccess, Possible, ReasonGSA, sourceGSA)
	if slices.Contains(b.spec.Roads, GlobalSecureAccess) {
		v.State = Yes
	} else {
		v.Needs = []Remark{{Code: NeedGSA}, {Code: NeedInternet}}
	}
	return v
}

// joined prints communities with blanks between.
func joined(list []bgp.Community) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = c.String()
	}
	return strings.Join(texts, " ")
}

// listedOf says what rows say of ExpressRoute.
func listedOf(hits []catalog.Hit) Listed {
	l := Listed{ExpressRoute: catalog.NotStated.String(), Says: []ListedSays{}}
	// Rows of other clouds speak for the organisation only where no row is its own.
	own := slices.ContainsFunc(hits, func(h catalog.Hit) bool { return h.Set.Applies != catalog.No })
	for _, h := range hits {
		said := h.Set.ExpressRoute
		if own && h.Set.Applies == catalog.No {
			continue
		}
		if said == catalog.NotStated || slices.ContainsFunc(l.Says, func(s ListedSays) bool { return s.Claim == h.Set.ID.String() }) {
			continue
		}
		match := h.Pattern.String()
		if h.Prefix.IsValid() {
			match = h.Prefix.String()
		}
		l.Says = append(l.Says, ListedSays{Claim: h.Set.ID.String(), ExpressRoute: said.String(), Match: match})
		switch {
		case len(l.Says) == 1:
			l.ExpressRoute = said.String()
		case l.ExpressRoute != said.String():
			l.ExpressRoute = "differs"
		}
	}
	return l
}
