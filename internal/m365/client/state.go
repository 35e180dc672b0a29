package client

import (
	"crypto/rand"
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

	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
	"sekisho/internal/m365"
)

const (
	// lockWait is how long a question waits for one of another process (chosen: an answer takes a second or two).
	lockWait = 15 * time.Second
	// stateBytes bounds the state file (chosen: a real one has 3 KiB).
	stateBytes = 1 << 20
	// keptBodies is how many bodies of one kind and instance stay (chosen: that of now, and that of before to look at).
	keptBodies = 2
)

// state is what the client must remember. It is one small file, replaced whole.
type state struct {
	// ID is the ClientRequestId of this machine: a random UUID (RFC 9562, section 5.4).
	ID string `json:"client_request_id"`
	// Base is the service that the rest is about; of another one nothing is known.
	Base string `json:"base"`
	// NotBefore is when the service may be asked again after it has refused.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Bodies are the answers that are kept, by file name.
	Bodies map[string]kept `json:"bodies"`

	folder string
	lock   *lockfile.Lock
}

// kept is one answer.
type kept struct {
	At     time.Time `json:"at"`
	SHA256 string    `json:"sha256"`
}

// open takes the lock and reads the state. A state that cannot be read is begun anew, with a new ClientRequestId: the
// worst that follows is one question too many.
func (c *Client) open() (*state, error) {
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return nil, finding.Fail("m365.unwritable", err, "folder", c.Folder)
	}
	lock, err := lockfile.Acquire(filepath.Join(c.Folder, ".client.lock"), lockWait)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, finding.Fail("m365.busy", nil, "folder", c.Folder)
	}
	if err != nil {
		return nil, finding.Fail("m365.unwritable", err, "folder", c.Folder)
	}
	s := &state{folder: c.Folder, lock: lock}
	if data, err := readBounded(s.file(), stateBytes); err == nil {
		if json.Unmarshal(data, s) != nil {
			*s = state{folder: c.Folder, lock: lock}
		}
	}
	fresh := false
	if !isUUID(s.ID) {
		s.ID, fresh = newUUID(), true
	}
	if s.Base != c.base() {
		s.Base, s.NotBefore, s.Bodies, fresh = c.base(), time.Time{}, nil, true
	}
	if s.Bodies == nil {
		s.Bodies = map[string]kept{}
	}
	// A clock that was set back must not keep us waiting for longer than the longest wait.
	if s.NotBefore.After(c.now().Add(longestWait)) {
		s.NotBefore = time.Time{}
	}
	if fresh {
		if err := s.save(); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *state) close() { _ = s.lock.Release() }

func (s *state) file() string { return filepath.Join(s.folder, "client.json") }

func (s *state) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = writeWhole(s.file(), append(text, '\n'))
	}
	if err != nil {
		return finding.Fail("m365.unwritable", err, "folder", s.folder)
	}
	return nil
}

// body returns a kept answer whose bytes are those that were written.
func (s *state) body(name string) ([]byte, bool) {
	k, ok := s.Bodies[name]
	if !ok || !isName(name) {
		return nil, false
	}
	body, err := readBounded(filepath.Join(s.folder, name), m365.MaxBody)
	return body, err == nil && hash(body) == k.SHA256
}

// keep writes an answer, and lets go of the oldest of its kind.
func (s *state) keep(name string, body []byte, now time.Time) error {
	if !isName(name) {
		return finding.Fail("m365.unwritable", errors.New("no file name: "+name), "folder", s.folder)
	}
	if err := writeWhole(filepath.Join(s.folder, name), body); err != nil {
		return finding.Fail("m365.unwritable", err, "folder", s.folder)
	}
	s.Bodies[name] = kept{now.UTC(), hash(body)}
	var alike []string
	for other := range s.Bodies {
		if kind(other) == kind(name) {
			alike = append(alike, other)
		}
	}
	slices.SortFunc(alike, func(a, b string) int { return s.Bodies[b].At.Compare(s.Bodies[a].At) })
	for i, old := range alike {
		if i >= keptBodies {
			delete(s.Bodies, old)
			if isName(old) {
				_ = os.Remove(filepath.Join(s.folder, old)) // a file that stays harms nobody
			}
		}
	}
	return s.save()
}

// kind is the part of a body's name that says what it is: "endpoints-china".
func kind(name string) string {
	parts := strings.SplitN(strings.TrimSuffix(name, ".json"), "-", 3)
	return strings.Join(parts[:min(2, len(parts))], "-")
}

// isName keeps a damaged state from leading out of the folder.
func isName(s string) bool {
	return s != "" && s[0] != '.' && len(s) <= 100 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// newUUID returns a random UUID. crypto/rand does not fail.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	_, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && strings.Count(s, "-") == 4
}

func readBounded(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fs.ErrInvalid
	}
	return os.ReadFile(file)
}

// writeWhole writes a file beside its place and renames it.
func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".client-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
