package lab

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestRootIsKeptAndMadeAnewInTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	first, err := openAuthority(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "root.key")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v %v", info, err)
	}
	if !strings.Contains(first.root.Subject.String(), "LAB") || first.root.NotAfter.Sub(now) != rootLife {
		t.Errorf("root %v until %v", first.root.Subject, first.root.NotAfter)
	}
	now = now.Add(28 * 24 * time.Hour)
	again, err := openAuthority(dir, clock)
	if err != nil || !bytes.Equal(again.rootPEM, first.rootPEM) {
		t.Errorf("a good root was replaced: %v", err)
	}
	now = now.Add(2 * 24 * time.Hour)
	later, err := openAuthority(dir, clock)
	if err != nil || bytes.Equal(later.rootPEM, first.rootPEM) {
		t.Errorf("an old root was kept: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAuthority(dir, clock); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a key that cannot be read: %v", err)
	}
}

func TestLeafIsForOneNameAndNeverOutlivesTheRoot(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a, err := openAuthority("", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	block, _ := pem.Decode(a.rootPEM)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(root)
	long := strings.Repeat("a", 60) + ".manage.microsoft.com"
	for _, name := range []string{"login.live.com", long} {
		c, err := a.leaf(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
			t.Error(err)
		}
		if c.Leaf.VerifyHostname("login.microsoftonline.com") == nil {
			t.Error("good for another name, too")
		}
	}
	now = now.Add(28 * 24 * time.Hour)
	c, err := a.leaf("login.live.com")
	if err != nil || c.Leaf.NotAfter.After(root.NotAfter) || !now.Before(c.Leaf.NotAfter) {
		t.Errorf("%v: until %v", err, c.Leaf.NotAfter)
	}
}
