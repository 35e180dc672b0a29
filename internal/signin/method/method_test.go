package method

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/signin"
	"sekisho/internal/signin/page"
)

// ways are all ways through the tree, by their answers in the order of asking.
func ways() map[string]Leaf {
	leaf := func(m signin.Method, backup, seamless bool) Leaf { return Leaf{m, backup, seamless} }
	return map[string]Leaf{
		"existing-system=yes":                            leaf(signin.NoMethod, false, false),
		"existing-system=no cloud-only=yes seamless=no":  leaf(signin.PasswordHash, false, false),
		"existing-system=no cloud-only=yes seamless=yes": leaf(signin.PasswordHash, false, true),
		"existing-system=no cloud-only=no unsupported-feature=yes federation-system=adfs backup=yes":             leaf(signin.ADFS, true, false),
		"existing-system=no cloud-only=no unsupported-feature=yes federation-system=adfs backup=no":              leaf(signin.ADFS, false, false),
		"existing-system=no cloud-only=no unsupported-feature=yes federation-system=ping backup=yes":             leaf(signin.Ping, true, false),
		"existing-system=no cloud-only=no unsupported-feature=yes federation-system=ping backup=no":              leaf(signin.Ping, false, false),
		"existing-system=no cloud-only=no unsupported-feature=yes federation-system=other":                       leaf(signin.NoMethod, false, false),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=yes backup=yes seamless=yes":      leaf(signin.PassThrough, true, true),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=yes backup=yes seamless=no":       leaf(signin.PassThrough, true, false),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=yes backup=no seamless=yes":       leaf(signin.PassThrough, false, true),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=yes backup=no seamless=no":        leaf(signin.PassThrough, false, false),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=no hash-allowed=yes seamless=yes": leaf(signin.PasswordHash, false, true),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=no hash-allowed=yes seamless=no":  leaf(signin.PasswordHash, false, false),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=no hash-allowed=no seamless=yes":  leaf(signin.PassThrough, false, true),
		"existing-system=no cloud-only=no unsupported-feature=no every-sign-in=no hash-allowed=no seamless=no":   leaf(signin.PassThrough, false, false),
	}
}

func answers(way string) map[string]string {
	out := map[string]string{}
	for _, one := range strings.Fields(way) {
		question, answer, _ := strings.Cut(one, "=")
		out[question] = answer
	}
	return out
}

func reasons(d Decision) string {
	var out []string
	for _, s := range d.Path {
		out = append(out, s.Reason)
	}
	return strings.Join(out, " ")
}

// TestEveryLeaf walks every way of the tree, and finds each way in the table above and no other.
func TestEveryLeaf(t *testing.T) {
	t.Parallel()
	table := ways()
	walked := map[string]bool{}
	var walk func(given map[string]string, way []string)
	walk = func(given map[string]string, way []string) {
		d := Decide(given)
		if d.Decided {
			name := strings.Join(way, " ")
			walked[name] = true
			if want, ok := table[name]; !ok || want != d.Leaf {
				t.Errorf("%s: %+v, want %+v (%v)", name, d.Leaf, want, ok)
			}
			return
		}
		i := slices.IndexFunc(Questions(), func(q Question) bool { return q.ID == d.Needs })
		if i < 0 {
			t.Fatalf("%v needs %q", way, d.Needs)
		}
		for _, answer := range Questions()[i].Answers {
			next := maps.Clone(given)
			next[d.Needs] = answer
			walk(next, append(slices.Clone(way), d.Needs+"="+answer))
		}
	}
	walk(map[string]string{}, nil)
	for name := range table {
		if !walked[name] {
			t.Errorf("no way is %s", name)
		}
	}
}

