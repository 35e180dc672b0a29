package journal

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/signinlog"
)

// What takes the place of a person of another tenant (Microsoft, "Set up tenant restrictions v1", "Admin experience": as
// user the zero id, as user name "{PII Removed}@domain.com"). That the domain is the person's own is assumed.
const (
	MaskedID   = "00000000-0000-0000-0000-000000000000"
	maskedName = "{PII Removed}"
)

// Place is the location of every sign-in: loopback is nowhere, and no page of the lab leaves open that it is the lab.
const Place = "LAB"

const (
	// ConsumersTenant is the tenant of personal accounts, consumerHost where they sign in. Their events are in no
	// tenant's report: "login.live.com is hosted separately" (the page above, "Blocking consumer applications").
	ConsumersTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	consumerHost    = "login.live.com"
)

// Statuses of a Row, as the sign-in log of Microsoft Entra names them.
const (
	StatusSuccess     = "success"
	StatusFailure     = "failure"
	StatusInterrupted = "interrupted"
)

// Clients of a Row, as the sign-in log names them ("client app"). Applications alone have none.
const (
	ClientBrowser = "Browser"
	ClientDesktop = "Mobile Apps and Desktop clients"
)

// Kinds of a Row (Microsoft Graph, signIn resource, signInEventTypes).
const (
	EventInteractive    = "interactiveUser"
	EventNonInteractive = "nonInteractiveUser"
	EventPrincipal      = "servicePrincipal"
)

// Row is one sign-in as the administrators of one tenant see it: people of other tenants are masked.
type Row struct {
	ID              string // request id
	CorrelationID   string
	Time            time.Time // UTC
	Event           string    // one of the Event constants
	User            string    // display name; MaskedID when masked; "" when nobody was named, or for an application alone
	UserID          string    // object id at home; MaskedID when masked
	UserName        string    // user principal name; "{PII Removed}@domain" when masked
	Masked          bool
	Application     string // client id
	ApplicationName string
	Status          string // one of the Status constants
	Code            int    // AADSTS; 0 for success, and where the answer was the lab's own
	Reason          string // what the code means, in English; "" for success
	Blocked         bool   // by a tenant restriction
	Address         string // IP address, without port
	Client          string // one of the Client constants, or ""
	UserAgent       string
	Location        string // always Place
	HomeTenant      string
	TargetTenant    string // whose token was asked for; when refused, the tenant that the refusal names
	Host            string
	Endpoint        string
	Grant           string
	Restricted      string // how it was tested: "", v1, v2
	Context         string // the tenant that set the restriction
}

// SignIn is r as every reader of sign-in logs knows it: where an application signs in for itself, it stands as the user.
func (r Row) SignIn() signinlog.Row {
	if r.Event == EventPrincipal && r.UserID == "" && r.UserName == "" {
		r.User, r.UserID = r.ApplicationName, r.Application
	}
	return signinlog.Row{
		ID: r.ID, CorrelationID: r.CorrelationID, Time: r.Time, User: r.User, UserID: r.UserID, UserName: r.UserName,
		Application: r.ApplicationName, ApplicationID: r.Application, Status: r.Status, Code: r.Code, Reason: r.Reason,
		Address: r.Address, Client: r.Client, UserAgent: r.UserAgent, Location: r.Location, HomeTenant: r.HomeTenant, TargetTenant: r.TargetTenant,
	}
}

// Query selects rows. All that is set must hold; the zero value selects all. It is applied to what the reader sees, so
// that no filter tells what the mask hides.
type Query struct {
	Since, Until time.Time    // inclusive and exclusive; zero: open
	User         string       // name, user name or object id, whole, in any letter case
	Application  string       // client id or name, whole, in any letter case
	Client       string       // whole, in any letter case
	Address      netip.Prefix // invalid: any
	Status       string       // success, failure, interrupted, or a code such as 500021 or AADSTS500021
	Blocked      bool         // only what a tenant restriction blocked: the tenant restrictions report
	Limit        int          // 0: all
}

// restrictionCode reports whether code is one of a tenant restriction (Microsoft, "Microsoft Entra authentication and
// authorization error codes": 50002, 500021, 500022; "Set up tenant restrictions v2": 5000211).
func restrictionCode(code int) bool {
	return code == 50002 || code == 500021 || code == 500022 || code == 5000211
}

