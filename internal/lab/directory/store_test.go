package directory

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sekisho/internal/lab/state"
)

func openStore(t *testing.T, path string, file []byte) (*Store, *state.DB) {
	t.Helper()
	db, err := state.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := OpenStore(t.Context(), db, "lab.yaml", file)
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func TestChangesSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), state.File)
	s, db := openStore(t, path, shipped)
	before := s.Current()
	if err := s.Change(t.Context(), func(d *Draft) error {
		if err := d.SetVerified("contoso.com", "Contoso.Example"); err != nil {
			return err
		}
		contoso, err := d.Tenant("contoso.example")
		if err != nil {
			return err
		}
		alice, err := contoso.User("ALICE@contoso.com")
		if err != nil {
			return err
		}
		alice.SetPassword("another")
		return d.Rename("contoso.com", alice.ID, "alice@contoso.example")
	}); err != nil {
		t.Fatal(err)
	}
	if _, ok := before.Tenant("contoso.example"); ok {
		t.Error("an old snapshot changed")
	}
	old, _ := before.Person("alice@contoso.com")
	db.Close()
	again, _ := openStore(t, path, shipped)
	for name, d := range map[string]*Directory{"at once": s.Current(), "afterwards": again.Current()} {
		alice, ok := d.Person("alice@contoso.example")
		if !ok || !alice.CheckPassword("another") || alice.CheckPassword("Lab-alice-1") {
			t.Errorf("%s: %v %v", name, alice, ok)
			continue
		}
		if now, ok := d.Again(old); !ok || now != alice || !now.Is(old) {
			t.Errorf("%s: alice of before is %v, %v", name, now, ok)
		}
		if bob, _ := d.Person("bob@fabrikam.com"); bob == nil || !bob.CheckPassword("Lab-bob-1") {
			t.Errorf("%s: bob's password is gone", name)
		}
		if a, _ := d.Application("4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20"); a == nil || !a.CheckSecret("lab-secret-not-for-production") || a.CheckSecret("") {
			t.Errorf("%s: the application's secret is gone", name)
		}
		if len(d.Tenants) != len(before.Tenants) || d.Tenants[0].Name != "Contoso" || d.Applications[0].Name != before.Applications[0].Name {
			t.Errorf("%s: the order is lost", name)
		}
	}
	if again.Edited() {
		t.Error("the file was not edited")
	}
	edited, _ := openStore(t, path, append([]byte("# edited\n"), shipped...))
	if _, ok := edited.Current().Person("alice@contoso.example"); !edited.Edited() || !ok {
		t.Error("an edited file counts, or is not noticed")
	}
}

