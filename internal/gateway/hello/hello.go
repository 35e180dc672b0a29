package hello

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"sekisho/internal/endpoint"
)

// Hello is what a ClientHello says. The zero value is a hello without extensions.
type Hello struct {
	// HasSNI tells whether there is a server_name extension; RawSNI is its one host name as sent (1 to 65535 bytes; shorten
	// it before logging), SNI its normal form. SNI is "" beside HasSNI when the name has no normal form: an address
	// literal, bytes outside ASCII, a percent sign; SNIError then says why.
	HasSNI   bool
	RawSNI   string
	SNI      endpoint.Host
	SNIError error

	ALPN      []string // in the order offered, without GREASE; nil when none is offered
	Version   uint16   // the highest version offered, without GREASE; 0x0304 is TLS 1.3
	Versions  []uint16 // supported_versions without GREASE; nil when the extension is absent
	ECH       bool     // an encrypted_client_hello extension is there, real or GREASE, or its forerunner encrypted_server_name
	EarlyData bool     // early data is offered, and may follow in Raw
	Resumes   bool     // a session ticket or pre-shared key is offered

	// Raw is everything that Read took from the connection: the records of the hello and whatever came with them. It is
	// nil after Parse.
	Raw []byte
	// Size is how many bytes of Raw the records of the hello take, with what ReadSecond lets come before them. What is
	// behind them was not looked at, and may be another hello.
	Size int
}

// Extension types (IANA TLS ExtensionType Values).
const (
	extServerName        = 0
	extALPN              = 16
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extEarlyData         = 42
	extSupportedVersions = 43
	extECH               = 0xfe0d
	extESNI              = 0xffce // draft-ietf-tls-esni-06 and before
)

const (
	nameHost      = 0  // RFC 6066, section 3
	maxExtensions = 96 // chosen: the registry has about 60 types, browsers send about 20
)

var errNotASCII = errors.New("bytes outside ASCII")

// grease reports whether v is a reserved GREASE value (RFC 8701, section 2).
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// Parse reads one ClientHello handshake message, its four-byte header included. Errors are *Error with CodeMalformed.
func Parse(msg []byte) (*Hello, error) {
	s := cryptobyte.String(msg)
	var kind uint8
	var body, session, suites, compressions cryptobyte.String
	var random []byte
	h := new(Hello)
	switch {
	case !s.ReadUint8(&kind) || kind != typeClientHello || !s.ReadUint24LengthPrefixed(&body) || !s.Empty():
		return nil, malformed("message header")
	case !body.ReadUint16(&h.Version) || h.Version>>8 != 3:
		return nil, malformed("legacy_version")
	case !body.ReadBytes(&random, 32):
		return nil, malformed("random")
	case !body.ReadUint8LengthPrefixed(&session) || len(session) > 32:
		return nil, malformed("session_id")
	case !body.ReadUint16LengthPrefixed(&suites) || len(suites) < 2 || len(suites)%2 != 0:
		return nil, malformed("cipher_suites")
	case !body.ReadUint8LengthPrefixed(&compressions) || len(compressions) == 0:
		return nil, malformed("compression_methods")
	case body.Empty(): // TLS 1.2 and before may have no extensions at all
		return h, nil
	}
	var extensions cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&extensions) || !body.Empty() {
		return nil, malformed("extensions length")
	}
	if err := h.parseExtensions(extensions); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Hello) parseExtensions(s cryptobyte.String) error {
	var seen [maxExtensions]uint16
	for n := 0; !s.Empty(); n++ {
		var kind uint16
		var data cryptobyte.String
		if !s.ReadUint16(&kind) || !s.ReadUint16LengthPrefixed(&data) {
			return malformed("extension")
		}
		if n == maxExtensions {
			return malformed("too many extensions")
		}
		for _, k := range seen[:n] {
			if k == kind { // RFC 8446, section 4.2
				return malformed("an extension given twice")
			}
		}
		seen[n] = kind
		if err := h.parseExtension(kind, data); err != nil {
			return err
		}
		if kind == extPreSharedKey && !s.Empty() { // RFC 8446, section 4.2.11
			return malformed("pre_shared_key is not the last extension")
		}
	}
	return nil
}

func (h *Hello) parseExtension(kind uint16, data cryptobyte.String) error {
	switch kind {
	case extServerName:
		return h.parseServerName(data)
	case extALPN:
		return h.parseALPN(data)
	case extSupportedVersions:
		return h.parseVersions(data)
	case extECH, extESNI:
		h.ECH = true
	case extEarlyData:
		if !data.Empty() {
			return malformed("early_data")
		}
		h.EarlyData = true
	case extSessionTicket:
		h.Resumes = h.Resumes || !data.Empty()
	case extPreSharedKey:
		h.Resumes = true
	}
	return nil
}

// parseServerName takes exactly one name of type host_name. The syntax of other types is not defined, and what a server
// makes of a list with two names differs from one to the next.
func (h *Hello) parseServerName(data cryptobyte.String) error {
	var list, name cryptobyte.String
	var kind uint8
	switch {
	case !data.ReadUint16LengthPrefixed(&list) || !data.Empty() || list.Empty():
		return malformed("server_name list")
	case !list.ReadUint8(&kind):
		return malformed("server_name list")
	case kind != nameHost:
		return malformed("server_name: a name that is no host name")
	case !list.ReadUint16LengthPrefixed(&name) || name.Empty():
		return malformed("server_name: host name")
	case !list.Empty():
		return malformed("server_name: more than one name")
	}
	h.HasSNI, h.RawSNI = true, string(name)
	for _, c := range name {
		if c >= 0x80 {
			// RFC 6066 wants A-labels. Endpoint could map the text to some, but a server might map it to others.
			h.SNIError = errNotASCII
			return nil
		}
	}
	host, err := endpoint.ParseHost(h.RawSNI)
	if err != nil {
		h.SNIError = err
		return nil
	}
	h.SNI = host
	return nil
}

func (h *Hello) parseALPN(data cryptobyte.String) error {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() || list.Empty() {
		return malformed("application_layer_protocol_negotiation list")
	}
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&name) || name.Empty() {
			return malformed("application_layer_protocol_negotiation: protocol name")
		}
		if len(name) == 2 && grease(uint16(name[0])<<8|uint16(name[1])) {
			continue
		}
		h.ALPN = append(h.ALPN, string(name))
	}
	return nil
}

func (h *Hello) parseVersions(data cryptobyte.String) error {
	var list cryptobyte.String
	if !data.ReadUint8LengthPrefixed(&list) || !data.Empty() || len(list) < 2 || len(list)%2 != 0 {
		return malformed("supported_versions")
	}
	h.Version = 0 // the extension replaces legacy_version (RFC 8446, section 4.2.1)
	for !list.Empty() {
		var v uint16
		list.ReadUint16(&v)
		if !grease(v) {
			h.Versions = append(h.Versions, v)
			h.Version = max(h.Version, v)
		}
	}
	return nil
}
