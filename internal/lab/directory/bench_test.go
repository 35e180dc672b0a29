package directory

import (
	"fmt"
	"path/filepath"
	"testing"

	"sekisho/internal/lab/state"
)

// BenchmarkChange measures a change of one account in a directory of five thousand, kept on disk.
func BenchmarkChange(b *testing.B) {
	db, err := state.Open(b.Context(), filepath.Join(b.TempDir(), state.File))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s, err := OpenStore(b.Context(), db, "lab.yaml", shipped)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Change(b.Context(), func(d *Draft) error {
		for i := range 5000 {
			d.Tenants[1].Users = append(d.Tenants[1].Users, &UserEntry{UPN: fmt.Sprintf("u%d@fabrikam.com", i), Name: "User"})
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Change(b.Context(), func(d *Draft) error {
			u := d.Tenants[0].Users[0]
			u.Locked = !u.Locked
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPassword measures the check of one password, at both costs.
func BenchmarkPassword(b *testing.B) {
	for name, c := range map[string]cost{"printed": printed, "secret": secret} {
		b.Run(name, func(b *testing.B) {
			h := newHash("password", c)
			for b.Loop() {
				h.matches("password")
			}
		})
	}
}
