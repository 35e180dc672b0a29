package node

import (
	"net/url"
	"strings"

	"sekisho/internal/ca"
	"sekisho/internal/config"
	"sekisho/internal/endpoint"
	"sekisho/internal/gateway"
)

// ownDocuments are what the gateway answers itself when a client asks it for the checkpoint's own URLs: one with a fixed
// proxy and no bypass list sends them there, and an application that finds no revocation list refuses the certificates of
// what is intercepted (0x80092012 of Schannel). They are what the operations listener serves under those URLs to
// everybody.
func (n *Node) ownDocuments(c *config.Config, authority *ca.Authority, files scripts) func(endpoint.Authority, string) (gateway.Document, bool) {
	type serve = func() (gateway.Document, bool)
	documents := map[string]serve{}
	add := func(target string, s serve) {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "http" {
			return // one behind TLS comes as a CONNECT
		}
		if a, err := endpoint.ParseAuthority(u.Host, 80); err == nil {
			documents[a.String()+u.EscapedPath()] = s
		}
	}
	for _, name := range []string{"issuing.crl", "root.crl"} {
		add(n.crlURL(c)+"/"+name, func() (gateway.Document, bool) {
			der, ok := authority.CRL(name)
			return gateway.Document{Type: "application/pkix-crl", Body: der}, ok
		})
	}
	pac := n.seenPAC(c)
	for ring, body := range files {
		add(ringURL(pac, ring), func() (gateway.Document, bool) {
			return gateway.Document{Type: "application/x-ns-proxy-autoconfig", Body: body}, true
		})
	}
	add(strings.TrimSuffix(pac, "/proxy.pac")+"/ca.pem", func() (gateway.Document, bool) {
		return gateway.Document{Type: "application/x-pem-file", Body: authority.RootPEM()}, true
	})
	return func(at endpoint.Authority, path string) (gateway.Document, bool) {
		if s, ok := documents[at.String()+path]; ok {
			return s()
		}
		return gateway.Document{}, false
	}
}
