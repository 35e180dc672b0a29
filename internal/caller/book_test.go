package caller

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	"sekisho/internal/finding"
)

// cheap returns a hash that costs next to nothing.
func cheap(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func open(t testing.TB, passwords, groups string) *Book {
	t.Helper()
	groupFile := ""
	if groups != "" {
		groupFile = write(t, "groups.txt", groups)
	}
	b, err := Open(write(t, "users.htpasswd", passwords), groupFile)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var client = netip.MustParseAddr("192.0.2.7")

func TestIdentify(t *testing.T) {
	decomposed := norm.NFD.String("josé")
	b := open(t, "# people\n\nalice:"+cheap(t, "correct horse")+"\r\n"+decomposed+":"+cheap(t, "pässword")+"\n太郎:"+cheap(t, "パスワード")+
		"\nlong:"+cheap(t, strings.Repeat("x", 72)), "# groups\nit: alice 太郎 nobody\nall: alice alice "+decomposed+"\nempty:\n")
	tests := []struct {
		name, header, user string
		groups             []string
	}{
		{"right", basic("alice", "correct horse"), "alice", []string{"all", "it"}},
		{"scheme in any case", strings.Replace(basic("alice", "correct horse"), "Basic", "bAsIc", 1), "alice", []string{"all", "it"}},
		{"several spaces", strings.Replace(basic("alice", "correct horse"), " ", "   ", 1), "alice", []string{"all", "it"}},
		{"composed name for a decomposed entry", basic("jos\u00e9", "pässword"), "jos\u00e9", []string{"all"}},
		{"decomposed name and password", basic(decomposed, norm.NFD.String("pässword")), "jos\u00e9", []string{"all"}},
		{"japanese", basic("太郎", "パスワード"), "太郎", []string{"it"}},
		{"wrong password", basic("alice", "wrong"), "", nil},
		{"user in another case", basic("ALICE", "correct horse"), "alice", []string{"all", "it"}},
		{"unknown user", basic("mallory", "correct horse"), "", nil},
		{"password of another", basic("alice", "パスワード"), "", nil},
		{"absent", "", "", nil},
		{"scheme alone", "Basic", "", nil},
		{"scheme and space", "Basic ", "", nil},
		{"other scheme", strings.Replace(basic("alice", "correct horse"), "Basic", "Bearer", 1), "", nil},
		{"not base64", "Basic !!!!", "", nil},
		{"base64 without padding", strings.TrimRight(basic("alice", "correct horse"), "="), "", nil},
		{"line feed inside", basic("alice", "correct horse")[:12] + "\n" + basic("alice", "correct horse")[12:], "", nil},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("alice")), "", nil},
		{"no user", basic("", "correct horse"), "", nil},
		{"no password", basic("alice", ""), "", nil},
		{"control character", basic("alice", "correct horse\x00"), "", nil},
		{"latin-1", "Basic " + base64.StdEncoding.EncodeToString([]byte("jos\xe9:p\xe4ssword")), "", nil},
		{"invisible character in the name", basic("alice\u200b", "correct horse"), "", nil},
		{"72 bytes for bcrypt", basic("long", strings.Repeat("x", 72)), "long", nil},
		{"beyond what bcrypt looks at", basic("long", strings.Repeat("x", 73)), "", nil},
		{"huge", basic("alice", strings.Repeat("x", 100000)), "", nil},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			c, ok := b.Identify(from, tt.header)
			if ok != (tt.user != "") || c.User != tt.user || !slices.Equal(c.Groups, tt.groups) || c.Addr != from {
				t.Errorf("got %+v, %v; want user %q of %v", c, ok, tt.user, tt.groups)
			}
		})
	}
	if got := b.Users(); !slices.Equal(got, []string{"alice", "jos\u00e9", "long", "太郎"}) {
		t.Errorf("users are %q", got)
	}
}

