package fix_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/signin"
	"sekisho/internal/signin/fix"
)

const users = `dn: CN=Alice,DC=corp,DC=local
objectClass: user
sAMAccountName: alice
userPrincipalName: alice@corp.local
objectGUID:: AAECAwQFBgcICQoLDA0ODw==

dn:: Q049T+KAmWJyaWVuLERDPWNvcnAsREM9bG9jYWw=
objectClass: user
sAMAccountName: obrien
userPrincipalName: o'brien@corp.local
proxyAddresses: SMTP:x@contoso.com
proxyAddresses: smtp:y@contoso.com
objectGUID:: AQECAwQFBgcICQoLDA0ODw==

dn: CN=Nobody,DC=corp,DC=local
objectClass: user
sAMAccountName: nobody
mail: x@contoso.com
objectGUID:: AgECAwQFBgcICQoLDA0ODw==
`

func plans(t *testing.T) (before, after *signin.Plan) {
	t.Helper()
	d, err := directory.ReadLDIF("u.ldf", strings.NewReader(users), directory.Options{Attribute: "userPrincipalName"})
	if err != nil {
		t.Fatal(err)
	}
	tenant, _ := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}})
	return signin.Make(d, tenant, signin.Options{}), signin.Make(d, tenant, signin.Options{Rename: map[string]string{"corp.local": "contoso.com"}})
}

func words() fix.Words {
	return fix.Words{Header: []string{"header"}, Why: func(c fix.Change) string { return c.Rule }, Decide: "DECIDE", Changed: "{0} {1} changed", Done: "{0} {1} done"}
}

func TestChangesFollowFromThePlan(t *testing.T) {
	t.Parallel()
	before, after := plans(t)
	var got []string
	for _, c := range fix.Of(before, after) {
		got = append(got, fmt.Sprintf("%s %s %s %q->%q %v", c.Rule, c.Account, c.Attribute, c.Old, c.New, c.Decide))
	}
	want := []string{
		`suffix-not-routable alice userPrincipalName "alice@corp.local"->"alice@contoso.com" false`,
		`implicit-name nobody userPrincipalName ""->"nobody@contoso.com" false`,
		`suffix-not-routable obrien userPrincipalName "o'brien@corp.local"->"o'brien@contoso.com" false`,
		`duplicate-address nobody mail "x@contoso.com"->"" true`,
		`duplicate-address obrien proxyAddresses "SMTP:x@contoso.com"->"" true`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if again := fix.Of(before, after); again[0].ID != fix.Of(before, after)[0].ID || again[0].ID == again[1].ID {
		t.Error("ids are not stable, or not different")
	}
}

func TestApprovals(t *testing.T) {
	t.Parallel()
	before, after := plans(t)
	all := fix.Of(before, after)
	first, choice := all[0].ID, all[3].ID
	for name, c := range map[string]struct {
		text string
		want int
		code string
	}{
		"ids":             {"# these\n" + first + "\n\n" + choice + "\n", 2, ""},
		"list":            {"approve,id,rule,account,attribute,old,new\nyes," + first + ",,,,,\n," + choice + ",,,,,\n", 1, ""},
		"in-japanese":     {"\ufeffapprove,id\nはい," + first + "\n○," + choice + "\n", 2, ""},
		"nothing":         {"", 0, ""},
		"removal":         {"approve,id,new\nyes," + choice + ",\n", 1, ""},
		"value":           {"approve,id,new\nyes," + choice + ",z@contoso.com\n", 1, ""},
		"unknown":         {"deadbeef\n", 0, "signin.fix-unknown"},
		"no-choice-there": {"approve,id,new\nyes," + first + ",other@contoso.com\n", 0, "signin.fix-changed"},
		"two-lines":       {"approve,id,new\nyes," + choice + ",\"a\nb\"\n", 0, "signin.fix-changed"},
		"no-column":       {"id,new\n" + first + ",\n", 0, "signin.fix-head"},
		"no-csv":          {"\"", 0, "signin.existing-csv"},
	} {
		got, err := fix.Approve("a.csv", strings.NewReader(c.text), all)
		var problem *finding.Problem
		if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &problem) || problem.Findings[0].Code != c.code) || len(got) != c.want {
			t.Errorf("%s: %d changes, %v; want %d, %s", name, len(got), err, c.want, c.code)
		}
		for _, g := range got {
			if g.Decide {
				t.Errorf("%s: %+v is approved and undecided", name, g)
			}
		}
	}
	name := []fix.Change{{ID: "1", Attribute: "userPrincipalName", Old: "a@b", Decide: true}}
	if _, err := fix.Approve("a", strings.NewReader("1\n"), name); err == nil {
		t.Error("a sign-in name is taken away")
	}
}

