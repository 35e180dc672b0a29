package ca_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"sekisho/internal/ca"
)

func TestOpenRefusesAndOverwritesNothing(t *testing.T) {
	for _, c := range []struct {
		rule, want string
		change     func(t *testing.T, dir string, o *ca.Options)
	}{
		{"root-key-missing", "ca.missing", func(t *testing.T, dir string, _ *ca.Options) { remove(t, dir, "root.key") }},
		{"root-missing-altogether", "ca.missing", func(t *testing.T, dir string, _ *ca.Options) { remove(t, dir, "root.key", "root.pem") }},
		{"issuing-key-missing", "ca.missing", func(t *testing.T, dir string, _ *ca.Options) { remove(t, dir, "issuing.key") }},
		{"root-key-damaged", "ca.damaged", func(t *testing.T, dir string, _ *ca.Options) { write(t, dir, "root.key", []byte("xyz")) }},
		{"root-key-empty", "ca.damaged", func(t *testing.T, dir string, _ *ca.Options) { write(t, dir, "root.key", nil) }},
		{"root-damaged", "ca.damaged", func(t *testing.T, dir string, _ *ca.Options) {
			write(t, dir, "root.pem", read(t, dir, "root.pem")[:200])
		}},
		{"issuing-damaged", "ca.damaged", func(t *testing.T, dir string, _ *ca.Options) { write(t, dir, "issuing.pem", []byte("xyz")) }},
		{"issuing-key-cut-off", "ca.damaged", func(t *testing.T, dir string, _ *ca.Options) {
			write(t, dir, "issuing.key", read(t, dir, "issuing.key")[:100])
		}},
		{"issuing-key-of-another", "ca.mismatch", func(t *testing.T, dir string, o *ca.Options) {
			other := folderOf(t)
			open(t, other, *o)
			write(t, dir, "issuing.key", read(t, other, "issuing.key"))
		}},
		{"root-of-another", "ca.mismatch", func(t *testing.T, dir string, o *ca.Options) {
			other := folderOf(t)
			open(t, other, *o)
			write(t, dir, "root.pem", read(t, other, "root.pem"))
		}},
		{"issuing-signed-by-another-root", "ca.mismatch", func(t *testing.T, dir string, o *ca.Options) {
			other := folderOf(t)
			open(t, other, *o)
			write(t, dir, "root.pem", read(t, other, "root.pem"))
			write(t, dir, "root.key", read(t, other, "root.key"))
		}},
		{"folder-is-a-file", "ca.not-a-folder", func(t *testing.T, dir string, _ *ca.Options) {
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"permitted-is-no-host", "ca.permitted", func(_ *testing.T, _ string, o *ca.Options) { o.Permitted = []string{"Login.Live.com"} }},
		{"permitted-is-everything", "ca.permitted", func(_ *testing.T, _ string, o *ca.Options) { o.Permitted = []string{"*"} }},
		{"permitted-is-an-address", "ca.permitted", func(_ *testing.T, _ string, o *ca.Options) { o.Permitted = []string{"10.0.0.1"} }},
		{"crl-over-https", "ca.crl-url", func(_ *testing.T, _ string, o *ca.Options) { o.CRLURL = "https://proxy.example.com/crl" }},
		{"organisation-too-long", "ca.organisation", func(_ *testing.T, _ string, o *ca.Options) { o.Organisation = string(make([]byte, 65)) }},
		{"root-expired", "ca.root-expired", func(_ *testing.T, _ string, o *ca.Options) {
			o.Now = func() time.Time { return time.Now().AddDate(11, 0, 0) }
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			dir := folderOf(t)
			o := options(newClock())
			open(t, dir, o)
			c.change(t, dir, &o)
			before := snapshot(t, dir)
			_, _, err := ca.Open(dir, o)
			if err == nil {
				t.Fatal("opened")
			}
			if got := code(t, err); got != c.want {
				t.Errorf("%v: code %s, want %s", err, got, c.want)
			}
			if after := snapshot(t, dir); !bytes.Equal(before, after) {
				t.Error("files changed")
			}
		})
	}
}

func TestKeysOpenToOthersAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows")
	}
	for mode, want := range map[os.FileMode]string{0o644: "ca.key-open", 0o604: "ca.key-open", 0o660: "ca.key-open", 0o640: "", 0o400: ""} {
		for _, name := range []string{"root.key", "issuing.key"} {
			dir := folderOf(t)
			o := options(newClock())
			open(t, dir, o)
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
			_, _, err := ca.Open(dir, o)
			got := ""
			if err != nil {
				got = code(t, err)
			}
			if got != want {
				t.Errorf("%s with mode %v: %q, want %q", name, mode, got, want)
			}
		}
	}
	dir := folderOf(t)
	open(t, dir, options(newClock()))
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ca.Open(dir, options(newClock())); err == nil || code(t, err) != "ca.folder-open" {
		t.Errorf("folder with mode 0777: %v", err)
	}
}

// A root.pem that was lost is written again from root.key, which holds the same certificate: clients keep their trust.
func TestLostCopyOfTheRootIsRestored(t *testing.T) {
	dir := folderOf(t)
	o := options(newClock())
	before := open(t, dir, o).RootPEM()
	remove(t, dir, "root.pem", "issuing.pem")
	a, created, err := ca.Open(dir, o)
	if err != nil || !bytes.Equal(before, a.RootPEM()) || !bytes.Equal(before, read(t, dir, "root.pem")) {
		t.Errorf("%v", err)
	}
	if want := []string{"root.pem", "issuing.pem"}; !slices.Equal(created, want) {
		t.Errorf("created %v, want %v", created, want)
	}
}

func TestReadOnlyFolderIsEnough(t *testing.T) {
	dir := folderOf(t)
	o := options(newClock())
	open(t, dir, o)
	remove(t, dir, ".lock")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	a := open(t, dir, o)
	if _, err := os.Stat(filepath.Join(dir, ".lock")); err == nil {
		t.Error("a start with all in order wrote something")
	}
	if _, ok := a.CRL("issuing.crl"); !ok {
		t.Error("no revocation list")
	}
}

func TestConcurrentStartsShareOneAuthority(t *testing.T) {
	dir, ck := folderOf(t), newClock()
	var wg sync.WaitGroup
	roots := make([][]byte, 8)
	for i := range roots {
		wg.Go(func() {
			a, _, err := ca.Open(dir, options(ck))
			if err != nil {
				t.Error(err)
				return
			}
			roots[i] = a.RootPEM()
		})
	}
	wg.Wait()
	for _, r := range roots[1:] {
		if !bytes.Equal(r, roots[0]) {
			t.Fatal("two roots")
		}
	}
}

func TestLeftoversOfACrashAreRemoved(t *testing.T) {
	dir := folderOf(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, ".part-123", []byte("half a key"))
	open(t, dir, options(newClock()))
	if left, _ := filepath.Glob(filepath.Join(dir, ".part-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestShowMakesNothing(t *testing.T) {
	dir := folderOf(t)
	if _, _, err := ca.Show(dir); err == nil || code(t, err) != "ca.absent" {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
	a := open(t, dir, options(newClock()))
	info, root, err := ca.Show(dir)
	if err != nil || !bytes.Equal(root, a.RootPEM()) || fmt.Sprint(info) != fmt.Sprint(a.Info()) {
		t.Errorf("%+v, %v; want %+v", info, err, a.Info())
	}
}
