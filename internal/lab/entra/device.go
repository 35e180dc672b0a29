package entra

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// device is one device code on its way (RFC 8628).
type device struct {
	app      string // client id
	tenant   string // "" under common and organizations
	path     string
	scopes   scopes
	made     time.Time
	userCode string
	warrant  *warrant // set when somebody has signed in
	declined bool
	used     bool
}

// deviceGrace is how long an expired device code is still told apart from one that never was (70019, 70018); chosen.
const deviceGrace = 15 * time.Minute

// verification is where a person enters the user code. Microsoft's clients show https://microsoft.com/devicelogin,
// which leads here; the lab names this page itself, because it answers only for the catalog's hosts.
const verification = "https://" + Host + "/common/oauth2/deviceauth"

// userCodeLetters leave out what is mistaken for something else (RFC 8628, section 6.1).
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ23456789"

func newUserCode() string {
	b := make([]byte, 9) // 28 letters to the 9th: more than 2^43
	rand.Read(b)
	for i := range b {
		b[i] = userCodeLetters[int(b[i])%len(userCodeLetters)]
	}
	return string(b)
}

// deviceCode is the device authorization endpoint.
func (x *exchange) deviceCode() {
	x.entry.Endpoint = "devicecode"
	v, f := x.form()
	if f != nil {
		x.failJSON(f)
		return
	}
	t, _, f := x.tenant()
	if f != nil {
		x.failJSON(f)
		return
	}
	known, _ := x.dir.Application(v.Get("client_id"))
	x.about(known, nil, t)
	if _, f = x.judge(admission.Subject{Resource: x.bootstrap(t, known), Application: known}); f != nil {
		x.failJSON(f)
		return
	}
	app, f := x.application(v.Get("client_id"), t)
	var s scopes
	if f == nil {
		s, f = x.ask(v, t)
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	name := token.Opaque(32)
	d := &device{app: app.ID, path: x.path, scopes: s, made: x.now, userCode: newUserCode()}
	if t != nil {
		d.tenant = t.ID
	}
	x.s.devices.put(name, d, x.now.Add(deviceLife+deviceGrace))
	x.s.devices.put("user "+d.userCode, d, x.now.Add(deviceLife))
	x.note(nil)
	m := map[string]any{
		"user_code": d.userCode, "device_code": name, "verification_uri": verification,
		"expires_in": int(deviceLife / time.Second), "interval": 5,
		"message": "LAB: to sign in, use a web browser to open the page " + verification + " and enter the code " + d.userCode + " to authenticate.",
	}
	if x.v1 {
		m["verification_url"] = verification
		delete(m, "verification_uri")
		m["expires_in"], m["interval"] = "900", "5"
	}
	x.json(http.StatusOK, m)
}

// deviceAuth is the page on which a person enters the user code and signs in, or says no. A code in the address is not
// taken for entered: it could have been anybody's (RFC 8628, section 5.4).
func (x *exchange) deviceAuth() {
	x.entry.Endpoint = "deviceauth"
	ses, fresh := x.session()
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		q, f := parameters(x.r.URL.RawQuery)
		if f != nil {
			x.failPage(f)
			return
		}
		x.deviceForm(ses, fresh, "", q.Get(paramUserCode))
		return
	}
	v, f := x.form()
	if f != nil {
		x.failPage(f)
		return
	}
	if fresh || !ses.checks(v.Get("csrf")) || x.fromElsewhere() {
		x.deviceForm(ses, fresh, "lab.signin.session", "")
		return
	}
	userCode := strings.ToUpper(strings.TrimSpace(v.Get("user_code")))
	if userCode == "" {
		x.failPage(fail(90119, "invalid_request", 400, "The user code is null or empty."))
		return
	}
	d, app, t, ok := x.waiting(userCode)
	if !ok {
		x.deviceForm(ses, fresh, "lab.device.unknown", userCode)
		return
	}
	if d.warrant != nil || d.declined {
		x.failPage(fail(90120, "invalid_request", 400, "The request was already authorized or declined."))
		return
	}
	if v.Get("decline") != "" || v.Get("consent") == "cancel" {
		x.s.devices.with("user "+userCode, x.now, func(kept *device) { kept.declined = true })
		x.about(app, nil, t)
		x.note(failDeclined())
		x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.device.refused", Text: []string{"lab.device.refusedtext"}, Args: map[string]string{"application": app.Name}})
		return
	}
	person, signedIn := x.person(ses)
	switch {
	case (v.Get("account") != "" || v.Get("consent") == "accept") && signedIn && (v.Get("account") == "" || v.Get("account") == person.UPN):
	case v.Get("account") != "" || v.Get("consent") != "":
		x.deviceForm(ses, fresh, "lab.signin.session", userCode)
		return
	default:
		if p, ok := x.dir.Person(v.Get("username")); ok && p.Tenant.Kind == directory.Consumers {
			x.deviceToConsumers(d, userCode, p.UPN)
			return
		}
		if person, f = x.credentials(v, app, t); f != nil {
			x.signInAgain(f, func(problem string) { x.deviceForm(ses, fresh, problem, userCode) })
			return
		}
		ses = x.signedIn(ses, person, false)
	}
	if x.mustReturn(ses, app, t) {
		x.deviceToConsumers(d, userCode, person.UPN)
		return
	}
	g, f := x.admit(person, app, t, d.scopes)
	if f != nil {
		x.failPage(f)
		return
	}
	g.authTime = ses.authTime
	if v.Get("consent") == "accept" {
		if f := x.agree(g, false); f != nil {
			x.failPage(f)
			return
		}
	} else if !x.consented(g) {
		x.consentForm(place{action: "/" + x.path + "/oauth2/deviceauth", app: app, tenant: t, hidden: map[string]string{"user_code": userCode}}, ses, g, false)
		return
	}
	w := g.warrant()
	x.s.devices.with("user "+userCode, x.now, func(kept *device) { kept.warrant = &w })
	x.s.devices.drop("user " + userCode)
	x.note(nil)
	x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.device.done", Text: []string{"lab.device.close"}, Args: map[string]string{"application": app.Name}})
}

