//go:build unix

package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/lab"
)

// step and outcome are what test/clients/msal prints.
type step struct {
	Open     string `json:"open"`
	UserCode string `json:"user_code"`
}

type outcome struct {
	Token, Tenant, User, Error, Body string
	Cached, Refreshed                bool
	CallErr                          bool `json:"call_err"`
	Status                           int
}

// application is a program that signs in with a library, and all that its environment says.
type application struct {
	env     []string
	command []string
}

// msalApplication signs in with MSAL for Go.
func (c *checkpoint) msalApplication() application {
	return application{[]string{"HTTPS_PROXY=http://" + c.gateway, "SSL_CERT_FILE=" + c.trust}, []string{filepath.Join(programs, "msal")}}
}

// msal runs the application of MSAL for Go to its end.
func (c *checkpoint) msal(t *testing.T, args ...string) outcome {
	t.Helper()
	return c.msalApplication().run(t, args...)
}

// startMSAL runs the application of MSAL for Go until somebody has to open a page.
func (c *checkpoint) startMSAL(t *testing.T, args ...string) (first step, finish func() outcome) {
	t.Helper()
	return c.msalApplication().begin(t, args...)
}

// run runs the application to its end.
func (a application) run(t *testing.T, args ...string) outcome {
	t.Helper()
	r := client(t, a.env, a.command[0], append(slices.Clone(a.command[1:]), args...)...)
	return readOutcome(t, r.out+r.err)
}

func readOutcome(t *testing.T, out string) outcome {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var o outcome
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &o); err != nil {
		t.Fatalf("the application printed %q: %v", out, err)
	}
	return o
}

// begin runs the application until somebody has to open a page. finish waits for its outcome.
func (a application) begin(t *testing.T, args ...string) (first step, finish func() outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*clientLimit)
	t.Cleanup(cancel)
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, a.command[0], append(slices.Clone(a.command[1:]), args...)...)
	cmd.Env, cmd.Stderr = a.env, &errs
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(pipe)
	line, err := in.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &first)
	}
	if err != nil || first.Open == "" {
		_ = cmd.Wait()
		t.Fatalf("the application printed %q (%v), want where to sign in\n%s", line, err, errs.String())
	}
	finish = func() outcome {
		t.Helper()
		text, _ := io.ReadAll(in)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("the application: %v\n%s", err, errs.String())
		}
		return readOutcome(t, string(text))
	}
	return first, finish
}

// claims reads the body of a JWT without verifying it, as nobody but its audience should.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%.40q is no JWT", token)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// approve enters the user code on the lab's page, as a person at another device on the same network does.
func (c *checkpoint) approve(t *testing.T, at step, user, password string) {
	t.Helper()
	p := c.person(t)
	if status, page := p.fill(at.Open, map[string]string{"user_code": at.UserCode, "username": user, "password": password}); status != http.StatusOK || strings.Contains(page, "<form") {
		t.Fatalf("%s: %d %s", at.Open, status, page)
	}
}

func TestMSAL(t *testing.T) {
	t.Parallel()
	c := up(t)
	granted := func(t *testing.T, o outcome, user string) {
		t.Helper()
		if o.Error != "" || o.Token == "" {
			t.Fatalf("no token: %+v", o)
		}
		if !o.Cached {
			t.Error("the library cannot use what it has cached")
		}
		if got := claims(t, o.Token)["tid"]; got != lab.ContosoTenant {
			t.Errorf("the token is of tenant %v, want %s", got, lab.ContosoTenant)
		}
		if user != "" && (o.User != user || o.Tenant != lab.ContosoTenant) {
			t.Errorf("the library signed in %q of %q, want %q of %q", o.User, o.Tenant, user, lab.ContosoTenant)
		}
	}
	// Entra ID's code and its sentence arrive at the application in the type that the library documents.
	restricted := func(t *testing.T, o outcome) {
		t.Helper()
		if o.Token != "" || !o.CallErr || o.Status != 400 {
			t.Fatalf("want an errors.CallErr with status 400 and no token, got %+v", o)
		}
		if !strings.Contains(o.Error, "AADSTS500021") && !strings.Contains(o.Body, "AADSTS500021") {
			t.Errorf("the application sees no AADSTS500021: %+v", o)
		}
		var body struct {
			Codes       []int  `json:"error_codes"`
			Description string `json:"error_description"`
		}
		if o.Body != "" {
			if err := json.Unmarshal([]byte(o.Body), &body); err != nil || !slices.Contains(body.Codes, 500021) {
				t.Errorf("the body of the answer is %q (%v), want error code 500021", o.Body, err)
			}
		}
	}

	t.Run("client credentials", func(t *testing.T) {
		for _, tenant := range []string{lab.ContosoDomain, lab.ContosoTenant} {
			granted(t, c.msal(t, "secret", tenant), "")
		}
		for _, tenant := range []string{lab.FabrikamDomain, lab.FabrikamTenant, lab.NorthwindDomain} {
			restricted(t, c.msal(t, "secret", tenant))
		}
	})
	t.Run("password", func(t *testing.T) {
		granted(t, c.msal(t, "password", lab.ContosoDomain, lab.Alice, lab.AlicePassword), lab.Alice)
		granted(t, c.msal(t, "password", "organizations", lab.Alice, lab.AlicePassword), lab.Alice)
		restricted(t, c.msal(t, "password", lab.FabrikamDomain, lab.Bob, lab.BobPassword))
		restricted(t, c.msal(t, "password", "organizations", lab.Bob, lab.BobPassword))
		// A permitted person is a guest there: the tenant that is asked for decides, not the person.
		restricted(t, c.msal(t, "password", lab.FabrikamDomain, lab.Alice, lab.AlicePassword))
	})
	t.Run("device code", func(t *testing.T) {
		first, finish := c.startMSAL(t, "device", lab.ContosoDomain)
		c.approve(t, first, lab.Alice, lab.AlicePassword)
		granted(t, finish(), lab.Alice)
		restricted(t, c.msal(t, "device", lab.FabrikamDomain))
	})
	t.Run("without the proxy nothing answers", func(t *testing.T) {
		// The names are Microsoft's: what answers is the lab because of HTTPS_PROXY alone.
		lost := application{[]string{"HTTPS_PROXY=http://127.0.0.1:1", "SSL_CERT_FILE=" + c.trust}, c.msalApplication().command}
		if o := lost.run(t, "secret", lab.ContosoDomain); o.Token != "" || o.Error == "" {
			t.Errorf("a token came from somewhere else: %+v", o)
		}
	})
	t.Run("without the roots nothing is trusted", func(t *testing.T) {
		wary := application{[]string{"HTTPS_PROXY=http://" + c.gateway}, c.msalApplication().command}
		if o := wary.run(t, "secret", lab.ContosoDomain); o.Token != "" || !strings.Contains(o.Error, "certificate") {
			t.Errorf("want an error about the certificate, got %+v", o)
		}
	})
}
