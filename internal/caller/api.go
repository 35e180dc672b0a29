package caller

import (
	"net/netip"
)

// CONTRACT

// Caller is who asks.
type Caller struct {
	Addr   netip.Addr
	User   string
	Groups []string
}

// Book identifies callers by Basic credentials against a password file (htpasswd form, bcrypt or argon2id PHC
// strings) and a group file ("group: user user"). A nil *Book identifies nobody and demands nothing.
type Book struct{}

// Open reads both files (groups may be ""). Plain, MD5, SHA1 and crypt entries are refused with the line.
func Open(passwordFile, groupFile string) (*Book, error) { panic("unwritten") }

// Identify checks the value of Proxy-Authorization. ok is false when credentials are absent or wrong (407 follows).
// Verified credentials are remembered for a minute (keyed by a keyed hash, bounded) so that bcrypt is not paid per
// connection; failures are slowed per client address.
func (b *Book) Identify(addr netip.Addr, proxyAuthorization string) (c Caller, ok bool) {
	panic("unwritten")
}
