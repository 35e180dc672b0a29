package signin_test

import (
	"strings"
	"testing"

	"sekisho/internal/signin"
)

func tenant(t testing.TB, domains ...signin.Domain) *signin.Tenant {
	t.Helper()
	out, found := signin.NewTenant(append([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}}, domains...))
	if found.HasErrors() {
		t.Fatal(found)
	}
	return out
}

// TestTheFiveStepsOfThePage are the synchronisations that the page on the population of names goes through.
func TestTheFiveStepsOfThePage(t *testing.T) {
	cloud := tenant(t, signin.Domain{Name: "contoso.com"}, signin.Domain{Name: "verified.contoso.com", Verified: true})
	var before *signin.Synced
	for i, step := range []struct {
		person    signin.Person
		nick, upn string
		why       signin.Why
	}{
		{signin.Person{Primary: "user1@contoso.com", Mail: "user2@contoso.com", Name: "user3@contoso.com"}, "user1", "user1@contoso.onmicrosoft.com", signin.SuffixWaiting},
		{signin.Person{Nickname: "user4", Primary: "user1@contoso.com", Mail: "user2@contoso.com", Name: "user3@contoso.com"}, "user4", "user1@contoso.onmicrosoft.com", signin.Unchanged},
		{signin.Person{Nickname: "user4", Primary: "user1@contoso.com", Mail: "user2@contoso.com", Name: "user5@contoso.com"}, "user4", "user4@contoso.onmicrosoft.com", signin.SuffixWaiting},
		{signin.Person{Nickname: "user4", Primary: "user6@contoso.com", Mail: "user7@contoso.com", Name: "user5@contoso.com"}, "user4", "user4@contoso.onmicrosoft.com", signin.Unchanged},
		{signin.Person{Nickname: "user4", Primary: "user6@contoso.com", Mail: "user7@contoso.com", Name: "user5@verified.contoso.com"}, "user4", "user5@verified.contoso.com", signin.Kept},
	} {
		after := signin.Sync(before, step.person, cloud)
		if after.Nickname != step.nick || after.UPN != step.upn || after.Why != step.why {
			t.Errorf("step %d: got %q, %q, %v; want %q, %q, %v", i+1, after.Nickname, after.UPN, after.Why, step.nick, step.upn, step.why)
		}
		before = &after
	}
}

func TestVerifyingADomainComputesNamesAgain(t *testing.T) {
	person := signin.Person{Name: "user3@contoso.com"}
	waiting := tenant(t, signin.Domain{Name: "contoso.com"})
	before := signin.Sync(nil, person, waiting)
	if before.UPN != "user3@contoso.onmicrosoft.com" {
		t.Fatalf("got %q", before.UPN)
	}
	verified, found := waiting.Assuming("contoso.com")
	if found.HasErrors() {
		t.Fatal(found)
	}
	if after := signin.Sync(&before, person, verified); after.UPN != "user3@contoso.com" || after.Nickname != "user3" {
		t.Errorf("got %q, %q", after.UPN, after.Nickname)
	}
}

func TestTheMailNickNameIsTheFirstThatIsThere(t *testing.T) {
	cloud := tenant(t)
	all := signin.Person{Nickname: "nick", Primary: "primary@a.example", Mail: "mail@a.example", Name: "name@a.example", Secondary: "second@a.example"}
	for _, step := range []struct {
		want string
		from signin.Part
		drop func(*signin.Person)
	}{
		{"nick", signin.FromNickname, func(p *signin.Person) { p.Nickname = "" }},
		{"primary", signin.FromPrimary, func(p *signin.Person) { p.Primary = "" }},
		{"mail", signin.FromMail, func(p *signin.Person) { p.Mail = "" }},
		{"name", signin.FromName, func(p *signin.Person) { p.Name = "" }},
		{"second", signin.FromSecondary, func(p *signin.Person) { p.Secondary = "" }},
		{"", signin.FromNothing, func(*signin.Person) {}},
	} {
		got := signin.Sync(nil, all, cloud)
		if got.Nickname != step.want || got.NicknameFrom != step.from {
			t.Errorf("got %q from %v, want %q from %v", got.Nickname, got.NicknameFrom, step.want, step.from)
		}
		if want := step.want + "@contoso.onmicrosoft.com"; step.want != "" && got.UPN != want || step.want == "" && got.UPN != "" {
			t.Errorf("got %q, want %q", got.UPN, want)
		}
		step.drop(&all)
	}
}

