package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"sekisho/internal/lab/directory"
)

// clientKey is one client's key and certificate, made once: RSA keys take long.
var clientKey = sync.OnceValue(func() (c struct {
	private *rsa.PrivateKey
	der     []byte
}) {
	c.private, _ = rsa.GenerateKey(rand.Reader, 2048)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	c.der, _ = x509.CreateCertificate(rand.Reader, template, template, c.private.Public(), c.private)
	return c
})

// certify registers clientKey's certificate with the lab's certificate application.
func certify(t testing.TB, w *World) {
	t.Helper()
	if err := w.Store().Change(t.Context(), func(d *directory.Draft) error {
		a, err := d.Application(CertificateApplication)
		if err != nil {
			return err
		}
		a.AddCertificate("test", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: clientKey().der})), time.Time{}, time.Time{})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// claim is what an assertion says; change edits it.
func claim(change map[string]any) map[string]any {
	c := map[string]any{
		"iss": CertificateApplication, "sub": CertificateApplication, "aud": signInHost + "/" + ContosoTenant + "/oauth2/v2.0/token",
		"jti": rand.Text(), "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
	}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

// assertionOf signs claims; header nil names the certificate by x5t#S256.
func assertionOf(t testing.TB, alg jose.SignatureAlgorithm, key any, header map[string]any, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if header == nil {
		sum := sha256.Sum256(clientKey().der)
		header = map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	}
	for k, v := range header {
		o = o.WithHeader(jose.HeaderKey(k), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func present(t testing.TB, w *World, assertion string, change ...string) reply {
	t.Helper()
	v := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {CertificateApplication}, "scope": {"https://graph.microsoft.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if v.Set(change[i], change[i+1]); change[i+1] == "" {
			v.Del(change[i])
		}
	}
	return do(t, client(t, w), "POST", signInHost+"/contoso.com/oauth2/v2.0/token", v.Encode())
}

func TestClientByCertificate(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	certify(t, w)
	k := clientKey()
	thumb1 := sha1.Sum(k.der)
	x5t := base64.RawURLEncoding.EncodeToString(thumb1[:])
	for name, text := range map[string]string{
		"PS256, x5t#S256":   assertionOf(t, jose.PS256, k.private, nil, claim(nil)),
		"RS256, x5t":        assertionOf(t, jose.RS256, k.private, map[string]any{"x5t": x5t}, claim(nil)),
		"kid":               assertionOf(t, jose.RS256, k.private, map[string]any{"kid": x5t}, claim(nil)),
		"v1 audience":       assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"aud": "https://login.windows.net/contoso.com/oauth2/token"})),
		"issuer, in a list": assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"aud": []string{"x", signInHost + "/" + ContosoTenant + "/v2.0"}})),
		"a chain, unread":   assertionOf(t, jose.PS256, k.private, map[string]any{"x5t": x5t, "x5c": []string{base64.StdEncoding.EncodeToString(k.der)}}, claim(nil)),
	} {
		if r := present(t, w, text); r.StatusCode != 200 {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if r := present(t, w, assertionOf(t, jose.PS256, k.private, nil, claim(nil)), "client_id", ""); r.StatusCode != 200 {
		t.Errorf("the assertion names the client: %s", r.body)
	}
	cred, err := confidential.NewCredFromCert([]*x509.Certificate{parse(t, k.der)}, k.private)
	if err != nil {
		t.Fatal(err)
	}
	app, err := confidential.New(signInHost+"/contoso.com", CertificateApplication, cred, confidential.WithHTTPClient(client(t, w)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := app.AcquireTokenByCredential(t.Context(), []string{"https://graph.microsoft.com/.default"}); err != nil || got.AccessToken == "" {
		t.Errorf("MSAL: %v", err)
	}
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestForgedAssertions(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	certify(t, w)
	k := clientKey()
	sum := sha256.Sum256(k.der)
	named := map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, v any) map[string]any {
		return map[string]any{"x5t#S256": named["x5t#S256"], name: v}
	}
	good := assertionOf(t, jose.PS256, k.private, nil, claim(nil))
	body := strings.Split(good, ".")[1]
	none := func(alg string) string {
		h := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"JWT","x5t#S256":"` + named["x5t#S256"].(string) + `"}`))
		return h + "." + body + "."
	}
	jwk := jose.JSONWebKey{Key: other.Public()}
	for name, x := range map[string]struct {
		text string
		code int
	}{
		"alg-none":            {none("none"), 700027},
		"alg-None":            {none("None"), 700027},
		"no-signature":        {none("PS256"), 700027},
		"key-confusion-pem":   {assertionOf(t, jose.HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), named, claim(nil)), 700027},
		"key-confusion-der":   {assertionOf(t, jose.HS256, k.der, named, claim(nil)), 700027},
		"another-key":         {assertionOf(t, jose.PS256, other, named, claim(nil)), 700027},
		"own-key-in-jwk":      {assertionOf(t, jose.PS256, other, with("jwk", jwk), claim(nil)), 700027},
		"own-key-at-jku":      {assertionOf(t, jose.PS256, other, with("jku", "https://example.org/keys"), claim(nil)), 700027},
		"own-key-in-x5c":      {assertionOf(t, jose.PS256, other, with("x5c", []string{base64.StdEncoding.EncodeToString(k.der)}), claim(nil)), 700027},
		"kid-path":            {assertionOf(t, jose.PS256, k.private, map[string]any{"kid": "../../../dev/null"}, claim(nil)), 700027},
		"kid-sql":             {assertionOf(t, jose.PS256, k.private, map[string]any{"kid": "x' OR '1'='1"}, claim(nil)), 700027},
		"kid-empty":           {assertionOf(t, jose.PS256, k.private, map[string]any{"kid": ""}, claim(nil)), 700027},
		"kid-is-a-list":       {assertionOf(t, jose.PS256, k.private, with("kid", []int{1}), claim(nil)), 50027},
		"critical":            {assertionOf(t, jose.PS256, k.private, with("crit", []string{"x"}), claim(nil)), 50027},
		"no-certificate":      {assertionOf(t, jose.PS256, k.private, map[string]any{}, claim(nil)), 700027},
		"expired":             {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})), 700024},
		"not-yet":             {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), 700024},
		"no-exp":              {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"exp": nil})), 50027},
		"exp-is-text":         {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"exp": "later"})), 50027},
		"exp-overflows":       {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"exp": 1e300})), 50027},
		"no-jti":              {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"jti": nil})), 50027},
		"another-issuer":      {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"iss": ServiceApplication})), 700021},
		"another-subject":     {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"sub": ServiceApplication})), 50048},
		"another-tenant":      {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"aud": signInHost + "/fabrikam.com/oauth2/v2.0/token"})), 50027},
		"another-host":        {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"aud": "https://example.org/" + ContosoTenant + "/oauth2/v2.0/token"})), 50027},
		"no-audience":         {assertionOf(t, jose.PS256, k.private, nil, claim(map[string]any{"aud": nil})), 50027},
		"another-certificate": {assertionOf(t, jose.PS256, k.private, map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(make([]byte, 32))}, claim(nil)), 700027},
		"two-parts":           {"e30.e30", 50027},
		"garbage":             {"....", 50027},
	} {
		if r := present(t, w, x.text); r.StatusCode != 401 || r.code(t) != x.code {
			t.Errorf("%s: want %d: %d %s", name, x.code, r.StatusCode, r.body)
		}
	}
	// Once alone, and one way alone.
	if r := present(t, w, good); r.StatusCode != 200 {
		t.Errorf("the good one: %s", r.body)
	}
	if r := present(t, w, good); r.code2(t) != 50013 {
		t.Errorf("replayed: %s", r.body)
	}
	if r := present(t, w, assertionOf(t, jose.PS256, k.private, nil, claim(nil)), "client_secret", "x"); r.code2(t) != 9002313 {
		t.Errorf("a secret beside it: %s", r.body)
	}
	if r := present(t, w, assertionOf(t, jose.PS256, k.private, nil, claim(nil)), "client_assertion_type", "x"); r.code2(t) != 90100 {
		t.Errorf("another type: %s", r.body)
	}
	if r := present(t, w, good, "client_id", PublicApplication); r.code2(t) != 700025 {
		t.Errorf("a public client: %s", r.body)
	}
	// A lab that is told to accept them again does.
	if err := w.Store().Change(t.Context(), func(d *directory.Draft) error {
		d.Assumptions.AssertionReplay = directory.ReplayAccepted
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if r := present(t, w, good); r.StatusCode != 200 {
		t.Errorf("accepted again: %s", r.body)
	}
}
