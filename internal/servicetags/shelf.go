package servicetags

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
)

// Shelved is a file on the shelf.
type Shelved struct {
	Manifest
	Current bool // in use
}

// ID names the file beyond doubt: its version and the beginning of its hash, "public-376-1a2b3c4d". Two files of one
// change number are there when somebody forced the second.
func (m Manifest) ID() string { return m.Version() + "-" + m.SHA256[:min(8, len(m.SHA256))] }

// Day is the day of the data: the one in the file's name, or of the import when the name had none. UTC.
func (m Manifest) Day() time.Time {
	if m.Date.IsZero() {
		return m.Imported.UTC().Truncate(24 * time.Hour)
	}
	return m.Date
}

// besideBody is the manifest that stands beside a body on the shelf.
func besideBody(body string) string { return strings.TrimSuffix(body, ".json") + besideSuffix }

const besideSuffix = ".manifest.json"

// Shelf returns the files that are kept, by cloud, oldest data first. It reads manifests alone. What cannot be read is
// left out and told by the error, a *finding.Problem; the others are returned with it.
func (s *Store) Shelf() ([]Shelved, error) {
	var list []Shelved
	inUse, problem := s.Current()
	for _, c := range Clouds() {
		current, used := Manifest{}, slices.IndexFunc(inUse, func(m Manifest) bool { return m.Cloud == c })
		if used >= 0 {
			current = inUse[used]
		}
		var of []Shelved
		for _, file := range s.glob("servicetags-" + c.String() + "-*" + besideSuffix) {
			m, err := readManifest(file, c)
			if err == nil && besideBody(m.Body) != filepath.Base(file) {
				err = finding.Fail("servicetags.damaged", nil, "file", file)
			}
			if err != nil {
				problem = cmp.Or(problem, err)
				continue
			}
			of = append(of, Shelved{m, m.Body == current.Body})
		}
		// One that was imported before manifests stood beside bodies.
		if used >= 0 && !slices.ContainsFunc(of, func(v Shelved) bool { return v.Current }) {
			of = append(of, Shelved{current, true})
		}
		slices.SortFunc(of, func(a, b Shelved) int {
			return cmp.Or(cmp.Compare(a.ChangeNumber, b.ChangeNumber), a.Imported.Compare(b.Imported), cmp.Compare(a.Body, b.Body))
		})
		list = append(list, of...)
	}
	return list, problem
}

// glob lists files of the folder; the pattern has no mistake, and a folder that is not there has no file.
func (s *Store) glob(pattern string) []string {
	names, _ := filepath.Glob(filepath.Join(escapeGlob(s.folder), pattern))
	return names
}

// escapeGlob keeps a folder's name from being read as a pattern. Windows has no escape, and no such names but "[".
func escapeGlob(folder string) string {
	if filepath.Separator == '\\' {
		return folder
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(folder)
}

// Named returns the file on the shelf that name names: an ID, a version ("public-376"), or one of them behind
// "service-tags-". Of two with one version it is the one in use, or else the one that was imported last. ok is false when
// there is none.
func (s *Store) Named(name string) (found Shelved, ok bool) {
	name = strings.TrimPrefix(name, "service-tags-")
	list, _ := s.Shelf()
	for _, v := range list {
		if v.ID() == name {
			return v, true
		}
		if v.Version() == name && (!ok || !found.Current && (v.Current || !v.Imported.Before(found.Imported))) {
			found, ok = v, true
		}
	}
	return found, ok
}

// OnDay returns the newest file of c whose data are of that day or earlier; ok is false when none that old is kept.
func (s *Store) OnDay(c Cloud, day time.Time) (found Shelved, ok bool) {
	list, _ := s.Shelf()
	for _, v := range list {
		if v.Cloud == c && v.Day().Before(day.AddDate(0, 0, 1)) {
			found, ok = v, true
		}
	}
	return found, ok
}

// LoadFile reads and checks a file on the shelf. The error is a *finding.Problem.
func (s *Store) LoadFile(m Manifest) (*File, error) { return s.load(m) }

// Use puts a file of the shelf into use, after reading it, and returns what was in use before; Cloud 0 is nothing. The
// error is a *finding.Problem, and then nothing has changed.
func (s *Store) Use(m Manifest) (before Manifest, err error) {
	if _, err := s.load(m); err != nil {
		return Manifest{}, err
	}
	lock, err := s.acquire()
	if err != nil {
		return Manifest{}, err
	}
	defer lock.Release()
	if before, err = s.manifest(m.Cloud); err != nil {
		before = Manifest{} // a damaged one is mended by the other
	}
	m.Used = s.now().UTC().Truncate(time.Second)
	if err := s.putIntoUse(m); err != nil {
		return Manifest{}, finding.Fail("servicetags.unwritable", err, "folder", s.folder)
	}
	return before, nil
}

func (s *Store) acquire() (*lockfile.Lock, error) {
	lock, err := lockfile.Acquire(filepath.Join(s.folder, ".servicetags.lock"), lockWait)
	switch {
	case errors.Is(err, lockfile.ErrHeld):
		return nil, finding.Fail("servicetags.busy", nil, "folder", s.folder)
	case err != nil:
		return nil, finding.Fail("servicetags.unwritable", err, "folder", s.folder)
	}
	return lock, nil
}

// putIntoUse writes the manifest beside the body, then the one that says what is in use. The lock is held and the body is
// there.
func (s *Store) putIntoUse(m Manifest) error {
	// What is in use may have come when no manifest stood beside it; then it gets one, to go back to.
	if before, err := s.manifest(m.Cloud); err == nil && before.Body != m.Body {
		if _, err := os.Lstat(filepath.Join(s.folder, besideBody(before.Body))); err != nil {
			if err := s.writeManifest(besideBody(before.Body), before); err != nil {
				return err
			}
		}
	}
	if err := s.writeManifest(besideBody(m.Body), m); err != nil {
		return err
	}
	return s.writeManifest(filepath.Base(s.manifestFile(m.Cloud)), m)
}

func (s *Store) writeManifest(name string, m Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(s.folder, name), append(text, '\n'))
}

// prune takes the files of a cloud off the shelf that were imported longest ago, and bodies that no manifest names. What
// cannot be removed is no reason to refuse an import. The lock is held.
func (s *Store) prune(c Cloud, current string) {
	var list []Manifest
	for _, file := range s.glob("servicetags-" + c.String() + "-*" + besideSuffix) {
		m, err := readManifest(file, c)
		if err != nil || besideBody(m.Body) != filepath.Base(file) {
			_ = os.Remove(file)
			continue
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Manifest) int {
		return cmp.Or(b.Imported.Compare(a.Imported), cmp.Compare(b.ChangeNumber, a.ChangeNumber), cmp.Compare(a.Body, b.Body))
	})
	stays := map[string]bool{current: true}
	for _, m := range list {
		if len(stays) < kept {
			stays[m.Body] = true
		}
		if !stays[m.Body] {
			_ = os.Remove(filepath.Join(s.folder, besideBody(m.Body)))
		}
	}
	for _, file := range s.glob("servicetags-" + c.String() + "-*.json") {
		if name := filepath.Base(file); !strings.HasSuffix(name, besideSuffix) && !stays[name] {
			_ = os.Remove(file)
		}
	}
}

// bodyName is the file that a body is written to.
func bodyName(f *File, sum string) string {
	return "servicetags-" + f.Cloud.String() + "-" + strconv.FormatInt(f.ChangeNumber, 10) + "-" + sum[:8] + ".json"
}
