// Command msal is an ordinary application that signs in with MSAL for Go. It knows nothing of a proxy or of a lab: the
// tests give it HTTPS_PROXY and SSL_CERT_FILE and nothing else.
//
//	msal secret TENANT [APPLICATION SECRET]                  client credentials
//	msal certificate TENANT APPLICATION FILE                 the same by certificate; PEM with its private key
//	msal behalf TENANT APPLICATION SECRET TOKEN              on behalf of the person of TOKEN
//	msal password TENANT [APPLICATION] USER PASSWORD         resource owner password credentials
//	msal device TENANT [APPLICATION]                         device code; prints where to enter which code, then waits
//	msal browser TENANT [APPLICATION] [USER]                 authorization code with PKCE; prints the page to open, then waits
//
// It prints one JSON object a line; the last one is the outcome.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	msalerrors "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"

	"sekisho/internal/lab"
)

const (
	cloud = "https://login.microsoftonline.com/"
	limit = 2 * time.Minute // chosen: a person at a browser, driven by a test
)

// Step is what somebody has to do before the sign-in goes on.
type Step struct {
	Open     string `json:"open"`
	UserCode string `json:"user_code,omitempty"`
}

// Outcome is what the library gave to the application.
type Outcome struct {
	Token  string `json:"token,omitempty"`
	Tenant string `json:"tenant,omitempty"` // of the id token; empty for an application of its own
	User   string `json:"user,omitempty"`
	Cached bool   `json:"cached,omitempty"` // a second, silent request was answered
	// Refreshed tells that a token for another resource came without asking anybody.
	Refreshed bool `json:"refreshed,omitempty"`

	Error   string `json:"error,omitempty"`
	CallErr bool   `json:"call_err,omitempty"` // the error is an errors.CallErr
	Status  int    `json:"status,omitempty"`   // HTTP status in CallErr
	Body    string `json:"body,omitempty"`     // body in CallErr
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	outcome, err := signIn(ctx, os.Args[1:])
	if err != nil {
		outcome = Outcome{Error: err.Error()}
		var call msalerrors.CallErr
		if errors.As(err, &call) {
			body, _ := io.ReadAll(call.Resp.Body)
			outcome.CallErr, outcome.Status, outcome.Body = true, call.Resp.StatusCode, string(body)
		}
	}
	say(outcome)
}

func say(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func signIn(ctx context.Context, args []string) (Outcome, error) {
	if len(args) < 2 {
		return Outcome{}, errors.New("write: msal secret|certificate|behalf|password|device|browser TENANT …")
	}
	kind, authority, args := args[0], cloud+args[1], append(args[2:], "", "", "")
	switch kind {
	case "secret", "certificate", "behalf":
		return service(ctx, kind, authority, args)
	}
	if args[0] == lab.PublicApplication {
		args = args[1:]
	}
	user, password := args[0], args[1]
	app, err := public.New(lab.PublicApplication, public.WithAuthority(authority))
	if err != nil {
		return Outcome{}, err
	}
	scopes := []string{"https://graph.microsoft.com/User.Read"}
	var result public.AuthResult
	switch kind {
	case "password":
		//lint:ignore SA1019 applications in the field still use this grant, so restrictions must hold for it
		result, err = app.AcquireTokenByUsernamePassword(ctx, scopes, user, password)
	case "device":
		var code public.DeviceCode
		if code, err = app.AcquireTokenByDeviceCode(ctx, scopes); err == nil {
			say(Step{Open: code.Result.VerificationURL, UserCode: code.Result.UserCode})
			result, err = code.AuthenticationResult(ctx)
		}
	case "browser":
		options := []public.AcquireInteractiveOption{public.WithOpenURL(func(page string) error {
			say(Step{Open: page})
			return nil
		})}
		if user != "" {
			options = append(options, public.WithLoginHint(user))
		}
		result, err = app.AcquireTokenInteractive(ctx, scopes, options...)
	default:
		err = fmt.Errorf("there is no grant %q", kind)
	}
	if err != nil {
		return Outcome{}, err
	}
	again, err := app.AcquireTokenSilent(ctx, scopes, public.WithSilentAccount(result.Account))
	other, otherErr := app.AcquireTokenSilent(ctx, []string{"https://manage.microsoft.com/x"}, public.WithSilentAccount(result.Account))
	return Outcome{
		Token: result.AccessToken, Tenant: result.IDToken.TenantID, User: result.Account.PreferredUsername,
		Cached:    err == nil && again.AccessToken == result.AccessToken,
		Refreshed: otherErr == nil && other.AccessToken != "" && other.AccessToken != result.AccessToken,
	}, nil
}

func service(ctx context.Context, kind, authority string, args []string) (Outcome, error) {
	application, secret := args[0], args[1]
	if application == "" {
		application, secret = lab.ServiceApplication, lab.ServiceSecret
	}
	credential, err := confidential.NewCredFromSecret(secret)
	if kind == "certificate" {
		credential, err = certificate(args[1])
	}
	if err != nil {
		return Outcome{}, err
	}
	app, err := confidential.New(authority, application, credential)
	if err != nil {
		return Outcome{}, err
	}
	ask := func() (confidential.AuthResult, error) { // looks into its cache first
		if kind == "behalf" {
			return app.AcquireTokenOnBehalfOf(ctx, args[2], []string{"https://graph.microsoft.com/User.Read"})
		}
		return app.AcquireTokenByCredential(ctx, []string{"https://graph.microsoft.com/.default"})
	}
	result, err := ask()
	if err != nil {
		return Outcome{}, err
	}
	again, err := ask()
	return Outcome{Token: result.AccessToken, Cached: err == nil && again.AccessToken == result.AccessToken}, nil
}

func certificate(file string) (confidential.Credential, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return confidential.Credential{}, err
	}
	chain, key, err := confidential.CertFromPEM(data, "")
	if err != nil {
		return confidential.Credential{}, err
	}
	return confidential.NewCredFromCert(chain, key)
}
