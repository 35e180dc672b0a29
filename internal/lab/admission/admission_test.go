package admission

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/lab/directory"
)

func shipped(t testing.TB) *directory.Directory {
	t.Helper()
	d, err := directory.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	contoso  = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	policyID = "5e1f7c20-9b3a-4d86-a1c5-3f7e2d4b6a80"
	services = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func v1(tenants string) http.Header {
	return header(headerTenants, tenants, headerContext, contoso)
}

func v2(policy string) http.Header { return header(headerPolicy, policy) }

// Every row says who (home tenant), where to (resource tenant) and under which headers; want is the AADSTS code, or the
// finding for which the lab refuses to guess.
func TestJudge(t *testing.T) {
	d := shipped(t)
	tenant := func(name string) *directory.Tenant {
		if name == "" {
			return nil
		}
		x, ok := d.Tenant(name)
		if !ok {
			t.Fatalf("no tenant %q", name)
		}
		return x
	}
	consumers := "9188040d-6c67-4c5b-b112-36a304b66dad"
	allowsFabrikam := v2(contoso + ":" + policyID)
	for _, c := range []struct {
		name           string
		h              http.Header
		home, resource string
		appOnly        bool
		code           int
		doubt          string
	}{
		{"no-header-is-unrestricted", nil, "fabrikam.com", "fabrikam.com", false, 0, ""},
		{"context-alone-is-unrestricted", header(headerContext, contoso), "fabrikam.com", "fabrikam.com", false, 0, ""},
		{"v1-own-member", v1("contoso.com"), "contoso.com", "contoso.com", false, 0, ""},
		{"v1-by-id", v1(contoso), "contoso.com", "contoso.com", false, 0, ""},
		{"v1-by-initial-domain", v1("contoso.onmicrosoft.com"), "contoso.com", "contoso.com", false, 0, ""},
		{"v1-unverified-domain-names-nobody", v1("contoso.example"), "contoso.com", "contoso.com", false, CodeV1, ""},
		{"v1-case-is-folded", v1("CONTOSO.com"), "contoso.com", "contoso.com", false, 0, ""},
		{"v1-white-space-is-tolerated", v1(" fabrikam.com ,\tcontoso.com "), "contoso.com", "contoso.com", false, 0, ""},
		{"v1-forms-mix", v1("fabrikam.onmicrosoft.com," + contoso), "contoso.com", "fabrikam.com", false, 0, ""},
		{"v1-foreign", v1("contoso.com"), "fabrikam.com", "fabrikam.com", false, CodeV1, ""},
		{"v1-guest-needs-the-home-tenant-too", v1("contoso.com"), "fabrikam.com", "contoso.com", false, CodeV1, ""},
		{"v1-guest-needs-the-resource-tenant-too", v1("fabrikam.com"), "fabrikam.com", "contoso.com", false, CodeV1, ""},
		{"v1-guest-with-both", v1("contoso.com,fabrikam.com"), "fabrikam.com", "contoso.com", false, 0, ""},
		{"v1-consumer-guest-goes-by-resource", v1("contoso.com"), consumers, "contoso.com", false, 0, ""},
		{"v1-consumer-guest-of-a-foreign-tenant", v1("contoso.com"), consumers, "fabrikam.com", false, CodeV1, ""},
		{"v1-service-principal-foreign", v1("contoso.com"), "", "fabrikam.com", true, CodeV1, ""},
		{"v1-service-principal-own", v1("contoso.com"), "", "contoso.com", true, 0, ""},
		{"v1-passthrough-not-listed", v1("contoso.com"), "", services, false, CodeV1, ""},
		{"v1-passthrough-listed", v1("contoso.com," + services), "", services, false, 0, ""},
		{"v1-wildcard-names-nobody", v1("*"), "contoso.com", "contoso.com", false, CodeV1, ""},
		{"v1-empty-list-permits-nobody", v1(""), "contoso.com", "contoso.com", false, CodeV1, ""},
		{"v1-substring-is-no-match", v1("notcontoso.com,contoso.co"), "contoso.com", "contoso.com", false, CodeV1, ""},
		{"v2-own-member-at-home", allowsFabrikam, "contoso.com", "contoso.com", false, 0, ""},
		{"v2-own-member-abroad-is-skipped", allowsFabrikam, "contoso.com", "northwindtraders.com", false, 0, ""},
		{"v2-guest-inside-is-skipped", allowsFabrikam, "northwindtraders.com", "contoso.com", false, 0, ""},
		{"v2-allowed-partner", allowsFabrikam, "fabrikam.com", "fabrikam.com", false, 0, ""},
		{"v2-other-tenant", allowsFabrikam, "northwindtraders.com", "northwindtraders.com", false, CodeV2, ""},
		{"v2-case-is-folded", v2(strings.ToUpper(contoso + ":" + policyID)), "northwindtraders.com", "northwindtraders.com", false, CodeV2, ""},
		{"v2-service-principal-foreign", allowsFabrikam, "", "fabrikam.com", true, CodeV2, ""},
		{"v2-service-principal-own", allowsFabrikam, "", "contoso.com", true, 0, ""},
		{"v2-passthrough-is-not-blocked", allowsFabrikam, "", services, false, 0, ""},
		{"v2-unknown-policy", v2(contoso + ":" + contoso), "contoso.com", "contoso.com", false, 0, "lab.unknown-policy"},
		{"v2-malformed", v2("contoso.com:default"), "contoso.com", "contoso.com", false, 0, "lab.malformed-policy"},
		{"v2-undefined", v2("undefined:undefined"), "contoso.com", "contoso.com", false, 0, "lab.malformed-policy"},
		{"restrict-msa-says-nothing-here", v2("restrict-msa"), "fabrikam.com", "fabrikam.com", false, 0, ""},
		{"both-versions", header(headerTenants, "contoso.com", headerPolicy, contoso+":"+policyID), "contoso.com", "contoso.com", false, 0, "lab.both-versions"},
		{"tenants-twice", header(headerTenants, "contoso.com", headerTenants, "contoso.com"), "contoso.com", "contoso.com", false, 0, "lab.duplicate-header"},
		{"context-twice", header(headerTenants, "contoso.com", headerContext, contoso, headerContext, contoso), "contoso.com", "contoso.com", false, 0, "lab.duplicate-header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := Subject{Home: tenant(c.home), Resource: tenant(c.resource), AppOnly: c.appOnly}
			if c.appOnly {
				sub.PrincipalHome = sub.Resource
			}
			v := Judge(d, Read(c.h, Entra), sub)
			doubt := ""
			if v.Misconfigured != nil {
				doubt = v.Misconfigured.Code
			}
			if v.Code != c.code || doubt != c.doubt {
				t.Errorf("code %d, doubt %q; want %d, %q", v.Code, doubt, c.code, c.doubt)
			}
			if v.Admitted() != (c.code == 0 && c.doubt == "") {
				t.Error("Admitted contradicts")
			}
			if v.Code != 0 && v.Denied == nil {
				t.Error("a refusal that names no tenant")
			}
		})
	}
}

