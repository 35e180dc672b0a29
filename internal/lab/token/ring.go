package token

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// File is the name of the keys' file in the lab's folder.
const File = "signing-keys.json"

const (
	// keyBits of a signing key; Entra publishes 2048-bit RSA keys (discovery documents as read by public clients).
	keyBits = 2048
	// KeyLife is how long a key signs. Chosen: Microsoft changes keys "on a periodic basis" and at any time ("Signing key
	// rollover in the Microsoft identity platform"); two weeks show a long rehearsal what that means.
	KeyLife = 14 * 24 * time.Hour
	// Overlap is how long a key that signs no more stays published: until its last token is over, and five minutes for
	// clocks that differ.
	Overlap = Life + 5*time.Minute
	// certificateLife is how long the certificate in x5c is valid; nobody checks it, it carries the key.
	certificateLife = 5 * 365 * 24 * time.Hour
	// maxKeys bounds the keys in a file: a life, an overlap and room for keys changed by hand.
	maxKeys = 64
	maxFile = 1 << 20
	// lookAgain is how often the file is looked at for a change that another process made (lab rotate-keys).
	lookAgain = time.Second
)

// Ring is the keys: one signs, those before it are published until their tokens are over. Obtain it from Open or NewRing.
// Safe for concurrent use, and by several processes on one file: the file is replaced whole.
type Ring struct {
	path string
	now  func() time.Time

	mu     sync.Mutex
	keys   []*key // oldest first; the last one signs
	looked time.Time
	stamp  stamp
}

// stamp tells one edition of the file from another.
type stamp struct {
	size int64
	time time.Time
}

type key struct {
	id          string
	private     *rsa.PrivateKey
	certificate *x509.Certificate
	made        time.Time
	retired     time.Time // zero while it signs
	signer      jose.Signer
}

// NewRing returns keys in memory. Tokens of an earlier run do not verify. now nil is time.Now.
func NewRing(now func() time.Time) (*Ring, error) { return Open("", now) }

// Open reads the keys at path, or makes a first one where the file is missing (mode 0600; its folder must exist). "" keeps
// them in memory. A file that cannot be read is an error: no key is replaced by mistake.
func Open(path string, now func() time.Time) (*Ring, error) {
	if now == nil {
		now = time.Now
	}
	r := &Ring{path: path, now: now}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return nil, err
	}
	if len(r.keys) > 0 {
		return r, nil
	}
	return r, r.rotate()
}

// Rotate makes a new key sign from now on. The one before stays published for Overlap.
func (r *Ring) Rotate() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return err
	}
	return r.rotate()
}

// Key describes one published key.
type Key struct {
	ID      string
	Made    time.Time
	Retired time.Time // zero while it signs
}

// Keys lists the published keys, oldest first.
func (r *Ring) Keys() []Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	var out []Key
	for _, k := range r.keys {
		if r.published(k) {
			out = append(out, Key{k.id, k.made, k.retired})
		}
	}
	return out
}

// Set is the public halves as the keys endpoint answers them, with their certificates. A key is named by its
// certificate's thumbprint, and x5t says the same (keys documents as read by public clients).
func (r *Ring) Set() jose.JSONWebKeySet {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	var set jose.JSONWebKeySet
	for _, k := range r.keys {
		if !r.published(k) {
			continue
		}
		sum := sha1.Sum(k.certificate.Raw)
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: &k.private.PublicKey, KeyID: k.id, Algorithm: string(jose.RS256), Use: "sig",
			Certificates: []*x509.Certificate{k.certificate}, CertificateThumbprintSHA1: sum[:],
		})
	}
	return set
}

func (r *Ring) published(k *key) bool {
	return k.retired.IsZero() || r.now().Before(k.retired.Add(Overlap))
}

// current is the key that signs; one past its life is followed by a new one.
func (r *Ring) current() *key {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	last := r.keys[len(r.keys)-1]
	if r.now().Before(last.made.Add(KeyLife)) {
		return last
	}
	if r.rotate() == nil {
		last = r.keys[len(r.keys)-1]
	}
	return last // where the new one could not be written, the old one goes on: tokens are worth more than its age
}

func (r *Ring) find(id string) (*key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	for _, k := range r.keys {
		if k.id == id && r.published(k) {
			return k, true
		}
	}
	return nil, false
}

// refresh takes over what another process wrote. A file that is gone or cannot be read changes nothing: the keys in
// memory stay good.
func (r *Ring) refresh() {
	if now := time.Now(); r.path == "" || now.Sub(r.looked) < lookAgain {
		return
	}
	r.load()
}

