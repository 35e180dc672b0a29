package ldap_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/directory"
	"sekisho/internal/directory/ldap"
	"sekisho/internal/finding"
	"sekisho/test/samba"
)

// readsChangesAlone holds every reading of changes against one of everything.
func (s *site) readsChangesAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	o := s.options(t)
	o.State = file
	same := func(code, changed, deleted string) {
		t.Helper()
		got, notices := read(t, o)
		want, _ := read(t, s.options(t))
		if diff := cmp.Diff(planned(want), planned(got), sameAccounts); diff != "" {
			t.Errorf("%s", diff)
		}
		if len(notices) != 1 || notices[0].Code != code || notices[0].Severity != finding.Info || changed != "" && notices[0].Args["changed"] != changed || deleted != "" && notices[0].Args["deleted"] != deleted {
			t.Errorf("notices %v; want %s, %s changed, %s deleted", notices, code, changed, deleted)
		}
	}
	change := func(ldif string) {
		t.Helper()
		if err := s.dc.Load("ldbmodify", ldif); err != nil {
			t.Fatal(err)
		}
	}
	same("ldap.read-whole", "", "")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	same("ldap.read-changes", "0", "0")

	change("dn: CN=bob,OU=People," + samba.Base + "\nchangetype: modify\nreplace: mail\nmail: robert@contoso.com\n-\nadd: proxyAddresses\nproxyAddresses: SMTP:robert@contoso.com\n")
	same("ldap.read-changes", "1", "0")
	change("dn: CN=bob,OU=People," + samba.Base + "\nchangetype: modify\ndelete: mail\n")
	same("ldap.read-changes", "1", "0")
	change("dn: CN=c0001,CN=Users," + samba.Base + "\nchangetype: delete\n\ndn: CN=added,OU=Outside," + samba.Base + "\nchangetype: add\nobjectClass: contact\nmail: added@contoso.com\n")
	same("ldap.read-changes", "1", "1")
	// A renamed object, one that moves, and a unit whose people are not told.
	change("dn: CN=c0002,CN=Users," + samba.Base + "\nchangetype: modrdn\nnewrdn: CN=renamed\ndeleteoldrdn: 1\n")
	same("ldap.read-changes", "1", "0")
	change("dn: CN=c0003,CN=Users," + samba.Base + "\nchangetype: modrdn\nnewrdn: CN=c0003\ndeleteoldrdn: 1\nnewsuperior: OU=Outside," + samba.Base + "\n")
	same("ldap.read-changes", "1", "0")
	change("dn: OU=People," + samba.Base + "\nchangetype: modrdn\nnewrdn: OU=Staff\ndeleteoldrdn: 1\n")
	same("ldap.read-changes", "", "0")
	change("dn: OU=Staff," + samba.Base + "\nchangetype: modrdn\nnewrdn: OU=People\ndeleteoldrdn: 1\n")
	same("ldap.read-changes", "", "0")

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"unicodePwd", "supplementalCredentials", "ntPwdHistory", samba.Password} {
		if bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(word))) {
			t.Errorf("the state has %s", word)
		}
	}

	// What the state does not have, or may have missed, is read anew.
	o.Directory.Attribute = "employeeID"
	if _, notices := read(t, o); notices[0].Args["why"] != "attributes" {
		t.Errorf("notices %v", notices)
	}
	o.Directory.Attribute = ""
	read(t, o)
	o.Now = func() time.Time { return time.Now().Add(60 * 24 * time.Hour) }
	if _, notices := read(t, o); notices[0].Args["why"] != "age" {
		t.Errorf("notices %v", notices)
	}
	o.Now = nil

	// Who may not, is told so; the state stays as it is.
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plain := o
	plain.Login = ldap.Login{Name: "CORP\\reader", Password: userPassword}
	refused(t, plain, "ldap.dirsync-denied")
	plain = o
	plain.Bases = []string{"OU=People," + samba.Base}
	refused(t, plain, "ldap.dirsync-base")
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the state has changed, %v", err)
	}
	if err := os.WriteFile(file, before[:len(before)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, o, "ldap.state-broken")
}

// planned leaves out what is made when it is asked for and nothing is planned with: that a password has expired, and whether
// a group is locked out, which Samba tells.
func planned(d *directory.Directory) *directory.Directory {
	for i := range d.Accounts {
		a := &d.Accounts[i]
		if a.Control &^= directory.PasswordExpired; !a.Kind.Person() {
			a.KnowsLockOut = false
		}
	}
	return d
}
