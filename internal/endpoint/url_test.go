package endpoint

import "testing"

func TestParseURL(t *testing.T) {
	tests := []struct{ name, in, want, reason string }{
		{"host", "https://example.com", "https://example.com", ""},
		{"path", "http://crl.example.com/pki/a.crl", "http://crl.example.com/pki/a.crl", ""},
		{"path keeps its case", "HTTPS://EXAMPLE.com/Pki", "https://example.com/Pki", ""},
		{"lone slash", "https://example.com/", "https://example.com", ""},
		{"pattern", "https://*.example.com/x/", "https://*.example.com/x/", ""},
		{"own port of the scheme", "https://example.com:443/x", "https://example.com/x", ""},
		{"other port", "http://example.com:8080", "http://example.com:8080", ""},
		{"port of the other scheme", "http://example.com:443", "http://example.com:443", ""},
		{"star at the end", "https://example.com/x/*", "https://example.com/x/", ""},
		{"star as whole path", "https://example.com/*", "https://example.com", ""},
		{"escape", "https://example.com/a%2fb%20c", "https://example.com/a%2Fb%20c", ""},
		{"empty", "", "", "empty"},
		{"no scheme", "example.com/x", "", "scheme"},
		{"other scheme", "ftp://example.com", "", "scheme"},
		{"websocket", "wss://example.com", "", "scheme"},
		{"no host", "https:///x", "", "empty"},
		{"port alone", "https://:443/", "", "empty"},
		{"user information", "https://user:pw@example.com/", "", "userinfo"},
		{"query", "https://example.com/x?y", "", "query"},
		{"query after host", "https://example.com?y", "", "query"},
		{"fragment", "https://example.com/x#y", "", "query"},
		{"empty port", "https://example.com:/x", "", "port"},
		{"port 0", "https://example.com:0/x", "", "port"},
		{"address", "https://192.0.2.1/", "", "address"},
		{"v6", "https://[2001:db8::1]/", "", "bracket"},
		{"star in the path", "https://example.com/a*/b", "", "path-star"},
		{"star glued to the path", "https://example.com/a*", "", "path-star"},
		{"dot segment", "https://example.com/a/../b", "", "path-dots"},
		{"escaped dot segment", "https://example.com/a/%2E%2e/b", "", "path-dots"},
		{"single dot", "https://example.com/./b", "", "path-dots"},
		{"broken escape", "https://example.com/a%2", "", "path-escape"},
		{"space in path", "https://example.com/a b", "", "space"},
		{"control in path", "https://example.com/a\rb", "", "control"},
		{"backslash", `https://example.com/a\b`, "", "path"},
		{"unicode in path", "https://example.com/日本", "", "path"},
		{"backslash for slash", `https:\\example.com`, "", "scheme"},
		{"backslash in authority", `https://example.com\@evil.com`, "", "userinfo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseURL(tt.in)
			reason := reasonOf(t, err)
			if got.String() != tt.want || reason != tt.reason {
				t.Fatalf("ParseURL(%q) = %q, reason %q; want %q, reason %q", tt.in, got, reason, tt.want, tt.reason)
			}
			if err != nil {
				return
			}
			if again, err := ParseURL(got.String()); err != nil || again != got {
				t.Errorf("%q read back: %q, %v", got, again, err)
			}
		})
	}
}

