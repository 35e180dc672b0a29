package prove

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"sekisho/internal/lab"
	"sekisho/internal/restrict"
)

// The hosts that promises are driven at.
const (
	signInHost   = "login.microsoftonline.com"
	consumerHost = "login.live.com"
	deviceHost   = "device.login.microsoftonline.com"
	manageHost   = "manage.microsoft.com"
	plainHost    = "go.microsoft.com"
)

// tokenURL is the token endpoint of a tenant.
func tokenURL(tenant string) string {
	return "https://" + signInHost + "/" + tenant + "/oauth2/v2.0/token"
}

// credentials is the body of a client credentials request of the lab's service.
func credentials() string {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {lab.ServiceApplication}, "client_secret": {lab.ServiceSecret},
		"scope": {"https://graph.microsoft.com/.default"},
	}.Encode()
}

// token asks for a token of tenant, with more header fields if given.
func (s *scene) token(ctx context.Context, http2 bool, tenant string, header ...string) (answer, error) {
	return s.send(ctx, http2, http.MethodPost, tokenURL(tenant), credentials(), header...)
}

func expectToken(a answer) error {
	if a.status != http.StatusOK || !strings.Contains(a.body, `"access_token"`) {
		return a.unlike("a token")
	}
	return nil
}

func expectBlocked(a answer) error {
	if !strings.Contains(a.body, "AADSTS500021") {
		return a.unlike("AADSTS500021")
	}
	if strings.Contains(a.body, `"access_token"`) {
		return errors.New("a token was issued beside AADSTS500021")
	}
	return nil
}

// unlike says what came instead of what was promised, in one short line.
func (a answer) unlike(want string) error {
	text := strings.Join(strings.Fields(a.body), " ")
	if len(text) > 160 {
		text = text[:160] + "…"
	}
	return fmt.Errorf("want %s, got status %d: %s", want, a.status, text)
}

func permittedToken(ctx context.Context, s *scene) error {
	for _, tenant := range []string{lab.ContosoDomain, lab.ContosoTenant} {
		a, err := s.token(ctx, false, tenant)
		if err != nil {
			return err
		}
		if err := expectToken(a); err != nil {
			return fmt.Errorf("%s: %w", tenant, err)
		}
	}
	return nil
}

func foreignToken(ctx context.Context, s *scene) error {
	a, err := s.token(ctx, false, lab.FabrikamDomain)
	if err != nil {
		return err
	}
	return expectBlocked(a)
}

// foreignEverywhere asks at each of the three hosts, because a rule that names one of them is a hole at the others.
func foreignEverywhere(ctx context.Context, s *scene) error {
	for _, host := range []string{signInHost, "login.microsoft.com", "login.windows.net"} {
		a, err := s.send(ctx, false, http.MethodPost, "https://"+host+"/"+lab.FabrikamDomain+"/oauth2/v2.0/token", credentials())
		if err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		if err := expectBlocked(a); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
	}
	return nil
}

