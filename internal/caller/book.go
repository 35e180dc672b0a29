package caller

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"sekisho/internal/finding"
)

const (
	// rememberFor is how long verified credentials are taken without checking the password again. A reload makes a new
	// Book, so a changed file takes effect at once.
	rememberFor = time.Minute
	// slotWait bounds how long a check waits for others to end (chosen: clients give up about then).
	slotWait = 10 * time.Second
	// mostSlots bounds the checks at one time, and with it their memory (chosen: 4 times 256 MiB at the very most).
	mostSlots = 4
)

// Book identifies callers by Basic credentials against a password file and a group file. Obtain it from Open; it is
// safe for concurrent use and starts no goroutine. A nil *Book identifies nobody and demands nothing.
type Book struct {
	users  map[string]*user // by folded name
	groups []string         // of the group file
	sorted []*user          // by name

	secret   [32]byte // keys everything that depends on credentials; random, never leaves the process
	verified memory
	slowed   throttle
	checks   singleflight.Group
	slots    chan struct{}
	now      func() time.Time
	slotWait time.Duration
}

// Open reads both files; groupFile may be "" for no groups. Plain, MD5, SHA-1 and crypt entries, repeated users and a
// file without users are refused. The error is a *finding.Problem that holds every mistake in both files with its line,
// and no part of a password or hash.
func Open(passwordFile, groupFile string) (*Book, error) {
	data, problem := read(passwordFile)
	if problem != nil {
		return nil, problem
	}
	users, found := parsePasswords(passwordFile, data)
	var names []string
	if groupFile != "" {
		if data, problem = read(groupFile); problem != nil {
			return nil, &finding.Problem{Findings: append(found, problem.Findings...), Cause: problem.Cause}
		}
		groups, all, more := parseGroups(groupFile, data)
		names = all
		found = append(found, more...)
		for name, u := range users {
			u.groups = groups[name]
		}
	}
	if len(found) > 0 {
		return nil, &finding.Problem{Findings: found.Sort()}
	}
	b := newBook(users, time.Now, time.Sleep)
	b.groups = names
	return b, nil
}

// newBook makes a book of users, at least one.
func newBook(users map[string]*user, now func() time.Time, sleep func(time.Duration)) *Book {
	b := &Book{users: users, now: now, slotWait: slotWait, slots: make(chan struct{}, slots())}
	for _, u := range users {
		b.sorted = append(b.sorted, u)
	}
	slices.SortFunc(b.sorted, func(a, c *user) int {
		if a.name < c.name {
			return -1
		}
		return 1
	})
	b.slowed = throttle{now: now, sleep: sleep}
	rand.Read(b.secret[:]) // never fails, see crypto/rand
	return b
}

// slots is how many passwords are checked at one time: half of the processors, so that traffic goes on.
func slots() int { return min(max(runtime.GOMAXPROCS(0)/2, 1), mostSlots) }

// Users returns the user names, sorted.
func (b *Book) Users() []string {
	if b == nil {
		return nil
	}
	out := make([]string, len(b.sorted))
	for i, u := range b.sorted {
		out[i] = u.name
	}
	return out
}

// Groups returns the names of the groups of the group file, in its order.
func (b *Book) Groups() []string {
	if b == nil {
		return nil
	}
	return slices.Clone(b.groups)
}

// Identify checks proxyAuthorization, the value of Proxy-Authorization, sent from addr. ok is false when credentials are
// absent, malformed or wrong: answer 407 with Challenge. The Caller has Addr alone then.
//
// Verified credentials are remembered for a minute. Failures slow the next checks for the same address (IPv6: the same
// /64), so Identify may wait for seconds; an address that fails all the time is refused without a check.
func (b *Book) Identify(addr netip.Addr, proxyAuthorization string) (c Caller, ok bool) {
	c.Addr = addr
	if b == nil {
		return c, true
	}
	name, password, ok := parseBasic(proxyAuthorization)
	if !ok {
		return c, false
	}
	key := b.key(name, password)
	u := b.verified.get(key, b.now())
	if u == nil {
		u = b.check(addr, key, name, password)
	}
	if u == nil {
		return c, false
	}
	c.User, c.Groups = u.name, u.groups
	return c, true
}

// key is what credentials are remembered by: a keyed hash, from which nothing can be learned without the secret.
func (b *Book) key(name, password string) (key [sha256.Size]byte) {
	m := hmac.New(sha256.New, b.secret[:])
	m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(name))))
	m.Write([]byte(name))
	m.Write([]byte(password))
	m.Sum(key[:0])
	return key
}

// check pays for one verification, at most one at a time for the same credentials from the same place: a browser opens
// many connections at once.
func (b *Book) check(addr netip.Addr, key [sha256.Size]byte, name, password string) *user {
	from := place(addr)
	flight := string(key[:]) + from.String()
	result, _, _ := b.checks.Do(flight, func() (any, error) {
		if u := b.verified.get(key, b.now()); u != nil {
			return u, nil
		}
		u := b.attempt(from, name, password)
		if u != nil {
			b.verified.put(key, u, b.now().Add(rememberFor))
		}
		return u, nil
	})
	return result.(*user)
}

// attempt checks a password when its turn has come. What the address has to wait is asked for with a slot in hand: of
// many guesses sent at once, all but the first few then see that those have failed.
func (b *Book) attempt(from netip.Prefix, name, password string) *user {
	if !b.takeSlot() {
		return nil
	}
	wait, counted := b.slowed.turn(from)
	if wait > 0 {
		b.leaveSlot()
		if wait > longestWait {
			return nil
		}
		b.slowed.sleep(wait)
		if !b.takeSlot() {
			return nil
		}
	}
	defer b.leaveSlot()
	u := b.verify(name, password)
	switch {
	case u == nil && !counted:
		b.slowed.failed(from)
	case u != nil && counted:
		b.slowed.forgive(from)
	}
	return u
}

// takeSlot waits for one of the few checks that may run at one time; false when it took too long.
func (b *Book) takeSlot() bool {
	timer := time.NewTimer(b.slotWait)
	defer timer.Stop()
	select {
	case b.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (b *Book) leaveSlot() { <-b.slots }

// verify compares the password. For a user who does not exist it pays for one who does, always the same for one name, so
// that time tells nothing even where the hashes of a file differ in cost.
func (b *Book) verify(name, password string) *user {
	u, known := b.users[fold(name)]
	if !known {
		sum := b.key(fold(name), "")
		u = b.sorted[binary.BigEndian.Uint64(sum[:8])%uint64(len(b.sorted))]
	}
	if !u.hash.verify(password) || !known {
		return nil
	}
	return u
}
