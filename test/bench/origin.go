//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// controlAddr is where the origin tells what arrived.
const controlAddr = "127.0.0.1:9000"

// counts is what arrived at the origin since it started.
type counts struct {
	SignIn  int64 // requests to a sign-in host
	Exact   int64 // of these, those with exactly the headers of the policy
	Other   int64 // requests to other hosts
	Leaking int64 // of these, those that carried a restriction header
}

// answerBody is what the origin answers, 1 KiB: between a redirect and a small page.
var answerBody = bytes.Repeat([]byte("0123456789abcdef"), 64)

// serveOrigin is every origin: it answers on port 443 of both addresses, by HTTP/1.1 and HTTP/2.
func serveOrigin(certFile string) error {
	cert, err := tls.LoadX509KeyPair(certFile, certFile)
	if err != nil {
		return err
	}
	var signIn, exact, other, leaking atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, c := r.Header[headerTenants], r.Header[headerContext]
		if isSignIn(r.Host) {
			signIn.Add(1)
			if len(t) == 1 && len(c) == 1 && t[0] == tenants && c[0] == directory {
				exact.Add(1)
			}
		} else {
			other.Add(1)
			if len(t)+len(c) > 0 {
				leaking.Add(1)
			}
		}
		h := w.Header()
		h["Content-Type"] = []string{"text/html; charset=utf-8"}
		h["Cache-Control"] = []string{"no-store, no-cache"}
		h["Pragma"] = []string{"no-cache"}
		h["Strict-Transport-Security"] = []string{"max-age=31536000; includeSubDomains"}
		h["X-Content-Type-Options"] = []string{"nosniff"}
		h["X-Ms-Request-Id"] = []string{"6b1f6a1e-0f0a-4a55-9f0b-6f1c7a6d2b00"}
		h["Set-Cookie"] = []string{"fpc=AqU4b0; path=/; secure; HttpOnly; SameSite=None", "x-ms-gateway-slice=estsfd; path=/; secure; httponly"}
		if n, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64); err == nil {
			h["Content-Length"] = []string{strconv.FormatInt(n, 10)}
			block := bytes.Repeat(answerBody, 256)
			for n > 0 {
				if n < int64(len(block)) {
					block = block[:n]
				}
				if _, err := w.Write(block); err != nil {
					return
				}
				n -= int64(len(block))
			}
			return
		}
		h["Content-Length"] = []string{strconv.Itoa(len(answerBody))}
		_, _ = w.Write(answerBody)
	})
	failed := make(chan error)
	for _, addr := range []string{signInAddr, tunnelAddr} {
		l, err := net.Listen("tcp", net.JoinHostPort(addr, "443"))
		if err != nil {
			return err
		}
		s := &http.Server{
			Handler: handler, ErrorLog: log.New(io.Discard, "", 0),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}},
		}
		go func() { failed <- s.ServeTLS(l, "", "") }()
	}
	control := http.NewServeMux()
	control.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(counts{signIn.Load(), exact.Load(), other.Load(), leaking.Load()})
	})
	go func() { failed <- http.ListenAndServe(controlAddr, control) }()
	return <-failed
}
