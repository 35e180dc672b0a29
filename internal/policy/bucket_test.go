package policy

import (
	"net/netip"
	"testing"
)

// TestWhoIsInAShareNeverChanges: a share that fell differently after an update would move people between rings.
func TestWhoIsInAShareNeverChanges(t *testing.T) {
	for _, c := range []struct {
		subject Subject
		want    int
	}{
		{Subject{User: "alice"}, bucket(&Subject{User: "ALICE", Client: netip.MustParseAddr("192.0.2.1")})},
		{Subject{User: "alice"}, 36},
		{Subject{User: "山田"}, 32},
		{Subject{Client: netip.MustParseAddr("10.1.2.3")}, 13},
		{Subject{Client: netip.MustParseAddr("2001:db8::1")}, 23},
	} {
		if got := bucket(&c.subject); got != c.want {
			t.Errorf("%+v falls into %d, want %d", c.subject, got, c.want)
		}
	}
	mapped := normalClient(netip.MustParseAddr("::ffff:10.1.2.3"))
	if bucket(&Subject{Client: mapped}) != 13 {
		t.Error("an IPv4 address in IPv6 form is somebody else")
	}
}
