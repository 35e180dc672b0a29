//go:build unix

package clients

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/lab"
)

const tokenPath = "/oauth2/v2.0/token"

// serviceForm asks for a token with the lab's service application.
var serviceForm = url.Values{
	"grant_type": {"client_credentials"}, "client_id": {lab.ServiceApplication}, "client_secret": {lab.ServiceSecret},
	"scope": {"https://graph.microsoft.com/.default"},
}.Encode()

// aliceForm asks for a token of a person.
var aliceForm = url.Values{
	"grant_type": {"password"}, "client_id": {lab.PublicApplication}, "username": {lab.Alice}, "password": {lab.AlicePassword},
	"scope": {"openid https://graph.microsoft.com/User.Read"},
}.Encode()

// curl runs curl through the gateway with the trust bundle and an empty environment.
func (c *checkpoint) curl(t *testing.T, args ...string) result {
	t.Helper()
	through := []string{"-q", "-sS", "--proxy", "http://" + c.gateway, "--cacert", c.trust}
	return client(t, nil, need(t, "curl", "curl"), append(through, args...)...)
}

// direct runs curl without the gateway, as an operating system fetches a PAC file or a revocation list.
func (c *checkpoint) direct(t *testing.T, args ...string) result {
	t.Helper()
	return client(t, nil, need(t, "curl", "curl"), append([]string{"-q", "-sS"}, args...)...)
}

