// Command azidentity is an ordinary application that signs in with the Azure SDK for Go. It knows nothing of a proxy or of
// a lab: the tests give it HTTPS_PROXY and SSL_CERT_FILE, and what its person or administrator would give it.
//
//	azidentity secret TENANT APPLICATION SECRET
//	azidentity certificate TENANT APPLICATION FILE          PEM: certificate and private key
//	azidentity behalf TENANT APPLICATION SECRET TOKEN       on behalf of the person of TOKEN
//	azidentity password TENANT APPLICATION USER PASSWORD
//	azidentity device TENANT APPLICATION                    prints where to enter which code, then waits
//	azidentity browser TENANT APPLICATION                   opens a browser with xdg-open, then waits
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

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const limit = 2 * time.Minute // chosen: a person, driven by a test

// step is what somebody has to do before the sign-in goes on.
type step struct {
	Open     string `json:"open"`
	UserCode string `json:"user_code,omitempty"`
}

// outcome is what the library gave to the application.
type outcome struct {
	Token     string `json:"token,omitempty"`
	Cached    bool   `json:"cached,omitempty"`    // a second request was answered from memory
	Refreshed bool   `json:"refreshed,omitempty"` // a token for another resource came without asking anybody

	Error   string `json:"error,omitempty"`
	CallErr bool   `json:"call_err,omitempty"` // the error is an azidentity.AuthenticationFailedError
	Status  int    `json:"status,omitempty"`   // HTTP status in it
	Body    string `json:"body,omitempty"`     // body in it
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	o, err := signIn(ctx, os.Args[1:])
	if err != nil {
		o = outcome{Error: err.Error()}
		var failed *azidentity.AuthenticationFailedError
		if errors.As(err, &failed) && failed.RawResponse != nil {
			body, _ := io.ReadAll(failed.RawResponse.Body)
			o.CallErr, o.Status, o.Body = true, failed.RawResponse.StatusCode, string(body)
		}
	}
	say(o)
}

func say(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func signIn(ctx context.Context, args []string) (outcome, error) {
	if len(args) < 3 {
		return outcome{}, errors.New("write: azidentity secret|certificate|behalf|password|device|browser TENANT APPLICATION …")
	}
	grant, tenant, application := args[0], args[1], args[2]
	args = append(args[3:], "", "")
	scope, other := "https://graph.microsoft.com/.default", ""
	var credential azcore.TokenCredential
	var err error
	switch grant {
	case "secret":
		credential, err = azidentity.NewClientSecretCredential(tenant, application, args[0], nil)
	case "certificate":
		credential, err = certified(tenant, application, args[0])
	case "behalf":
		credential, err = azidentity.NewOnBehalfOfCredentialWithSecret(tenant, application, args[1], args[0], nil)
	case "password":
		//lint:ignore SA1019 applications in the field still use this grant, so restrictions must hold for it
		credential, err = azidentity.NewUsernamePasswordCredential(tenant, application, args[0], args[1], nil)
	case "device":
		other = "https://manage.microsoft.com/.default"
		credential, err = azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{TenantID: tenant, ClientID: application,
			UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
				say(step{Open: m.VerificationURL, UserCode: m.UserCode})
				return nil
			}})
	case "browser":
		other = "https://manage.microsoft.com/.default"
		credential, err = azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{TenantID: tenant, ClientID: application})
	default:
		err = fmt.Errorf("there is no grant %q", grant)
	}
	if err != nil {
		return outcome{}, err
	}
	got, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return outcome{}, err
	}
	again, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	o := outcome{Token: got.Token, Cached: err == nil && again.Token == got.Token}
	if other != "" {
		more, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{other}})
		o.Refreshed = err == nil && more.Token != "" && more.Token != got.Token
	}
	return o, nil
}

func certified(tenant, application, file string) (azcore.TokenCredential, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	chain, key, err := azidentity.ParseCertificates(data, nil)
	if err != nil {
		return nil, err
	}
	return azidentity.NewClientCertificateCredential(tenant, application, chain, key, nil)
}
