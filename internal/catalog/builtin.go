package catalog

import (
	_ "embed" // of builtin.bin
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"sekisho/internal/finding"
)

// builtinData is the folder builtin in the compact form; "make docs" writes it.
//
//go:embed builtin.bin
var builtinData string

// builtinParts reads builtinData once. Data that cannot be read is a panic, which a test rules out.
var builtinParts = sync.OnceValue(func() []*Part {
	parts, err := readCompact(builtinData)
	if err != nil {
		panic(fmt.Sprintf("built-in catalog: %v", err))
	}
	return parts
})

var builtin = sync.OnceValue(func() *Snapshot {
	s, found := buildDated("builtin", builtinParts())
	if len(found) > 0 {
		panic(fmt.Sprintf("built-in catalog: %v", &finding.Problem{Findings: found}))
	}
	return s
})

// Builtin returns the catalog compiled into the binary. It is read once, on first use; a mistake in it is a panic,
// which a test rules out. Safe for concurrent use.
func Builtin() *Snapshot { return builtin() }

// Load builds a snapshot from every *.yaml file of the folder dir of fsys, in the order of their names. Its version is
// the base name of dir and the date of the newest reading: "builtin-2026-11-23". It reports every problem of every
// file at once; then the snapshot is nil. A folder without files is a problem too.
func Load(fsys fs.FS, dir string) (*Snapshot, finding.List) {
	parts, found := loadParts(fsys, dir)
	if len(found) > 0 {
		return nil, found
	}
	return buildDated(path.Base(dir), parts)
}

// buildDated builds a snapshot whose version is name and the date of the newest reading.
func buildDated(name string, parts []*Part) (*Snapshot, finding.List) {
	s, found := Build("", parts...)
	if s != nil {
		s.version = name + "-" + s.date.Format(time.DateOnly)
	}
	return s, found
}

// Renew builds the snapshot called version from the built-in catalog and what has come in since: renewals of its lists
// and other parts, in the order given. Findings are as in Build.
func Renew(version string, fresh ...*Part) (*Snapshot, finding.List) {
	return Build(version, slices.Concat(builtinParts(), fresh)...)
}

// loadParts reads every *.yaml file of a folder.
func loadParts(fsys fs.FS, dir string) ([]*Part, finding.List) {
	files, err := fs.Glob(fsys, dir+"/*.yaml")
	if err == nil && len(files) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, finding.List{finding.New("catalog.unreadable", finding.Error, finding.Pos{File: dir}, "said", err.Error())}
	}
	// The files are read beside each other: most of the time goes into YAML.
	parts, problems := make([]*Part, len(files)), make([]finding.List, len(files))
	var reading sync.WaitGroup
	for i, file := range files {
		reading.Go(func() {
			data, err := fs.ReadFile(fsys, file)
			if err != nil {
				problems[i] = finding.List{finding.New("catalog.unreadable", finding.Error, finding.Pos{File: file}, "said", err.Error())}
				return
			}
			parts[i], problems[i] = ParsePart(file, data)
		})
	}
	reading.Wait()
	found := slices.Concat(problems...)
	if len(found) > 0 {
		return nil, found.Sort()
	}
	return parts, nil
}
