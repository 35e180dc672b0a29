// Package chart draws the roads of an organisation as SVG: its network at the left, a lane for each way of being connected,
// and at the right what lies at the end: virtual networks, regions, Entra ID, Front Door and Microsoft 365 within
// Microsoft's network, and content networks, certificate authorities and others outside.
//
//	chart.Draw(w, book, rows, chart.Options{Word: words, Organisation: "Contoso"})
//
// Where a lane crosses a destination stands a mark in the colour of the verdict, with a sign of its own for readers without
// colours, and how many endpoints it carries. The drawing fits A4 across, has no script and refers to nothing outside
// itself. The same input gives the same bytes. The package judges nothing.
package chart

import (
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"

	"sekisho/internal/bgp"
	"sekisho/internal/route"
)

// Options are what a drawing says beside the verdicts.
type Options struct {
	// Word words a code in the reader's language: "pattern.internet", "state.yes", "chart.title". It must not be nil.
	Word         func(id string) string
	Lang         string // "ja" or "en"
	Organisation string // name; "": the word for any organisation
	Date         string // day of the answer
	Catalog      string // version of the catalog
}

// Destinations, in the order in which they are drawn: five within Microsoft's network, then those outside.
const (
	virtualNetworks = iota
	regions
	identity
	frontDoor
	m365
	content
	authorities
	others
	unknown
	destinations
)

var destinationCodes = [destinations]string{"virtual-networks", "regions", "identity", "front-door", "m365", "content", "authorities", "others", "unknown"}

// Sizes in user units; A4 across is 297 by 210 mm.
const (
	width, height = 1188, 840
	left          = 20  // of the organisation
	lanes         = 190 // where lanes begin
	columns       = 420 // where destinations begin
	column        = 84
	top           = 170
	lane          = 62
)

// colour and sign of a state. The colours are told apart by people who see no red or green as well (dark blue, light
// blue, amber, grey, red-brown), and the signs without any.
var marks = map[route.State]struct{ fill, ink, sign string }{
	route.Yes:      {"#0b6e4f", "#ffffff", "○"},
	route.Possible: {"#9fd8c0", "#10362a", "△"},
	route.Approval: {"#f2c14e", "#3d2c00", "＊"},
	route.Unknown:  {"#d9dde3", "#333a44", "?"},
	route.No:       {"#b23a48", "#ffffff", "×"},
}

// cell counts the endpoints of one destination by state.
type cell map[route.State]int

func (c cell) total() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

func (c cell) carried() int { return c[route.Yes] + c[route.Possible] + c[route.Approval] }

// state is what most endpoints of the destination have; of equally many the worse.
func (c cell) state() route.State {
	best := route.Unknown
	for _, s := range route.States() {
		if c[s] > 0 && c[s] >= c[best] {
			best = s
		}
	}
	return best
}

// Draw writes the drawing. It returns the error of w.
func Draw(w io.Writer, b *route.Book, rows []*route.Row, o Options) error {
	d := &drawing{book: b, o: o, counts: map[route.Pattern][]cell{}}
	for _, p := range route.Patterns() {
		cells := make([]cell, destinations)
		for i := range cells {
			cells[i] = cell{}
		}
		for _, r := range rows {
			cells[destinationOf(r)][r.State(p)]++
		}
		for _, c := range b.Circuits() {
			for _, v := range c.VNets {
				a := b.Prefix(v)
				cells[virtualNetworks][a.Verdict(p).State]++
			}
		}
		d.counts[p] = cells
	}
	d.draw()
	_, err := io.WriteString(w, d.String())
	return err
}

