package state

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sekisho/internal/finding"
)

func open(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		path func(t *testing.T) string
	}{
		{"memory", func(*testing.T) string { return "" }},
		{"file", func(t *testing.T) string { return filepath.Join(t.TempDir(), "a ?#%41", "..", File) }},
		{"odd-name", func(t *testing.T) string { return filepath.Join(t.TempDir(), "st ate#%41.db") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			d := open(t, c.path(t))
			if err := d.Put(ctx, "a", "2", []byte("two")); err != nil {
				t.Fatal(err)
			}
			if err := d.PutAll(ctx, "a", Document{"1", []byte("one")}, Document{"2", []byte{}}, Document{"3", []byte("x")}); err != nil {
				t.Fatal(err)
			}
			if err := d.Put(ctx, "b", "1", []byte("other")); err != nil {
				t.Fatal(err)
			}
			if err := d.Delete(ctx, "a", "3"); err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := d.All(ctx, "a", func(key string, value []byte) error {
				got = append(got, key+"="+string(value))
				return d.Put(ctx, "c", key, value) // the rows of one moment: writing meanwhile is allowed
			}); err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != "1=one 2=" {
				t.Errorf("%q", got)
			}
			if v, ok, err := d.Get(ctx, "b", "1"); string(v) != "other" || !ok || err != nil {
				t.Errorf("%q, %v, %v", v, ok, err)
			}
			if v, ok, err := d.Get(ctx, "b", "2"); v != nil || ok || err != nil {
				t.Errorf("%q, %v, %v", v, ok, err)
			}
			if n, err := d.Count(ctx, "c"); n != 2 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if err := d.DeleteAll(ctx, "c"); err != nil {
				t.Fatal(err)
			}
			if n, err := d.Count(ctx, "c"); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n, err := d.Size(ctx); n <= 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	d := open(t, "")
	ctx := t.Context()
	if err := d.Put(ctx, "k", "kept", []byte("v")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, key string
		size      int
	}{
		{"", "k", 1}, {"k", "", 1}, {strings.Repeat("x", MaxKey+1), "k", 1}, {"k", strings.Repeat("x", MaxKey+1), 1}, {"k", "k", MaxValue + 1},
	} {
		if err := d.PutAll(ctx, c.kind, Document{"kept", []byte("changed")}, Document{c.key, make([]byte, c.size)}); err == nil {
			t.Errorf("%.20q %.20q %d: taken", c.kind, c.key, c.size)
		}
	}
	if v, _, _ := d.Get(ctx, "k", "kept"); string(v) != "v" {
		t.Errorf("%q: half a transaction was kept", v)
	}
}

// Whatever writes without end meets the limit of the file, is told what to do, and damages nothing.
func TestFullStateSaysSo(t *testing.T) {
	t.Parallel()
	d := open(t, filepath.Join(t.TempDir(), File))
	if _, err := d.sql.ExecContext(t.Context(), "PRAGMA max_page_count(64)"); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		err = d.Put(t.Context(), "k", strings.Repeat("x", i+1), make([]byte, 16<<10))
	}
	var p *finding.Problem
	if !errors.As(err, &p) || p.Findings[0].Code != "lab.state-full" {
		t.Fatalf("%v", err)
	}
	if err := d.DeleteAll(t.Context(), "k"); err != nil {
		t.Errorf("a full state cannot be emptied: %v", err)
	}
	if err := d.Put(t.Context(), "k", "k", []byte("v")); err != nil {
		t.Error(err)
	}
}

func TestStateSurvives(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), File)
	d := open(t, path)
	if err := d.Put(t.Context(), "k", "key", []byte("v")); err != nil {
		t.Fatal(err)
	}
	// A copy taken while it is open is what a killed process leaves behind.
	left := t.TempDir()
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, File+end), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok, err := r.Get(t.Context(), "k", "key"); string(v) != "v" || !ok || err != nil {
		t.Errorf("reader: %q, %v, %v", v, ok, err)
	}
	if err := r.Put(t.Context(), "k", "key", nil); err == nil {
		t.Error("a reader writes")
	}
	r.Close()
	again := open(t, filepath.Join(left, File))
	if v, ok, err := again.Get(t.Context(), "k", "key"); string(v) != "v" || !ok || err != nil {
		t.Errorf("after a kill: %q, %v, %v", v, ok, err)
	}
	if runtime.GOOS != "windows" {
		for _, end := range []string{"", "-wal", "-shm"} {
			if info, err := os.Stat(filepath.Join(left, File+end)); err == nil && end != "-wal" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v", end, info.Mode())
			}
		}
	}
}

func TestUnusableStateSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		spoil      func(t *testing.T, path string)
	}{
		{"not-a-database", "lab.state-unusable", func(t *testing.T, path string) {
			write(t, path, bytes.Repeat([]byte("no database "), 1000))
		}},
		{"cut", "lab.state-unusable", func(t *testing.T, path string) {
			if err := os.Truncate(path, 8192+100); err != nil {
				t.Fatal(err)
			}
		}},
		{"overwritten", "lab.state-unusable", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 4096; i < len(data); i++ {
				data[i] = 0x5a
			}
			write(t, path, data)
		}},
		{"newer", "lab.state-newer", func(t *testing.T, path string) {
			d := open(t, path)
			if _, err := d.sql.ExecContext(context.Background(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
				t.Fatal(err)
			}
			d.Close()
		}},
		{"a-folder", "lab.state-unusable", func(t *testing.T, path string) {
			os.Remove(path)
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), File)
			d := open(t, path)
			for i := range 50 {
				if err := d.Put(t.Context(), "k", strings.Repeat("k", i+1), make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, path)
			before, _ := os.ReadFile(path)
			for name, open := range map[string]func(context.Context, string) (*DB, error){"writer": Open, "reader": OpenReader} {
				got, err := open(t.Context(), path)
				var p *finding.Problem
				if got != nil || !errors.As(err, &p) || p.Findings[0].Code != c.code {
					t.Errorf("%s: %v", name, err)
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := OpenReader(t.Context(), filepath.Join(t.TempDir(), File)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
