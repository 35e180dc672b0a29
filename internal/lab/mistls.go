package lab

import (
	"crypto/tls"
	"errors"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/lab/fault"
)

// errCut ends a handshake whose connection is gone.
var errCut = errors.New("cut by a fault")

// hostOf is the host that a server name or Host field means; "" when it is none.
func hostOf(name string) endpoint.Host {
	h, err := endpoint.ParseHost(strings.ToLower(name))
	if err != nil {
		return ""
	}
	return h
}

// cut ends a connection that a fault ends at this step, and reports whether one did.
func (w *World) cut(l *line, name, step string) bool {
	f, ok := w.strike(hostOf(name), func(f fault.Fault) bool { return f.Word("at") == step }, "tcp.reset", "tcp.stall")
	switch {
	case !ok:
		return false
	case f.Name == "tcp.reset":
		l.reset()
	default:
		l.hold()
	}
	return true
}

// misgreet answers a ClientHello when that is made to go wrong; neither config nor error otherwise.
func (w *World) misgreet(base *tls.Config, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	host := hostOf(hello.ServerName)
	l, ok := hello.Conn.(*line)
	if !ok {
		return nil, nil
	}
	if f, ok := w.strike(host, nil, "tcp.idle-cut"); ok {
		l.cutWhenIdle(f.Duration("after"))
	}
	if w.cut(l, hello.ServerName, "hello") {
		return nil, errCut
	}
	demands := demandsCertificate(string(host))
	f, ok := w.strike(host, func(f fault.Fault) bool { return f.Name != "tls.client-certificate-lost" || demands },
		"tls.expired", "tls.not-yet-valid", "tls.wrong-name", "tls.self-signed", "tls.untrusted-root", "tls.missing-intermediate",
		"tls.revoked", "tls.inspected", "tls.client-certificate-lost", "tls.refused", "tls.old-version")
	if !ok {
		return nil, nil
	}
	c := base.Clone()
	if demands && f.Name != "tls.client-certificate-lost" {
		c = demanding(base)
	}
	c.GetConfigForClient = nil
	c.SessionTicketsDisabled = true // a resumed session shows no certificate
	name := string(host)
	if name == "" {
		name = nobody
	}
	now, a := w.now(), w.authority
	o := leafOrder{name: name, from: now.Add(-backdate), until: now.Add(leafLife)}
	var show *tls.Certificate
	var err error
	switch f.Name {
	case "tls.client-certificate-lost":
		return c, nil
	case "tls.refused":
		// handshake_failure, fatal (RFC 8446, section 6.2), in a record of its own.
		_, _ = l.Write([]byte{21, 3, 3, 0, 2, 2, 40})
		return nil, errCut
	case "tls.old-version":
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, map[string]uint16{
			"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12,
		}[f.Word("version")]
		return c, nil
	case "tls.expired":
		o.until = now.Add(-f.Duration("since"))
		o.from = o.until.Add(-leafLife)
		show, err = a.issue(o, a.own())
	case "tls.not-yet-valid":
		o.from = now.Add(f.Duration("in"))
		o.until = o.from.Add(leafLife)
		show, err = a.issue(o, a.own())
	case "tls.wrong-name":
		o.name = f.Word("name")
		show, err = a.issue(o, a.own())
	case "tls.self-signed":
		show, err = a.issue(o, nil)
	case "tls.untrusted-root":
		show, err = a.issueBy(o, &a.stranger)
	case "tls.inspected":
		show, err = a.issueBy(o, &a.inspector)
	case "tls.missing-intermediate":
		show, err = a.issueBy(o, &a.intermediate)
		if err == nil {
			show.Certificate = show.Certificate[:1]
		}
	case "tls.revoked":
		show, err = a.revoked(o, f.Word("staple") == "yes")
	}
	if err != nil {
		return nil, err
	}
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return show, nil }
	return c, nil
}

// portalConfig is TLS at the place where hijacked names lead: a certificate of its own, from nobody that is trusted.
func (w *World) portalConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			now := w.now()
			return w.authority.issueBy(leafOrder{name: portalHost, from: now.Add(-backdate), until: now.Add(leafLife)}, &w.authority.stranger)
		}}
}
