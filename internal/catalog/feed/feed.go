// Package feed is the lists that firewalls subscribe to (external dynamic lists), made from a snapshot of the catalog.
//
//	list, err := feed.List(snapshot, features, "intune.core.v4.txt", nil)
//
// A name is a feature's id, or "in-use" for the features in use with all that they require, a dot, a kind and ".txt".
// Lists are plain: one entry a line, no comment, sorted, nothing twice. What a kind cannot say exactly is left out and
// counted, never widened. Nothing here does I/O except Handler, which answers requests.
package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go4.org/netipx"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// Kind is what the entries of a list are.
type Kind string

// The kinds.
const (
	IP   Kind = "ip"   // prefixes of both families, IPv4 first
	V4   Kind = "v4"   // IPv4 prefixes
	V6   Kind = "v6"   // IPv6 prefixes
	FQDN Kind = "fqdn" // exact names and "*.suffix"
	URL  Kind = "url"  // hosts with a slash behind them, and the paths that a row names; see Location
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{IP, V4, V6, FQDN, URL} }

// InUse is the name that stands for all features in use.
const InUse = "in-use"

// ErrUnknown is returned for a name that no list has.
var ErrUnknown = errors.New("no such list")

// Entries is one list.
type Entries struct {
	Lines []string
	// LeftOut counts what the kind cannot say exactly, such as a star inside a name.
	LeftOut int
	// MissingTags are the Azure service tags that rows name and that nobody imported, sorted: the list lacks their
	// addresses.
	MissingTags []string
	// Unfilled are the values of the organisation that rows of the list still lack: what depends on them is not in it.
	Unfilled []catalog.Hole
	// Direction is Inbound for the list of a feature that the cloud connects to the organisation for: its entries are
	// sources. No list has both.
	Direction catalog.Direction
}

// Tags returns the prefixes of an Azure service tag in one of the catalog's clouds; ok is false when no file that has
// the tag was imported. A nil Tags knows none.
type Tags func(cloud, tag string) (prefixes []netip.Prefix, ok bool)

// Text returns the list as it is served: a line feed after each entry.
func (e Entries) Text() []byte {
	var b bytes.Buffer
	for _, l := range e.Lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// List returns the list called name ("intune.core.v4.txt"). inUse are the features in use. A feature's list holds what
// the feature itself claims, without what it requires, because the features that come with it have lists of their own.
// It returns ErrUnknown for a name that is none. A feature all of whose rows are inbound has a list of sources
// (Entries.Direction); everywhere else inbound rows are left out. Withdrawn rows, and rows of which it is not known that they
// are for this organisation, are left out. A row that is not required is there: who chose the feature chose it too, and
// the policy opens it likewise.
func List(s *catalog.Snapshot, inUse []catalog.FeatureID, name string, tags Tags) (Entries, error) {
	bare, isText := strings.CutSuffix(name, ".txt")
	dot := strings.LastIndexByte(bare, '.')
	if !isText || dot < 0 || !slices.Contains(Kinds(), Kind(bare[dot+1:])) {
		return Entries{}, ErrUnknown
	}
	features := []catalog.FeatureID{catalog.FeatureID(bare[:dot])}
	if bare[:dot] == InUse {
		features, _ = s.Expand(inUse)
	} else if _, ok := s.Feature(features[0]); !ok {
		return Entries{}, ErrUnknown
	}
	all := s.SetsOf(features...)
	direction := catalog.Outbound
	if bare[:dot] != InUse && !slices.ContainsFunc(all, func(set *catalog.Set) bool { return set.Direction == catalog.Outbound }) {
		direction = catalog.Inbound
	}
	var unfilled []catalog.Hole
	sets := slices.DeleteFunc(all, func(set *catalog.Set) bool {
		if set.Direction != direction || set.Applies == catalog.No {
			return true
		}
		for _, h := range set.Unfilled {
			if !slices.Contains(unfilled, h) {
				unfilled = append(unfilled, h)
			}
		}
		return set.Applies != catalog.Yes
	})
	var e Entries
	var err error
	switch kind := Kind(bare[dot+1:]); kind {
	case FQDN, URL:
		e = Hosts(sets, kind)
	default:
		e, err = Prefixes(sets, kind, tags)
	}
	slices.Sort(unfilled)
	e.Unfilled, e.Direction = unfilled, direction
	return e, err
}

// Names returns the name of every list of the features in use, then a line that says how those of other features are
// called.
func Names(s *catalog.Snapshot, inUse []catalog.FeatureID) []string {
	names := []string{InUse}
	features, _ := s.Expand(inUse)
	for _, f := range features {
		names = append(names, string(f))
	}
	var out []string
	for _, n := range names {
		for _, k := range Kinds() {
			out = append(out, n+"."+string(k)+".txt")
		}
	}
	return append(out, "FEATURE.KIND.txt for every other feature of the catalog; kinds: ip, v4, v6, fqdn, url")
}

// Prefixes returns the fewest prefixes that cover exactly the addresses of sets, those of their service tags included.
// kind is IP, V4 or V6.
func Prefixes(sets []*catalog.Set, kind Kind, tags Tags) (Entries, error) {
	var b netipx.IPSetBuilder
	var e Entries
	add := func(list []netip.Prefix) {
		for _, p := range list {
			if kind == V4 && !p.Addr().Is4() || kind == V6 && p.Addr().Is4() {
				continue
			}
			b.AddPrefix(p)
		}
	}
	for _, set := range sets {
		add(set.Prefixes)
		for _, tag := range set.Tags {
			var list []netip.Prefix
			ok := false
			if tags != nil {
				list, ok = tags(set.ID.Cloud, tag)
			}
			if !ok && !slices.Contains(e.MissingTags, tag) {
				e.MissingTags = append(e.MissingTags, tag)
			}
			add(list)
		}
	}
	slices.Sort(e.MissingTags)
	all, err := b.IPSet()
	if err != nil {
		return Entries{}, err
	}
	prefixes := all.Prefixes()
	slices.SortFunc(prefixes, func(x, y netip.Prefix) int { return x.Addr().Compare(y.Addr()) })
	for _, p := range prefixes {
		e.Lines = append(e.Lines, p.String())
	}
	return e, nil
}

// Hosts returns the hosts of sets. kind is FQDN or URL.
func Hosts(sets []*catalog.Set, kind Kind) Entries {
	var e Entries
	add := func(p endpoint.Pattern, path string) {
		line, ok := p.String(), p.Kind() == endpoint.Exact || p.Kind() == endpoint.Suffix
		if kind == URL {
			line, ok = Location(p)
			line += path
		}
		if !ok {
			e.LeftOut++
			return
		}
		e.Lines = append(e.Lines, line)
	}
	for _, set := range sets {
		for _, p := range set.Patterns {
			add(p, "/")
		}
		for _, u := range set.URLs {
			_, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(u.String(), "https://"), "http://"), "/")
			add(u.Host, "/"+path)
		}
	}
	slices.Sort(e.Lines)
	e.Lines = slices.Compact(e.Lines)
	return e
}

