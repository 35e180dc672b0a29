package node_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"sekisho/internal/node"
)

// TestTheGatewayAnswersForItsOwnURLs: a client that sends everything to its proxy gets the revocation lists there, without
// credentials although the proxy asks for some; nothing else of the operations listener is reached that way.
func TestTheGatewayAnswersForItsOwnURLs(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	put(t, users, "alice:"+string(hash)+"\n")
	n := start(t, node.Options{Config: labConfig(t, "rings:", "urls:\n  crl: http://proxy.example.com:3180/crl\nauthentication:\n  passwords: "+users+"\nrings:"), Lab: true})
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: n.Summary().Gateway})}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, name := range []string{"issuing.crl", "root.crl"} {
		status, body := fetch(t, client, "http://proxy.example.com:3180/crl/"+name)
		if list, err := x509.ParseRevocationList([]byte(body)); status != 200 || err != nil || list.Number == nil {
			t.Errorf("%s: %d %v", name, status, err)
		}
	}
	own := "http://" + n.OperationsAddress()
	if status, body := fetch(t, client, own+"/proxy.pac"); status != 200 || !strings.Contains(body, "FindProxyForURL") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := fetch(t, client, own+"/ca.pem"); status != 200 || !strings.Contains(body, "BEGIN CERTIFICATE") {
		t.Errorf("%d %s", status, body)
	}
	resp, err := client.Head("http://proxy.example.com:3180/crl/issuing.crl")
	if err != nil || resp.StatusCode != 200 || resp.ContentLength <= 0 {
		t.Errorf("%v %+v", err, resp)
	} else {
		resp.Body.Close()
	}
	for _, target := range []string{own + "/", own + "/readyz", own + "/api/status", own + "/metrics", own + "/crl/../readyz",
		"http://proxy.example.com:3180/crl/none.crl", "http://proxy.example.com/crl/issuing.crl", "http://proxy.example.com:3180/crl/issuing.crl?x"} {
		if status, _ := fetch(t, client, target); status != 407 && status != 403 {
			t.Errorf("%s is answered %d", target, status)
		}
	}
	resp, err = client.Post("http://proxy.example.com:3180/crl/issuing.crl", "text/plain", strings.NewReader("x"))
	if err != nil || resp.StatusCode != 407 {
		t.Errorf("POST: %v %+v", err, resp)
	} else {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}
