package lab

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const directoryURL = signInHost + "/organizations/lab/directory"

// manage posts one form of the directory's page with the token that the page shows.
func manage(t testing.TB, c *http.Client, fields ...string) reply {
	t.Helper()
	return manageIn(t, c, "en", fields...)
}

// manageIn is manage in a language.
func manageIn(t testing.TB, c *http.Client, language string, fields ...string) reply {
	t.Helper()
	shown := do(t, c, "GET", directoryURL, "")
	csrf := formCSRF.FindStringSubmatch(shown.body)
	if csrf == nil {
		t.Fatalf("%d %s", shown.StatusCode, shown.body)
	}
	v := url.Values{"csrf": {html.UnescapeString(csrf[1])}}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	r := do(t, c, "POST", directoryURL, v.Encode(), "Accept-Language", language)
	if r.StatusCode == http.StatusSeeOther {
		return do(t, c, "GET", signInHost+r.Header.Get("Location"), "")
	}
	return r
}

func TestDirectoryIsChangedOnItsPage(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	if r := administrator(t, browser(t, w), directoryURL, Alice, AlicePassword); strings.Contains(r.body, "<table") {
		t.Error("alice is no administrator, and sees the page")
	}
	r := administrator(t, c, directoryURL, Hanako, HanakoPassword)
	if r.StatusCode != 200 || !strings.Contains(r.body, "contoso.example") || !strings.Contains(r.body, "TXT MS=") || strings.Contains(r.body, Bob) {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}

	// People.
	if r := manage(t, c, "do", "create-user", "display_name", "<b>Nao</b>", "user_name", "nao@contoso.com", "new_password", "Lab-nao-2026"); r.StatusCode != 200 ||
		!strings.Contains(r.body, "Done.") || !strings.Contains(r.body, "&lt;b&gt;Nao&lt;/b&gt;") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	codeOf(t, signIn(t, browser(t, w), authorizeURL("organizations"), "nao@contoso.com", "Lab-nao-2026"))
	if r := manage(t, c, "do", "create-user", "display_name", "X", "user_name", "x@fabrikam.com", "new_password", "Lab-nao-2026"); r.StatusCode != 400 || !strings.Contains(r.body, "Not done.") {
		t.Errorf("a user in another tenant's domain: %d", r.StatusCode)
	}
	alice, _ := w.Directory().Person(Alice)
	manage(t, c, "do", "disable", "key", alice.ID)
	if r := signIn(t, browser(t, w), authorizeURL("organizations"), Alice, AlicePassword); !strings.Contains(r.body, "AADSTS50057") {
		t.Errorf("a disabled account: %d %s", r.StatusCode, r.body)
	}
	manage(t, c, "do", "enable", "key", alice.ID)
	codeOf(t, signIn(t, browser(t, w), authorizeURL("organizations"), Alice, AlicePassword))

	// Domains: added, not verified without the record.
	if r := manage(t, c, "do", "add-domain", "domain", "shop.example"); !strings.Contains(r.body, "shop.example. TXT MS=") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := manage(t, c, "do", "verify", "key", "shop.example"); r.StatusCode != 400 || !strings.Contains(r.body, "Not done.") {
		t.Errorf("verified without a record: %d", r.StatusCode)
	}

	// What is refused is said in the reader's language, not in Graph's.
	for _, x := range []struct {
		fields []string
		en, ja string
	}{
		{[]string{"do", "create-user", "display_name", "X", "user_name", "x@fabrikam.com", "new_password", "Lab-nao-2026"}, "must end in a verified domain", "検証済みドメインを使ってください"},
		{[]string{"do", "create-user", "display_name", "X", "user_name", "nao@contoso.com", "new_password", "Lab-nao-2026"}, "has that name already", "既に存在します"},
		{[]string{"do", "create-user", "display_name", "X", "user_name", "x y", "new_password", "Lab-nao-2026"}, "not of the form user@", "ユーザー名の形式"},
		{[]string{"do", "create-user", "display_name", "X", "user_name", "x@contoso.com", "new_password", "short"}, "8 to 256 characters", "8 ～ 256 文字"},
		{[]string{"do", "create-user", "display_name", "", "user_name", "x@contoso.com", "new_password", "Lab-nao-2026"}, "needed is empty", "必須の項目"},
		{[]string{"do", "add-domain", "domain", "no domain"}, "not of the form shop.example", "ドメイン名の形式"},
		{[]string{"do", "add-domain", "domain", "x.onmicrosoft.com"}, "reserved", "予約済み"},
		{[]string{"do", "add-domain", "domain", "contoso.com"}, "has that name already", "既に存在します"},
		{[]string{"do", "verify", "key", "shop.example"}, "neither the TXT nor the MX", "TXT レコードも MX レコードも"},
		{[]string{"do", "verify", "key", "contoso.com"}, "verified already", "検証済みです"},
		{[]string{"do", "disable", "key", ContosoTenant}, "is not there", "見つかりません"},
		{[]string{"do", "consent", "key", ContosoTenant}, "is not there", "見つかりません"},
		{[]string{"do", "nonsense"}, "nothing that this page does", "このページにない操作"},
	} {
		for language, want := range map[string]string{"en": x.en, "ja": x.ja} {
			if r := manageIn(t, c, language, x.fields...); r.StatusCode != 400 || !strings.Contains(html.UnescapeString(r.body), want) {
				t.Errorf("%v in %s: %d, want %q in %s", x.fields, language, r.StatusCode, want, regexp.MustCompile(`(?s)<p class="problem".*?</p>`).FindString(r.body))
			}
		}
	}

	// Agreement to applications.
	manage(t, c, "do", "withdraw", "key", ServiceApplication)
	contoso, _ := w.Directory().Tenant(ContosoTenant)
	if a, _ := w.Directory().Application(ServiceApplication); a.Consented(contoso, nil) {
		t.Error("the agreement was not withdrawn")
	}
	manage(t, c, "do", "consent", "key", ServiceApplication)
	if a, _ := w.Directory().Application(ServiceApplication); !a.Consented(contoso, nil) {
		t.Error("nothing was agreed to")
	}

	// What another site's page or a link sends changes nothing.
	page := do(t, c, "GET", directoryURL, "")
	csrf := url.QueryEscape(formCSRF.FindStringSubmatch(page.body)[1])
	for name, try := range map[string][]string{
		"without the token":  {"do=disable&key=" + alice.ID},
		"with another token": {"do=disable&csrf=x&key=" + alice.ID},
		"from another site":  {"do=disable&csrf=" + csrf + "&key=" + alice.ID, "Origin", "https://evil.example"},
	} {
		do(t, c, "POST", directoryURL, try[0], try[1:]...)
		if now, _ := w.Directory().Person(Alice); now.Disabled {
			t.Fatal(name)
		}
	}
	do(t, c, "GET", directoryURL+"?do=disable&csrf="+csrf+"&key="+alice.ID, "")
	for _, fields := range [][]string{{"do", "nonsense"}, {"do", "disable", "key", "../domains/x"}, {"do", "verify", "key", "\x7f"}, {"do", "consent", "key", "x"}, {"do", "disable", "key", ""}} {
		if r := manage(t, c, fields...); r.StatusCode != 400 || !regexp.MustCompile(`Not done|malformed`).MatchString(r.body) {
			t.Errorf("%v: %d", fields, r.StatusCode)
		}
	}
	bob, _ := w.Directory().Person(Bob)
	manage(t, c, "do", "disable", "key", bob.ID)
	if now, _ := w.Directory().Person(Bob); now.Disabled {
		t.Error("an administrator of Contoso disabled somebody of Fabrikam")
	}
}