// TestApprovalsThatCannotAllHappen: the second change of one value would find it gone, after the first was made.
func TestApprovalsThatCannotAllHappen(t *testing.T) {
	t.Parallel()
	upn := func(id, to string, decide bool) fix.Change {
		return fix.Change{ID: id, DN: "CN=a,DC=b", Account: "a", Attribute: "userPrincipalName", Old: "=a@corp.local", New: to, Decide: decide}
	}
	proxy := func(id, old string) fix.Change {
		return fix.Change{ID: id, DN: "CN=a,DC=b", Account: "a", Attribute: "proxyAddresses", Old: old, Many: true, Decide: true}
	}
	nick := fix.Change{ID: "6", DN: "CN=a,DC=b", Account: "a", Attribute: "mailNickname", Decide: true}
	all := []fix.Change{upn("1", "=a@contoso.com", false), upn("2", "", true), proxy("3", "smtp:x@contoso.com"), proxy("4", "smtp:x@contoso.com"), proxy("5", "smtp:y@contoso.com"), nick}
	for name, c := range map[string]struct {
		text string
		want int
		code string
	}{
		"two names":        {"yes,1,\nyes,2,a@contoso.com\n", 0, "signin.fix-twice"},
		"one of them":      {"yes,2,a@contoso.com\n,1,\n", 1, ""},
		"one, twice":       {"yes,2,a@contoso.com\nyes,2,b@contoso.com\n", 0, "signin.fix-twice"},
		"the same removal": {"yes,3,\nyes,4,\nyes,5,\n", 2, ""},
		"removal and new":  {"yes,3,\nyes,4,smtp:z@contoso.com\n", 0, "signin.fix-twice"},
		"blank in a name":  {"yes,2,a b@contoso.com\n", 0, "signin.fix-invalid"},
		"no domain":        {"yes,2,a\n", 0, "signin.fix-invalid"},
		"nickname":         {"yes,6,a.b\n", 1, ""},
		"no nickname":      {"yes,6,a@contoso.com\n", 0, "signin.fix-invalid"},
	} {
		got, err := fix.Approve("a.csv", strings.NewReader("approve,id,new\n"+c.text), all)
		var problem *finding.Problem
		if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &problem) || problem.Findings[0].Code != c.code) || len(got) != c.want {
			t.Errorf("%s: %d changes, %v; want %d, %s", name, len(got), err, c.want, c.code)
		}
	}
}

