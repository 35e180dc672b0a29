// Package secure is the stage "tls": the handshake, whose certificate answers it, and whether the connection is opened on
// the way. The chain is kept even when nobody trusts it.
//
//	step, conn, peer := secure.Probe(ctx, conn, "device.login.microsoftonline.com", secure.Options{
//		Public: secure.NewPublic(), Inspection: catalog.InspectionForbidden, ClientCertificate: true,
//	})
//
// A connection counts as inspected when this machine trusts the chain and no public authority made it: that is what the
// authority of a proxy looks like on the organisation's own computers. The verdict is relative to the catalog: forbidden and
// inspected fails, required and not inspected fails as well. Weak hints (no revocation list, short validity) count for
// nothing.
package secure

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"sekisho/internal/catalog"
	"sekisho/internal/check/verdict"
	"sekisho/internal/endpoint"
)

// mostChain bounds the certificates that are looked at (chosen: public chains have two to four).
const mostChain = 10

// Options of Probe.
type Options struct {
	Roots  *x509.CertPool // that this machine trusts; nil: the system's
	Public *Public        // required
	// Inspection is what the catalog says of the host. Required counts only where tenant restrictions are in use: hand
	// in NotStated otherwise.
	Inspection        catalog.Inspection
	ClientCertificate bool             // the catalog says that the origin asks for one
	Now               func() time.Time // nil: time.Now
}

// Peer is who answered.
type Peer struct {
	Chain     []*x509.Certificate // as sent
	Trusted   bool
	Inspected bool // meant only where Trusted
	Asked     bool // for a client certificate
}

// Probe shakes hands over c as host. The connection is nil exactly when the ladder ends here; c is then closed.
func Probe(ctx context.Context, c net.Conn, host endpoint.Host, o Options) (verdict.Step, net.Conn, Peer) {
	step := verdict.Step{Stage: verdict.TLS}
	if o.Now == nil {
		o.Now = time.Now
	}
	var peer Peer
	conn := tls.Client(c, &tls.Config{
		ServerName: host.String(), MinVersion: tls.VersionTLS10, NextProtos: []string{"http/1.1"},
		// The chain is judged below, whoever made it.
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			peer.Asked = true
			return &tls.Certificate{}, nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			peer.Chain = s.PeerCertificates
			return nil
		},
	})
	begun := time.Now()
	err := conn.HandshakeContext(ctx)
	step.Millis = time.Since(begun).Milliseconds()
	if peer.Chain != nil {
		describe(&step, peer.Chain)
	}
	if err != nil && !(peer.Asked && len(peer.Chain) > 0 && alert(err)) {
		_ = c.Close()
		trouble(&step, err)
		return step, nil, peer
	}
	state := conn.ConnectionState()
	if err == nil {
		step.Note("version", tls.VersionName(state.Version))
	}
	judge(&step, &peer, state, host, o)
	if err != nil || step.State == verdict.Fail {
		_ = c.Close()
		step.Passed()
		return step, nil, peer
	}
	step.Passed()
	return step, conn, peer
}

// describe notes who the certificate says it is.
func describe(step *verdict.Step, chain []*x509.Certificate) {
	leaf := chain[0]
	sum := sha256.Sum256(leaf.Raw)
	names := leaf.DNSNames
	if len(names) > 5 {
		names = append(append([]string{}, names[:5]...), "+"+strconv.Itoa(len(leaf.DNSNames)-5))
	}
	step.Note("issuer", leaf.Issuer.String(), "names", strings.Join(names, " "), "from", leaf.NotBefore.UTC().Format(time.RFC3339),
		"until", leaf.NotAfter.UTC().Format(time.RFC3339), "sha256", hex.EncodeToString(sum[:]), "chain", strconv.Itoa(len(chain)),
		"last", chain[len(chain)-1].Subject.String())
}

func alert(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "remote error"
}

