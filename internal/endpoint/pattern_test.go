package endpoint

import (
	"slices"
	"strings"
	"testing"
)

func TestParsePattern(t *testing.T) {
	tests := []struct {
		name, in, want string
		kind           Kind
		reason         string
	}{
		{"exact", "Login.Live.COM.", "login.live.com", Exact, ""},
		{"suffix", "*.Manage.Microsoft.com", "*.manage.microsoft.com", Suffix, ""},
		{"suffix with trailing dot", "*.example.com.", "*.example.com", Suffix, ""},
		{"suffix of one label", "*.corp", "*.corp", Suffix, ""},
		{"glued", "*cdn.onenote.net", "*cdn.onenote.net", Glued, ""},
		{"glued with hyphen", "*-files.sharepoint.com", "*-files.sharepoint.com", Glued, ""},
		{"inside, a whole label", "autodiscover.*.onmicrosoft.com", "autodiscover.*.onmicrosoft.com", Inside, ""},
		{"inside, the end of a label", "azgn*.servicebus.windows.net", "azgn*.servicebus.windows.net", Inside, ""},
		{"inside, the middle of a label", "a*z.example.com", "a*z.example.com", Inside, ""},
		{"unicode suffix", "*.日本語.jp", "*.xn--wgv71a119e.jp", Suffix, ""},
		{"unicode before the star", "日本語.a*b.jp", "xn--wgv71a119e.a*b.jp", Inside, ""},
		{"unicode after the star", "*b.日本語.jp", "*b.xn--wgv71a119e.jp", Glued, ""},
		{"empty", "", "", 0, "empty"},
		{"star alone", "*", "", 0, "star-alone"},
		{"star and dot", "*.", "", 0, "star-alone"},
		{"two stars", "*.*.example.com", "", 0, "two-stars"},
		{"double star", "**.example.com", "", 0, "two-stars"},
		{"star glued to a top label", "*com", "", 0, "star-top"},
		{"star as last label", "login.*", "", 0, "star-top"},
		{"star as last label with dot", "login.*.", "", 0, "star-top"},
		{"star in last label", "login.c*m", "", 0, "star-top"},
		{"star in an A-label", "xn--*.jp.example", "", 0, "star-idn"},
		{"star in an A-label, upper case", "XN--wgv*.jp", "", 0, "star-idn"},
		{"star in a Unicode label", "日*.example.com", "", 0, "star-idn"},
		{"address", "*.192.0.2.1", "", 0, "address"},
		{"address, glued", "*92.0.2.1", "", 0, "address"},
		{"address, inside", "192.*.2.1", "", 0, "address"},
		{"address, exact", "192.0.2.1", "", 0, "address"},
		{"empty label", "*..example.com", "", 0, "empty-label"},
		{"two trailing dots", "*.example.com..", "", 0, "two-dots"},
		{"percent", "*.exa%6dple.com", "", 0, "percent"},
		{"question mark", "a?.example.com", "", 0, "character"},
		{"slash", "*.example.com/x", "", 0, "character"},
		{"hyphen at the end of the label", "a*-.example.com", "", 0, "hyphen"},
		{"label full but for the star", strings.Repeat("a", 62) + "*.example.com", strings.Repeat("a", 62) + "*.example.com", Inside, ""},
		{"label full", strings.Repeat("a", 63) + "*.example.com", "", 0, "label-too-long"},
		{"no room for the star", "*." + strings.Repeat("a.", 125) + "bb", "", 0, "host-too-long"},
		{"just room for the star", "*." + strings.Repeat("a.", 125) + "b", "*." + strings.Repeat("a.", 125) + "b", Suffix, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePattern(tt.in)
			reason := reasonOf(t, err)
			if got.String() != tt.want || reason != tt.reason {
				t.Fatalf("ParsePattern(%q) = %q, reason %q; want %q, reason %q", tt.in, got, reason, tt.want, tt.reason)
			}
			if err != nil {
				return
			}
			if got.Kind() != tt.kind {
				t.Errorf("kind of %q is %v, want %v", got, got.Kind(), tt.kind)
			}
			if again, err := ParsePattern(got.String()); err != nil || again != got {
				t.Errorf("%q read back: %q, %v", got, again, err)
			}
		})
	}
}