// TestOneAnswerChangesTheReason: another answer to any question of a way leads elsewhere, or gives another reason.
func TestOneAnswerChangesTheReason(t *testing.T) {
	t.Parallel()
	for way := range ways() {
		before := Decide(answers(way))
		for _, step := range before.Path {
			i := slices.IndexFunc(Questions(), func(q Question) bool { return q.ID == step.Question })
			for _, answer := range Questions()[i].Answers {
				if answer == step.Answer {
					continue
				}
				changed := answers(way)
				changed[step.Question] = answer
				if after := Decide(changed); reasons(after) == reasons(before) {
					t.Errorf("%s: %s=%s gives the same reason", way, step.Question, answer)
				}
			}
		}
	}
}

// TestNothingIsGuessed: without the answer to any question of a way it is undecided, and names that question.
func TestNothingIsGuessed(t *testing.T) {
	t.Parallel()
	for way := range ways() {
		for _, step := range Decide(answers(way)).Path {
			for _, value := range []string{"", "maybe", "YES"} {
				given := answers(way)
				given[step.Question] = value
				if d := Decide(given); d.Decided || d.Needs != step.Question || d.Leaf != (Leaf{}) {
					t.Errorf("%s without %s: %+v", way, step.Question, d)
				}
			}
		}
	}
	d := Decide(map[string]string{"existing-system": "yes", "backup": "no"})
	if !d.Decided || !slices.Equal(d.Unused, []string{"backup"}) {
		t.Errorf("%+v", d)
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		question, answer string
		known, fits      bool
	}{{"backup", "yes", true, true}, {"backup", "adfs", true, false}, {"federation-system", "ping", true, true}, {"weather", "yes", false, false}, {"", "", false, false}} {
		if known, fits := Valid(c.question, c.answer); known != c.known || fits != c.fits {
			t.Errorf("%s=%s: %v, %v", c.question, c.answer, known, fits)
		}
	}
}

// TestBindings is the row of the page's table of methods on account states, and what the other pages add.
func TestBindings(t *testing.T) {
	t.Parallel()
	want := map[signin.Method]string{
		signin.PasswordHash: "binds-later open open no-password open open",
		signin.PassThrough:  "binds binds binds binds binds binds",
		signin.ADFS:         "binds binds binds not-documented binds binds",
		signin.Ping:         "not-documented not-documented not-documented not-documented not-documented not-documented",
		signin.NoMethod:     "not-documented not-documented not-documented not-documented not-documented not-documented",
	}
	for _, m := range All() {
		var got []string
		for _, s := range States() {
			b := Bind(s, m)
			got = append(got, b.Effect.String())
			if b.Documented() != (b.Effect != NotDocumented) {
				t.Errorf("%s, %s: documented by %v", m, s, b.Sources)
			}
		}
		if strings.Join(got, " ") != want[m] {
			t.Errorf("%s: %s", m, got)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	past := now.AddDate(0, 0, -1)
	d := &directory.Directory{Accounts: []directory.Account{
		{Kind: directory.User, UPN: "a@contoso.com", Control: directory.Disabled, Expires: past, LockedSince: past},
		{Kind: directory.User, UPN: "b@contoso.com", Expires: past, MustChange: true, HoursLimited: true},
		{Kind: directory.User, UPN: "c@contoso.com", LockedSince: past, KnowsLockOut: true},
		{Kind: directory.User, UPN: "d@contoso.com", LockedSince: past, Control: directory.PasswordExpired | directory.LockedOut, KnowsLockOut: true},
		{Kind: directory.User, UPN: "e@contoso.com", SystemObject: true, MustChange: true},
		{Kind: directory.Group, Mail: "g@contoso.com"},
	}}
	tenant, _ := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}})
	plan := signin.Make(d, tenant, signin.Options{Now: now})
	all := map[string]bool{"useraccountcontrol": true, "lockouttime": true, "accountexpires": true, "pwdlastset": true, "msds-user-account-control-computed": true, "logonhours": true}
	got := Counts(plan, all)
	want := map[State]Count{Disabled: {true, 1}, Locked: {true, 1}, Expired: {true, 1}, MustChange: {true, 1}, PasswordExpired: {true, 1}, LogonHours: {true, 1}}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := Counts(plan, map[string]bool{"useraccountcontrol": true}); got[Expired].Known || got[Locked].N != 0 || !got[Disabled].Known {
		t.Errorf("what was not exported is counted: %v", got)
	}
}

