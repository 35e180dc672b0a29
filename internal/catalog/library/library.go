// Package library is the shelf of catalog versions: each a folder of source files with their hashes, written whole, one
// of them in use.
//
//	shelf := library.Open(folder, read, time.Now)
//	added, err := shelf.Add(20, library.Source{Name: "m365-worldwide.json", Version: "2027010400", Body: body})
//	snapshot, err := shelf.Current()
//
// The built-in catalog is always there and never written; every version is the built-in catalog with the files of its
// folder over it. A good version is never replaced by a worse one: a file that cannot be read, is older than the one
// that is known, or does not build, changes nothing, and a version that drops more of one list than a set share waits
// until somebody approves it. A file whose bytes have changed on disk is refused by its hash.
package library

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
)

// Builtin is the name of the version that is compiled in.
const Builtin = "builtin"

// Source is one file of a version.
type Source struct {
	Name    string    `json:"name"`    // file name, its kind and instance: "m365-worldwide.json"
	Version string    `json:"version"` // the publisher's; later ones sort behind earlier ones. "" when it is not known
	Read    time.Time `json:"read"`    // when it was fetched or imported, UTC
	SHA256  string    `json:"sha256"`
	Body    []byte    `json:"-"`
}

// Reader turns a source file into a part of the catalog. Findings of severity Error mean that it cannot be used. No part
// and no such finding: the file is good and adds nothing to the catalog itself, such as what a publisher announces.
type Reader func(Source) (*catalog.Part, finding.List)

// Version is one version on the shelf.
type Version struct {
	Name    string         `json:"name"`
	Made    time.Time      `json:"made,omitzero"` // UTC; zero for the built-in one
	Sources []Source       `json:"sources,omitempty"`
	Losses  []catalog.Loss `json:"losses,omitempty"` // against the version that was in use when it was made
	Current bool           `json:"current"`
	Waiting bool           `json:"waiting"` // dropped too much; "catalog approve" puts it into use
}

// Library is a shelf. Safe for concurrent use, by several processes too.
type Library struct {
	folder string
	read   Reader
	now    func() time.Time
}

// state says which version is in use and which waits; it is one small file, replaced whole.
type state struct {
	Current string `json:"current"`
	Waiting string `json:"waiting,omitempty"`
	// Rejected are the hashes of files that somebody has refused, the latest last, so that they do not come again.
	Rejected []string `json:"rejected,omitempty"`
}

// rejections is how many refused files are remembered (chosen: more than anybody refuses between two good ones).
const rejections = 50

// Open returns the shelf in folder, which need not exist before the first Add. now is the clock; nil: the system's.
func Open(folder string, read Reader, now func() time.Time) *Library {
	if now == nil {
		now = time.Now
	}
	return &Library{folder, read, now}
}

// lockWait is how long a change waits for another process (chosen: writing a version takes well under a second).
const lockWait = 10 * time.Second

func (l *Library) versions() string  { return filepath.Join(l.folder, "versions") }
func (l *Library) stateFile() string { return filepath.Join(l.folder, "current.json") }

