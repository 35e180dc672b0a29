package signin_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/signin"
)

// account is an LDIF record of a user with one more line each.
func record(name string, guid byte, lines ...string) string {
	return fmt.Sprintf("dn: CN=%s,DC=corp,DC=example\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %s@contoso.com\nobjectGUID:: %s\n%s\n\n",
		name, name, name, guidText(guid), strings.Join(lines, "\n"))
}

// guidText is base64 of sixteen bytes of which the first is n.
func guidText(n byte) string {
	return string([]byte{'A' + n>>2, 'A' + n&3<<4}) + "AAAAAAAAAAAAAAAAAAAA=="
}

func TestTheTenantsSide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ldif   string
		tenant string
		want   string // rule=objects/tenant objects
	}{
		"nobody-is-there":           {record("a", 1), `[]`, ""},
		"same-immutable-id":         {record("a", 1), `[{"userPrincipalName":"other@contoso.com","onPremisesImmutableId":"` + guidText(1) + `"}]`, "tenant-hard-match=1/1"},
		"consistency-guid":          {record("a", 1, "mS-DS-ConsistencyGuid:: "+guidText(9)), `[{"userPrincipalName":"a@contoso.com","onPremisesImmutableId":"` + guidText(9) + `"}]`, "anchor-in-use=1/0 tenant-hard-match=1/1"},
		"immutable-id-knows-case":   {record("a", 1), `[{"userPrincipalName":"x@contoso.com","onPremisesImmutableId":"` + strings.ToLower(guidText(1)) + `"}]`, ""},
		"cloud-user-of-that-name":   {record("a", 1), `[{"userPrincipalName":"A@Contoso.com"}]`, "tenant-soft-match=1/1"},
		"primary-address":           {record("a", 1, "proxyAddresses: SMTP:sales@contoso.com"), `[{"userPrincipalName":"b@contoso.com","proxyAddresses":["SMTP:Sales@contoso.com"]}]`, "tenant-soft-match=1/1"},
		"secondary-address":         {record("a", 1, "proxyAddresses: SMTP:sales@contoso.com"), `[{"userPrincipalName":"b@contoso.com","proxyAddresses":["SMTP:b@contoso.com","smtp:Sales@contoso.com"]}]`, "tenant-holds-address=1/1"},
		"synchronised-by-others":    {record("a", 1), `[{"userPrincipalName":"a@contoso.com","onPremisesImmutableId":"` + guidText(7) + `"}]`, "tenant-holds-name=1/1"},
		"synchronised-id-not-told":  {record("a", 1), `[{"userPrincipalName":"a@contoso.com","onPremisesSyncEnabled":true}]`, "tenant-match-unclear=1/1"},
		"name-and-address-differ":   {record("a", 1, "proxyAddresses: SMTP:sales@contoso.com"), `[{"userPrincipalName":"a@contoso.com"},{"userPrincipalName":"b@contoso.com","proxyAddresses":["SMTP:sales@contoso.com"]}]`, "tenant-two-matches=1/2 tenant-holds-address=1/1"},
		"hard-goes-before-soft":     {record("a", 1), `[{"userPrincipalName":"b@contoso.com","onPremisesImmutableId":"` + guidText(1) + `"},{"userPrincipalName":"a@contoso.com"}]`, "tenant-holds-name=1/1 tenant-hard-match=1/1"},
		"group-of-that-address":     {record("a", 1, "proxyAddresses: SMTP:a@contoso.com"), `[{"@odata.type":"#microsoft.graph.group","displayName":"G","mail":"a@contoso.com"}]`, "tenant-conflict-with-group=1/1"},
		"placeholder":               {record("a", 1), `[{"userPrincipalName":"z+1234@contoso.onmicrosoft.com"},{"userPrincipalName":"z+12@contoso.onmicrosoft.com"},{"userPrincipalName":"z1234@contoso.onmicrosoft.com"}]`, "tenant-placeholder=0/1"},
		"group-that-is-the-same":    {"dn: CN=g,DC=corp,DC=example\nobjectClass: group\nmail: g@contoso.com\nproxyAddresses: SMTP:g@contoso.com\nobjectGUID:: " + guidText(3) + "\n\n", `[{"@odata.type":"#microsoft.graph.group","mail":"g@contoso.com","onPremisesSyncEnabled":true}]`, ""},
		"group-of-the-cloud":        {"dn: CN=g,DC=corp,DC=example\nobjectClass: group\nmail: g@contoso.com\nproxyAddresses: SMTP:g@contoso.com\nobjectGUID:: " + guidText(3) + "\n\n", `[{"@odata.type":"#microsoft.graph.group","mail":"g@contoso.com"}]`, "tenant-soft-match=1/1"},
		"two-soft-matches-are-pair": {record("a", 1) + record("b", 2), `[{"userPrincipalName":"b@contoso.com"},{"userPrincipalName":"a@contoso.com"}]`, "tenant-soft-match=2/2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := directory.ReadLDIF("d.ldf", strings.NewReader(c.ldif), directory.Options{})
			if err != nil {
				t.Fatal(err)
			}
			have, err := signin.ReadExisting("t.json", strings.NewReader(c.tenant))
			if err != nil {
				t.Fatal(err)
			}
			tenant, _ := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}})
			p := signin.Make(d, tenant, signin.Options{Existing: have})
			var got []string
			for _, f := range p.Findings {
				got = append(got, fmt.Sprintf("%s=%d/%d", f.Rule.ID, len(f.Objects), len(f.Tenant)))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), c.want)
			}
			for i, r := range p.Rows {
				if (r.Matched != nil) != slices.ContainsFunc(r.Findings, func(r *signin.Rule) bool {
					return slices.Contains([]string{"tenant-hard-match", "tenant-soft-match", "tenant-two-matches"}, r.ID)
				}) {
					t.Errorf("row %d: matched %v, findings %v", i, r.Matched, r.Findings)
				}
			}
		})
	}
}

