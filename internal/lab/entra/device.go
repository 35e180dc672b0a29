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
	app      *directory.Application
	tenant   *directory.Tenant // nil under common and organizations
	path     string
	scopes   scopes
	made     time.Time
	userCode string
	grant    *grant // set when somebody has signed in
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
	d := &device{app: app, tenant: t, path: x.path, scopes: s, made: x.now, userCode: newUserCode()}
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

// deviceAuth is the page on which a person enters the user code and signs in.
func (x *exchange) deviceAuth() {
	x.entry.Endpoint = "deviceauth"
	ses, fresh := x.session()
	if x.r.Method != http.MethodPost {
		x.deviceForm(ses, fresh, "", "")
		return
	}
	v, f := x.form()
	if f != nil {
		x.failPage(f)
		return
	}
	if fresh || !ses.checks(v.Get("csrf")) {
		x.deviceForm(ses, fresh, "lab.signin.session", "")
		return
	}
	userCode := strings.ToUpper(strings.TrimSpace(v.Get("user_code")))
	var d device
	var done bool
	found := x.s.devices.with("user "+userCode, x.now, func(kept *device) { d, done = *kept, kept.grant != nil })
	if found {
		d.app, found = x.dir.Application(d.app.ID)
	}
	if found && d.tenant != nil {
		d.tenant, found = x.dir.Tenant(d.tenant.ID)
	}
	if !found {
		x.deviceForm(ses, fresh, "lab.device.unknown", userCode)
		return
	}
	if done {
		x.failPage(fail(90120, "invalid_request", 400, "The request was already authorized or declined."))
		return
	}
	person, f := x.credentials(v, d.app, d.tenant)
	if f != nil {
		x.signInAgain(f, func(problem string) { x.deviceForm(ses, fresh, problem, userCode) })
		return
	}
	g, f := x.admit(person, d.app, d.tenant, d.scopes)
	if f != nil {
		x.failPage(f)
		return
	}
	x.s.devices.with("user "+userCode, x.now, func(kept *device) { kept.grant = &g })
	x.s.devices.drop("user " + userCode)
	x.note(nil)
	x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.device.done", Text: []string{"lab.device.close"}, Args: map[string]string{"application": d.app.Name}})
}

func (x *exchange) deviceForm(ses *session, fresh bool, problem, userCode string) {
	if fresh {
		x.setSession(ses)
	}
	x.s.Pages.Write(x.w, x.r, page.Page{
		Title: "lab.device.title", Text: []string{"lab.device.text"}, Problem: problem,
		Args: map[string]string{"user": ""},
		Form: &page.Form{
			Action: x.r.URL.Path, Hidden: map[string]string{"csrf": ses.csrf}, Submit: "lab.signin.submit",
			Fields: append([]page.Input{{Name: "user_code", Label: "lab.device.code", Type: "text", Value: clip(userCode, 20), Autocomplete: "off"}}, passwordInputs("")...),
		},
	})
}

// grantDevice is the device's question (RFC 8628, section 3.4 and 3.5).
func (x *exchange) grantDevice(v url.Values, app *directory.Application) {
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
		if kept.app.ID == app.ID && kept.grant != nil {
			kept.used = true
		}
	})
	switch {
	case !found, d.app.ID != app.ID:
		x.failJSON(fail(70018, "bad_verification_code", 400, "The provided value for the 'device_code' parameter is not valid."))
	case expired(d.made, deviceLife, x.now):
		x.failJSON(fail(70019, "expired_token", 400, "Verification code expired. Have the user retry the sign-in."))
	case d.grant == nil:
		x.failJSON(fail(70016, "authorization_pending", 400, "OAuth 2.0 device flow error. Authorization is pending. Continue polling."))
	case d.used:
		x.failJSON(fail(54005, "invalid_grant", 400, "OAuth2 device code was already redeemed."))
	default:
		g := *d.grant
		if !x.again(&g) {
			x.failJSON(fail(70018, "bad_verification_code", 400, "The provided value for the 'device_code' parameter is not valid."))
			return
		}
		g.v1 = x.v1
		v.Del("scope") // was told at devicecode
		x.renew(g, v)
	}
}
