package servicetags

import (
	"net/netip"
	"slices"
	"strings"
)

// Tag returns the tag called name of one cloud's file; ok is false when no file that has it was indexed.
func (x *Index) Tag(c Cloud, name string) (t *Tag, ok bool) {
	for _, f := range x.Files() {
		if f.Cloud != c {
			continue
		}
		if i := slices.IndexFunc(f.Tags, func(t *Tag) bool { return t.Name == name }); i >= 0 {
			return f.Tags[i], true
		}
	}
	return nil, false
}

// Prefixes returns the prefixes of a tag that a row of the catalog names; cloud is the row's (see CloudOfClaim). ok is
// false when no file that has the tag was indexed. The slice is shared.
func (x *Index) Prefixes(cloud, name string) (prefixes []netip.Prefix, ok bool) {
	t, ok := x.Tag(CloudOfClaim(cloud), name)
	if !ok {
		return nil, false
	}
	return t.Prefixes, true
}

// CloudOfClaim returns the cloud whose file has the tags that a row of the catalog names; cloud is the second part of
// the row's identity: "worldwide", "usgov", "usgovdod", "china". It is 0 for any other.
func CloudOfClaim(cloud string) Cloud {
	switch {
	case cloud == "worldwide":
		return Public
	case strings.HasPrefix(cloud, "usgov"):
		return Government
	case cloud == "china":
		return China
	}
	return 0
}
