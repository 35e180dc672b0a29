package message

import "testing"

func TestPick(t *testing.T) {
	for _, c := range []struct {
		header   string
		fallback []string
		want     string
	}{
		{"ja", nil, "ja"},
		{"ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7", nil, "ja"},
		{"en-US,en;q=0.9,ja;q=0.8", []string{"ja"}, "en"},
		{"fr-FR, ja;q=0.5", nil, "ja"},
		{"fr", nil, "en"},
		{"fr", []string{"ja"}, "ja"},
		{"", []string{"ja"}, "ja"},
		{"", nil, "en"},
		{"", []string{"", "de"}, "en"},
		{"ja;q=0, en", nil, "en"},
		{"*", []string{"ja"}, "ja"},
		{"\x00\xff;;q=,", []string{"ja"}, "ja"},
		{"en;q=0.2, ja;q=0.9", nil, "ja"},
	} {
		if got := Pick(c.header, c.fallback...); got != c.want {
			t.Errorf("Pick(%q, %q) = %q, want %q", c.header, c.fallback, got, c.want)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "en"},
		{map[string]string{"LANG": "ja_JP.UTF-8"}, "ja"},
		{map[string]string{"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, "en"},
		{map[string]string{"LANG": "C", "LC_MESSAGES": "ja_JP.eucJP"}, "ja"},
		{map[string]string{"LANG": "ja_JP@cjknarrow", "LC_ALL": ""}, "ja"},
		{map[string]string{"LANG": "ja-JP"}, "ja"},
		{map[string]string{"LANG": "Japanese_Japan.932"}, "ja"},
		{map[string]string{"LANG": "POSIX"}, "en"},
		{map[string]string{"LANG": "jam_JM"}, "en"},
	} {
		if got := FromEnvironment(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("FromEnvironment(%v) = %q, want %q", c.env, got, c.want)
		}
	}
}
