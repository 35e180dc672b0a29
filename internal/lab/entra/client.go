package entra

import (
	"net/http"
	"net/url"
	"strings"

	"sekisho/internal/lab/assertion"
	"sekisho/internal/lab/directory"
)

// application finds the client by id; in is where it must exist, nil when the tenant is not known yet.
func (x *exchange) application(id string, in *directory.Tenant) (*directory.Application, *failure) {
	if id == "" {
		return nil, failMissing("client_id")
	}
	where := "unknown"
	if in != nil {
		where = in.Name
	}
	a, ok := x.dir.Application(id)
	if !ok {
		return nil, failApplication(id, where)
	}
	if in == nil {
		if !a.MultiTenant {
			return nil, failSingleTenant(a)
		}
		return a, nil
	}
	if _, ok := a.In(in); !ok {
		return nil, failApplication(id, where)
	}
	return a, nil
}

// credentials are what a client shows of itself.
type credentials struct {
	id, secret, assertion string
	basic                 bool // by the Authorization header
}

// proof is the claim azpacr: "0" nothing was shown, "1" a secret, "2" a certificate ("Access token claims reference").
func (c credentials) proof() string {
	switch {
	case c.assertion != "":
		return "2"
	case c.secret != "":
		return "1"
	}
	return "0"
}

// assertionType is the only client_assertion_type (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// clientCredentials takes what the client shows from the body or from the Authorization header; it must use one way alone
// (RFC 6749, section 2.3).
func (x *exchange) clientCredentials(v url.Values) (credentials, *failure) {
	c := credentials{id: v.Get("client_id"), secret: v.Get("client_secret"), assertion: v.Get("client_assertion")}
	if c.assertion != "" && v.Get("client_assertion_type") != assertionType {
		return c, fail(90100, "invalid_request", 400, "The parameter 'client_assertion_type' is empty or not valid.")
	}
	if c.id == "" && c.assertion != "" {
		c.id = assertion.Issuer(c.assertion) // RFC 7521, section 4.2: the subject names the client
	}
	if user, password, ok := x.r.BasicAuth(); ok {
		id, err := url.QueryUnescape(user)
		secret, err2 := url.QueryUnescape(password)
		if err != nil || err2 != nil || !plain(id) || !plain(secret) {
			return c, failMalformed("the Authorization header cannot be read")
		}
		if c.secret != "" || c.assertion != "" || c.id != "" && !strings.EqualFold(c.id, id) {
			return c, failMalformed("the client shows its credentials in more than one way")
		}
		return credentials{id: id, secret: secret, basic: true}, nil
	}
	if c.secret != "" && c.assertion != "" {
		return c, failMalformed("the client shows its credentials in more than one way")
	}
	return c, nil
}

// authenticate checks the client. A public client shows nothing (700025); any other must (7000218).
func (x *exchange) authenticate(a *directory.Application, c credentials) *failure {
	switch {
	case a.Public && (c.secret != "" || c.assertion != ""):
		return fail(700025, "invalid_client", http.StatusUnauthorized, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
	case a.Public:
		return nil
	case c.assertion != "":
		return x.asserted(a, c.assertion)
	case c.secret == "":
		return fail(7000218, "invalid_client", http.StatusUnauthorized,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	switch s, ok := a.MatchSecret(c.secret, x.now); {
	case !ok:
		return fail(7000215, "invalid_client", http.StatusUnauthorized, "Invalid client secret provided.")
	case s.Expired(x.now):
		return fail(7000222, "invalid_client", http.StatusUnauthorized, "The provided client secret keys for app '%s' are expired.", a.ID)
	}
	return nil
}

// asserted verifies a client assertion (RFC 7523, section 3; Microsoft, "Microsoft identity platform application
// authentication certificate credentials").
func (x *exchange) asserted(a *directory.Application, text string) *failure {
	if x.dir.Assumptions.AssertionReplay != directory.ReplayAccepted {
		x.assume(directory.AssumedAssertionReplay)
	}
	refuse := func(code int, format string, args ...any) *failure {
		return fail(code, "invalid_client", http.StatusUnauthorized, format, args...)
	}
	claims, err := assertion.Verify(text, a.Certificate, x.now)
	switch err {
	case nil:
	case assertion.ErrTime:
		return refuse(700024, "Client assertion is not within its valid time range.")
	case assertion.ErrCertificate:
		return refuse(700027, "Client assertion failed signature validation. [Reason - The key was not found or is not valid any more.]")
	case assertion.ErrSignature:
		return refuse(700027, "Client assertion failed signature validation.")
	default:
		return refuse(50027, "JWT token is invalid or malformed.")
	}
	switch {
	case !strings.EqualFold(claims.Issuer, a.ID):
		return refuse(700021, "Client assertion application identifier does not match 'client_id' parameter.")
	case claims.Subject != claims.Issuer:
		return refuse(50048, "Subject mismatches Issuer claim in the client assertion.")
	case !x.mine(claims.Audience):
		return refuse(50027, "JWT token is invalid or malformed: the audience is not this tenant's token endpoint.")
	}
	if x.dir.Assumptions.AssertionReplay == directory.ReplayAccepted {
		return nil
	}
	if claims.ID == "" {
		return refuse(50027, "JWT token is invalid or malformed: the claim 'jti' is missing.")
	}
	if !x.s.assertions.once(a.ID+" "+claims.ID, struct{}{}, x.now, claims.Expires.Add(assertion.Skew)) {
		return refuse(50013, "Assertion is not valid: it was used before.")
	}
	return nil
}

// mine reports whether one of audiences is this endpoint: its address or the tenant's issuer, under any alias of the host
// and any name of the tenant (clients write either; "certificate credentials" shows the token endpoint).
func (x *exchange) mine(audiences []string) bool {
	here, shared, f := x.tenant()
	if f != nil {
		return false
	}
	for _, text := range audiences {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || !isAlias(strings.ToLower(u.Host)) {
			continue
		}
		name, rest := cutPath(trimPath(u.Path))
		switch rest {
		case "oauth2/v2.0/token", "oauth2/token", "v2.0":
		default:
			continue
		}
		if shared && name == x.path {
			return true
		}
		if t, ok := x.dir.Tenant(name); ok && !shared && t.ID == here.ID {
			return true
		}
	}
	return false
}
