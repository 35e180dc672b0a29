package prove

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"sekisho/internal/lab"
	"sekisho/internal/restrict"
)

const graphRoot = "https://graph.microsoft.com/v1.0/"

// asService is the lab's service in Contoso, with a token for Microsoft Graph.
func (s *scene) asService(ctx context.Context) (string, error) {
	a, err := s.token(ctx, false, lab.ContosoDomain)
	if err == nil {
		err = expectToken(a)
	}
	if err != nil {
		return "", err
	}
	var got issued
	err = json.Unmarshal([]byte(a.body), &got)
	return got.Access, err
}

// graph asks Microsoft Graph as whoever has token, and expects status. into is filled with the answer unless it is nil.
func (s *scene) graph(ctx context.Context, token string, status int, method, path, body string, into any) error {
	header := []string{"Authorization", "Bearer " + token}
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	a, err := s.send(ctx, false, method, graphRoot+path, body, header...)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if a.status != status {
		return fmt.Errorf("%s %s: %w", method, path, a.unlike(http.StatusText(status)))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// graphOfTheLab: through the gateway and without being opened by it, an administrator's program adds a domain, proves it by a
// DNS record, and makes a user in it, who then signs in under the restriction. A person's token does not do that.
func graphOfTheLab(ctx context.Context, s *scene) error {
	if err := s.certificate(ctx, "graph.microsoft.com", "lab"); err != nil {
		return err
	}
	token, err := s.asService(ctx)
	if err != nil {
		return err
	}
	const domain, user, secret = "proof.example", "nao@proof.example", "Lab-nao-1"
	var records struct {
		Value []struct {
			Text string `json:"text"`
		} `json:"value"`
	}
	if err := errors.Join(
		s.graph(ctx, token, http.StatusCreated, http.MethodPost, "domains", `{"id":"`+domain+`"}`, nil),
		s.graph(ctx, token, http.StatusOK, http.MethodGet, "domains/"+domain+"/verificationDnsRecords", "", &records),
		s.graph(ctx, token, http.StatusBadRequest, http.MethodPost, "domains/"+domain+"/verify", "", nil), // without the record
	); err != nil {
		return err
	}
	if len(records.Value) == 0 || records.Value[0].Text == "" {
		return errors.New("no record is asked for")
	}
	if err := s.publish(domain, records.Value[0].Text); err != nil {
		return err
	}
	if err := errors.Join(
		s.graph(ctx, token, http.StatusOK, http.MethodPost, "domains/"+domain+"/verify", "", nil),
		s.graph(ctx, token, http.StatusCreated, http.MethodPost, "users", newUser(user, secret), nil),
	); err != nil {
		return err
	}
	a, err := s.byPassword(ctx, "organizations", lab.PublicApplication, user, secret)
	if err == nil {
		err = expectToken(a)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", user, err)
	}
	var got issued
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		return err
	}
	return errors.Join(
		s.graph(ctx, got.Access, http.StatusOK, http.MethodGet, "me", "", nil),
		s.graph(ctx, got.Access, http.StatusForbidden, http.MethodPost, "users", newUser("more@"+domain, secret), nil),
	)
}

// newUser is the body that creates a user.
func newUser(upn, password string) string {
	name, _, _ := strings.Cut(upn, "@")
	return `{"accountEnabled":true,"displayName":"` + name + `","mailNickname":"` + name + `","userPrincipalName":"` + upn +
		`","passwordProfile":{"password":"` + password + `"}}`
}

// reportMasked: what the restriction blocked stands in the log of its tenant, without the name of whom it blocked, on the
// page and in Graph; the gateway's record has the same correlation id. Personal accounts are in neither.
func reportMasked(ctx context.Context, s *scene) error {
	id, personal := newID(), newID()
	a, err := s.grant(ctx, "organizations", "grant_type", "password", "client_id", lab.PublicApplication, "username", lab.Bob, "password", lab.BobPassword,
		"scope", "User.Read", "client-request-id", id)
	if err == nil {
		err = expectBlocked(a)
	}
	if err != nil {
		return err
	}
	if _, err := s.get(ctx, "https://"+consumerHost+"/oauth20_authorize.srf?client_id="+lab.PublicApplication+"&response_type=code&redirect_uri="+
		url.QueryEscape("http://localhost")+"&scope=openid&client-request-id="+personal, "client-request-id", personal); err != nil {
		return err
	}
	token, err := s.asService(ctx)
	if err != nil {
		return err
	}
	type row struct {
		Correlation string `json:"correlationId"`
		User        string `json:"userId"`
		Name        string `json:"userPrincipalName"`
		Display     string `json:"userDisplayName"`
	}
	var log struct {
		Value []row `json:"value"`
	}
	if err := s.graph(ctx, token, http.StatusOK, http.MethodGet, "auditLogs/signIns?$top=200", "", &log); err != nil {
		return err
	}
	const nobody, masked = "00000000-0000-0000-0000-000000000000", "{PII Removed}@" + lab.FabrikamDomain
	found := false
	for _, r := range log.Value {
		if r.Correlation == personal {
			return errors.New("the sign-in of a personal account stands in the log")
		}
		if r.Correlation == id {
			found = r.User == nobody && r.Name == masked && !strings.Contains(r.Display, "Bob")
		}
	}
	if !found {
		return fmt.Errorf("of %d sign-ins in the log none is that of %s, masked", len(log.Value), id)
	}
	v, err := s.visitor()
	if err != nil {
		return err
	}
	target := "https://" + signInHost + "/" + lab.ContosoDomain + "/lab/report"
	page, err := v.signIn(ctx, target, lab.Hanako, lab.HanakoPassword)
	if err == nil && page.status == http.StatusSeeOther {
		page, err = v.visit(ctx, target, nil)
	}
	if err != nil {
		return err
	}
	if !strings.Contains(page.body, "{PII Removed}@") || strings.Contains(page.body, lab.Bob) || strings.Contains(page.body, "Bob Baker") {
		return page.unlike("the report, with " + lab.Bob + " masked")
	}
	err = s.awaitRecord(ctx, func(r record) error {
		if !strings.Contains(r.whole, id) {
			return errNoRecord
		}
		return nil
	})
	if errors.Is(err, errNoRecord) {
		return fmt.Errorf("no record of the gateway has the correlation id %s", id)
	}
	return err
}

// policyV2: where a ring names a policy of tenant restrictions v2, the header names it and nothing else, and its rules count:
// one group of a partner, one application for everybody else, no foreign service.
func policyV2(ctx context.Context, s *scene) error {
	one := s.as(governed)
	nonce := newID()
	a, err := one.token(ctx, false, lab.ContosoDomain, "client-request-id", nonce, restrict.HeaderTenants, lab.FabrikamDomain)
	if err == nil {
		err = expectToken(a)
	}
	if err != nil {
		return err
	}
	received := one.carrying(nonce)
	if len(received) != 1 {
		return fmt.Errorf("the lab received %d requests for one", len(received))
	}
	if got := received[0].fields(restrict.HeaderPolicy); len(got) != 1 || got[0] != lab.ContosoTenant+":"+lab.ContosoGroupPolicy {
		return fmt.Errorf("%s reached the lab as %q", restrict.HeaderPolicy, got)
	}
	if got := append(received[0].fields(restrict.HeaderTenants), received[0].fields(restrict.HeaderContext)...); len(got) != 0 {
		return fmt.Errorf("headers of version 1 reached the lab beside it: %q", got)
	}
	for _, c := range []struct{ name, tenant, application, user, password, policy string }{
		{"one of the policy's own tenant", lab.ContosoDomain, lab.PublicApplication, lab.Alice, lab.AlicePassword, lab.ContosoGroupPolicy},
		{"one of the group", lab.FabrikamDomain, lab.PublicApplication, lab.Dave, lab.DavePassword, lab.ContosoGroupPolicy},
		{"one who is not of the group", lab.FabrikamDomain, lab.PublicApplication, lab.Bob, lab.BobPassword, refusedV2},
		{"one with the application", lab.NorthwindDomain, lab.ServiceApplication, lab.Carol, lab.CarolPassword, lab.ContosoGroupPolicy},
		{"one with another application", lab.NorthwindDomain, lab.PublicApplication, lab.Carol, lab.CarolPassword, refusedV2},
	} {
		form := []string{"grant_type", "password", "client_id", c.application, "username", c.user, "password", c.password, "scope", "User.Read"}
		if c.application == lab.ServiceApplication {
			form = append(form, "client_secret", lab.ServiceSecret)
		}
		a, err := one.grant(ctx, c.tenant, form...)
		if err == nil {
			err = expectPolicy(a, c.policy)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if a, err = one.token(ctx, false, lab.FabrikamDomain); err == nil {
		err = expectPolicy(a, refusedV2)
	}
	if err != nil {
		return fmt.Errorf("a foreign service: %w", err)
	}
	return nil
}

const refusedV2 = "AADSTS5000211"

// expectPolicy expects a refusal by version 2, or a token that names policy.
func expectPolicy(a answer, policy string) error {
	if policy == refusedV2 {
		if !strings.Contains(a.body, refusedV2) || strings.Contains(a.body, `"access_token"`) {
			return a.unlike(refusedV2)
		}
		return nil
	}
	if err := expectToken(a); err != nil {
		return err
	}
	var got issued
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		return err
	}
	var claims struct {
		Policy string `json:"xms_trpid"`
	}
	if parts := strings.Split(got.Access, "."); len(parts) == 3 {
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil {
			err = json.Unmarshal(raw, &claims)
		}
		if err != nil {
			return err
		}
	}
	if claims.Policy != policy {
		return fmt.Errorf("the token names the policy %q, want %q", claims.Policy, policy)
	}
	return nil
}

// outlivesRestart stops the second checkpoint with its lab and starts both again: what was changed through Graph, what people
// agreed to, refresh tokens and the log are there, and a refresh token that was used up before stays so.
func outlivesRestart(ctx context.Context, s *scene) error {
	const user, secret = "kei@contoso.com", "Lab-kei-1"
	one := s.as(exempted)
	token, err := one.asService(ctx)
	if err != nil {
		return err
	}
	if err := one.graph(ctx, token, http.StatusCreated, http.MethodPost, "users", newUser(user, secret), nil); err != nil {
		return err
	}
	if err := one.agree(ctx, lab.Bob, lab.BobPassword); err != nil {
		return err
	}
	a, err := one.byPassword(ctx, lab.ContosoDomain, lab.PublicApplication, user, secret)
	if err != nil {
		return err
	}
	var first, second issued
	if err := errors.Join(expectToken(a), json.Unmarshal([]byte(a.body), &first)); err != nil {
		return err
	}
	refresh := func(text string) (answer, error) {
		return s.as(exempted).grant(ctx, lab.ContosoDomain, "grant_type", "refresh_token", "client_id", lab.PublicApplication, "refresh_token", text, "scope", "User.Read")
	}
	if a, err = refresh(first.Refresh); err != nil {
		return err
	}
	if err := errors.Join(expectToken(a), json.Unmarshal([]byte(a.body), &second)); err != nil {
		return err
	}

	if err := s.restart(ctx); err != nil {
		return err
	}
	one = s.as(exempted)
	if err := one.graph(ctx, second.Access, http.StatusOK, http.MethodGet, "me", "", nil); err != nil {
		return fmt.Errorf("an access token of before: %w", err)
	}
	if a, err = one.byPassword(ctx, lab.FabrikamDomain, lab.UnconsentedApplication, lab.Bob, lab.BobPassword); err == nil {
		err = expectToken(a)
	}
	if err != nil {
		return fmt.Errorf("what was agreed to before: %w", err)
	}
	if a, err = refresh(second.Refresh); err == nil {
		err = expectToken(a)
	}
	if err != nil {
		return fmt.Errorf("a refresh token of before: %w", err)
	}
	if a, err = refresh(first.Refresh); err != nil {
		return err
	} else if !strings.Contains(a.body, "AADSTS50173") {
		return fmt.Errorf("a refresh token that was used before: %w", a.unlike("AADSTS50173"))
	}
	var log struct {
		Value []struct {
			Name string `json:"userPrincipalName"`
		} `json:"value"`
	}
	if token, err = one.asService(ctx); err != nil {
		return err
	}
	if err := one.graph(ctx, token, http.StatusOK, http.MethodGet, "auditLogs/signIns?$filter="+url.QueryEscape("userPrincipalName eq '"+user+"'"), "", &log); err != nil {
		return err
	}
	if len(log.Value) == 0 {
		return errors.New("the sign-in log of before is gone")
	}
	return nil
}

// bothTenantsTested: a guest is permitted where both the tenant at home and the tenant of the resource are, and nowhere else.
func bothTenantsTested(ctx context.Context, s *scene) error {
	for _, c := range []struct{ name, tenant, user, password string }{
		{"a guest from a foreign tenant in the permitted one", lab.ContosoDomain, lab.Dave, lab.DavePassword},
		{"a guest from the permitted tenant in a foreign one", lab.FabrikamDomain, lab.Alice, lab.AlicePassword},
		{"a person of a foreign tenant who names none", "organizations", lab.Bob, lab.BobPassword},
	} {
		a, err := s.byPassword(ctx, c.tenant, lab.PublicApplication, c.user, c.password)
		if err == nil {
			err = expectBlocked(a)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// passes drives what the restrictions of tenants and of personal accounts let past on purpose: a personal account that is a guest
// of the permitted tenant, which then opens nothing for consumers, and an application of Microsoft's own that passes through
// "Microsoft Services" when the tenant is named.
func passes(ctx context.Context, s *scene) error {
	v, err := s.visitor()
	if err != nil {
		return err
	}
	a, err := v.signIn(ctx, authorizeURL(lab.ContosoDomain, lab.PublicApplication), lab.Erin, "")
	if err != nil {
		return err
	}
	away := a.header.Get("Location")
	if !strings.HasPrefix(away, "https://"+consumerHost+"/") {
		return fmt.Errorf("a guest with a personal account: %w", a.unlike("a redirect to "+consumerHost))
	}
	if a, err = v.signIn(ctx, away, lab.Erin, lab.ErinPassword); err != nil {
		return err
	}
	if a, err = v.visit(ctx, a.header.Get("Location"), nil); err == nil {
		err = sentBack(a, "code", "")
	}
	if err != nil {
		return fmt.Errorf("a guest with a personal account: %w", err)
	}
	if a, err = v.visit(ctx, authorizeURL("consumers", lab.PublicApplication), nil); err != nil {
		return err
	}
	if a, err = v.visit(ctx, a.header.Get("Location"), nil); err != nil {
		return err
	}
	if !strings.Contains(a.body, "80045C4D") {
		return fmt.Errorf("a guest who asks for an application of consumers: %w", a.unlike("80045C4D"))
	}
	for tenant, expect := range map[string]func(answer) error{
		"common": expectBlocked, // leads to "Microsoft Services", which is not permitted
		lab.ContosoDomain: func(a answer) error {
			if a.status != http.StatusOK || !strings.Contains(a.body, `"user_code"`) {
				return a.unlike("a user code")
			}
			return nil
		},
	} {
		a, err := s.send(ctx, false, http.MethodPost, "https://"+signInHost+"/"+tenant+"/oauth2/v2.0/devicecode",
			url.Values{"client_id": {lab.PassthroughApplication}, "scope": {"https://management.azure.com/.default"}}.Encode())
		if err == nil {
			err = expect(a)
		}
		if err != nil {
			return fmt.Errorf("an application that passes through, at %s: %w", tenant, err)
		}
	}
	return nil
}
