package ldap_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sekisho/internal/directory/ldap"
	"sekisho/test/samba"
	"sekisho/test/world"
)

// bulk is how many contacts there are: more than a page.
const bulk = 1_010

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
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"TLS", s.readsOverTLS},
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
	person("expired", "expired@contoso.com", "accountExpires: 132539328000000000\n")
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

func (s *site) readsOverTLS(t *testing.T) {
	d, notices, err := ldap.Read(context.Background(), s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(d.Accounts), d.Suffixes, notices)
}
