//go:build unix

package clients

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// OpenSSL judges the intercepted chain as a strict client does, with the revocation lists that the certificates name.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl", "openssl")
	need(t, "curl", "curl")
	c := up(t)
	dir := t.TempDir()
	write := func(name string, blocks ...[]byte) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, bytes.Join(blocks, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	run := func(want string, args ...string) string {
		t.Helper()
		r := client(t, nil, openssl, args...)
		if r.code != 0 || !strings.Contains(r.out+r.err, want) {
			t.Errorf("openssl %s: exit code %d, want 0 and %q:\n%s%s", strings.Join(args, " "), r.code, want, r.out, r.err)
		}
		return r.out
	}
	chain := c.chain(t, "--http1.1", "login.microsoftonline.com")
	if len(chain) < 2 {
		t.Fatalf("the intercepted chain has %d certificates, want the leaf and its issuer", len(chain))
	}
	root := write("root.pem", []byte(c.direct(t, c.operations+"ca.pem").out))
	leaf := write("leaf.pem", certificatePEM(chain[0].Raw))
	issuing := write("issuing.pem", certificatePEM(chain[1].Raw))

	var lists [][]byte
	for i, signer := range []string{issuing, root} {
		points := chain[i].CRLDistributionPoints
		if len(points) != 1 || !strings.HasPrefix(points[0], "http://") {
			t.Fatalf("%q names the revocation lists %q, want one over plain HTTP", chain[i].Subject, points)
		}
		file := filepath.Join(dir, "list.crl")
		// Without the gateway and without credentials, as an operating system does.
		if r := c.direct(t, "-o", file, "-w", "%{http_code} %{content_type}", points[0]); r.out != "200 application/pkix-crl" {
			t.Fatalf("%s was answered %q %s", points[0], r.out, r.err)
		}
		if r := c.curl(t, "-o", "/dev/null", "-w", "%{http_code}", points[0]); r.out != "200" && r.out != "403" {
			t.Errorf("%s through the gateway was answered %s %s", points[0], r.out, r.err)
		}
		run("verify OK", "crl", "-inform", "DER", "-in", file, "-noout", "-verify", "-CAfile", signer)
		lists = append(lists, []byte(run("BEGIN X509 CRL", "crl", "-inform", "DER", "-in", file)))
	}
	crl := write("crl.pem", lists...)
	run("leaf.pem: OK", "verify", "-crl_check", "-crl_check_all", "-x509_strict", "-purpose", "sslserver",
		"-verify_hostname", "login.microsoftonline.com", "-CAfile", root, "-untrusted", issuing, "-CRLfile", crl, leaf)

	other := client(t, nil, openssl, "verify", "-verify_hostname", "graph.microsoft.com", "-CAfile", root, "-untrusted", issuing, leaf)
	if other.code == 0 {
		t.Errorf("the leaf is good for another name:\n%s", other.out)
	}
	constraints := run("Permitted", "x509", "-in", issuing, "-noout", "-ext", "nameConstraints,basicConstraints")
	for _, want := range []string{"DNS:login.microsoftonline.com", "CA:TRUE, pathlen:0"} {
		if !strings.Contains(constraints, want) {
			t.Errorf("the issuing CA says\n%swant %s", constraints, want)
		}
	}
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
