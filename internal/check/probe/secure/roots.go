package secure

import (
	"crypto/sha256"
	"crypto/x509"
	_ "embed" // roots.txt
	"encoding/hex"
	"strings"
)

//go:embed roots.txt
var rootsFile string

// Public are the keys of public certificate authorities. The zero value has none. Safe for concurrent use once made.
type Public struct{ keys map[[sha256.Size]byte]bool }

// NewPublic are the roots that come with the program (roots.txt) and more.
func NewPublic(more ...*x509.Certificate) *Public {
	p := &Public{keys: map[[sha256.Size]byte]bool{}}
	for line := range strings.Lines(rootsFile) {
		text, _, _ := strings.Cut(line, " ")
		if key, err := hex.DecodeString(text); err == nil && len(key) == sha256.Size {
			p.keys[[sha256.Size]byte(key)] = true
		}
	}
	for _, c := range more {
		p.keys[sha256.Sum256(c.RawSubjectPublicKeyInfo)] = true
	}
	return p
}

// Len is how many keys there are.
func (p *Public) Len() int { return len(p.keys) }

// Has reports whether c has the key of a public authority.
func (p *Public) Has(c *x509.Certificate) bool {
	return p.keys[sha256.Sum256(c.RawSubjectPublicKeyInfo)]
}