func TestFaultsOfAValue(t *testing.T) {
	for value, want := range map[string]string{
		"alice@contoso.com":                      "",
		"o'neil_a-b!#^~.x@contoso.com":           "",
		"alice":                                  "no-address",
		"@contoso.com":                           "no-address",
		"alice@":                                 "no-address",
		"a@b@contoso.com":                        "no-address",
		"a b@contoso.com":                        "character",
		"é@contoso.com":                          "character",
		"花子@contoso.com":                         "character",
		"a+b@contoso.com":                        "character",
		"alice.@contoso.com":                     "ends-in-dot",
		"alice@corp":                             "suffix-shape",
		"alice@con_toso.com":                     "suffix-shape",
		"alice@contoso.com.":                     "suffix-shape",
		strings.Repeat("a", 64) + "@contoso.com": "",
		strings.Repeat("a", 65) + "@contoso.com": "too-long",
		"a@" + strings.Repeat("b", 44) + ".com":  "",
		"a@" + strings.Repeat("b", 45) + ".com":  "too-long",
		strings.Repeat("é", 65) + ".@" + strings.Repeat("b", 49): "too-long character ends-in-dot suffix-shape",
	} {
		var got []string
		for _, f := range signin.Faults(value) {
			got = append(got, string(f))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestRFC822(t *testing.T) {
	for value, want := range map[string]bool{
		"alice@contoso.com": true, "a.b+c&d@contoso.com": true, "alice": false, "a..b@contoso.com": false, ".a@contoso.com": false, "a.@contoso.com": false,
		"a b@contoso.com": false, `"a b"@contoso.com`: false, "a@[192.0.2.1]": false, "é@contoso.com": false, "a@b@c": false, "a@contoso.com.": false, "": false,
	} {
		if got := signin.RFC822(value); got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

func TestRoutable(t *testing.T) {
	for suffix, want := range map[string]string{
		"contoso.com": "", "corp": "no", "corp.local": "no", "CORP.LOCAL": "no", "a.internal": "no", "x.corp": "no", "corp.contoso.com": "",
		"a.lan": "unlikely", "home.arpa": "no", "local.contoso.com": "",
	} {
		if got := signin.Routable(suffix); got != want {
			t.Errorf("%q: got %q", suffix, got)
		}
	}
}

func FuzzFaults(f *testing.F) {
	for _, seed := range []string{"alice@contoso.com", "a@b@c", "", "@", "é@x", "a.@b.example", "a@-b.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		cloud := tenant(t)
		if strings.Count(value, "@") == 1 && len(signin.Faults(value)) == 0 {
			_, suffix, _ := strings.Cut(value, "@")
			verified, found := cloud.Assuming(suffix)
			if found.HasErrors() {
				t.Fatalf("%q has no fault, and its suffix can be no domain: %v", value, found)
			}
			if got := signin.Sync(nil, signin.Person{Name: value}, verified); got.UPN != value || got.Why != signin.Kept {
				t.Errorf("%q became %q: %v", value, got.UPN, got.Why)
			}
			if !signin.RFC822(value) && !strings.Contains(value, "..") && !strings.HasPrefix(value, ".") {
				t.Errorf("%q is taken by the cloud and is no address", value)
			}
			return
		}
		if got := signin.Sync(nil, signin.Person{Name: value}, cloud); got.Why == signin.Kept {
			t.Errorf("%q was kept", value)
		}
	})
}
