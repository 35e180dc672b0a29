package servicetags

import (
	"net/netip"
	"slices"
	"strings"
	"time"
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

// Files are files of different clouds, for looking tags up by name alone: without the cost of an Index.
type Files []*File

// Of returns the file of one cloud; nil when there is none.
func (f Files) Of(c Cloud) *File {
	if i := slices.IndexFunc(f, func(f *File) bool { return f.Cloud == c }); i >= 0 {
		return f[i]
	}
	return nil
}

// Prefixes returns the prefixes of a tag that a row of the catalog names; cloud is the row's (see CloudOfClaim). ok is
// false when no file has the tag. The slice is shared.
func (f Files) Prefixes(cloud, name string) (prefixes []netip.Prefix, ok bool) {
	file := f.Of(CloudOfClaim(cloud))
	if file == nil {
		return nil, false
	}
	if i := slices.IndexFunc(file.Tags, func(t *Tag) bool { return t.Name == name }); i >= 0 {
		return file.Tags[i].Prefixes, true
	}
	return nil, false
}

// Day returns the day of the data of a row's cloud; zero when it is not known.
func (f Files) Day(cloud string) time.Time {
	if file := f.Of(CloudOfClaim(cloud)); file != nil {
		return file.Date
	}
	return time.Time{}
}
