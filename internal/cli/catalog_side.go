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

// tagShelf is the service tags files that are kept in the data folder.
func (a *app) tagShelf() (*servicetags.Store, error) {
	data, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	return servicetags.NewStore(node.CatalogFolder(data), nil), nil
}

// comparing finds what the arguments of "catalog diff" name.
type comparing struct {
	*app
	*node.Versions

	inUseName string               // of the version of the lists that is in use
	of        [2]servicetags.Cloud // whose service tags an argument names; 0: it names lists, or a day
}

// sides finds what both arguments of "catalog diff" name: a version of the lists, a version of the service tags, a day of
// both, or a file over what is in use. What an argument does not speak of is as it is in use.
func (a *app) sides(from, to string) (sides [2]node.Dated, err error) {
	data, err := a.dataFolder()
	if err != nil {
		return sides, err
	}
	c := comparing{app: a, Versions: node.NewVersions(data, nil, a.warnOf)}
	if c.inUseName, err = node.VersionNamed(c.Shelf, "current"); err != nil {
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
	node.Comparable(&sides)
	return sides, nil
}

func (c *comparing) side(arg string) (d node.Dated, of servicetags.Cloud, err error) {
	d, of, known, unknown := c.Side(arg)
	if known {
		return d, of, unknown
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
		d, err = c.WithTags(filepath.Base(arg), file)
		return d, file.Cloud, err
	}
	sources, tags, err := c.sources(arg, body)
	if err != nil {
		return d, 0, err
	}
	s, v, err := c.Shelf.Preview(filepath.Base(arg), sources...)
	if err != nil {
		return d, 0, err
	}
	d = node.DatedVersion(s, v)
	d.Tags = c.InUse(tags...)
	return d, 0, nil
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
		s, err := node.ChangesSource(c.Shelf, instance, read, body)
		return []library.Source{s}, nil, err
	case isList:
		return []library.Source{node.ListSource(instance, version, read, body)}, nil, nil
	}
	return nil, nil, c.usage("catalog.diff.file", "file", file)
}
