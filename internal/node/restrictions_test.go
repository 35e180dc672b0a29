package node_test

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/crypto/bcrypt"

	"sekisho/internal/config"
	"sekisho/internal/lab"
	"sekisho/internal/node"
)

// restrictions are the columns of testdata/restrictions.txt; each is a ring of one user of the proxy.
var restrictions = []string{"none", "v1", "v1+s", "v2", "v2g"}

var grants = []string{"code", "hybrid", "id_token", "refresh", "device", "password", "on-behalf-of", "secret", "certificate"}

// actor is one group of lines of the table: who signs in where, and with what.
type actor struct {
	user, password string
	path           string // the tenant of the request
	client         string // client id; "": lab.PublicApplication
}

const powerShell = "1950a258-227b-4e31-a9cf-717495945fc2"

var actors = map[string]actor{
	"permitted":            {lab.Alice, lab.AlicePassword, "contoso.com", ""},
	"foreign":              {lab.Carol, lab.CarolPassword, "northwindtraders.com", ""},
	"partner":              {lab.Bob, lab.BobPassword, "fabrikam.com", ""},
	"partner-in-group":     {lab.Dave, lab.DavePassword, lab.FabrikamTenant, ""},
	"guest":                {lab.Carol, lab.CarolPassword, "contoso.onmicrosoft.com", ""},
	"own-guest":            {lab.Alice, lab.AlicePassword, "fabrikam.com", ""},
	"consumer":             {lab.Frank, lab.FrankPassword, "consumers", ""},
	"consumer-guest":       {lab.Erin, lab.ErinPassword, "contoso.com", ""},
	"consumer-abroad":      {lab.Erin, lab.ErinPassword, "fabrikam.com", ""},
	"services":             {lab.Alice, lab.AlicePassword, "organizations", powerShell},
	"services-consumer":    {lab.Frank, lab.FrankPassword, "common", powerShell},
	"principal":            {"", "", "contoso.com", ""},
	"principal-at-partner": {"", "", "fabrikam.com", ""},
	"principal-abroad":     {"", "", "northwindtraders.com", ""},
}

// expected is one line of the table for one actor and grant.
type expected struct {
	cells  []string // of restrictions; nil: not applicable
	line   int
	reason string // why not, or the source
}

// readRestrictions reads the table and holds it against what must be in it: each actor with each grant, once, with a reason.
func readRestrictions(t *testing.T) map[string]expected {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", "restrictions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	table := map[string]expected{}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		cells := strings.Split(text, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		e := expected{line: n, reason: cells[len(cells)-1]}
		switch {
		case len(cells) == 4 && cells[2] == "n/a":
		case len(cells) == 3+len(restrictions):
			e.cells = cells[2 : len(cells)-1]
			for i, c := range e.cells {
				if c == "=" {
					e.cells[i] = e.cells[i-1]
				}
			}
		default:
			t.Fatalf("line %d has %d cells", n, len(cells))
		}
		for _, grant := range strings.Fields(cells[1]) {
			name := cells[0] + " " + grant
			if old, twice := table[name]; twice {
				t.Errorf("line %d: %s stands in line %d already", n, name, old.line)
			}
			if table[name] = e; !slices.Contains(grants, grant) || actors[cells[0]].path == "" || e.reason == "" {
				t.Errorf("line %d: %q is no actor, grant and source", n, text)
			}
		}
	}
	for who := range actors {
		for _, grant := range grants {
			if _, ok := table[who+" "+grant]; !ok {
				t.Errorf("the table says nothing of %s %s", who, grant)
			}
		}
	}
	return table
}

// rehearsal is a checkpoint with a ring for each restriction, and the key of the lab's client with a certificate.
type rehearsal struct {
	n   *node.Node
	key *rsa.PrivateKey
	der []byte
	// lines are connections to the proxy, one transport for each ring.
	lines []*http.Transport
}

const ringPassword = "ring"

func rehearse(t *testing.T) *rehearsal {
	t.Helper()
	r := &rehearsal{}
	var err error
	if r.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	if r.der, err = x509.CreateCertificate(rand.Reader, template, template, r.key.Public(), r.key); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	indented := strings.ReplaceAll(strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.der}))), "\n", "\n          ")
	directory := regexp.MustCompile(`(?s)-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----`).ReplaceAllString(string(node.LabDirectoryFile()), indented)
	if err := os.Mkdir(filepath.Join(data, "lab"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "lab", "lab.yaml"), []byte(directory), 0o600); err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(ringPassword), bcrypt.MinCost) // nobody attacks it
	if err != nil {
		t.Fatal(err)
	}
	passwords, users, rings := filepath.Join(data, "passwords"), "", ""
	for i, profile := range restrictions {
		users += fmt.Sprintf("u%d:%s\n", i, hash)
		mode := "enforce, profile: " + profile
		if profile == "none" {
			mode = "off"
		}
		rings += fmt.Sprintf("  - {name: r%d, users: [u%d], mode: %s}\n", i, i, strings.ReplaceAll(mode, "+", "-"))
	}
	if err := os.WriteFile(passwords, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(config.Example("lab.yaml")), "\nprofiles:\n")
	v1 := "    version: v1\n    context: " + lab.ContosoTenant + "\n    consumer-accounts: block\n    permitted-tenants: "
	text := before + "\nauthentication:\n  passwords: " + passwords + "\nprofiles:\n" +
		"  - name: v1\n" + v1 + "[contoso.com]\n" +
		"  - name: v1-s\n" + v1 + "[" + lab.ContosoTenant + ", " + lab.PassthroughTenant + "]\n" +
		"  - {name: v2, version: v2, policy: \"" + lab.ContosoTenant + ":" + lab.ContosoPolicy + "\"}\n" +
		"  - {name: v2g, version: v2, policy: \"" + lab.ContosoTenant + ":" + lab.ContosoGroupPolicy + "\"}\n" +
		"rings:\n" + rings + "  - {name: rest, mode: enforce, profile: v1}\n"
	settings, found := config.Parse("lab.yaml", []byte(text), config.Overrides(free, noEnvironment)...)
	if found.HasErrors() {
		t.Fatalf("%v\n%s", found, text)
	}
	r.n = start(t, node.Options{Config: settings, Lab: true, Data: data})
	for i := range restrictions {
		r.lines = append(r.lines, r.connect(i))
		t.Cleanup(r.lines[i].CloseIdleConnections) // before the node ends
	}
	return r
}