// TestAllPairs: each change has an order, ends in a test, names who does what, and can be gone back on where it acts.
func TestAllPairs(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"phs-pta":            "announce cloud-admin keep-hash agent-servers agent-ports wizard-agents-plain more-agents verify-settings test",
		"phs-adfs":           "announce cloud-admin keep-hash verify-domain adfs-servers adfs-certificate adfs-credentials adfs-network wizard-adfs more-domains verify-federation test",
		"phs-ping":           "announce cloud-admin keep-hash verify-domain ping-ready wizard-ping more-domains verify-federation test",
		"pta-phs":            "announce cloud-admin enable-hash wizard-hash-plain verify-settings test remove-agents",
		"pta-adfs":           "announce cloud-admin backup-hash verify-domain adfs-servers adfs-certificate adfs-credentials adfs-network wizard-adfs more-domains verify-federation test remove-agents",
		"pta-ping":           "announce cloud-admin backup-hash verify-domain ping-ready wizard-ping more-domains verify-federation test remove-agents",
		"adfs-phs":           "announce cloud-admin upgrade-connect record-federation backup-adfs window staged enable-hash wizard-hash convert-domains seamless verify-settings test keep-adfs remove-trust retire-adfs",
		"adfs-pta":           "announce cloud-admin upgrade-connect record-federation backup-adfs window staged backup-hash agent-servers agent-ports wizard-agents more-agents convert-domains seamless verify-settings test keep-adfs remove-trust retire-adfs",
		"adfs-ping":          "announce cloud-admin record-federation backup-adfs backup-hash verify-domain ping-ready move-federation verify-federation test retire-adfs",
		"ping-phs":           "announce cloud-admin upgrade-connect record-federation backup-ping window staged enable-hash wizard-hash convert-domains seamless verify-settings test retire-ping",
		"ping-pta":           "announce cloud-admin upgrade-connect record-federation backup-ping window staged backup-hash agent-servers agent-ports wizard-agents more-agents convert-domains seamless verify-settings test retire-ping",
		"ping-adfs":          "announce cloud-admin record-federation backup-ping backup-hash verify-domain adfs-servers adfs-certificate adfs-credentials adfs-network move-federation verify-federation test retire-ping",
		"adfs-phs temporary": "announce cloud-admin upgrade-connect record-federation backup-adfs window enable-hash wizard-temporary convert-domains seamless verify-settings test return",
		"ping-phs temporary": "announce cloud-admin upgrade-connect record-federation backup-ping window enable-hash wizard-temporary convert-domains seamless verify-settings test return",
		"pta-phs temporary":  "announce cloud-admin enable-hash wizard-hash-plain verify-settings test return",
	}
	seen := 0
	for _, from := range All() {
		for _, to := range All() {
			for _, temporary := range []bool{false, true} {
				name := from.String() + "-" + to.String()
				if temporary {
					name += " temporary"
				}
				p, err := Change(from, to, temporary)
				if err != nil {
					var problem *finding.Problem
					if _, listed := want[name]; listed || !errors.As(err, &problem) {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				seen++
				var got []string
				acts := false
				for _, task := range p.Tasks {
					got = append(got, strings.TrimPrefix(task.ID, "method.task."))
					acts = acts || task.Back.ID != "" && task.Users.ID != ""
					if task.Who == "" {
						t.Errorf("%s: nobody does %s", name, task.ID)
					}
				}
				if !acts {
					t.Errorf("%s: no task can be gone back on", name)
				}
				if strings.Join(got, " ") != want[name] {
					t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, " "), want[name])
				}
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d changes, want %d", seen, len(want))
	}
}

func TestImpossibleChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to  signin.Method
		temporary bool
		code      string
	}{
		{signin.PasswordHash, signin.PasswordHash, false, "method.same"}, {signin.NoMethod, signin.PasswordHash, false, "method.no-change"},
		{signin.ADFS, signin.NoMethod, false, "method.no-change"}, {signin.ADFS, signin.PassThrough, true, "method.not-temporary"},
	} {
		_, err := Change(c.from, c.to, c.temporary)
		var problem *finding.Problem
		if !errors.As(err, &problem) || problem.Findings[0].Code != c.code {
			t.Errorf("%s to %s: %v, want %s", c.from, c.to, err, c.code)
		}
	}
	tenant, _ := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}, {Name: "fabrikam.com"}})
	poor, _ := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "fabrikam.com"}, {Name: "contoso.mail.onmicrosoft.com", Verified: true}})
	for _, c := range []struct {
		tenant *signin.Tenant
		names  []string
		codes  string
	}{
		{nil, nil, ""}, {nil, []string{"contoso.com"}, ""}, {nil, []string{"contoso.onmicrosoft.com"}, "domain-on-microsoft"}, {nil, []string{"contoso.partner.onmschina.cn"}, "domain-on-microsoft"},
		{tenant, nil, ""}, {tenant, []string{"Contoso.COM"}, ""}, {tenant, []string{"fabrikam.com", "contoso.com", "example.org"}, "domain-not-verified domain-not-added"},
		{tenant, []string{"nodot"}, "domain-name"}, {tenant, []string{"onmicrosoft.com.contoso.com"}, "domain-not-added"}, {poor, nil, "no-domain"},
	} {
		var codes []string
		for _, f := range CheckDomains(c.tenant, c.names) {
			codes = append(codes, strings.TrimPrefix(f.Code, "method."))
		}
		if strings.Join(codes, " ") != c.codes {
			t.Errorf("%v: %v, want %s", c.names, codes, c.codes)
		}
	}
}

