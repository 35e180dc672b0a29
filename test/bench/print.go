//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is the JSON form.
type report struct {
	SchemaVersion int      `json:"schemaVersion"`
	Go            string   `json:"go"`
	Processors    int      `json:"processors"`
	Rounds        int      `json:"rounds"`
	Share         int      `json:"share"` // operations are those of a full run divided by this
	Missing       []string `json:"missing"`
	Peers         []named  `json:"peers"`
	Rows          []line   `json:"rows"`
}

type named struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type line struct {
	ID     string            `json:"id"`
	Title  string            `json:"title"`
	Unit   string            `json:"unit"`
	Goal   string            `json:"goal"`
	Status string            `json:"status"` // "ok", "ng", "not-tested"
	Peers  map[string]figure `json:"peers"`
}

type figure struct {
	Lowest *float64  `json:"lowest,omitempty"`
	Median *float64  `json:"median,omitempty"`
	Rounds []float64 `json:"rounds,omitempty"`
	Ratio  *float64  `json:"ratio,omitempty"` // of the lowest, to the bare relay or ReverseProxy
	Later  float64   `json:"later,omitempty"` // CPU µs for each operation after the rounds, to store its records
	Note   string    `json:"note,omitempty"`
}

// base is the peer with which a row is compared.
func base(r *row) string {
	if can(relayPeer, r) {
		return relayPeer
	}
	return reversePeer
}

func (r *run) report() *report {
	out := &report{SchemaVersion: 1, Go: runtime.Version(), Processors: runtime.NumCPU(), Rounds: r.o.Rounds, Share: r.share(), Missing: r.o.Missing}
	for _, name := range peerNames {
		if r.running[name] != nil {
			out.Peers = append(out.Peers, named{name, r.version[name]})
		}
	}
	for i := range r.rows {
		one := &r.rows[i]
		cells := r.cells[one.id]
		l := line{ID: one.id, Title: one.title, Unit: one.unit, Peers: map[string]figure{}, Status: "not-tested"}
		for name, c := range cells {
			f := figure{Rounds: c.Rounds, Note: c.Note, Later: c.Later}
			if len(c.Rounds) > 0 {
				lowest, median := c.min(), c.median()
				f.Lowest, f.Median = &lowest, &median
				if b := cells[base(one)]; b != nil && len(b.Rounds) > 0 && b.min() > 0 {
					ratio := lowest / b.min()
					f.Ratio = &ratio
				}
			}
			l.Peers[name] = f
		}
		most := one.goal.most
		l.Goal = fmt.Sprintf("≤ %s", number(most))
		if one.goal.of != "" {
			l.Goal = fmt.Sprintf("≤ %g × %s", one.goal.times, one.goal.of)
			if b := cells[one.goal.of]; b != nil && len(b.Rounds) > 0 {
				most = one.goal.times * b.min()
			}
		}
		if c := cells[sekisho]; c != nil && c.Note != "" {
			l.Status = "ng"
		} else if c != nil && len(c.Rounds) > 0 && most > 0 {
			l.Status = "ok"
			if rounded(c.min()) > rounded(most) {
				l.Status = "ng"
			}
		}
		out.Rows = append(out.Rows, l)
	}
	return out
}

func (r *run) print(w io.Writer) error {
	out := r.report()
	if r.o.Output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(out)
	}
	fmt.Fprintf(w, "%s, %d processors; %d rounds, interleaved; lowest of the rounds, in brackets the median, then the ratio to the bare proxy\n\n",
		out.Go, out.Processors, out.Rounds)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	header := []string{"work", "unit"}
	for _, p := range out.Peers {
		header = append(header, p.Name)
	}
	fmt.Fprintln(t, strings.Join(append(header, "goal", ""), "\t"))
	var notes []string
	for _, l := range out.Rows {
		cells := []string{l.Title, l.Unit}
		for _, p := range out.Peers {
			f, tried := l.Peers[p.Name]
			switch {
			case !tried:
				cells = append(cells, "-")
			case f.Lowest == nil:
				notes = append(notes, fmt.Sprintf("%s, %s: %s", l.ID, p.Name, f.Note))
				cells = append(cells, fmt.Sprintf("none [%d]", len(notes)))
			default:
				text := number(*f.Lowest)
				if len(f.Rounds) > 1 {
					text += " (" + number(*f.Median) + ")"
				}
				if f.Ratio != nil {
					text += fmt.Sprintf(" ×%.2f", *f.Ratio)
				}
				if f.Later >= 1 {
					notes = append(notes, fmt.Sprintf("%s, %s: and %s µs later, to store what was recorded", l.ID, p.Name, number(f.Later)))
					text += fmt.Sprintf(" [%d]", len(notes))
				}
				cells = append(cells, text)
			}
		}
		status := map[string]string{"ok": "OK", "ng": "NG", "not-tested": "--"}[l.Status]
		fmt.Fprintln(t, strings.Join(append(cells, l.Goal, status), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for i, n := range notes {
		fmt.Fprintf(w, "[%d] %s\n", i+1, n)
	}
	for _, p := range out.Peers {
		if p.Version != "" {
			fmt.Fprintf(w, "%s: %s\n", p.Name, p.Version)
		}
	}
	for _, m := range out.Missing {
		fmt.Fprintf(w, "not found: %s\n", m)
	}
	return nil
}

// rounded is f as number writes it.
func rounded(f float64) float64 {
	out, _ := strconv.ParseFloat(number(f), 64) // what number writes is one
	return out
}

// number writes a figure with three digits that count.
func number(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}
