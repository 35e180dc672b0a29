package prove

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"sekisho/internal/lab"
)

// visitor is a person at a browser: it keeps cookies and fills in forms, and follows a redirect when it is told to.
type visitor struct{ c *http.Client }

func (s *scene) visitor() (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := s.client(false)
	c.Jar = jar
	return &visitor{c}, nil
}

// visit opens target; with a form it sends that.
func (v *visitor) visit(ctx context.Context, target string, form url.Values, header ...string) (answer, error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Accept-Language", "en")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return ask(v.c, request)
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formToken  = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
)

// fill sends the form of page, which stands at target, with fields in pairs.
func (v *visitor) fill(ctx context.Context, target string, page answer, fields ...string) (answer, error) {
	action, token := formAction.FindStringSubmatch(page.body), formToken.FindStringSubmatch(page.body)
	if action == nil || token == nil {
		return page, page.unlike("a form")
	}
	base, err := url.Parse(target)
	if err != nil {
		return page, err
	}
	to, err := base.Parse(html.UnescapeString(action[1]))
	if err != nil {
		return page, err
	}
	form := url.Values{"csrf": {html.UnescapeString(token[1])}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return v.visit(ctx, to.String(), form)
}

// signIn opens target and signs in on the page that it shows.
func (v *visitor) signIn(ctx context.Context, target, user, password string) (answer, error) {
	page, err := v.visit(ctx, target, nil)
	if err != nil {
		return page, err
	}
	return v.fill(ctx, target, page, "username", user, "password", password)
}

// pkceVerifier and pkceChallenge are the pair of RFC 7636, appendix B.
const (
	pkceVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	pkceChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// authorizeURL asks for a code of application in tenant; change edits the query.
func authorizeURL(tenant, application string, change ...string) string {
	q := url.Values{
		"client_id": {application}, "response_type": {"code"}, "redirect_uri": {"http://localhost"}, "scope": {"openid User.Read"}, "state": {"prove"},
		"code_challenge": {pkceChallenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return "https://" + signInHost + "/" + tenant + "/oauth2/v2.0/authorize?" + q.Encode()
}

// sentBack expects a redirect to the application with name in its query.
func sentBack(a answer, name, value string) error {
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || to.Hostname() != "localhost" || to.Query().Get("state") != "prove" || to.Query().Get(name) == "" ||
		value != "" && to.Query().Get(name) != value {
		return fmt.Errorf("want the browser sent back with %s, got %w", name, a.unlike("302 to http://localhost"))
	}
	return nil
}

func expectConsent(a answer) error {
	if a.status != http.StatusOK || !strings.Contains(a.body, `name="consent"`) {
		return a.unlike("the page that asks for consent")
	}
	return nil
}

// codeOfAPerson: a person signs in on the page of the permitted tenant; the code that comes back is good once, and with the proof
// of who asked for it alone (RFC 7636); in a foreign tenant the same browser gets none; after signing out nobody is signed in.
func codeOfAPerson(ctx context.Context, s *scene) error {
	v, err := s.visitor()
	if err != nil {
		return err
	}
	// redeem shows what came back with a, and a proof.
	redeem := func(a answer, verifier string) (answer, error) {
		if err := sentBack(a, "code", ""); err != nil {
			return a, err
		}
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil {
			return a, err
		}
		return s.grant(ctx, "organizations", "grant_type", "authorization_code", "client_id", lab.PublicApplication, "redirect_uri", "http://localhost",
			"code", to.Query().Get("code"), "code_verifier", verifier)
	}
	target := authorizeURL("organizations", lab.PublicApplication)
	a, err := v.signIn(ctx, target, lab.Alice, lab.AlicePassword)
	if err != nil {
		return err
	}
	got, err := redeem(a, strings.Repeat("x", 43))
	if err != nil {
		return err
	}
	if !strings.Contains(got.body, "AADSTS501481") {
		return fmt.Errorf("with another proof: %w", got.unlike("AADSTS501481"))
	}
	if a, err = v.visit(ctx, target, nil); err != nil { // another code, without a form: the person is signed in
		return err
	}
	if got, err = redeem(a, pkceVerifier); err == nil {
		err = expectToken(got)
	}
	if err != nil {
		return err
	}
	if got, err = redeem(a, pkceVerifier); err != nil {
		return err
	}
	if !strings.Contains(got.body, "AADSTS54005") {
		return fmt.Errorf("once more: %w", got.unlike("AADSTS54005"))
	}
	if a, err = v.visit(ctx, authorizeURL(lab.FabrikamDomain, lab.PublicApplication), nil); err == nil {
		err = expectBlocked(a)
	}
	if err != nil {
		return fmt.Errorf("in %s: %w", lab.FabrikamDomain, err)
	}
	if _, err = v.visit(ctx, "https://"+signInHost+"/common/oauth2/v2.0/logout", nil); err != nil {
		return err
	}
	if a, err = v.visit(ctx, authorizeURL("organizations", lab.PublicApplication, "prompt", "none"), nil); err == nil {
		err = sentBack(a, "error", "login_required")
	}
	if err != nil {
		return fmt.Errorf("after signing out: %w", err)
	}
	return nil
}

// consentAsked: where a restriction permits the tenant, the page asks, and what the person answers there counts; where it
// does not, nobody is asked. Without a restriction nothing is issued before the person has agreed.
func consentAsked(ctx context.Context, s *scene) error {
	v, err := s.visitor()
	if err != nil {
		return err
	}
	target := authorizeURL(lab.ContosoDomain, lab.UnconsentedApplication, "prompt", "consent")
	page, err := v.signIn(ctx, target, lab.Alice, lab.AlicePassword)
	if err == nil {
		err = expectConsent(page)
	}
	if err != nil {
		return err
	}
	a, err := v.fill(ctx, target, page, "consent", "cancel")
	if err == nil {
		err = sentBack(a, "error", "access_denied")
	}
	if err != nil {
		return fmt.Errorf("declined: %w", err)
	}
	if a, err = v.fill(ctx, target, page, "consent", "accept"); err == nil {
		err = sentBack(a, "code", "")
	}
	if err != nil {
		return fmt.Errorf("agreed: %w", err)
	}
	a, err = v.visit(ctx, authorizeURL(lab.FabrikamDomain, lab.UnconsentedApplication), nil)
	if err == nil {
		err = expectBlocked(a)
	}
	if err != nil {
		return fmt.Errorf("in %s: %w", lab.FabrikamDomain, err)
	}
	one := s.as(exempted)
	a, err = one.byPassword(ctx, lab.FabrikamDomain, lab.UnconsentedApplication, lab.Dave, lab.DavePassword)
	if err != nil {
		return err
	}
	if !strings.Contains(a.body, "AADSTS65001") {
		return fmt.Errorf("before anybody agreed: %w", a.unlike("AADSTS65001"))
	}
	if err := one.agree(ctx, lab.Dave, lab.DavePassword); err != nil {
		return err
	}
	if a, err = one.byPassword(ctx, lab.FabrikamDomain, lab.UnconsentedApplication, lab.Dave, lab.DavePassword); err == nil {
		err = expectToken(a)
	}
	return err
}

// agree has a person of Fabrikam agree to what nobody there has agreed to yet.
func (s *scene) agree(ctx context.Context, user, password string) error {
	v, err := s.visitor()
	if err != nil {
		return err
	}
	target := authorizeURL(lab.FabrikamDomain, lab.UnconsentedApplication)
	page, err := v.signIn(ctx, target, user, password)
	if err == nil {
		err = expectConsent(page)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", user, err)
	}
	a, err := v.fill(ctx, target, page, "consent", "accept")
	if err == nil {
		err = sentBack(a, "code", "")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", user, err)
	}
	return nil
}

// byPassword asks for a person's token by the password grant.
func (s *scene) byPassword(ctx context.Context, tenant, application, user, password string) (answer, error) {
	return s.grant(ctx, tenant, "grant_type", "password", "client_id", application, "username", user, "password", password,
		"scope", "openid offline_access User.Read")
}