// load reads the file when it changed.
func (r *Ring) load() error {
	r.looked = time.Now()
	if r.path == "" {
		return nil
	}
	f, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the lab's signing keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the lab's signing keys: %w", err)
	}
	seen := stamp{info.Size(), info.ModTime()}
	if seen == r.stamp {
		return nil
	}
	bad := func(err error) error {
		return fmt.Errorf("read the lab's signing keys %q: %w; remove the file to have new ones made, with which older tokens do not verify", r.path, err)
	}
	if info.Size() > maxFile {
		return bad(fmt.Errorf("%d bytes, at most %d are read", info.Size(), maxFile))
	}
	var file fileForm
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return bad(err)
	}
	if file.Version != 1 || len(file.Keys) == 0 || len(file.Keys) > maxKeys {
		return bad(fmt.Errorf("version %d with %d keys; version 1 with 1 to %d is read", file.Version, len(file.Keys), maxKeys))
	}
	var keys []*key
	for i, form := range file.Keys {
		k, err := form.key()
		if err != nil {
			return bad(fmt.Errorf("keys[%d]: %w", i, err))
		}
		if last := i == len(file.Keys)-1; last != k.retired.IsZero() {
			return bad(fmt.Errorf("keys[%d]: the last key signs, and no other does", i))
		}
		keys = append(keys, k)
	}
	r.keys, r.stamp = keys, seen
	return nil
}

// rotate adds a key, forgets those whose tokens are over, and writes the file.
func (r *Ring) rotate() error {
	now := r.now().UTC()
	fresh, err := newKey(now)
	if err != nil {
		return err
	}
	var keys []*key
	for _, k := range r.keys {
		if k.retired.IsZero() {
			old := *k
			old.retired = now
			k = &old
		}
		if now.Before(k.retired.Add(Overlap)) {
			keys = append(keys, k)
		}
	}
	if len(keys) >= maxKeys {
		return fmt.Errorf("change the lab's signing key: %d keys are published already; wait until the oldest is over", len(keys))
	}
	keys = append(keys, fresh)
	if err := r.save(keys); err != nil {
		return err
	}
	r.keys = keys
	return nil
}

func (r *Ring) save(keys []*key) error {
	if r.path == "" {
		return nil
	}
	file := fileForm{Version: 1}
	for _, k := range keys {
		form, err := k.form()
		if err != nil {
			return err
		}
		file.Keys = append(file.Keys, form)
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the lab's signing keys: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), "."+filepath.Base(r.path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the lab's signing keys: %w", err)
	}
	defer os.Remove(f.Name()) // gone already after the rename
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		return fmt.Errorf("write the lab's signing keys: %w", err)
	}
	if info, err := os.Stat(r.path); err == nil {
		r.stamp = stamp{info.Size(), info.ModTime()}
	}
	return nil
}

// The file as it lies on disk.
type (
	fileForm struct {
		Version int       `json:"version"`
		Keys    []keyForm `json:"keys"`
	}
	keyForm struct {
		Made        time.Time `json:"made"`
		Retired     time.Time `json:"retired,omitzero"`
		Certificate string    `json:"certificate"` // PEM
		PrivateKey  string    `json:"private_key"` // PEM, PKCS #8
	}
)

func (k *key) form() (keyForm, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return keyForm{}, fmt.Errorf("encode the lab's signing key: %w", err)
	}
	return keyForm{
		Made: k.made, Retired: k.retired,
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.certificate.Raw})),
		PrivateKey:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}, nil
}

func (f keyForm) key() (*key, error) {
	certificate, private := decode(f.Certificate, "CERTIFICATE"), decode(f.PrivateKey, "PRIVATE KEY")
	if certificate == nil || private == nil {
		return nil, errors.New("certificate or private key is no PEM block of its kind")
	}
	c, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	p, ok := parsed.(*rsa.PrivateKey)
	if !ok || p.N.BitLen() < keyBits || !p.PublicKey.Equal(c.PublicKey) {
		return nil, fmt.Errorf("not an RSA key of %d bits that fits its certificate", keyBits)
	}
	if f.Made.IsZero() {
		return nil, errors.New("it does not say when it was made")
	}
	return assemble(p, c, f.Made, f.Retired)
}

func decode(text, kind string) []byte {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != kind || len(rest) != 0 {
		return nil
	}
	return block.Bytes
}

func newKey(now time.Time) (*key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] = serial[0]&0x7f | 0x40
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{Organization: []string{"Sekisho LAB"}, CommonName: "Sekisho LAB token signing, not Microsoft"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("certify signing key: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certify signing key: %w", err)
	}
	return assemble(private, c, now, time.Time{})
}

func assemble(private *rsa.PrivateKey, c *x509.Certificate, made, retired time.Time) (*key, error) {
	sum := sha1.Sum(c.Raw) // a name, not a protection: Entra names its keys so
	k := &key{id: base64.RawURLEncoding.EncodeToString(sum[:]), private: private, certificate: c, made: made, retired: retired}
	var err error
	k.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: k.id}},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t", k.id))
	if err != nil {
		return nil, fmt.Errorf("make signer: %w", err)
	}
	return k, nil
}
