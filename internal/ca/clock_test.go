package ca_test

import (
	"crypto/x509"
	"testing"
	"time"
)

// TestAClockThatJumpsLeavesValidLeaves moves the clock of a running authority to and fro. After each jump a client with the
// same clock verifies the chain from the root that it has had all the time: a leaf or an issuing CA from the future is made
// anew as one from the past is.
func TestAClockThatJumpsLeavesValidLeaves(t *testing.T) {
	const day = 24 * time.Hour
	ck := newClock()
	a := open(t, folderOf(t), options(ck))
	first := mint(t, a, liveHost)
	roots, from := pool(t, a.RootPEM()), ck.Now()
	for _, jump := range []struct {
		by   time.Duration
		anew bool // the leaf in the cache does not fit
	}{
		{day, false}, {-day, false}, {-day, true}, {day, false}, {day, false}, {-2 * day, false}, {2 * day, false},
		{80 * day, true}, {-81 * day, true}, {400 * day, true}, {-400 * day, true}, {9 * 365 * day, true}, {-9 * 365 * day, true},
	} {
		before := first
		ck.add(jump.by)
		first = mint(t, a, liveHost)
		at := ck.Now().Sub(from)
		if (first != before) != jump.anew {
			t.Errorf("%v after the beginning: signed anew %v, want %v", at, first != before, jump.anew)
		}
		above := x509.NewCertPool()
		issuing, err := x509.ParseCertificate(first.Certificate[1])
		if err != nil {
			t.Fatal(err)
		}
		above.AddCert(issuing)
		if _, err := first.Leaf.Verify(x509.VerifyOptions{DNSName: liveHost, Roots: roots, Intermediates: above, CurrentTime: ck.Now()}); err != nil {
			t.Errorf("%v after the beginning: %v", at, err)
		}
	}
}
