package cli_test

import (
	"strings"
	"testing"
)

// What a shell asks for is answered with values, in the form of cobra's hidden command: one a line, then a directive.
func TestShellIsOfferedValues(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"catalog show intune.c", "intune.core"},
		{"catalog update m365-", "m365-worldwide"},
		{"route plan --features entra.sign-in,intune.co", "entra.sign-in,intune.core"},
		{"report decisions --verdict d", "deny"},
		{"lookup -o js", "jsonl"},
		{"up --log-level ", "debug"},
		{"up --lang ", "ja"},
	} {
		t.Run(c.line, func(t *testing.T) {
			code, out, err := run(t, "", append([]string{"__completeNoDesc"}, strings.Split(c.line, " ")...)...)
			if code != 0 || !strings.Contains("\n"+out, "\n"+c.want+"\n") || !strings.Contains(out, ":4\n") {
				t.Errorf("%d %q %s", code, out, err)
			}
		})
	}
}