func TestNilBookDemandsNothing(t *testing.T) {
	var b *Book
	if c, ok := b.Identify(client, ""); !ok || c.User != "" || c.Addr != client || b.Users() != nil {
		t.Errorf("%+v, %v", c, ok)
	}
}

func TestRealHashes(t *testing.T) {
	line, err := PasswordLine("alice", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := PasswordLine("alice", "correct horse")
	if line == again || !strings.HasPrefix(line, "alice:$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%q and %q", line, again)
	}
	// What htpasswd -B and the argon2 command print.
	b := open(t, line+"\nbob:$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe\n"+
		"carol:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n", "")
	for user, password := range map[string]string{"alice": "correct horse", "bob": "password", "carol": "password"} {
		if c, ok := b.Identify(client, basic(user, password)); !ok || c.User != user {
			t.Errorf("%s is not identified", user)
		}
		if _, ok := b.Identify(client, basic(user, password+"x")); ok {
			t.Errorf("%s is identified by a wrong password", user)
		}
	}
	for _, bad := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 1025)} {
		if h, err := HashPassword(bad); !errors.Is(err, ErrPassword) || h != "" {
			t.Errorf("HashPassword(%q) = %q, %v", bad, h, err)
		}
	}
	for _, bad := range []string{"", "a:b", " a", "a\n", "#a", "\xff", "a\u202eb", strings.Repeat("x", 256)} {
		if l, err := PasswordLine(bad, "x"); !errors.Is(err, ErrUser) || l != "" {
			t.Errorf("PasswordLine(%q) = %q, %v", bad, l, err)
		}
	}
}

