package catalog

import "slices"

// FeatureID names what an administrator chooses: "entra.sign-in", "intune.core".
type FeatureID string

// Feature is a choice of the administrator and the claims that it needs. It is read-only.
type Feature struct {
	ID       FeatureID   `json:"id"`
	Title    Text        `json:"title"`
	About    Text        `json:"about"`
	Requires []FeatureID `json:"requires,omitempty"` // features that come with it, each earlier in Snapshot.Features
	Claims   []ClaimID   `json:"claims"`             // in the order to show them in, at least one
}

// Features returns every feature, those that others require first. The slice is the caller's, the features are shared.
func (s *Snapshot) Features() []*Feature { return slices.Clone(s.features) }

// Feature returns the feature called id.
func (s *Snapshot) Feature(id FeatureID) (*Feature, bool) {
	i, ok := s.featureAt[id]
	if !ok {
		return nil, false
	}
	return s.features[i], true
}

// Expand returns ids with everything that they require, each once, in the order of Features, whatever the order of
// ids. Unknown ids are returned apart, each once, in the order given.
func (s *Snapshot) Expand(ids []FeatureID) (known []FeatureID, unknown []FeatureID) {
	wanted := make([]bool, len(s.features))
	for _, id := range ids {
		if i, ok := s.featureAt[id]; ok {
			wanted[i] = true
		} else if !slices.Contains(unknown, id) {
			unknown = append(unknown, id)
		}
	}
	// Build has checked that a feature requires only earlier ones: one pass from the end reaches everything.
	for i := len(s.features) - 1; i >= 0; i-- {
		if wanted[i] {
			for _, r := range s.features[i].Requires {
				wanted[s.featureAt[r]] = true
			}
		}
	}
	for i, f := range s.features {
		if wanted[i] {
			known = append(known, f.ID)
		}
	}
	return known, unknown
}

// FeaturesOf returns the features that name claim id, in the order of Features; nil if none does.
func (s *Snapshot) FeaturesOf(id ClaimID) []FeatureID { return slices.Clone(s.featuresOf[id]) }

// SetsOf returns the sets that the named features claim themselves (without what they require, see Expand), each once,
// in the order of Sets, withdrawn ones left out. Unknown ids add nothing.
func (s *Snapshot) SetsOf(ids ...FeatureID) []*Set {
	var out []*Set
	for _, set := range s.sets {
		if set.Withdrawn.IsZero() && slices.ContainsFunc(s.featuresOf[set.ID], func(f FeatureID) bool { return slices.Contains(ids, f) }) {
			out = append(out, set)
		}
	}
	return out
}
