package endpoint

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naive is what Index must agree with: every pattern is tried.
func naive(patterns []Pattern, h Host) []int {
	var hits []int
	for i, p := range patterns {
		if p.Match(h) {
			hits = append(hits, i)
		}
	}
	slices.SortStableFunc(hits, func(a, b int) int {
		return cmp.Or(patterns[a].Compare(patterns[b]), cmp.Compare(a, b))
	})
	return hits
}

func indexOf(patterns []Pattern) *Index[int] {
	x := new(Index[int])
	for i, p := range patterns {
		x.Add(p, i)
	}
	return x
}

func checkIndex(t testing.TB, patterns []Pattern, x *Index[int], h Host) {
	t.Helper()
	want := naive(patterns, h)
	if got := x.Append(nil, h); !slices.Equal(got, want) {
		t.Errorf("Append(%q) = %v, want %v of %v", h, got, want, patterns)
	}
	best, ok := x.Best(h)
	if ok != (len(want) > 0) || ok && best != want[0] {
		t.Errorf("Best(%q) = %v, %v; want the first of %v", h, best, ok, want)
	}
}

func TestIndexOrder(t *testing.T) {
	var patterns []Pattern
	for _, s := range strings.Fields(`*.windows.net *.servicebus.windows.net azgn*.servicebus.windows.net
		azgn1.servicebus.windows.net *bus.windows.net *.servicebus.windows.net az*1.servicebus.windows.net
		azgn1.servicebus.windows.net azgn1.*.windows.net azgn1.*bus.windows.net *.net servicebus.windows.net`) {
		patterns = append(patterns, MustPattern(s))
	}
	x := indexOf(patterns)
	if x.Len() != len(patterns) {
		t.Errorf("Len is %d, want %d", x.Len(), len(patterns))
	}
	want := []int{3, 7, 2, 6, 1, 5, 9, 8, 4, 0, 10}
	if got := x.Append(nil, "azgn1.servicebus.windows.net"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	checkIndex(t, patterns, x, "azgn1.servicebus.windows.net")
	if got := x.Append([]int{99}, "a.windows.net"); !slices.Equal(got, []int{99, 0, 10}) {
		t.Errorf("Append to a filled slice: %v", got)
	}
}

func TestIndexZeroValueIsEmpty(t *testing.T) {
	var x Index[string]
	if got := x.Append(nil, "a.b"); got != nil {
		t.Errorf("got %v", got)
	}
	if _, ok := x.Best("a.b"); ok {
		t.Error("Best found something")
	}
	x.Add(Pattern{}, "zero")
	if x.Len() != 0 || x.Append(nil, "") != nil {
		t.Error("the zero pattern was added")
	}
	x.Add(MustPattern("a.b"), "one")
	if x.Append(nil, "") != nil {
		t.Error("the zero host was found")
	}
}

// TestIndexDeepNames has more patterns on one host than the usual room holds, up to every ending of the longest name.
func TestIndexDeepNames(t *testing.T) {
	h := MustHost(strings.Repeat("a.", 126) + "b")
	patterns := []Pattern{ExactPattern(h)}
	for s := string(h); len(s) > 1; s = s[1:] {
		if p, err := ParsePattern("*" + s[1:]); err == nil {
			patterns = append(patterns, p)
		}
	}
	for n := range 60 {
		patterns = append(patterns, MustPattern("a."+strings.Repeat("a.", n)+"*."+string(h)[2*n+4:]))
	}
	x := indexOf(patterns)
	checkIndex(t, patterns, x, h)
	if len(patterns) < 250 {
		t.Fatalf("only %d patterns", len(patterns))
	}
	dst := make([]int, 0, 1000)
	if n := testing.AllocsPerRun(100, func() { dst = x.Append(dst[:0], h) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	// Beyond the large room, too, the answer is right.
	label := strings.Repeat("a", 63)
	var many []Pattern
	for i := 1; i < 63; i++ {
		for j := i + 1; j <= 63; j++ {
			many = append(many, MustPattern(label[:i]+"*"+label[j:]+".b"))
		}
	}
	checkIndex(t, many, indexOf(many), Host(label+".b"))
}

// TestIndexAgreesWithMatch compares Index with the naive search over generated patterns and hosts.
func TestIndexAgreesWithMatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "b", "ab", "ba", "aab", "cdn", "x"}
	name := func(n int) string {
		var labels []string
		for range n {
			labels = append(labels, words[rng.IntN(len(words))])
		}
		return strings.Join(labels, ".")
	}
	for range 200 {
		var patterns []Pattern
		for range 40 {
			s := name(2 + rng.IntN(3))
			if rng.IntN(3) > 0 {
				at := rng.IntN(len(s))
				s = s[:at] + "*" + s[at+rng.IntN(2):]
			}
			if p, err := ParsePattern(s); err == nil {
				patterns = append(patterns, p)
			}
		}
		x := indexOf(patterns)
		for range 40 {
			checkIndex(t, patterns, x, MustHost(name(1+rng.IntN(4))))
		}
	}
}

// catalogPatterns makes n patterns shaped as published lists have them: many names and suffixes below few domains, a
// few glued ones and ones with the star inside.
func catalogPatterns(n int) []Pattern {
	domains := []string{"microsoft.com", "windows.net", "office.com", "azure.com", "apple.com", "google.com", "onmicrosoft.com",
		"manage.microsoft.com", "delivery.mp.microsoft.com", "digicert.com", "sharepoint.com", "blob.core.windows.net"}
	out := make([]Pattern, 0, n)
	for i := range n {
		d := domains[i%len(domains)]
		switch {
		case i%10 < 5:
			out = append(out, MustPattern(fmt.Sprintf("service%d.%s", i, d)))
		case i%10 < 9:
			out = append(out, MustPattern(fmt.Sprintf("*.area%d.%s", i/7, d)))
		case i%20 == 9:
			out = append(out, MustPattern(fmt.Sprintf("*-kind%d.%s", i, d)))
		default:
			out = append(out, MustPattern(fmt.Sprintf("prod%d*.%s", i, d)))
		}
	}
	return append(out, MustPattern("*.microsoft.com"), MustPattern("*.manage.microsoft.com"), MustPattern("manage.microsoft.com"))
}

var benchmarkHosts = []Host{"login.microsoftonline.com", "fef.msua06.manage.microsoft.com", "manage.microsoft.com",
	"service100.delivery.mp.microsoft.com", "prod19abc.blob.core.windows.net", "a.b.c.not-in-any-list.example.org"}

func TestIndexLookupDoesNotAllocate(t *testing.T) {
	x := indexOf(catalogPatterns(1000))
	dst := make([]int, 0, 64)
	for _, h := range benchmarkHosts {
		if n := testing.AllocsPerRun(100, func() { dst = x.Append(dst[:0], h) }); n != 0 {
			t.Errorf("Append(%q): %v allocations", h, n)
		}
		if n := testing.AllocsPerRun(100, func() { x.Best(h) }); n != 0 {
			t.Errorf("Best(%q): %v allocations", h, n)
		}
	}
}

func BenchmarkIndexLookup(b *testing.B) {
	for _, size := range []int{1000, 10000} {
		x := indexOf(catalogPatterns(size))
		dst := make([]int, 0, 64)
		b.Run(fmt.Sprintf("patterns=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				dst = x.Append(dst[:0], benchmarkHosts[i%len(benchmarkHosts)])
				i++
			}
		})
		for _, h := range benchmarkHosts {
			b.Run(fmt.Sprintf("patterns=%d/host=%s", size, h), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					dst = x.Append(dst[:0], h)
				}
			})
		}
	}
}
