package naming

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// step is one step of a case: what the directory says, what became verified, and what the name must be.
type step struct {
	Say, SignIn, MailNickname, Mail string
	ProxyAddresses, Verify          []string
	Nickname, UPN                   string
}

// TestNamesOfThePage reads the cases that planning is held against, too.
func TestNamesOfThePage(t *testing.T) {
	data, err := os.ReadFile("../../../test/names/testdata/names.json")
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
			d := Domains{Initial: c.Initial, Verified: map[string]bool{}}
			for _, name := range c.Verified {
				d.Verified[name] = true
			}
			var held Name
			var before Source
			for i, s := range c.Steps {
				for _, name := range s.Verify {
					d.Verified[name] = true
				}
				now := Source{SignIn: s.SignIn, MailNickname: s.MailNickname, Mail: s.Mail, ProxyAddresses: s.ProxyAddresses}
				if i == 0 {
					held = First(now, d)
				} else {
					held = Next(held, before, now, len(s.Verify) > 0, d)
				}
				before = now
				if want := (Name{s.Nickname, s.UPN}); held != want {
					t.Errorf("step %d (%s): got %+v, want %+v", i+1, s.Say, held, want)
				}
			}
		})
	}
}

func TestPlaceholder(t *testing.T) {
	if got := Placeholder("user@contoso.com", 42, true, "c.onmicrosoft.com"); got != "user+0042@c.onmicrosoft.com" {
		t.Error(got)
	}
	if got := Placeholder("user@contoso.com", 1234, false, "c.onmicrosoft.com"); got != "user1234@c.onmicrosoft.com" {
		t.Error(got)
	}
	long := Placeholder(strings.Repeat("a", 64)+"@contoso.com", 7, true, "c.onmicrosoft.com")
	if local, _, _ := strings.Cut(long, "@"); len(local) != 64 || !strings.HasSuffix(local, "+0007") {
		t.Error(long)
	}
}

func TestLengths(t *testing.T) {
	for value, want := range map[string]bool{
		"a@" + strings.Repeat("d", 48):                          true,
		"a@" + strings.Repeat("d", 49):                          false,
		strings.Repeat("a", 64) + "@" + strings.Repeat("d", 48): true, // 113
		"@contoso.com": false, "a@": false, "a": false, "a@b@c": false, "a@b.": false, "a b@c": false,
		"a\u202eb@c": false, "a\x00@c": false,
	} {
		if Valid(value) != want {
			t.Errorf("Valid(%q) = %v", value, !want)
		}
	}
}
