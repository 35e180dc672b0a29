package entra

import (
	"errors"
	"net/url"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// grantOnBehalf is the on-behalf-of grant (RFC 7523, section 2.1; Microsoft, "Microsoft identity platform and OAuth 2.0
// On-Behalf-Of flow"): a confidential client shows an access token that was made for it, and gets one for the same person
// at another resource.
func (x *exchange) grantOnBehalf(v url.Values, c client, t *directory.Tenant) {
	for _, name := range []string{"assertion", "requested_token_use"} {
		if v.Get(name) == "" {
			x.failJSON(failMissing(name))
			return
		}
	}
	if use := v.Get("requested_token_use"); use != "on_behalf_of" {
		x.failJSON(fail(90100, "invalid_request", 400, "The parameter 'requested_token_use' is empty or not valid."))
		return
	}
	if c.app.Public {
		x.failJSON(fail(7000114, "unauthorized_client", 400, "Application '%s' is not allowed to make application on-behalf-of calls.", c.app.ID))
		return
	}
	claims, err := x.s.Keys.Verify(v.Get("assertion"), x.now)
	switch {
	case errors.Is(err, token.ErrExpired):
		x.failJSON(fail(500133, "invalid_grant", 400, "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token."))
		return
	case err != nil:
		x.failJSON(failAssertion("it is malformed or its signature is not valid"))
		return
	}
	g, f := x.bearer(claims, c)
	if f == nil && t != nil && t.ID != g.tenant.ID {
		f = failAssertion("it was issued by another tenant")
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	g.proof = c.proof
	if g.scopes, f = x.ask(v, g.tenant); f == nil && v.Get("scope") == "" && !x.v1 {
		f = failMissing("scope")
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	v.Del("scope")
	v.Del("resource")
	x.renew(g, v)
}

// bearer is the grant behind an access token that c shows as an assertion: the person in it must be somebody's whom the
// directory still has, and the token c's own.
func (x *exchange) bearer(claims token.Claims, c client) (grant, *failure) {
	if claims.String("scp") == "" {
		if claims.String("idtyp") == "app" {
			return grant{}, fail(7000114, "unauthorized_client", 400,
				"Application '%s' is not allowed to make application on-behalf-of calls.", claims.String("azp")+claims.String("appid"))
		}
		return grant{}, failAssertion("it is no access token") // an ID token has no scp
	}
	if claims.String("aud") != c.app.ID {
		return grant{}, fail(500131, "invalid_grant", 400, "Assertion audience does not match the Client app presenting the assertion.")
	}
	t, ok := x.dir.Tenant(claims.String("tid"))
	if !ok {
		return grant{}, failAssertion("its tenant is not known")
	}
	account, ok := t.Object(claims.String("oid"))
	if !ok {
		return grant{}, failRevoked()
	}
	person := account.Person()
	x.about(c.app, person, t)
	if f := standing(person); f != nil {
		return grant{}, f
	}
	if f := standing(account); f != nil {
		return grant{}, f
	}
	if _, ok := c.app.In(t); !ok {
		return grant{}, failApplication(c.app.ID, t.Name)
	}
	return grant{
		tenant: t, person: person, account: account, app: c.app, authTime: claims.Time("iat"), methods: []string{"pwd"},
		family: newFamily(), v1: x.v1,
	}, nil
}

// failAssertion is InvalidAssertion, "for various reasons".
func failAssertion(why string) *failure {
	return fail(50013, "invalid_grant", 400, "Assertion is not valid: %s.", why)
}