// Each printed command is run by a shell as it stands, from another folder and with nothing but a PATH.
func TestPrintedCommands(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	c := up(t)
	want := map[string]struct {
		out  string // regular expression
		code int
	}{
		"a permitted tenant gets a token":      {`^\{.*"access_token":"[\w-]+\.[\w-]+\.[\w-]+".*\}\s*$`, 0},
		"a foreign tenant gets AADSTS500021":   {`"error_description":"AADSTS500021: .*"error_codes":\[500021\]`, 0},
		"a host that must not be inspected":    {`^Issuer:.*LAB.*\n$`, 0},
		"a host that is not allowed is refuse": {`(?s)^HTTP/1.1 403 .*not-allowed`, 0},
	}
	ran := 0
	for comment, command := range c.try {
		for prefix, w := range want {
			if !strings.HasPrefix(comment, prefix) {
				continue
			}
			ran++
			t.Run(strings.ReplaceAll(prefix, " ", "-"), func(t *testing.T) {
				r := client(t, []string{"PATH=" + os.Getenv("PATH")}, "sh", "-c", command)
				if r.code != w.code || !regexp.MustCompile(w.out).MatchString(r.out) {
					t.Errorf("%s\nexit code %d, want %d; printed\n%s%swant %s", command, r.code, w.code, r.out, r.err, w.out)
				}
			})
		}
	}
	if ran != len(want) || len(c.try) != len(want) {
		t.Errorf("%d of the %d commands that were printed are known here, want all of %d:\n%s", ran, len(c.try), len(want), c.summary)
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	c := up(t)
	for _, version := range []struct{ flag, number string }{{"--http1.1", "1.1"}, {"--http2", "2"}} {
		t.Run("http"+version.number, func(t *testing.T) {
			c.testSignIn(t, version.flag, version.number)
			c.testUntouched(t, version.flag)
		})
	}
	t.Run("refusals", c.testRefusals)
	t.Run("operations listener", c.testOperations)
}

// testSignIn asks for tokens over one version of HTTP.
func (c *checkpoint) testSignIn(t *testing.T, flag, number string) {
	token := func(t *testing.T, tenant string, header ...string) (granted bool, codes []int) {
		t.Helper()
		args := []string{flag, "-w", "\n%{http_version} %{http_code}", "-d", serviceForm}
		for _, h := range header {
			args = append(args, "-H", h)
		}
		r := c.curl(t, append(args, "https://login.microsoftonline.com/"+tenant+tokenPath)...)
		body, trailer, _ := strings.Cut(strings.TrimSpace(r.out), "\n")
		if r.code != 0 || !strings.HasPrefix(trailer, number+" ") {
			t.Fatalf("exit code %d over HTTP/%s; %q %s", r.code, trailer, body, r.err)
		}
		var answer struct {
			Token string `json:"access_token"`
			Codes []int  `json:"error_codes"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		return answer.Token != "", answer.Codes
	}
	blocked := []int{500021}
	for _, x := range []struct {
		name, tenant string
		header       []string
		granted      bool
	}{
		{"a permitted tenant gets a token", lab.ContosoDomain, nil, true},
		{"a foreign tenant gets 500021", lab.FabrikamDomain, nil, false},
		{"a foreign tenant by its id gets 500021", lab.FabrikamTenant, nil, false},
		// The client's own headers would turn both answers round.
		{"a client's own header does not open a tenant", lab.FabrikamDomain, []string{
			"Restrict-Access-To-Tenants: " + lab.FabrikamDomain, "Restrict-Access-Context: " + lab.FabrikamTenant}, false},
		{"a client's own header does not close a tenant", lab.ContosoDomain, []string{
			"Restrict-Access-To-Tenants: " + lab.FabrikamDomain, "Restrict-Access-Context: " + lab.FabrikamTenant}, true},
		{"a header twice and in another spelling", lab.FabrikamDomain, []string{
			"restrict-access-to-tenants: " + lab.FabrikamDomain, "RESTRICT-ACCESS-TO-TENANTS: *"}, false},
		{"a client's own policy header", lab.FabrikamDomain, []string{
			"sec-Restrict-Tenant-Access-Policy: " + lab.FabrikamTenant + ":" + lab.ContosoPolicy}, false},
	} {
		t.Run(strings.ReplaceAll(x.name, " ", "-"), func(t *testing.T) {
			granted, codes := token(t, x.tenant, x.header...)
			if granted != x.granted || !granted && !slices.Equal(codes, blocked) {
				t.Errorf("granted %v with error codes %v, want granted %v", granted, codes, x.granted)
			}
		})
	}
	t.Run("the-token-opens-graph", func(t *testing.T) {
		r := c.curl(t, flag, "-d", aliceForm, "https://login.microsoftonline.com/"+lab.ContosoDomain+tokenPath)
		var answer struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(r.out), &answer); err != nil || answer.Token == "" {
			t.Fatalf("%v: %s", err, r.out)
		}
		r = c.curl(t, flag, "-H", "Authorization: Bearer "+answer.Token, "-w", "\n%{http_code}", "https://graph.microsoft.com/v1.0/me")
		if !strings.Contains(r.out, lab.Alice) || !strings.HasSuffix(r.out, "\n200") {
			t.Errorf("graph.microsoft.com answered %s%s", r.out, r.err)
		}
	})
}

// testUntouched looks at whose certificate is shown.
func (c *checkpoint) testUntouched(t *testing.T, flag string) {
	for host, want := range map[string]string{
		"login.microsoftonline.com":        "gateway",
		"login.live.com":                   "gateway",
		"manage.microsoft.com":             "lab",
		"device.login.microsoftonline.com": "lab",
		"graph.microsoft.com":              "lab",
	} {
		t.Run("certificate-of-"+host, func(t *testing.T) {
			chain := c.chain(t, flag, host)
			if by := c.shownBy(t, chain); by != want {
				t.Errorf("%s shows a certificate by %q below the %s's root, want the %s's", host, chain[0].Issuer, by, want)
			}
		})
	}
}

// chain is what host shows, as curl reports it: the leaf first.
func (c *checkpoint) chain(t *testing.T, flag, host string) []*x509.Certificate {
	t.Helper()
	r := c.curl(t, flag, "-o", "/dev/null", "-w", "%{certs}", "https://"+host+"/")
	// device.login.microsoftonline.com demands a certificate that curl does not have: 56 after the handshake.
	if r.code != 0 && r.code != 56 {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	chain := certificates(t, []byte(r.out))
	if len(chain) == 0 {
		t.Fatalf("curl reports no certificate: %q %s", r.out, r.err)
	}
	return chain
}

// shownBy says below which root of the trust bundle the chain ends.
func (c *checkpoint) shownBy(t *testing.T, chain []*x509.Certificate) string {
	t.Helper()
	bundle, err := os.ReadFile(c.trust)
	if err != nil {
		t.Fatal(err)
	}
	roots := certificates(t, bundle)
	if len(roots) != 2 {
		t.Fatalf("the trust bundle holds %d certificates, want two roots", len(roots))
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	by := ""
	for i, name := range []string{"gateway", "lab"} {
		pool := x509.NewCertPool()
		pool.AddCert(roots[i])
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: between}); err == nil {
			by += name
		}
	}
	return by
}

func certificates(t *testing.T, text []byte) []*x509.Certificate {
	t.Helper()
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, cert)
	}
}

// testRefusals asks for what is refused, as a page in both languages and as JSON.
func (c *checkpoint) testRefusals(t *testing.T) {
	for _, x := range []struct {
		name string
		args []string
		want []string
	}{
		{"https, for a program", []string{"--proxy-header", "Accept: application/json", "https://www.example.org/"},
			[]string{"HTTP/1.1 403 ", "application/json", "Proxy-Status: sekisho; ", "not-allowed"}}, // curl shows no body of a CONNECT's answer
		{"http, for a program", []string{"-H", "Accept: application/json", "http://www.example.org/"},
			[]string{"HTTP/1.1 403 ", "application/json", `"not-allowed"`, "www.example.org", `"request_id"`}},
		{"http in Japanese", []string{"-H", "Accept: text/html", "-H", "Accept-Language: ja", "http://www.example.org/"},
			[]string{"HTTP/1.1 403 ", `lang="ja"`, "not-allowed", "www.example.org", "ext. 1234"}},
		{"http in English", []string{"-H", "Accept: text/html", "-H", "Accept-Language: en", "http://www.example.org/"},
			[]string{"HTTP/1.1 403 ", `lang="en"`, "not-allowed", "www.example.org", "ext. 1234"}},
		{"an alias of the sign-in host", []string{"https://sts.windows.net/"}, []string{"HTTP/1.1 403 ", "alias-host"}},
		{"an address", []string{"https://20.190.128.1/"}, []string{"HTTP/1.1 403 "}},
		{"sign-in without TLS", []string{"-d", serviceForm, "http://login.microsoftonline.com/" + lab.FabrikamDomain + tokenPath},
			[]string{"HTTP/1.1 301 ", "Location: https://login.microsoftonline.com/"}},
	} {
		t.Run(strings.ReplaceAll(x.name, " ", "-"), func(t *testing.T) {
			r := c.curl(t, append([]string{"-i"}, x.args...)...)
			for _, want := range x.want {
				if !strings.Contains(r.out, want) {
					t.Errorf("want %q in the refusal, got %s%s", want, r.out, r.err)
				}
			}
		})
	}
}

// testOperations fetches what clients are configured with, without the gateway and without a name.
func (c *checkpoint) testOperations(t *testing.T) {
	base := strings.TrimSuffix(c.operations, "/")
	for _, path := range []string{"/proxy.pac", "/wpad.dat"} {
		t.Run(path, func(t *testing.T) {
			etag := filepath.Join(t.TempDir(), "etag")
			r := c.direct(t, "-i", "--etag-save", etag, base+path)
			head, script, _ := strings.Cut(r.out, "\r\n\r\n")
			if !strings.HasPrefix(head, "HTTP/1.1 200 ") || !regexp.MustCompile(`(?im)^content-type: application/x-ns-proxy-autoconfig\r?$`).MatchString(head) ||
				!regexp.MustCompile(`(?im)^etag: "[^"]+"\r?$`).MatchString(head) {
				t.Fatalf("answered %s%s", head, r.err)
			}
			if !strings.Contains(script, "function FindProxyForURL(url, host)") || !strings.Contains(script, "PROXY "+c.gateway) {
				t.Errorf("this is no PAC file that leads to the gateway:\n%.400s", script)
			}
			if r := c.direct(t, "--etag-compare", etag, "-w", "%{http_code} %{size_download}", base+path); r.out != "304 0" {
				t.Errorf("an unchanged file was answered %q %s, want 304 without a body", r.out, r.err)
			}
		})
	}
	t.Run("ca.pem", func(t *testing.T) {
		r := c.direct(t, base+"/ca.pem")
		list := certificates(t, []byte(r.out))
		if len(list) != 1 || !list[0].IsCA || strings.Contains(r.out, "PRIVATE") {
			t.Errorf("answered %d certificates: %s%s", len(list), r.out, r.err)
		}
	})
	for path, want := range map[string]string{
		"/healthz": "200", "/readyz": "200", "/metrics": "200", "/": "200", "/no-such-page": "404",
	} {
		t.Run("status of "+path, func(t *testing.T) {
			if r := c.direct(t, "-o", "/dev/null", "-w", "%{http_code}", base+path); r.out != want {
				t.Errorf("answered %s%s, want %s", r.out, r.err, want)
			}
		})
	}
	t.Run("metrics", func(t *testing.T) {
		r := c.direct(t, base+"/metrics")
		for _, name := range []string{"sekisho_build_info", "sekisho_requests_total", "sekisho_sign_ins_total"} {
			if !strings.Contains(r.out, "\n"+name+"{") {
				t.Errorf("no %s in the metrics", name)
			}
		}
	})
}
