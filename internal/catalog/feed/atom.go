package feed

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
)

// atomFeed is an Atom feed (RFC 4287), as much of it as is needed.
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Link    atomLink    `xml:"link"`
	Author  atomAuthor  `xml:"author"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomEntry struct {
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Content atomText `xml:"content"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// Told is a difference with what else is known of it.
type Told struct {
	catalog.Difference
	// Impact is what the difference changes for the organisation, in plain lines; "" when it is not known.
	Impact string
	// Effective returns the day from which an added value of a set is in force; nil: nobody has announced any.
	Effective func(set catalog.ClaimID, value string) (time.Time, bool)
}

// effective lists what is in force from which day, earliest first.
func (t Told) effective() string {
	if t.Effective == nil {
		return ""
	}
	var lines []string
	for _, s := range t.Sets {
		for _, d := range s.Deltas() {
			for _, v := range d.Added {
				if day, ok := t.Effective(s.ID, v); ok {
					lines = append(lines, day.Format(time.DateOnly)+" "+v+" ("+s.ID.String()+")\n")
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}

// Atom writes differences between versions of the catalog as an Atom feed, in the order given (newest first, so that
// readers that show a few show the newest). changed is when the version in use came into use. self is the address of the feed, absolute; it is also its identity. The
// text of an entry is the same in every language: identities, hosts and prefixes with "+" and "-" before them; then from
// when what was added is in force, and what changes for the organisation, as far as they are known.
func Atom(self, organisation string, changed time.Time, told []Told) []byte {
	f := atomFeed{
		ID: self, Title: "Sekisho: " + organisation, Link: atomLink{"self", self}, Author: atomAuthor{"Sekisho"},
		Updated: changed.UTC().Format(time.RFC3339),
	}
	if organisation == "" {
		f.Title = "Sekisho"
	}
	for _, d := range told {
		updated := d.ToDate.UTC().Format(time.RFC3339)
		text := Lines(d.Difference)
		if days := d.effective(); days != "" {
			text += "\nin force from:\n" + days
		}
		if d.Impact != "" {
			text += "\nimpact:\n" + d.Impact
		}
		f.Entries = append(f.Entries, atomEntry{
			ID: self + "#" + d.From + ".." + d.To, Updated: updated,
			Title:   fmt.Sprintf("%s -> %s: %d sets, +%d -%d hosts, +%d -%d prefixes", d.From, d.To, len(d.Sets), len(d.Hosts.Added), len(d.Hosts.Removed), len(d.Prefixes.Added), len(d.Prefixes.Removed)),
			Content: atomText{"text", text},
		})
	}
	out, err := xml.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("feed: " + err.Error()) // plain data
	}
	return append([]byte(xml.Header), append(out, '\n')...)
}

// Lines prints a difference in plain lines that no language changes: a set's identity and kind, then what joined it
// with "+" and what left it with "-".
func Lines(d catalog.Difference) string { return Words(d, func(code string) string { return code }) }

// Words is Lines with each code of a kind of change, a field, an aspect or a value worded by word.
func Words(d catalog.Difference, word func(code string) string) string {
	var b strings.Builder
	put := func(sign string, values []string) {
		for _, v := range values {
			fmt.Fprintf(&b, "  %s %s\n", sign, v)
		}
	}
	stated := func(s string) string {
		if s == "" {
			return "-"
		}
		return word(s)
	}
	for _, s := range d.Sets {
		fmt.Fprintf(&b, "%s %s\n", s.ID, word(s.Kind))
		for _, delta := range s.Deltas() {
			put("+", delta.Added)
			put("-", delta.Removed)
		}
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "  %s: %s -> %s\n", word(f.Field), stated(f.From), stated(f.To))
		}
	}
	for _, h := range d.Handling {
		fmt.Fprintf(&b, "%s %s: %s -> %s\n", h.Pattern, word(h.Aspect), stated(h.From), stated(h.To))
	}
	for _, c := range d.Classes {
		fmt.Fprintf(&b, "%s %s: %s -> %s\n", c.Pattern, word("class"), stated(c.From), stated(c.To))
	}
	for _, f := range d.Features {
		fmt.Fprintf(&b, "%s %s\n", f.ID, word(f.Kind))
		for _, delta := range []catalog.Delta{f.Claims, f.Requires} {
			put("+", delta.Added)
			put("-", delta.Removed)
		}
	}
	return b.String()
}
