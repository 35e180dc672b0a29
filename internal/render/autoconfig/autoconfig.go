// Package autoconfig is the target pac: the proxy auto-configuration file, of everybody or of one ring. What it writes is
// what the operations listener serves as /proxy.pac and /pac/RING/proxy.pac, byte for byte. What the file says, and what
// it never says, stands in package pac.
package autoconfig

import (
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/pac"
	"sekisho/internal/render"
)

// Target is the target "pac".
type Target struct{}

// Name returns "pac".
func (Target) Name() string { return "pac" }

// Options returns the ring, and proxies in place of the configured ones.
func (Target) Options() []render.Option {
	return []render.Option{{Name: "ring", Kind: render.Text}, {Name: "proxy", Kind: render.List, Local: true}}
}

// Render returns proxy.pac.
func (Target) Render(in render.Input, _ *render.Model) (render.Output, error) {
	ring := in.Options.Text("ring")
	if proxies := in.Options.List("proxy"); len(proxies) > 0 {
		in.Proxies, in.Rings = proxies, nil
	}
	body, err := Write(in, ring)
	if err != nil {
		return render.Output{}, err
	}
	f := render.File{Name: "proxy.pac", Type: pac.MediaType, Body: body, Comment: "//", Lines: Lines(in)}
	return render.Output{Files: []render.File{f}, Findings: Large(body), Apart: true}, nil
}

// Write makes the file for a ring, "" for everybody. The error, a *finding.Problem, is of a ring that the policy has not,
// or of an input that makes no safe file.
func Write(in render.Input, ring string) ([]byte, error) {
	proxies := in.Proxies
	if ring != "" {
		var names []string
		for _, r := range in.Program.Rings() {
			names = append(names, r.Name)
		}
		if !slices.Contains(names, ring) {
			return nil, finding.Fail("render.pac.no-ring", nil, "ring", ring, "want", finding.Nearest(ring, names), "known", strings.Join(names, ", "))
		}
		if own := in.Rings[ring]; len(own) > 0 {
			proxies = own
		}
	}
	body, err := pac.Write(pac.Input{Program: in.Program, Catalog: in.Program.Catalog(), Proxies: proxies, Ring: ring, Own: in.Own})
	if err != nil {
		return nil, finding.Fail("render.pac.unsafe", err)
	}
	return body, nil
}

// Large is the warning of a file that costs every client.
func Large(body []byte) finding.List {
	if len(body) <= pac.LargeBytes {
		return nil
	}
	return finding.List{finding.New("pac.large", finding.Warning, finding.Pos{}, "bytes", strconv.Itoa(len(body)), "limit", strconv.Itoa(pac.LargeBytes))}
}

// Lines is what the file of everybody says, one sentence a line: the file itself joins names of one domain into one line.
func Lines(in render.Input) []render.Line {
	out := []render.Line{{Text: "proxies " + strings.Join(in.Proxies, " ")}}
	for _, k := range in.Program.Catalog().Classes() {
		if k.Class != catalog.Ordinary {
			out = append(out, render.Line{Text: "proxy " + k.Pattern.String(), Value: k.Pattern.String()})
		}
	}
	for _, p := range in.Program.PACDirect() {
		out = append(out, render.Line{Text: "direct " + p.String(), Value: p.String()})
	}
	return out
}
