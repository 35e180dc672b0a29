package ldap

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
)

// Limits of a state file; chosen.
const (
	stateFormat   = 1
	maxStateLine  = 2 * maxEntryBytes // an object in base64
	maxStateBytes = 4 << 30           // two million objects with 2 KiB each
)

// state is what a reading leaves for the next one: one line about all, then one for each object. It holds what is planned
// with, and no password.
type state struct {
	Format     int       `json:"sekisho_directory_state"`
	Read       time.Time `json:"read"`
	Attributes []string  `json:"attributes"`
	Domains    []summary `json:"domains"`

	domains []*domain
}

// summary is a domain in the first line.
type summary struct {
	Name    string `json:"name"` // distinguished name
	Cookie  []byte `json:"cookie"`
	Objects int    `json:"objects"`
}

// domain is a domain with its objects by objectGUID.
type domain struct {
	Name    string
	Cookie  []byte
	objects map[string]*kept
}

// kept is an object.
type kept struct {
	GUID   []byte              `json:"guid"`
	DN     string              `json:"dn"`
	Values map[string][][]byte `json:"values"`
}

// object is the object for package directory; computed is what is known of a lock-out, nil: it is not locked out.
func (k *kept) object(computed []byte) directory.Object {
	o := directory.Object{DN: k.DN}
	for _, name := range slices.Sorted(maps.Keys(k.Values)) {
		o.Attributes = append(o.Attributes, directory.Attribute{Name: name, Values: k.Values[name]})
	}
	if _, signsIn := k.Values["userAccountControl"]; signsIn {
		if computed == nil {
			computed = []byte("0")
		}
		o.Attributes = append(o.Attributes, directory.Attribute{Name: attrComputed, Values: [][]byte{computed}})
	}
	return o
}

// fit is the domain of p in s where its changes can be read, else nil and why not.
func (s *state) fit(p part, attributes []string, now time.Time) (*domain, string) {
	switch {
	case s == nil:
		return nil, "first"
	case !slices.Equal(s.Attributes, attributes):
		return nil, "attributes"
	case now.Sub(s.Read) > maxStateAge || s.Read.After(now.Add(24*time.Hour)):
		return nil, "age"
	}
	for _, d := range s.domains {
		if foldDN(d.Name) == foldDN(p.nc) {
			return d, ""
		}
	}
	return nil, "first"
}

// readState reads a state file; nil when there is none.
func readState(file string) (*state, error) {
	in, err := os.Open(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, finding.Fail("ldap.state-unreadable", pathless(err), "file", file)
	}
	defer in.Close()
	s, err := parseState(in)
	if err != nil {
		return nil, finding.Fail("ldap.state-broken", err, "file", file)
	}
	return s, nil
}

// pathless leaves out the file that the message names.
func pathless(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// parseState reads a state, or says what is wrong with it.
func parseState(r io.Reader) (*state, error) {
	lines := bufio.NewReaderSize(io.LimitReader(r, maxStateBytes), 64<<10)
	var s state
	if err := stateLine(lines, &s); err != nil {
		return nil, err
	}
	if s.Format != stateFormat {
		return nil, errors.New("not a file that this version wrote")
	}
	if len(s.Domains) == 0 || len(s.Domains) > maxServers {
		return nil, errors.New("number of domains")
	}
	total := 0
	for _, sum := range s.Domains {
		if len(sum.Cookie) == 0 || sum.Objects < 0 || sum.Objects > directory.MaxObjects || total+sum.Objects > directory.MaxObjects {
			return nil, errors.New("number of objects")
		}
		total += sum.Objects
		d := &domain{Name: sum.Name, Cookie: sum.Cookie, objects: map[string]*kept{}}
		for range sum.Objects {
			k := &kept{}
			if err := stateLine(lines, k); err != nil {
				return nil, err
			}
			if len(k.GUID) != 16 || k.DN == "" || d.objects[string(k.GUID)] != nil {
				return nil, errors.New("an object without its name, or twice")
			}
			if k.Values == nil {
				k.Values = map[string][][]byte{}
			}
			d.objects[string(k.GUID)] = k
		}
		s.domains = append(s.domains, d)
	}
	if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something behind the end")
	}
	return &s, nil
}

// stateLine reads a line into v.
func stateLine(lines *bufio.Reader, v any) error {
	var line []byte
	for {
		piece, err := lines.ReadSlice('\n')
		if line = append(line, piece...); len(line) > maxStateLine {
			return errors.New("a line is too long")
		}
		if err == nil {
			return json.Unmarshal(line, v)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// write puts the state in the place of the file: whole, for its owner alone, and only when it is on disk.
func (s *state) write(file string) (err error) {
	defer func() {
		if err != nil {
			err = finding.Fail("ldap.state-unwritable", pathless(err), "file", file)
		}
	}()
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // fails once it was renamed
	buffered := bufio.NewWriterSize(out, 256<<10)
	err = s.encode(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = out.Sync()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(out.Name(), file)
}

// encode writes the lines of the state: objects in the order of their GUIDs.
func (s *state) encode(w io.Writer) error {
	s.Format, s.Domains = stateFormat, nil
	for _, d := range s.domains {
		s.Domains = append(s.Domains, summary{d.Name, d.Cookie, len(d.objects)})
	}
	out := json.NewEncoder(w)
	if err := out.Encode(s); err != nil {
		return err
	}
	for _, d := range s.domains {
		for _, guid := range slices.Sorted(maps.Keys(d.objects)) {
			k := d.objects[guid]
			k.GUID = []byte(guid)
			if err := out.Encode(k); err != nil {
				return err
			}
		}
	}
	return nil
}
