package ldap

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"sekisho/internal/finding"
)

func itoa(n int) string { return strconv.Itoa(n) }

// controller is a connection to a domain controller, and what it says of itself.
type controller struct {
	server  Server
	options *Options
	wire    *wire
	lib     *goldap.Conn
	tls     *tls.ConnectionState // nil: no TLS
	release func() bool

	domain        string // defaultNamingContext
	configuration string // configurationNamingContext
	contexts      []string
	controls      map[string]bool
}

func (c *controller) close() {
	c.release()
	c.wire.Close() // first, so that the library waits for nobody
	c.lib.Close()
}

// connect opens a connection and, where it was said, changes it to TLS.
func (r *reading) connect(s Server) (*controller, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(r.ctx, "tcp", net.JoinHostPort(s.Host, s.Port))
	if err != nil {
		return nil, finding.Fail("ldap.unreachable", err, "server", s.String())
	}
	// Whoever gives up, or is out of time, ends every wait on the connection.
	release := context.AfterFunc(r.ctx, func() { conn.Close() })
	c := &controller{server: s, options: &r.Options, release: release}
	if err := c.secure(conn); err != nil {
		release()
		conn.Close()
		return nil, err
	}
	return c, nil
}

// secure makes conn TLS where that was said, and hands it to the library.
func (c *controller) secure(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return finding.Fail("ldap.unreachable", err, "server", c.server.String())
	}
	if !c.server.TLS && c.options.StartTLS {
		if err := startTLS(conn, c.server); err != nil {
			return err
		}
	}
	if c.server.TLS || c.options.StartTLS {
		secured := tls.Client(conn, &tls.Config{ServerName: c.server.Host, RootCAs: c.options.Roots, MinVersion: tls.VersionTLS12})
		if err := secured.Handshake(); err != nil {
			return tlsTrouble(c.server, err)
		}
		state := secured.ConnectionState()
		c.tls, conn = &state, secured
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return finding.Fail("ldap.unreachable", err, "server", c.server.String())
	}
	c.wire = newWire(conn)
	c.lib = goldap.NewConn(c.wire, c.tls != nil)
	c.lib.SetTimeout(c.options.limits.request)
	c.lib.Start()
	return nil
}

// startTLS asks for TLS (RFC 4511, section 4.14). It reads the one answer byte by byte: what comes behind it in the clear
// would otherwise be taken for the first words of the protected connection.
func startTLS(conn net.Conn, s Server) error {
	const oid = "1.3.6.1.4.1.1466.20037"
	request := append([]byte{tagSequence, 5 + 2 + byte(len(oid)), tagInteger, 1, 1, 0x77, 2 + byte(len(oid)), 0x80, byte(len(oid))}, oid...)
	if _, err := conn.Write(request); err != nil {
		return finding.Fail("ldap.unreachable", err, "server", s.String())
	}
	answer, err := readMessage(unbuffered{conn})
	var problem *finding.Problem
	if err != nil && !errors.As(err, &problem) {
		return finding.Fail("ldap.starttls", err, "server", s.String(), "said", "-")
	}
	if err != nil {
		return named(s, err)
	}
	code, said, ok := extended(answer)
	if !ok {
		return named(s, garbage("starttls"))
	}
	if code != goldap.LDAPResultSuccess {
		return finding.Fail("ldap.starttls", nil, "server", s.String(), "said", said)
	}
	return nil
}

// unbuffered reads no byte more than it is asked for.
type unbuffered struct{ io.Reader }

// extended reads the result of the answer to the first request (RFC 4511, section 4.12). Its shape is good.
func extended(message []byte) (code int, said string, ok bool) {
	_, from, to, err := element(message)
	if err != nil {
		return 0, "", false
	}
	body := message[from:to]
	_, from, to, _ = element(body)
	if number := body[from:to]; len(number) == 0 || number[len(number)-1] != 1 || len(bytes.Trim(number[:len(number)-1], "\x00")) > 0 {
		return 0, "", false
	}
	body = body[to:]
	tag, from, to, _ := element(body)
	if tag != 0x78 {
		return 0, "", false
	}
	body = body[from:to]
	tag, from, to, err = element(body)
	if err != nil || tag != 0x0a || to-from != 1 {
		return 0, "", false
	}
	code, body = int(body[from]), body[to:]
	for range 2 { // matchedDN, diagnosticMessage
		tag, from, to, err = element(body)
		if err != nil || tag != tagOctets {
			return 0, "", false
		}
		said, body = string(body[from:to]), body[to:]
	}
	return code, shown(said), true
}

// shown makes what a server says fit for a message.
func shown(said string) string {
	const most = 200 // chosen: two lines of a terminal
	said = strings.TrimSpace(strings.TrimRight(said, "\x00"))
	if len(said) > most {
		said = said[:most] + "…"
	}
	return strings.ToValidUTF8(said, "?")
}

// tlsTrouble says why TLS was not to be had, and what is to be done.
func tlsTrouble(s Server, err error) error {
	server := s.String()
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name) && name.Certificate != nil:
		names := append([]string(nil), name.Certificate.DNSNames...)
		for _, ip := range name.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		if len(names) == 0 {
			return finding.Fail("ldap.tls-no-name", nil, "server", server, "subject", shown(name.Certificate.Subject.String()))
		}
		return finding.Fail("ldap.tls-name", nil, "server", server, "host", s.Host, "names", shown(strings.Join(names, ", ")))
	case errors.As(err, &unknown):
		issuer, subject := "-", "-"
		if unknown.Cert != nil {
			issuer, subject = unknown.Cert.Issuer.String(), unknown.Cert.Subject.String()
		}
		return finding.Fail("ldap.tls-untrusted", nil, "server", server, "issuer", shown(issuer), "subject", shown(subject))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return finding.Fail("ldap.tls-dates", nil, "server", server, "subject", shown(invalid.Cert.Subject.String()),
			"from", invalid.Cert.NotBefore.UTC().Format(time.RFC3339), "until", invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return finding.Fail("ldap.tls", err, "server", server)
}