func TestOpenReportsEveryMistake(t *testing.T) {
	good := cheap(t, "x")
	tests := []struct {
		name, passwords, groups string
		want                    []string
	}{
		{"every kind at once", "alice:" + good + "\nbob:secret\nbob:" + good + "\ncarol:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\nno colon\n:" + good +
			"\ndan:$apr1$x$yyyyyyyyyyyyyyyyyyyyyy\neve:rqXexS6ZhobKA\nfay:" + good[:59] + "\ngus:$2y$31$" + good[7:] + "\nhal:\n",
			"it alice\n: x\nit: alice\nit: bob\nall: a\u200bb\n",
			[]string{"groups.txt:1 group-line", "groups.txt:2 group-name", "groups.txt:4 group-repeated group=it", "groups.txt:5 group-member group=all",
				"users.htpasswd:2 hash-plain user=bob", "users.htpasswd:3 user-repeated user=bob",
				"users.htpasswd:4 hash-unsupported kind=SHA-1 user=carol", "users.htpasswd:5 password-line", "users.htpasswd:6 user-name",
				"users.htpasswd:7 hash-unsupported kind=MD5 user=dan", "users.htpasswd:8 hash-unsupported kind=crypt user=eve",
				"users.htpasswd:9 hash-broken kind=bcrypt user=fay", "users.htpasswd:10 hash-costly kind=bcrypt user=gus",
				"users.htpasswd:11 hash-plain user=hal"}},
		{"no users", "# nobody\n\n", "", []string{"users.htpasswd:0 no-users"}},
		{"argon2id that costs too much", "a:$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "",
			[]string{"users.htpasswd:1 hash-costly kind=argon2id user=a"}},
		{"argon2id without version", "a:$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "",
			[]string{"users.htpasswd:1 hash-broken kind=argon2id user=a"}},
		{"argon2i", "a:$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "",
			[]string{"users.htpasswd:1 hash-unsupported kind=argon2i user=a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			groups := ""
			if tt.groups != "" {
				groups = write(t, "groups.txt", tt.groups)
			}
			b, err := Open(write(t, "users.htpasswd", tt.passwords), groups)
			p, ok := errors.AsType[*finding.Problem](err)
			if !ok || b != nil {
				t.Fatalf("got %v, %v", b, err)
			}
			var got []string
			for _, f := range p.Findings {
				s := fmt.Sprintf("%s:%d %s", filepath.Base(f.Pos.File), f.Pos.Line, strings.TrimPrefix(f.Code, "caller."))
				for _, arg := range []string{"group", "kind", "user"} {
					if v := f.Args[arg]; v != "" {
						s += " " + arg + "=" + v
					}
				}
				got = append(got, s)
				if text := fmt.Sprint(f); strings.Contains(text, "secret") || strings.Contains(text, "2jmj7l5rSw0yVb") || strings.Contains(text, good[30:]) {
					t.Errorf("%s repeats a password or hash: %s", f.Code, text)
				}
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file gives %v", err)
	}
	if _, err := Open(write(t, "users.htpasswd", "a:"+good), filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent group file gives %v", err)
	}
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	b := open(t, "\ufeffalice:"+cheap(t, "x")+"\r\n", "\ufeffit: alice\r\n")
	if c, ok := b.Identify(client, basic("alice", "x")); !ok || !slices.Equal(c.Groups, []string{"it"}) {
		t.Errorf("%+v, %v", c, ok)
	}
}

// clocked returns a book whose clock and sleep are in the test's hands, and counts the hashes that it pays for.
func clocked(t testing.TB, passwords string) (b *Book, now *time.Time, slept *time.Duration) {
	t.Helper()
	users, found := parsePasswords("users", []byte(passwords))
	if len(found) > 0 {
		t.Fatal(found)
	}
	now, slept = new(time.Time), new(time.Duration)
	*now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	return newBook(users, func() time.Time { return *now }, func(d time.Duration) { *now = now.Add(d); *slept += d }), now, slept
}

func TestVerifiedCredentialsAreRememberedForAMinute(t *testing.T) {
	b, now, _ := clocked(t, "alice:"+cheap(t, "x"))
	right := basic("alice", "x")
	identify := func() bool { _, ok := b.Identify(client, right); return ok }
	if !identify() {
		t.Fatal("not identified")
	}
	// With another hash in the book, only memory can answer.
	b.users["alice"].hash = hash{bcrypt: []byte(cheap(t, "y"))}
	*now = now.Add(59 * time.Second)
	if !identify() {
		t.Error("forgotten within the minute")
	}
	*now = now.Add(time.Second)
	if identify() {
		t.Error("remembered beyond the minute")
	}
	if _, ok := b.Identify(client, basic("alice", "z")); ok {
		t.Error("a wrong password is taken from memory")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory
	now, u := time.Unix(0, 0), &user{name: "a"}
	key := func(i int) [32]byte { return [32]byte{byte(i), byte(i >> 8), byte(i >> 16)} }
	for i := range 3 * mostRemembered {
		m.put(key(i), u, now.Add(rememberFor))
	}
	if len(m.entries) > mostRemembered {
		t.Errorf("%d entries", len(m.entries))
	}
	if m.get(key(3*mostRemembered-1), now) != u {
		t.Error("the newest entry is lost")
	}
	now = now.Add(2 * rememberFor)
	m.put([32]byte{31: 1}, u, now.Add(rememberFor))
	if len(m.entries) != 1 {
		t.Errorf("%d entries after all were over", len(m.entries))
	}
	var slow throttle
	slow.now = func() time.Time { return now }
	for i := range 3 * mostPlaces {
		slow.failed(place(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})))
	}
	if len(slow.places) > mostPlaces {
		t.Errorf("%d places", len(slow.places))
	}
}

func TestFailuresSlowTheAddress(t *testing.T) {
	b, now, slept := clocked(t, "alice:"+cheap(t, "x"))
	guess := func(from netip.Addr) time.Duration {
		before := *slept
		if _, ok := b.Identify(from, basic("alice", fmt.Sprint("guess", *now, before))); ok {
			t.Fatal("a guess was right")
		}
		return *slept - before
	}
	for i := range freeFailures + 1 {
		if d := guess(client); d != 0 {
			t.Fatalf("guess %d waited %v", i, d)
		}
	}
	var waits []time.Duration
	for range 6 {
		waits = append(waits, guess(client))
	}
	want := []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second, 2 * time.Second}
	if !slices.Equal(waits, want) {
		t.Errorf("waits are %v, want %v", waits, want)
	}
	if d := guess(netip.MustParseAddr("192.0.2.8")); d != 0 {
		t.Errorf("another address waits %v", d)
	}
	// The person at that address still gets in, after a wait.
	if c, ok := b.Identify(client, basic("alice", "x")); !ok || c.User != "alice" {
		t.Error("the right password is refused at a slowed address")
	}
	// A right password forgives nothing, time does.
	if d := guess(client); d == 0 {
		t.Error("a right password bought a guess")
	}
	*now = now.Add(mostFailures * forgetAfter)
	if d := guess(client); d != 0 {
		t.Errorf("after ten minutes a guess waits %v", d)
	}
}

func TestIPv6NeighboursCountAsOne(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{{"2001:db8::1", "2001:db8::ffff:1", true}, {"2001:db8:0:1::1", "2001:db8:0:2::1", false}, {"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "192.0.2.1", true}, {"fe80::1%a", "fe80::2%b", true}} {
		if got := place(netip.MustParseAddr(tt.a)) == place(netip.MustParseAddr(tt.b)); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

// TestManyGuessesAtOnce sends a burst from one address: few are checked, the rest is refused.
func TestManyGuessesAtOnce(t *testing.T) {
	line := "alice:" + cheap(t, "x")
	synctest.Test(t, func(t *testing.T) {
		users, _ := parsePasswords("users", []byte(line))
		b := newBook(users, time.Now, time.Sleep)
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				if _, ok := b.Identify(client, basic("alice", fmt.Sprint("guess", i))); ok {
					t.Error("a guess was right")
				}
			})
		}
		group.Wait()
		if n := b.slowed.places[place(client)].count; n > freeFailures+mostSlots+8 {
			t.Errorf("%d guesses were checked", n)
		}
	})
}

// TestManyPeopleAtOnce: a terminal server full of people who sign in together is not slowed.
func TestManyPeopleAtOnce(t *testing.T) {
	var lines strings.Builder
	for i := range 50 {
		fmt.Fprintf(&lines, "user%d:%s\n", i, cheap(t, "x"))
	}
	synctest.Test(t, func(t *testing.T) {
		users, _ := parsePasswords("users", []byte(lines.String()))
		b := newBook(users, time.Now, time.Sleep)
		start := time.Now()
		var group sync.WaitGroup
		for i := range 50 {
			for range 4 {
				group.Go(func() {
					if _, ok := b.Identify(client, basic(fmt.Sprint("user", i), "x")); !ok {
						t.Errorf("user%d is refused", i)
					}
				})
			}
		}
		group.Wait()
		if d := time.Since(start); d != 0 {
			t.Errorf("they waited %v", d)
		}
	})
}

func TestNoFreeSlotRefuses(t *testing.T) {
	b := open(t, "alice:"+cheap(t, "x"), "")
	b.slotWait = time.Millisecond
	for range cap(b.slots) {
		b.slots <- struct{}{}
	}
	if _, ok := b.Identify(client, basic("alice", "x")); ok {
		t.Error("identified without a check")
	}
	<-b.slots
	if _, ok := b.Identify(client, basic("alice", "x")); !ok {
		t.Error("refused although a slot is free")
	}
}

// TestUnknownUserPaysLikeAKnownOne: for each name that does not exist the same hash is checked every time, and over many
// names all hashes are.
func TestUnknownUserPaysLikeAKnownOne(t *testing.T) {
	b, _, _ := clocked(t, "alice:"+cheap(t, "x")+"\nbob:"+cheap(t, "x"))
	// The stand-in's password does not let an unknown user in.
	for i := range 20 {
		if u := b.verify(fmt.Sprint("nobody", i), "x"); u != nil {
			t.Fatalf("an unknown user became %q", u.name)
		}
	}
	// A hash that cannot be checked at all makes the payment visible.
	var paid atomic.Int32
	for _, u := range b.users {
		u.hash = hash{kib: 0} // argon2 panics on zero passes
	}
	for i := range 20 {
		func() {
			defer func() {
				if recover() != nil {
					paid.Add(1)
				}
			}()
			b.verify(fmt.Sprint("nobody", i), "x")
		}()
	}
	if paid.Load() != 20 {
		t.Errorf("%d of 20 unknown users paid", paid.Load())
	}
}

func FuzzParseBasic(f *testing.F) {
	for _, s := range []string{"", "Basic", basic("alice", "x"), "basic  " + basic("a", "b:c")[6:], "Basic !", "Bearer x", basic("é", "é"), basic("", ""),
		basic("a\x00", "b"), "Basic YTpi\n", "Basic YTpi=", basic("e\u0301", "x")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		user, password, ok := parseBasic(s)
		if !ok {
			if user != "" {
				t.Fatalf("parseBasic(%q) = %q beside a refusal", s, user)
			}
			return
		}
		if user == "" || password == "" || strings.Contains(user, ":") || !norm.NFC.IsNormalString(user) || !norm.NFC.IsNormalString(password) {
			t.Fatalf("parseBasic(%q) = %q, %d bytes", s, user, len(password))
		}
		again, pass, ok := parseBasic(basic(user, password))
		if ok && (again != user || pass != password) || !ok && len(password) <= passwordBytes {
			t.Fatalf("parseBasic(%q) = %q, read back %q, %v", s, user, again, ok)
		}
	})
}

