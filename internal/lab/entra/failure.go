package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sekisho/internal/finding"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
)

// failure is one error answer. The AADSTS numbers and their meanings are those of Microsoft, "Microsoft Entra
// authentication and authorization error codes" (2024-04-24); the "error" strings those of RFC 6749, sections 4.1.2.1
// and 5.2, RFC 8628, section 3.5, and OpenID Connect Core 1.0, section 3.1.2.6.
type failure struct {
	code    int    // AADSTS number; 0 when the answer is the lab's own
	oauth   string // "error"
	status  int    // HTTP status in JSON
	page    int    // HTTP status as a page
	text    string // English, for error_description
	title   string // message id of the page's title; "" gives the general one
	lead    string // message id of the page's first paragraph
	args    map[string]string
	sub     string // "suberror"
	allow   string // of 405
	applies bool   // may be sent to the application by redirect
}

func fail(code int, oauth string, status int, format string, args ...any) *failure {
	return &failure{code: code, oauth: oauth, status: status, page: http.StatusBadRequest, text: fmt.Sprintf(format, args...)}
}

// told marks f as one that the application is told by redirect (RFC 6749, section 4.1.2.1).
func (f *failure) told() *failure { f.applies = true; return f }

// asking makes f the answer of authorize where it may not ask the person (OpenID Connect Core 1.0, section 3.1.2.6).
func (f *failure) asking() *failure { f.oauth = "consent_required"; return f.told() }

func failNoSession() *failure {
	return fail(50058, "login_required", 400, "Session information is not sufficient for single-sign-on.").told()
}

// failConsent is what Microsoft's clients know as "interaction needed": invalid_grant with the suberror consent_required.
func failConsent(a *directory.Application) *failure {
	f := fail(65001, "invalid_grant", 400,
		"The user or administrator has not consented to use the application with ID '%s' named '%s'. Send an interactive authorization request for this user and resource.",
		a.ID, a.Name)
	f.sub = "consent_required"
	return f
}

func failDeclined() *failure {
	return fail(65004, "access_denied", 400, "User declined to consent to access the app.")
}

func failAdministrator(a *directory.Application) *failure {
	f := fail(90094, "access_denied", 400, "Administrator consent is required for the application '%s'(%s).", a.ID, a.Name)
	f.lead, f.args = "lab.consent.administrator", map[string]string{"application": a.Name}
	return f
}

func failRevoked() *failure {
	return fail(50173, "invalid_grant", 400, "The provided grant has expired due to it being revoked, a fresh auth token is needed.")
}

// failInside and failFull are the lab's own troubles: no key signs, or what it remembers is full.
func failInside() *failure {
	return &failure{oauth: "temporarily_unavailable", status: 503, page: 503, text: "LAB: the token could not be signed."}
}

func failFull() *failure {
	return &failure{oauth: "temporarily_unavailable", status: 503, page: 503, text: "LAB: the consent could not be kept."}
}

// standing tells why an account may not sign in, whatever its password: disabled or locked.
func standing(u *directory.User) *failure {
	var f *failure
	switch {
	case u.Disabled || u.Person().Disabled:
		f = fail(50057, "invalid_grant", 400, "The user account is disabled.")
		f.lead = "lab.account.disabled"
	case u.Person().Synced != nil && u.Person().Synced.Expired:
		// What a domain controller says to the agent (data 701) has no code of its own; 50057 is assumed.
		f = fail(50057, "invalid_grant", 400, "The user account is disabled.")
		f.lead = "lab.account.disabled"
	case u.Person().Locked:
		f = fail(50053, "invalid_grant", 400, "The account is locked because the user tried to sign in too many times with an incorrect user ID or password.")
		f.lead = "lab.account.locked"
	}
	return f
}

// failNoPassword is the answer where there is no password to compare with: password hash synchronisation did not bring one.
func failNoPassword() *failure {
	return fail(50056, "invalid_grant", 400, "Invalid or null password: password does not exist in the directory for this user.")
}