func TestURLMatch(t *testing.T) {
	tests := []struct {
		url, scheme string
		host        Host
		port        uint16
		path        string
		want        bool
	}{
		{"https://*.example.com/pki", "https", "a.example.com", 443, "/pki", true},
		{"https://*.example.com/pki", "https", "a.example.com", 443, "/pki/x", true},
		{"https://*.example.com/pki", "https", "a.example.com", 443, "/pkix", false},
		{"https://*.example.com/pki/", "https", "a.example.com", 443, "/pki/x", true},
		{"https://*.example.com/pki/", "https", "a.example.com", 443, "/pki", false},
		{"https://*.example.com/pki", "http", "a.example.com", 443, "/pki", false},
		{"https://*.example.com/pki", "https", "example.com", 443, "/pki", false},
		{"https://*.example.com/pki", "https", "a.example.com", 8443, "/pki", false},
		{"https://*.example.com:8443/pki", "https", "a.example.com", 8443, "/pki", true},
		{"https://a.example.com/pki", "https", "a.example.com", 443, "/pki/../secret", false},
		{"https://a.example.com/pki", "https", "a.example.com", 443, "/pki/%2e%2e/secret", false},
		{"https://a.example.com/pki", "https", "a.example.com", 443, "/pki%2f..%2fsecret", false},
		{"https://a.example.com/pki", "https", "a.example.com", 443, "/pki/a%5cb", false},
		{"https://a.example.com/a%2fb", "https", "a.example.com", 443, "/a%2fb", false},
		{"https://a.example.com/a%20b", "https", "a.example.com", 443, "/a%20b/c", true},
		{"https://a.example.com", "https", "a.example.com", 443, "/any/../thing", true},
		{"http://a.example.com", "http", "a.example.com", 80, "", true},
	}
	for _, tt := range tests {
		if got := MustURL(tt.url).Match(tt.scheme, tt.host, tt.port, tt.path); got != tt.want {
			t.Errorf("%s against %s %s %d %s: %v, want %v", tt.url, tt.scheme, tt.host, tt.port, tt.path, got, tt.want)
		}
	}
	if (URL{}).Match("", "", 443, "") {
		t.Error("the zero URL matches")
	}
}

func TestParseTarget(t *testing.T) {
	tests := []struct {
		name, in string
		kind     TargetKind
		want     string
		reason   string
	}{
		{"host", "Manage.Microsoft.com", HostTarget, "manage.microsoft.com", ""},
		{"host and port", "manage.microsoft.com:8080", HostTarget, "manage.microsoft.com:8080", ""},
		{"v4", "20.190.128.1", AddrTarget, "20.190.128.1", ""},
		{"v4 and port", "20.190.128.1:443", AddrTarget, "20.190.128.1:443", ""},
		{"v6", "2603:1026::1", AddrTarget, "2603:1026::1", ""},
		{"v6 in brackets", "[2603:1026::1]", AddrTarget, "2603:1026::1", ""},
		{"v6 and port", "[2603:1026::1]:443", AddrTarget, "[2603:1026::1]:443", ""},
		{"prefix", "20.190.128.0/18", PrefixTarget, "20.190.128.0/18", ""},
		{"v6 prefix", "2603:1026::/36", PrefixTarget, "2603:1026::/36", ""},
		{"url", "https://login.microsoftonline.com", URLTarget, "https://login.microsoftonline.com/", ""},
		{"url loses its secrets", "https://login.microsoftonline.com/common/oauth2/authorize?login_hint=a@b#c", URLTarget,
			"https://login.microsoftonline.com/common/oauth2/authorize", ""},
		{"url with port", "http://example.com:8080/x", URLTarget, "http://example.com:8080/x", ""},
		{"url of an address", "https://20.190.128.1/", URLTarget, "https://20.190.128.1/", ""},
		{"url of a v6 address", "https://[2603:1026::1]:8443/x", URLTarget, "https://[2603:1026::1]:8443/x", ""},
		{"empty", "", 0, "", "empty"},
		{"host bits", "20.190.128.1/18", 0, "", "host-bits"},
		{"url without scheme", "login.microsoftonline.com/common", 0, "", "scheme-missing"},
		{"other scheme", "ftp://example.com", 0, "", "scheme"},
		{"user information", "https://user:pw@example.com/", 0, "", "userinfo"},
		{"star", "*.example.com", 0, "", "wildcard"},
		{"odd address", "127.1", 0, "", "address"},
		{"odd address in a url", "http://0x7f.1/", 0, "", "address"},
		{"v4 in v6", "::ffff:20.190.128.1", 0, "", "mapped"},
		{"zone", "fe80::1%eth0", 0, "", "zone"},
		{"percent", "a%2eb.com", 0, "", "percent"},
		{"space", "login.live.com ", 0, "", "space"},
		{"empty port", "login.live.com:", 0, "", "port"},
		{"account", "alice@contoso.com", 0, "", "userinfo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTarget(tt.in)
			reason := reasonOf(t, err)
			if got.String() != tt.want || got.Kind != tt.kind || reason != tt.reason {
				t.Fatalf("ParseTarget(%q) = %v %q, reason %q; want %v %q, reason %q", tt.in, got.Kind, got, reason, tt.kind, tt.want, tt.reason)
			}
			if err != nil {
				return
			}
			if again, err := ParseTarget(got.String()); err != nil || again != got {
				t.Errorf("%q read back: %+v, %v", got, again, err)
			}
		})
	}
}
