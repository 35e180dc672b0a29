package ldap

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/directory"
)

// domainServer answers for one domain of a forest of three.
func domainServer(t *testing.T, domain string) Server {
	l := &liar{t: t, answer: func(r request, w io.Writer) (bool, bool) {
		switch {
		case r.tag != 0x63:
			return false, true
		case r.base == "":
			w.Write(envelope(r.id, found("", attribute("defaultNamingContext", domain), attribute("configurationNamingContext", "CN=Configuration,DC=corp,DC=example"))))
			w.Write(envelope(r.id, result(0x65, 0)))
		case strings.HasPrefix(r.base, "CN=Partitions"):
			w.Write(envelope(r.id, found(r.base, attribute("objectClass", "crossRefContainer"), attribute("uPNSuffixes", "forest.example"))))
			for _, name := range []string{"corp.example", "child.corp.example", "Other.example"} {
				dn := "DC=" + strings.ReplaceAll(name, ".", ",DC=")
				w.Write(envelope(r.id, found("CN="+name+","+r.base, attribute("objectClass", "crossRef"), attribute("systemFlags", "3"), attribute("nCName", dn), attribute("dnsRoot", name))))
			}
			w.Write(envelope(r.id, found("CN=DNS,"+r.base, attribute("objectClass", "crossRef"), attribute("systemFlags", "5"), attribute("nCName", "DC=ForestDnsZones,DC=corp,DC=example"), attribute("dnsRoot", "ForestDnsZones.corp.example"))))
			w.Write(envelope(r.id, result(0x65, 0), paged("")))
		case strings.EqualFold(r.base, domain):
			w.Write(envelope(r.id, found("CN=u,"+domain, attribute("objectClass", "user"), attribute("objectGUID", fmt.Sprintf("%016d", len(domain))), attribute("userPrincipalName", "u@contoso.com"))))
			w.Write(envelope(r.id, tlv(0x73, text("ldap://ForestDnsZones.corp.example/DC=ForestDnsZones,DC=corp,DC=example"))))
			w.Write(envelope(r.id, result(0x65, 0), paged("")))
		default:
			w.Write(envelope(r.id, result(0x65, 32)))
		}
		return true, true
	}}
	return l.listen()
}

func TestDomainsOfAForestAreReadTogether(t *testing.T) {
	o := asked(domainServer(t, "DC=corp,DC=example"))
	o.Servers = append(o.Servers, domainServer(t, "DC=child,DC=corp,DC=example"))
	d, notices, err := Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Accounts) != 2 || d.Accounts[0].Domain() != "child.corp.example" || d.Accounts[1].Domain() != "corp.example" {
		t.Errorf("accounts %+v", d.Accounts)
	}
	want := []directory.Suffix{{Name: "child.corp.example", Origin: directory.OfDomain}, {Name: "contoso.com"}, {Name: "corp.example", Origin: directory.OfDomain},
		{Name: "forest.example", Origin: directory.OfForest}, {Name: "other.example", Origin: directory.OfDomain}}
	if diff := cmp.Diff(want, d.Suffixes); diff != "" {
		t.Error(diff)
	}
	// The third domain is told once; application partitions hold nobody.
	if len(notices) != 1 || notices[0].Code != "ldap.other-domain" || notices[0].Args["domain"] != "other.example" {
		t.Errorf("notices %v", notices)
	}
}

func TestABaseGoesToTheServerOfItsDomain(t *testing.T) {
	o := asked(domainServer(t, "DC=corp,DC=example"))
	o.Servers = append(o.Servers, domainServer(t, "DC=child,DC=corp,DC=example"))
	// It lies below both; the nearer domain has it.
	o.Bases = []string{"DC=child,DC=corp,DC=example"}
	d, _, err := Read(context.Background(), o)
	if err != nil || len(d.Accounts) != 1 || d.Accounts[0].Domain() != "child.corp.example" {
		t.Errorf("got %v, %v", d, err)
	}
	o.Servers = o.Servers[1:]
	o.Bases[0] = "DC=corp,DC=example"
	if f := trouble(t, o); f.Code != "ldap.base-nowhere" {
		t.Errorf("got %v", f)
	}
}

func TestAddressesAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"ldaps://dc1.corp.example": "ldaps://dc1.corp.example:636", "ldap://dc1.corp.example/": "ldap://dc1.corp.example:389", "ldap://[::1]:1389": "ldap://[::1]:1389",
		"dc1.corp.example": "ldap.url", "ldapi://socket": "ldap.url", "ldaps://": "ldap.url", "ldap://dc1/DC=corp": "ldap.url", "ldap://dc1:3268": "ldap.global-catalog",
		"ldaps://dc1:3269": "ldap.global-catalog", "ldaps://reader:secret@dc1": "ldap.url-user", "ldaps://reader:sec ret%@dc1": "ldap.url-user", "ldap://dc1?x": "ldap.url", "ldap://dc1:03268": "ldap.global-catalog", "ldap://dc1:0": "ldap.url", "ldap://dc1:65536": "ldap.url", "ldap://[fe80::1%25eth0]": "ldap.url",
	} {
		s, err := ParseServer(text)
		got := s.String()
		if err != nil {
			got = err.Error()
			if strings.Contains(got, "secret") {
				t.Errorf("%s: tells the password", text)
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
