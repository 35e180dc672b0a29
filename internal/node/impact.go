package node

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/catalog/library"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/impact"
	"sekisho/internal/m365"
	"sekisho/internal/render/autoconfig"
	"sekisho/internal/servicetags"
)

// Dated is a version of the catalog with what its publishers have announced, and the service tags beside it.
type Dated struct {
	Name     string
	Snapshot *catalog.Snapshot
	Tags     servicetags.Files // nil: none, or the same on both sides and of no interest
	notices  map[string]m365.Notices
}

// DatedVersion joins a snapshot to what the sources of its version announce.
func DatedVersion(s *catalog.Snapshot, v library.Version) Dated {
	return Dated{Name: v.Name, Snapshot: s, notices: notices(v)}
}

// since returns the effective date of a value of a claim, when the newer version knows it.
func (d Dated) since(claim catalog.ClaimID, value string) (time.Time, bool) {
	for _, i := range m365.Instances() {
		// The built-in catalog has the lists of all clouds under one source.
		if claim.Cloud != i.Cloud() || claim.Source != i.Source() && claim.Source != m365.Worldwide.Source() {
			continue
		}
		base, _, _ := strings.Cut(claim.ID, "#")
		if n, err := strconv.Atoi(base); err == nil {
			return d.notices[i.Cloud()].Effective(n, value)
		}
	}
	return time.Time{}, false
}

// Impact says what putting after in the place of before changes for the organisation of c. day is today.
func Impact(c *config.Config, before, after Dated, day time.Time) (impact.Report, error) {
	a, b := side(c, before), side(c, after)
	if a.Program == nil {
		return impact.Report{}, &finding.Problem{Findings: a.Findings}
	}
	return impact.Compare(impact.Input{
		From: before.Name, To: after.Name, Before: a, After: b, Day: day, Since: after.since,
		Renderers: append([]impact.Renderer{impact.Gateway{}, pacLines{c}, feedLines{}}, renderLines(c)...),
	})
}

func side(c *config.Config, d Dated) impact.Side {
	program, found := Compile(c, d.Snapshot)
	return impact.Side{Program: program, Tags: d.Tags, Findings: slices.DeleteFunc(found, func(f finding.Finding) bool { return f.Severity == finding.Info })}
}

// pacLines tells what the PAC file says.
type pacLines struct{ c *config.Config }

// Render returns the sentences of the file of everybody.
func (r pacLines) Render(s impact.Side) ([]impact.File, error) {
	in := impactInput(r.c, s.Program, nil)
	if _, err := autoconfig.Write(in, ""); err != nil {
		return nil, err
	}
	return []impact.File{{Name: "proxy.pac", Lines: autoconfig.Lines(in)}}, nil
}

// feedLines renders the lists that firewalls subscribe to: of each feature in use, and of all together.
type feedLines struct{}

// Render returns a file for each list that has an entry.
func (feedLines) Render(s impact.Side) ([]impact.File, error) {
	p := s.Program
	var tags feed.Tags
	if s.Tags != nil {
		tags = s.Tags.Prefixes
	}
	var files []impact.File
	names := []string{feed.InUse}
	for _, f := range p.Features() {
		names = append(names, string(f))
	}
	for _, name := range names {
		for _, kind := range []feed.Kind{feed.IP, feed.FQDN, feed.URL} { // v4 and v6 are the halves of ip
			file := name + "." + string(kind) + ".txt"
			e, err := feed.List(p.Catalog(), p.Features(), file, tags)
			if err != nil {
				return nil, err
			}
			f := impact.File{Name: "feeds/" + file}
			for _, l := range e.Lines {
				value := l
				if host, _, ok := strings.Cut(l, "/"); ok && kind == feed.URL {
					value = host
				}
				f.Lines = append(f.Lines, impact.Line{Text: l, Value: value})
			}
			files = append(files, f)
		}
	}
	return files, nil
}
