package bundle

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// MarshalKey writes a signing key as PEM (PKCS #8, RFC 5208 and RFC 8410), the form that openssl reads.
func MarshalKey(k ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// UnmarshalKey reads what MarshalKey writes, or "openssl genpkey -algorithm ed25519".
func UnmarshalKey(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("no PEM block \"PRIVATE KEY\" alone")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	k, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("no Ed25519 key")
	}
	return k, nil
}

// ParseKeys reads a list of trusted signers: a key a line, then a space and a note for people. Blank lines and lines that
// begin with "#" are passed over. The first line that is neither is an error.
func ParseKeys(text []byte) ([]Key, error) {
	var out []Key
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "" || word[0] == '#' {
			continue
		}
		k, err := ParseKey(word)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}