func TestPatternMatch(t *testing.T) {
	tests := []struct {
		name, pattern, yes, no string // hosts separated by spaces
	}{
		{"exact", "login.live.com", "login.live.com", "a.login.live.com live.com xlogin.live.com"},
		{"suffix-does-not-match-apex", "*.manage.microsoft.com",
			"a.manage.microsoft.com a.b.manage.microsoft.com", "manage.microsoft.com xmanage.microsoft.com a.manage.microsoft.com.evil.com"},
		{"glued-needs-a-character", "*cdn.onenote.net",
			"site-cdn.onenote.net a.cdn.onenote.net a.b-cdn.onenote.net", "cdn.onenote.net onenote.net a.onenote.net cdn.onenote.net.evil.com"},
		{"glued-with-hyphen", "*-files.sharepoint.com",
			"contoso-files.sharepoint.com a.contoso-files.sharepoint.com", "files.sharepoint.com contosofiles.sharepoint.com"},
		{"inside-stays-in-its-label", "autodiscover.*.onmicrosoft.com",
			"autodiscover.contoso.onmicrosoft.com", "autodiscover.onmicrosoft.com autodiscover.a.b.onmicrosoft.com x.autodiscover.a.onmicrosoft.com"},
		{"inside-needs-a-character", "azgn*.servicebus.windows.net",
			"azgn1.servicebus.windows.net azgn-a-b.servicebus.windows.net", "azgn.servicebus.windows.net azgn.a.servicebus.windows.net xazgn1.servicebus.windows.net"},
		{"inside-both-ends-do-not-overlap", "ab*ba.example.com", "abxba.example.com abba" + "ba.example.com", "aba.example.com abba.example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := MustPattern(tt.pattern)
			for h := range strings.FieldsSeq(tt.yes) {
				if !p.Match(MustHost(h)) {
					t.Errorf("%q does not match %q", p, h)
				}
			}
			for h := range strings.FieldsSeq(tt.no) {
				if p.Match(MustHost(h)) {
					t.Errorf("%q matches %q", p, h)
				}
			}
		})
	}
	if (Pattern{}).Match("") || (Pattern{}).Match("a") || MustPattern("a").Match("") {
		t.Error("the zero pattern or the zero host matches")
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		p, q string
		want bool
	}{
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "*.example.com", true},
		{"*.example.com", "*.a.example.com", true},
		{"*.a.example.com", "*.example.com", false},
		{"*example.com", "*.example.com", true},
		{"*.example.com", "*example.com", false},
		{"*.example.com", "*a.example.com", true},
		{"*.example.com", "a*.example.com", true},
		{"*b.example.com", "a*.example.com", false},
		{"*b.example.com", "a*b.example.com", true},
		{"a*.example.com", "*.example.com", false},
		{"a*.example.com", "ab*.example.com", true},
		{"ab*.example.com", "a*.example.com", false},
		{"a*.example.com", "a*b.example.com", true},
		{"a.*.example.com", "a.b*.example.com", true},
		{"a*.example.com", "a.*.example.com", false},
		{"a*.example.com", "a*.b.example.com", false},
		{"a.example.com", "*.example.com", false},
		{"a.example.com", "a.example.com", true},
	}
	for _, tt := range tests {
		if got := MustPattern(tt.p).Covers(MustPattern(tt.q)); got != tt.want {
			t.Errorf("%q covers %q: %v, want %v", tt.p, tt.q, got, tt.want)
		}
	}
	if a := MustPattern("a"); a.Covers(Pattern{}) || (Pattern{}).Covers(a) || (Pattern{}).Covers(Pattern{}) {
		t.Error("the zero pattern covers or is covered")
	}
}

func TestCompareOrdersMostSpecificFirst(t *testing.T) {
	want := []string{"a.example.com", "example.com", "*longer.example.com", "az*.example.com", "*az.example.com",
		"*.example.com", "*example.com", ""}
	var got []Pattern
	for _, s := range want {
		if s == "" {
			got = append(got, Pattern{})
			continue
		}
		got = append(got, MustPattern(s))
	}
	slices.Reverse(got)
	slices.SortFunc(got, Pattern.Compare)
	for i, p := range got {
		if p.String() != want[i] {
			t.Errorf("place %d holds %q, want %q", i, p, want[i])
		}
	}
}

// fillings are what stars are replaced with to get hosts that a pattern covers.
var fillings = []string{"a", "b", "ab", "x-y", "a.b", "z.y.x", "b.a", "cdn", "0"}

// TestCoversAgreesWithMatch compares Covers with what Match says of concrete hosts: a pattern that covers matches them
// all, and one that does not cover misses at least one.
func TestCoversAgreesWithMatch(t *testing.T) {
	var all []Pattern
	for _, s := range strings.Fields(`a.b.c b.c x.b.c *.b.c *.c *b.c *a.b.c *.a.b.c a*.b.c ab*.b.c a*b.c a*b.b.c a.*.c a.b*.c a.*b.c
		a.a*b.c ab.*.c a*a.b.c aa*aa.b.c *ab.b.c a.*.b.c a.a*.b.c`) {
		all = append(all, MustPattern(s))
	}
	for _, p := range all {
		for _, q := range all {
			covers, missed := p.Covers(q), ""
			for _, h := range examples(q) {
				if !p.Match(h) {
					missed = string(h)
				}
			}
			if covers && missed != "" {
				t.Errorf("%q is said to cover %q but misses %q", p, q, missed)
			}
			if !covers && missed == "" {
				t.Errorf("%q is said not to cover %q but misses no example", p, q)
			}
		}
	}
}

// examples returns hosts that p covers.
func examples(p Pattern) []Host {
	if h, ok := p.Host(); ok {
		return []Host{h}
	}
	var out []Host
	for _, f := range fillings {
		if h, err := ParseHost(strings.Replace(p.String(), "*", f, 1)); err == nil && p.Match(h) {
			out = append(out, h)
		}
	}
	return out
}
