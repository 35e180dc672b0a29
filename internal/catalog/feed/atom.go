package feed

import (
	"encoding/xml"
	"fmt"
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

// Atom writes differences between versions of the catalog as an Atom feed, in the order given (newest first, so that
// readers that show a few show the newest). self is the address of the feed, absolute; it is also its identity. The
// text of an entry is the same in every language: identities, hosts and prefixes with "+" and "-" before them.
func Atom(self, organisation string, differences []catalog.Difference) []byte {
	f := atomFeed{
		ID: self, Title: "Sekisho: " + organisation, Link: atomLink{"self", self}, Author: atomAuthor{"Sekisho"},
		Updated: time.Unix(0, 0).UTC().Format(time.RFC3339),
	}
	if organisation == "" {
		f.Title = "Sekisho"
	}
	for i, d := range differences {
		updated := d.ToDate.UTC().Format(time.RFC3339)
		if i == 0 {
			f.Updated = updated
		}
		f.Entries = append(f.Entries, atomEntry{
			ID: self + "#" + d.From + ".." + d.To, Updated: updated,
			Title:   fmt.Sprintf("%s -> %s: %d sets, +%d -%d hosts, +%d -%d prefixes", d.From, d.To, len(d.Sets), len(d.Hosts.Added), len(d.Hosts.Removed), len(d.Prefixes.Added), len(d.Prefixes.Removed)),
			Content: atomText{"text", Lines(d)},
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
