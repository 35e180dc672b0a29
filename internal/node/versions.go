package node

import (
	"slices"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/finding"
	"sekisho/internal/servicetags"
)

// Versions finds versions of the catalog in a data folder by what people call them, with the service tags beside them.
// Each service tags file is read once. Not safe for concurrent use.
type Versions struct {
	Shelf *library.Library
	Tags  *servicetags.Store

	warn func(error) // of a file that is left out
	read map[string]*servicetags.File
}

// NewVersions opens the catalog of a data folder. warn is told, as a *finding.Problem, of each service tags file in use that
// cannot be read; nil: nobody is. now nil: time.Now.
func NewVersions(data string, now func() time.Time, warn func(error)) *Versions {
	if warn == nil {
		warn = func(error) {}
	}
	return &Versions{Shelf: Shelf(data, now), Tags: servicetags.NewStore(CatalogFolder(data), now), warn: warn, read: map[string]*servicetags.File{}}
}

// VersionNamed finds a version by name, by "current" or "waiting", by the version of a list that it was the first to
// have, or by day: the newest that was made on or before it. The error says that there is none.
func VersionNamed(shelf *library.Library, name string) (string, error) {
	versions, err := shelf.History()
	if err != nil {
		return "", err
	}
	for _, v := range versions {
		if v.Name == name || v.Current && name == "current" || v.Waiting && name == "waiting" {
			return v.Name, nil
		}
		// What is written into the head of rendered files is a name, too.
		if v.Name == library.Builtin && name == catalog.Builtin().Version() {
			return v.Name, nil
		}
	}
	for _, v := range versions {
		if slices.ContainsFunc(v.Sources, func(s library.Source) bool { return s.Version != "" && s.Version == name }) {
			return v.Name, nil
		}
	}
	if day, err := time.Parse(time.DateOnly, name); err == nil {
		for _, v := range slices.Backward(versions) {
			if v.Made.Before(day.AddDate(0, 0, 1)) && !v.Waiting {
				return v.Name, nil
			}
		}
	}
	return "", finding.Fail("library.unknown", nil, "version", name)
}

// Side is what name stands for: a version of the lists, a version of one cloud's service tags (which of then says), or a day
// of both. What it does not speak of is as it is in use. Where known is false, err says that there is no such version.
func (v *Versions) Side(name string) (d Dated, of servicetags.Cloud, known bool, err error) {
	version, unknown := VersionNamed(v.Shelf, name)
	if unknown == nil {
		if d, err = v.Version(version); err != nil {
			return d, 0, true, err
		}
		d.Tags = v.InUse()
		if day, wrong := time.Parse(time.DateOnly, name); wrong == nil {
			d.Tags, err = v.onDay(day)
		}
		return d, 0, true, err
	}
	if t, ok := v.Tags.Named(name); ok {
		file, err := v.load(t.Manifest)
		if err != nil {
			return d, 0, true, err
		}
		d, err = v.WithTags(t.Version(), file)
		return d, t.Cloud, true, err
	}
	return d, 0, false, unknown
}

// Version is a version of the lists, without service tags.
func (v *Versions) Version(name string) (Dated, error) {
	version, err := v.Shelf.Load(name)
	if err != nil {
		return Dated{}, err
	}
	s, err := v.Shelf.Snapshot(name)
	return DatedVersion(s, version), err
}

// WithTags is the lists in use, called name, with another file of one cloud's service tags.
func (v *Versions) WithTags(name string, file *servicetags.File) (Dated, error) {
	current, err := VersionNamed(v.Shelf, "current")
	if err != nil {
		return Dated{}, err
	}
	d, err := v.Version(current)
	if err != nil {
		return d, err
	}
	d.Name = name
	d.Tags = v.InUse(file)
	return d, nil
}

// InUse are the service tags in use, with the given files in place of their clouds'. One that cannot be read is left out:
// what else differs is still to be seen.
func (v *Versions) InUse(instead ...*servicetags.File) servicetags.Files {
	out := servicetags.Files(instead)
	list, err := v.Tags.Current()
	v.warn(err)
	for _, m := range list {
		if out.Of(m.Cloud) == nil {
			file, err := v.load(m)
			if v.warn(err); err == nil {
				out = append(out, file)
			}
		}
	}
	return out
}

// onDay are the service tags whose data were the newest on a day.
func (v *Versions) onDay(day time.Time) (servicetags.Files, error) {
	var out servicetags.Files
	for _, cloud := range servicetags.Clouds() {
		t, ok := v.Tags.OnDay(cloud, day)
		if !ok {
			continue
		}
		file, err := v.load(t.Manifest)
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	return out, nil
}

func (v *Versions) load(m servicetags.Manifest) (*servicetags.File, error) {
	if file, ok := v.read[m.ID()]; ok {
		return file, nil
	}
	file, err := v.Tags.LoadFile(m)
	if err == nil {
		v.read[m.ID()] = file
	}
	return file, err
}

// Comparable leaves out the service tags of each cloud of which one side has none.
func Comparable(sides *[2]Dated) {
	for i := range sides {
		other := sides[1-i].Tags
		sides[i].Tags = slices.DeleteFunc(slices.Clone(sides[i].Tags), func(f *servicetags.File) bool { return other.Of(f.Cloud) == nil })
	}
}
