package journal

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	contoso   = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	fabrikam  = "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52"
	northwind = "b5a1c3d7-2e4f-4a68-8c90-1d3e5f7a9b73"
	entraHost = "login.microsoftonline.com"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// sample is a day in the lab, oldest first. The names of the entries are their ids.
func sample() []SignIn {
	at := func(minute int, e SignIn) SignIn {
		e.Time, e.Address, e.UserAgent = noon.Add(time.Duration(minute)*time.Minute), "127.0.0.1:40000", "Mozilla/5.0 (X11)"
		if e.Host == "" {
			e.Host = entraHost
		}
		return e
	}
	bob := SignIn{User: "bob@fabrikam.com", UserDisplay: "Bob Baker", UserID: "b", HomeTenant: fabrikam}
	alice := SignIn{User: "alice@contoso.com", UserDisplay: "Alice Adams", UserID: "a", HomeTenant: contoso}
	with := func(e SignIn, id, tenant, context, endpoint, grant string, code int) SignIn {
		e.ID, e.Tenant, e.Context, e.Endpoint, e.Grant, e.Code, e.Application, e.ApplicationNm = id, tenant, context, endpoint, grant, code, "2f6b", "Lab Desktop"
		if context != "" {
			e.Restricted = "v1"
		}
		if code != 0 {
			e.Reason = "Access to it is denied."
		}
		return e
	}
	consumer := SignIn{ID: "consumer-page", User: "frank@live.com", UserID: "f", HomeTenant: ConsumersTenant, Consumer: true, Host: consumerHost, Lab: true, Context: contoso}
	return []SignIn{
		at(0, with(alice, "alice-at-home", contoso, contoso, "authorize", "", 0)),
		at(1, with(bob, "bob-blocked", fabrikam, contoso, "authorize", "", 500021)),
		at(2, with(bob, "bob-free", fabrikam, "", "authorize", "", 0)),
		at(3, with(SignIn{}, "app-blocked", fabrikam, contoso, "token", "client_credentials", 500021)),
		at(4, with(bob, "guest-under-restriction", contoso, contoso, "authorize", "", 0)),
		at(5, with(bob, "guest-without-restriction", contoso, "", "authorize", "", 0)),
		at(6, with(alice, "alice-blocked-by-fabrikam", contoso, fabrikam, "authorize", "", 5000211)),
		at(7, consumer),
		at(8, with(SignIn{}, "consumers-tenant", ConsumersTenant, contoso, "authorize", "", 5000211)),
		at(9, with(alice, "alice-no-session", contoso, contoso, "authorize", "", 50058)),
		at(10, with(alice, "alice-password", contoso, contoso, "token", "password", 50126)),
		at(12, SignIn{ID: "the-lab-did-not-guess", Tenant: contoso, HomeTenant: contoso, Context: contoso, Lab: true}),
		at(11, with(bob, "no-context", fabrikam, "", "token", "refresh_token", 500021)),
	}
}

func names(rows []Row) string {
	var s []string
	for _, r := range rows {
		s = append(s, r.ID)
	}
	return strings.Join(s, " ")
}

func filled() *Journal {
	var j Journal
	for _, e := range sample() {
		j.Add(e)
	}
	return &j
}

func TestWhoSeesWhat(t *testing.T) {
	j := filled()
	for _, c := range []struct{ tenant, all, blocked string }{
		{contoso, "alice-password alice-no-session guest-without-restriction guest-under-restriction app-blocked bob-blocked alice-at-home", "app-blocked bob-blocked"},
		{strings.ToUpper(contoso), "alice-password alice-no-session guest-without-restriction guest-under-restriction app-blocked bob-blocked alice-at-home", "app-blocked bob-blocked"},
		{fabrikam, "alice-blocked-by-fabrikam guest-without-restriction guest-under-restriction bob-free", "alice-blocked-by-fabrikam"},
		{northwind, "", ""},
		{"", "", ""},
		{ConsumersTenant, "", ""},
	} {
		if got := names(j.Rows(c.tenant, Query{})); got != c.all {
			t.Errorf("%s sees %q, want %q", c.tenant, got, c.all)
		}
		if got := names(j.Rows(c.tenant, Query{Blocked: true})); got != c.blocked {
			t.Errorf("the report of %s has %q, want %q", c.tenant, got, c.blocked)
		}
	}
}

