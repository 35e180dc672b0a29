package directory

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func mustShip(t testing.TB) *Directory {
	t.Helper()
	d, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// certificate makes a certificate whose private half is the test's.
func certificate(t testing.TB, key *rsa.PrivateKey, until time.Time) (text string, der []byte) {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "t"}, NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), der
}

func TestStates(t *testing.T) {
	d := mustShip(t)
	for upn, want := range map[string]State{
		"alice@contoso.com": Active, "noboru@contoso.com": Disabled, "mika@contoso.com": Locked,
		"ken@contoso.com": PasswordExpired, "yui@contoso.com": MustChange,
	} {
		u, ok := d.Person(upn)
		if !ok || u.State() != want || !u.HasPassword() {
			t.Errorf("%s: %v %q, want %q", upn, ok, u.State(), want)
		}
	}
	u := &User{Disabled: true, Locked: true, PasswordExpired: true, MustChange: true}
	for _, want := range States {
		if u.State() != want {
			t.Errorf("%q, want %q", u.State(), want)
		}
		switch want {
		case Disabled:
			u.Disabled = false
		case Locked:
			u.Locked = false
		case PasswordExpired:
			u.PasswordExpired = false
		}
	}
	contoso, _ := d.Tenant("contoso.com")
	dave, _ := d.Person("dave@fabrikam.com")
	guest, _ := contoso.Account(dave)
	if name := guest.PrincipalName(); name != "dave_fabrikam.com#EXT#@contoso.onmicrosoft.com" || dave.PrincipalName() != dave.UPN {
		t.Errorf("%q", name)
	}
	if got, ok := contoso.Object(strings.ToUpper(guest.ID)); !ok || got != guest {
		t.Error("by object id")
	}
}

func TestGroups(t *testing.T) {
	d := mustShip(t)
	const finance, staff, partners = "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b01", "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b02", "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b11"
	person := func(upn string) *User { u, _ := d.Person(upn); return u }
	contoso, _ := d.Tenant("contoso.com")
	guest, _ := contoso.Account(person("dave@fabrikam.com"))
	for _, c := range []struct {
		name       string
		u          *User
		group      string
		in, nested bool
	}{
		{"named", person("hanako@contoso.com"), finance, true, false},
		{"through-another-group", person("hanako@contoso.com"), staff, true, true},
		{"not-in-the-inner-one", person("alice@contoso.com"), finance, false, false},
		{"guest", guest, staff, true, false},
		{"guest-is-not-at-home", person("dave@fabrikam.com"), staff, false, false},
		{"at-home", person("dave@fabrikam.com"), partners, true, false},
	} {
		if in, nested := c.u.In(strings.ToUpper(c.group)); in != c.in || nested != c.nested {
			t.Errorf("%s: %v %v", c.name, in, nested)
		}
	}
	if g, ok := contoso.Group(staff); !ok || len(g.Members) != 2 || len(g.Nested) != 1 || len(person("hanako@contoso.com").Groups()) != 2 {
		t.Errorf("%+v", g)
	}

	dave, bob, hanako := person("dave@fabrikam.com"), person("bob@fabrikam.com"), person("hanako@contoso.com")
	for _, c := range []struct {
		name          string
		r             Rule
		u             *User
		names, nested bool
	}{
		{"nobody-listed-is-everybody", Rule{}, bob, true, false},
		{"nobody-known", Rule{Users: []string{bob.UPN}}, nil, false, false},
		{"user", Rule{Users: []string{bob.UPN}}, bob, true, false},
		{"group", Rule{Groups: []string{partners}}, dave, true, false},
		{"group-of-others", Rule{Groups: []string{partners}}, bob, false, false},
		{"user-beside-group", Rule{Users: []string{bob.UPN}, Groups: []string{partners}}, bob, true, false},
		{"guest-counts-as-the-person", Rule{Groups: []string{partners}}, guest, true, false},
		{"nested", Rule{Groups: []string{staff}}, hanako, true, true},
		{"nested-and-named", Rule{Groups: []string{staff, finance}}, hanako, true, false},
	} {
		if names, nested := c.r.Names(c.u); names != c.names || nested != c.nested {
			t.Errorf("%s: %v %v", c.name, names, nested)
		}
	}
	policy, _ := contoso.Policy("5e1f7c20-9b3a-4d86-a1c5-3f7e2d4b6a81")
	fabrikam, _ := d.Tenant("fabrikam.com")
	if r := policy.Partners[fabrikam.ID]; !policy.Allow || len(policy.Default.Applications) != 1 || len(r.Groups) != 1 || !r.Allow {
		t.Errorf("%+v", policy)
	}
}