// Location is p as the host of an entry of the kind URL, as PAN-OS reads it: an asterisk at the beginning stands for one or
// more labels, a caret for exactly one ("Guidelines for URL Category Exceptions",
// https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/url-category-exceptions/guidelines-for-url-category-exceptions,
// read 2026-11-23). ok is false where a star is a part of a label, which nothing there stands for: an asterisk would be
// read wider than it is meant.
func Location(p endpoint.Pattern) (text string, ok bool) {
	switch p.Kind() {
	case endpoint.Exact, endpoint.Suffix:
		return p.String(), true
	case endpoint.Inside:
		labels := strings.Split(p.String(), ".")
		for i, l := range labels {
			switch {
			case l == "*":
				labels[i] = "^"
			case strings.Contains(l, "*"):
				return "", false
			}
		}
		return strings.Join(labels, "."), true
	}
	return "", false
}

// Current is what Handler serves now.
type Current struct {
	Snapshot *catalog.Snapshot
	InUse    []catalog.FeatureID
	Changed  time.Time // when it came into use: Last-Modified
	Tags     Tags      // nil: none were imported
}

// Handler answers GET /feeds/{name} with an ETag and Last-Modified. A name that no list has is 404 with the names that
// there are, which /feeds/ lists too. A list without an
// entry is 503, because a firewall that takes an empty list closes, or opens, what nobody meant: it keeps its last.
func Handler(current func() Current) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feeds/{name...}", func(w http.ResponseWriter, r *http.Request) {
		c := current()
		if c.Snapshot == nil {
			unavailable(w)
			return
		}
		if r.PathValue("name") == "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte(strings.Join(Names(c.Snapshot, c.InUse), "\n") + "\n"))
			return
		}
		e, err := List(c.Snapshot, c.InUse, r.PathValue("name"), c.Tags)
		switch {
		case errors.Is(err, ErrUnknown):
			http.Error(w, fmt.Sprintf("no list %q; there are:\n%s", r.PathValue("name"), strings.Join(Names(c.Snapshot, c.InUse), "\n")), http.StatusNotFound)
			return
		case err != nil || len(e.Lines) == 0:
			incomplete(w.Header(), e)
			unavailable(w)
			return
		}
		body := e.Text()
		sum := sha256.Sum256(body)
		h := w.Header()
		h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("Sekisho-Catalog-Version", c.Snapshot.Version())
		incomplete(h, e)
		http.ServeContent(w, r, "", c.Changed, bytes.NewReader(body))
	})
	return mux
}

// incomplete says whether the entries are ends or sources, and what a list lacks: how many entries its kind cannot say, whose service tags, and for want of which
// values of the organisation.
func incomplete(h http.Header, e Entries) {
	h.Set("Sekisho-Direction", e.Direction.String())
	if e.LeftOut > 0 {
		h.Set("Sekisho-Left-Out", strconv.Itoa(e.LeftOut))
	}
	if len(e.MissingTags) > 0 {
		h.Set("Sekisho-Missing-Service-Tags", strings.Join(e.MissingTags, ", "))
	}
	if len(e.Unfilled) > 0 {
		var holes []string
		for _, hole := range e.Unfilled {
			holes = append(holes, string(hole))
		}
		h.Set("Sekisho-Missing-Values", strings.Join(holes, ", "))
	}
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "3600")
	http.Error(w, "the list has no entry; keep the one that you have", http.StatusServiceUnavailable)
}
