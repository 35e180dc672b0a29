// Package edl is the target "edl": text lists that firewalls subscribe to, one entry a line.
//
// It has no lists of its own: in-use.*.txt are those of package catalog/feed, which the operations listener serves under
// /feeds/, and the lists for one set of ports ("out-tcp-443.url.txt") are those that the target panos names. A list without
// an entry is not there.
package edl

import (
	"bytes"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/panos"
)

// Target is "edl".
type Target struct{}

// Name returns "edl".
func (Target) Name() string { return "edl" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// optionMax is how many entries a list may have.
const optionMax = "max-entries"

// Options returns the limit: the smaller figure of PAN-OS, see package panos. FortiOS takes 131,072 entries and 10 MB
// ("External blocklist", FortiOS administration guide).
func (Target) Options() []render.Option {
	return flow.Options(render.Option{Name: optionMax, Kind: render.Number, Default: "50000"})
}

// Render returns in-use.ip.txt, in-use.fqdn.txt and in-use.url.txt (not for clients), then the lists for one set of ports each. With
// Input.Before each list has two files, of what was added and what was removed.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	var out render.Output
	plan, err := flow.New(in, m, device())
	if err != nil {
		return out, err
	}
	now, missing, err := lists(in, plan)
	if err != nil {
		return out, err
	}
	var limits []flow.Limit
	for _, f := range now {
		limits = append(limits, flow.Limit{Option: optionMax, Count: bytes.Count(f.Body, []byte("\n"))})
	}
	if out.Findings, err = flow.Check(t.Name(), in.Options, limits...); err != nil {
		return out, err
	}
	out.Findings = append(out.Findings, missing...)
	out.Findings = append(out.Findings, plan.Findings(t.Name())...)
	before := flow.Earlier(in, device())
	if before == nil {
		out.Files = now
		return out, nil
	}
	old, _, err := lists(*in.Before, before)
	if err != nil {
		return out, err
	}
	out.Files = differences(old, now)
	if len(out.Files) == 0 {
		out.Files = []render.File{{Name: "unchanged.txt", Type: kind, Body: []byte("# Nothing changed.\n"), Comment: "#"}}
	}
	return out, nil
}

// device is who reads the lists.
func device() flow.Device {
	d := panos.Device()
	d.NoSources = true
	return d
}

const kind = "text/plain; charset=utf-8"

// lists are the lists of in that have an entry, and what the feeds among them leave out.
func lists(in render.Input, plan *flow.Plan) (files []render.File, found finding.List, err error) {
	kinds := []feed.Kind{feed.IP, feed.FQDN, feed.URL}
	if plan.Clients {
		kinds = nil // the feeds are of everything, what is for the gateway alone included
	}
	for _, k := range kinds {
		name := feed.InUse + "." + string(k) + ".txt"
		e, err := feed.List(in.Program.Catalog(), in.Program.Features(), name, in.Tags)
		if err != nil {
			return nil, nil, err
		}
		if e.LeftOut > 0 {
			found = append(found, finding.New("flow.left-out", finding.Warning, finding.Pos{}, "file", name, "count", strconv.Itoa(e.LeftOut)))
		}
		if len(e.Lines) > 0 && e.Direction == catalog.Outbound {
			files = append(files, render.File{Name: name, Type: kind, Body: e.Text()})
		}
	}
	return append(files, panos.Lists(plan)...), found, nil
}

// differences are the entries that came and went, a file each, in the order of the lists.
func differences(before, after []render.File) (out []render.File) {
	was := map[string][]string{}
	for _, f := range before {
		was[f.Name] = lines(f)
	}
	put := func(name, what string, list []string) {
		if len(list) > 0 {
			out = append(out, render.File{Name: strings.TrimSuffix(name, ".txt") + "." + what + ".txt", Type: kind, Body: []byte(strings.Join(list, "\n") + "\n")})
		}
	}
	for _, f := range after {
		added, removed := flow.Delta(was[f.Name], lines(f))
		delete(was, f.Name)
		put(f.Name, "added", added)
		put(f.Name, "removed", removed)
	}
	for _, f := range before {
		put(f.Name, "removed", was[f.Name])
	}
	return out
}

func lines(f render.File) []string {
	return strings.Split(strings.TrimSuffix(string(f.Body), "\n"), "\n")
}
