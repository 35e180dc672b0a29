package ca

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// leafCacheSize is how many leaves are kept, the least recently used going first: chosen, many times the hosts that a
// policy intercepts, and about 3 MiB.
const leafCacheSize = 1024

// Issuer mints leaf certificates, each for exactly one name. Safe for concurrent use.
//
// Each leaf has a key of its own, made in memory and never written: making one costs about as much as one signature
// (BenchmarkLeafMint), and whoever gets hold of one key can pose as one host only.
type Issuer struct {
	a *Authority

	mu      sync.Mutex
	leaves  map[string]*list.Element // values: *leaf
	recent  list.List                // most recently used first
	minting map[string]*mint
}

type leaf struct {
	host string
	cert *tls.Certificate
	by   *x509.Certificate
}

// mint is one signing under way. cert and err are set before done is closed.
type mint struct {
	done chan struct{}
	cert *tls.Certificate
	err  error
}

func newIssuer(a *Authority) *Issuer {
	return &Issuer{a: a, leaves: map[string]*list.Element{}, minting: map[string]*mint{}}
}

// Certificate returns a certificate for exactly h, with the chain that leads to the root and without the root, ready for
// tls.Config.GetCertificate. It is valid since an hour and for at most 90 days; the same one is returned until a third
// of its time is left. h must be in normal form, see endpoint.ParseHost.
//
// Callers who ask for one name at the same time share one mint. It returns ctx.Err() if the caller gave up, and a
// *finding.Problem: "ca.not-permitted" for a name outside Options.Permitted, "ca.issuing-expired" when an imported
// issuing CA has ended, "ca.root-expired" when the root has.
func (i *Issuer) Certificate(ctx context.Context, h endpoint.Host) (*tls.Certificate, error) {
	host := string(h)
	if !i.a.names.allows(host) {
		return nil, finding.Fail("ca.not-permitted", nil, "host", host)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := i.a.o.Now()
	by, err := i.a.current(now)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	if c := i.cached(host, by, now); c != nil {
		i.mu.Unlock()
		return c, nil
	}
	m := i.minting[host]
	if m == nil {
		m = &mint{done: make(chan struct{})}
		i.minting[host] = m
		i.mu.Unlock()
		// The first caller signs, in its own goroutine: a tenth of a millisecond is not worth giving up half-way.
		i.mint(m, host, by, now)
		return m.cert, m.err
	}
	i.mu.Unlock()
	select {
	case <-m.done:
		return m.cert, m.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cached returns the leaf of host if it was signed by the issuing CA of now and has time left. The caller holds i.mu.
func (i *Issuer) cached(host string, by signer, now time.Time) *tls.Certificate {
	e := i.leaves[host]
	if e == nil {
		return nil
	}
	l := e.Value.(*leaf)
	if l.by != by.cert || leafEnds(l, now) {
		return nil
	}
	i.recent.MoveToFront(e)
	return l.cert
}

// leafEnds reports whether a leaf should be replaced. One that ends with its issuing CA is kept to the last hour: a new
// one would end at the same time.
func leafEnds(l *leaf, now time.Time) bool {
	c := l.cert.Leaf
	if c.NotAfter.Equal(l.by.NotAfter) {
		return now.Before(c.NotBefore) || !now.Before(c.NotAfter.Add(-time.Hour))
	}
	return nearsEnd(c, now)
}

func (i *Issuer) mint(m *mint, host string, by signer, now time.Time) {
	m.err = finding.Fail("ca.mint", nil, "host", host) // what waiting callers see if signing panics
	defer func() {
		i.mu.Lock()
		delete(i.minting, host)
		if m.err == nil {
			i.keep(&leaf{host: host, cert: m.cert, by: by.cert})
		}
		i.mu.Unlock()
		close(m.done)
	}()
	key, err := newKey()
	if err != nil {
		m.err = finding.Fail("ca.mint", err, "host", host)
		return
	}
	cert, err := signLeaf(by, host, key.Public(), i.a.o, now)
	if err != nil {
		m.err = finding.Fail("ca.mint", err, "host", host)
		return
	}
	m.cert = &tls.Certificate{
		Certificate: append([][]byte{cert.Raw}, by.chain...),
		PrivateKey:  key,
		Leaf:        cert,
	}
	m.err = nil
}

// keep puts l first and drops what is over the bound. The caller holds i.mu.
func (i *Issuer) keep(l *leaf) {
	if e := i.leaves[l.host]; e != nil {
		e.Value = l
		i.recent.MoveToFront(e)
		return
	}
	i.leaves[l.host] = i.recent.PushFront(l)
	for i.recent.Len() > leafCacheSize {
		last := i.recent.Back()
		delete(i.leaves, last.Value.(*leaf).host)
		i.recent.Remove(last)
	}
}
