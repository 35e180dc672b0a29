package catalog

import (
	"net/netip"
	"slices"
	"time"

	"sekisho/internal/endpoint"
)

// Snapshot is one immutable version of the catalog. Obtain it from Builtin or Build. Safe for concurrent use.
type Snapshot struct {
	version    string
	date       time.Time
	sources    []*Source
	sourceByID map[string]*Source
	sets       []*Set
	setByID    map[ClaimID]*Set
	features   []*Feature
	featureAt  map[FeatureID]int
	featuresOf map[ClaimID][]FeatureID

	hostIndex  endpoint.Index[Hit]
	addrIndex  endpoint.PrefixIndex[Hit]
	voiceIndex endpoint.Index[*voice]
	classIndex endpoint.Index[*Classification]
	classes    []*Classification

	signInPrefixes []netip.Prefix

	parts  []*Part // what Fill builds again
	values Values  // nil: not filled
}

// Hit is one set that covers a target, with the pattern or the prefix that did; the other is zero.
type Hit struct {
	Set     *Set             `json:"set"`
	Pattern endpoint.Pattern `json:"pattern,omitzero"`
	Prefix  netip.Prefix     `json:"prefix,omitzero"`
}

// Version names the snapshot: "builtin-2026-11-23".
func (s *Snapshot) Version() string { return s.version }

// Date is the newest reading of a source, UTC. Zero if there are no sources.
func (s *Snapshot) Date() time.Time { return s.date }

// Sources returns every source in the order written. The slice is the caller's, the sources are shared.
func (s *Snapshot) Sources() []*Source { return slices.Clone(s.sources) }

// Source returns the source called id.
func (s *Snapshot) Source(id string) (*Source, bool) {
	src, ok := s.sourceByID[id]
	return src, ok
}

// Sets returns every set in a stable order: by the first feature that claims it, unattached ones last. The slice is the
// caller's, the sets are shared.
func (s *Snapshot) Sets() []*Set { return slices.Clone(s.sets) }

// Set returns the set whose identity is id.
func (s *Snapshot) Set(id ClaimID) (*Set, bool) {
	set, ok := s.setByID[id]
	return set, ok
}

// AppendHits appends a hit for every pattern that covers h, most specific first, equally specific ones in the order of
// Sets. A set with two patterns that cover h is there twice. A URL of a set counts with its host. Withdrawn sets cover
// nothing. It does not allocate when dst has room.
func (s *Snapshot) AppendHits(dst []Hit, h endpoint.Host) []Hit { return s.hostIndex.Append(dst, h) }

// AppendAddrHits appends a hit for every prefix that contains a, longest prefix first. IPv4-mapped IPv6 addresses and
// zones are not resolved here: callers hand in the plain address.
func (s *Snapshot) AppendAddrHits(dst []Hit, a netip.Addr) []Hit { return s.addrIndex.Append(dst, a) }

// SignInPrefixes returns the address ranges that the catalog publishes for the sign-in hosts (set 56 of the Microsoft
// 365 list). The slice is the caller's.
func (s *Snapshot) SignInPrefixes() []netip.Prefix { return slices.Clone(s.signInPrefixes) }
