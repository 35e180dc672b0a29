package signin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/directory"
	"sekisho/internal/message"
	"sekisho/internal/signin"
)

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// person is an account with an anchor of its own.
func person(sam, upn string, more ...func(*directory.Account)) directory.Account {
	a := directory.Account{
		DN: "CN=" + sam + ",DC=corp,DC=local", Kind: directory.User, SAM: sam, UPN: upn, Control: 512, HasSignInState: true,
		GUID: append(make([]byte, 16-len(sam)), sam...),
	}
	for _, change := range more {
		change(&a)
	}
	return a
}

func planOf(t testing.TB, o signin.Options, accounts ...directory.Account) *signin.Plan {
	t.Helper()
	o.Now = now
	cloud := tenant(t, signin.Domain{Name: "contoso.com", Verified: true}, signin.Domain{Name: "fabrikam.com"})
	return signin.Make(&directory.Directory{Accounts: accounts, Chosen: o.Attribute}, cloud, o)
}

// told are the findings as rule:value:objects.
func told(p *signin.Plan) []string {
	var out []string
	for _, f := range p.Findings {
		var who []string
		for _, i := range f.Objects {
			who = append(who, p.Rows[i].SAM)
		}
		out = append(out, fmt.Sprintf("%s %s [%s]", f.Rule.ID, f.Value, strings.Join(who, " ")))
	}
	return out
}

// TestTheTablesOfThePage are the tables of status and method of the sign-in page.
func TestTheTablesOfThePage(t *testing.T) {
	for _, c := range []struct {
		suffix string
		method signin.Method
		upn    string
		want   []string
	}{
		{"northwind.com", signin.PasswordHash, "user@contoso.onmicrosoft.com", []string{"suffix-not-added northwind.com [u]"}},
		{"fabrikam.com", signin.PasswordHash, "user@contoso.onmicrosoft.com", []string{"suffix-not-verified fabrikam.com [u]"}},
		{"contoso.com", signin.PasswordHash, "user@contoso.com", nil},
		{"northwind.com", signin.PassThrough, "user@contoso.onmicrosoft.com", []string{"suffix-not-added northwind.com [u]"}},
		{"fabrikam.com", signin.PassThrough, "user@contoso.onmicrosoft.com", []string{"suffix-not-verified fabrikam.com [u]"}},
		{"contoso.com", signin.PassThrough, "user@contoso.com", nil},
		{"northwind.com", signin.ADFS, "user@contoso.onmicrosoft.com", []string{"suffix-not-added northwind.com [u]", "cannot-be-federated contoso.onmicrosoft.com [u]"}},
		{"fabrikam.com", signin.ADFS, "user@contoso.onmicrosoft.com", []string{"suffix-not-verified fabrikam.com [u]", "cannot-be-federated contoso.onmicrosoft.com [u]"}},
		{"contoso.com", signin.ADFS, "user@contoso.com", nil},
		{"CONTOSO.com", signin.Ping, "user@CONTOSO.com", nil},
		{"contoso.onmicrosoft.com", signin.Ping, "user@contoso.onmicrosoft.com", []string{"cannot-be-federated contoso.onmicrosoft.com [u]"}},
		{"mail.contoso.com", signin.NoMethod, "user@contoso.onmicrosoft.com", []string{"suffix-not-added mail.contoso.com [u]"}},
	} {
		p := planOf(t, signin.Options{Method: c.method}, person("u", "user@"+c.suffix))
		if got := p.Rows[0].Cloud.UPN; got != c.upn {
			t.Errorf("%s with %s: the name is %q", c.suffix, c.method, got)
		}
		if diff := cmp.Diff(c.want, told(p)); diff != "" {
			t.Errorf("%s with %s: %s", c.suffix, c.method, diff)
		}
	}
}

