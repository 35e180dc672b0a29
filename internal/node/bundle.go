package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/bundle"
	"sekisho/internal/catalog/library"
	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
	"sekisho/internal/m365"
	"sekisho/internal/servicetags"
)

// The kinds of file in a bundle.
const (
	kindList    = "m365-list"
	kindChanges = "m365-changes"
	kindTags    = "service-tags"
)

// BundleKeyFile is where the key that signs bundles stands in the data folder.
func BundleKeyFile(data string) string { return filepath.Join(CatalogFolder(data), "bundle-key.pem") }

// SignersFile is where the trusted signers stand in the data folder: a key a line, a note behind it.
func SignersFile(data string) string { return filepath.Join(CatalogFolder(data), "bundle-signers") }

// keyFileBytes bounds a key file and the list of signers (chosen: 500 signers).
const keyFileBytes = 64 << 10

// BundleKey returns the key in file that signs bundles. With create a missing one is made; created says so. A key that
// other people can read is refused. The error is a *finding.Problem.
func BundleKey(file string, create bool) (key ed25519.PrivateKey, created bool, err error) {
	text, err := readSmall(file, keyFileBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist) && create:
		return makeKey(file)
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, finding.Fail("node.bundle-no-key", nil, "file", file)
	case err != nil:
		return nil, false, finding.Fail("node.bundle-key", err, "file", file)
	}
	if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o027 != 0 {
		return nil, false, finding.Fail("node.bundle-key-open", nil, "file", file)
	}
	if key, err = bundle.UnmarshalKey(text); err != nil {
		return nil, false, finding.Fail("node.bundle-key", err, "file", file)
	}
	return key, false, nil
}

func makeKey(file string) (ed25519.PrivateKey, bool, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, false, err
	}
	text, err := bundle.MarshalKey(key)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		var f *os.File // O_EXCL: two runs at once do not sign with different keys, and no key is overwritten
		if f, err = os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_, err = f.Write(text)
			err = errors.Join(err, f.Sync(), f.Close())
			if err != nil {
				_ = os.Remove(file)
			}
		}
	}
	if err != nil {
		return nil, false, finding.Fail("node.unwritable", err, "file", file)
	}
	return key, true, nil
}

// Signers returns the signers whose bundles are taken: those of the list in the data folder and, if there is one, the
// holder of the data folder's own key. The error is a *finding.Problem; nobody is trusted then.
func Signers(data string) ([]bundle.Key, error) {
	var out []bundle.Key
	text, err := readSmall(SignersFile(data), keyFileBytes)
	if err == nil {
		out, err = bundle.ParseKeys(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, finding.Fail("node.bundle-signers", err, "file", SignersFile(data))
	}
	if key, _, err := BundleKey(BundleKeyFile(data), false); err == nil {
		out = append(out, bundle.KeyOf(key))
	}
	return out, nil
}

// TrustSigner adds a signer to the list in the data folder; known says that it was there. The error is a
// *finding.Problem.
func TrustSigner(data string, key bundle.Key, note string) (known bool, err error) {
	file := SignersFile(data)
	fail := func(err error) (bool, error) { return false, finding.Fail("node.unwritable", err, "file", file) }
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fail(err)
	}
	lock, err := lockfile.Acquire(filepath.Join(filepath.Dir(file), ".bundle.lock"), 10*time.Second)
	if err != nil {
		return fail(err)
	}
	defer lock.Release()
	text, err := readSmall(file, keyFileBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, finding.Fail("node.bundle-signers", err, "file", file)
	}
	keys, err := bundle.ParseKeys(text)
	if err != nil {
		return false, finding.Fail("node.bundle-signers", err, "file", file)
	}
	if slices.Contains(keys, key) {
		return true, nil
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	note = strings.Join(strings.Fields(note), " ")
	text = append(text, strings.TrimSpace(key.String()+" "+note)+"\n"...)
	if len(text) > keyFileBytes {
		return fail(errors.New("too many signers"))
	}
	temporary := file + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return fail(err)
	}
	if err := os.Rename(temporary, file); err != nil {
		return fail(err)
	}
	return false, nil
}

func readSmall(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, errors.New("no file of at most " + strconv.FormatInt(most, 10) + " bytes")
	}
	return os.ReadFile(file)
}

// BundleContents gathers what a bundle of the data folder holds: the sources of the version of the catalog that is in
// use, and the service tags files in use. The error is a *finding.Problem.
func BundleContents(data string) (bundle.Contents, error) {
	c := bundle.Contents{Builtin: catalog.Builtin().Version(), Made: catalog.Builtin().Date()}
	v, err := Shelf(data, nil).CurrentVersion()
	if err != nil {
		return c, err
	}
	add := func(e bundle.Entry) {
		if e.Read.After(c.Made) {
			c.Made = e.Read
		}
		c.Entries = append(c.Entries, e)
	}
	for _, s := range v.Sources {
		kind := kindList
		if strings.HasPrefix(s.Name, "m365-changes-") {
			kind = kindChanges
		}
		e := bundle.Entry{Kind: kind, Name: s.Name, Version: s.Version, Read: s.Read, Body: s.Body}
		if len(s.Version) >= 8 {
			if day, err := time.Parse("20060102", s.Version[:8]); err == nil {
				e.Date = day.Format(time.DateOnly)
			}
		}
		add(e)
	}
	store := servicetags.NewStore(CatalogFolder(data), nil)
	for _, cloud := range servicetags.Clouds() {
		body, m, err := store.Body(cloud)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return c, err
		}
		e := bundle.Entry{Kind: kindTags, Name: "servicetags-" + cloud.String() + ".json", Version: strconv.FormatInt(m.ChangeNumber, 10), Read: m.Imported, Body: body}
		if !m.Date.IsZero() {
			e.Date = m.Date.Format(time.DateOnly)
		}
		add(e)
	}
	return c, nil
}