// ldbmodify, an LDIF reader of Samba's, applies what was written, and refuses it where the old value is not there any more.
func TestLDBAppliesTheLDIF(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"ldbadd", "ldbmodify", "ldbsearch"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed (Debian package ldb-tools)")
		}
	}
	before, after := plans(t)
	folder := t.TempDir()
	file := func(name, text string) string {
		at := filepath.Join(folder, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	run := func(tool string, args ...string) (string, error) {
		out, err := exec.Command(tool, append([]string{"-H", filepath.Join(folder, "a.ldb")}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := run("ldbadd", file("users.ldf", users)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	changes := fix.Of(before, after)
	approved, err := fix.Approve("a", strings.NewReader(changes[4].ID+"\n"), changes) // the group of addresses: obrien's
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if without, err := fix.LDIF(&b, words(), append(slices.Clone(changes), approved...)); err != nil || without != 0 {
		t.Fatal(without, err)
	}
	script := file("fix.ldf", b.String())
	if out, err := run("ldbmodify", script); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, b.String())
	}
	out, err := run("ldbsearch", "(objectClass=user)", "userPrincipalName", "proxyAddresses", "mail")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"userPrincipalName: alice@contoso.com", "userPrincipalName: o'brien@contoso.com", "userPrincipalName: nobody@contoso.com", "proxyAddresses: smtp:y@contoso.com", "mail: x@contoso.com"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "SMTP:x@contoso.com") || strings.Contains(out, "corp.local\n") && strings.Contains(out, "@corp.local") {
		t.Errorf("an old value is left:\n%s", out)
	}
	if out, err := run("ldbmodify", script); err == nil {
		t.Errorf("applied twice: %s", out)
	}
}

// hostile are values that would do something in a script or break a line of LDIF.
var hostile = []string{
	"", "plain", "it's", "a$(Remove-Item x)", "a`n$env:x", "q\"q", "’; Remove-Item x; ‘", "\u201a\u201b", "a\r\nb\ndn: x", "\u202egnp", "\u2028", "日本 太郎", "😀", " lead", "trail ", ":x", "<x", "a,b=c#",
	strings.Repeat("long ", 40), "\ufeff", "\u0085x", "zero\u200bwidth",
}

// unquote reads an argument as PowerShell does: single-quoted literals, in which any single quote, also a typographic one, ends
// the literal unless another one follows, and characters by number, joined by +. ok is false for anything else.
func unquote(text string) (value string, ok bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "("), ")")
	var units []uint16
	add := func(s string) {
		for _, r := range s {
			if r >= 0x10000 {
				r -= 0x10000
				units = append(units, uint16(0xd800+r>>10), uint16(0xdc00+r&0x3ff))
			} else {
				units = append(units, uint16(r))
			}
		}
	}
	runes := []rune(text)
	quote := func(r rune) bool { return r == '\'' || r >= 0x2018 && r <= 0x201b }
	for i := 0; i < len(runes); {
		rest := string(runes[i:])
		switch {
		case strings.HasPrefix(rest, "[string][char]0x"):
			var n uint16
			if _, err := fmt.Sscanf(rest[len("[string][char]0x"):], "%04X", &n); err != nil {
				return "", false
			}
			units = append(units, n)
			i += len("[string][char]0x0000")
		case quote(runes[i]):
			for i++; ; i++ {
				if i >= len(runes) {
					return "", false
				}
				if quote(runes[i]) {
					if i+1 >= len(runes) || !quote(runes[i+1]) {
						i++
						break
					}
					i++
				}
				add(string(runes[i]))
			}
		default:
			return "", false
		}
		if i < len(runes) {
			if !strings.HasPrefix(string(runes[i:]), " + ") {
				return "", false
			}
			i += 3
		}
	}
	var out []rune
	for i := 0; i < len(units); i++ {
		if u := rune(units[i]); u >= 0xd800 && u < 0xdc00 && i+1 < len(units) {
			out = append(out, (u-0xd800)<<10+rune(units[i+1])-0xdc00+0x10000)
			i++
		} else {
			out = append(out, u)
		}
	}
	return string(out), true
}

func TestHostileValuesAreQuoted(t *testing.T) {
	t.Parallel()
	for _, v := range hostile {
		q := fix.Quote(v)
		if got, ok := unquote(q); !ok || got != v || strings.ContainsAny(q, "\r\n\u2028\u202e") {
			t.Errorf("%q is quoted as %q, which reads as %q, %v", v, q, got, ok)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, v := range hostile {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		v = strings.ToValidUTF8(v, "?")
		if got, ok := unquote(fix.Quote(v)); !ok || got != v {
			t.Errorf("%q reads as %q, %v", v, got, ok)
		}
	})
}

// What is written is one record and one line each, whatever the values are, and a choice is a comment throughout.
func TestHostileValuesStayInTheirRecord(t *testing.T) {
	t.Parallel()
	var changes []fix.Change
	for i, v := range hostile {
		changes = append(changes, fix.Change{ID: fmt.Sprint(i), DN: "CN=" + v + ",DC=x", Attribute: "userPrincipalName", Old: v, New: "new" + v, Decide: i%2 == 1})
	}
	changes = append(changes, fix.Change{Attribute: "mail", New: "a"}, fix.Change{DN: "CN=x", Attribute: "mail", New: "a\x00b"})
	var b bytes.Buffer
	if without, err := fix.LDIF(&b, words(), changes); err != nil || without != 2 {
		t.Errorf("%d, %v", without, err)
	}
	records := 0
	for line := range strings.Lines(b.String()) {
		if len(line) > 77+2 || strings.HasPrefix(line, "dn: x") {
			t.Errorf("line %q", line)
		}
		if strings.HasPrefix(line, "changetype:") {
			records++
		}
	}
	if want := (len(hostile) + 1) / 2; records != want {
		t.Errorf("%d records, want %d", records, want)
	}
	b.Reset()
	if without, err := fix.PowerShell(&b, words(), changes); err != nil || without != 2 {
		t.Errorf("%d, %v", without, err)
	}
	calls := 0
	for line := range strings.SplitSeq(b.String(), "\r\n") {
		if strings.ContainsAny(line, "\r\n") {
			t.Errorf("line %q", line)
		}
		if strings.HasPrefix(line, "Set-Value ") {
			calls++
		}
	}
	if want := (len(hostile) + 1) / 2; calls != want {
		t.Errorf("%d calls, want %d", calls, want)
	}
}
