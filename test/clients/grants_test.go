//go:build unix

package clients

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/lab"
)

// installLimit is how long a package manager may take; chosen.
const installLimit = 3 * time.Minute

// azidentityApplication signs in with the Azure SDK for Go, of a module of its own.
func (c *checkpoint) azidentityApplication(t *testing.T) application {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "azidentity", "-o", filepath.Join(dir, "azidentity"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the module github.com/Azure/azure-sdk-for-go/sdk/azidentity turns this test on: %v\n%s", err, out)
	}
	// The library opens a browser as the desktop does; this one tells the test.
	opener := "#!/bin/sh\nprintf '{\"open\":\"%s\"}\\n' \"$1\"\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(opener), 0o755); err != nil {
		t.Fatal(err)
	}
	return application{
		[]string{"HTTPS_PROXY=http://" + c.gateway, "SSL_CERT_FILE=" + c.trust, "PATH=" + dir + ":/usr/bin:/bin", "HOME=" + dir},
		[]string{filepath.Join(dir, "azidentity")},
	}
}

// nodeApplication signs in with MSAL for Node, as its lock file names it.
func (c *checkpoint) nodeApplication(t *testing.T) application {
	t.Helper()
	node, npm := need(t, "nodejs", "node"), need(t, "npm", "npm")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "main.cjs"} {
		content, err := os.ReadFile(filepath.Join("msalnode", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	install.Dir, install.WaitDelay = dir, time.Second
	stop := time.AfterFunc(installLimit, func() { _ = install.Cancel() })
	defer stop.Stop()
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("the npm package @azure/msal-node turns this test on: npm ci: %v\n%s", err, out)
	}
	return application{
		[]string{"HTTPS_PROXY=http://" + c.gateway, "NODE_EXTRA_CA_CERTS=" + c.trust, "HOME=" + dir},
		[]string{node, filepath.Join(dir, "main.cjs")},
	}
}

// certified starts a checkpoint whose lab has an own lab.yaml: the shipped one and, for Lab Certificate Service, a
// certificate of which the test has the private half. It returns the PEM file and the certificate's hash.
func certified(t *testing.T) (c *checkpoint, file, hash string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	public := string(certificatePEM(der))
	file = filepath.Join(home, "client.pem")
	both := public + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	if err := os.WriteFile(file, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(home, "data folder")
	sekisho := filepath.Join(programs, "sekisho")
	if r := client(t, []string{"HOME=" + home}, sekisho, "lab", "init", "--data", data); r.code != 0 {
		t.Fatalf("lab init: %s%s", r.out, r.err)
	}
	directory := filepath.Join(data, "lab", "lab.yaml")
	shipped, err := os.ReadFile(directory)
	if err != nil {
		t.Fatal(err)
	}
	entry := "    certificates:\n      - name: test\n        pem: |\n          " + strings.ReplaceAll(strings.TrimSpace(public), "\n", "\n          ") + "\n"
	own := strings.Replace(string(shipped), "    certificates:\n", entry, 1)
	if err := os.WriteFile(directory, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := client(t, []string{"HOME=" + home}, sekisho, "lab", "check", "--data", data); r.code != 0 || own == string(shipped) {
		t.Fatalf("lab check: %s%s", r.out, r.err)
	}
	sum := sha256.Sum256(der)
	return up(t, "--data", data), file, hex.EncodeToString(sum[:])
}

// userToken is alice's access token for the lab's service, from the password grant.
func (c *checkpoint) userToken(t *testing.T) string {
	t.Helper()
	answer, err := c.person(t).http.PostForm("https://login.microsoftonline.com/"+lab.ContosoDomain+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "client_id": {lab.PublicApplication}, "username": {lab.Alice}, "password": {lab.AlicePassword},
		"scope": {"openid api://" + lab.ServiceApplication + "/access_as_user"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Token == "" {
		t.Fatalf("%s, %v", answer.Status, err)
	}
	return got.Token
}

// Every grant of every library, in a permitted and in a foreign tenant, those of people at a browser in one Chromium: a token, or the code of the refusal in the error
// that the library documents.
func TestEveryGrantOfEveryLibrary(t *testing.T) {
	t.Parallel()
	c, pemFile, hash := certified(t)
	var chromium *browser // one for all: a start takes long
	if found("chromium", "chromium-browser", "google-chrome") != "" && found("certutil") != "" {
		chromium = c.browse(t, "en")
	}
	behalf := c.userToken(t)
	for name, find := range map[string]func(*testing.T) application{
		"MSAL for Go":      func(*testing.T) application { return c.msalApplication() },
		"Azure SDK for Go": c.azidentityApplication,
		"MSAL for Node":    c.nodeApplication,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := find(t)
			granted := func(t *testing.T, o outcome, refreshed bool) {
				t.Helper()
				if o.Error != "" || o.Token == "" || !o.Cached || o.Refreshed != refreshed {
					t.Fatalf("want a token, kept (and renewed: %t), got %+v", refreshed, o)
				}
				if got := claims(t, o.Token)["tid"]; got != lab.ContosoTenant {
					t.Errorf("the token is of tenant %v", got)
				}
			}
			restricted := func(t *testing.T, o outcome) {
				t.Helper()
				if o.Token != "" || !o.CallErr || !strings.Contains(o.Error+o.Body, "AADSTS500021") || o.Status != 0 && o.Status != http.StatusBadRequest {
					t.Errorf("want the library's error with AADSTS500021, got %+v", o)
				}
			}
			// What two of the libraries make of a refusal at the devicecode endpoint is poorer than elsewhere.
			noDeviceCode := restricted
			switch name {
			case "Azure SDK for Go": // the text is whole, the type is not the documented one
				noDeviceCode = func(t *testing.T, o outcome) { o.CallErr = true; restricted(t, o) }
			case "MSAL for Node": // the description is lost
				noDeviceCode = func(t *testing.T, o outcome) {
					if o.Token != "" || !strings.Contains(o.Error, "post_request_failed") || !strings.Contains(o.Error, "invalid_request") {
						t.Errorf("got %+v", o)
					}
				}
			}
			arguments := func(grant, tenant string) []string {
				args := []string{grant, tenant}
				switch grant {
				case "secret":
					return append(args, lab.ServiceApplication, lab.ServiceSecret)
				case "certificate":
					return append(args, lab.CertificateApplication, pemFile, hash)
				case "behalf":
					return append(args, lab.ServiceApplication, lab.ServiceSecret, behalf)
				}
				return append(args, lab.PublicApplication)
			}
			for _, grant := range []string{"secret", "certificate", "behalf"} {
				t.Run(grant, func(t *testing.T) {
					granted(t, app.run(t, arguments(grant, lab.ContosoTenant)...), false)
					restricted(t, app.run(t, arguments(grant, lab.FabrikamTenant)...))
				})
			}
			person := name != "Azure SDK for Go" // whose credential for a password asks anew each time
			t.Run("password", func(t *testing.T) {
				granted(t, app.run(t, append(arguments("password", lab.ContosoTenant), lab.Alice, lab.AlicePassword)...), person)
				restricted(t, app.run(t, append(arguments("password", lab.FabrikamTenant), lab.Bob, lab.BobPassword)...))
				restricted(t, app.run(t, append(arguments("password", "organizations"), lab.Bob, lab.BobPassword)...))
			})
			t.Run("device", func(t *testing.T) {
				first, finish := app.begin(t, arguments("device", lab.ContosoTenant)...)
				c.approve(t, first, lab.Alice, lab.AlicePassword)
				granted(t, finish(), true)
				noDeviceCode(t, app.run(t, arguments("device", lab.FabrikamTenant)...))
			})
			t.Run("browser", func(t *testing.T) {
				need(t, "chromium", "chromium", "chromium-browser", "google-chrome")
				need(t, "libnss3-tools", "certutil")
				first, finish := app.begin(t, arguments("browser", lab.ContosoTenant)...)
				w := chromium.window(t)
				if status := w.signIn(first.Open, lab.Alice, lab.AlicePassword); status != http.StatusOK {
					t.Fatalf("%d at %s", status, w.location())
				}
				granted(t, finish(), true)
				// The refusal is a page; nothing comes back to the application.
				for tenant, user := range map[string]string{lab.FabrikamTenant: lab.Alice, "organizations": lab.Bob} {
					first, _ = app.begin(t, arguments("browser", tenant)...)
					w := chromium.window(t)
					if status := w.signIn(first.Open, user, lab.BobPassword); status != http.StatusBadRequest {
						t.Errorf("%s at %s: %d", user, tenant, status)
					}
					w.shows("AADSTS500021")
				}
			})
		})
	}
}