// destinationOf says where an endpoint lies.
func destinationOf(r *route.Row) int {
	switch r.Kind {
	case route.KindCertificate:
		return authorities
	case route.KindCDN:
		return content
	case route.KindApple, route.KindGoogle, route.KindOther:
		return others
	case route.KindFrontDoor:
		return frontDoor
	}
	for _, c := range r.Part.Communities {
		if c == (bgp.Community{AS: bgp.MicrosoftEdge, Value: 5060}) || c == (bgp.Community{AS: bgp.MicrosoftEdge, Value: 5070}) {
			return identity
		}
	}
	switch {
	case r.M365:
		return m365
	case r.Part.Owner.Code == route.OwnerPrivate:
		return virtualNetworks
	case r.Part.Owner.Code == route.OwnerUnknown || r.Kind == route.KindUnknown:
		return unknown
	}
	return regions
}

type drawing struct {
	strings.Builder
	book   *route.Book
	o      Options
	counts map[route.Pattern][]cell
}

func (d *drawing) put(format string, args ...any) { fmt.Fprintf(&d.Builder, format+"\n", args...) }

// text writes s at x, y.
func (d *drawing) text(x, y int, class, s string) {
	d.put(`<text x="%d" y="%d" class="%s">%s</text>`, x, y, class, html.EscapeString(s))
}

// lines writes s in lines of at most most columns, at blanks or, in Japanese, anywhere.
func (d *drawing) lines(x, y, most int, class, s string) {
	for i, line := range fold(s, most, 4) {
		d.text(x, y+i*15, class, line)
	}
}

// fold breaks s into at most n lines of most columns.
func fold(s string, most, n int) (lines []string) {
	line, width := "", 0
	flush := func() {
		lines = append(lines, strings.TrimSpace(line))
		line, width = "", 0
	}
	for _, word := range strings.SplitAfter(s, " ") {
		size := columnsOf(word)
		if width > 0 && width+columnsOf(strings.TrimSpace(word)) > most {
			flush()
		}
		if size <= most {
			line, width = line+word, width+size
			continue
		}
		for _, r := range word {
			c := columnsOf(string(r))
			if width+c > most {
				flush()
			}
			line, width = line+string(r), width+c
		}
	}
	if line != "" {
		flush()
	}
	if len(lines) > n {
		lines = lines[:n]
	}
	return lines
}

func columnsOf(s string) (n int) {
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}

func (d *drawing) draw() {
	word := d.o.Word
	d.put(`<?xml version="1.0" encoding="UTF-8"?>`)
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" width="297mm" height="210mm" viewBox="0 0 %d %d" role="img" lang="%s">`, width, height, d.o.Lang)
	d.put(`<title>%s</title>`, html.EscapeString(word("chart.title")))
	d.put(`<style>text{font-family:"Noto Sans JP","Noto Sans CJK JP","Hiragino Sans","Yu Gothic",Arial,sans-serif;fill:#1d2733}` +
		`.h{font-size:24px;font-weight:700}.s{font-size:13px;fill:#4a5563}.n{font-size:15px;font-weight:700}.l{font-size:12.5px}` +
		`.c{font-size:12px;text-anchor:middle}.k{font-size:14px;font-weight:700;text-anchor:middle}.m{font-size:15px;font-weight:700;text-anchor:middle}.f{font-size:11px;fill:#4a5563}</style>`)
	d.put(`<rect width="%d" height="%d" fill="#ffffff"/>`, width, height)
	d.text(left, 42, "h", word("chart.title"))
	d.text(left, 66, "s", strings.TrimSpace(d.o.Organisation+"  "+d.o.Date+"  "+d.o.Catalog))

	bottom := top + len(route.Patterns())*lane
	// What lies at the end: Microsoft's network with its parts, and what is outside.
	d.frame(columns, 84, column*5, bottom-84+10, "#eaf2fb", "#2b6cb0", word("chart.microsoft"))
	d.frame(columns+column*5+8, 84, column*4, bottom-84+10, "#f6f4ef", "#8a7b52", word("chart.outside"))
	for i, code := range destinationCodes {
		x := d.x(i)
		d.centred(x, 126, word("chart.destination."+code))
	}
	// The organisation.
	d.frame(left, top-20, 150, bottom-top+30, "#eef3ee", "#3b6b4f", "")
	name := d.o.Organisation
	if name == "" {
		name = word("chart.organisation")
	}
	d.lines(left+12, top+16, 18, "n", name)
	for i, c := range d.book.Circuits() {
		if i == 6 {
			d.text(left+12, top+74+i*34, "f", "...")
			break
		}
		d.lines(left+12, top+74+i*34, 22, "f", c.Name+" ("+c.Location.Name+", "+c.SKU.String()+")")
	}
	for i, p := range route.Patterns() {
		d.lane(i, p)
	}
	d.legend(bottom + 40)
	d.put(`</svg>`)
}

