package node

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"sekisho/internal/config"
)

const (
	// watchEvery is how often the files are looked at (chosen: a change judges within two seconds; five files cost some
	// microseconds).
	watchEvery = 700 * time.Millisecond
	// racy is how young a file's time may be for its content to be read again although time and size are as before: file
	// systems keep times as coarse as two seconds (FAT).
	racy = 3 * time.Second
	// watchedBytes bounds what is read of one file; more than any reader of these files takes.
	watchedBytes = 32 << 20
)

// sum identifies the content of a file; the zero sum is a file that is not there or cannot be read.
type sum [sha256.Size]byte

// watched knows the files that the configuration consists of and what they held when they were last read for a reload.
type watched struct {
	mu       sync.Mutex
	always   []string         // whatever the configuration says
	files    []string         // sorted
	looked   map[string]look  // at the last look
	loaded   map[string]sum   // when the last reload began
	previous map[string]sum   // at the look before the last
	now      func() time.Time // for racy
}

// look is one look at a file.
type look struct {
	info fs.FileInfo // nil: not there
	sum  sum
	at   time.Time
}

// newWatched watches always and what c names.
func newWatched(now func() time.Time, c *config.Config, always ...string) *watched {
	w := &watched{now: now, looked: map[string]look{}}
	for _, file := range always {
		if file != "" {
			w.always = append(w.always, file)
		}
	}
	w.files = w.listed(c)
	w.loaded = w.look()
	w.previous = w.loaded
	return w
}

// listed are the files of some configurations, nil ones left out.
func (w *watched) listed(of ...*config.Config) []string {
	files := slices.Clone(w.always)
	for _, c := range of {
		if c != nil {
			files = append(files, c.Files()...)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// name takes over the files of the edition that judges (b; nil: as before) and of the configuration read last, which may
// be one that cannot be used for what stands in a file that it names.
func (w *watched) name(b *built, c *config.Config) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.files
	if b != nil {
		w.files = w.listed(b.config)
	} else {
		w.files = w.listed(c)
		w.files = append(w.files, before...)
		slices.Sort(w.files)
		w.files = slices.Compact(w.files)
	}
	for _, file := range w.files {
		if _, known := w.loaded[file]; !known {
			// Named for the first time. It has just been read; a change since shows at the next look.
			w.loaded[file] = w.lookAt(file).sum
		}
	}
}

// mark notes what the files hold now as what has been loaded.
func (w *watched) mark() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loaded = w.look()
}

// changed reports whether a file holds something else than when it was loaded.
func (w *watched) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.differs(w.look())
}

// settled reports whether a file has changed since it was loaded, and none has since the call before: a file half
// written, or the second of two files that belong together, is waited for.
func (w *watched) settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.look()
	still := maps.Equal(now, w.previous)
	w.previous = now
	return still && w.differs(now)
}

func (w *watched) differs(now map[string]sum) bool {
	for _, file := range w.files {
		if now[file] != w.loaded[file] {
			return true
		}
	}
	return false
}

// look reads what has changed since the last look, as the file's time, size and identity tell.
func (w *watched) look() map[string]sum {
	sums := make(map[string]sum, len(w.files))
	for _, file := range w.files {
		sums[file] = w.lookAt(file).sum
	}
	for file := range w.looked {
		if _, named := sums[file]; !named {
			delete(w.looked, file)
		}
	}
	return sums
}

func (w *watched) lookAt(file string) look {
	info, err := os.Stat(file) // of what a link leads to
	if err != nil {
		delete(w.looked, file)
		return look{}
	}
	last, known := w.looked[file]
	if known && last.info != nil && os.SameFile(info, last.info) && info.ModTime().Equal(last.info.ModTime()) &&
		info.Size() == last.info.Size() && last.at.Sub(info.ModTime()) > racy {
		return last
	}
	seen := look{info: info, at: w.now()}
	if content, err := contentSum(file); err == nil {
		seen.sum = content
	}
	w.looked[file] = seen
	return seen
}

// contentSum is the sum of a file's content. A folder or a device has none.
func contentSum(file string) (sum, error) {
	f, err := os.Open(file)
	if err != nil {
		return sum{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return sum{}, errors.New("no regular file")
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, watchedBytes)); err != nil {
		return sum{}, err
	}
	return sum(h.Sum(nil)), nil
}