func TestAChangeThatFailsChangesNothing(t *testing.T) {
	s, db := openStore(t, "", shipped)
	for name, c := range map[string]struct {
		change func(*Draft) error
		want   string
	}{
		"refused": {func(d *Draft) error { d.Tenants = nil; return errors.New("no") }, "no"},
		"invalid": {func(d *Draft) error { d.Tenants[1].Domains[1].Name = "contoso.com"; return nil }, "lab.file-taken"},
		"empty":   {func(d *Draft) error { d.Tenants = append(d.Tenants, nil); return nil }, "empty"},
		"nobody":  {func(d *Draft) error { d.Tenants[1].Users[0].UPN = "robert@contoso.com"; return nil }, "lab.file-wrong-suffix"},
		"unkept": {func(d *Draft) error {
			for range state.MaxValue / maxText {
				d.Applications[0].Redirects = append(d.Applications[0].Redirects, "https://"+strings.Repeat("x", maxText-8))
			}
			return nil
		}, "at most"},
	} {
		before := s.Current()
		if err := s.Change(t.Context(), c.change); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if s.Current() != before {
			t.Errorf("%s: the directory changed", name)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Change(gone, func(d *Draft) error { return d.AddDomain("contoso.com", "late.example") }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := s.Change(t.Context(), func(d *Draft) error { return d.AddDomain("fabrikam.com", "next.example") }); err != nil {
		t.Errorf("after a change that was given up: %v", err)
	}
	again, err := OpenStore(t.Context(), db, "lab.yaml", shipped)
	if err != nil {
		t.Fatal(err)
	}
	if d := again.Current(); len(d.Claims("late.example")) != 0 || len(d.Claims("next.example")) != 1 {
		t.Error("what is kept is not what counts")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := s.Current()
	if err := s.Change(t.Context(), func(d *Draft) error { return d.AddDomain("contoso.com", "new.example") }); err == nil || s.Current() != before {
		t.Errorf("%v: a change that is not kept counts", err)
	}
}

func TestDomains(t *testing.T) {
	d, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s := Fixed(d)
	for _, c := range []struct {
		name string
		do   func(*Draft) error
		want string
	}{
		{"add", func(d *Draft) error { return d.AddDomain("fabrikam.com", "Shared.Example") }, ""},
		{"add-again", func(d *Draft) error { return d.AddDomain("fabrikam.com", "shared.example") }, "has it already"},
		{"add-elsewhere", func(d *Draft) error { return d.AddDomain("contoso.com", "shared.example") }, ""},
		{"default-unverified", func(d *Draft) error { return d.SetDefault("contoso.com", "shared.example") }, "not verified"},
		{"verify", func(d *Draft) error { return d.SetVerified("fabrikam.com", "shared.example") }, ""},
		{"verify-twice", func(d *Draft) error { return d.SetVerified("fabrikam.com", "shared.example") }, ""},
		{"verify-elsewhere", func(d *Draft) error { return d.SetVerified("contoso.com", "shared.example") }, `"Fabrikam" has verified it`},
		{"default", func(d *Draft) error { return d.SetDefault("fabrikam.com", "shared.example") }, ""},
		{"remove-default", func(d *Draft) error { return d.RemoveDomain("fabrikam.com", "shared.example") }, "default domain"},
		{"remove-initial", func(d *Draft) error { return d.RemoveDomain("fabrikam.com", "fabrikam.onmicrosoft.com") }, "initial domain"},
		{"remove-in-use", func(d *Draft) error { return d.RemoveDomain("fabrikam.com", "fabrikam.com") }, "ends in it"},
		{"remove", func(d *Draft) error { return d.RemoveDomain("contoso.com", "shared.example") }, ""},
		{"remove-again", func(d *Draft) error { return d.RemoveDomain("contoso.com", "shared.example") }, "does not have it"},
		{"no-such-tenant", func(d *Draft) error { return d.AddDomain("nobody.example", "x.example") }, "there is none"},
		{"no-domain", func(d *Draft) error { return d.AddDomain("contoso.com", "x y") }, "lab.file-not-domain"},
	} {
		err := s.Change(t.Context(), c.do)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if f, ok := s.Current().Tenant("shared.example"); !ok || f.Name != "Fabrikam" {
		t.Errorf("%v", f)
	}
}

func TestDefaultDomain(t *testing.T) {
	for domains, want := range map[string]string{
		"{name: a.example}": "",
		"{name: a.example}, {name: b.example, verified: true}, {name: c.example, verified: true}": "b.example",
		"{name: a.example, verified: true}, {name: b.example, initial: true}":                     "b.example",
		"{name: a.example, verified: true, default: true}, {name: b.example, initial: true}":      "a.example",
	} {
		d, err := Parse("lab.yaml", []byte("version: 1\ntenants: [{name: A, domains: ["+domains+"]}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Tenants[0].Default(); got != want {
			t.Errorf("%s: %q, want %q", domains, got, want)
		}
	}
}

func TestChangesTakeTurns(t *testing.T) {
	s, _ := openStore(t, "", shipped)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := string(rune('a'+i)) + ".example"
			if err := s.Change(context.Background(), func(d *Draft) error { return d.AddDomain("contoso.com", name) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.Current().Tenants[0].Domains); n != 3+8 {
		t.Errorf("%d domains", n)
	}
}
