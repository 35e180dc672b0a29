package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sekisho/internal/catalog/bundle"
	"sekisho/internal/catalog/library"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// versionNamed finds a version by name, by "current" or "waiting", by the version of a list that it was the first to
// have, or by day: the newest that was made on or before it.
func versionNamed(shelf *library.Library, name string) (string, error) {
	versions, err := shelf.History()
	if err != nil {
		return "", err
	}
	for _, v := range versions {
		if v.Name == name || v.Current && name == "current" || v.Waiting && name == "waiting" {
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

// tagShelf is the service tags files that are kept in the data folder.
func (a *app) tagShelf() (*servicetags.Store, error) {
	data, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	return servicetags.NewStore(node.CatalogFolder(data), nil), nil
}

// comparing finds what the arguments of "catalog diff" name, and reads each service tags file once.
type comparing struct {
	*app
	shelf *library.Library
	tags  *servicetags.Store
	read  map[string]*servicetags.File // by ID

	inUseName string               // of the version of the lists that is in use
	of        [2]servicetags.Cloud // whose service tags an argument names; 0: it names lists, or a day
}

// sides finds what both arguments of "catalog diff" name: a version of the lists, a version of the service tags, a day of
// both, or a file over what is in use. What an argument does not speak of is as it is in use.
func (a *app) sides(from, to string) (sides [2]node.Dated, err error) {
	c := comparing{app: a, read: map[string]*servicetags.File{}}
	if c.shelf, err = a.shelf(); err != nil {
		return sides, err
	}
	if c.tags, err = a.tagShelf(); err != nil {
		return sides, err
	}
	if c.inUseName, err = versionNamed(c.shelf, "current"); err != nil {
		return sides, err
	}
	for i, arg := range []string{from, to} {
		if sides[i], c.of[i], err = c.side(arg); err != nil {
			return sides, err
		}
	}
	for i := range sides {
		// A service tags file against what is in use: that is the other file, not the version of the lists.
		if cloud, other := c.of[i], sides[1-i].Tags.Of(c.of[i]); cloud != 0 && c.of[1-i] == 0 && other != nil && sides[1-i].Name == c.inUseName {
			sides[1-i].Name = other.Version()
		}
	}
	// A cloud of which one side has no file is not compared.
	for i := range sides {
		other := sides[1-i].Tags
		sides[i].Tags = slices.DeleteFunc(slices.Clone(sides[i].Tags), func(f *servicetags.File) bool { return other.Of(f.Cloud) == nil })
	}
	return sides, nil
}

func (c *comparing) side(arg string) (d node.Dated, of servicetags.Cloud, err error) {
	name, unknown := versionNamed(c.shelf, arg)
	if unknown == nil {
		if d, err = c.version(name); err != nil {
			return d, 0, err
		}
		d.Tags = c.inUse()
		if day, wrong := time.Parse(time.DateOnly, arg); wrong == nil {
			d.Tags, err = c.onDay(day)
		}
		return d, 0, err
	}
	if v, ok := c.tags.Named(arg); ok {
		file, err := c.load(v.Manifest)
		if err != nil {
			return d, 0, err
		}
		d, err = c.withTags(v.Version(), file)
		return d, v.Cloud, err
	}
	body, err := readFile(arg, importBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, 0, unknown
	case errors.Is(err, errLarge):
		return d, 0, c.usage("catalog.import.large", "file", arg, "max", itoa(importBytes>>20))
	case err != nil:
		return d, 0, err
	}
	if servicetags.Recognise(body) {
		file, found := servicetags.Parse(arg, body)
		if file == nil {
			return d, 0, &finding.Problem{Findings: found}
		}
		d, err = c.withTags(filepath.Base(arg), file)
		return d, file.Cloud, err
	}
	sources, tags, err := c.sources(arg, body)
	if err != nil {
		return d, 0, err
	}
	s, v, err := c.shelf.Preview(filepath.Base(arg), sources...)
	if err != nil {
		return d, 0, err
	}
	d = node.DatedVersion(s, v)
	d.Tags = c.inUse(tags...)
	return d, 0, nil
}

// version is a version of the lists.
func (c *comparing) version(name string) (node.Dated, error) {
	v, err := c.shelf.Load(name)
	if err != nil {
		return node.Dated{}, err
	}
	s, err := c.shelf.Snapshot(name)
	return node.DatedVersion(s, v), err
}

// withTags is the lists in use with another file of one cloud's service tags.
func (c *comparing) withTags(name string, file *servicetags.File) (node.Dated, error) {
	d, err := c.version(c.inUseName)
	if err != nil {
		return d, err
	}
	d.Name = name
	d.Tags = c.inUse(file)
	return d, nil
}

// inUse are the service tags in use, with the given files in place of their clouds'. One that cannot be read is told and
// left out: what else differs is still to be seen.
func (c *comparing) inUse(instead ...*servicetags.File) servicetags.Files {
	out := servicetags.Files(instead)
	list, err := c.tags.Current()
	c.warnOf(err)
	for _, m := range list {
		if out.Of(m.Cloud) == nil {
			file, err := c.load(m)
			if c.warnOf(err); err == nil {
				out = append(out, file)
			}
		}
	}
	return out
}

// onDay are the service tags whose data were the newest on a day.
func (c *comparing) onDay(day time.Time) (servicetags.Files, error) {
	var out servicetags.Files
	for _, cloud := range servicetags.Clouds() {
		v, ok := c.tags.OnDay(cloud, day)
		if !ok {
			continue
		}
		file, err := c.load(v.Manifest)
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	return out, nil
}

func (c *comparing) load(m servicetags.Manifest) (*servicetags.File, error) {
	if file, ok := c.read[m.ID()]; ok {
		return file, nil
	}
	file, err := c.tags.LoadFile(m)
	if err == nil {
		c.read[m.ID()] = file
	}
	return file, err
}

// warnOf tells what is wrong with a file that a command goes on without.
func (a *app) warnOf(err error) {
	var problem *finding.Problem
	if errors.As(err, &problem) {
		list := slices.Clone(problem.Findings)
		for i := range list {
			list[i].Severity = finding.Warning
		}
		a.printFindings(list)
	}
}

// tagDifferences compares the service tags of two sides, cloud by cloud, and leaves out the same.
func tagDifferences(sides [2]node.Dated) []servicetags.Difference {
	var out []servicetags.Difference
	for _, cloud := range servicetags.Clouds() {
		before, after := sides[0].Tags.Of(cloud), sides[1].Tags.Of(cloud)
		if before == nil || after == nil || before == after {
			continue
		}
		if d := servicetags.Compare(before, after); !d.IsZero() {
			out = append(out, d)
		}
	}
	return out
}

// sources are the lists that a file holds, and the service tags of a bundle.
func (c *comparing) sources(file string, body []byte) ([]library.Source, servicetags.Files, error) {
	read := time.Now()
	if info, err := os.Stat(file); err == nil {
		read = info.ModTime()
	}
	instance, version, ok := m365.FromName(filepath.Base(file))
	isList, isChanges := m365.Recognise(body), m365.RecogniseChanges(body)
	switch {
	case bundle.Recognise(body):
		data, err := c.dataFolder()
		if err != nil {
			return nil, nil, err
		}
		signers, err := c.signers(data, nil)
		if err != nil {
			return nil, nil, err
		}
		contents, err := bundle.Read(file, body, signers)
		if err != nil {
			return nil, nil, err
		}
		tags, err := node.BundleTags(contents)
		return node.BundleLists(contents), tags, err
	case (isList || isChanges) && !ok:
		return nil, nil, finding.Fail("m365.no-instance", nil, "file", filepath.Base(file))
	case isChanges:
		s, err := node.ChangesSource(c.shelf, instance, read, body)
		return []library.Source{s}, nil, err
	case isList:
		return []library.Source{node.ListSource(instance, version, read, body)}, nil, nil
	}
	return nil, nil, c.usage("catalog.diff.file", "file", file)
}
