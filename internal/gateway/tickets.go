package gateway

import (
	"bytes"
	"crypto/tls"
)

// ticketMark stands before the name in a session ticket's extra data.
const ticketMark = "sekisho name "

// shown is what is shown to clients under one name.
type shown struct {
	leaf *tls.Certificate
	name string
}

// shownKept bounds the configurations that are kept (chosen: as many as the authority keeps leaves; beyond it all are made
// anew).
const shownKept = 1024

// serverConfig is TLS towards the client for exactly one name, as newServerConfig makes it. Connections under one leaf
// share it: it would be a kilobyte of each, and crypto/tls draws keys for each configuration that it meets.
func (g *Gateway) serverConfig(leaf *tls.Certificate, name string) *tls.Config {
	key := shown{leaf, name}
	g.configsMu.Lock()
	defer g.configsMu.Unlock()
	config := g.configs[key]
	if config == nil {
		if g.configs == nil || len(g.configs) >= shownKept {
			g.configs = map[shown]*tls.Config{}
		}
		config = g.newServerConfig(leaf, name)
		g.configs[key] = config
	}
	return config
}

// newServerConfig is TLS towards the client for exactly one name: its leaf, HTTP/2, HTTP/1.1 and 1.0, TLS 1.2 and later (RFC
// 8996). Early data is never accepted: crypto/tls does not offer it, and a replayed token request is a second sign-in.
//
// Session tickets carry the name that they were made for and are of no use under another one: a session is resumed
// without a certificate, so a ticket that fits every name would let a client keep the session of a host that may be
// read for one that may not. RFC 8446, section 4.6.1 binds tickets to the server name too, and leaves it to the server
// to check.
func (g *Gateway) newServerConfig(leaf *tls.Certificate, name string) *tls.Config {
	mark := []byte(ticketMark + name)
	return &tls.Config{
		Certificates: []tls.Certificate{*leaf},
		NextProtos:   []string{"h2", "http/1.1", "http/1.0"},
		MinVersion:   tls.VersionTLS12,
		WrapSession: func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
			session.Extra = append(session.Extra, mark)
			return g.tickets.EncryptTicket(state, session)
		},
		UnwrapSession: func(identity []byte, state tls.ConnectionState) (*tls.SessionState, error) {
			session, err := g.tickets.DecryptTicket(identity, state)
			if err != nil || session == nil {
				return nil, nil // a full handshake follows
			}
			for _, extra := range session.Extra {
				if bytes.Equal(extra, mark) {
					return session, nil
				}
			}
			return nil, nil
		},
	}
}
