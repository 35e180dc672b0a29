package ca_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/ca"
	"sekisho/internal/endpoint"
)

func TestOneMintPerNameUnderConcurrency(t *testing.T) {
	a := open(t, folderOf(t), options(newClock()))
	var wg sync.WaitGroup
	got := make([]*tls.Certificate, 64)
	start := make(chan struct{})
	for i := range got {
		wg.Go(func() {
			<-start
			got[i], _ = a.Issuer().Certificate(context.Background(), liveHost)
		})
	}
	close(start)
	wg.Wait()
	for _, c := range got {
		if c == nil || c != got[0] {
			t.Fatal("callers at the same time got different certificates")
		}
	}
}

func TestCallerWhoGaveUpGetsNothing(t *testing.T) {
	a := open(t, folderOf(t), options(newClock()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Issuer().Certificate(ctx, liveHost); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestLeafCacheIsBoundedLeastRecentlyUsedFirst(t *testing.T) {
	o := options(newClock())
	o.Permitted = []string{"*.example.com"}
	a := open(t, folderOf(t), o)
	host := func(i int) string { return fmt.Sprintf("h%d.example.com", i) }
	first, second := mint(t, a, host(0)), mint(t, a, host(1))
	for i := 2; i < 1024; i++ {
		mint(t, a, host(i))
	}
	if mint(t, a, host(0)) != first {
		t.Error("forgotten before the bound was reached")
	}
	mint(t, a, host(1024))
	if mint(t, a, host(0)) != first {
		t.Error("the one used just now was forgotten")
	}
	if mint(t, a, host(1)) == second {
		t.Error("the cache has no bound")
	}
}

// BenchmarkLeafMint measures a name that was never asked for (fresh) and one that is in the cache.
func BenchmarkLeafMint(b *testing.B) {
	o := ca.Options{Permitted: []string{"*.example.com"}, CRLURL: crlURL}
	a, _, err := ca.Open(folderOf(b), o)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.Run("fresh", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			if _, err := a.Issuer().Certificate(ctx, endpoint.Host(fmt.Sprintf("h%d.example.com", i))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Issuer().Certificate(ctx, "one.example.com"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// In the last months of a root there is nothing to gain by signing anew, at each start or at each request.
func TestIssuingThatEndsWithItsRootIsKept(t *testing.T) {
	dir, ck := folderOf(t), newClock()
	o := options(ck)
	o.RootLifetime = 30 * 24 * time.Hour
	o.Label = "LAB"
	a := open(t, dir, o)
	if root := parseOne(t, a.RootPEM()); !strings.Contains(root.Subject.CommonName, " LAB ") ||
		!root.NotAfter.Equal(ck.Now().Add(o.RootLifetime).UTC()) {
		t.Errorf("root %v ends %v", root.Subject, root.NotAfter)
	}
	ck.add(25 * 24 * time.Hour)
	before := snapshot(t, dir)
	first := mint(t, a, liveHost)
	ck.add(24 * time.Hour)
	if mint(t, a, liveHost) != first {
		t.Error("a leaf that ends with its root was replaced")
	}
	open(t, dir, o)
	if !bytes.Equal(before, snapshot(t, dir)) {
		t.Error("signed anew for nothing")
	}
	ck.add(5 * 24 * time.Hour)
	if _, err := a.Issuer().Certificate(context.Background(), liveHost); err == nil || code(t, err) != "ca.root-expired" {
		t.Errorf("after the root's end: %v", err)
	}
}

func TestLongNamesStandInTheSANOnly(t *testing.T) {
	o := options(newClock())
	host := strings.Repeat("a", 60) + ".login.microsoftonline.com"
	o.Permitted = []string{host}
	leaf := mint(t, open(t, folderOf(t), o), host).Leaf
	if leaf.Subject.CommonName != "" || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != host {
		t.Errorf("subject %v, SAN %v", leaf.Subject, leaf.DNSNames)
	}
}
