package catalog

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// The compact form of parts is what the YAML files of builtin/ are compiled in as: every command reads it before it
// does anything, and YAML takes some twenty times as long. TestDocs compares it with the files and writes it again.
//
// It is the length of a table of texts, the table, then the parts; numbers are unsigned varints, a text is its place in
// the table, a list is its length and its elements. Nothing in it says what a value is: compact.parts and what it calls
// are one description, walked for writing and for reading, so that the two cannot part.

// compact is one walk. Texts collects or holds the table, out is what was written, in what is yet to be read.
type compact struct {
	writing bool
	texts   []string
	places  map[string]uint64 // writing: where in texts each text stands
	out     []byte
	in      []byte
	broken  bool // reading: the data ended early or says what no writer writes

	patterns map[string]endpoint.Pattern // reading: most patterns stand there more than once
	ports    map[string]endpoint.Ports
}

// errCompact is returned for data that no writer wrote.
var errCompact = errors.New("not the compact form of a catalog")

// writeCompact returns the compact form of parts, which hold no renewals.
func writeCompact(parts []*Part) []byte {
	c := &compact{writing: true, places: map[string]uint64{}}
	c.parts(&parts)
	table := &compact{writing: true}
	n := len(c.texts)
	table.count(&n)
	for _, s := range c.texts {
		size := len(s)
		table.count(&size)
		table.out = append(table.out, s...)
	}
	return append(binary.AppendUvarint(nil, uint64(len(table.out))), append(table.out, c.out...)...)
}

// readCompact reads what writeCompact wrote. The parts share data's memory.
func readCompact(data string) ([]*Part, error) {
	c := &compact{in: []byte(data), patterns: map[string]endpoint.Pattern{}, ports: map[string]endpoint.Ports{}}
	size := c.number(0)
	begin := len(data) - len(c.in)
	if size > uint64(len(c.in)) {
		return nil, errCompact
	}
	body := c.in[size:]
	c.in = c.in[:size]
	table := data[begin : begin+int(size)]
	var n int
	c.count(&n)
	if n > len(c.in) {
		return nil, errCompact
	}
	c.texts = make([]string, n)
	for i := range c.texts {
		var length int
		c.count(&length)
		at := len(table) - len(c.in)
		if length > len(c.in) {
			return nil, errCompact
		}
		c.texts[i] = table[at : at+length]
		c.in = c.in[length:]
	}
	if len(c.in) > 0 {
		return nil, errCompact
	}
	c.in = body
	var parts []*Part
	c.parts(&parts)
	if c.broken || len(c.in) > 0 {
		return nil, errCompact
	}
	return parts, nil
}

// number writes n, or reads a number and returns it.
func (c *compact) number(n uint64) uint64 {
	if c.writing {
		c.out = binary.AppendUvarint(c.out, n)
		return n
	}
	n, size := binary.Uvarint(c.in)
	if size <= 0 {
		c.broken, c.in = true, nil
		return 0
	}
	c.in = c.in[size:]
	return n
}

// count is a number that is not negative and fits an int.
func (c *compact) count(n *int) {
	v := c.number(uint64(*n))
	if v > 1<<31-1 {
		c.broken, v = true, 0
	}
	*n = int(v)
}

func (c *compact) text(s *string) {
	if c.writing {
		at, ok := c.places[*s]
		if !ok {
			at = uint64(len(c.texts))
			c.places[*s] = at
			c.texts = append(c.texts, *s)
		}
		c.number(at)
		return
	}
	at := c.number(0)
	if at >= uint64(len(c.texts)) {
		c.broken = true
		return
	}
	*s = c.texts[at]
}

// flag is a truth value.
func (c *compact) flag(b *bool) {
	var n uint64
	if *b {
		n = 1
	}
	*b = c.number(n) == 1
}

// small is a value of one of the catalog's enumerations.
func small[T ~uint8](c *compact, v *T) { *v = T(c.number(uint64(*v))) }

// items walks a list; nil and empty are one.
func items[T any](c *compact, list *[]T, each func(*T)) {
	n := len(*list)
	c.count(&n)
	if !c.writing {
		if n > len(c.in) { // every element takes a byte at least
			c.broken = true
			return
		}
		if n == 0 {
			*list = nil
			return
		}
		*list = make([]T, n)
	}
	for i := range *list {
		each(&(*list)[i])
	}
}

func (c *compact) words(list *[]string) { items(c, list, c.text) }

// day is a day in UTC; the zero time is 0, the first day of 1970 is 1.
func (c *compact) day(t *time.Time) {
	const seconds = 24 * 60 * 60
	var n uint64
	if !t.IsZero() {
		n = uint64(t.Unix()/seconds) + 1
	}
	if n = c.number(n); !c.writing && n > 0 {
		*t = time.Unix(int64(n-1)*seconds, 0).UTC()
	}
}

func (c *compact) pos(p *finding.Pos) {
	c.text(&p.File)
	c.count(&p.Line)
	c.count(&p.Column)
}

