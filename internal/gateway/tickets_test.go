package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"testing"
)

// One configuration for each leaf and name, never another's, and not more of them than are kept.
func TestConfigurationsAreSharedByLeafAndName(t *testing.T) {
	g := New(Options{})
	defer func() { _ = g.Shutdown(context.Background()) }()
	one, other := new(tls.Certificate), new(tls.Certificate)
	first := g.serverConfig(one, "a.example.com")
	if g.serverConfig(one, "a.example.com") != first {
		t.Error("the same leaf under the same name has another configuration")
	}
	if g.serverConfig(one, "b.example.com") == first || g.serverConfig(other, "a.example.com") == first {
		t.Error("another name, or another leaf, has the same configuration")
	}
	for i := range 3 * shownKept {
		g.serverConfig(one, fmt.Sprintf("n%d.example.com", i))
	}
	if n := len(g.configs); n > shownKept {
		t.Errorf("%d configurations are kept, want at most %d", n, shownKept)
	}
}
