package catalog

// Entry is one change of a Difference by itself: a line of a table. Every word is a stable code.
type Entry struct {
	// Subject is what the change is of: set, handling, class, feature; or host and prefix, of the catalog as a whole.
	Subject string `json:"subject"`
	ID      string `json:"id"`             // of the set or feature; the pattern of a handling or class; "" of a host or prefix
	Part    string `json:"part,omitempty"` // host, url, prefix, port, template, service-tag, claim, requires; the field; the aspect; "" for the subject itself
	Change  string `json:"change"`         // added, removed, changed, withdrawn, restored
	Value   string `json:"value,omitempty"`
	From    string `json:"from,omitempty"` // of a change
	To      string `json:"to,omitempty"`
}

// Entries returns every change by itself, in the order of the Difference.
func (d Difference) Entries() []Entry {
	var out []Entry
	part := func(e Entry, delta Delta) {
		for _, v := range delta.Added {
			e.Change, e.Value = Added, v
			out = append(out, e)
		}
		for _, v := range delta.Removed {
			e.Change, e.Value = Removed, v
			out = append(out, e)
		}
	}
	for _, s := range d.Sets {
		id := s.ID.String()
		if s.Kind != Changed {
			out = append(out, Entry{Subject: "set", ID: id, Change: s.Kind})
		}
		for _, p := range s.Deltas() {
			part(Entry{Subject: "set", ID: id, Part: p.Part}, p.Delta)
		}
		for _, f := range s.Fields {
			out = append(out, Entry{Subject: "set", ID: id, Part: f.Field, Change: Changed, From: f.From, To: f.To})
		}
	}
	part(Entry{Subject: "host"}, d.Hosts)
	part(Entry{Subject: "prefix"}, d.Prefixes)
	for _, h := range d.Handling {
		out = append(out, Entry{Subject: "handling", ID: h.Pattern.String(), Part: h.Aspect, Change: Changed, From: h.From, To: h.To})
	}
	for _, c := range d.Classes {
		out = append(out, Entry{Subject: "class", ID: c.Pattern.String(), Change: Changed, From: c.From, To: c.To})
	}
	for _, f := range d.Features {
		if f.Kind != Changed {
			out = append(out, Entry{Subject: "feature", ID: string(f.ID), Change: f.Kind})
		}
		part(Entry{Subject: "feature", ID: string(f.ID), Part: "claim"}, f.Claims)
		part(Entry{Subject: "feature", ID: string(f.ID), Part: "requires"}, f.Requires)
	}
	return out
}
