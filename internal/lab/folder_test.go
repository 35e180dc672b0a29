package lab

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/state"
)

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	return ""
}

// A change made while the lab runs counts for the next request and for the next lab on the folder; one lab has the folder
// at a time.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	w := openWorld(t, Options{Dir: dir})
	c := client(t, w)
	const foreign = "https://login.microsoftonline.com/contoso.example/v2.0/.well-known/openid-configuration"
	if r := do(t, c, "GET", foreign, ""); r.StatusCode != 400 {
		t.Errorf("an unverified domain: %d", r.StatusCode)
	}
	if err := w.Store().Change(t.Context(), func(d *directory.Draft) error { return d.SetVerified(ContosoDomain, "contoso.example") }); err != nil {
		t.Fatal(err)
	}
	if r := do(t, c, "GET", foreign, ""); r.StatusCode != 200 {
		t.Errorf("a verified domain: %d %s", r.StatusCode, r.body)
	}
	if _, err := lockFolder(dir, 0); code(err) != "lab.in-use" {
		t.Errorf("a second lab: %v", err)
	}
	if _, err := ResetFolder(dir); code(err) != "lab.reset-in-use" {
		t.Errorf("reset: %v", err)
	}
	s, err := ReadStatus(t.Context(), dir)
	if err != nil || !s.Running || !s.Kept || s.StateBytes == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	verified := func(s Status) bool {
		return slices.ContainsFunc(s.Tenants[0].Domains, func(d DomainStatus) bool { return d.Name == "contoso.example" && d.State == "verified" })
	}
	if !verified(s) {
		t.Errorf("%+v", s.Tenants[0])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = ReadStatus(t.Context(), dir); err != nil || s.Running || !verified(s) {
		t.Errorf("after the end: %+v, %v", s, err)
	}
	again := openWorld(t, Options{Dir: dir})
	if _, ok := again.Directory().Tenant("contoso.example"); !ok {
		t.Error("the change is gone")
	}
	root := again.RootPEM()
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := ResetFolder(dir); err != nil || len(r.Files) == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	fresh := openWorld(t, Options{Dir: dir})
	if _, ok := fresh.Directory().Tenant("contoso.example"); ok || string(fresh.RootPEM()) != string(root) {
		t.Error("the change outlived the reset, or the root did not")
	}
}

// A lab.yaml with a mistake starts nothing, and leaves no state that would keep its repair from counting.
func TestOwnFileWithAMistake(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, DirectoryFile)
	for _, c := range []struct{ text, code string }{
		{"version: 1\ntenants: [{nmae: A}]\n", "lab.file-unknown-key"},
		{strings.Repeat("#", maxDirectoryFile+1), "lab.file-unreadable"},
	} {
		if err := os.WriteFile(own, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if w, err := Open(t.Context(), Options{Dir: dir, Catalog: catalog.Builtin()}); w != nil || code(err) != c.code {
			t.Errorf("%v, want %s", err, c.code)
		}
		if _, err := ReadStatus(t.Context(), dir); code(err) != c.code {
			t.Errorf("status: %v, want %s", err, c.code)
		}
	}
	if err := os.WriteFile(own, []byte("version: 1\ntenants: [{name: A}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := openWorld(t, Options{Dir: dir})
	if d := w.Directory(); len(d.Tenants) != 1 || d.Tenants[0].Name != "A" {
		t.Errorf("%+v", d.Tenants)
	}
}

// A damaged state says what to do, and reset does it.
func TestDamagedStateIsReset(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, state.File), []byte(strings.Repeat("damaged", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := Open(t.Context(), Options{Dir: dir, Catalog: catalog.Builtin()}); w != nil || code(err) != "lab.state-unusable" {
		t.Errorf("%v", err)
	}
	if _, err := ResetFolder(dir); err != nil {
		t.Fatal(err)
	}
	openWorld(t, Options{Dir: dir})
}