func (l *Library) state() (state, error) {
	s := state{Current: Builtin}
	data, err := os.ReadFile(l.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && (!isName(s.Current) || s.Waiting != "" && !isName(s.Waiting)) {
		err = errors.New("names no version")
	}
	if err != nil {
		return s, finding.Fail("library.damaged", err, "file", l.stateFile())
	}
	return s, nil
}

// isName keeps what is read from a file from leading out of the folder.
func isName(s string) bool {
	return s != "" && s[0] != '.' && len(s) <= 100 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

// History lists the versions, the built-in one first, then by age. A folder that is damaged is listed too; reading it
// says what is wrong.
func (l *Library) History() ([]Version, error) {
	s, err := l.state()
	if err != nil {
		return nil, err
	}
	out := []Version{{Name: Builtin}}
	entries, err := os.ReadDir(l.versions())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, finding.Fail("library.unreadable", err, "folder", l.versions())
	}
	for _, e := range entries {
		if e.IsDir() && isName(e.Name()) {
			v, err := l.manifest(e.Name())
			if err != nil {
				v = Version{Name: e.Name()}
			}
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out[1:], func(a, b Version) int { return cmp.Or(a.Made.Compare(b.Made), cmp.Compare(a.Name, b.Name)) })
	for i := range out {
		out[i].Current, out[i].Waiting = out[i].Name == s.Current, out[i].Name == s.Waiting
	}
	return out, nil
}

// manifestBytes bounds a manifest (chosen: a real one has 2 KiB); bodyBytes a source file.
const (
	manifestBytes = 1 << 20
	bodyBytes     = 64 << 20
)

func (l *Library) manifest(name string) (Version, error) {
	file := filepath.Join(l.versions(), name, "manifest.json")
	data, err := readBounded(file, manifestBytes)
	var v Version
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err == nil && v.Name != name {
		err = errors.New("names another version")
	}
	for _, s := range v.Sources {
		if err == nil && !isName(s.Name) {
			err = errors.New("names a file outside")
		}
	}
	if err != nil {
		return Version{}, finding.Fail("library.damaged", err, "file", file)
	}
	return v, nil
}

func readBounded(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%q is no file of at most %d bytes", file, most)
	}
	return os.ReadFile(file)
}

// Load returns the version called name with the bodies of its sources, each checked against its hash.
func (l *Library) Load(name string) (Version, error) {
	if name == Builtin {
		return Version{Name: Builtin}, nil
	}
	if !isName(name) {
		return Version{}, finding.Fail("library.unknown", nil, "version", name)
	}
	if _, err := os.Stat(filepath.Join(l.versions(), name)); errors.Is(err, fs.ErrNotExist) {
		return Version{}, finding.Fail("library.unknown", nil, "version", name)
	}
	v, err := l.manifest(name)
	if err != nil {
		return Version{}, err
	}
	for i := range v.Sources {
		s := &v.Sources[i]
		file := filepath.Join(l.versions(), name, s.Name)
		if s.Body, err = readBounded(file, bodyBytes); err != nil {
			return Version{}, finding.Fail("library.damaged", err, "file", file)
		}
		if hash(s.Body) != s.SHA256 {
			return Version{}, finding.Fail("library.damaged", errors.New("its bytes are not those that were written"), "file", file)
		}
	}
	return v, nil
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Snapshot builds the version called name.
func (l *Library) Snapshot(name string) (*catalog.Snapshot, error) {
	v, err := l.Load(name)
	if err != nil {
		return nil, err
	}
	s, _, err := l.build(v)
	return s, err
}

// build joins the sources of v to the built-in catalog. The findings are warnings and notes.
func (l *Library) build(v Version) (*catalog.Snapshot, finding.List, error) {
	if len(v.Sources) == 0 {
		return catalog.Builtin(), nil, nil
	}
	var parts []*catalog.Part
	var found finding.List
	for _, s := range v.Sources {
		part, f := l.read(s)
		found = append(found, f...)
		switch {
		case part != nil:
			parts = append(parts, part)
		case f.HasErrors():
			return nil, nil, &finding.Problem{Findings: f.Of(finding.Error)}
		}
	}
	s, f := catalog.Renew(v.Name, parts...)
	if s == nil {
		return nil, nil, &finding.Problem{Findings: f}
	}
	return s, found, nil
}

// Current returns the snapshot of the version in use.
func (l *Library) Current() (*catalog.Snapshot, error) {
	s, err := l.state()
	if err != nil {
		return nil, err
	}
	return l.Snapshot(s.Current)
}

// CurrentVersion returns the version in use with the bodies of its sources.
func (l *Library) CurrentVersion() (Version, error) {
	s, err := l.state()
	if err != nil {
		return Version{}, err
	}
	return l.Load(s.Current)
}

// CurrentSource returns the source of that name of the version in use; the zero Source when it has none.
func (l *Library) CurrentSource(name string) (Source, error) {
	v, err := l.CurrentVersion()
	if err != nil {
		return Source{}, err
	}
	for _, s := range v.Sources {
		if s.Name == name {
			return s, nil
		}
	}
	return Source{}, nil
}

// Preview builds the version in use with the given sources over it, however old they are, and writes nothing.
func (l *Library) Preview(name string, fresh ...Source) (*catalog.Snapshot, Version, error) {
	v, err := l.CurrentVersion()
	if err != nil {
		return nil, Version{}, err
	}
	v.Name, v.Sources = name, slices.Clone(v.Sources)
	for _, f := range fresh {
		f.SHA256, f.Read = hash(f.Body), f.Read.UTC()
		if i := slices.IndexFunc(v.Sources, func(s Source) bool { return s.Name == f.Name }); i >= 0 {
			v.Sources[i] = f
		} else {
			v.Sources = append(v.Sources, f)
		}
	}
	slices.SortFunc(v.Sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	s, _, err := l.build(v)
	return s, v, err
}

// Added is what became of an Add.
type Added struct {
	Version    Version            `json:"version"`
	Same       bool               `json:"same"` // nothing changed; Version is the one in use
	Difference catalog.Difference `json:"difference"`
	Findings   finding.List       `json:"findings,omitempty"` // warnings and notes about the files
}

// Add makes a version of the sources in use with the given ones over them and puts it into use. When it would drop
// more than maxDrop percent of the hosts or prefixes of one list it is kept and waits (Version.Waiting); with a negative
// maxDrop it waits whatever it drops. Whatever is wrong is a *finding.Problem, and nothing has changed.
func (l *Library) Add(maxDrop int, fresh ...Source) (Added, error) {
	if err := os.MkdirAll(l.versions(), 0o700); err != nil {
		return Added{}, finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	unlock, err := l.lock()
	if err != nil {
		return Added{}, err
	}
	defer unlock()
	s, err := l.state()
	if err != nil {
		return Added{}, err
	}
	before, err := l.Load(s.Current)
	if err != nil {
		return Added{}, err
	}
	next := Version{Made: l.now().UTC().Truncate(time.Second), Sources: slices.Clone(before.Sources)}
	same := true
	for _, f := range fresh {
		f.SHA256, f.Read = hash(f.Body), f.Read.UTC()
		if !isName(f.Name) || len(f.Body) > bodyBytes {
			return Added{}, finding.Fail("library.source", nil, "file", f.Name)
		}
		i := slices.IndexFunc(next.Sources, func(s Source) bool { return s.Name == f.Name })
		if i >= 0 && next.Sources[i].SHA256 == f.SHA256 && next.Sources[i].Version == f.Version {
			continue
		}
		if maxDrop < 100 && slices.Contains(s.Rejected, f.SHA256) {
			return Added{}, finding.Fail("library.rejected", nil, "file", f.Name, "version", f.Version)
		}
		switch {
		case i < 0:
			next.Sources, same = append(next.Sources, f), false
		case f.Version != "" && f.Version < next.Sources[i].Version:
			return Added{}, finding.Fail("library.older", nil, "file", f.Name, "version", f.Version, "known", next.Sources[i].Version)
		default:
			next.Sources[i], same = f, false
		}
	}
	if same {
		before.Current = true
		return Added{Version: before, Same: true}, nil
	}
	slices.SortFunc(next.Sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	if next.Name, err = l.free(next.Made); err != nil {
		return Added{}, err
	}
	now, found, err := l.build(next)
	if err != nil {
		return Added{}, err
	}
	was, _, err := l.build(before)
	if err != nil {
		return Added{}, err
	}
	next.Losses = catalog.Losses(was, now)
	next.Waiting = maxDrop < 0 || slices.ContainsFunc(next.Losses, func(loss catalog.Loss) bool { return loss.Percent() > maxDrop })
	if err := l.write(next); err != nil {
		return Added{}, err
	}
	if next.Waiting {
		s.Waiting = next.Name
	} else {
		s.Current, next.Current = next.Name, true
		if s.Waiting != "" && len(l.pending(s.Waiting, next)) == 0 {
			s.Waiting = "" // what waited has been overtaken
		}
	}
	if err := l.setState(s); err != nil {
		return Added{}, err
	}
	l.prune(s)
	return Added{Version: next, Difference: catalog.Diff(was, now), Findings: found}, nil
}

// free returns the name of a version made at the given time: the day, and a number when it is not the day's first.
func (l *Library) free(made time.Time) (string, error) {
	day := made.Format(time.DateOnly)
	for n := 1; n < 1000; n++ {
		name := day
		if n > 1 {
			name = fmt.Sprintf("%s.%d", day, n)
		}
		if _, err := os.Lstat(filepath.Join(l.versions(), name)); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", finding.Fail("library.unwritable", errors.New("a thousand versions in one day"), "folder", l.folder)
}

func (l *Library) lock() (func(), error) {
	lock, err := lockfile.Acquire(filepath.Join(l.folder, ".library.lock"), lockWait)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, finding.Fail("library.busy", nil, "folder", l.folder)
	}
	if err != nil {
		return nil, finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	return func() { _ = lock.Release() }, nil
}

// unfinished begins the name of a folder that is being written or removed.
const unfinished = ".new-"

// write puts a version on the shelf: everything into a folder of another name, then the name.
func (l *Library) write(v Version) error {
	v.Current, v.Waiting = false, false
	temporary, err := os.MkdirTemp(l.versions(), unfinished)
	if err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	defer os.RemoveAll(temporary)
	for _, s := range v.Sources {
		if err = writeFile(filepath.Join(temporary, s.Name), s.Body); err != nil {
			break
		}
	}
	if err == nil {
		var text []byte
		if text, err = json.MarshalIndent(v, "", "  "); err == nil {
			err = writeFile(filepath.Join(temporary, "manifest.json"), append(text, '\n'))
		}
	}
	if err == nil {
		err = os.Rename(temporary, filepath.Join(l.versions(), v.Name))
		syncFolder(l.versions())
	}
	if err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	return nil
}

func (l *Library) setState(s state) error {
	text, err := json.Marshal(s)
	if err == nil {
		temporary := l.stateFile() + ".new"
		if err = writeFile(temporary, append(text, '\n')); err == nil {
			err = os.Rename(temporary, l.stateFile())
			syncFolder(l.folder)
		}
	}
	if err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	return nil
}

// writeFile writes and flushes one file, readable by its owner alone.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if syncErr := f.Sync(); err == nil {
		err = syncErr
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// syncFolder makes a rename survive a power cut. Not every system can; the file's own content is safe already.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
