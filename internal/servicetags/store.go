package servicetags

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go4.org/netipx"

	"sekisho/internal/finding"
)

const (
	// MaxDropPercent is the share of the prefixes in use that a new file may drop unasked. From change number 371 to
	// 376, five weeks, far less than one in a hundred went (chosen: a fifth is no week's work).
	MaxDropPercent = 20
	// kept is how many files of a cloud stay on the shelf, the one in use included (chosen: a quarter of a year of weekly
	// ones; the public one has 4 MB).
	kept = 13
	// lockWait is how long an import waits for another one (chosen: both are done in a second).
	lockWait = 10 * time.Second
	// manifestBytes bounds the manifest (chosen: it has about 400).
	manifestBytes = 64 << 10
)

// Manifest says which file of a cloud is in use. It is what the store writes beside the body.
type Manifest struct {
	Cloud        Cloud     `json:"cloud"`
	ChangeNumber int64     `json:"change_number"`
	Date         time.Time `json:"date,omitzero"` // the day in the file's name; zero: it had none
	Imported     time.Time `json:"imported"`      // UTC
	Name         string    `json:"name"`          // of the file that was imported, without folder
	SHA256       string    `json:"sha256"`        // of the body
	Body         string    `json:"body"`          // file in the store's folder
	Tags         int       `json:"tags"`
	Prefixes     int       `json:"prefixes"`
	// Used is when it was put into use, UTC: at its import, or later by going back to it. Zero: it never was, or before
	// this was written down.
	Used time.Time `json:"used,omitzero"`
}

// Version names the file as people do: "public-376".
func (m Manifest) Version() string {
	return m.Cloud.String() + "-" + strconv.FormatInt(m.ChangeNumber, 10)
}

// AgeDays is the age at now in whole days: since the file's date, or since the import when its name had no date.
func (m Manifest) AgeDays(now time.Time) int {
	since := m.Date
	if since.IsZero() {
		since = m.Imported
	}
	return max(0, int(now.Sub(since)/(24*time.Hour)))
}

// Store is the shelf of imported service tags files: some of each cloud, one of them in use. A body is written whole under
// a name of its own, with a manifest beside it, before the manifest that says which is in use is replaced, so that whoever
// reads sees the old file or the new one.
// Safe for concurrent use, by several processes too.
type Store struct {
	folder string
	now    func() time.Time
}

// NewStore returns the store in folder, which need not exist before the first import. now is the clock; nil: the
// system's.
func NewStore(folder string, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{folder: folder, now: now}
}

func (s *Store) manifestFile(c Cloud) string {
	return filepath.Join(s.folder, "servicetags-"+c.String()+".manifest.json")
}

// Current returns what is in use, by cloud; an empty list when nothing was imported. It reads the manifests alone. The
// error is a *finding.Problem that names the file; the others are returned with it.
func (s *Store) Current() ([]Manifest, error) {
	var list []Manifest
	var problem error
	for _, c := range Clouds() {
		m, err := s.manifest(c)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problem = cmp.Or(problem, err)
		default:
			list = append(list, m)
		}
	}
	return list, problem
}

func (s *Store) manifest(c Cloud) (Manifest, error) { return readManifest(s.manifestFile(c), c) }

func readManifest(file string, c Cloud) (Manifest, error) {
	data, err := readBounded(file, manifestBytes)
	if err != nil {
		return Manifest{}, finding.Fail("servicetags.unreadable", err, "file", file)
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, finding.Fail("servicetags.damaged", err, "file", file)
	}
	if m.Cloud != c || m.Body != filepath.Base(m.Body) || m.Body == "" || m.Body == "." {
		return Manifest{}, finding.Fail("servicetags.damaged", nil, "file", file)
	}
	return m, nil
}

// Load reads and checks the file in use of one cloud. The error is a *finding.Problem; it wraps fs.ErrNotExist when
// nothing was imported.
func (s *Store) Load(c Cloud) (*File, Manifest, error) {
	m, err := s.manifest(c)
	if err != nil {
		return nil, m, err
	}
	file, err := s.load(m)
	return file, m, err
}

func (s *Store) load(m Manifest) (*File, error) {
	name := filepath.Join(s.folder, m.Body)
	data, err := readBounded(name, MaxBytes)
	if err != nil {
		return nil, finding.Fail("servicetags.unreadable", err, "file", name)
	}
	if hashOf(data) != m.SHA256 {
		return nil, finding.Fail("servicetags.damaged", nil, "file", name)
	}
	file, found := Parse(name, data)
	if file == nil {
		return nil, &finding.Problem{Findings: append(finding.List{finding.New("servicetags.damaged", finding.Error, finding.Pos{}, "file", name)}, found...)}
	}
	file.Date = m.Date
	return file, nil
}

// Index loads every cloud's file in use. What cannot be loaded is left out and told by the error, a *finding.Problem.
// The index is nil when nothing was imported.
func (s *Store) Index() (*Index, []Manifest, error) {
	list, problem := s.Current()
	var files []*File
	var loaded []Manifest
	for _, m := range list {
		file, err := s.load(m)
		if err != nil {
			problem = cmp.Or(problem, err)
			continue
		}
		files, loaded = append(files, file), append(loaded, m)
	}
	if len(files) == 0 {
		return nil, nil, problem
	}
	return NewIndex(files...), loaded, problem
}

// Imported is what Import did.
type Imported struct {
	Manifest Manifest
	// Before is what was in use until now; its Cloud is 0 when there was nothing.
	Before Manifest
	// Same says that the very file was in use already; nothing was written.
	Same bool
	// Dropped is how many tag and prefix pairs of Before are no longer there.
	Dropped int
	// Warnings are what was repaired or held.
	Warnings finding.List
}

