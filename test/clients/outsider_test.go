//go:build unix

package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"sekisho/internal/lab"
)

// golang.org/x/oauth2 with go-oidc, as an application that knows nothing of Microsoft uses them: every grant that they
// have, through the checkpoint, in a permitted and in a foreign tenant.
func TestOAuth2(t *testing.T) {
	t.Parallel()
	c := up(t)
	p := c.person(t)
	ctx := oidc.ClientContext(t.Context(), c.person(t).http)
	provider := func(t *testing.T, tenant string) *oidc.Provider {
		t.Helper()
		found, err := oidc.NewProvider(ctx, "https://login.microsoftonline.com/"+tenant+"/v2.0")
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	endpoint := func(t *testing.T, tenant string) oauth2.Endpoint {
		e := provider(t, tenant).Endpoint()
		e.AuthStyle = oauth2.AuthStyleInParams
		return e
	}
	config := func(t *testing.T, tenant, redirect string) oauth2.Config {
		return oauth2.Config{ClientID: lab.PublicApplication, Endpoint: endpoint(t, tenant), RedirectURL: redirect, Scopes: []string{oidc.ScopeOpenID, "offline_access", "User.Read"}}
	}
	restricted := func(t *testing.T, err error) {
		t.Helper()
		var refused *oauth2.RetrieveError
		if !errors.As(err, &refused) || refused.ErrorCode != "invalid_request" || refused.Response.StatusCode != http.StatusBadRequest ||
			!strings.Contains(refused.ErrorDescription, "AADSTS500021") {
			t.Errorf("want an oauth2.RetrieveError with AADSTS500021, got %v", err)
		}
	}
	granted := func(t *testing.T, got *oauth2.Token, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if tenant := claims(t, got.AccessToken)["tid"]; tenant != lab.ContosoTenant {
			t.Errorf("the token is of tenant %v", tenant)
		}
	}

	t.Run("client credentials", func(t *testing.T) {
		for _, tenant := range []string{lab.ContosoTenant, lab.FabrikamTenant} {
			service := clientcredentials.Config{ClientID: lab.ServiceApplication, ClientSecret: lab.ServiceSecret,
				TokenURL: endpoint(t, tenant).TokenURL, Scopes: []string{"https://graph.microsoft.com/.default"}, AuthStyle: oauth2.AuthStyleInParams}
			if got, err := service.Token(ctx); tenant == lab.ContosoTenant {
				granted(t, got, err)
			} else {
				restricted(t, err)
			}
		}
	})
	t.Run("password", func(t *testing.T) {
		permitted, foreign := config(t, lab.ContosoTenant, ""), config(t, lab.FabrikamTenant, "")
		got, err := permitted.PasswordCredentialsToken(ctx, lab.Alice, lab.AlicePassword)
		granted(t, got, err)
		_, err = foreign.PasswordCredentialsToken(ctx, lab.Bob, lab.BobPassword)
		restricted(t, err)
	})
	t.Run("device code", func(t *testing.T) {
		permitted, foreign := config(t, lab.ContosoTenant, ""), config(t, lab.FabrikamTenant, "")
		code, err := permitted.DeviceAuth(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.approve(t, step{Open: code.VerificationURI, UserCode: code.UserCode}, lab.Alice, lab.AlicePassword)
		got, err := permitted.DeviceAccessToken(ctx, code)
		granted(t, got, err)
		_, err = foreign.DeviceAuth(ctx)
		restricted(t, err)
	})
	t.Run("authorization code with PKCE", func(t *testing.T) {
		redirect, codes := receive(t)
		permitted, foreign := config(t, lab.ContosoTenant, redirect), config(t, lab.FabrikamTenant, redirect)
		proof := oauth2.GenerateVerifier()
		status, page := p.signIn(permitted.AuthCodeURL("the state", oidc.Nonce("the nonce"), oauth2.S256ChallengeOption(proof)), lab.Alice, lab.AlicePassword)
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, page)
		}
		back := <-codes
		if back.Get("state") != "the state" {
			t.Errorf("the state came back as %q", back.Get("state"))
		}
		got, err := permitted.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(proof))
		granted(t, got, err)
		raw, _ := got.Extra("id_token").(string)
		id, err := provider(t, lab.ContosoTenant).Verifier(&oidc.Config{ClientID: lab.PublicApplication}).Verify(ctx, raw)
		if err != nil || id.Nonce != "the nonce" {
			t.Errorf("%v, %+v", err, id)
		}
		fresh, err := permitted.TokenSource(ctx, &oauth2.Token{RefreshToken: got.RefreshToken}).Token()
		granted(t, fresh, err)
		// The refresh token of a permitted tenant opens no foreign one, though its person is a guest there.
		_, err = foreign.TokenSource(ctx, &oauth2.Token{RefreshToken: fresh.RefreshToken}).Token()
		restricted(t, err)
		status, page = p.signIn(foreign.AuthCodeURL("s", oauth2.S256ChallengeOption(proof)), lab.Alice, lab.AlicePassword)
		if status != http.StatusBadRequest || !strings.Contains(page, "AADSTS500021") {
			t.Errorf("%d %s", status, page)
		}
	})
}

// receive listens at http://localhost as an application on somebody's device does, and returns its address and what comes.
func receive(t *testing.T) (string, <-chan url.Values) {
	t.Helper()
	codes := make(chan url.Values, 1)
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case codes <- r.URL.Query():
		default:
		}
		fmt.Fprintln(w, "you may close this page")
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return "http://localhost:" + l.Addr().String()[strings.LastIndexByte(l.Addr().String(), ':')+1:], codes
}
