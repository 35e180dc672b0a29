package wire

import (
	"bytes"
	"testing"
)

// The eight octets at a time find what one at a time finds, at every place and for every octet.
func TestControlFindsEveryOctetAtEveryPlace(t *testing.T) {
	for size := range 20 {
		for at := range size {
			for c := range 256 {
				s := bytes.Repeat([]byte{0xff}, size)
				s[at] = byte(c)
				want := -1
				if c < 0x20 && c != '\t' || c == 0x7f {
					want = at
				}
				if got := control(s); got != want {
					t.Fatalf("%q: %d, want %d", s, got, want)
				}
				if got := control(string(s)); got != want {
					t.Fatalf("%q as string: %d, want %d", s, got, want)
				}
			}
		}
	}
}

func TestFoldingIsASCII(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"Host", "hOST", true}, {"host", "hos\x14", false}, {"a[", "a{", false}, {"@", "`", false}, {"k", "\u212a", false}, {"-", "\r", false}} {
		if same(c.a, c.b) != c.want || same(c.b, c.a) != c.want {
			t.Errorf("%q %q", c.a, c.b)
		}
	}
	if is("HOS\x14", "host") || is("[", "{") || !is("HOST", "host") || lookalike("x[", "X{") || !lookalike("A_b-C", "a-B-c") {
		t.Error("folding beyond letters")
	}
}