// passwordState tells why a right password is not enough: it has expired, or must be changed first. Both are 50055, which
// the reference gives for a password of the cloud; 50144 is that of an expired password kept on the premises, which those have
// whom a synchronisation brought.
func passwordState(u *directory.User) *failure {
	p := u.Person()
	if !p.PasswordExpired && !p.MustChange {
		return nil
	}
	f := fail(50055, "invalid_grant", 400, "The password is expired.")
	if p.PasswordExpired && p.Synced != nil {
		f = fail(50144, "invalid_grant", 400, "User's Active Directory password has expired.")
	}
	f.lead = "lab.account.expired"
	if !p.PasswordExpired {
		f.lead = "lab.account.change"
	}
	return f
}

func failQueryTooLong() *failure {
	return fail(90015, "invalid_request", 400, "The query string is too long.")
}

func failMissing(name string) *failure {
	return fail(900144, "invalid_request", 400, "The request body must contain the following parameter: '%s'.", name)
}

func failMalformed(why string) *failure {
	return fail(9002313, "invalid_request", 400, "Invalid request. Request is malformed or invalid: %s.", why)
}

func failMethod(want, got string) *failure {
	f := fail(900561, "invalid_request", 405, "The endpoint only accepts %s requests. Received a %s request.", want, clip(got, 20))
	f.page, f.allow = http.StatusMethodNotAllowed, want
	return f
}

func failTenant(name string) *failure {
	return fail(90002, "invalid_request", 400, "Tenant '%s' not found. Check to make sure you have the correct tenant ID.", clip(name, 100))
}

func failNoTenant() *failure {
	return fail(50059, "invalid_request", 400, "No tenant-identifying information found in either the request or implied by any provided credentials.")
}

func failApplication(id, tenant string) *failure {
	return fail(700016, "unauthorized_client", 400,
		"Application with identifier '%s' was not found in the directory '%s'.", clip(id, 100), tenant)
}

func failSingleTenant(a *directory.Application) *failure {
	return fail(50194, "invalid_request", 400, "Application '%s'(%s) is not configured as a multi-tenant application.", a.ID, a.Name)
}

func failUserUnknown(name, tenant string) *failure {
	f := fail(50034, "invalid_grant", 400, "The user account %s does not exist in the %s directory.", "{EmailHidden}", tenant)
	f.lead, f.args = "lab.signin.unknown", map[string]string{"user": clip(name, 100)}
	return f
}

func failNotGuest(home, tenant string, a *directory.Application) *failure {
	return fail(50020, "interaction_required", 400,
		"User account '{EmailHidden}' from identity provider '%s' does not exist in tenant '%s' and cannot access the application '%s'(%s) in that tenant.",
		home, tenant, a.ID, a.Name).told()
}

func failPassword() *failure {
	f := fail(50126, "invalid_grant", 400, "Error validating credentials due to invalid username or password.")
	f.lead = "lab.signin.wrong"
	return f
}

func failGrantType(got string) *failure {
	return fail(70003, "unsupported_grant_type", 400, "The app requested an unsupported grant type '%s'.", clip(got, 60))
}

func failScope(scope string) *failure {
	return fail(70011, "invalid_scope", 400,
		"The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.", clip(scope, 100)).told()
}

func failResource(name, tenant string) *failure {
	return fail(500011, "invalid_resource", 400,
		"The resource principal named %s was not found in the tenant named %s.", clip(name, 100), tenant).told()
}

func failCode() *failure {
	return fail(70000, "invalid_grant", 400, "The provided authorization code or refresh token is not valid.")
}

// failRestricted is the refusal under tenant restrictions. Its texts: the error reference for 500021, "Set up tenant
// restrictions v2" for 5000211. Its HTTP status and "error" are documented nowhere.
func failRestricted(code int, tenant string, a directory.Assumptions) *failure {
	text := fmt.Sprintf("Access to '%s' tenant is denied.", tenant)
	if code == 5000211 {
		text = fmt.Sprintf("A tenant restrictions policy added to this request by a device or network administrator does not allow access to '%s'.", tenant)
	}
	return &failure{
		code: code, oauth: a.RestrictionError, status: a.RestrictionStatus, page: a.RestrictionPageStatus, text: text,
		title: "lab.restricted.title", lead: "lab.restricted.text", args: map[string]string{"tenant": tenant},
	}
}

// failMisconfigured is the lab's own answer where Microsoft's behaviour is not known.
func failMisconfigured(f finding.Finding, a directory.Assumptions) *failure {
	return &failure{
		oauth: "invalid_request", status: a.MisconfiguredStatus, page: a.MisconfiguredStatus,
		text:  "LAB: the restriction headers of this request have no documented meaning (" + f.Code + "); the lab does not guess.",
		title: "lab.doubt.title", lead: f.Code, args: f.Args,
	}
}

