package prove

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lab"
	"sekisho/internal/node"
)

// service signs in with a certificate in place of a secret (RFC 7523, section 2.2).
type service struct {
	key *rsa.PrivateKey
	der []byte
}

// enrol makes a key and a certificate for the lab's certificate service, and writes a lab.yaml that knows it into the data
// folder, as whoever rehearses with a certificate of their own does. It comes before the lab's first start.
func enrol(data string) (*service, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "sekisho lab prove"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	const heading = "    certificates:\n"
	text := string(node.LabDirectoryFile())
	if strings.Count(text, heading) != 1 {
		return nil, errors.New("the shipped lab.yaml has not one application with certificates")
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	entry := "      - name: Proof\n        pem: |\n"
	for line := range strings.Lines(string(block)) {
		entry += "          " + line
	}
	file := node.LabDirectoryPath(data)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(text, heading, heading+entry, 1)), 0o600); err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	return &service{key, der}, nil
}

// assertion says who asks at the token endpoint of tenant, signed by key: a JWT of RFC 7523, section 3, signed as Microsoft's
// page asks for ("Microsoft identity platform application authentication certificate credentials": PS256, x5t#S256).
func (c *service) assertion(tenant string, key *rsa.PrivateKey) (string, error) {
	sum, now := sha256.Sum256(c.der), time.Now()
	var parts []string
	for _, part := range []map[string]any{
		{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])},
		{"iss": lab.CertificateApplication, "sub": lab.CertificateApplication, "aud": tokenURL(tenant), "jti": newID(),
			"nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix()},
	} {
		raw, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	text := strings.Join(parts, ".")
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// byCertificate asks for the service's token in tenant.
func (s *scene) byCertificate(ctx context.Context, tenant, assertion string) (answer, error) {
	return s.grant(ctx, tenant, "grant_type", "client_credentials", "client_id", lab.CertificateApplication,
		"scope", "https://graph.microsoft.com/.default",
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion)
}

// certificateClients: a service with a certificate is restricted like any other, and the gateway passes its assertion on
// as it is: an honest one is good once, a forged one never.
func certificateClients(ctx context.Context, s *scene) error {
	for tenant, expect := range map[string]func(answer) error{lab.ContosoDomain: expectToken, lab.FabrikamDomain: expectBlocked} {
		text, err := s.service.assertion(tenant, s.service.key)
		if err != nil {
			return err
		}
		a, err := s.byCertificate(ctx, tenant, text)
		if err == nil {
			err = expect(a)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tenant, err)
		}
		if tenant != lab.ContosoDomain {
			continue
		}
		if a, err = s.byCertificate(ctx, tenant, text); err != nil {
			return err
		}
		if !strings.Contains(a.body, "AADSTS50013") {
			return fmt.Errorf("shown again: %w", a.unlike("AADSTS50013"))
		}
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	text, err := s.service.assertion(lab.ContosoDomain, other)
	if err != nil {
		return err
	}
	a, err := s.byCertificate(ctx, lab.ContosoDomain, text)
	if err != nil {
		return err
	}
	if !strings.Contains(a.body, "AADSTS700027") {
		return fmt.Errorf("signed by another key: %w", a.unlike("AADSTS700027"))
	}
	return nil
}
