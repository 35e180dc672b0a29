package graph

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sekisho/internal/finding"
)

// Credential is how Graph is asked: a token that somebody obtained, or an application with a secret or a certificate
// (Microsoft, "OAuth 2.0 client credentials flow"). It prints without its secrets.
type Credential struct {
	Bearer      string // a token; the rest is not used then
	Tenant      string // directory id or domain
	Application string // client id
	Secret      string
	Certificate *Certificate // instead of Secret
	Authority   string       // where the sign-in service answers; "": that of the public cloud
	Resource    string       // what the token is for; "": Microsoft Graph of the public cloud
	// Device, when it is not nil, has a person sign in on another device (Microsoft, "OAuth 2.0 device authorization grant
	// flow") and is told the sentence that the service writes for that person. It is used where neither Bearer, Secret nor
	// Certificate is there.
	Device func(message string)
	// Scopes are the delegated permissions that Device asks for, such as Domain.Read.All; application permissions are those
	// that an administrator granted.
	Scopes []string
}

// String says what kind it is.
func (c Credential) String() string { return "[redacted]" }

// Certificate signs client assertions. Obtain it from ParseCertificate.
type Certificate struct {
	key  crypto.Signer
	leaf *x509.Certificate
}

// assertionLife is how long a client assertion is good for ("certificate credentials": five to ten minutes).
const assertionLife = 10 * time.Minute

// ParseCertificate reads a PEM file with an RSA key (PKCS #8 or PKCS #1, not encrypted) and the certificate that was
// uploaded to the application's registration. The error is a *finding.Problem.
func ParseCertificate(name string, data []byte) (*Certificate, error) {
	c := &Certificate{}
	fail := func(err error) (*Certificate, error) {
		return nil, finding.Fail("graph.certificate", err, "file", name)
	}
	for len(data) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		switch block.Type {
		case "CERTIFICATE":
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return fail(err)
			}
			if c.leaf == nil {
				c.leaf = leaf
			}
		case "PRIVATE KEY", "RSA PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if block.Type == "RSA PRIVATE KEY" {
				key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
			}
			if err != nil {
				return fail(err)
			}
			signer, ok := key.(*rsa.PrivateKey)
			if !ok {
				return fail(errors.New("the key is not RSA, which Microsoft Entra ID asks for"))
			}
			c.key = signer
		case "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
			return fail(fmt.Errorf("a block %q cannot be used; write the RSA key unencrypted, readable by you alone", block.Type))
		}
	}
	switch {
	case c.key == nil:
		return fail(errors.New("it holds no private key"))
	case c.leaf == nil:
		return fail(errors.New("it holds no certificate"))
	}
	if public, ok := c.leaf.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(c.key.Public()) {
		return fail(errors.New("key and certificate do not belong together"))
	}
	return c, nil
}

// assertion is a signed client assertion for the token endpoint at audience (RFC 7523, section 3; "Microsoft identity
// platform application authentication certificate credentials": PS256, x5t#S256).
func (c *Certificate) assertion(application, audience string, now time.Time) (string, error) {
	sum := sha256.Sum256(c.leaf.Raw)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: c.key}, (&jose.SignerOptions{}).
		WithType("JWT").WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:])))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(map[string]any{
		"aud": audience, "iss": application, "sub": application, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Token returns a token for Microsoft Graph. The error is a *finding.Problem with the code that the sign-in service
// answered, or ctx's.
func (c Credential) Token(ctx context.Context, client *http.Client) (string, error) {
	if c.Bearer != "" {
		return c.Bearer, nil
	}
	endpoint, err := c.endpoint("token")
	if err != nil {
		return "", err
	}
	if c.Device != nil && c.Secret == "" && c.Certificate == nil {
		return c.device(ctx, client, endpoint)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.Application}, "scope": {c.resource() + "/.default"}}
	if c.Certificate != nil {
		assertion, err := c.Certificate.assertion(c.Application, endpoint, time.Now())
		if err != nil {
			return "", finding.Fail("graph.certificate", err, "file", "")
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	} else {
		form.Set("client_secret", c.Secret)
	}
	answer, err := ask(ctx, client, endpoint, form)
	if err != nil {
		return "", err
	}
	if answer.Token != "" {
		return answer.Token, nil
	}
	return "", c.refused(answer)
}

// resource is what the token is for.
func (c Credential) resource() string {
	return strings.TrimRight(cmp.Or(c.Resource, Public().Graph), "/")
}

// endpoint is one of the tenant's OAuth 2.0 endpoints.
func (c Credential) endpoint(name string) (string, error) {
	at := strings.TrimRight(cmp.Or(c.Authority, Public().Authority), "/") + "/" + url.PathEscape(c.Tenant) + "/oauth2/v2.0/" + name
	if u, err := url.Parse(at); err != nil || u.Scheme != "https" || u.Host == "" {
		return "", finding.Fail("graph.url", nil, "url", clip(at))
	}
	return at, nil
}

// answer is what the token and the device code endpoint say.
type answer struct {
	Token       string `json:"access_token"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	DeviceCode  string `json:"device_code"`
	Message     string `json:"message"`
	Interval    int    `json:"interval"`
	ExpiresIn   int    `json:"expires_in"`
	status      int
}

// ask posts a form. An answer with another status than 200 has no token.
func ask(ctx context.Context, client *http.Client, endpoint string, form url.Values) (answer, error) {
	var a answer
	status, _, body, err := send(ctx, client, http.MethodPost, endpoint, []byte(form.Encode()), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}, 1<<20)
	if err != nil {
		return a, err
	}
	_ = json.Unmarshal(body, &a) // an answer of another kind has none of it
	if a.status = status; status != http.StatusOK {
		a.Token, a.DeviceCode = "", ""
	}
	return a, nil
}

// refused words what the sign-in service answered instead of a token.
func (c Credential) refused(a answer) error {
	code := ""
	if len(a.Codes) > 0 {
		code = "AADSTS" + strconv.Itoa(a.Codes[0])
	}
	said, _, _ := strings.Cut(a.Description, "\r\n")
	said = strings.TrimPrefix(said, code+": ")
	said = strings.ToValidUTF8(said[:min(len(said), 400)], "?") // chosen: two lines of a terminal
	args := []string{"status", strconv.Itoa(a.status), "code", cmp.Or(code, clip(a.Error)), "said", said, "tenant", clip(c.Tenant)}
	switch code {
	case "AADSTS500021", "AADSTS500022", "AADSTS5000211":
		return finding.Fail("graph.token-restricted", nil, args...)
	}
	return finding.Fail("graph.token", nil, args...)
}