func TestPeopleOfOtherTenantsAreMasked(t *testing.T) {
	for _, r := range filled().Rows(contoso, Query{}) {
		masked := r.ID == "bob-blocked" || r.ID == "guest-under-restriction"
		switch {
		case r.Masked != masked:
			t.Errorf("%s: masked %v", r.ID, r.Masked)
		case masked && (r.User != MaskedID || r.UserID != MaskedID || r.UserName != "{PII Removed}@fabrikam.com" || r.TargetTenant == ""):
			t.Errorf("%s: %+v", r.ID, r)
		case r.ID == "guest-without-restriction" && r.UserName != "bob@fabrikam.com":
			t.Errorf("a guest's own object is the tenant's: %+v", r)
		}
	}
	for _, r := range filled().Rows(fabrikam, Query{Blocked: true}) {
		if r.UserName != "{PII Removed}@contoso.com" {
			t.Errorf("%+v", r)
		}
	}
}

func TestQuery(t *testing.T) {
	j := filled()
	for name, c := range map[string]struct {
		q    Query
		want string
	}{
		"since-is-inclusive":             {Query{Since: noon.Add(10 * time.Minute)}, "alice-password"},
		"until-is-exclusive":             {Query{Until: noon.Add(time.Minute)}, "alice-at-home"},
		"user-by-name":                   {Query{User: "ALICE@contoso.com", Until: noon.Add(time.Minute)}, "alice-at-home"},
		"a-filter-does-not-unmask":       {Query{User: "bob@fabrikam.com"}, "guest-without-restriction"},
		"masked-people-as-shown":         {Query{User: MaskedID}, "guest-under-restriction bob-blocked"},
		"part-of-a-name-finds-nothing":   {Query{User: "alice"}, ""},
		"application-by-name":            {Query{Application: "lab desktop", Limit: 1}, "alice-password"},
		"another-application":            {Query{Application: "x"}, ""},
		"client":                         {Query{Client: "mobile apps and desktop clients"}, "alice-password"},
		"status-failure":                 {Query{Status: "failure"}, "alice-password app-blocked bob-blocked"},
		"status-interrupted":             {Query{Status: "Interrupted"}, "alice-no-session"},
		"status-code":                    {Query{Status: "500021"}, "app-blocked bob-blocked"},
		"status-code-with-its-prefix":    {Query{Status: "aadsts50126"}, "alice-password"},
		"address":                        {Query{Address: netip.MustParsePrefix("127.0.0.0/8"), Limit: 2}, "alice-password alice-no-session"},
		"another-address":                {Query{Address: netip.MustParsePrefix("10.0.0.0/8")}, ""},
		"newest-first-with-a-limit":      {Query{Blocked: true, Limit: 1}, "app-blocked"},
		"all-conditions-hold":            {Query{User: "alice@contoso.com", Status: "failure"}, "alice-password"},
		"a-time-span-with-nothing-in-it": {Query{Since: noon.Add(time.Hour)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := names(j.Rows(contoso, c.q)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestFieldsOfARow(t *testing.T) {
	for _, r := range filled().Rows(contoso, Query{}) {
		switch r.ID {
		case "app-blocked":
			if r.Event != EventPrincipal || r.Client != "" || r.User != "" || r.UserName != "" || r.Masked {
				t.Errorf("%+v", r)
			}
		case "alice-password":
			if r.Event != EventInteractive || r.Client != ClientDesktop {
				t.Errorf("%+v", r)
			}
		case "alice-at-home":
			if r.Event != EventInteractive || r.Client != ClientBrowser || r.Address != "127.0.0.1" || r.Location != Place || r.Status != StatusSuccess {
				t.Errorf("%+v", r)
			}
		}
	}
}

func TestRowsOfAFullJournal(t *testing.T) {
	var j Journal
	for i := range Capacity + 10 {
		j.Add(SignIn{ID: strconv.Itoa(i), Tenant: contoso, Host: entraHost})
	}
	rows := j.Rows(contoso, Query{})
	if len(rows) != Capacity || rows[0].ID != strconv.Itoa(Capacity+9) || rows[Capacity-1].ID != "10" {
		t.Errorf("%d rows, %s to %s", len(rows), rows[0].ID, rows[len(rows)-1].ID)
	}
}
