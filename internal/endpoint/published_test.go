package endpoint

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublishedLists reads every host and prefix of the published lists: all of them have a normal form, and the index
// over them agrees with the naive search.
func TestPublishedLists(t *testing.T) {
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		t.Skip("SEKISHO_REFERENCE names no folder with the published lists")
	}
	lists, err := filepath.Glob(filepath.Join(dir, "endpoints", "m365", "endpoints-*.json"))
	if err != nil || len(lists) == 0 {
		t.Fatalf("no lists in %s: %v", dir, err)
	}
	var patterns []Pattern
	var prefixes []netip.Prefix
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		var rows []struct{ URLs, IPs []string }
		if err := json.Unmarshal(data, &rows); err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		for _, row := range rows {
			for _, s := range row.URLs {
				p, err := ParsePattern(s)
				if err != nil || p.String() != strings.ToLower(s) {
					t.Errorf("%s: %q, %v", filepath.Base(list), p, err)
					continue
				}
				patterns = append(patterns, p)
			}
			for _, s := range row.IPs {
				p, err := ParsePrefix(s)
				if err != nil {
					t.Errorf("%s: %v", filepath.Base(list), err)
					continue
				}
				prefixes = append(prefixes, p)
			}
		}
	}
	if len(patterns) < 500 || len(prefixes) < 100 {
		t.Fatalf("only %d patterns and %d prefixes", len(patterns), len(prefixes))
	}
	x := indexOf(patterns)
	for _, p := range patterns {
		for _, h := range examples(p) {
			checkIndex(t, patterns, x, h)
		}
	}
	var y PrefixIndex[int]
	for i, p := range prefixes {
		y.Add(p, i)
	}
	for _, p := range prefixes {
		if best, ok := y.Best(p.Addr()); !ok || !prefixes[best].Contains(p.Addr()) || prefixes[best].Bits() < p.Bits() {
			t.Errorf("%v is not found", p)
		}
	}
}
