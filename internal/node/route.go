package node

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"sekisho/internal/asn"
	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/route"
	"sekisho/internal/servicetags"
)

// RouteFiles are the files that answers about roads are made from, beside the configuration.
type RouteFiles struct {
	Communities string // a bgpServiceCommunities export; "" leaves the configuration's
	ASTable     string // a MaxMind DB; "" leaves the configuration's
	Received    []string
	// Tags and TagFiles are the imported service tags, where the caller has loaded them already; nil: they are loaded.
	Tags     *servicetags.Index
	TagFiles []servicetags.Manifest
}

// RouteBook prepares answers about roads: the circuits of settings (nil: no configuration), the files that it and f name,
// the service tags imported into the data folder. Findings of severity Error make the book nil; each names the file and,
// where there is one, the line.
func RouteBook(settings *config.Config, data string, snapshot *catalog.Snapshot, f RouteFiles, now time.Time) (*route.Book, finding.List) {
	b := &routes{spec: route.Spec{Catalog: snapshot, Now: now}}
	if settings != nil {
		b.configured(settings)
		if f.Communities == "" {
			f.Communities = settings.Routes.Communities.V
		}
		if f.ASTable == "" {
			f.ASTable = settings.Routes.ASTable.V
		}
	}
	for _, name := range f.Received {
		dump := b.dump(name)
		if dump == nil {
			continue
		}
		// Named on the command line: for every circuit, or, where none is configured, for the one that it came over.
		if len(b.spec.Circuits) == 0 {
			b.spec.Circuits = []route.Circuit{{Name: "received", SKU: route.Premium, Private: true, Microsoft: true}}
		}
		for i := range b.spec.Circuits {
			b.spec.Circuits[i].Received = append(b.spec.Circuits[i].Received, dump)
		}
	}
	if f.Communities != "" {
		if body, ok := b.read(f.Communities, bgp.MaxBytes); ok {
			services, found := bgp.ParseServices(f.Communities, body)
			b.spec.Services = services
			b.found = append(b.found, found...)
		}
	}
	if f.ASTable != "" {
		// A file that cannot be read is told like every other one; what stands in it, by its own reader.
		if _, ok := b.read(f.ASTable, 0); ok {
			table, err := asn.Open(f.ASTable)
			if err != nil {
				b.fail(err)
			} else {
				b.spec.Holders = holders{table}
			}
		}
	}
	var err error
	if f.Tags != nil {
		b.spec.Tags, b.spec.TagFiles = f.Tags, f.TagFiles
	} else if b.spec.Tags, b.spec.TagFiles, err = servicetags.NewStore(CatalogFolder(data), nil).Index(); err != nil {
		// A damaged store is told; answers go without its tags.
		b.warn(err)
	}
	if b.found.HasErrors() {
		return nil, b.found
	}
	return route.NewBook(b.spec), b.found
}

type routes struct {
	spec  route.Spec
	found finding.List
}

func (b *routes) fail(err error) {
	if p, ok := err.(*finding.Problem); ok {
		b.found = append(b.found, p.Findings...)
		return
	}
	b.found = append(b.found, finding.New("route.unreadable", finding.Error, finding.Pos{}, "file", "", "cause", err.Error()))
}

func (b *routes) warn(err error) {
	if p, ok := err.(*finding.Problem); ok {
		for _, f := range p.Findings {
			f.Severity = finding.Warning
			b.found = append(b.found, f)
		}
	}
}

// read reads a file of at most most bytes and one more, so that its reader sees that it is too large.
func (b *routes) read(name string, most int64) ([]byte, bool) {
	body, err := readAtMost(name, most+1)
	if err != nil {
		b.found = append(b.found, finding.New("route.unreadable", finding.Error, finding.Pos{}, "file", name, "cause", UnreadableCause(err)))
		return nil, false
	}
	return body, true
}

func (b *routes) dump(name string) *bgp.Dump {
	body, ok := b.read(name, bgp.MaxBytes)
	if !ok {
		return nil
	}
	dump, found := bgp.ParseRoutes(name, body)
	b.found = append(b.found, found...)
	return dump
}

// configured takes the sections circuits and routes.
func (b *routes) configured(settings *config.Config) {
	for _, c := range settings.Circuits {
		location, known := route.LocationNamed(c.Location.V)
		if !known {
			var names []string
			for _, l := range route.Locations() {
				names = append(names, l.Name)
			}
			b.found = append(b.found, finding.New("route.unknown-location", finding.Error, c.Location.Pos,
				"value", c.Location.V, "known", strings.Join(names, ", ")))
		}
		has := func(p string) bool {
			return slices.ContainsFunc(c.Peerings, func(v config.Value[string]) bool { return v.V == p })
		}
		circuit := route.Circuit{
			Name: c.Name.V, Pos: c.Pos, Location: location, Direct: c.Kind.V == "direct", MACsec: c.MACsec.V, IPsec: c.IPsec.V,
			Private: has("private"), Microsoft: has("microsoft"), Approved: c.M365Approved.V, VNets: values(c.VirtualNetworks),
		}
		switch c.SKU.V {
		case "local":
			circuit.SKU = route.Local
		case "premium":
			circuit.SKU = route.Premium
		}
		for _, f := range c.RouteFilter {
			if community, err := bgp.ParseCommunity(f.V); err == nil {
				circuit.Filter = append(circuit.Filter, community)
			}
		}
		for _, name := range c.Received {
			if dump := b.dump(name.V); dump != nil {
				circuit.Received = append(circuit.Received, dump)
			}
		}
		b.spec.Circuits = append(b.spec.Circuits, circuit)
	}
	for _, r := range settings.Routes.Roads {
		b.spec.Roads = append(b.spec.Roads, route.PatternNamed(r.V))
	}
}

// holders lets package route ask a table of AS numbers.
type holders struct{ table *asn.Table }

func (h holders) Holder(a netip.Addr) (route.Holder, bool) {
	e, ok := h.table.Lookup(a)
	return route.Holder{AS: e.AS, Name: e.Name, Prefix: e.Prefix, File: h.table.Name()}, ok
}

// readAtMost reads at most most bytes of a file. A pipe without a writer would be waited for without end, and a folder or
// a device is no export either.
func readAtMost(name string, most int64) ([]byte, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// UnreadableCause is what the system says of a file that cannot be read, without the path, which the finding names.
func UnreadableCause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}

// Fill is the catalog as it is for the organisation of settings.
func Fill(settings *config.Config, snapshot *catalog.Snapshot) (*catalog.Snapshot, finding.List) {
	return snapshot.Fill(tenantValues(settings))
}
