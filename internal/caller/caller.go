// Package caller says who asks: it identifies the person behind a request to the proxy.
//
// A [Book] holds the users of a password file and the groups of a group file and checks Basic credentials (RFC 7617)
// against them:
//
//	book, err := caller.Open("users.htpasswd", "groups.txt")
//	c, ok := book.Identify(client, proxyAuthorization) // ok false: answer 407 with caller.Challenge
//
// The password file has the form of Apache's htpasswd, one "user:hash" a line, the hash made by bcrypt or argon2id:
//
//	alice:$2y$12$...
//	bob:$argon2id$v=19$m=19456,t=2,p=1$...
//
// The group file has the form of Apache's group file, one "group: user user" a line. In both, empty lines and lines
// that begin with "#" are skipped.
//
// The package refuses plain passwords and hashes that no longer protect them (MD5, SHA-1, crypt), and hashes so costly
// that checking them would stop the gateway. User and group names are compared in Unicode normalisation form C
// and without regard to case: who signs in as "Alice" is the user "alice", and a file with both is refused. A user who does not exist costs as much time as a wrong password.
package caller

import "net/netip"

// Caller is who asks. The zero value is nobody.
type Caller struct {
	// Addr is the address that the request came from.
	Addr netip.Addr
	// User is the verified user name in form C, as the password file writes it; "" when nobody was asked.
	User string
	// Groups are the groups of User, sorted. The slice is shared: do not change it.
	Groups []string
}