// spoken is something that its own parser reads back.
func spoken[T any](c *compact, v *T, text string, parse func(string) (T, error)) {
	c.text(&text)
	if c.writing || c.broken {
		return
	}
	var err error
	if *v, err = parse(text); err != nil {
		c.broken = true
	}
}

func (c *compact) pattern(p *endpoint.Pattern) {
	spoken(c, p, p.String(), func(s string) (endpoint.Pattern, error) { return remember(c.patterns, s, endpoint.ParsePattern) })
}

func remember[T any](known map[string]T, s string, parse func(string) (T, error)) (T, error) {
	if v, ok := known[s]; ok {
		return v, nil
	}
	v, err := parse(s)
	if err == nil {
		known[s] = v
	}
	return v, err
}

func (c *compact) portsOf(p *endpoint.Ports) {
	spoken(c, p, p.String(), func(s string) (endpoint.Ports, error) { return remember(c.ports, s, endpoint.ParsePorts) })
}

func (c *compact) url(u *endpoint.URL) { spoken(c, u, u.String(), endpoint.ParseURL) }

func (c *compact) template(t *Template) { c.text(&t.text) }

func (c *compact) prefix(p *netip.Prefix) { spoken(c, p, p.String(), netip.ParsePrefix) }

func (c *compact) both(t *Text) {
	c.text(&t.JA)
	c.text(&t.EN)
}

func (c *compact) claim(id *ClaimID) {
	c.text(&id.Source)
	c.text(&id.Cloud)
	c.text(&id.ID)
}

// declarations walks a list of things with their places.
func declarations[T any](c *compact, list *[]declared[T], each func(*T)) {
	items(c, list, func(d *declared[T]) {
		each(&d.v)
		c.pos(&d.pos)
	})
}

// pointed walks a list of pointers to things with their places.
func pointed[T any](c *compact, list *[]declared[*T], each func(*T)) {
	declarations(c, list, func(p **T) {
		if !c.writing {
			*p = new(T)
		}
		each(*p)
	})
}

func (c *compact) parts(parts *[]*Part) {
	items(c, parts, func(p **Part) {
		if !c.writing {
			*p = &Part{}
		}
		c.part(*p)
	})
}

func (c *compact) part(p *Part) {
	pointed(c, &p.sources, c.source)
	pointed(c, &p.sets, c.set)
	pointed(c, &p.features, c.feature)
	pointed(c, &p.rules, c.rule)
	pointed(c, &p.classes, c.class)
	declarations(c, &p.signIn, c.claim)
}

func (c *compact) source(s *Source) {
	c.text(&s.ID)
	c.both(&s.Title)
	c.text(&s.URL)
	c.day(&s.Date)
	small(c, &s.Precision)
	c.day(&s.Read)
}

func (c *compact) named(n *named) {
	c.text(&n.v)
	c.pos(&n.pos)
}

func (c *compact) set(s *setDraft) {
	c.claim(&s.ID)
	c.text(&s.Area)
	c.both(&s.Title)
	small(c, &s.Category)
	c.flag(&s.Required)
	c.both(&s.LostWithout)
	items(c, &s.Patterns, c.pattern)
	items(c, &s.URLs, c.url)
	items(c, &s.Prefixes, c.prefix)
	c.flag(&s.Anywhere)
	c.portsOf(&s.Ports)
	c.flag(&s.PortsInferred)
	small(c, &s.Direction)
	small(c, &s.ExpressRoute)
	c.both(&s.Condition)
	c.both(&s.Note)
	items(c, &s.Templates, c.template)
	c.words(&s.Tags)
	c.both(&s.Between.From)
	c.both(&s.Between.To)
	c.words(&s.When.Clouds)
	c.words(&s.When.Locations)
	small(c, &s.When.SeamlessSSO)
	c.words(&s.ScaleUnits)
	c.words(&s.StorageNames)
	c.day(&s.Seen)
	c.day(&s.Withdrawn)
	c.flag(&s.Unattached)
	c.named(&s.source)
	items(c, &s.handling, func(r **rule) {
		if !c.writing {
			*r = &rule{}
		}
		c.rule(*r)
	})
}

func (c *compact) feature(f *featureDraft) {
	id := string(f.ID)
	c.text(&id)
	f.ID = FeatureID(id)
	c.both(&f.Title)
	c.both(&f.About)
	items(c, &f.requires, c.named)
	declarations(c, &f.claims, c.claim)
}

func (c *compact) rule(r *rule) {
	c.named(&r.source)
	declarations(c, &r.hosts, c.pattern)
	items(c, &r.categories, func(v *Category) { small(c, v) })
	small(c, &r.inspection)
	for i := range r.yes {
		c.flag(&r.yes[i])
	}
	r.idle = time.Duration(c.number(uint64(r.idle)))
	c.both(&r.text)
}

func (c *compact) class(k *classDraft) {
	small(c, &k.class)
	c.named(&k.source)
	declarations(c, &k.hosts, c.pattern)
	c.both(&k.why)
}