// interruption reports whether code stands for a step of a sign-in that goes on (the error reference: a sign-in or
// another step is needed), which the log calls "interrupted".
func interruption(code int) bool {
	switch code {
	case 50058, 50140, 65001, 16000, 50072, 50074, 50076, 50079, 50055, 70016:
		return true
	}
	return false
}

// view returns e as the administrators of tenant see it; ok is false when they do not. What a restriction blocked is
// seen by the tenant that set it (Restrict-Access-Context, or the tenant of the v2 policy), and by nobody else; what was
// not blocked by the tenants of the person and of the resource.
func view(e *SignIn, tenant string) (r Row, ok bool) {
	blocked := restrictionCode(e.Code)
	switch {
	case tenant == "" || e.Host == consumerHost || e.Tenant == ConsumersTenant:
		return r, false
	case e.Endpoint == "logout": // the end of a sign-in is none
		return r, false
	case e.Lab: // the lab refused to guess: no log of Microsoft's has such a row
		return r, false
	case blocked && e.Context != tenant, !blocked && e.Tenant != tenant && e.HomeTenant != tenant:
		return r, false
	}
	r = Row{
		ID: e.ID, CorrelationID: e.CorrelationID, Time: e.Time.UTC(), Event: event(e), User: e.UserDisplay, UserID: e.UserID, UserName: e.User,
		Application: e.Application, ApplicationName: e.ApplicationNm, Status: StatusSuccess, Code: e.Code, Reason: e.Reason,
		Blocked: blocked, Address: bareAddress(e.Address), Client: clientOf(e), UserAgent: e.UserAgent, Location: Place,
		HomeTenant: e.HomeTenant, TargetTenant: e.Tenant, Host: e.Host, Endpoint: e.Endpoint, Grant: e.Grant,
		Restricted: e.Restricted, Context: e.Context,
	}
	switch {
	case interruption(e.Code):
		r.Status = StatusInterrupted
	case e.Code != 0:
		r.Status = StatusFailure
	}
	// A guest of the tenant is its own object there, and known to it; under its restriction the page masks everybody
	// who is at home elsewhere.
	if e.HomeTenant != "" && e.HomeTenant != tenant && (e.Context != "" || e.Tenant != tenant) {
		_, domain, _ := strings.Cut(e.User, "@")
		r.Masked, r.User, r.UserID, r.UserName = true, MaskedID, MaskedID, maskedName+"@"+domain
	}
	return r, true
}

func event(e *SignIn) string {
	switch {
	case e.Grant == "client_credentials":
		return EventPrincipal
	case e.Endpoint == "authorize", e.Endpoint == "deviceauth", e.Grant == "password":
		return EventInteractive
	}
	return EventNonInteractive
}

func clientOf(e *SignIn) string {
	switch {
	case event(e) == EventPrincipal:
		return ""
	case (e.Endpoint == "authorize" || e.Endpoint == "deviceauth") && strings.HasPrefix(e.UserAgent, "Mozilla/"):
		return ClientBrowser
	}
	return ClientDesktop
}

// bareAddress takes the port off.
func bareAddress(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().String()
	}
	return s
}

// matches reports whether q selects r.
func (q Query) matches(r *Row) bool {
	switch {
	case q.Blocked && !r.Blocked,
		!q.Since.IsZero() && r.Time.Before(q.Since), !q.Until.IsZero() && !r.Time.Before(q.Until),
		!anyFold(q.User, r.User, r.UserName, r.UserID), !anyFold(q.Application, r.Application, r.ApplicationName),
		!anyFold(q.Client, r.Client),
		q.Status != "" && !strings.EqualFold(q.Status, r.Status) && strings.TrimPrefix(strings.ToUpper(q.Status), "AADSTS") != strconv.Itoa(r.Code):
		return false
	}
	if q.Address.IsValid() {
		a, err := netip.ParseAddr(r.Address)
		return err == nil && q.Address.Contains(a.Unmap())
	}
	return true
}

func anyFold(want string, have ...string) bool {
	for _, h := range have {
		if strings.EqualFold(want, h) {
			return true
		}
	}
	return want == ""
}
