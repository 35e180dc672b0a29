package signinlog

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
	Authority   string       // "": AuthorityBase
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
		return nil, finding.Fail("signinlog.certificate", err, "file", name)
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
	authority := strings.TrimRight(cmp.Or(c.Authority, AuthorityBase), "/")
	endpoint := authority + "/" + url.PathEscape(c.Tenant) + "/oauth2/v2.0/token"
	if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
		return "", finding.Fail("signinlog.graph-url", nil, "url", clip(endpoint))
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.Application}, "scope": {GraphBase + "/.default"}}
	if c.Certificate != nil {
		assertion, err := c.Certificate.assertion(c.Application, endpoint, time.Now())
		if err != nil {
			return "", finding.Fail("signinlog.certificate", err, "file", "")
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	} else {
		form.Set("client_secret", c.Secret)
	}
	status, _, body, err := send(ctx, client, http.MethodPost, endpoint, []byte(form.Encode()), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}, 1<<20)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token       string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
	}
	_ = json.Unmarshal(body, &answer) // an answer of another kind has none of it
	if status == http.StatusOK && answer.Token != "" {
		return answer.Token, nil
	}
	code := ""
	if len(answer.Codes) > 0 {
		code = "AADSTS" + strconv.Itoa(answer.Codes[0])
	}
	said, _, _ := strings.Cut(answer.Description, "\r\n")
	said = strings.TrimPrefix(said, code+": ")
	said = strings.ToValidUTF8(said[:min(len(said), 400)], "?") // chosen: two lines of a terminal
	args := []string{"status", strconv.Itoa(status), "code", cmp.Or(code, clip(answer.Error)), "said", said, "tenant", clip(c.Tenant)}
	switch code {
	case "AADSTS500021", "AADSTS500022", "AADSTS5000211":
		return "", finding.Fail("signinlog.token-restricted", nil, args...)
	}
	return "", finding.Fail("signinlog.token", nil, args...)
}
