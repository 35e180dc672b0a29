package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// peopleOf writes an export with somebody whose name falls back and somebody with two values of mail.
func peopleOf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.ldf")
	const ldif = "dn: CN=Alice,DC=corp,DC=local\nobjectClass: user\nsAMAccountName: alice\nuserPrincipalName: alice@corp.local\nmail: alice@contoso.com\n\n" +
		"dn: CN=Bob,DC=corp,DC=local\nobjectClass: inetOrgPerson\nsAMAccountName: bob\nuserPrincipalName: bob@contoso.com\n"
	if err := os.WriteFile(path, []byte(ldif), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runIn runs a command line in a language and returns its result.
func runIn(t *testing.T, language string, args []string) string {
	t.Helper()
	var out bytes.Buffer
	Run(t.Context(), System{In: strings.NewReader(""), Out: &out, Err: io.Discard, Getenv: func(string) string { return "" }},
		append([]string{"--lang", language, "--data", t.TempDir()}, args...))
	return out.String()
}

var aTenant = []string{"--initial", "contoso.onmicrosoft.com", "--verified", "contoso.com"}

// TestJSONOfSignInHasOneLanguage: what programs read is the same whoever asks, and what people read is not.
func TestJSONOfSignInHasOneLanguage(t *testing.T) {
	t.Parallel()
	file := peopleOf(t)
	for name, args := range map[string][]string{
		"suffixes": append([]string{"signin", "suffixes", "--ldif", file}, aTenant...),
		"plan":     append([]string{"signin", "plan", "--ldif", file, "--rename", "corp.local=contoso.com"}, aTenant...),
		"compare":  append([]string{"signin", "compare", "--answer", "existing-system=no", "--ldif", file}, aTenant...),
		"change":   {"signin", "change", "--from", "adfs", "--to", "phs"},
		"fix":      append([]string{"signin", "fix", "--ldif", file, "--rename", "corp.local=contoso.com"}, aTenant...),
	} {
		asJSON := append(args[:len(args):len(args)], "-o", "json")
		if english := runIn(t, "en", asJSON); !strings.HasPrefix(english, "{") || english != runIn(t, "ja", asJSON) {
			t.Errorf("%s: JSON changes with the language", name)
		}
		if runIn(t, "en", args) == runIn(t, "ja", args) {
			t.Errorf("%s: the table has one language", name)
		}
	}
}

// TestOutNeverReplacesWhatWasRead: an export takes hours to make, and one slip must not lose it.
func TestOutNeverReplacesWhatWasRead(t *testing.T) {
	t.Parallel()
	file := peopleOf(t)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(file), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	for _, out := range []string{file, filepath.Join(filepath.Dir(file), ".", "x", "..", "users.ldf"), link} {
		if out != file && out != link {
			if err := os.Mkdir(filepath.Join(filepath.Dir(file), "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		code, _, notes := runMethods(t, System{}, append([]string{"signin", "plan", "--ldif", file, "-o", "json", "--out", out}, aTenant...)...)
		if code != exitUsage || !strings.Contains(notes, "--ldif") {
			t.Errorf("%s: %d, %s", out, code, notes)
		}
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the export is %q, %v", after, err)
	}
	other := filepath.Join(filepath.Dir(file), "plan.json")
	for range 2 { // the result of the last time may be replaced
		if code, _, notes := runMethods(t, System{}, append([]string{"signin", "plan", "--ldif", file, "-o", "json", "--out", other}, aTenant...)...); code != exitFound {
			t.Errorf("%d, %s", code, notes)
		}
	}
}

// TestHostileNamesInCSV: a spreadsheet neither computes a name nor shows another one.
func TestHostileNamesInCSV(t *testing.T) {
	t.Parallel()
	file := peopleOf(t)
	if err := os.WriteFile(file, []byte("dn: CN=gp\u202ejpg.exe,DC=corp,DC=local\nobjectClass: user\nsAMAccountName: a\nuserPrincipalName: =a@corp.local\nmail: x@contoso.com\nmailNickname: @SUM(A1)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := runIn(t, "en", append([]string{"signin", "plan", "--ldif", file, "-o", "csv"}, aTenant...))
	if strings.Contains(out, "\u202e") || !strings.Contains(out, `CN=gp\u202ejpg.exe`) || !strings.Contains(out, ",'=a@corp.local,") || !strings.Contains(out, ",'@SUM(A1),") {
		t.Error(out)
	}
	if out = runIn(t, "en", append([]string{"signin", "plan", "--ldif", file, "-o", "json"}, aTenant...)); !strings.Contains(out, "\u202e") {
		t.Error("JSON has another name than the directory")
	}
}

// TestSeveralValuesOfMailAreFound: the page asks for one value, so more of them are a finding and not a broken file.
func TestSeveralValuesOfMailAreFound(t *testing.T) {
	t.Parallel()
	file := peopleOf(t)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("mail: bob@contoso.com\nmail: robert@contoso.com\n")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	code, out, notes := runMethods(t, System{}, append([]string{"signin", "plan", "--ldif", file, "--attribute", "mail"}, aTenant...)...)
	if code != exitFound || !strings.Contains(out, "(alternate-several-values)") {
		t.Errorf("%d: %s%s", code, out, notes)
	}
}