func foreignPage(ctx context.Context, s *scene) error {
	a, err := s.get(ctx, "https://"+signInHost+"/"+lab.FabrikamDomain+"/oauth2/v2.0/authorize?"+url.Values{
		"client_id": {lab.PublicApplication}, "response_type": {"code"}, "redirect_uri": {"http://localhost"}, "scope": {"openid"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode(), "Accept", "text/html")
	if err != nil {
		return err
	}
	if !strings.Contains(a.header.Get("Content-Type"), "text/html") {
		return a.unlike("a page")
	}
	return expectBlocked(a)
}

func foreignDeviceCode(ctx context.Context, s *scene) error {
	a, err := s.send(ctx, false, http.MethodPost, "https://"+signInHost+"/"+lab.FabrikamDomain+"/oauth2/v2.0/devicecode",
		url.Values{"client_id": {lab.PublicApplication}, "scope": {"openid"}}.Encode())
	if err != nil {
		return err
	}
	return expectBlocked(a)
}

func overHTTP2(ctx context.Context, s *scene) error {
	a, err := s.token(ctx, true, lab.ContosoDomain)
	if err != nil {
		return err
	}
	if a.proto != "HTTP/2.0" {
		return fmt.Errorf("the gateway spoke %s to a client that offers HTTP/2", a.proto)
	}
	if err := expectToken(a); err != nil {
		return err
	}
	if a, err = s.token(ctx, true, lab.FabrikamDomain); err != nil {
		return err
	}
	return expectBlocked(a)
}

func consumerBlocked(ctx context.Context, s *scene) error {
	a, err := s.get(ctx, "https://"+consumerHost+"/oauth20_authorize.srf?"+url.Values{
		"client_id": {lab.PublicApplication}, "response_type": {"code"}, "redirect_uri": {"http://localhost"}, "scope": {"openid"},
	}.Encode(), "Accept", "text/html")
	if err != nil {
		return err
	}
	if !strings.Contains(a.body, "80045C4D") {
		return a.unlike("80045C4D")
	}
	return nil
}

// exactHeaders looks at what reached the lab's socket: each header once, with the configured bytes.
func exactHeaders(ctx context.Context, s *scene) error {
	for _, http2 := range []bool{false, true} {
		if err := s.headersOf(ctx, http2); err != nil {
			return err
		}
	}
	return nil
}

// replacedHeaders sends a client's own headers in several spellings and looks for them at the lab's socket.
func replacedHeaders(ctx context.Context, s *scene) error {
	forged := []string{
		restrict.HeaderTenants, lab.FabrikamDomain, "RESTRICT-ACCESS-TO-TENANTS", lab.FabrikamDomain,
		restrict.HeaderContext, lab.FabrikamTenant, restrict.HeaderPolicy, "restrict-nothing",
		"Connection", restrict.HeaderTenants,
	}
	for _, http2 := range []bool{false, true} {
		header := forged
		if http2 {
			header = forged[:8] // HTTP/2 has no Connection
		}
		if err := s.headersOf(ctx, http2, header...); err != nil {
			return err
		}
	}
	return nil
}

// headersOf sends one request with header and compares the restriction headers at the lab's socket with the policy's.
func (s *scene) headersOf(ctx context.Context, http2 bool, header ...string) error {
	nonce := rand.Text()
	a, err := s.token(ctx, http2, lab.ContosoDomain, append([]string{"client-request-id", nonce}, header...)...)
	if err != nil {
		return err
	}
	received := s.carrying(nonce)
	if len(received) != 1 {
		return fmt.Errorf("the lab received %d requests for one (status %d)", len(received), a.status)
	}
	for _, want := range []struct{ name, value string }{
		{restrict.HeaderTenants, s.tenants}, {restrict.HeaderContext, s.context},
	} {
		got := received[0].fields(want.name)
		if len(got) != 1 || got[0] != want.value {
			return fmt.Errorf("%s reached the lab as %q, want once %q", want.name, got, want.value)
		}
	}
	if got := received[0].fields(restrict.HeaderPolicy); len(got) != 0 {
		return fmt.Errorf("%s reached the lab as %q", restrict.HeaderPolicy, got)
	}
	return nil
}

// plainHeaders sends a client's own headers to a plain HTTP host that is no sign-in host: none may leave.
func plainHeaders(ctx context.Context, s *scene) error {
	nonce := rand.Text()
	a, err := s.get(ctx, "http://"+plainHost+"/lab?nonce="+nonce, restrict.HeaderTenants, lab.FabrikamDomain,
		restrict.HeaderContext, lab.ContosoTenant, restrict.HeaderPolicy, "x")
	if err != nil {
		return err
	}
	received := s.carrying(nonce)
	if len(received) != 1 || a.status != http.StatusOK {
		return fmt.Errorf("the lab received %d requests for one (status %d)", len(received), a.status)
	}
	for _, name := range []string{restrict.HeaderTenants, restrict.HeaderContext, restrict.HeaderPolicy} {
		if got := received[0].fields(name); len(got) > 0 {
			return fmt.Errorf("%s left for %s as %q", name, plainHost, got)
		}
	}
	return nil
}
