package policy

import (
	"testing"

	"sekisho/internal/endpoint"
)

func TestOverlap(t *testing.T) {
	tests := []struct {
		p, q string
		want bool
	}{
		{"login.live.com", "login.live.com", true},
		{"login.live.com", "*.live.com", true},
		{"live.com", "*.live.com", false},
		{"*.live.com", "*.com", true},
		{"*.a.example.com", "*.b.example.com", false},
		{"*cdn.example.com", "*.example.com", true},
		{"login.*.com", "*.live.com", true},
		{"login.*.com", "*.example.jp", false},
		{"a*.example.com", "b*.example.com", false},
		{"a*.example.com", "*b.example.com", true},
		{"x.*.example.com", "*.y.example.com", true},
	}
	for _, test := range tests {
		p, q := endpoint.MustPattern(test.p), endpoint.MustPattern(test.q)
		if Overlap(p, q) != test.want || Overlap(q, p) != test.want {
			t.Errorf("Overlap(%s, %s) = %v and %v, want %v", p, q, Overlap(p, q), Overlap(q, p), test.want)
		}
	}
	if Overlap(endpoint.Pattern{}, endpoint.MustPattern("a.example")) {
		t.Error("the zero pattern overlaps")
	}
}
