package lab

import (
	"encoding/csv"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/entra"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
	"sekisho/internal/signinlog"
)

const reportURL = signInHost + "/organizations/lab/report"

// administrator signs in as user to read the report at target and follows to it.
func administrator(t testing.TB, c *http.Client, target, user, password string, header ...string) reply {
	t.Helper()
	r := signIn(t, c, target, user, password, header...)
	if r.StatusCode != http.StatusSeeOther {
		return r
	}
	return do(t, c, "GET", signInHost+r.Header.Get("Location"), "", header...)
}

var tableHead, tableRow = regexp.MustCompile(`(?s)<thead>(.*?)</thead>`), regexp.MustCompile(`(?s)<tr><td .*?</tr>`)

func TestReportIsForTheTenantsAdministratorsAlone(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	// What Contoso's restriction blocks, what Fabrikam's people do without one, and a personal account.
	do(t, c, "GET", authorizeURL("fabrikam.com"), "", v1Contoso...)
	signIn(t, browser(t, w), authorizeURL("organizations"), Bob, BobPassword, v1Contoso...)
	signIn(t, browser(t, w), authorizeURL("fabrikam.com"), Bob, BobPassword)

	for user, password := range map[string]string{Alice: AlicePassword, Bob: BobPassword, Frank: FrankPassword} {
		r := administrator(t, browser(t, w), reportURL, user, password)
		if strings.Contains(r.body, "<table") || !strings.Contains(r.body, map[bool]string{false: "Only administrators", true: "AADSTS500208"}[user == Frank]) {
			t.Errorf("%s: %d %s", user, r.StatusCode, r.body)
		}
	}
	// Dave is an administrator of Fabrikam and a guest in Contoso without that right.
	if r := administrator(t, browser(t, w), signInHost+"/contoso.com/lab/report", Dave, DavePassword); strings.Contains(r.body, "<table") {
		t.Error("a guest reads the report of Contoso")
	}
	r := administrator(t, c, reportURL, Hanako, HanakoPassword, v1Contoso...)
	if r.StatusCode != 200 || !strings.Contains(r.body, "LAB") || len(tableRow.FindAllString(r.body, -1)) != 2 || !strings.Contains(r.body, ">Failure<") ||
		!strings.Contains(r.body, "{PII Removed}@fabrikam.com") || strings.Contains(r.body, Bob) || strings.Contains(r.body, "Bob Baker") {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	heads := tableHead.FindString(r.body)
	for _, want := range []string{"User", "Application", "Status", "Date", "Date (UTC)", "IP address", "Client app", "User name", "Location", "Target tenant ID"} {
		if !strings.Contains(heads, ">"+want+"<") {
			t.Errorf("no column %q in %s", want, heads)
		}
	}
	ja := do(t, c, "GET", reportURL, "", "Accept-Language", "ja")
	if !strings.Contains(ja.body, `lang="ja"`) || !strings.Contains(ja.body, "ターゲット テナント ID") || !strings.Contains(ja.body, "ラボ (LAB)") ||
		!strings.Contains(ja.body, ">モバイル アプリとデスクトップ クライアント</td>") || !strings.Contains(ja.body, `href="/organizations/lab/directory"`) {
		t.Errorf("%s", ja.body)
	}
	// Fabrikam's administrator does not see what Contoso's restriction did, nor Contoso's tenant.
	d := browser(t, w)
	if r := administrator(t, d, reportURL, Dave, DavePassword); !strings.Contains(r.body, "No sign-in matches") {
		t.Errorf("%s", r.body)
	}
	if r := do(t, d, "GET", reportURL+"?which=all", ""); !strings.Contains(r.body, Bob) || strings.Contains(r.body, Hanako+"</td>") {
		t.Errorf("%s", r.body)
	}
	// Under Contoso's restriction Fabrikam's report is what any resource of a foreign tenant is.
	if r := do(t, d, "GET", reportURL, "", v1Contoso...); r.StatusCode != 400 || !strings.Contains(r.body, "AADSTS500021") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func TestReportFormChoosesColumnsAndRows(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	administrator(t, c, reportURL, Hanako, HanakoPassword)
	clientCredentials(t, c, "fabrikam.com", v1Contoso...)
	do(t, c, "GET", authorizeURL("fabrikam.com"), "", append([]string{"User-Agent", "Mozilla/5.0"}, v1Contoso...)...)
	rows := func(query string) int {
		t.Helper()
		r := do(t, c, "GET", reportURL+"?"+query, "")
		if r.StatusCode != 200 {
			t.Fatalf("%s: %d", query, r.StatusCode)
		}
		return len(tableRow.FindAllString(r.body, -1))
	}
	for query, want := range map[string]int{
		"": 2, "status=failure": 2, "status=success": 0, "status=AADSTS500021": 2, "client=Browser": 1, "application=lab+service": 1,
		"application=" + PublicApplication: 1, "user=" + Hanako: 0, "which=all&user=" + Hanako: 1, "since=2999-01-01T00:00": 0,
		"until=" + url.QueryEscape(time.Now().Add(-time.Hour).Format("2006-01-02T15:04")): 0, "as-of=2001-01-01": 0,
	} {
		if got := rows(query); got != want {
			t.Errorf("%q shows %d rows, want %d", query, got, want)
		}
	}
	r := do(t, c, "GET", reportURL+"?column.status=1&column.code=1&column.nonsense=1", "")
	if heads := tableHead.FindString(r.body); strings.Count(heads, "<th ") != 2 || !strings.Contains(r.body, ">500021</td>") {
		t.Errorf("columns: %s", heads)
	}
	for _, query := range []string{"status=failed", "since=yesterday", "until=%3Cscript%3E"} {
		if r := do(t, c, "GET", reportURL+"?"+query, ""); r.StatusCode != 400 || !strings.Contains(r.body, "cannot be read") || strings.Contains(r.body, "<script>") {
			t.Errorf("%s: %d", query, r.StatusCode)
		}
	}
	if r := do(t, c, "POST", reportURL, "username="+Hanako); strings.Contains(r.body, "<table") || r.StatusCode == http.StatusSeeOther {
		t.Errorf("a form without its token: %d", r.StatusCode)
	}
	if r := do(t, c, "PUT", reportURL, ""); r.StatusCode != 405 || r.Header.Get("Allow") == "" {
		t.Errorf("PUT: %d", r.StatusCode)
	}
	// The file is read by who reads the real one.
	f := do(t, c, "GET", reportURL+"?format=csv", "")
	if f.StatusCode != 200 || !strings.HasPrefix(f.body, "\ufeff") || !strings.HasPrefix(f.Header.Get("Content-Disposition"), "attachment") ||
		!strings.HasPrefix(f.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("%d %v %q", f.StatusCode, f.Header, f.body)
	}
	if read, err := signinlog.ReadCSV("report", strings.NewReader(f.body)); err != nil || len(read) != 2 || read[0].TargetTenant != FabrikamTenant {
		t.Errorf("%v %+v", err, read)
	}
}

// What strangers wrote stands on the page as text and in the file as text, and pages do not move while rows are added.
func TestReportEscapesAndPages(t *testing.T) {
	d, err := directory.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.NewRing(nil)
	if err != nil {
		t.Fatal(err)
	}
	log := &journal.Journal{}
	s, err := entra.New(t.Context(), entra.Options{Directory: directory.Fixed(d), Keys: keys, Journal: log, Pages: page.New()})
	if err != nil {
		t.Fatal(err)
	}
	add := func(at time.Time, name string) {
		log.Add(journal.SignIn{ID: "1", Time: at, Host: "login.microsoftonline.com", Endpoint: "authorize", User: "x@contoso.com", UserDisplay: name,
			HomeTenant: ContosoTenant, Tenant: FabrikamTenant, Code: 500021, Context: ContosoTenant})
	}
	start := time.Now().Add(-time.Hour)
	for i := range 60 {
		add(start.Add(time.Duration(i)*time.Second), `=cmd|"/c calc"!A1<script>alert(1)</script>`+"\u202e")
	}
	cookie := ""
	ask := func(method, path, form string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://login.microsoftonline.com"+path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if set := w.Result().Cookies(); len(set) > 0 {
			cookie = set[0].Name + "=" + set[0].Value
		}
		return w
	}
	form := ask("GET", "/organizations/lab/report", "")
	csrf := formCSRF.FindStringSubmatch(form.Body.String())
	ask("POST", "/organizations/lab/report", url.Values{"csrf": {csrf[1]}, "username": {Hanako}, "password": {HanakoPassword}}.Encode())
	first := ask("GET", "/organizations/lab/report", "").Body.String()
	if strings.Contains(first, "<script") || strings.Contains(first, "\u202e") || !strings.Contains(first, "Rows 1 to 50 of 60.") {
		t.Errorf("%s", first)
	}
	older := regexp.MustCompile(`<a href="([^"]*)">Older</a>`).FindStringSubmatch(first)
	if older == nil {
		t.Fatal("no link to the older rows")
	}
	add(time.Now(), "late")
	if second := ask("GET", html.UnescapeString(older[1]), "").Body.String(); !strings.Contains(second, "Rows 51 to 60 of 60.") || !strings.Contains(second, ">Newer<") {
		t.Errorf("%s", second)
	}
	cells, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(ask("GET", "/organizations/lab/report?format=csv&column.user=1", "").Body.String(), "\ufeff"))).ReadAll()
	if err != nil || len(cells) != 62 || !strings.HasPrefix(cells[5][0], "'=cmd") {
		t.Errorf("%v, %d lines", err, len(cells))
	}
}