// statements are all statements of the room.
func statements() []Statement {
	var out []Statement
	for _, a := range Aspects() {
		out = append(out, a.Cells...)
	}
	for _, m := range All() {
		out = append(out, Needs(m)...)
		for _, s := range States() {
			out = append(out, Bind(s, m).Statement)
		}
	}
	out = slices.Concat(out, Limits(), Seamless(), Alternate())
	for _, s := range steps() {
		out = append(out, s.Duration, s.Back, s.Users)
		// What no page says of a task is said in the task itself.
		out = append(out, Statement{s.ID, []page.ID{page.SignIn}})
	}
	return out
}

// TestEverythingHasWordsAndASource: what is documented has a text in both languages and a page; what is not has neither.
func TestEverythingHasWordsAndASource(t *testing.T) {
	t.Parallel()
	p := message.New("ja")
	used := map[page.ID]bool{}
	for _, s := range statements() {
		for _, id := range s.Sources {
			used[id] = true
			if _, ok := page.Find(id); !ok {
				t.Errorf("%s: no page is %s", s.ID, id)
			}
		}
		if s.ID != "" && s.Documented() && !p.Has(s.ID) {
			t.Errorf("%s has no text", s.ID)
		}
		if !s.Documented() && strings.HasPrefix(s.ID, "method.aspect.") && p.Has(s.ID) {
			t.Errorf("%s is not documented and has a text", s.ID)
		}
	}
	for _, q := range Questions() {
		for _, answer := range q.Answers {
			if id := "method.because." + q.ID + "." + answer; q.ID != "seamless" && !p.Has(id) {
				t.Errorf("%s has no text", id)
			}
		}
		if !p.Has("method.question." + q.ID) {
			t.Errorf("the question %s has no text", q.ID)
		}
	}
	for _, s := range steps() {
		if !p.Has("method.who." + s.Who) {
			t.Errorf("%s has no text", s.Who)
		}
	}
	if len(used) < 8 {
		t.Errorf("only %v are sources", used)
	}
}

func TestFeaturesAreInTheCatalog(t *testing.T) {
	t.Parallel()
	for _, m := range All() {
		for _, f := range append(Features(m), SeamlessFeature) {
			if _, ok := catalog.Builtin().Feature(catalog.FeatureID(f)); !ok {
				t.Errorf("%s: no feature is %s", m, f)
			}
		}
	}
}
