// Command goproxy is github.com/elazarl/goproxy set up as its own documents say, to be measured and tried beside Sekisho: it
// tunnels, intercepts the names given, and sets headers on what it intercepts.
//
//	goproxy -listen 127.0.0.1:3104 -cert ca.pem -key ca.key -trust origins.pem -intercept login.example,.lab.example \
//		-signin login.example -header "Name: value"
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/elazarl/goproxy"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address:port to listen on")
	cert := flag.String("cert", "", "certificate of the signing authority, PEM")
	key := flag.String("key", "", "its key, PEM")
	trust := flag.String("trust", "", "certificates that vouch for origins, PEM")
	intercept := flag.String("intercept", "", "names to intercept, by commas; a leading dot means every name below")
	signin := flag.String("signin", "", "names that get the headers, by commas")
	var headers []string
	flag.Func("header", `"Name: value" set on requests to the names of -signin; may be repeated`, func(h string) error {
		headers = append(headers, h)
		return nil
	})
	flag.Parse()
	if err := run(*listen, *cert, *key, *trust, strings.Split(*intercept, ","), strings.Split(*signin, ","), headers); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(listen, cert, key, trust string, intercept, signin, headers []string) error {
	authority, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(trust)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	proxy := goproxy.NewProxyHttpServer()
	proxy.Tr = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 256}
	proxy.CertStore = &store{kept: map[string]*tls.Certificate{}}
	mitm := &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&authority)}
	proxy.OnRequest().HandleConnectFunc(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		if covers(intercept, withoutPort(host)) {
			return mitm, host
		}
		return goproxy.OkConnect, host
	})
	proxy.OnRequest().DoFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		if covers(signin, withoutPort(r.Host)) {
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				r.Header.Set(name, value)
			}
		}
		return r, nil
	})
	return http.ListenAndServe(listen, proxy)
}

func covers(names []string, host string) bool {
	for _, n := range names {
		if n != "" && (host == n || n[0] == '.' && strings.HasSuffix(host, n)) {
			return true
		}
	}
	return false
}

func withoutPort(host string) string {
	host, _, _ = strings.Cut(host, ":")
	return strings.ToLower(host)
}

// store keeps every leaf.
type store struct {
	mu   sync.Mutex
	kept map[string]*tls.Certificate
}

func (s *store) Fetch(host string, gen func() (*tls.Certificate, error)) (*tls.Certificate, error) {
	s.mu.Lock()
	c := s.kept[host]
	s.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := gen()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.kept[host] = c
	s.mu.Unlock()
	return c, nil
}
