package m365

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Change is one entry of /changes.
type Change struct {
	ID            int       `json:"id"` // immutable
	EndpointSetID int       `json:"endpointSetId"`
	Disposition   string    `json:"disposition"` // Add, Change, Remove
	Impact        string    `json:"impact,omitempty"`
	Version       string    `json:"version"` // that it leads to
	Previous      *Values   `json:"previous,omitempty"`
	Current       *Values   `json:"current,omitempty"`
	Add           *Addition `json:"add,omitempty"`
	Remove        *Removal  `json:"remove,omitempty"`
}

// Values are the fields of a row that are no lists. nil: not changed; an empty text: not there.
type Values struct {
	ExpressRoute *bool   `json:"expressRoute,omitempty"`
	ServiceArea  *string `json:"serviceArea,omitempty"`
	Category     *string `json:"category,omitempty"`
	Required     *bool   `json:"required,omitempty"`
	TCPPorts     *string `json:"tcpPorts,omitempty"`
	UDPPorts     *string `json:"udpPorts,omitempty"`
	Notes        *string `json:"notes,omitempty"`
}

// Addition is what joins a row, from EffectiveDate (YYYYMMDD) on.
type Addition struct {
	EffectiveDate string   `json:"effectiveDate,omitempty"`
	IPs           []string `json:"ips,omitempty"`
	URLs          []string `json:"urls,omitempty"`
}

// Removal is what leaves a row.
type Removal struct {
	IPs  []string `json:"ips,omitempty"`
	URLs []string `json:"urls,omitempty"`
}

// The dispositions and impacts that the service knows.
const (
	dispositionAdd    = "Add"
	dispositionChange = "Change"
	dispositionRemove = "Remove"

	impactAddedIP      = "AddedIp"
	impactAddedURL     = "AddedUrl"
	impactAddedBoth    = "AddedIpAndUrl"
	impactRemoved      = "RemovedIpOrUrl"
	impactExpressRoute = "ChangedIsExpressRoute"
	impactOther        = "OtherNonPriorityChanges"
)

// idsPerVersion is the room for the ids of one version's changes: an id is the version's number followed by the
// change's, so that it never changes and stays within what a JSON number holds exactly (2^53).
const idsPerVersion = 100_000