func (d *drawing) frame(x, y, w, h int, fill, stroke, title string) {
	d.put(`<rect x="%d" y="%d" width="%d" height="%d" rx="12" fill="%s" stroke="%s" stroke-width="1.5"/>`, x, y, w, h, fill, stroke)
	if title != "" {
		d.put(`<text x="%d" y="%d" class="k">%s</text>`, x+w/2, y+22, html.EscapeString(title))
	}
}

// x is the middle of destination i.
func (d *drawing) x(i int) int {
	x := columns + i*column + column/2
	if i >= content {
		x += 8
	}
	return x
}

func (d *drawing) centred(x, y int, s string) {
	for i, line := range fold(s, 14, 3) {
		d.put(`<text x="%d" y="%d" class="c">%s</text>`, x, y+i*15, html.EscapeString(line))
	}
}

// lane draws one way of being connected, as far as the last destination that it carries something to.
func (d *drawing) lane(i int, p route.Pattern) {
	y := top + i*lane + lane/2
	cells := d.counts[p]
	last := -1
	for n, c := range cells {
		if c.carried() > 0 {
			last = n
		}
	}
	has := d.book.Has(p)
	dash, ink := ` stroke-dasharray="7 5"`, "#7a8594"
	if has {
		dash, ink = "", "#1f5f8b"
	}
	end := columns - 6
	if last >= 0 {
		end = d.x(last)
	}
	d.put(`<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="%s"%s/>`, left+150, y, end, y, ink, map[bool]string{true: "4", false: "2"}[has], dash)
	d.put(`<rect x="%d" y="%d" width="214" height="40" rx="8" fill="#ffffff" stroke="%s" stroke-width="1.5"/>`, lanes, y-20, ink)
	lines := fold(d.o.Word("pattern."+p.String()), 30, 2)
	for n, line := range lines {
		d.text(lanes+10, y+5-8*(len(lines)-1)+n*16, "l", line)
	}
	for n, c := range cells {
		total := c.total()
		if total == 0 {
			continue
		}
		m := marks[c.state()]
		x := d.x(n)
		d.put(`<g><title>%s</title>`, html.EscapeString(d.o.Word("pattern."+p.String())+" - "+d.o.Word("chart.destination."+destinationCodes[n])+": "+d.o.Word("state."+c.state().String())))
		d.put(`<circle cx="%d" cy="%d" r="14" fill="%s" stroke="#ffffff" stroke-width="2"/>`, x, y-6, m.fill)
		d.put(`<text x="%d" y="%d" class="m" style="fill:%s">%s</text></g>`, x, y-1, m.ink, m.sign)
		d.put(`<text x="%d" y="%d" class="c">%s</text>`, x, y+23, strconv.Itoa(c.carried())+" / "+strconv.Itoa(total))
	}
}

// legend explains marks, lines and figures.
func (d *drawing) legend(y int) {
	x := left
	for _, s := range route.States() {
		m := marks[s]
		text := d.o.Word("chart.state." + s.String())
		d.put(`<circle cx="%d" cy="%d" r="11" fill="%s"/><text x="%d" y="%d" class="m" style="fill:%s">%s</text>`, x+11, y, m.fill, x+11, y+5, m.ink, m.sign)
		d.text(x+28, y+5, "l", text)
		x += 44 + columnsOf(text)*7
	}
	d.text(left, y+32, "f", d.o.Word("chart.figures"))
	d.text(left, y+50, "f", d.o.Word("chart.lines"))
}