// body is the error answer as "Microsoft Entra authentication and authorization error codes" shows it.
type body struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	Timestamp   string `json:"timestamp"`
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
	URI         string `json:"error_uri,omitempty"`
	Sub         string `json:"suberror,omitempty"`
}

func (x *exchange) timestamp() string { return x.now.Format("2006-01-02 15:04:05Z") }

func (x *exchange) description(f *failure) string {
	text := f.text
	if f.code != 0 {
		text = fmt.Sprintf("AADSTS%d: %s", f.code, f.text)
	}
	return fmt.Sprintf("%s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s", text, x.trace, x.correlation, x.timestamp())
}

func lookup(code int) string {
	if code == 0 {
		return ""
	}
	return "https://" + Host + "/error?code=" + strconv.Itoa(code)
}

// failJSON answers with f as JSON and notes it.
func (x *exchange) failJSON(f *failure) {
	if f.code == 500021 || f.code == 5000211 {
		x.assume(directory.AssumedRestrictionStatus)
	}
	x.note(f)
	codes := []int{}
	if f.code != 0 {
		codes = append(codes, f.code)
	}
	if f.status == http.StatusMethodNotAllowed {
		x.w.Header().Set("Allow", f.allow)
	}
	x.json(f.status, body{f.oauth, x.description(f), codes, x.timestamp(), x.trace, x.correlation, lookup(f.code), f.sub})
}

// json answers with v.
func (x *exchange) json(status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(x.w, "LAB: answer could not be encoded", http.StatusInternalServerError)
		return
	}
	if strings.EqualFold(x.r.URL.Query().Get("return-client-request-id"), "true") ||
		strings.EqualFold(x.r.Header.Get("return-client-request-id"), "true") {
		x.w.Header().Set("client-request-id", x.correlation)
	}
	x.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	x.w.WriteHeader(status)
	x.w.Write(data)
}

// failPage answers with f as the sign-in service's error page and notes it.
func (x *exchange) failPage(f *failure) {
	if f.code == 500021 || f.code == 5000211 {
		x.assume(directory.AssumedRestrictionPage)
	}
	x.note(f)
	if f.allow != "" {
		x.w.Header().Set("Allow", f.allow)
	}
	p := page.Page{
		Status: f.page, Title: f.title, Args: f.args,
		Fields: []page.Field{
			{Label: "lab.error.code", Value: "LAB"}, {Label: "lab.error.message", Value: f.text},
			{Label: "lab.error.trace", Value: x.trace}, {Label: "lab.error.correlation", Value: x.correlation},
			{Label: "lab.error.timestamp", Value: x.timestamp()},
		},
	}
	if f.code != 0 {
		p.Fields[0].Value = fmt.Sprintf("AADSTS%d", f.code)
		p.Fields[1].Value = fmt.Sprintf("AADSTS%d: %s", f.code, f.text)
	}
	if p.Title == "" {
		p.Title = "lab.error.title"
	}
	p.Text = []string{"lab.error.text"}
	if f.lead != "" {
		p.Text = []string{f.lead}
	}
	x.s.Pages.Write(x.w, x.r, p)
}

// errorLookup is the page that error_uri points to.
func (x *exchange) errorLookup() {
	code := x.r.URL.Query().Get("code")
	if n, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(code), "AADSTS")); err == nil && n > 0 {
		code = strconv.Itoa(n)
	} else {
		code = ""
	}
	p := page.Page{Title: "lab.lookup.title", Text: []string{"lab.lookup.text"}}
	if code != "" {
		p.Fields = []page.Field{{Label: "lab.error.code", Value: "AADSTS" + code}}
	}
	x.s.Pages.Write(x.w, x.r, p)
}

// failTold answers with f: to the application when it may be told and target is its redirect URI, else as a page.
func (x *exchange) failTold(f *failure, a *authorization) {
	if !f.applies || a == nil || a.redirect == "" {
		x.failPage(f)
		return
	}
	x.note(f)
	q := url.Values{"error": {f.oauth}, "error_description": {x.description(f)}}
	if u := lookup(f.code); u != "" {
		q.Set("error_uri", u)
	}
	x.redirect(a, q)
}