func TestDuplicatesAreToldWithBothSides(t *testing.T) {
	mail := func(address string) func(*directory.Account) { return func(a *directory.Account) { a.Mail = address } }
	proxies := func(addresses ...string) func(*directory.Account) {
		return func(a *directory.Account) { a.Proxies = addresses }
	}
	group := person("g", "", proxies("smtp:TEAM@contoso.com", "x500:/o=a"))
	group.Kind = directory.Group
	excluded := person("MSOL_1", "alice@contoso.com", mail("team@contoso.com"))
	p := planOf(t, signin.Options{},
		person("a", "alice@contoso.com", mail("alice@contoso.com"), proxies("SMTP:alice@contoso.com")), person("b", "ALICE@contoso.com"),
		person("c", "carol@fabrikam.com"), person("d", "carol@corp.local"), person("e", "carol@contoso.onmicrosoft.com"),
		person("f", "team@contoso.com"), group, person("h", "h@contoso.com", mail("x@a.example")), person("i", "i@contoso.com", mail("X@a.example")), excluded,
	)
	want := []string{
		"suffix-not-verified fabrikam.com [c]", "suffix-not-routable corp.local [d]", "duplicate-name alice@contoso.com [a b]",
		"duplicate-fallback carol@contoso.onmicrosoft.com [c d e]", "duplicate-address x@a.example [h i]", "name-is-address-of-other team@contoso.com [f g]",
		"not-synchronised synchronisation-account [MSOL_1]",
	}
	if diff := cmp.Diff(want, told(p)); diff != "" {
		t.Error(diff)
	}
	if count := p.Count(); count != (signin.Count{People: 8, Kept: 6, Fallback: 2, Contested: 5, Excluded: 1, Others: 1}) {
		t.Errorf("%+v", count)
	}
}

func TestStatesByMethod(t *testing.T) {
	off := person("off", "off@contoso.com", func(a *directory.Account) { a.Control |= directory.Disabled; a.MustChange = true })
	over := person("over", "over@contoso.com", func(a *directory.Account) { a.Expires = now })
	later := person("later", "later@contoso.com", func(a *directory.Account) { a.Expires = now.Add(time.Hour) })
	locked := person("locked", "locked@contoso.com", func(a *directory.Account) { a.LockedSince = now })
	change := person("change", "change@contoso.com", func(a *directory.Account) { a.MustChange = true })
	inet := person("inet", "inet@contoso.com", func(a *directory.Account) { a.Kind = directory.InetOrgPerson })
	for method, want := range map[signin.Method][]string{
		signin.PasswordHash: {"hash-not-synchronised  [inet]", "must-change  [change]", "expired-still-open  [over]", "locked-still-open  [locked]", "disabled  [off]"},
		signin.PassThrough:  {"disabled  [off]", "expired  [over]", "locked  [locked]"},
		signin.ADFS:         {"disabled  [off]", "expired  [over]", "locked  [locked]"},
		signin.NoMethod:     nil,
	} {
		if diff := cmp.Diff(want, told(planOf(t, signin.Options{Method: method}, off, over, later, locked, change, inet))); diff != "" {
			t.Errorf("%s: %s", method, diff)
		}
	}
}

func TestAlternateID(t *testing.T) {
	mail := func(address string) directory.Account {
		return person("m", "m@corp.local", func(a *directory.Account) { a.Mail = address })
	}
	for address, want := range map[string][]string{
		"m@contoso.com":   {"alternate-in-use  [m]"},
		"":                {"no-name  [m]"},
		"m..m@corp":       {"alternate-not-rfc822  [m]", "alternate-in-use  [m]"},
		"m+1@contoso.com": {"value-characters  [m]", "alternate-in-use  [m]", "nickname-characters  [m]"},
	} {
		got := told(planOf(t, signin.Options{Attribute: "mail"}, mail(address)))
		got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "suffix-") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", address, diff)
		}
	}
	several := person("s", "s@corp.local", func(a *directory.Account) { a.Chosen = []string{"s@contoso.com", "t@contoso.com"} })
	want := []string{"alternate-several-values  [s]", "alternate-in-use  [s]"}
	if diff := cmp.Diff(want, told(planOf(t, signin.Options{Attribute: "extensionAttribute1"}, several))); diff != "" {
		t.Error(diff)
	}
}

