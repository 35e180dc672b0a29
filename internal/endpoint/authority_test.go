package endpoint

import (
	"strings"
	"testing"
)

func TestParseAuthority(t *testing.T) {
	tests := []struct {
		name, in    string
		defaultPort uint16
		want        string
		reason      string
	}{
		{"host and port", "Login.Live.com:443", 0, "login.live.com:443", ""},
		{"trailing dot", "login.live.com.:443", 0, "login.live.com:443", ""},
		{"default port", "login.live.com", 443, "login.live.com:443", ""},
		{"port beats default", "login.live.com:80", 443, "login.live.com:80", ""},
		{"v4", "192.0.2.1:443", 0, "192.0.2.1:443", ""},
		{"v6", "[2001:DB8::1]:443", 0, "[2001:db8::1]:443", ""},
		{"v6 with default port", "[2001:db8::1]", 443, "[2001:db8::1]:443", ""},
		{"last port", "a.b:65535", 0, "a.b:65535", ""},
		{"empty", "", 443, "", "empty"},
		{"port alone", ":443", 0, "", "empty"},
		{"port missing", "login.live.com", 0, "", "port-missing"},
		{"empty port", "login.live.com:", 443, "", "port"},
		{"port 0", "login.live.com:0", 0, "", "port"},
		{"port too large", "login.live.com:65536", 0, "", "port"},
		{"leading zero", "login.live.com:0443", 0, "", "port"},
		{"sign", "login.live.com:+443", 0, "", "port"},
		{"space before port", "login.live.com: 443", 0, "", "port"},
		{"space after port", "login.live.com:443 ", 0, "", "port"},
		{"space before host", " login.live.com:443", 0, "", "space"},
		{"port of letters", "login.live.com:https", 0, "", "port"},
		{"two ports", "login.live.com:443:80", 0, "", "port"},
		{"path", "login.live.com:443/", 0, "", "port"},
		{"path without port", "login.live.com/", 443, "", "character"},
		{"user information", "login.live.com@evil.com:443", 0, "", "userinfo"},
		{"user and password", "user:pass@login.live.com:443", 0, "", "userinfo"},
		{"v6 without brackets", "2001:db8::1", 443, "", "bracket"},
		{"v6 without brackets and with port", "2001:db8::1:443", 443, "", "bracket"},
		{"v6 unclosed", "[2001:db8::1", 443, "", "bracket"},
		{"v6 with rest", "[2001:db8::1]x:443", 0, "", "port"},
		{"v6 with zone", "[fe80::1%eth0]:443", 0, "", "zone"},
		{"v6 with escaped zone", "[fe80::1%25eth0]:443", 0, "", "zone"},
		{"v4 in v6", "[::ffff:127.0.0.1]:443", 0, "", "mapped"},
		{"v4 in v6, hexadecimal", "[::ffff:7f00:1]:443", 0, "", "mapped"},
		{"v4 in brackets", "[127.0.0.1]:443", 0, "", "bracket"},
		{"host in brackets", "[localhost]:443", 0, "", "bracket"},
		{"future address", "[v1.x]:443", 0, "", "bracket"},
		{"empty brackets", "[]:443", 0, "", "empty"},
		{"hexadecimal and short", "0x7f.1:443", 0, "", "address"},
		{"short", "127.1:443", 0, "", "address"},
		{"one number", "2130706433:443", 0, "", "address"},
		{"octal", "0177.0.0.1:443", 0, "", "address"},
		{"octal part", "127.0.0.01:443", 0, "", "address"},
		{"v4 with trailing dot", "127.0.0.1.:443", 0, "", "address"},
		{"v4 with part too large", "127.0.0.256:443", 0, "", "address"},
		{"full-width digits", "１２７.0.0.1:443", 0, "", "full-width"},
		{"percent", "login%2elive.com:443", 0, "", "percent"},
		{"star", "*.live.com:443", 0, "", "wildcard"},
		{"nul", "login.live.com\x00:443", 0, "", "control"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAuthority(tt.in, tt.defaultPort)
			reason := reasonOf(t, err)
			if got.String() != tt.want || reason != tt.reason {
				t.Fatalf("ParseAuthority(%q) = %q, reason %q; want %q, reason %q", tt.in, got, reason, tt.want, tt.reason)
			}
			if err != nil {
				return
			}
			if (got.Host != "") == got.Addr.IsValid() {
				t.Errorf("%q: host %q and address %v", tt.in, got.Host, got.Addr)
			}
			if !strings.Contains(got.String(), got.Name()) {
				t.Errorf("%q has the name %q", got, got.Name())
			}
			if again, err := ParseAuthority(got.String(), 0); err != nil || again != got {
				t.Errorf("%q read back: %q, %v", got, again, err)
			}
		})
	}
	if s := (Authority{}).String(); s != "" {
		t.Errorf("the zero authority prints %q", s)
	}
}
