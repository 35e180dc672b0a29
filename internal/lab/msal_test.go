package lab

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	msalerrors "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
)

// MSAL for Go, unmodified: instance discovery, OpenID discovery, and the grants that need no browser.
func TestMSAL(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	cred, err := confidential.NewCredFromSecret(ServiceSecret)
	if err != nil {
		t.Fatal(err)
	}
	service, err := confidential.New(signInHost+"/contoso.com", ServiceApplication, cred, confidential.WithHTTPClient(c))
	if err != nil {
		t.Fatal(err)
	}
	got, err := service.AcquireTokenByCredential(t.Context(), []string{"https://graph.microsoft.com/.default"})
	if err != nil || got.AccessToken == "" {
		t.Fatalf("client credentials: %v", err)
	}
	app, err := public.New(PublicApplication, public.WithAuthority(signInHost+"/organizations"), public.WithHTTPClient(c))
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 the grant is part of what the lab answers
	user, err := app.AcquireTokenByUsernamePassword(t.Context(), []string{"User.Read"}, Alice, AlicePassword)
	if err != nil {
		t.Fatal("password:", err)
	}
	if user.IDToken.TenantID != ContosoTenant || user.Account.PreferredUsername != Alice {
		t.Errorf("account %+v", user.Account)
	}
	if _, err := app.AcquireTokenSilent(t.Context(), []string{"https://manage.microsoft.com/x"}, public.WithSilentAccount(user.Account)); err != nil {
		t.Error("silent, by refresh token:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	device, err := app.AcquireTokenByDeviceCode(ctx, []string{"User.Read"})
	if err != nil || device.Result.UserCode == "" {
		t.Errorf("device code: %v", err)
	}
	cancel()
}

// restricted adds a proxy's headers.
type restricted struct{ http.RoundTripper }

func (r restricted) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for i := 0; i < len(v1Contoso); i += 2 {
		req.Header.Set(v1Contoso[i], v1Contoso[i+1])
	}
	return r.RoundTripper.RoundTrip(req)
}

func TestMSALShowsTheRefusal(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	c.Transport = restricted{c.Transport}
	cred, err := confidential.NewCredFromSecret(ServiceSecret)
	if err != nil {
		t.Fatal(err)
	}
	service, err := confidential.New(signInHost+"/fabrikam.com", ServiceApplication, cred, confidential.WithHTTPClient(c))
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.AcquireTokenByCredential(t.Context(), []string{"https://graph.microsoft.com/.default"})
	var call msalerrors.CallErr
	if !errors.As(err, &call) {
		t.Fatalf("%T %v", err, err)
	}
	body, _ := io.ReadAll(call.Resp.Body)
	if !strings.Contains(call.Error()+string(body), "AADSTS500021") {
		t.Errorf("%v", err)
	}
}
