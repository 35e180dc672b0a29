package ldap_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/directory"
	"sekisho/internal/directory/ldap"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/test/samba"
	"sekisho/test/world"
)

// bulk is how many contacts there are: more than a page.
const bulk = 1_010

// people is how many have their place in OU=People.
const people = 7

// userPassword is everybody's.
const userPassword = "Passw0rd-1!"

// TestSamba reads a real domain. It is one test, because a domain takes seconds to make.
func TestSamba(t *testing.T) {
	if why := samba.Missing(); why != "" {
		t.Skip(why)
	}
	dir, inside := world.Inside(t, func(*testing.T, string) {})
	if !inside {
		return
	}
	began := time.Now()
	dc, err := samba.Start(dir, objects())
	if err != nil {
		t.Fatal(err)
	}
	defer dc.Stop()
	t.Logf("started after %v", time.Since(began))
	s := &site{dc: dc}
	pem, err := os.ReadFile(dc.Roots)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(pem)
	if err := dc.Load("ldbmodify", "dn: CN=Partitions,CN=Configuration,"+samba.Base+"\nchangetype: modify\nadd: uPNSuffixes\nuPNSuffixes: Forest.Example\n"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"TLS", s.readsOverTLS}, {"StartTLS", s.readsWithStartTLS}, {"Refused", s.isRefused}, {"Kerberos", s.readsWithTickets},
		{"Export", s.givesWhatAnExportGives}, {"Bases", s.readsParts}, {"Changes", s.readsChangesAlone}, {"Lockout", s.locksOut},
	} {
		began := time.Now()
		t.Run(c.name, c.run)
		t.Logf("%s: %v", c.name, time.Since(began))
	}
}

// site is the domain of the tests.
type site struct {
	dc    *samba.DC
	roots *x509.CertPool
}

// objects is the domain's content in LDIF.
func objects() string {
	var b strings.Builder
	person := func(name, upn, more string) {
		fmt.Fprintf(&b, "dn: CN=%s,OU=People,%s\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %s\nuserAccountControl: 512\nclearTextPassword:: UABhAHMAcwB3ADAAcgBkAC0AMQAhAA==\n%s\n",
			name, samba.Base, name, upn, more)
	}
	fmt.Fprintf(&b, "dn: OU=People,%s\nobjectClass: organizationalUnit\n\n", samba.Base)
	fmt.Fprintf(&b, "dn: OU=Outside,%s\nobjectClass: organizationalUnit\nuPNSuffixes: unit.example\n\n", samba.Base)
	person("alice", "alice@contoso.com", "mail: alice@contoso.com\nproxyAddresses: SMTP:alice@contoso.com\nproxyAddresses: smtp:al@contoso.com\ndisplayName:: 6Zai5omAIOiKseWtkA==\nmS-DS-ConsistencyGuid:: AAECAwQFBgcICQoLDA0ODw==\n")
	person("bob", "bob@corp.example", "")
	person("reader", "reader@corp.example", "")
	person("locked", "locked@contoso.com", "")
	person("expired", "expired@contoso.com", "accountExpires: 132539328000000000\n")
	person("new", "new@contoso.com", "pwdLastSet: 0\n")
	person("gone", "gone@contoso.com", "")
	text := b.String()
	i := strings.LastIndex(text, "userAccountControl: 512")
	b.Reset()
	b.WriteString(text[:i] + "userAccountControl: 514" + text[i+len("userAccountControl: 512"):])
	for i := range bulk {
		fmt.Fprintf(&b, "dn: CN=c%04d,CN=Users,%s\nobjectClass: contact\nmail: c%04d@contoso.com\n\n", i, samba.Base, i)
	}
	return b.String()
}

// options are those of a reading by the administrator over LDAPS.
func (s *site) options(t *testing.T) ldap.Options {
	t.Helper()
	return ldap.Options{
		Servers: []ldap.Server{server(t, "ldaps://"+samba.Host)}, Roots: s.roots,
		Login: ldap.Login{Name: samba.Administrator, Password: samba.Password},
	}
}