func FuzzParsePasswordFile(f *testing.F) {
	argon := "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for _, s := range []string{"", "a:b", "a:" + argon, "a:$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe", "# x\n\na:b\na:b", "\xef\xbb\xbfa:" + argon,
		strings.Replace(argon, "m=256", "m=1", 1), strings.Replace(argon, "p=1", "p=0", 1), "a:$2y$05$", ":", "é:" + argon + "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		users, found := parsePasswords("users", []byte(s))
		if len(users) == 0 && len(found) == 0 {
			t.Fatalf("%q gives neither users nor findings", s)
		}
		for _, problem := range found {
			if !strings.HasPrefix(problem.Code, "caller.") || problem.Severity != finding.Error {
				t.Fatalf("%q gives %v", s, problem)
			}
		}
		for name, u := range users {
			if normal, ok := normalUser(u.name); !ok || normal != u.name || fold(normal) != name {
				t.Fatalf("%q gives the user %q", s, name)
			}
			h := u.hash
			if h.bcrypt == nil && (h.passes < 1 || h.lanes < 1 || h.kib > mostArgonKiB || h.kib*h.passes > mostArgonWork || len(h.salt) < 8 || len(h.key) < 16) {
				t.Fatalf("%q gives the hash %+v", s, h)
			}
			// A hash that was accepted can be checked without a panic; only cheap ones, the fuzzer has no time.
			if h.bcrypt == nil && h.kib*h.passes < 4096 || h.bcrypt != nil && string(h.bcrypt[4:6]) <= "05" {
				h.verify("password")
			}
		}
		groups, _, _ := parseGroups("groups", []byte(s))
		for name, list := range groups {
			if normal, ok := normalUser(name); !ok || fold(normal) != name || !slices.IsSorted(list) {
				t.Fatalf("%q gives the member %q of %q", s, name, list)
			}
		}
	})
}

func BenchmarkIdentifyRemembered(b *testing.B) {
	book := open(b, "alice:"+cheap(b, "x"), "")
	header := basic("alice", "x")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := book.Identify(client, header); !ok {
			b.Fatal("not identified")
		}
	}
}