func TestCredentials(t *testing.T) {
	d := mustShip(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	text, der := certificate(t, key, now.Add(time.Hour))
	s := Fixed(d)
	var made, madeID, certID string
	const service = "4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20"
	change := func(f func(*ApplicationEntry) error) {
		t.Helper()
		if err := s.Change(t.Context(), func(d *Draft) error {
			a, err := d.Application(service)
			if err != nil {
				return err
			}
			return f(a)
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(func(a *ApplicationEntry) error {
		madeID, made = a.AddSecret("made", time.Time{}, now.Add(time.Hour))
		certID = a.AddCertificate("made", text, time.Time{}, time.Time{})
		return nil
	})
	a, _ := s.Current().Application(service)
	found, ok := a.MatchSecret(made, now)
	if !ok || found.ID != madeID || found.Expired(now) || !found.Expired(now.Add(time.Hour)) || len(made) != 43 || found.Hint != made[:3] || !a.CheckSecret("lab-secret-not-for-production") {
		t.Errorf("%+v", found)
	}
	sum := sha1.Sum(der)
	x5t := base64.RawURLEncoding.EncodeToString(sum[:])
	for _, c := range []struct {
		s256, s1 string
		ok       bool
	}{{"", x5t, true}, {"", x5t + "=", true}, {a.Certificates[0].X5TS256, "", true}, {"", a.Certificates[0].Thumbprint, true}, {"", "", false}, {"x", x5t, false}} {
		got, ok := a.Certificate(c.s256, c.s1)
		if ok != c.ok || ok && (!got.Key.Equal(&key.PublicKey) || got.ID != certID || got.Expired(now) || !got.Expired(now.Add(2*time.Hour))) {
			t.Errorf("%+v: %v", c, ok)
		}
	}
	for _, id := range []string{madeID, certID} {
		change(func(a *ApplicationEntry) error { return a.RemoveCredential(id) })
	}
	if err := s.Change(t.Context(), func(d *Draft) error {
		a, err := d.Application(service)
		if err != nil {
			return err
		}
		return a.RemoveCredential(madeID)
	}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	a, _ = s.Current().Application(service)
	if a.CheckSecret(made) || len(a.Certificates) != 0 {
		t.Error("credentials stay")
	}
	if c := mustApplication(t, d, "8cd03f5a-6b72-4e81-9a4c-2f5e7d9b1c40"); len(c.Certificates) != 1 || c.CheckSecret("") || c.Certificates[0].Expired(now) {
		t.Errorf("%+v", c)
	}
}

func mustApplication(t *testing.T, d *Directory, id string) *Application {
	t.Helper()
	a, ok := d.Application(id)
	if !ok {
		t.Fatal(id)
	}
	return a
}

func TestConsent(t *testing.T) {
	const reader, fabrikamID, northwindID = "9de14a6b-7c83-4f92-8b5d-3a6f8e0c2d50", "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52", "b5a1c3d7-2e4f-4a68-8c90-1d3e5f7a9b73"
	s := Fixed(mustShip(t))
	check := func(name, tenant, upn string, want bool) {
		t.Helper()
		d := s.Current()
		home, _ := d.Tenant(tenant)
		u, _ := d.Person(upn)
		account, _ := home.Account(u)
		if got := mustApplication(t, d, reader).Consented(home, account); got != want {
			t.Errorf("%s: %s in %s: %v", name, upn, tenant, got)
		}
	}
	consent := func(app, tenant, user string) error {
		return s.Change(t.Context(), func(d *Draft) error { return d.Consent(app, tenant, user) })
	}
	check("shipped", "contoso.com", "alice@contoso.com", true)
	check("shipped", "fabrikam.com", "bob@fabrikam.com", false)
	if err := consent(reader, fabrikamID, "alice@contoso.com"); err != nil { // the guest, by the name at home
		t.Fatal(err)
	}
	check("one", "fabrikam.com", "alice@contoso.com", true)
	check("one", "fabrikam.com", "bob@fabrikam.com", false)
	if err := consent(reader, "fabrikam.com", ""); err != nil {
		t.Fatal(err)
	}
	check("all", "fabrikam.com", "bob@fabrikam.com", true)
	check("absent", northwindID, "carol@northwindtraders.com", false)
	if err := consent(reader, northwindID, "carol@northwindtraders.com"); err != nil {
		t.Fatal(err)
	}
	check("made", northwindID, "carol@northwindtraders.com", true)
	if err := s.Change(t.Context(), func(d *Draft) error { return d.Withdraw(reader, "fabrikam.com") }); err != nil {
		t.Fatal(err)
	}
	check("withdrawn", "fabrikam.com", "bob@fabrikam.com", false)
	for _, c := range []struct{ app, tenant, user string }{
		{"x", "fabrikam.com", ""}, {reader, "nobody.example", ""}, {reader, "fabrikam.com", "nobody@fabrikam.com"},
		{"6cae1048-5f71-4d9b-90e0-813d5f7a1e30", "fabrikam.com", ""}, // for Contoso alone
	} {
		if err := consent(c.app, c.tenant, c.user); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestRemovals(t *testing.T) {
	s := Fixed(mustShip(t))
	if err := s.Change(t.Context(), func(d *Draft) error { return d.RemoveUser("fabrikam.com", "dave@fabrikam.com") }); err != nil {
		t.Fatal(err)
	}
	d := s.Current()
	contoso, _ := d.Tenant("contoso.com")
	if _, ok := d.Person("dave@fabrikam.com"); ok || len(contoso.Members) != len(mustShip(t).Tenants[0].Members)-1 {
		t.Error("dave is still somewhere")
	}
	const finance, partners = "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b01", "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b11"
	if err := s.Change(t.Context(), func(d *Draft) error { return d.RemoveGroup("contoso.com", finance) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Change(t.Context(), func(d *Draft) error { return d.RemoveGroup("fabrikam.com", partners) }); !errors.Is(err, ErrRefused) {
		t.Errorf("a rule that spoke of one group speaks of everybody: %v", err)
	}
}

func TestPasswordHashes(t *testing.T) {
	for _, c := range []cost{printed, secret} {
		h := newHash("pass", c)
		again, err := parseHash(h.String())
		if err != nil || !again.matches("pass") || again.matches("Pass") || again.matches("") {
			t.Errorf("%v, %v", again, err)
		}
	}
	if one, other := newHash("x", printed), newHash("x", printed); one.String() == other.String() {
		t.Error("no salt")
	}
	for _, bad := range []string{
		"x", "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAA", "$argon2id$v=19$m=8,t=1,p=1 $AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=18$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=8,t=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=08,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		if _, err := parseHash(bad); err == nil {
			t.Errorf("%q: taken", bad)
		}
	}
	if (hash{}).matches("") {
		t.Error("nobody's password")
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(newHash("x", printed).String())
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := parseHash(text); err == nil && h.String() != text {
			t.Errorf("%q reads as %q", text, h)
		}
	})
}