func server(t *testing.T, text string) ldap.Server {
	t.Helper()
	out, err := ldap.ParseServer(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// read reads, or fails the test.
func read(t *testing.T, o ldap.Options) (*directory.Directory, finding.List) {
	t.Helper()
	d, notices, err := ldap.Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d, notices
}

// refused reads, which has to fail with code.
func refused(t *testing.T, o ldap.Options, code string) finding.Finding {
	t.Helper()
	d, _, err := ldap.Read(context.Background(), o)
	var problem *finding.Problem
	if d != nil || !errors.As(err, &problem) || len(problem.Findings) != 1 {
		t.Fatalf("got %v, %v; want %s", d, err, code)
	}
	f := problem.Findings[0]
	printer := message.New("ja")
	if f.Code != code || printer.Finding(f) == "" {
		t.Errorf("got %v (cause %v), want %s", f, problem.Cause, code)
	}
	return f
}

func account(t *testing.T, d *directory.Directory, dn string) directory.Account {
	t.Helper()
	for _, a := range d.Accounts {
		if a.DN == dn {
			return a
		}
	}
	t.Fatalf("%s is not among %d accounts", dn, len(d.Accounts))
	return directory.Account{}
}

func (s *site) readsOverTLS(t *testing.T) {
	o := s.options(t)
	told := 0
	o.Directory.Progress = func(int) { told++ }
	d, notices := read(t, o)
	if len(notices) != 0 || told == 0 {
		t.Errorf("notices %v, told %d times", notices, told)
	}
	alice := account(t, d, "CN=alice,OU=People,"+samba.Base)
	if len(alice.GUID) != 16 {
		t.Errorf("GUID %x", alice.GUID)
	}
	alice.GUID = nil
	want := directory.Account{
		DN: "CN=alice,OU=People," + samba.Base, Kind: directory.User, SAM: "alice", UPN: "alice@contoso.com", Mail: "alice@contoso.com",
		Proxies: []string{"SMTP:alice@contoso.com", "smtp:al@contoso.com"}, DisplayName: "関所 花子", ConsistencyGUID: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		Control: 512, HasSignInState: true, KnowsLockOut: true,
	}
	if diff := cmp.Diff(want, alice); diff != "" {
		t.Error(diff)
	}
	if a := account(t, d, "CN=expired,OU=People,"+samba.Base); !a.Expires.Equal(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("expires %v", a.Expires)
	}
	if a := account(t, d, "CN=gone,OU=People,"+samba.Base); a.Control&directory.Disabled == 0 {
		t.Errorf("control %v", a.Control)
	}
	if a := account(t, d, "CN=new,OU=People,"+samba.Base); !a.MustChange {
		t.Error("new does not have to change the password")
	}
	contacts := 0
	for _, a := range d.Accounts {
		if a.Kind == directory.Contact {
			contacts++
		}
	}
	if contacts != bulk {
		t.Errorf("%d contacts", contacts)
	}
	suffixes := []directory.Suffix{{Name: "contoso.com"}, {Name: "corp.example", Origin: directory.OfDomain}, {Name: "forest.example", Origin: directory.OfForest}, {Name: "unit.example", Origin: directory.OfForest}}
	if diff := cmp.Diff(suffixes, d.Suffixes); diff != "" {
		t.Error(diff)
	}
	if d.Seen["unicodepwd"] || d.Seen["supplementalcredentials"] {
		t.Error("a password was read")
	}
}

func (s *site) readsWithStartTLS(t *testing.T) {
	want, _ := read(t, s.options(t))
	o := s.options(t)
	o.Servers, o.StartTLS = []ldap.Server{server(t, "ldap://"+samba.Host)}, true
	got, _ := read(t, o)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A plain user reads the same.
	o.Login = ldap.Login{Name: "CORP\\reader", Password: userPassword}
	got, _ = read(t, o)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func (s *site) isRefused(t *testing.T) {
	with := func(change func(*ldap.Options)) ldap.Options {
		o := s.options(t)
		change(&o)
		return o
	}
	plain := []ldap.Server{server(t, "ldap://"+samba.Host)}
	refused(t, with(func(o *ldap.Options) { o.Servers = plain }), "ldap.cleartext")
	refused(t, with(func(o *ldap.Options) { o.Servers, o.Cleartext = plain, true }), "ldap.strong-auth")
	refused(t, with(func(o *ldap.Options) { o.Login.Password = "wrong" }), "ldap.credentials")
	refused(t, with(func(o *ldap.Options) { o.Login.Name = "nobody@corp.example" }), "ldap.credentials")
	refused(t, with(func(o *ldap.Options) { o.Login.Password = "" }), "ldap.no-login")
	for name, code := range map[string]string{"gone": "ldap.account-disabled", "expired": "ldap.account-expired", "new": "ldap.password-expired"} {
		refused(t, with(func(o *ldap.Options) { o.Login = ldap.Login{Name: "CORP\\" + name, Password: userPassword} }), code)
	}
	if f := refused(t, with(func(o *ldap.Options) { o.Roots = nil }), "ldap.tls-untrusted"); !strings.Contains(f.Args["issuer"], "authority of corp.example") {
		t.Errorf("args %v", f.Args)
	}
	if f := refused(t, with(func(o *ldap.Options) { o.Servers = []ldap.Server{server(t, "ldaps://"+samba.Domain)} }), "ldap.tls-name"); f.Args["names"] != samba.Host {
		t.Errorf("args %v", f.Args)
	}
	// TLS on the port without, and the other way round.
	refused(t, with(func(o *ldap.Options) { o.Servers = []ldap.Server{server(t, "ldaps://"+samba.Host+":389")} }), "ldap.tls")
	_, _, err := ldap.Read(context.Background(), with(func(o *ldap.Options) {
		o.Servers, o.StartTLS = []ldap.Server{server(t, "ldap://"+samba.Host+":636")}, true
	}))
	var problem *finding.Problem
	// The server's word about it may be lost with the connection.
	if !errors.As(err, &problem) || problem.Findings[0].Code != "ldap.garbage" && problem.Findings[0].Code != "ldap.starttls" {
		t.Errorf("got %v", err)
	}
	refused(t, with(func(o *ldap.Options) { o.Servers = append(o.Servers, o.Servers[0]) }), "ldap.same-domain")
}

func (s *site) readsWithTickets(t *testing.T) {
	want, _ := read(t, s.options(t))
	dir := t.TempDir()
	keys, cache := filepath.Join(dir, "all.keytab"), filepath.Join(dir, "cache")
	if _, err := s.dc.Tool("domain", "exportkeytab", keys); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dc.Run(userPassword+"\n", "kinit", "-c", cache, "reader@"+samba.Realm); err != nil {
		t.Fatal(err)
	}
	plain, tls := []ldap.Server{server(t, "ldap://"+samba.Host)}, []ldap.Server{server(t, "ldaps://"+samba.Host)}
	byKeys := ldap.Login{Name: "reader@" + samba.Realm, Keytab: keys, Config: s.dc.Krb5Conf()}
	byCache := ldap.Login{Cache: "FILE:" + cache, Config: s.dc.Krb5Conf()}
	for _, c := range []struct {
		name    string
		login   ldap.Login
		servers []ldap.Server
		start   bool
	}{
		{"keytab, sealed", byKeys, plain, false}, {"keytab, TLS", byKeys, tls, false}, {"cache, sealed", byCache, plain, false},
		{"cache, TLS", byCache, tls, false}, {"cache, StartTLS", byCache, plain, true},
		// Without settings the domain controller itself is asked.
		{"keytab, no settings", ldap.Login{Name: "reader", Keytab: keys, Config: empty(t, dir)}, plain, false},
	} {
		o := s.options(t)
		o.Servers, o.Login, o.StartTLS = c.servers, c.login, c.start
		got, _, err := ldap.Read(context.Background(), o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	with := func(change func(*ldap.Options)) ldap.Options {
		o := s.options(t)
		o.Servers, o.Login = plain, byKeys
		change(&o)
		return o
	}
	refused(t, with(func(o *ldap.Options) { o.Login.Name = "" }), "ldap.keytab-principal")
	refused(t, with(func(o *ldap.Options) { o.Servers = []ldap.Server{server(t, "ldap://"+samba.Domain)} }), "ldap.kerberos-server")
	refused(t, with(func(o *ldap.Options) { o.Servers = []ldap.Server{server(t, "ldap://127.0.0.10")} }), "ldap.kerberos-address")
	refused(t, with(func(o *ldap.Options) { o.Login.Keytab = s.dc.Roots }), "ldap.keytab")
	refused(t, with(func(o *ldap.Options) { o.Login = ldap.Login{Cache: keys} }), "ldap.ccache")
	refused(t, with(func(o *ldap.Options) { o.Login = ldap.Login{Cache: "KEYRING:persistent:0"} }), "ldap.ccache-kind")
	// A key that is no longer the account's.
	if _, err := s.dc.Tool("user", "setpassword", "bob", "--newpassword=Other-Passw0rd-2"); err != nil {
		t.Fatal(err)
	}
	refused(t, with(func(o *ldap.Options) { o.Login.Name = "bob@" + samba.Realm }), "ldap.kerberos-key")
}

// empty is a krb5.conf that names no realm.
func empty(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "krb5.conf")
	if err := os.WriteFile(file, []byte("[libdefaults]\n rdns = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *site) readsParts(t *testing.T) {
	o := s.options(t)
	o.Bases = []string{"ou=people, " + samba.Base}
	d, _ := read(t, o)
	if len(d.Accounts) != people {
		t.Errorf("%d accounts", len(d.Accounts))
	}
	for base, code := range map[string]string{"OU=Nowhere," + samba.Base: "ldap.no-base", "DC=other,DC=example": "ldap.base-nowhere"} {
		o.Bases = []string{base}
		refused(t, o, code)
	}
	o.Bases = []string{samba.Base, "OU=People," + samba.Base}
	refused(t, o, "ldap.base-within")
}

// locksOut comes last: it changes the policy of the domain.
func (s *site) locksOut(t *testing.T) {
	if _, err := s.dc.Tool("domain", "passwordsettings", "set", "--account-lockout-threshold=2"); err != nil {
		t.Fatal(err)
	}
	o := s.options(t)
	o.Login = ldap.Login{Name: "CORP\\locked", Password: "wrong"}
	refused(t, o, "ldap.credentials")
	refused(t, o, "ldap.credentials")
	o.Login.Password = userPassword
	refused(t, o, "ldap.account-locked")
	o = s.options(t)
	for _, o.State = range []string{"", filepath.Join(t.TempDir(), "state")} {
		d, _ := read(t, o)
		a := account(t, d, "CN=locked,OU=People,"+samba.Base)
		if a.LockedSince.IsZero() || !a.KnowsLockOut || a.Control&directory.LockedOut == 0 {
			t.Errorf("state %q: locked out %v, %v, control %x", o.State, a.LockedSince, a.KnowsLockOut, a.Control)
		}
	}
}
