// Package hello is the TLS ClientHello as it stands on the wire, read before anybody has answered it.
//
// Read takes the first records of a connection and returns what they say together with every byte taken, so that a
// tunnel can hand on exactly what the client sent and an interception can begin with it:
//
//	conn.SetReadDeadline(deadline)
//	h, err := hello.Read(conn, hello.Limits{})
//	...
//	tls.Server(hello.NewPeeked(conn, h.Raw), config)
//
// An origin may ask for a second hello, which says the name again: see Retried and ReadSecond.
//
// It decides nothing. It refuses, with a stable code (see Error), whatever two readers could read differently: a name
// given twice, a name of unknown type, an extension given twice, bytes behind the message, a length that does not fit.
// GREASE (RFC 8701) is passed over, sizes with post-quantum key shares are expected, any split into records and segments
// is accepted. The grammar is RFC 8446, section 4.1.2, and RFC 5246, section 7.4.1.2; names are RFC 6066, section 3.
//
// Encrypted ClientHello cannot be told from its GREASE form (RFC 9849, section 6.2): ECH reports that the extension is
// there, and SNI is the outer name.
package hello