// deviceToConsumers sends a personal account to its own sign-in, to come back to the path that the device asked at: it tells
// whether the person is to be a guest.
func (x *exchange) deviceToConsumers(d device, userCode, upn string) {
	x.toConsumersFrom("/"+d.path+"/oauth2/deviceauth?"+url.Values{paramUserCode: {userCode}}.Encode(), d.app, upn)
}

// paramUserCode brings a code back that was entered before a personal account was sent to sign in at its own service.
const paramUserCode = "lab_user_code"

// waiting finds the device that waits for userCode, with its application and tenant as the directory has them now.
func (x *exchange) waiting(userCode string) (d device, app *directory.Application, t *directory.Tenant, ok bool) {
	ok = x.s.devices.with("user "+userCode, x.now, func(kept *device) { d = *kept })
	if ok {
		app, ok = x.dir.Application(d.app)
	}
	if ok && d.tenant != "" {
		t, ok = x.dir.Tenant(d.tenant)
	}
	return d, app, t, ok
}

func (x *exchange) deviceForm(ses *session, fresh bool, problem, userCode string) {
	if fresh {
		x.setSession(ses)
	}
	form := &page.Form{
		Action: "/" + x.path + "/oauth2/deviceauth", Hidden: map[string]string{"csrf": ses.csrf}, Submit: "lab.signin.submit",
		Fields: append([]page.Input{{Name: "user_code", Label: "lab.device.code", Type: "text", Value: clip(userCode, 20), Autocomplete: "off"}}, passwordInputs("")...),
	}
	text := []string{"lab.device.text"}
	if p, ok := x.person(ses); ok {
		text = append(text, "lab.signin.choose")
		form.Buttons = append(form.Buttons, page.Button{Name: "account", Value: p.UPN, Label: p.UPN})
	}
	form.Buttons = append(form.Buttons, page.Button{Name: "decline", Value: "1", Message: "lab.device.decline"})
	x.s.Pages.Write(x.w, x.r, page.Page{
		Title: "lab.device.title", Text: text, Problem: problem, Args: map[string]string{"user": ""}, Form: form,
		FormTargets: []string{"https://" + ConsumerHost},
	})
}

// grantDevice is the device's question (RFC 8628, section 3.4 and 3.5).
func (x *exchange) grantDevice(v url.Values, c client) {
	name := v.Get("device_code")
	if name == "" {
		name = v.Get("code") // the v1 endpoint's name for it
	}
	if name == "" {
		x.failJSON(failMissing("device_code"))
		return
	}
	var d device
	found := !strings.HasPrefix(name, "user ") && x.s.devices.with(name, x.now, func(kept *device) {
		d = *kept
		if kept.app == c.app.ID && kept.warrant != nil {
			kept.used = true
		}
	})
	switch {
	case !found, d.app != c.app.ID:
		x.failJSON(fail(70018, "bad_verification_code", 400, "The provided value for the 'device_code' parameter is not valid."))
	case d.declined:
		x.failJSON(fail(65004, "authorization_declined", 400, "User declined to consent to access the app."))
	case expired(d.made, deviceLife, x.now):
		x.failJSON(fail(70019, "expired_token", 400, "Verification code expired. Have the user retry the sign-in."))
	case d.warrant == nil:
		x.failJSON(fail(70016, "authorization_pending", 400, "OAuth 2.0 device flow error. Authorization is pending. Continue polling."))
	case !x.sameTenant(code{warrant: *d.warrant, path: d.path}):
		x.failJSON(fail(70018, "bad_verification_code", 400, "The provided value for the 'device_code' parameter is intended for another tenant."))
	case d.used:
		x.endFamily(d.warrant.Family)
		x.failJSON(fail(54005, "invalid_grant", 400, "OAuth2 device code was already redeemed."))
	default:
		g, f := x.grant(*d.warrant, c.app)
		if f != nil {
			x.failJSON(f)
			return
		}
		g.proof = c.proof
		v.Del("scope") // was told at devicecode
		v.Del("resource")
		x.renew(g, v)
	}
}
