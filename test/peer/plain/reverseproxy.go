package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// reverseProxy answers CONNECT for every name, shows a leaf for it, and lets httputil.ReverseProxy do the rest.
func reverseProxy(l net.Listener, cert, key, trust string, signin, headers []string) error {
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

	mint := &mint{authority: authority, kept: map[string]*tls.Certificate{}}
	inside := &queue{conns: make(chan net.Conn), addr: l.Addr()}
	server := &http.Server{
		TLSConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}, GetCertificate: mint.leaf},
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: &httputil.ReverseProxy{
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 256},
			ErrorLog:  log.New(io.Discard, "", 0),
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = "https", r.In.Host
				if slices.Contains(signin, r.In.Host) {
					for _, h := range headers {
						name, value, _ := strings.Cut(h, ": ")
						r.Out.Header.Set(name, value)
					}
				}
			},
		},
	}
	go func() { _ = server.Serve(inside) }()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if _, ok := readConnect(c, bufio.NewReader(c)); !ok {
				c.Close()
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
				c.Close()
				return
			}
			inside.conns <- tls.Server(c, server.TLSConfig)
		}()
	}
}

// queue is a listener of connections that were accepted elsewhere.
type queue struct {
	conns chan net.Conn
	addr  net.Addr
}

func (q *queue) Accept() (net.Conn, error) { return <-q.conns, nil }
func (q *queue) Close() error              { return nil }
func (q *queue) Addr() net.Addr            { return q.addr }

// mint makes a leaf with a key of its own for each name, and keeps it.
type mint struct {
	authority tls.Certificate
	mu        sync.Mutex
	kept      map[string]*tls.Certificate
}

func (m *mint) leaf(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	m.mu.Lock()
	c := m.kept[h.ServerName]
	m.mu.Unlock()
	if c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: h.ServerName}, DNSNames: []string{h.ServerName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, m.authority.Leaf, key.Public(), m.authority.PrivateKey)
	if err != nil {
		return nil, err
	}
	c = &tls.Certificate{Certificate: [][]byte{der, m.authority.Certificate[0]}, PrivateKey: key}
	m.mu.Lock()
	m.kept[h.ServerName] = c
	m.mu.Unlock()
	return c, nil
}