// Import puts a service tags file into use. name is the file's own, which tells its date. With force it takes a file
// that is older, that has the same change number with other contents, or that would drop more than MaxDropPercent of
// the prefixes in use; nothing makes it take one that Parse refuses. The error is a *finding.Problem, and then nothing
// has changed.
func (s *Store) Import(name string, data []byte, force bool) (Imported, error) {
	file, found := Parse(name, data)
	if file == nil {
		return Imported{}, &finding.Problem{Findings: found}
	}
	fail := func(err error) (Imported, error) {
		return Imported{}, finding.Fail("servicetags.unwritable", err, "folder", s.folder)
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return fail(err)
	}
	lock, err := s.acquire()
	if err != nil {
		return Imported{}, err
	}
	defer lock.Release()
	done, err := s.weigh(name, data, file, found, force)
	if err != nil || done.Same {
		return done, err
	}
	// A damaged store is mended by a good file: there is nothing to compare with.
	if err := writeWhole(filepath.Join(s.folder, done.Manifest.Body), data); err != nil {
		return fail(err)
	}
	if err := s.putIntoUse(done.Manifest); err != nil {
		return fail(err)
	}
	s.prune(done.Manifest.Cloud, done.Manifest.Body)
	return done, nil
}

// Judge says what Import would do, and does nothing. The error is Import's, as far as the file is its reason.
func (s *Store) Judge(name string, data []byte, force bool) (Imported, error) {
	file, found := Parse(name, data)
	if file == nil {
		return Imported{}, &finding.Problem{Findings: found}
	}
	return s.weigh(name, data, file, found, force)
}

// weigh holds a file that was read against the one in use.
func (s *Store) weigh(name string, data []byte, file *File, found finding.List, force bool) (Imported, error) {
	sum := hashOf(data)
	done := Imported{Warnings: found, Manifest: Manifest{
		Cloud: file.Cloud, ChangeNumber: file.ChangeNumber, Date: file.Date, Imported: s.now().UTC().Truncate(time.Second),
		Name: filepath.Base(name), SHA256: sum, Tags: len(file.Tags), Prefixes: file.Prefixes, Body: bodyName(file, sum),
		Used: s.now().UTC().Truncate(time.Second),
	}}
	old, before, err := s.Load(file.Cloud)
	if err == nil {
		done.Before = before
		if before.SHA256 == sum {
			done.Manifest, done.Same = before, true
			return done, nil
		}
		done.Dropped = dropped(old, file)
		if problem := judge(before, done); problem != nil && !force {
			return Imported{}, problem
		}
	}
	return done, nil
}

// Body returns the file in use of one cloud as it was imported. The error is a *finding.Problem; it wraps fs.ErrNotExist
// when nothing was imported.
func (s *Store) Body(c Cloud) ([]byte, Manifest, error) {
	m, err := s.manifest(c)
	if err != nil {
		return nil, m, err
	}
	name := filepath.Join(s.folder, m.Body)
	data, err := readBounded(name, MaxBytes)
	switch {
	case err != nil:
		return nil, m, finding.Fail("servicetags.unreadable", err, "file", name)
	case hashOf(data) != m.SHA256:
		return nil, m, finding.Fail("servicetags.damaged", nil, "file", name)
	}
	return data, m, nil
}

// judge says why the new file is not to be taken unasked.
func judge(before Manifest, done Imported) error {
	m := done.Manifest
	have, got := strconv.FormatInt(before.ChangeNumber, 10), strconv.FormatInt(m.ChangeNumber, 10)
	percent := 100 * float64(done.Dropped) / float64(max(1, before.Prefixes))
	switch {
	case m.ChangeNumber < before.ChangeNumber:
		return finding.Fail("servicetags.older", nil, "have", have, "got", got, "cloud", m.Cloud.String())
	case m.ChangeNumber == before.ChangeNumber:
		return finding.Fail("servicetags.same-number", nil, "got", got, "cloud", m.Cloud.String())
	case percent > MaxDropPercent:
		return finding.Fail("servicetags.dropped", nil, "percent", strconv.Itoa(int(math.Ceil(percent))), "have",
			strconv.Itoa(before.Prefixes), "most", strconv.Itoa(MaxDropPercent), "cloud", m.Cloud.String())
	}
	return nil
}

// dropped counts the tag and prefix pairs of old whose addresses the same tag no longer has in file. Two halves that
// became one prefix are not dropped.
func dropped(old, file *File) int {
	tags := make(map[string]*Tag, len(file.Tags))
	for _, t := range file.Tags {
		tags[t.Name] = t
	}
	n := 0
	for _, t := range old.Tags {
		now, ok := tags[t.Name]
		switch {
		case !ok:
			n += len(t.Prefixes)
		case !slices.Equal(t.Prefixes, now.Prefixes):
			n += gone(t.Prefixes, now.Prefixes)
		}
	}
	return n
}

// gone counts the prefixes that now does not cover.
func gone(prefixes, now []netip.Prefix) int {
	var b netipx.IPSetBuilder
	for _, p := range now {
		b.AddPrefix(p)
	}
	set, err := b.IPSet()
	if err != nil {
		return len(prefixes)
	}
	n := 0
	for _, p := range prefixes {
		if !set.ContainsPrefix(p) {
			n++
		}
	}
	return n
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readBounded reads a file of at most most bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = errors.New("larger than " + strconv.FormatInt(most, 10) + " bytes")
	}
	return data, err
}

// writeWhole writes a file beside its place and renames it, so that a reader sees all of it or the old one.
func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".servicetags-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = cmp.Or(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
