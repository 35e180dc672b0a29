// Package bundle is one signed file that carries the sources of a catalog into a closed network.
//
//	data, err := bundle.Write(contents, key)
//	contents, signer, err := bundle.Read("catalog.bundle", data, trusted)
//
// The file is a fixed head (the line "SEKISHO CATALOG BUNDLE 1", the signer's public key, an Ed25519 signature, RFC 8032,
// and the length of what follows) and a compressed body: a list of the files in JSON, then the files. The signature is
// over everything else, and nothing is unpacked before it holds. A file of another length than the head says, with one
// changed bit, of a signer that is not trusted, or whose list and files disagree is refused whole.
//
// The same contents and key give the same bytes: no clock and no chance is in them. What the files mean is not known
// here; names are keys and never paths. Nothing here does I/O.
package bundle

import (
	"bytes"
	"cmp"
	"compress/flate"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// The limits, all chosen: the lists of every cloud and the service tags have some 15 MB together, a fifth of that packed.
const (
	// MaxBytes is the largest bundle that is read or written.
	MaxBytes = 64 << 20
	// maxEntry is the largest file in a bundle, maxTotal all of them together.
	maxEntry = 64 << 20
	maxTotal = 256 << 20
	// maxEntries is how many files a bundle has at most, maxList how many bytes their list.
	maxEntries = 64
	maxList    = 1 << 20
)

const (
	mark     = "SEKISHO CATALOG BUNDLE 1\n"
	keyAt    = len(mark)
	signedAt = keyAt + ed25519.PublicKeySize
	sizeAt   = signedAt + ed25519.SignatureSize
	headSize = sizeAt + 8
)

// Key is the public key of a signer. The zero value is nobody's.
type Key [ed25519.PublicKeySize]byte

const keyPrefix = "ed25519:"

// String prints the key as people compare it: "ed25519:" and 43 characters.
func (k Key) String() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(k[:]) }

