package finding

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	features := []string{"entra.sign-in", "intune.core", "intune.autopilot", "intune.android-china", "m365.teams"}
	keys := []string{"clients", "users", "groups", "percent", "permitted-tenants", "profile"}
	for _, c := range []struct {
		word, want string
		known      []string
	}{
		{"alow", "allow", []string{"deny", "allow"}},
		{"Allow", "allow", []string{"deny", "allow"}},
		{"alolw", "allow", []string{"deny", "allow"}},
		{"rule", "rules", []string{"ruler", "rules"}},
		{"x", "", []string{"allow"}},
		{"", "", []string{"allow"}},
		{"x", "", nil},
		{"intune.autopliot", "intune.autopilot", features},
		{"intune-autopilot", "intune.autopilot", features},
		{"autopilot", "intune.autopilot", features},
		{"autopilto", "intune.autopilot", features},
		{"xyz.autopilto", "", features},
		{"signin", "entra.sign-in", features},
		{"entra.signin", "entra.sign-in", features},
		{"teams", "m365.teams", features},
		{"zz", "", features},
		{"intune.croe", "intune.core", features},
		{"intune.auto", "intune.autopilot", features},
		{"core", "intune.core", features},
		{"exchange", "", features},
		{"client", "clients", keys},
		{"Users", "users", keys},
		{"permitted_tenants", "permitted-tenants", keys},
		{"permited-tenants", "permitted-tenants", keys},
		{"profil", "profile", keys},
		{"rpofile", "profile", keys},
		{"percentage", "percent", keys},
		{"frobnicate", "", keys},
		{"機能", "", features},
		{strings.Repeat("intune.core", 1000), "", features},
	} {
		if got := Nearest(c.word, c.known); got != c.want {
			t.Errorf("%.40q: %q, want %q", c.word, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "adc", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