func trouble(step *verdict.Step, err error) {
	var record tls.RecordHeaderError
	var network net.Error
	text := err.Error()
	switch {
	case alert(err):
		step.Judge("tls.refused", "problem", text)
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		step.Judge("tls.timeout")
	case errors.As(err, &record):
		step.Judge("tls.not-tls")
	case strings.Contains(text, "unsupported protocol version"):
		step.Judge("tls.old-version", "version", "older than TLS 1.0")
	case strings.Contains(text, "certificate"):
		step.Judge("tls.bad-certificate", "problem", text)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		step.Judge("tls.reset", "problem", "closed")
	case errors.As(err, &network):
		step.Judge("tls.reset", "problem", text)
	default:
		step.Judge("tls.not-tls", "problem", text)
	}
}

// judge says what the certificate and the handshake come to, what is worst first.
func judge(step *verdict.Step, peer *Peer, state tls.ConnectionState, host endpoint.Host, o Options) {
	if len(peer.Chain) == 0 {
		step.Judge("tls.bad-certificate", "problem", "no certificate")
		return
	}
	leaf, now := peer.Chain[0], o.Now()
	named := leaf.VerifyHostname(host.String()) == nil
	chains, err := verify(peer.Chain, o.Roots, now)
	when := ""
	switch {
	case err == nil:
	case now.After(leaf.NotAfter):
		when = "tls.expired"
	case now.Before(leaf.NotBefore):
		when = "tls.not-yet-valid"
	}
	if when != "" {
		// Whoever made it: looked at in the middle of its time. An authority that is younger than that is no stranger.
		chains, err = verify(peer.Chain, o.Roots, leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore)/2))
	}
	var invalid x509.CertificateInvalidError
	peer.Trusted = err == nil || when != "" && errors.As(err, &invalid) && invalid.Reason == x509.Expired
	if len(chains) > 0 {
		peer.Inspected = !public(chains, o.Public)
		step.Note("root", chains[0][len(chains[0])-1].Subject.String(), "inspected", yes(peer.Inspected))
	}
	switch {
	case !named && !peer.Trusted:
		step.Judge("tls.stranger")
	case !named:
		step.Judge("tls.wrong-name")
	case when != "" && peer.Trusted:
		step.Judge(when)
	case err != nil:
		untrusted(step, peer.Chain, err)
	case revoked(state.OCSPResponse, peer.Chain):
		step.Judge("tls.revoked")
	case state.Version != 0 && state.Version < tls.VersionTLS12:
		step.Judge("tls.old-version")
	case o.Inspection == catalog.InspectionForbidden && peer.Inspected:
		step.Judge("tls.inspected")
	case o.Inspection == catalog.InspectionRequired && !peer.Inspected:
		step.Judge("tls.not-inspected")
	case o.ClientCertificate && !peer.Asked:
		step.Judge("tls.client-certificate-lost")
	case o.Inspection == catalog.InspectionDiscouraged && peer.Inspected:
		step.Judge("tls.inspected-discouraged")
	}
}

// untrusted words a chain that does not lead to a root of this machine.
func untrusted(step *verdict.Step, chain []*x509.Certificate, err error) {
	var unknown x509.UnknownAuthorityError
	leaf := chain[0]
	switch {
	case string(leaf.RawIssuer) == string(leaf.RawSubject):
		step.Judge("tls.self-signed")
	case !errors.As(err, &unknown):
		step.Judge("tls.bad-certificate", "problem", err.Error())
	case len(chain) == 1:
		step.Judge("tls.incomplete")
	default:
		step.Judge("tls.untrusted")
	}
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, c := range chain[1:min(len(chain), mostChain)] {
		between.AddCert(c)
	}
	return chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
}

// public reports whether a public authority made one of the chains: a key of it stands at its end, or, where the root is a
// newer one that an older has signed, within.
func public(chains [][]*x509.Certificate, known *Public) bool {
	for _, chain := range chains {
		for _, c := range chain[1:] {
			if known.Has(c) {
				return true
			}
		}
	}
	return false
}

// revoked reports whether a stapled answer of the issuer says so (RFC 6066, section 8). One that does not verify says
// nothing.
func revoked(staple []byte, chain []*x509.Certificate) bool {
	if len(staple) == 0 || len(chain) < 2 {
		return false
	}
	r, err := ocsp.ParseResponseForCert(staple, chain[0], chain[1])
	return err == nil && r.Status == ocsp.Revoked
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