func TestAnchors(t *testing.T) {
	guid := person("x", "")
	copied := person("y", "y@contoso.com", func(a *directory.Account) { a.ConsistencyGUID = guid.GUID })
	none := person("z", "z@contoso.com", func(a *directory.Account) { a.GUID = nil })
	twin := person("x", "t@contoso.com", func(a *directory.Account) { a.SAM = "twin" })
	want := []string{"anchor-duplicate AAAAAAAAAAAAAAAAAAAAeA== [x twin]", "anchor-in-use  [y]", "anchor-missing  [z]"}
	if diff := cmp.Diff(want, told(planOf(t, signin.Options{}, person("x", "x@contoso.com"), copied, none, twin))); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotSynchronised(t *testing.T) {
	for want, a := range map[string]directory.Account{
		"system-object":           person("Administrator", "", func(a *directory.Account) { a.SystemObject = true }),
		"no-samaccountname":       person("", "n@contoso.com"),
		"synchronisation-account": person("aad_1", ""),
		"exchange-account":        person("s", "", func(a *directory.Account) { a.MailNickname = "SystemMailbox{1}" }),
		"replication-victim":      person("v", "v@contoso.com", func(a *directory.Account) { a.DN = `CN=v\0ACNF:1,DC=corp` }),
		"contact-without-address": {DN: "CN=c", Kind: directory.Contact, Mail: "c@contoso.com"},
		"":                        person("CAS_1", "c@contoso.com"),
	} {
		if want == "no-samaccountname" {
			if got := planOf(t, signin.Options{}, a).Rows[0].Excluded; got != "" {
				t.Errorf("sAMAccountName was not exported, and %s is not synchronised: %s", a.DN, got)
			}
		}
		d := &directory.Directory{Accounts: []directory.Account{a}, Seen: map[string]bool{"samaccountname": true}}
		if got := signin.Make(d, tenant(t), signin.Options{}).Rows[0].Excluded; got != want {
			t.Errorf("%s: got %q, want %q", a.DN, got, want)
		}
	}
}

// TestFalseAlarms: each of these looked like a finding to an earlier version, or hid one.
func TestFalseAlarms(t *testing.T) {
	nickname := func(nick string) func(*directory.Account) {
		return func(a *directory.Account) { a.MailNickname = nick }
	}
	smtp := func(address string) func(*directory.Account) {
		return func(a *directory.Account) { a.Proxies = []string{"SMTP:" + address} }
	}
	group := person("g", "", smtp("Joe@contoso.com"))
	group.Kind = directory.Group
	noDomain := func(a *directory.Account) { a.DN = "CN=x" }
	known := func(a *directory.Account) { a.LockedSince, a.KnowsLockOut = now, true }
	for name, c := range map[string]struct {
		accounts []directory.Account
		want     []string
	}{
		"a user and a group":          {[]directory.Account{person("u", "joe@contoso.com", smtp("joe@contoso.com")), group}, []string{"conflict-with-group joe@contoso.com [u g]"}},
		"a lock-out that is over":     {[]directory.Account{person("l", "l@contoso.com", known)}, nil},
		"no name, but a domain":       {[]directory.Account{person("u", "", func(a *directory.Account) { a.DN = "CN=u,DC=contoso,DC=com" })}, []string{"implicit-name  [u]"}},
		"two without names, one nick": {[]directory.Account{person("p", "", nickname("info"), noDomain), person("q", "", nickname("info"), noDomain)}, []string{"value-missing  [p q]", "duplicate-fallback info@contoso.onmicrosoft.com [p q]"}},
		"fallbacks that do not meet":  {[]directory.Account{person("p", "s@fabrikam.com", nickname("a")), person("q", "s@fabrikam.com", nickname("b"))}, []string{"suffix-not-verified fabrikam.com [p q]", "duplicate-name-later s@fabrikam.com [p q]"}},
		"a value to correct":          {[]directory.Account{person("s", "s@contoso.com ")}, []string{"value-shape  [s]"}},
		"a full stop at the end":      {[]directory.Account{person("s", "s@contoso.com.")}, []string{"value-shape  [s]"}},
		"one label":                   {[]directory.Account{person("s", "s@corp")}, []string{"suffix-not-routable corp [s]"}},
		"somebody else's initial":     {[]directory.Account{person("s", "s@other.onmicrosoft.com")}, []string{"suffix-not-routable other.onmicrosoft.com [s]"}},
		"perhaps registered":          {[]directory.Account{person("s", "s@corp.lan")}, []string{"suffix-unlikely-routable corp.lan [s]"}},
	} {
		p := planOf(t, signin.Options{}, c.accounts...)
		if diff := cmp.Diff(c.want, told(p)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, s := range p.Suffixes {
			if strings.ContainsAny(s.Name, " ") || strings.HasSuffix(s.Name, ".") {
				t.Errorf("%s: the suffix %q", name, s.Name)
			}
		}
	}
}

// TestThousandsShareAValue: what compares each with each would not end.
func TestThousandsShareAValue(t *testing.T) {
	accounts := make([]directory.Account, 50_000)
	for i := range accounts {
		accounts[i] = person(fmt.Sprintf("u%d", i), "same@contoso.com", func(a *directory.Account) { a.Mail = "same@contoso.com" })
	}
	started := time.Now()
	if p := planOf(t, signin.Options{}, accounts...); len(p.Findings) == 0 || len(p.Findings[0].Objects) != len(accounts) {
		t.Error(told(p))
	}
	if took := time.Since(started); took > time.Minute { // a tenth of a second on a quiet machine, and minutes when each is compared
		t.Errorf("it took %s", took)
	}
}

func TestWhatIfShowsWhatChanges(t *testing.T) {
	accounts := []directory.Account{person("a", "a@fabrikam.com"), person("b", "b@corp.local"), person("c", "c@contoso.com")}
	before := planOf(t, signin.Options{}, accounts...)
	assumed, found := before.Tenant.Assuming("fabrikam.com")
	if found.HasErrors() {
		t.Fatal(found)
	}
	after := signin.Make(&directory.Directory{Accounts: accounts}, assumed, signin.Options{Rename: map[string]string{"corp.local": "contoso.com"}})
	var got []string
	for _, c := range signin.Changes(before, after) {
		got = append(got, c.Account.SAM+": "+c.Before+" -> "+c.After)
	}
	if diff := cmp.Diff([]string{"a: a@contoso.onmicrosoft.com -> a@fabrikam.com", "b: b@contoso.onmicrosoft.com -> b@contoso.com"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSuffixes(t *testing.T) {
	d := &directory.Directory{
		Accounts: []directory.Account{person("a", "a@contoso.com"), person("b", "b@CONTOSO.com"), person("c", "c@corp.local")},
		Suffixes: []directory.Suffix{{Name: "contoso.com", Origin: directory.OfForest}, {Name: "corp.local", Origin: directory.OfDomain}, {Name: "unused.example.com", Origin: directory.OfForest}, {Name: "old.example.com"}},
	}
	p := signin.Make(d, tenant(t, signin.Domain{Name: "contoso.com", Verified: true, Federated: true}), signin.Options{})
	var got []string
	for _, r := range p.Suffixes {
		got = append(got, fmt.Sprintf("%s %d %s %s %v %s", r.Name, r.Accounts, r.Origin, r.State, r.Domain.Federated, r.Routable))
	}
	want := []string{"contoso.com 2 forest verified true ", "corp.local 1 domain not-added false no", "unused.example.com 0 forest not-added false "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAValueThatTheCloudNeverTakesMeetsNobody holds that the finding does not depend on who comes first in the directory, and
// that two who fall back with one name are told.
func TestAValueThatTheCloudNeverTakesMeetsNobody(t *testing.T) {
	for _, accounts := range [][]directory.Account{
		{person("a", "Straße@contoso.com"), person("b", "STRASSE@contoso.com")},
		{person("a", "STRASSE@contoso.com"), person("b", "Straße@contoso.com")},
	} {
		for _, f := range planOf(t, signin.Options{}, accounts...).Findings {
			if strings.HasPrefix(f.Rule.ID, "duplicate-") {
				t.Errorf("%s, %v", f.Rule.ID, accounts[0].UPN)
			}
		}
	}
	for _, upn := range []string{"x@fabrikam.com", "x y@fabrikam.com"} {
		p := planOf(t, signin.Options{}, person("a", upn), person("b", strings.ToUpper(upn)))
		if !slices.Contains(told(p), "duplicate-name-later "+upn+" [a b]") {
			t.Errorf("%s: %q", upn, told(p))
		}
	}
}

func TestEveryRuleHasTextsAndASource(t *testing.T) {
	seen := map[string]bool{}
	var weight signin.Weight
	for _, r := range signin.Rules() {
		if r.Weight < weight {
			t.Errorf("%s weighs more than what is told before it", r.ID)
		}
		weight = r.Weight
		if seen[r.ID] || !strings.Contains(r.Source, " ") {
			t.Errorf("%s: there twice, or without a source", r.ID)
		}
		seen[r.ID] = true
		for _, language := range message.Languages() {
			if p := message.New(language); !p.Has(r.TextID()) || !p.Has(r.TextID()+".hint") {
				t.Errorf("%s has no text or no remedy in %s", r.ID, language)
			}
		}
	}
}

func BenchmarkMake(b *testing.B) {
	accounts := make([]directory.Account, 200_000)
	for i := range accounts {
		id := fmt.Sprintf("user%d", i)
		accounts[i] = person(id, id+"@contoso.com", func(a *directory.Account) {
			a.Mail, a.Proxies = id+"@contoso.com", []string{"SMTP:" + id + "@contoso.com", "smtp:" + id + "@fabrikam.com"}
		})
	}
	for b.Loop() {
		if p := planOf(b, signin.Options{}, accounts...); len(p.Findings) != 0 {
			b.Fatal(told(p))
		}
	}
}
