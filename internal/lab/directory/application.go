package directory

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"
)

// Application is a client registration and the tenants that have it.
type Application struct {
	ID          string // client id
	Name        string
	Public      bool // no credentials; a native client
	MultiTenant bool
	Passthrough bool     // signs in at "Microsoft Services" while no tenant is named
	Home        *Tenant  // where it is registered
	Redirects   []string // registered redirect URIs
	// ImplicitID and ImplicitAccess let authorize hand out ID tokens and access tokens (oauth2AllowIdTokenImplicitFlow and
	// oauth2AllowImplicitFlow of Microsoft's manifest).
	ImplicitID, ImplicitAccess bool
	Logout                     string   // front-channel sign-out URL (logoutUrl); "" for none
	Identifiers                []string // application id URIs, as written
	// Permissions are the application permissions of Microsoft Graph that were granted wherever the application is; empty
	// for a public client, and User.Read.All alone where none are named.
	Permissions []string
	// Principals are its service principals' object ids, by tenant id.
	Principals map[string]string
	// Secrets and Certificates are its credentials, expired ones among them; none for a public client.
	Secrets      []*Secret
	Certificates []*Certificate

	consents map[string]consent // by tenant id
}

// consent is who has agreed to the application in one tenant.
type consent struct {
	everybody bool
	people    map[string]bool // object ids of accounts in the tenant
}

// In returns the object id of the application's service principal in t; ok is false when t does not have it.
func (a *Application) In(t *Tenant) (id string, ok bool) {
	id, ok = a.Principals[t.ID]
	return id, ok
}

// Consented reports whether the application may act in t: an administrator has agreed for everybody or, when account is
// not nil, the account in t has for itself. An application that t does not have was never agreed to.
func (a *Application) Consented(t *Tenant, account *User) bool {
	c, ok := a.consents[t.ID]
	return ok && (c.everybody || account != nil && c.people[account.ID])
}

// Secret is a client secret, of which the SHA-256 is kept. Secrets that the lab makes have 256 random bits, so that a slow
// hash would add nothing.
type Secret struct {
	ID    string    // key id
	Name  string    // display name; may be ""
	Hint  string    // its first characters; "" when they are not known
	Start time.Time // zero: ever since
	End   time.Time // zero: never

	sum [sha256.Size]byte
}

// Expired reports whether the secret is not valid at now: its time is over (AADSTS7000222), or has not begun.
func (s *Secret) Expired(now time.Time) bool {
	return !s.End.IsZero() && !now.Before(s.End) || now.Before(s.Start)
}

// MatchSecret finds the secret that text is, in constant time for each; it may be an expired one, unless another one fits.
func (a *Application) MatchSecret(text string, now time.Time) (found *Secret, ok bool) {
	sum := sha256.Sum256([]byte(text))
	for _, s := range a.Secrets {
		if subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1 && (found == nil || found.Expired(now)) {
			found = s
		}
	}
	return found, found != nil
}

// CheckSecret reports whether text is one of the application's secrets, expired or not.
func (a *Application) CheckSecret(text string) bool {
	_, ok := a.MatchSecret(text, time.Time{})
	return ok
}

// Certificate is the public half of a client certificate.
type Certificate struct {
	ID         string // key id
	Name       string // display name; may be ""
	Thumbprint string // SHA-1 of the certificate, upper-case hexadecimal, as the portal shows it
	X5T        string // the same as an assertion's header names it: base64url (RFC 7515, section 4.1.7)
	X5TS256    string // SHA-256, base64url (RFC 7515, section 4.1.8)
	Key        *rsa.PublicKey
	X509       *x509.Certificate
	Start, End time.Time // of the credential; those of the certificate unless others are given
}

// Expired reports whether the certificate is not valid at now: its time is over, or has not begun.
func (c *Certificate) Expired(now time.Time) bool { return now.After(c.End) || now.Before(c.Start) }

// Certificate finds the certificate that the header of an assertion names: by x5t#S256 or, when that is "", by x5t, which
// Microsoft's clients also write as hexadecimal ("kid").
func (a *Application) Certificate(x5tS256, x5t string) (*Certificate, bool) {
	for _, c := range a.Certificates {
		if x5tS256 != "" && c.X5TS256 == strings.TrimRight(x5tS256, "=") ||
			x5tS256 == "" && x5t != "" && (c.X5T == strings.TrimRight(x5t, "=") || strings.EqualFold(c.Thumbprint, x5t)) {
			return c, true
		}
	}
	return nil, false
}

// minKeyBits is the shortest RSA key of a certificate that is taken (NIST SP 800-131A).
const minKeyBits = 2048

// newCertificate reads one PEM certificate. Private keys are refused: nothing needs them here.
func newCertificate(text string) (*Certificate, error) {
	block, after := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("no PEM block")
	case strings.Contains(block.Type, "PRIVATE KEY") || strings.Contains(string(after), "PRIVATE KEY"):
		return nil, errors.New("a private key, which does not belong here")
	case block.Type != "CERTIFICATE":
		return nil, errors.New("not a certificate but " + block.Type)
	case strings.TrimSpace(string(after)) != "":
		return nil, errors.New("more than one PEM block")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || public.N.BitLen() < minKeyBits {
		return nil, errors.New("its key is not RSA of 2048 bits or more")
	}
	s1, s256 := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
	return &Certificate{
		Thumbprint: strings.ToUpper(hex.EncodeToString(s1[:])), X5T: base64.RawURLEncoding.EncodeToString(s1[:]),
		X5TS256: base64.RawURLEncoding.EncodeToString(s256[:]), Key: public, X509: c, Start: c.NotBefore, End: c.NotAfter,
	}, nil
}

// AddSecret gives the application a new client secret, which is returned and kept only as its SHA-256, with its first three
// characters as a hint. A zero start means ever since, a zero end never.
func (a *ApplicationEntry) AddSecret(name string, start, end time.Time) (id, text string) {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails, see crypto/rand
	text = base64.RawURLEncoding.EncodeToString(raw)
	e := &SecretEntry{ID: newID(), Name: name, Hint: text[:3], Hash: secretHash(text), Starts: written(start), Expires: written(end)}
	a.Public = false
	a.Secrets = append(a.Secrets, e)
	return e.ID, text
}

// written is t as an entry holds it; "" for the zero time.
func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// AddCertificate gives the application a certificate, as PEM. Zero times are those of the certificate.
func (a *ApplicationEntry) AddCertificate(name, text string, start, end time.Time) (id string) {
	e := &CertificateEntry{ID: newID(), Name: name, PEM: text, Starts: written(start), Expires: written(end)}
	a.Public = false
	a.Certificates = append(a.Certificates, e)
	return e.ID
}

// RemoveCredential takes a secret or a certificate away by its key id.
func (a *ApplicationEntry) RemoveCredential(id string) error {
	before := len(a.Secrets) + len(a.Certificates)
	a.Secrets = slices.DeleteFunc(a.Secrets, func(e *SecretEntry) bool { return fold(e.ID) == fold(id) })
	a.Certificates = slices.DeleteFunc(a.Certificates, func(e *CertificateEntry) bool { return fold(e.ID) == fold(id) })
	if len(a.Secrets)+len(a.Certificates) == before {
		return refuse(ErrNotFound, "credential %q: %q has none with that key id", id, a.Name)
	}
	return nil
}

func secretHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