func TestPartnerRuleByUserAndApplication(t *testing.T) {
	d := shipped(t)
	owner, _ := d.Tenant(contoso)
	policy, _ := owner.Policy(policyID)
	northwind, _ := d.Tenant("northwindtraders.com")
	carol, _ := d.Person("carol@northwindtraders.com")
	app := d.Applications[0]
	signal := Read(v2(contoso+":"+policyID), Entra)
	for _, c := range []struct {
		name   string
		rule   directory.Rule
		person *directory.User
		app    *directory.Application
		admits bool
	}{
		{"allow-everybody", directory.Rule{Allow: true}, carol, app, true},
		{"allow-this-user", directory.Rule{Allow: true, Users: []string{carol.UPN}}, carol, app, true},
		{"allow-another-user", directory.Rule{Allow: true, Users: []string{"x@northwindtraders.com"}}, carol, app, false},
		{"allow-this-application", directory.Rule{Allow: true, Applications: []string{app.ID}}, carol, app, true},
		{"allow-another-application", directory.Rule{Allow: true, Applications: []string{contoso}}, carol, app, false},
		{"block-this-user", directory.Rule{Users: []string{carol.UPN}}, carol, app, false},
		{"block-another-user", directory.Rule{Users: []string{"x@northwindtraders.com"}}, carol, app, true},
		{"user-not-known-yet", directory.Rule{Allow: true, Users: []string{"x@northwindtraders.com"}}, nil, app, true},
		{"block-user-not-known-yet", directory.Rule{Users: []string{"x@northwindtraders.com"}}, nil, app, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy.Partners[northwind.ID] = c.rule
			v := Judge(d, signal, Subject{Resource: northwind, Home: northwind, Person: c.person, Application: c.app})
			if v.Admitted() != c.admits {
				t.Errorf("admitted %v", v.Admitted())
			}
			if c.admits && v.PolicyID != policyID {
				t.Errorf("policy id %q", v.PolicyID)
			}
		})
	}
}