// What the default rules leave out by the page on the default configuration.
func TestExchangeObjectsAndGroupsLeftOut(t *testing.T) {
	t.Parallel()
	group := "dn: CN=g,DC=corp,DC=example\nobjectClass: group\nsAMAccountName: g\n"
	for ldif, want := range map[string]string{
		record("a", 1, "msExchRecipientTypeDetails: 1"):                            "",
		record("a", 1, "msExchRecipientTypeDetails: 536870912"):                    "exchange-object", // discovery mailbox
		record("a", 1, "msExchRecipientTypeDetails: 2147483648"):                   "",                // remote user mailbox
		group + "groupType: 2\n":                                                   "distribution-group-without-address",
		group + "groupType: 2\nmail: g@contoso.com\n":                              "distribution-group-without-address",
		group + "groupType: 2\nproxyAddresses: SMTP:g@c.com\n":                     "",
		group + "groupType: -2147483646\n":                                         "",
		group:                                                                      "",
		group + "groupType: -2147483640\nmsExchRecipientTypeDetails: 1073741824\n": "role-group",
		strings.Replace(group, "sAMAccountName: g", "sAMAccountName: MSOL_AD_Sync_RichCoexistence", 1): "synchronisation-account",
	} {
		d, err := directory.ReadLDIF("d.ldf", strings.NewReader(ldif), directory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tenant, _ := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}})
		if got := signin.Make(d, tenant, signin.Options{}).Rows[0].Excluded; got != want {
			t.Errorf("%s\ngot %q, want %q", ldif, got, want)
		}
	}
}

func TestFilesOfTheTenant(t *testing.T) {
	t.Parallel()
	csv := "\ufeffDisplayName,UserPrincipalName,ProxyAddresses,OnPremisesImmutableId,Id,OnPremisesSyncEnabled\r\n\"A, B\",a@contoso.com,SMTP:a@contoso.com;smtp:b@contoso.com,AAA=,1,True\r\nC,c@contoso.com,,,2,\r\n"
	got, err := signin.ReadExisting("u.csv", strings.NewReader(csv))
	if err != nil || len(got) != 2 || got[0].Display != "A, B" || len(got[0].Proxies) != 2 || got[0].Anchor != "AAA=" || !got[0].Synced || got[1].Synced {
		t.Errorf("%+v, %v", got, err)
	}
	for text, code := range map[string]string{
		"":            "signin.existing-head",
		"mail\r\na@b": "signin.existing-head",
		"userPrincipalName,userPrincipalName\na,b\n":                        "signin.existing-head-twice",
		"userPrincipalName,mail\na@b\n":                                     "signin.existing-csv",
		"userPrincipalName,mail\n\"a,b\n":                                   "signin.existing-csv",
		"userPrincipalName,proxyAddresses\na@b,System.String[]\n":           "signin.existing-type",
		"userPrincipalName,mail\n,a@b\n":                                    "signin.existing-fields",
		`{"error":1}`:                                                       "signin.existing-json",
		`{"value":[{"mail":"a@b"}]}`:                                        "signin.existing-fields",
		`{"value":[{"userPrincipalName":"a@b"}],"@odata.nextLink":"https"}`: "signin.existing-page",
		`[{"userPrincipalName":1}]`:                                         "signin.existing-json",
		"\x81":                                                              "signin.encoding",
	} {
		got, err := signin.ReadExisting("u", strings.NewReader(text))
		var problem *finding.Problem
		if !errors.As(err, &problem) || problem.Findings[0].Code != code || got != nil {
			t.Errorf("%q: %v, %v; want %s", text, got, err, code)
		}
	}
}

func FuzzReadExisting(f *testing.F) {
	for _, seed := range []string{`[{"userPrincipalName":"a@b"}]`, "userPrincipalName,mail\na@b,c@d\n", "[", `{"value":null}`, "\"", "userPrincipalName\n\"\"\"\"\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := signin.ReadExisting("u", strings.NewReader(string(data)))
		var problem *finding.Problem
		if err != nil && (got != nil || !errors.As(err, &problem)) {
			t.Errorf("%v, %v", got, err)
		}
		for _, e := range got {
			if e.Kind.Person() && e.UPN == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}

// What is saved reads back as it was.
func TestSavedDomainsReadBack(t *testing.T) {
	t.Parallel()
	text := `{"value":[{"id":"a.example","isVerified":false,"authenticationType":"Managed","verificationDnsRecords":[` +
		`{"recordType":"Txt","label":"a.example","text":"MS=1","ttl":3600},{"recordType":"Mx","label":"a.example","mailExchange":"x.invalid","preference":9},{"recordType":"CName","label":"b"}]},` +
		`{"id":"b.onmicrosoft.com","isVerified":true,"isInitial":true,"authenticationType":"Federated"}]}`
	once, err := signin.ReadDomains("a", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	once.Read = once.Read.AddDate(2025, 0, 0)
	data, err := once.Encode()
	if err != nil {
		t.Fatal(err)
	}
	twice, err := signin.ReadDomains("a", strings.NewReader(string(data)))
	if err != nil || fmt.Sprint(once) != fmt.Sprint(twice) {
		t.Errorf("%v\n%v, %v", once, twice, err)
	}
	if got := fmt.Sprint(once.List[0].Records); got != `[a.example TXT "MS=1" a.example MX 9 x.invalid]` {
		t.Error(got)
	}
}
