package entra

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
)

// The directory's page is for people what Graph is for programs: /{tenant}/lab/directory, for signed-in administrators of
// that tenant. Whatever it changes in users and domains it asks of Graph, with a token of the administrator, so that there is
// one set of rules.
const (
	directoryPath = "lab/directory"
	directoryName = "Lab Directory" // the application in the sign-in log
	directoryRows = 200             // users shown; chosen
	// causeField is where the lab's Graph says why it refuses (package graph, CauseField).
	causeField = "X-Sekisho-Lab-Refusal"
)

// manage shows the directory and does what its forms ask for.
func (x *exchange) manage() {
	x.administrate(directoryPath, directoryName, func(here string, q url.Values, ses *session, who *directory.User, tenant *directory.Tenant) {
		x.directoryPage(here, ses, who, tenant, q.Get("done"), page.Cause{})
	}, func(here string, v url.Values, ses *session, who *directory.User, tenant *directory.Tenant) {
		if refusal := x.manageDo(v, who, tenant); refusal != (page.Cause{}) {
			x.dir = x.s.Directory.Current()
			x.directoryPage(here, ses, who, tenant, "", refusal)
			return
		}
		x.w.Header().Set("Location", here+"?"+url.Values{"done": {clip(v.Get("do"), 20)}}.Encode())
		x.w.WriteHeader(http.StatusSeeOther)
	})
}

// own is a refusal of the page itself.
func own(why string) page.Cause { return page.Cause{ID: "graph-refusal." + why} }

// manageDo does one thing; refusal says why it was not done, the zero Cause that it was.
func (x *exchange) manageDo(v url.Values, who *directory.User, tenant *directory.Tenant) (refusal page.Cause) {
	name := url.PathEscape(v.Get("key"))
	switch v.Get("do") {
	case "create-user":
		nickname, _, _ := strings.Cut(v.Get("user_name"), "@")
		return x.graph(who, tenant, http.MethodPost, "users", map[string]any{
			"accountEnabled": true, "displayName": v.Get("display_name"), "mailNickname": nickname, "userPrincipalName": v.Get("user_name"),
			"passwordProfile": map[string]any{"password": v.Get("new_password"), "forceChangePasswordNextSignIn": false},
		}, nil)
	case "disable", "enable":
		return x.graph(who, tenant, http.MethodPatch, "users/"+name, map[string]any{"accountEnabled": v.Get("do") == "enable"}, nil)
	case "add-domain":
		return x.graph(who, tenant, http.MethodPost, "domains", map[string]any{"id": v.Get("domain")}, nil)
	case "verify":
		return x.graph(who, tenant, http.MethodPost, "domains/"+name+"/verify", nil, nil)
	case "consent", "withdraw":
		err := x.s.Directory.Change(x.r.Context(), func(d *directory.Draft) error {
			if v.Get("do") == "consent" {
				return d.Consent(v.Get("key"), tenant.ID, "")
			}
			return d.Withdraw(v.Get("key"), tenant.ID)
		})
		switch {
		case errors.Is(err, directory.ErrNotFound):
			return own("not-found")
		case err != nil:
			return page.Cause{Text: clip(err.Error(), 300)}
		}
		return page.Cause{}
	}
	return own("unknown-form")
}

// reply collects an answer of Graph.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *reply) WriteHeader(status int)      { r.status = status }

// graph asks the lab's Graph as who, into, when that is not nil. refusal is why Graph did not do it: by its code where it has one,
// else in Graph's words; the zero Cause when it did what was asked.
func (x *exchange) graph(who *directory.User, tenant *directory.Tenant, method, path string, question, into any) (refusal page.Cause) {
	account, ok := tenant.Account(who)
	if !ok {
		return own("not-found")
	}
	bearer, err := x.s.Keys.Sign(x.accessClaims(grant{
		tenant: tenant, person: who, account: account, app: &directory.Application{Name: directoryName, Public: true}, authTime: x.now, methods: []string{"pwd"},
		scopes: scopes{Audience: graphURL, Names: []string{"User.ReadWrite.All", "Domain.ReadWrite.All"}},
	}))
	if err != nil {
		return own("not-asked")
	}
	var body []byte
	if question != nil {
		if body, err = json.Marshal(question); err != nil {
			return own("not-asked")
		}
	}
	r, err := http.NewRequestWithContext(x.r.Context(), method, graphURL+"/v1.0/"+path, bytes.NewReader(body))
	if err != nil {
		return own("not-found") // the name cannot be part of an address
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = x.r.RemoteAddr
	answer := &reply{header: http.Header{}, status: http.StatusOK}
	x.s.Graph.ServeHTTP(answer, r)
	if answer.status < 300 {
		if into != nil && json.Unmarshal(answer.body.Bytes(), into) != nil {
			return own("not-asked")
		}
		return page.Cause{}
	}
	if why := answer.header.Get(causeField); why != "" {
		return own(why)
	}
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer.body.Bytes(), &e) != nil || e.Error.Message == "" {
		return own("not-asked")
	}
	return page.Cause{Text: clip(e.Error.Message, 300)}
}