// Changes returns what leads from one list to the next, by row id. Both are compared in canonical order; to.Version
// says when. from may be nil: everything is new.
func Changes(from, to *List) []Change {
	before := &List{}
	if from != nil {
		before = from.Canonical()
	}
	after := to.Canonical()
	was, is := byID(before), byID(after)
	ids := make([]int, 0, len(is))
	for id := range was {
		ids = append(ids, id)
	}
	for id := range is {
		if _, ok := was[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	number, _ := strconv.Atoi(to.Version)
	var out []Change
	for _, id := range ids {
		old, there := was[id]
		now, stays := is[id]
		if there && stays && old.Equal(now) {
			continue
		}
		c := Change{ID: number*idsPerVersion + len(out) + 1, EndpointSetID: id, Version: to.Version}
		c.fill(old, there, now, stays, to.Version)
		out = append(out, c)
	}
	return out
}

func byID(l *List) map[int]Row {
	out := make(map[int]Row, len(l.Rows))
	for _, r := range l.Rows {
		out[r.ID] = r
	}
	return out
}

// fill says what changed from old to now, of which one may not be there.
func (c *Change) fill(old Row, there bool, now Row, stays bool, version string) {
	switch {
	case !there:
		c.Disposition = dispositionAdd
	case !stays:
		c.Disposition = dispositionRemove
	default:
		c.Disposition = dispositionChange
	}
	previous, current := &Values{}, &Values{}
	changed := false
	put := func(differs bool, set func(*Values, Row)) {
		if differs || !there || !stays {
			changed = true
			set(previous, old)
			set(current, now)
		}
	}
	put(old.ExpressRoute != now.ExpressRoute, func(v *Values, r Row) { v.ExpressRoute = &r.ExpressRoute })
	put(old.ServiceArea != now.ServiceArea, func(v *Values, r Row) { v.ServiceArea = &r.ServiceArea })
	put(old.Category != now.Category, func(v *Values, r Row) { v.Category = &r.Category })
	put(old.Required != now.Required, func(v *Values, r Row) { v.Required = &r.Required })
	put(old.TCPPorts != now.TCPPorts, func(v *Values, r Row) { v.TCPPorts = &r.TCPPorts })
	put(old.UDPPorts != now.UDPPorts, func(v *Values, r Row) { v.UDPPorts = &r.UDPPorts })
	put(old.Notes != now.Notes, func(v *Values, r Row) { v.Notes = &r.Notes })
	if changed && there {
		c.Previous = previous
	}
	if changed && stays {
		c.Current = current
	}
	add := &Addition{EffectiveDate: day(version), IPs: less(now.IPs, old.IPs), URLs: less(now.URLs, old.URLs)}
	remove := &Removal{IPs: less(old.IPs, now.IPs), URLs: less(old.URLs, now.URLs)}
	if len(add.IPs)+len(add.URLs) > 0 {
		c.Add = add
	}
	if len(remove.IPs)+len(remove.URLs) > 0 {
		c.Remove = remove
	}
	c.Impact = impact(c, there && stays && old.ExpressRoute != now.ExpressRoute)
}

func day(version string) string {
	if len(version) < 8 {
		return ""
	}
	return version[:8]
}

// impact is the word by which readers sort: what must be opened comes before what may be closed.
func impact(c *Change, expressRoute bool) string {
	switch {
	case c.Add != nil && len(c.Add.IPs) > 0 && len(c.Add.URLs) > 0:
		return impactAddedBoth
	case c.Add != nil && len(c.Add.IPs) > 0:
		return impactAddedIP
	case c.Add != nil:
		return impactAddedURL
	case c.Remove != nil:
		return impactRemoved
	case expressRoute:
		return impactExpressRoute
	}
	return impactOther
}

// less returns what of a is not in b, in a's order.
func less(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, s := range b {
		in[s] = true
	}
	var out []string
	for _, s := range a {
		if !in[s] {
			out = append(out, s)
		}
	}
	return out
}

// Fold applies the changes that lead to version onto a list and returns the list of that version, in canonical order.
// Changes that lead elsewhere are passed over. It returns an error naming the change that does not fit.
func Fold(l *List, changes []Change, version string) (*List, error) {
	rows := map[int]Row{}
	instance := Instance("")
	if l != nil {
		rows, instance = byID(l.Canonical()), l.Instance
	}
	for _, c := range changes {
		if c.Version != version {
			continue
		}
		row, there := rows[c.EndpointSetID]
		if there == (c.Disposition == dispositionAdd) {
			return nil, fmt.Errorf("change %d: %s of set %d, which is there: %t", c.ID, c.Disposition, c.EndpointSetID, there)
		}
		if c.Disposition == dispositionRemove {
			delete(rows, c.EndpointSetID)
			continue
		}
		row.ID = c.EndpointSetID
		row.apply(c.Current)
		if c.Remove != nil {
			row.IPs, row.URLs = less(row.IPs, c.Remove.IPs), less(row.URLs, c.Remove.URLs)
		}
		if c.Add != nil {
			row.IPs = append(slices.Clone(row.IPs), c.Add.IPs...)
			row.URLs = append(slices.Clone(row.URLs), c.Add.URLs...)
		}
		rows[row.ID] = row
	}
	out := &List{Instance: instance, Version: version}
	for _, r := range rows {
		out.Rows = append(out.Rows, r)
	}
	slices.SortFunc(out.Rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return out.Canonical(), nil
}

// apply takes over what v states.
func (r *Row) apply(v *Values) {
	if v == nil {
		return
	}
	take(&r.ExpressRoute, v.ExpressRoute)
	take(&r.ServiceArea, v.ServiceArea)
	take(&r.Category, v.Category)
	take(&r.Required, v.Required)
	take(&r.TCPPorts, v.TCPPorts)
	take(&r.UDPPorts, v.UDPPorts)
	take(&r.Notes, v.Notes)
}

func take[T any](into *T, v *T) {
	if v != nil {
		*into = *v
	}
}