// assertion is a client assertion of the lab's client with a certificate (RFC 7523).
func (r *rehearsal) assertion(t *testing.T, tenant string) string {
	t.Helper()
	sum := sha256.Sum256(r.der)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: r.key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": lab.CertificateApplication, "sub": lab.CertificateApplication, "aud": "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/token",
		"jti": rand.Text(), "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEveryGrantUnderEveryRestriction drives the table over sockets: client, gateway, lab.
func TestEveryGrantUnderEveryRestriction(t *testing.T) {
	table := readRestrictions(t)
	r := rehearse(t)
	t.Run("cells", func(t *testing.T) { // ends when all that run at once have ended
		for who, a := range actors {
			t.Run(who, func(t *testing.T) {
				t.Parallel()
				for _, grant := range grants {
					e := table[who+" "+grant]
					for i, want := range e.cells {
						// Both languages, so that each actor's pages are read in both.
						language := []string{"ja", "en"}[(i+slices.Index(grants, grant))%2]
						visit := r.visit(t, i, language)
						if got := visit.grant(a, grant); got != want {
							t.Errorf("line %d: %s, %s under %s: %s, want %s (%s)", e.line, who, grant, restrictions[i], got, want, e.reason)
						}
					}
				}
			})
		}
	})
}

// grant asks for a token by grant and tells what became of it: "token", or the first refusal. What the grant begins with
// (a refresh token, an assertion) was obtained without a restriction.
func (v *visit) grant(a actor, grant string) string {
	v.t.Helper()
	if a.client == "" {
		a.client = lab.PublicApplication
	}
	const graph = "https://graph.microsoft.com/User.Read offline_access openid"
	token := func(form url.Values) string { return v.token(a.path, form) }
	unrestricted := func(scope string) url.Values {
		free := v.r.visit(v.t, 0, "en")
		code := free.authorize(a, "code", scope)
		if code.refusal != "" {
			v.t.Fatalf("%s gets nothing even without a restriction: %s", a.user, code.refusal)
		}
		if refusal := free.token(a.path, redeemForm(a, code.values.Get("code"))); refusal != "token" {
			v.t.Fatalf("%s gets no token even without a restriction: %s", a.user, refusal)
		}
		return free.got
	}
	switch grant {
	case "code", "hybrid", "id_token":
		kind := map[string]string{"code": "code", "hybrid": "code id_token", "id_token": "id_token"}[grant]
		back := v.authorize(a, kind, graph)
		switch {
		case back.refusal != "":
			return back.refusal
		case strings.Contains(kind, "id_token") && back.values.Get("id_token") == "":
			return "no ID token: " + back.values.Encode()
		case kind == "id_token":
			return "token"
		}
		return token(redeemForm(a, back.values.Get("code")))
	case "refresh":
		kept := unrestricted(graph)
		return token(url.Values{"grant_type": {"refresh_token"}, "client_id": {a.client}, "refresh_token": {kept.Get("refresh_token")}})
	case "device":
		return v.device(a, graph)
	case "password":
		return token(url.Values{"grant_type": {"password"}, "client_id": {a.client}, "username": {a.user}, "password": {a.password}, "scope": {graph}})
	case "on-behalf-of":
		kept := unrestricted("api://" + lab.ServiceApplication + "/access_as_user openid")
		return token(url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {lab.ServiceApplication}, "client_secret": {lab.ServiceSecret},
			"assertion": {kept.Get("access_token")}, "requested_token_use": {"on_behalf_of"}, "scope": {"https://graph.microsoft.com/User.Read"},
		})
	case "secret":
		return token(url.Values{"grant_type": {"client_credentials"}, "client_id": {lab.ServiceApplication}, "client_secret": {lab.ServiceSecret},
			"scope": {"https://graph.microsoft.com/.default"}})
	}
	return token(url.Values{"grant_type": {"client_credentials"}, "client_id": {lab.CertificateApplication},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {v.r.assertion(v.t, a.path)},
		"scope": {"https://graph.microsoft.com/.default"}})
}

func redeemForm(a actor, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {a.client}, "code": {code}, "redirect_uri": {"http://localhost"}}
}
