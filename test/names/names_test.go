// Package names_test holds the two readings of Microsoft's pages on sign-in names against each other and against one table: that
// of planning (signin) and that of the lab's cloud (lab/naming), which must not know each other.
package names_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/lab/naming"
	"sekisho/internal/signin"
)

type step struct {
	Say, SignIn, MailNickname, Mail string
	ProxyAddresses, Verify          []string
	Nickname, UPN                   string
}

// tenant is the tenant as signin sees it.
func tenant(t testing.TB, initial string, verified []string) *signin.Tenant {
	t.Helper()
	domains := []signin.Domain{{Name: initial, Initial: true}}
	for _, name := range verified {
		domains = append(domains, signin.Domain{Name: name, Verified: true})
	}
	out, found := signin.NewTenant(domains)
	if found.HasErrors() {
		t.Fatal(found)
	}
	return out
}

// TestPlanningFollowsTheTable; that the lab does, lab/naming tests itself.
func TestPlanningFollowsTheTable(t *testing.T) {
	data, err := os.ReadFile("testdata/names.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Case, Initial string
		Verified      []string
		Steps         []step
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 15 {
		t.Fatalf("found %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Case, func(t *testing.T) {
			var before *signin.Synced
			verified := c.Verified
			for i, s := range c.Steps {
				verified = append(verified, s.Verify...)
				now := signin.Sync(before, signin.NewPerson(s.SignIn, s.MailNickname, s.Mail, s.ProxyAddresses), tenant(t, c.Initial, verified))
				if now.Nickname != s.Nickname || now.UPN != s.UPN {
					t.Errorf("step %d (%s): got %q, %q; want %q, %q", i+1, s.Say, now.Nickname, now.UPN, s.Nickname, s.UPN)
				}
				before = &now
			}
		})
	}
}

const initial = "contoso.onmicrosoft.com"

// verifiable are the domains that become verified, one after the other.
var verifiable = []string{"contoso.com", "sub.contoso.com", "fabrikam.com", strings.Repeat("d", 45) + ".com"}

// agree follows one person through steps and fails where the two readings give different names. Where neither gives anything that
// could be a name, they need not agree on what it is not.
func agree(t testing.TB, steps []step) {
	t.Helper()
	domains := naming.Domains{Initial: initial, Verified: map[string]bool{}}
	var verified []string
	var plan *signin.Synced
	var cloud naming.Name
	var source naming.Source
	for i, s := range steps {
		changed := false
		for _, name := range s.Verify {
			if !slices.Contains(verified, name) {
				verified, domains.Verified[name], changed = append(verified, name), true, true
			}
		}
		now := signin.Sync(plan, signin.NewPerson(s.SignIn, s.MailNickname, s.Mail, s.ProxyAddresses), tenant(t, initial, verified))
		next := naming.Source{SignIn: s.SignIn, MailNickname: s.MailNickname, Mail: s.Mail, ProxyAddresses: s.ProxyAddresses}
		if i == 0 {
			cloud = naming.First(next, domains)
		} else {
			cloud = naming.Next(cloud, source, next, changed, domains)
		}
		plan, source = &now, next
		able, can := len(signin.Faults(now.UPN)) == 0, naming.Valid(cloud.UPN)
		if now.Nickname != cloud.Nickname || able != can || can && now.UPN != cloud.UPN {
			t.Fatalf("step %d of %+v:\nplan  %q %q (a name: %v)\ncloud %q %q (a name: %v)", i+1, steps, now.Nickname, now.UPN, able, cloud.Nickname, cloud.UPN, can)
		}
	}
}

var (
	prefixes = []string{"", "user", "User.Name", "a&b", "ju\u0308rgen", "名前", "dot.", ".dot", "o'b", "a b", "\u202eevil", "=cmd", "\"q\"", "a+b", strings.Repeat("x", 64), strings.Repeat("x", 65)}
	suffixes = []string{"", "contoso.com", "CONTOSO.com", "sub.contoso.com", "fabrikam.com", "corp.local", "one", initial, "contoso.com.", "日本.jp", "under_score.com", "a@b.com",
		" contoso.com", strings.Repeat("d", 45) + ".com", "ｃｏｎｔｏｓｏ.com"}
	kinds = []string{"SMTP:", "smtp:", "Smtp:", "X500:", "sip:", ""}
)

// address is a value of an attribute: nothing, a word, or something with an @.
func address(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return ""
	case 1:
		return prefixes[r.IntN(len(prefixes))]
	}
	return prefixes[r.IntN(len(prefixes))] + "@" + suffixes[r.IntN(len(suffixes))]
}

// TestTheTwoReadingsAgree on many generated histories, always the same ones.
func TestTheTwoReadingsAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(20261123, 7))
	for range 20_000 {
		var steps []step
		for n := 1 + r.IntN(4); n > 0; n-- {
			s := step{SignIn: address(r), Mail: address(r)}
			if len(steps) > 0 && r.IntN(2) == 0 { // often, most stays as it was
				s = steps[len(steps)-1]
				s.Verify = nil
			}
			if r.IntN(3) == 0 {
				s.MailNickname = prefixes[r.IntN(len(prefixes))]
			}
			if r.IntN(3) == 0 {
				s.ProxyAddresses = nil
				for m := r.IntN(4); m > 0; m-- {
					s.ProxyAddresses = append(s.ProxyAddresses, kinds[r.IntN(len(kinds))]+address(r))
				}
			}
			if r.IntN(3) == 0 {
				s.Verify = verifiable[:1+r.IntN(len(verifiable))]
			}
			steps = append(steps, s)
		}
		agree(t, steps)
	}
}

// FuzzTheTwoReadings looks for values that the generator does not think of.
func FuzzTheTwoReadings(f *testing.F) {
	f.Add("user@contoso.com", "", "", "SMTP:u@contoso.com", "user2@contoso.com", "nick", byte(1))
	f.Add("a@b@contoso.com", "", "m@x", "smtp:@x", "", "", byte(15))
	f.Add("日本@contoso.com", "n.", "", "Smtp:a@b", "x@日本.jp", "", byte(3))
	f.Fuzz(func(t *testing.T, signIn, nickname, mail, proxies, later, laterNickname string, verify byte) {
		first := step{SignIn: signIn, MailNickname: nickname, Mail: mail, ProxyAddresses: strings.Split(proxies, "\n")}
		second := first
		second.SignIn, second.MailNickname = later, laterNickname
		third := second
		for i, name := range verifiable {
			if verify&(1<<i) != 0 {
				third.Verify = append(third.Verify, name)
			}
		}
		agree(t, []step{first, second, third})
	})
}
