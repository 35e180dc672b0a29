package directory

import (
	"crypto/rand"
	"crypto/subtle"

	"golang.org/x/crypto/argon2"
)

// Argon2id with parameters far below RFC 9106, section 4, on purpose: the passwords are printed in the lab's own
// documents, and a rehearsal signs many people in on two cores. 1 pass over 1 MiB takes about a millisecond. What is
// kept has the form that a later, secret password needs; only the numbers would grow.
const (
	argonPasses  = 1
	argonKiB     = 1024
	argonThreads = 1
	argonBytes   = 32
	argonSalt    = 16
)

// hash is a salted password; the zero value matches nothing.
type hash struct{ salt, sum []byte }

func newHash(text string) hash {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails, see crypto/rand
	return hash{salt, argon2.IDKey([]byte(text), salt, argonPasses, argonKiB, argonThreads, argonBytes)}
}

func (h hash) matches(text string) bool {
	if len(h.sum) == 0 {
		return false
	}
	return subtle.ConstantTimeCompare(h.sum, argon2.IDKey([]byte(text), h.salt, argonPasses, argonKiB, argonThreads, argonBytes)) == 1
}