// The shipped policy with a group: of Fabrikam, its members alone; of tenants without a rule, one application alone.
func TestRulesByGroupAndDefault(t *testing.T) {
	d := shipped(t)
	signal := Read(v2(contoso+":5e1f7c20-9b3a-4d86-a1c5-3f7e2d4b6a81"), Entra)
	application := func(id string) *directory.Application { a, _ := d.Application(id); return a }
	service, desktop := application("4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20"), application("2f6b8d04-1c3e-4a57-b9d8-6e0f2a4c8b10")
	for _, c := range []struct {
		name   string
		upn    string
		app    *directory.Application
		code   int
		nested bool
	}{
		{"in-the-group", "dave@fabrikam.com", desktop, 0, false},
		{"not-in-the-group", "bob@fabrikam.com", desktop, CodeV2, false},
		{"default-with-the-application", "carol@northwindtraders.com", service, 0, false},
		{"default-with-another-application", "carol@northwindtraders.com", desktop, CodeV2, false},
		{"default-before-the-application-is-known", "carol@northwindtraders.com", nil, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := d.Person(c.upn)
			v := Judge(d, signal, Subject{Resource: p.Tenant, Home: p.Tenant, Person: p, Application: c.app})
			if v.Code != c.code || slices.Contains(v.Assumptions, directory.AssumedNestedGroups) != c.nested {
				t.Errorf("%+v", v)
			}
		})
	}
	fabrikam, _ := d.Tenant("fabrikam.com")
	if v := Judge(d, signal, Subject{Resource: fabrikam, Home: fabrikam, Application: desktop}); !v.Admitted() {
		t.Errorf("before the person is known: %+v", v)
	}
	staff, hanako := "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b02", "hanako@contoso.com" // in a group within it
	p, _ := d.Person(hanako)
	about, nested := applies(directory.Rule{Allow: true, Groups: []string{staff}}, Subject{Person: p})
	if !about || !nested {
		t.Errorf("a group within a group: %v %v", about, nested)
	}
}

func TestJudgeConsumer(t *testing.T) {
	d := shipped(t)
	frank, _ := d.Person("frank@live.com")
	for _, c := range []struct {
		name    string
		h       http.Header
		blocked bool
		doubt   string
	}{
		{"no-header", nil, false, ""},
		{"restrict-msa", v2("restrict-msa"), true, ""},
		{"restrict-msa-in-capitals", v2("Restrict-MSA"), true, ""},
		{"v2-without-a-rule-for-consumers", v2(contoso + ":" + policyID), true, ""},
		{"tenant-list-says-nothing-here", v1("contoso.com"), false, ""},
		{"malformed", v2("yes"), false, "lab.malformed-policy"},
		{"twice", header(headerPolicy, "restrict-msa", headerPolicy, "restrict-msa"), false, "lab.duplicate-header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			blocked, v := JudgeConsumer(d, Read(c.h, MSA), frank, nil)
			doubt := ""
			if v.Misconfigured != nil {
				doubt = v.Misconfigured.Code
			}
			if blocked != c.blocked || doubt != c.doubt {
				t.Errorf("blocked %v, doubt %q", blocked, doubt)
			}
		})
	}
}

func TestHeadersAtTheWrongHostAreFlagged(t *testing.T) {
	for _, c := range []struct {
		h    http.Header
		at   Service
		want string
	}{
		{v1("contoso.com"), MSA, "lab.tenants-at-consumers"},
		{v2("restrict-msa"), Entra, "lab.consumer-value-at-entra"},
		{header(headerTenants, "contoso.com"), Entra, "lab.no-context"},
		{header(headerTenants, "contoso.com", headerContext, "contoso.com"), Entra, "lab.context-not-an-id"},
		{v1(" , "), Entra, "lab.empty-tenants"},
	} {
		s := Read(c.h, c.at)
		var codes []string
		for _, f := range s.Findings {
			codes = append(codes, f.Code)
		}
		if !slices.Contains(codes, c.want) || s.Doubt != nil {
			t.Errorf("%v: %v, want %s", c.h, codes, c.want)
		}
	}
	if s := Read(v1("contoso.com"), Entra); len(s.Findings) != 0 {
		t.Errorf("nothing is wrong: %v", s.Findings)
	}
}

// Whatever a list says, only the text of an item that names the tenant admits it, and reading never fails.
func FuzzRestrictTenants(f *testing.F) {
	for _, s := range []string{"contoso.com", contoso, " contoso.com , fabrikam.com", ",,,", "*", "CONTOSO.COM", "contoso.com\x00", "\t", "a,b,c"} {
		f.Add(s, contoso, "")
		f.Add("", "", s)
	}
	f.Add("contoso.com", contoso, contoso+":"+policyID)
	d := shipped(f)
	own, _ := d.Tenant("contoso.com")
	f.Fuzz(func(t *testing.T, tenants, context, policy string) {
		h := http.Header{}
		if tenants != "" {
			h.Set(headerTenants, tenants)
		}
		if context != "" {
			h.Set(headerContext, context)
		}
		if policy != "" {
			h.Set(headerPolicy, policy)
		}
		for _, at := range []Service{Entra, MSA} {
			s := Read(h, at)
			v := Judge(d, s, Subject{Resource: own, Home: own})
			if tenants == "" || policy != "" {
				continue
			}
			named := slices.ContainsFunc(strings.Split(tenants, ","), own.Named)
			if v.Admitted() != named {
				t.Errorf("%q: admitted %v", tenants, v.Admitted())
			}
		}
	})
}
