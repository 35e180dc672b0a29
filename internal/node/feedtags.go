package node

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/servicetags"
)

// feedTags answers which prefixes the service tags have that rows of the catalog name. It keeps those alone, of the
// tens of thousands in a file, and reads a file again when another one was imported. Safe for concurrent use.
type feedTags struct {
	store *servicetags.Store

	mu    sync.Mutex
	known string // hashes of the files and version of the catalog that prefixes were read from
	found map[feedTag][]netip.Prefix
}

type feedTag struct {
	cloud servicetags.Cloud
	name  string
}

// of returns what feed.Tags asks for: the prefixes of one tag in the cloud of a claim.
func (f *feedTags) of(s *catalog.Snapshot) func(cloud, tag string) ([]netip.Prefix, bool) {
	return func(cloud, tag string) ([]netip.Prefix, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.read(s)
		prefixes, ok := f.found[feedTag{servicetags.CloudOfClaim(cloud), tag}]
		return prefixes, ok
	}
}

// changed returns when a file was last put into use; zero when none was.
func (f *feedTags) changed() (at time.Time) {
	manifests, _ := f.store.Current()
	for _, m := range manifests {
		for _, t := range []time.Time{m.Imported, m.Used} {
			if t.After(at) {
				at = t
			}
		}
	}
	return at
}

// read reads the files in use unless they are known. A file that cannot be read has no tags here; the status page and
// the log say what is wrong with it.
func (f *feedTags) read(s *catalog.Snapshot) {
	manifests, _ := f.store.Current()
	key := []string{s.Version()}
	for _, m := range manifests {
		key = append(key, m.SHA256)
	}
	if all := strings.Join(key, " "); f.known != all {
		f.known, f.found = all, map[feedTag][]netip.Prefix{}
	} else {
		return
	}
	wanted := map[string]bool{}
	for _, set := range s.Sets() {
		for _, name := range set.Tags {
			wanted[name] = true
		}
	}
	for _, m := range manifests {
		file, _, err := f.store.Load(m.Cloud)
		if err != nil {
			continue
		}
		for _, t := range file.Tags {
			if wanted[t.Name] {
				f.found[feedTag{m.Cloud, t.Name}] = t.Prefixes
			}
		}
	}
}
