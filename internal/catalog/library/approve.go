package library

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sekisho/internal/finding"
)

// Use puts the version called name into use, after building it. It is the way out of a damaged current.json too.
func (l *Library) Use(name string) error {
	if _, err := l.Snapshot(name); err != nil {
		return err
	}
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s, err := l.state()
	if err != nil {
		s = state{} // damaged; whoever names a version says what it shall be, and what waited or was refused is forgotten
	}
	s.Current = name
	if s.Waiting == name {
		s.Waiting = ""
	}
	return l.setState(s)
}

// pending returns the sources of the version called waiting that are newer than those of current, or that it has not. A
// version that cannot be read has none.
func (l *Library) pending(waiting string, current Version) []Source {
	w, err := l.Load(waiting)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(w.Sources, func(s Source) bool {
		return slices.ContainsFunc(current.Sources, func(c Source) bool {
			return c.Name == s.Name && (c.SHA256 == s.SHA256 || c.Version > s.Version || c.Version == s.Version && c.Read.After(s.Read))
		})
	})
}

// Approve puts the version that waits into use and returns its name. Where other lists have come into use since it was
// made, a new version joins both, so that approving takes nothing back.
func (l *Library) Approve() (string, error) {
	s, err := l.state()
	if err != nil {
		return "", err
	}
	if s.Waiting == "" {
		return "", finding.Fail("library.nothing-waits", nil)
	}
	w, err := l.Load(s.Waiting)
	if err != nil {
		return "", err
	}
	current, err := l.Load(s.Current)
	if err != nil {
		return s.Waiting, l.Use(s.Waiting) // the one in use is damaged; the other is whole
	}
	if len(l.pending(s.Current, w)) == 0 {
		return s.Waiting, l.Use(s.Waiting)
	}
	added, err := l.Add(100, l.pending(s.Waiting, current)...)
	return added.Version.Name, err
}

// Reject forgets the version that waits and returns its name. Its files are refused from now on, unless they are added
// with everything allowed.
func (l *Library) Reject() (string, error) {
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return "", finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	unlock, err := l.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	s, err := l.state()
	if err != nil {
		return "", err
	}
	name := s.Waiting
	if name == "" {
		return "", finding.Fail("library.nothing-waits", nil)
	}
	if current, err := l.Load(s.Current); err == nil {
		for _, p := range l.pending(name, current) {
			s.Rejected = append(s.Rejected, p.SHA256)
		}
	}
	s.Rejected = s.Rejected[max(0, len(s.Rejected)-rejections):]
	s.Waiting = ""
	if err := l.setState(s); err != nil {
		return "", err
	}
	l.remove(name) // on the shelf it would only be in the way
	return name, nil
}

// kept is how many versions stay on the shelf beside the built-in one, those in use and waiting included (chosen: half a
// year of weekly ones; each has a megabyte at most).
const kept = 30

// prune removes the oldest versions beyond kept, and what a killed process left half written. What cannot be removed is
// no reason to refuse a good list. The lock is held.
func (l *Library) prune(s state) {
	entries, err := os.ReadDir(l.versions())
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			_ = os.RemoveAll(filepath.Join(l.versions(), e.Name()))
		}
	}
	versions, err := l.History()
	if err != nil {
		return
	}
	for i, v := range versions[1:] {
		if len(versions)-1-i > kept && v.Name != s.Current && v.Name != s.Waiting {
			l.remove(v.Name)
		}
	}
}

// remove takes a version off the shelf: first its name, so that half of it is never seen.
func (l *Library) remove(name string) {
	away := filepath.Join(l.versions(), unfinished+"gone-"+name)
	_ = os.RemoveAll(away)
	if os.Rename(filepath.Join(l.versions(), name), away) == nil {
		_ = os.RemoveAll(away)
	}
}