// BundleLists returns the endpoint lists of a bundle as sources for the shelf.
func BundleLists(c *bundle.Contents) []library.Source {
	var out []library.Source
	for _, e := range c.Entries {
		if e.Kind == kindList || e.Kind == kindChanges {
			out = append(out, library.Source{Name: e.Name, Version: e.Version, Read: e.Read, Body: e.Body})
		}
	}
	return out
}

// BundleTags reads the service tags files of a bundle. The error is a *finding.Problem.
func BundleTags(c *bundle.Contents) (servicetags.Files, error) {
	var out servicetags.Files
	for _, e := range c.Entries {
		if e.Kind != kindTags {
			continue
		}
		file, found := servicetags.Parse(tagsName(e), e.Body)
		if file == nil {
			return nil, &finding.Problem{Findings: found}
		}
		out = append(out, file)
	}
	return out, nil
}

// Unbundled is what ImportBundle did.
type Unbundled struct {
	// Lists is what became of the lists; Version is the one in use when the bundle has none.
	Lists library.Added
	// Tags is what became of each service tags file, by cloud.
	Tags []servicetags.Imported
	// Same says that everything was in use already.
	Same bool
}

// ImportBundle puts what a bundle holds into use. Everything is read and held against what is in use before anything is
// written; a bundle of which one file cannot be read or is older than the one in use changes nothing. With force it takes
// what drops much, and older service tags; older lists never, because an earlier version is there to go back to. The error
// is a *finding.Problem.
func ImportBundle(data string, c *bundle.Contents, maxDrop int, force bool, now func() time.Time) (Unbundled, error) {
	shelf, store := Shelf(data, now), servicetags.NewStore(CatalogFolder(data), now)
	inUse, err := shelf.CurrentVersion()
	if err != nil {
		return Unbundled{}, err
	}
	tags, err := store.Current()
	if err != nil && !force {
		return Unbundled{}, err
	}
	done := Unbundled{Lists: library.Added{Same: true, Version: inUse}, Same: true}
	var sources []library.Source
	var files []bundle.Entry
	var found finding.List
	older := func(e bundle.Entry, known string) {
		found = append(found, finding.New("node.bundle-older", finding.Error, finding.Pos{}, "file", e.Name, "version", e.Version, "known", known))
	}
	for _, e := range c.Entries {
		switch e.Kind {
		case kindList, kindChanges:
			s := library.Source{Name: e.Name, Version: e.Version, Read: e.Read, Body: e.Body}
			if _, f := readSource(s); f.HasErrors() {
				found = append(found, f.Of(finding.Error)...)
			}
			for _, k := range inUse.Sources {
				if k.Name == e.Name && k.SHA256 != e.SHA256 && (e.Version < k.Version && e.Version != "" || (e.Version == "" || k.Version == "") && e.Read.Before(k.Read)) {
					older(e, k.Version)
				}
			}
			for _, i := range m365.Instances() {
				if known := builtinDay(i); s.Name == sourceName(i) && s.Version != "" && known != "" && s.Version[:min(8, len(s.Version))] < known {
					older(e, known+" ("+library.Builtin+")")
				}
			}
			sources = append(sources, s)
		case kindTags:
			for _, m := range tags {
				if e.Name == "servicetags-"+m.Cloud.String()+".json" && e.SHA256 != m.SHA256 {
					if n, err := strconv.ParseInt(e.Version, 10, 64); err == nil && n < m.ChangeNumber && !force {
						older(e, strconv.FormatInt(m.ChangeNumber, 10))
						continue
					}
				}
			}
			if _, err := store.Judge(tagsName(e), e.Body, true); err != nil {
				return Unbundled{}, err
			}
			files = append(files, e)
		default:
			found = append(found, finding.New("node.bundle-kind", finding.Error, finding.Pos{}, "file", e.Name, "kind", e.Kind))
		}
	}
	if found.HasErrors() {
		return Unbundled{}, &finding.Problem{Findings: found}
	}
	for _, e := range files {
		if _, err := store.Judge(tagsName(e), e.Body, force); err != nil {
			return Unbundled{}, err
		}
	}
	if len(sources) > 0 {
		limit := maxDrop
		if force {
			limit = 100
		}
		for _, i := range m365.Instances() {
			for _, s := range sources {
				if s.Name != sourceName(i) || limit >= 100 {
					continue
				}
				percent, err := dropped(shelf, i, s.Body, false)
				if err != nil {
					return Unbundled{}, err
				}
				if percent > maxDrop {
					limit = -1
				}
			}
		}
		if done.Lists, err = shelf.Add(limit, sources...); err != nil {
			return Unbundled{}, err
		}
	}
	done.Same = done.Lists.Same
	for _, e := range files {
		tag, err := store.Import(tagsName(e), e.Body, force)
		if err != nil {
			return done, err
		}
		done.Tags = append(done.Tags, tag)
		done.Same = done.Same && tag.Same
	}
	return done, nil
}

// tagsName is the publisher's name of a service tags file, which tells its date.
func tagsName(e bundle.Entry) string {
	if day, err := time.Parse(time.DateOnly, e.Date); err == nil {
		return "ServiceTags_" + strings.TrimSuffix(strings.TrimPrefix(e.Name, "servicetags-"), ".json") + "_" + day.Format("20060102") + ".json"
	}
	return e.Name
}
