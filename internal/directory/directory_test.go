package directory_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/encoding/japanese"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

var update = flag.Bool("update", false, "write what is expected")

func read(t testing.TB, name string, o directory.Options) (*directory.Directory, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if filepath.Ext(name) == ".csv" {
		return directory.ReadCSV(filepath.Base(name), f, o)
	}
	return directory.ReadLDIF(filepath.Base(name), f, o)
}

func must(t testing.TB, d *directory.Directory, err error) *directory.Directory {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var places = cmp.Options{cmpopts.IgnoreFields(directory.Account{}, "Pos"), cmpopts.IgnoreFields(directory.Directory{}, "Seen")}

func TestAccountsAreRead(t *testing.T) {
	d, err := read(t, "testdata/good/accounts.ldf", directory.Options{})
	want := &directory.Directory{
		Accounts: []directory.Account{
			{
				DN: "CN=Alice Example,OU=People,DC=corp,DC=example", Kind: directory.User, SAM: "alice", UPN: "alice@contoso.com",
				Mail: "alice@contoso.com", MailNickname: "alice", DisplayName: "関所 花子", Control: 512, HasSignInState: true,
				Proxies: []string{"SMTP:alice@contoso.com", "smtp:alice.example@contoso.com"}, GUID: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
			},
			{
				DN: "CN=Leo López,OU=People,DC=corp,DC=example", Kind: directory.InetOrgPerson, SAM: "leo", UPN: "leo@corp.example",
				Control: 512 | directory.Disabled, HasSignInState: true, MustChange: true,
				Expires: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), LockedSince: time.Date(2022, 6, 18, 4, 26, 40, 0, time.UTC),
				GUID: []byte{16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
			},
			{
				DN: `CN=Sales\, East,OU=Groups,DC=corp,DC=example`, Kind: directory.Group, SAM: "sales", Mail: "sales@contoso.com",
				Proxies: []string{"SMTP:sales@contoso.com"}, GUID: []byte{32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47},
			},
		},
		Suffixes: []directory.Suffix{{Name: "contoso.com"}, {Name: "corp.example", Origin: directory.OfDomain}},
		Passed:   1,
	}
	if diff := cmp.Diff(want, must(t, d, err), places); diff != "" {
		t.Error(diff)
	}
	if got := d.Accounts[0].Pos.String(); got != "accounts.ldf:4:1" {
		t.Errorf("alice stands at %s", got)
	}
}

func TestEachFormGivesTheSame(t *testing.T) {
	ldif, err := read(t, "testdata/good/accounts.ldf", directory.Options{})
	must(t, ldif, err)
	csv, err := os.ReadFile("testdata/good/accounts.csv")
	if err != nil {
		t.Fatal(err)
	}
	cp932, err := japanese.ShiftJIS.NewEncoder().Bytes(bytes.ReplaceAll(csv, []byte("ó"), []byte("o")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/good/accounts.ldf")
	if err != nil {
		t.Fatal(err)
	}
	wide := []byte{0xff, 0xfe}
	for _, r := range string(text) {
		wide = append(wide, byte(r), byte(r>>8))
	}
	for name, c := range map[string]struct {
		data  []byte
		ascii bool
	}{
		"csv": {data: csv}, "csv with a mark": {data: append([]byte("\ufeff"), csv...)}, "csv with CRLF": {data: bytes.ReplaceAll(csv, []byte("\n"), []byte("\r\n"))},
		"csv of Export-Csv": {data: append([]byte("#TYPE Microsoft.ActiveDirectory.Management.ADUser\r\n"), csv...)},
		"csv in cp932":      {data: cp932, ascii: true},
	} {
		d, err := directory.ReadCSV(name, bytes.NewReader(c.data), directory.Options{})
		must(t, d, err)
		if c.ascii {
			d.Accounts[1].DN = strings.Replace(d.Accounts[1].DN, "Lopez", "López", 1)
		}
		if diff := cmp.Diff(ldif, d, places); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, data := range map[string][]byte{
		"ldif with CRLF": bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), "ldif with a mark": append([]byte("\ufeff"), text...),
		"ldif in UTF-16": wide, "ldif of ldapsearch": append(text, "\n# search reference\nref: ldap://other.example/DC=other\n\n# search result\nsearch: 2\nresult: 0 Success\n\n# numResponses: 5\n"...),
	} {
		d, err := directory.ReadLDIF(name, bytes.NewReader(data), directory.Options{})
		if diff := cmp.Diff(ldif, must(t, d, err), places); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTheChosenAttributeIsKept(t *testing.T) {
	const ldif = "dn: CN=a,DC=b\nobjectClass: user\nemployeeID: 7\nemployeeID: 8\n"
	d, err := directory.ReadLDIF("a", strings.NewReader(ldif), directory.Options{Attribute: "EmployeeId"})
	must(t, d, err)
	if got := d.Accounts[0].Values("employeeid", d.Chosen); !cmp.Equal(got, []string{"7", "8"}) {
		t.Errorf("got %q", got)
	}
	d, err = directory.ReadCSV("a", strings.NewReader("sAMAccountName,employeeID\na,7; 8\n"), directory.Options{Attribute: "employeeID"})
	must(t, d, err)
	if got := d.Accounts[0].Values("employeeID", d.Chosen); !cmp.Equal(got, []string{"7", "8"}) {
		t.Errorf("got %q", got)
	}
	if _, err = directory.ReadCSV("a", strings.NewReader("sAMAccountName\na\n"), directory.Options{Attribute: "employeeID"}); err == nil {
		t.Error("a table without the chosen attribute was read")
	}
}

// TestSeveralValuesOfAnAlternateIDAreKept holds that a file of which somebody signs in with mail is read when mail has several
// values, in each form alike, and refused where mail is not what counts.
func TestSeveralValuesOfAnAlternateIDAreKept(t *testing.T) {
	const ldif = "dn: CN=a,DC=b\nobjectClass: user\nsAMAccountName: a\nmail: a@contoso.com\nmail: b@contoso.com\nmail: c@contoso.com\n"
	const table = "DN,objectClass,sAMAccountName,mail\n\"CN=a,DC=b\",user,a,a@contoso.com;b@contoso.com;c@contoso.com\n"
	d, err := directory.ReadLDIF("a", strings.NewReader(ldif), directory.Options{Attribute: "Mail"})
	must(t, d, err)
	if got := d.Accounts[0].Values("mail", d.Chosen); !cmp.Equal(got, []string{"a@contoso.com", "b@contoso.com", "c@contoso.com"}) || d.Accounts[0].Mail != "a@contoso.com" {
		t.Errorf("got %q, mail %q", got, d.Accounts[0].Mail)
	}
	fromCSV, err := directory.ReadCSV("a", strings.NewReader(table), directory.Options{Attribute: "Mail"})
	if diff := cmp.Diff(d, must(t, fromCSV, err), places); diff != "" {
		t.Error(diff)
	}
	if _, err = directory.ReadLDIF("a", strings.NewReader(ldif), directory.Options{}); err == nil {
		t.Error("several values of mail were read where nobody asked for it")
	}
}

// TestHexOfCsvde holds that a name which csvde wrote as X'hex' is read as text.
func TestHexOfCsvde(t *testing.T) {
	const dn = "CN=山田,DC=corp,DC=example"
	table := "DN,sAMAccountName,mail\n" + fmt.Sprintf("X'%x'", dn) + "," + fmt.Sprintf("X'%x'", "山田") + ",\n"
	d, err := directory.ReadCSV("a", strings.NewReader(table), directory.Options{})
	must(t, d, err)
	if a := d.Accounts[0]; a.DN != dn || a.SAM != "山田" || a.Domain() != "corp.example" {
		t.Errorf("got %q, %q, %q", a.DN, a.SAM, a.Domain())
	}
}

func TestPasswordsAreNotRead(t *testing.T) {
	for _, name := range []string{"unicodePwd", "USERPASSWORD", "supplementalCredentials", "ms-Mcs-AdmPwd", ""} {
		if directory.Readable(name) {
			t.Errorf("%q may be chosen", name)
		}
	}
	ldif := "dn: CN=a,DC=b\nobjectClass: user\nunicodePwd:: " + base64.StdEncoding.EncodeToString([]byte("secret-of-a")) + "\nuserPassword: secret-of-a\n"
	d, err := directory.ReadLDIF("a", strings.NewReader(ldif), directory.Options{Attribute: "userPassword"})
	must(t, d, err)
	if text := fmt.Sprintf("%+v", d); strings.Contains(text, "secret-of-a") {
		t.Errorf("a password was kept: %s", text)
	}
}

func TestSuffixesOfTheForest(t *testing.T) {
	const ldif = `dn: CN=Partitions,CN=Configuration,DC=corp,DC=example
objectClass: top
objectClass: crossRefContainer
uPNSuffixes: Contoso.com
uPNSuffixes: fabrikam.com

dn: CN=CORP,CN=Partitions,CN=Configuration,DC=corp,DC=example
objectClass: crossRef
dnsRoot: corp.example
systemFlags: 3

dn: CN=Enterprise Schema,CN=Partitions,CN=Configuration,DC=corp,DC=example
objectClass: crossRef
dnsRoot: schema.example
systemFlags: 1

dn: CN=a,DC=corp,DC=example
objectClass: user
userPrincipalName: a@old@Northwind.com
`
	d, err := directory.ReadLDIF("a", strings.NewReader(ldif), directory.Options{})
	want := []directory.Suffix{{"contoso.com", directory.OfForest}, {"corp.example", directory.OfDomain}, {"fabrikam.com", directory.OfForest}, {"northwind.com", directory.OfAccounts}}
	if diff := cmp.Diff(want, must(t, d, err).Suffixes); diff != "" {
		t.Error(diff)
	}
}

// TestBadFiles wants of each file in testdata/bad what stands beside it: place, code and both texts.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.[lc][ds][fv]")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			d, err := read(t, file, directory.Options{})
			var problem *finding.Problem
			if !errors.As(err, &problem) || d != nil {
				t.Fatalf("got %v, %v", d, err)
			}
			var got strings.Builder
			for _, f := range problem.Findings {
				for _, language := range message.Languages() {
					p := message.New(language)
					fmt.Fprintf(&got, "%s\n%s\n", p.Finding(f), p.Hint(f))
				}
			}
			golden := file + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// endless is a reader that goes on for ever.
type endless struct {
	head  string
	again string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	n := 0
	for n+len(e.again) <= len(p) {
		n += copy(p[n:], e.again)
	}
	if n == 0 {
		n = copy(p, e.again)
	}
	return n, nil
}

// TestHugeValuesAreBounded: a value that is wanted is refused, one that is not is passed over, and neither is held.
func TestHugeValuesAreBounded(t *testing.T) {
	const size = 64 << 20
	for _, c := range []struct {
		name, head, again string
		refused           bool
	}{
		{"wanted", "dn: CN=a,DC=b\nobjectClass: user\nmail: ", "aaaaaaaaaaaaaaaa", true},
		{"wanted and folded", "dn: CN=a,DC=b\nobjectClass: user\nmail: a\n", " aaaaaaaaaaaaaaa\n", true},
		{"a name", "dn: CN=", "aaaaaaaaaaaaaaaa", true},
		{"no colon", "", "aaaaaaaaaaaaaaaa", true},
		{"a picture", "dn: CN=a,DC=b\nobjectClass: user\nthumbnailPhoto:: ", "aaaaaaaaaaaaaaaa", false},
		{"a folded picture", "dn: CN=a,DC=b\nobjectClass: user\nthumbnailPhoto:: a\n", " aaaaaaaaaaaaaaa\n", false},
		{"a comment", "# ", "aaaaaaaaaaaaaaaa", false},
		{"many values", "dn: CN=a,DC=b\nobjectClass: user\n", "proxyAddresses: a\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d, err := directory.ReadLDIF("a", io.LimitReader(&endless{c.head, c.again}, size), directory.Options{})
			runtime.ReadMemStats(&after)
			if c.refused != (err != nil) && c.name != "a comment" {
				t.Errorf("got %v, %v", d, err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
}

// generated is an LDIF file of n accounts, made while it is read.
type generated struct {
	n, next int
	left    []byte
}

func (g *generated) Read(p []byte) (int, error) {
	if len(g.left) == 0 {
		if g.next == g.n {
			return 0, io.EOF
		}
		i := g.next
		g.next++
		guid := base64.StdEncoding.EncodeToString([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		g.left = fmt.Appendf(g.left[:0], "dn: CN=User %[1]d,OU=People,DC=corp,DC=example\nchangetype: add\nobjectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\n"+
			"objectClass: user\ncn: User %[1]d\nsn: %[1]d\ndescription: an account that was generated for a test of how long reading takes\ndisplayName: User %[1]d\nsAMAccountName: user%[1]d\n"+
			"userPrincipalName: user%[1]d@contoso.com\nmail: user%[1]d@contoso.com\nproxyAddresses: SMTP:user%[1]d@contoso.com\nproxyAddresses: smtp:u%[1]d@contoso.com\n"+
			"objectGUID:: %[2]s\nuserAccountControl: 512\naccountExpires: 0\npwdLastSet: 133000000000000000\nwhenCreated: 20260101000000.0Z\n\n", i, guid)
	}
	n := copy(p, g.left)
	g.left = g.left[n:]
	return n, nil
}

// BenchmarkReadLDIF reads 200,000 accounts; the goal is 20 s.
func BenchmarkReadLDIF(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		d, err := directory.ReadLDIF("generated", &generated{n: 200_000}, directory.Options{})
		if len(must(b, d, err).Accounts) != 200_000 {
			b.Fatal(len(d.Accounts))
		}
	}
}

func TestProgressIsTold(t *testing.T) {
	told := 0
	d, err := directory.ReadLDIF("generated", &generated{n: 2000}, directory.Options{Progress: func(n int) {
		if n <= told || n > 2000 {
			t.Errorf("told %d after %d", n, told)
		}
		told = n
	}})
	if must(t, d, err); told == 0 {
		t.Error("nobody was told")
	}
}

// TestSignInHours: logonHours as AD writes it, by both ways; what is no such value limits nobody.
func TestSignInHours(t *testing.T) {
	week := func(b byte) []byte { return append(bytes.Repeat([]byte{0xff}, 20), b) }
	for _, c := range []struct {
		value []byte
		want  bool
	}{{week(0xff), false}, {week(0x7f), true}, {make([]byte, 21), true}, {[]byte{0}, false}, {nil, false}} {
		text := "dn: CN=A,DC=corp,DC=example\nobjectClass: user\nsAMAccountName: a\nlogonHours:: " + base64.StdEncoding.EncodeToString(c.value) + "\n"
		d, err := directory.ReadLDIF("users.ldf", strings.NewReader(text), directory.Options{})
		if err != nil || len(d.Accounts) != 1 || d.Accounts[0].HoursLimited != c.want {
			t.Errorf("LDIF %x: %+v, %v", c.value, d, err)
		}
		text = "objectClass,sAMAccountName,logonHours\nuser,a," + "X'" + hex.EncodeToString(c.value) + "'\n"
		if d, err = directory.ReadCSV("users.csv", strings.NewReader(text), directory.Options{}); err != nil || len(d.Accounts) != 1 || d.Accounts[0].HoursLimited != c.want {
			t.Errorf("CSV %x: %+v, %v", c.value, d, err)
		}
	}
	d, err := directory.ReadCSV("users.csv", strings.NewReader("sAMAccountName,logonHours\na,System.Byte[]\n"), directory.Options{})
	if err != nil || d.Accounts[0].HoursLimited || d.Seen["logonhours"] {
		t.Errorf("%+v, %v", d, err)
	}
}