// MarshalText prints the key as String does.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// ParseKey reads the form that String prints, and no other.
func ParseKey(s string) (Key, error) {
	text, ok := strings.CutPrefix(s, keyPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != ed25519.PublicKeySize || Key(raw) == (Key{}) || Key(raw).String() != s {
		return Key{}, fmt.Errorf("%q is no signer's key; want \"%s\" and 43 letters, digits, hyphens or underscores", s, keyPrefix)
	}
	return Key(raw), nil
}

// KeyOf returns the public half of a signing key.
func KeyOf(k ed25519.PrivateKey) Key { return Key(k.Public().(ed25519.PublicKey)) }

// Entry is one file.
type Entry struct {
	Kind    string    `json:"kind"`           // what it is: "m365-list"
	Name    string    `json:"name"`           // unique in the bundle: lower-case letters, digits, dots, hyphens
	Version string    `json:"version"`        // the publisher's; "" when it is not known
	Date    string    `json:"date,omitempty"` // of the data, YYYY-MM-DD; "" when it is not known
	Read    time.Time `json:"read"`           // when the maker fetched or imported it, UTC
	Size    int       `json:"size"`           // bytes
	SHA256  string    `json:"sha256"`
	Body    []byte    `json:"-"`
}

// Contents are what a bundle holds.
type Contents struct {
	Builtin string    `json:"builtin"` // version of the catalog that is compiled into the maker's program
	Made    time.Time `json:"made"`    // when the newest file was read, UTC: the age of the bundle
	Entries []Entry   `json:"entries"` // by name
}

// Recognise reports whether data looks like a bundle, of this version or another, whole or damaged. It judges nothing.
func Recognise(data []byte) bool {
	return bytes.HasPrefix(data, []byte(mark[:len("SEKISHO CATALOG BUNDLE")]))
}

// Write packs and signs c. Sizes and hashes are filled in, entries put in order, times cut to the second. The error is a
// *finding.Problem: contents that Read would refuse.
func Write(c Contents, key ed25519.PrivateKey) ([]byte, error) {
	c.Made, c.Entries = c.Made.UTC().Truncate(time.Second), slices.Clone(c.Entries)
	slices.SortFunc(c.Entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.Entries {
		e := &c.Entries[i]
		e.Read, e.Size, e.SHA256 = e.Read.UTC().Truncate(time.Second), len(e.Body), hash(e.Body)
	}
	if c.Entries == nil {
		c.Entries = []Entry{}
	}
	if err := c.check(); err != nil {
		return nil, finding.Fail("bundle.contents", err)
	}
	list, err := json.Marshal(c)
	if err != nil {
		return nil, finding.Fail("bundle.contents", err)
	}
	var out bytes.Buffer
	out.WriteString(mark)
	public := KeyOf(key)
	out.Write(public[:])
	out.Write(make([]byte, headSize-signedAt)) // signature and length
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, finding.Fail("bundle.contents", err)
	}
	parts := [][]byte{binary.BigEndian.AppendUint32(nil, uint32(len(list))), list}
	for _, e := range c.Entries {
		parts = append(parts, e.Body)
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return nil, finding.Fail("bundle.contents", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, finding.Fail("bundle.contents", err)
	}
	data := out.Bytes()
	if len(data) > MaxBytes || len(list) > maxList {
		return nil, finding.Fail("bundle.contents", errors.New("too large"))
	}
	binary.BigEndian.PutUint64(data[sizeAt:headSize], uint64(len(data)-headSize))
	copy(data[signedAt:sizeAt], ed25519.Sign(key, signed(data)))
	return data, nil
}

// signed is what the signature is over: everything but the signature.
func signed(data []byte) []byte { return slices.Concat(data[:signedAt], data[sizeAt:]) }

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Read checks and unpacks a bundle of one of the signers in trusted. file names it in errors, which are
// *finding.Problem: "bundle.truncated", "bundle.trailing", "bundle.version", "bundle.large", "bundle.signature",
// "bundle.unknown-signer", "bundle.contents". The result is nil exactly when there is an error.
func Read(file string, data []byte, trusted []Key) (*Contents, error) {
	signer, err := verify(file, data)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(trusted, signer) {
		return nil, finding.Fail("bundle.unknown-signer", nil, "file", file, "key", signer.String())
	}
	return unpack(file, data[headSize:])
}

// Inspect is Read for somebody who only wants to look: whoever signed it, the contents are returned with the signer.
func Inspect(file string, data []byte) (*Contents, Key, error) {
	signer, err := verify(file, data)
	if err != nil {
		return nil, Key{}, err
	}
	c, err := unpack(file, data[headSize:])
	return c, signer, err
}

// verify returns who signed data.
func verify(file string, data []byte) (Key, error) {
	switch {
	case len(data) > MaxBytes:
		return Key{}, finding.Fail("bundle.large", nil, "file", file, "max", fmt.Sprint(MaxBytes>>20))
	case !bytes.HasPrefix(data, []byte(mark)) && len(data) >= len(mark):
		return Key{}, finding.Fail("bundle.version", nil, "file", file)
	case len(data) < headSize:
		return Key{}, finding.Fail("bundle.truncated", nil, "file", file, "bytes", fmt.Sprint(len(data)))
	}
	size := binary.BigEndian.Uint64(data[sizeAt:headSize])
	switch rest := uint64(len(data) - headSize); {
	case rest < size && size <= MaxBytes:
		return Key{}, finding.Fail("bundle.truncated", nil, "file", file, "bytes", fmt.Sprint(len(data)))
	case rest > size:
		return Key{}, finding.Fail("bundle.trailing", nil, "file", file, "bytes", fmt.Sprint(rest-size))
	}
	signer := Key(data[keyAt:signedAt])
	if !ed25519.Verify(signer[:], signed(data), data[signedAt:sizeAt]) {
		return Key{}, finding.Fail("bundle.signature", nil, "file", file)
	}
	return signer, nil
}

// unpack reads a body. A signer that is trusted may still have packed nonsense, so each number is held against its limit
// before anything of that size is read.
func unpack(file string, body []byte) (*Contents, error) {
	c, err := contents(body)
	if err != nil {
		return nil, finding.Fail("bundle.contents", err, "file", file)
	}
	return c, nil
}

func contents(body []byte) (*Contents, error) {
	packed := bytes.NewReader(body)
	r := flate.NewReader(packed)
	head, err := take(r, 4)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > maxList {
		return nil, fmt.Errorf("a list of %d bytes, more than %d", size, maxList)
	}
	list, err := take(r, int(size))
	if err != nil {
		return nil, err
	}
	c := &Contents{}
	d := json.NewDecoder(bytes.NewReader(list))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	if again, err := json.Marshal(c); err != nil || !bytes.Equal(again, list) {
		return nil, errors.New("the list is not in the form in which it is written")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		if e.Body, err = take(r, e.Size); err != nil {
			return nil, fmt.Errorf("file %q: %w", e.Name, err)
		}
		if hash(e.Body) != e.SHA256 {
			return nil, fmt.Errorf("file %q: its bytes are not those of the list", e.Name)
		}
	}
	if n, err := io.CopyN(io.Discard, r, 1); n != 0 || err != io.EOF {
		return nil, errors.New("more is packed than the list names")
	}
	if packed.Len() > 0 {
		return nil, errors.New("something follows what is packed")
	}
	return c, nil
}

// take reads exactly n bytes; memory grows with what is really there.
func take(r io.Reader, n int) ([]byte, error) {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b.Bytes(), nil
}

// check holds a list against the limits and the form that Write gives it.
func (c *Contents) check() error {
	if len(c.Entries) > maxEntries {
		return fmt.Errorf("%d files, more than %d", len(c.Entries), maxEntries)
	}
	total := 0
	for i, e := range c.Entries {
		switch {
		case !isName(e.Name):
			return fmt.Errorf("file %q: not a name", e.Name)
		case !isName(e.Kind):
			return fmt.Errorf("file %q: %q is no kind", e.Name, e.Kind)
		case i > 0 && e.Name == c.Entries[i-1].Name:
			return fmt.Errorf("file %q: named twice", e.Name)
		case i > 0 && e.Name < c.Entries[i-1].Name:
			return fmt.Errorf("file %q: not in order", e.Name)
		case e.Size < 0 || e.Size > maxEntry:
			return fmt.Errorf("file %q: %d bytes, more than %d", e.Name, e.Size, maxEntry)
		case len(e.Version) > 100 || len(e.Date) > len(time.DateOnly) || e.Read.Location() != time.UTC:
			return fmt.Errorf("file %q: version, date or time not in form", e.Name)
		}
		if total += e.Size; total > maxTotal {
			return fmt.Errorf("more than %d bytes together", maxTotal)
		}
	}
	return nil
}

// isName keeps what a bundle says from leading anywhere.
func isName(s string) bool {
	return s != "" && s[0] != '.' && len(s) <= 100 && !strings.Contains(s, "..") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}
