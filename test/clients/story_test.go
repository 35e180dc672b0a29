//go:build unix

package clients

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"sekisho/internal/lab"
)

// The rehearsal by hand of docs/lab.md, as somebody with a browser does it: the printed addresses, a permitted person, a
// foreign one, and the report as the administrators of the restricting tenant see it, in both languages.
func TestRehearsalByHand(t *testing.T) {
	t.Parallel()
	need(t, "chromium", "chromium", "chromium-browser", "google-chrome")
	need(t, "libnss3-tools", "certutil")
	c := up(t)
	printed := func(label string) string {
		t.Helper()
		for line := range strings.Lines(c.summary) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), label+" "); ok {
				return strings.TrimSpace(value)
			}
		}
		t.Fatalf("up prints no %q:\n%s", label, c.summary)
		return ""
	}
	signIn, report := printed("lab sign-in"), printed("lab report")
	const signOut = "https://login.microsoftonline.com/common/oauth2/v2.0/logout"
	for _, s := range []struct{ language, done, refused, outsiders, empty string }{
		{"en", "The application takes over now", "which your IT department has not approved", "Only administrators", "Tenant restrictions report of Contoso"},
		{"ja", "この先はアプリケーションが引き継ぎます", "IT 部門が承認していない組織", "テナントの管理者だけです", "Contoso のテナント制限レポート"},
	} {
		b := c.browse(t, s.language)
		b.visit(signIn)
		b.keep("story-1-sign-in-" + s.language)
		if status := b.submit(map[string]string{"username": lab.Alice, "password": lab.AlicePassword}); status != 200 || !strings.Contains(b.location(), "code=") {
			t.Errorf("the permitted person came to %s, status %d", b.location(), status)
		}
		b.shows(s.done)
		b.keep("story-2-permitted-" + s.language)
		b.visit(report) // alice is no administrator
		b.shows(s.outsiders)
		b.keep("story-3-no-administrator-" + s.language)

		b.visit(signOut)
		b.keep("story-4-signed-out-" + s.language)
		b.visit(signIn)
		if status := b.submit(map[string]string{"username": lab.Bob, "password": lab.BobPassword}); status != 400 {
			t.Errorf("the refusal has status %d", status)
		}
		b.shows("AADSTS500021", "Fabrikam", s.refused, "LAB")
		b.keep("story-5-refused-" + s.language)

		b.visit(report)
		b.submit(map[string]string{"username": lab.Hanako, "password": lab.HanakoPassword})
		b.shows(s.empty, "{PII Removed}@fabrikam.com", lab.FabrikamTenant, "00000000-0000-0000-0000-000000000000", "127.0.0.1")
		b.keep("story-6-report-" + s.language)
		if text := within(b, chromedp.Text(chromedp.CSS("body"))); strings.Contains(text, lab.Bob) || strings.Contains(text, "Bob Baker") {
			t.Errorf("the report names who belongs to another tenant:\n%s", text)
		}
		b.opens(chromedp.Click(chromedp.CSS(`input[name="column.code"]`)), chromedp.SetValue(chromedp.CSS("#which"), "all"), chromedp.Click(chromedp.CSS("#submit")))
		b.shows("500021", lab.Hanako, lab.Alice)
		b.keep("story-7-report-all-" + s.language)
	}
}