// directoryPage shows the tenant with what was done, or why it was not.
func (x *exchange) directoryPage(here string, ses *session, who *directory.User, tenant *directory.Tenant, done string, refusal page.Cause) {
	if now, ok := x.dir.Tenant(tenant.ID); ok {
		tenant = now
	}
	b := page.Board{
		Title: "lab.directory.title", Text: []string{"lab.directory.text"}, Action: here, CSRF: ses.csrf,
		Args:  map[string]string{"tenant": tenant.Name, "user": who.UPN},
		Cause: refusal,
		Links: []page.Link{{Target: strings.TrimSuffix(here, directoryPath) + reportPath, Text: "lab.directory.report"}, {Target: "/common/oauth2/v2.0/logout", Text: "lab.report.signout"}},
	}
	status := http.StatusOK
	switch {
	case refusal != (page.Cause{}):
		status, b.Problem = http.StatusBadRequest, "lab.directory.refused"
	case slices.Contains([]string{"create-user", "disable", "enable", "add-domain", "verify", "consent", "withdraw"}, done):
		b.Notice = "lab.directory.done"
	}
	users := page.Section{
		Title: "lab.directory.users", Heads: []string{"signinlog.column.user", "signinlog.column.user_name", "lab.directory.kind", "lab.directory.state"},
		Do: "create-user", Submit: "lab.directory.create",
		Fields: []page.Input{
			{Name: "display_name", Label: "lab.directory.name", Type: "text", Autocomplete: "off"},
			{Name: "user_name", Label: "lab.signin.user", Type: "text", Autocomplete: "off"},
			{Name: "new_password", Label: "lab.signin.password", Type: "password", Autocomplete: "new-password"},
		},
	}
	for _, u := range tenant.Members[:min(len(tenant.Members), directoryRows)] {
		row := page.Row{Cells: []page.Cell{{Text: u.Person().Name}, {Text: u.Person().UPN}, {Message: "lab.directory.member"}, {Message: "lab.directory.state." + string(u.State())}}, Key: u.ID, Do: "disable"}
		if u.State() == directory.Active {
			row.Cells[3].Message = "lab.directory.state.active"
		}
		if u.Guest() {
			row.Cells[2].Message = "lab.directory.guest"
		}
		if u.Disabled {
			row.Do = "enable"
		}
		row.Button = "lab.directory.do." + row.Do
		if u.Is(who) {
			row.Button = "" // nobody locks themselves out by a slip
		}
		users.Rows = append(users.Rows, row)
	}
	domains := page.Section{
		Title: "lab.directory.domains", Heads: []string{"lab.directory.domain", "lab.directory.state", "lab.directory.record"}, Do: "add-domain", Submit: "lab.directory.add",
		Fields: []page.Input{{Name: "domain", Label: "lab.directory.domain", Type: "text", Autocomplete: "off"}},
	}
	for _, d := range tenant.Domains {
		row := page.Row{Cells: []page.Cell{{Text: d.Name}, {Message: "lab.directory.verified"}, {}}, Key: d.Name}
		if !d.Verified {
			row.Cells[1].Message, row.Do, row.Button = "lab.directory.unverified", "verify", "lab.directory.do.verify"
			row.Cells[2].Text = x.record(who, tenant, d.Name)
		}
		domains.Rows = append(domains.Rows, row)
	}
	applications := page.Section{Title: "lab.directory.applications", Heads: []string{"signinlog.column.application", "signinlog.column.application_id", "lab.directory.state"}}
	for _, a := range x.dir.Applications {
		if _, ok := a.In(tenant); !ok {
			continue
		}
		row := page.Row{Cells: []page.Cell{{Text: a.Name}, {Text: a.ID}, {Message: "lab.directory.notconsented"}}, Key: a.ID, Do: "consent"}
		if a.Consented(tenant, nil) {
			row.Cells[2].Message, row.Do = "lab.directory.consented", "withdraw"
		}
		row.Button = "lab.directory.do." + row.Do
		applications.Rows = append(applications.Rows, row)
	}
	b.Sections = []page.Section{users, domains, applications}
	x.s.Pages.WriteBoard(x.w, x.r, status, b)
}

// record is the TXT record that verifies a domain, as Graph tells it.
func (x *exchange) record(who *directory.User, tenant *directory.Tenant, name string) string {
	var answer struct {
		Value []struct {
			Label string `json:"label"`
			Text  string `json:"text"`
		} `json:"value"`
	}
	if refusal := x.graph(who, tenant, http.MethodGet, "domains/"+url.PathEscape(name)+"/verificationDnsRecords", nil, &answer); refusal != (page.Cause{}) {
		return ""
	}
	for _, r := range answer.Value {
		if r.Text != "" {
			return r.Label + ". TXT " + r.Text
		}
	}
	return ""
}
