package ldap_test

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sekisho/internal/cli"
	"sekisho/internal/directory"
	"sekisho/internal/signin"
	"sekisho/test/samba"
)

// sameAccounts leaves out what an export brings along: places, and what is passed over.
var sameAccounts = cmp.Options{cmpopts.IgnoreFields(directory.Account{}, "Pos"), cmpopts.IgnoreFields(directory.Directory{}, "Passed", "Seen"), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(signin.Synced{})}

// givesWhatAnExportGives holds the reading against what ldapsearch exports, as LDIF and made into CSV, and the plans too.
func (s *site) givesWhatAnExportGives(t *testing.T) {
	overLDAP, _ := read(t, s.options(t))
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(samba.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	search := func(base, filter string) string {
		args := []string{"-H", "ldaps://" + samba.Host, "-x", "-D", samba.Administrator, "-y", secret, "-b", base, "-E", "pr=500/noprompt", "-o", "ldif-wrap=no", filter}
		out, err := s.dc.Run("", "ldapsearch", append(args, append(directory.Attributes(directory.Options{}), "dnsRoot", "systemFlags")...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	// The filter of docs/signin.md, which finds computers too.
	export := search(samba.Base, "(|(objectClass=user)(objectClass=group)(objectClass=contact)(uPNSuffixes=*))")
	forest := search("CN=Partitions,CN=Configuration,"+samba.Base, "(objectClass=*)")
	ldif := directoryOf(t)(directory.ReadLDIF("export", strings.NewReader(export+"\n"+forest), directory.Options{}))
	if diff := cmp.Diff(ldif, overLDAP, sameAccounts); diff != "" {
		t.Errorf("LDIF and LDAP: %s", diff)
	}
	table := tableOf(t, export+"\n"+forest)
	fromCSV := directoryOf(t)(directory.ReadCSV("export", bytes.NewReader(table), directory.Options{}))
	if diff := cmp.Diff(ldif, fromCSV, sameAccounts); diff != "" {
		t.Errorf("LDIF and CSV: %s", diff)
	}

	tenant, found := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}})
	if tenant == nil {
		t.Fatal(found)
	}
	plan := func(d *directory.Directory) *signin.Plan {
		return signin.Make(d, tenant, signin.Options{Attribute: "userPrincipalName", Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)})
	}
	want := plan(ldif)
	for name, d := range map[string]*directory.Directory{"LDAP": overLDAP, "CSV": fromCSV} {
		got := plan(d)
		if diff := cmp.Diff(want.Findings, got.Findings); diff != "" {
			t.Errorf("%s: findings: %s", name, diff)
		}
		if diff := cmp.Diff(want.Rows, got.Rows, sameAccounts); diff != "" {
			t.Errorf("%s: rows: %s", name, diff)
		}
		if diff := cmp.Diff(want.Suffixes, got.Suffixes); diff != "" {
			t.Errorf("%s: suffixes: %s", name, diff)
		}
	}

	// And by the command, as an administrator runs it.
	file := filepath.Join(dir, "users.ldf")
	if err := os.WriteFile(file, []byte(export+"\n"+forest), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		var out, said bytes.Buffer
		code := cli.Run(t.Context(), cli.System{In: strings.NewReader(""), Out: &out, Err: &said, Getenv: func(string) string { return "" }},
			append(args, "--initial", "contoso.onmicrosoft.com", "--verified", "contoso.com", "-o", "csv", "--lang", "en"))
		if code != 3 || said.Len() > 0 {
			t.Fatalf("exit code %d: %s", code, said.String())
		}
		return out.String()
	}
	flags := []string{"--ldap", "ldaps://" + samba.Host, "--ldap-ca", s.dc.Roots, "--ldap-bind", samba.Administrator, "--ldap-password-file", secret}
	for _, verb := range []string{"suffixes", "plan"} {
		if diff := cmp.Diff(run("signin", verb, "--ldif", file), run(append([]string{"signin", verb}, flags...)...)); diff != "" {
			t.Errorf("signin %s: %s", verb, diff)
		}
	}
}

func directoryOf(t *testing.T) func(*directory.Directory, error) *directory.Directory {
	return func(d *directory.Directory, err error) *directory.Directory {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// tableOf makes a table of an export whose lines are not folded: values of text as they are, others as csvde writes them.
func tableOf(t *testing.T, export string) []byte {
	t.Helper()
	heads := append([]string{"dn", "dnsRoot", "systemFlags"}, directory.Attributes(directory.Options{})...)
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.Write(heads))
	escape := strings.NewReplacer(`\`, `\\`, ";", `\;`)
	for _, record := range strings.Split(export, "\n\n") {
		cells := make([]string, len(heads))
		for line := range strings.Lines(record) {
			line = strings.TrimSuffix(line, "\n")
			name, value, ok := strings.Cut(line, ":")
			i := slices.IndexFunc(heads, func(h string) bool { return strings.EqualFold(h, name) })
			if !ok || i < 0 {
				continue
			}
			if encoded, ok := strings.CutPrefix(value, ":"); ok {
				raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
				check(err)
				if value = string(raw); strings.HasSuffix(strings.ToLower(name), "guid") {
					value = strings.TrimSpace(encoded)
				}
			}
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "proxyAddresses", "objectClass", "uPNSuffixes", "dnsRoot":
				value = escape.Replace(value)
			}
			if cells[i] != "" {
				cells[i] += ";"
			}
			cells[i] += value
		}
		if cells[0] != "" {
			check(w.Write(cells))
		}
	}
	w.Flush()
	check(w.Error())
	return out.Bytes()
}
