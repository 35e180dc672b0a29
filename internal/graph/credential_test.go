package graph

import (
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
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func keyPair(t testing.TB) (pemFile []byte, key *rsa.PrivateKey, der []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "report"}, NotAfter: time.Now().Add(time.Hour)}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pemFile = append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	return pemFile, key, der
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	file, key, der := keyPair(t)
	certificate, err := ParseCertificate("c.pem", file)
	if err != nil {
		t.Fatal(err)
	}
	var form url.Values
	answer, status := `{"access_token":"tok"}`, 200
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form = r.PostForm
		if r.URL.Path != "/contoso.com/oauth2/v2.0/token" {
			status = 404
		}
		w.WriteHeader(status)
		w.Write([]byte(answer))
	}))
	defer s.Close()
	c := Credential{Tenant: "contoso.com", Application: "app", Secret: "s&cret", Authority: s.URL}
	if got, err := c.Token(t.Context(), s.Client()); err != nil || got != "tok" || form.Get("client_secret") != "s&cret" || form.Get("scope") != "https://graph.microsoft.com/.default" {
		t.Fatalf("%q, %v, %v", got, err, form)
	}
	if text := fmt.Sprintf("%v %+v", c, c); strings.Contains(text, "s&cret") {
		t.Errorf("the secret is printed: %s", text)
	}
	c.Certificate = certificate
	if _, err := c.Token(t.Context(), s.Client()); err != nil || form.Get("client_secret") != "" {
		t.Fatalf("%v, %v", err, form)
	}
	signed, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	json.Unmarshal(payload, &claims)
	sum := sha256.Sum256(der)
	if claims["iss"] != "app" || claims["sub"] != "app" || claims["aud"] != s.URL+"/contoso.com/oauth2/v2.0/token" ||
		signed.Signatures[0].Header.ExtraHeaders["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("%v, %v", claims, signed.Signatures[0].Header)
	}
	for _, refusal := range []struct{ code, want string }{
		{"7000215", "graph.token"}, {"500021", "graph.token-restricted"}, {"5000211", "graph.token-restricted"},
	} {
		status, answer = 401, `{"error":"invalid_client","error_description":"AADSTS`+refusal.code+`: Said.\r\nTrace ID: x","error_codes":[`+refusal.code+`]}`
		_, err := c.Token(t.Context(), s.Client())
		var p *finding.Problem
		if !errors.As(err, &p) || p.Findings[0].Code != refusal.want {
			t.Fatalf("%v", err)
		}
		if text := message.New("en").Finding(p.Findings[0]); !strings.Contains(text, "AADSTS"+refusal.code+": Said.") || strings.Contains(text, "Trace") {
			t.Errorf("%q", text)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	file, _, der := keyPair(t)
	other, _, _ := keyPair(t)
	key, _, _ := strings.Cut(string(other), "-----BEGIN CERTIFICATE")
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for name, text := range map[string]string{
		"empty": "", "no-pem": "hello", "key-alone": key, "certificate-alone": certificate, "mixed-up": key + certificate,
		"broken": strings.Replace(string(file), "BEGIN CERTIFICATE-----\n", "BEGIN CERTIFICATE-----\nAAAA", 1),
		"ec":     "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
	} {
		if _, err := ParseCertificate("c.pem", []byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := ParseCertificate("c.pem", file); err != nil {
		t.Error(err)
	}
}
