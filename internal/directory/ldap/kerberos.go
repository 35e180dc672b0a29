package ldap

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"sekisho/internal/finding"
)

// loginKerberos binds with GSSAPI (RFC 4752). Over TLS the tickets are bound to the certificate (RFC 5929) and nothing else
// is added; without TLS everything that follows is sealed, and a server that does not seal is left.
func (c *controller) loginKerberos(l Login) (err error) {
	// The library reads files and answers of servers without looking at each length.
	defer func() {
		if p := recover(); p != nil {
			err = finding.Fail("ldap.kerberos", fmt.Errorf("%v", p), "server", c.server.String())
		}
	}()
	if net.ParseIP(c.server.Host) != nil {
		return finding.Fail("ldap.kerberos-address", nil, "server", c.server.String())
	}
	tickets, err := c.tickets(l)
	if err != nil {
		return err
	}
	defer tickets.Destroy()
	g := &initiator{c: c, tickets: tickets}
	err = c.lib.GSSAPIBind(g, "ldap/"+strings.ToLower(c.server.Host), "")
	var problem *finding.Problem
	switch {
	case err == nil && !g.done:
		return finding.Fail("ldap.kerberos", errors.New("bind ended early"), "server", c.server.String())
	case err == nil && c.tls == nil:
		c.wire.sealing.Store(g.keys)
		return nil
	case err == nil:
		return nil
	case errors.As(err, &problem):
		return err
	}
	if f := kerberosTrouble(c.server, err); f != nil {
		return f
	}
	return c.loginTrouble(tickets.Credentials.UserName(), err)
}

// kerberosTrouble words what the key distribution centre said; nil: it was not asked.
func kerberosTrouble(s Server, err error) error {
	text := err.Error()
	var krb messages.KRBError
	code := int32(-1)
	if errors.As(err, &krb) {
		code = krb.ErrorCode
	}
	// Most errors of the library keep the words of their cause alone.
	is := func(number int32, name string) bool { return code == number || strings.Contains(text, name) }
	fail := func(id string) error {
		return finding.Fail("ldap."+id, errors.New(shown(text)), "server", s.String(), "host", s.Host)
	}
	switch {
	case is(errorcode.KRB_AP_ERR_SKEW, "KRB_AP_ERR_SKEW"):
		return fail("kerberos-clock")
	case is(errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, "KDC_ERR_C_PRINCIPAL_UNKNOWN"):
		return fail("kerberos-client")
	case is(errorcode.KDC_ERR_PREAUTH_FAILED, "KDC_ERR_PREAUTH_FAILED"), strings.Contains(text, "matching key not found in keytab"):
		return fail("kerberos-key")
	case is(errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, "KDC_ERR_S_PRINCIPAL_UNKNOWN"):
		return fail("kerberos-server")
	case is(errorcode.KDC_ERR_KEY_EXPIRED, "KDC_ERR_KEY_EXPIRED"), is(errorcode.KDC_ERR_CLIENT_REVOKED, "KDC_ERR_CLIENT_REVOKED"):
		return fail("kerberos-client-state")
	case strings.Contains(text, "KDC"), strings.Contains(text, "krb"), strings.Contains(text, "KRB"), strings.Contains(text, "TGT"), strings.Contains(text, "session"):
		return fail("kerberos")
	}
	var said *goldap.Error
	if errors.As(err, &said) {
		return nil
	}
	return fail("kerberos")
}

// maxTicketFile bounds a keytab, a cache and a krb5.conf; chosen: one holds some KiB.
const maxTicketFile = 4 << 20

// tickets makes the source of tickets.
func (c *controller) tickets(l Login) (*client.Client, error) {
	if l.Cache != "" {
		file, err := cacheFile(l.Cache)
		if err != nil {
			return nil, err
		}
		data, err := ticketFile(file)
		if err != nil {
			return nil, finding.Fail("ldap.ccache", err, "file", file)
		}
		cache := &credentials.CCache{}
		if err := parsed(func() error { return cache.Unmarshal(data) }); err != nil {
			return nil, finding.Fail("ldap.ccache", err, "file", file)
		}
		conf, err := c.realms(l, cache.DefaultPrincipal.Realm)
		if err != nil {
			return nil, err
		}
		// Entries that are no tickets, such as the settings that MIT Kerberos keeps there, would be taken for broken ones.
		cache.Credentials = slices.DeleteFunc(cache.Credentials, func(e *credentials.Credential) bool { return e.Server.Realm == "X-CACHECONF:" })
		now := time.Now()
		if !slices.ContainsFunc(cache.Credentials, func(e *credentials.Credential) bool { return e.EndTime.After(now) }) {
			return nil, finding.Fail("ldap.ccache-expired", nil, "file", file, "name", cache.DefaultPrincipal.PrincipalName.PrincipalNameString()+"@"+cache.DefaultPrincipal.Realm)
		}
		var out *client.Client
		if err := parsed(func() (err error) {
			out, err = client.NewFromCCache(cache, conf, client.DisablePAFXFAST(true))
			return err
		}); err != nil {
			return nil, finding.Fail("ldap.ccache", err, "file", file)
		}
		return out, nil
	}
	data, err := ticketFile(l.Keytab)
	if err != nil {
		return nil, finding.Fail("ldap.keytab", err, "file", l.Keytab)
	}
	keys := keytab.New()
	if err := parsed(func() error { return keys.Unmarshal(data) }); err != nil {
		return nil, finding.Fail("ldap.keytab", err, "file", l.Keytab)
	}
	name, realm, err := principal(l, keys)
	if err != nil {
		return nil, err
	}
	conf, err := c.realms(l, realm)
	if err != nil {
		return nil, err
	}
	return client.NewWithKeytab(name, realm, keys, conf, client.DisablePAFXFAST(true)), nil
}

// parsed runs a reader of the library that trusts the lengths in a file.
func parsed(read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the file is cut off or damaged")
		}
	}()
	return read()
}

func ticketFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxTicketFile {
		return nil, errors.New("no file of tickets")
	}
	return os.ReadFile(file)
}

// cacheFile is the file of a cache's name as KRB5CCNAME has it.
func cacheFile(name string) (string, error) {
	kind, rest, ok := strings.Cut(name, ":")
	switch {
	case !ok, len(kind) == 1: // a path, also one with a drive letter
		return name, nil
	case kind == "FILE":
		return rest, nil
	case strings.ToUpper(kind) == kind && !strings.ContainsAny(kind, `/\.`):
		return "", finding.Fail("ldap.ccache-kind", nil, "value", name, "kind", kind)
	}
	return name, nil
}

// principal is whose keys are used.
func principal(l Login, keys *keytab.Keytab) (name, realm string, err error) {
	var known []string
	for _, e := range keys.Entries {
		if p := strings.Join(e.Principal.Components, "/") + "@" + e.Principal.Realm; !slices.Contains(known, p) {
			known = append(known, p)
		}
	}
	wanted := l.Name
	if wanted == "" && len(known) == 1 {
		wanted = known[0]
	}
	// A UPN has an @ of its own in the name of an enterprise principal; keytabs of domain members have none.
	for _, p := range known {
		at := strings.LastIndexByte(p, '@')
		if strings.EqualFold(p, wanted) || strings.EqualFold(p[:at], wanted) {
			return p[:at], p[at+1:], nil
		}
	}
	list := known
	if len(list) > 10 {
		list = append(slices.Clone(list[:10]), "…")
	}
	return "", "", finding.Fail("ldap.keytab-principal", nil, "file", l.Keytab, "name", cmp.Or(l.Name, "-"), "known", shown(strings.Join(list, ", ")))
}

// realms reads krb5.conf. A realm that it does not name is asked for at the domain controller: each is a key distribution
// centre ([MS-KILE]). TCP alone, because a ticket with its list of groups is larger than a datagram.
func (c *controller) realms(l Login, realm string) (*config.Config, error) {
	conf := config.New()
	file := cmp.Or(l.Config, "/etc/krb5.conf")
	data, err := ticketFile(file)
	switch {
	case err == nil:
		read, err := config.NewFromString(string(data))
		var unsupported config.UnsupportedDirective
		if err != nil && !errors.As(err, &unsupported) {
			return nil, finding.Fail("ldap.krb5-conf", err, "file", file)
		}
		conf = read
	case l.Config != "" || !errors.Is(err, fs.ErrNotExist):
		return nil, finding.Fail("ldap.krb5-conf", err, "file", file)
	}
	i := slices.IndexFunc(conf.Realms, func(r config.Realm) bool { return r.Realm == realm })
	if i < 0 {
		conf.Realms = append(conf.Realms, config.Realm{Realm: realm})
		i = len(conf.Realms) - 1
	}
	if len(conf.Realms[i].KDC) == 0 && !conf.LibDefaults.DNSLookupKDC {
		conf.Realms[i].KDC = []string{net.JoinHostPort(c.server.Host, "88")}
	}
	conf.LibDefaults.DefaultRealm = realm
	conf.LibDefaults.UDPPreferenceLimit = 1
	return conf, nil
}

// initiator is our side of the Kerberos mechanism (RFC 4121), as the library asks for it.
type initiator struct {
	c       *controller
	tickets *client.Client
	session types.EncryptionKey
	sent    types.Authenticator
	keys    *sealing
	done    bool // the layers are agreed
}

func (g *initiator) fail(id, why string) error {
	var cause error
	if why != "" {
		cause = errors.New(why)
	}
	return finding.Fail("ldap."+id, cause, "server", g.c.server.String())
}

// InitSecContext is part of the library's interface.
func (g *initiator) InitSecContext(target string, token []byte) ([]byte, bool, error) {
	return g.InitSecContextWithOptions(target, token, nil)
}

// DeleteSecContext is part of the library's interface; the keys go with their owner.
func (g *initiator) DeleteSecContext() error { return nil }

// InitSecContextWithOptions sends the ticket, and checks what the server proves in return.
func (g *initiator) InitSecContextWithOptions(target string, token []byte, _ []int) ([]byte, bool, error) {
	if token == nil {
		out, err := g.first(target)
		return out, true, err
	}
	kind, body, ok := mechanismToken(token)
	switch {
	case ok && kind == tokenError:
		var said messages.KRBError
		if err := said.Unmarshal(body); err == nil {
			return nil, false, said
		}
		fallthrough
	case !ok || kind != tokenReply:
		return nil, false, g.fail("kerberos-mutual", "")
	}
	var reply messages.APRep
	if err := reply.Unmarshal(body); err != nil {
		return nil, false, g.fail("kerberos-mutual", shown(err.Error()))
	}
	plain, err := krbcrypto.DecryptEncPart(reply.EncPart, g.session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return nil, false, g.fail("kerberos-mutual", shown(err.Error()))
	}
	var proof messages.EncAPRepPart
	if err := proof.Unmarshal(plain); err != nil {
		return nil, false, g.fail("kerberos-mutual", shown(err.Error()))
	}
	// It sends back the time that only the holder of the key could read (RFC 4120, section 3.2.5).
	if proof.CTime.Unix() != g.sent.CTime.Unix() || proof.Cusec != g.sent.Cusec {
		return nil, false, g.fail("kerberos-mutual", "")
	}
	key, ofAcceptor := g.sent.SubKey, len(proof.Subkey.KeyValue) > 0
	if ofAcceptor {
		key = proof.Subkey
	}
	g.keys, err = newSealing(key, ofAcceptor, uint64(g.sent.SeqNumber), uint64(proof.SequenceNumber))
	if err != nil {
		return nil, false, g.fail("kerberos-cipher", "")
	}
	return []byte{}, false, nil
}

// first is the first token: the ticket, and an authenticator with what is asked for (RFC 4121, section 4.1).
func (g *initiator) first(target string) ([]byte, error) {
	ticket, session, err := g.tickets.GetServiceTicket(target)
	if err != nil {
		return nil, err
	}
	if !sealable(session.KeyType) {
		return nil, g.fail("kerberos-cipher", "")
	}
	kind, err := krbcrypto.GetEtype(session.KeyType)
	if err != nil {
		return nil, err
	}
	g.session = session
	g.sent, err = types.NewAuthenticator(g.tickets.Credentials.Domain(), g.tickets.Credentials.CName())
	if err != nil {
		return nil, err
	}
	if err := g.sent.GenerateSeqNumberAndSubKey(session.KeyType, kind.GetKeyByteSize()); err != nil {
		return nil, err
	}
	// Over TLS neither integrity nor sealing is asked for: Active Directory refuses both there.
	asked := uint32(gssapi.ContextFlagMutual)
	if g.c.tls == nil {
		asked |= gssapi.ContextFlagInteg | gssapi.ContextFlagConf | gssapi.ContextFlagReplay | gssapi.ContextFlagSequence
	}
	sum := make([]byte, 24)
	binary.LittleEndian.PutUint32(sum, 16)
	copy(sum[4:20], binding(g.c.tls))
	binary.LittleEndian.PutUint32(sum[20:], asked)
	g.sent.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	request, err := messages.NewAPReq(ticket, session, g.sent)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&request.APOptions, flags.APOptionMutualRequired)
	body, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Bytes: slices.Concat([]byte(mechanism), []byte{1, 0}, body)})
}

// mechanism is the object identifier of Kerberos, 1.2.840.113554.1.2.2, as it stands in a token.
const mechanism = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

// The kinds of token (RFC 4121, section 4.1).
const (
	tokenReply = 0x0200
	tokenError = 0x0300
)

// mechanismToken opens the frame of a token (RFC 2743, section 3.1).
func mechanismToken(b []byte) (kind uint16, body []byte, ok bool) {
	tag, from, to, err := element(b)
	if err != nil || tag != 0x60 || to != len(b) {
		return 0, nil, false
	}
	body, ok = bytes.CutPrefix(b[from:], []byte(mechanism))
	if !ok || len(body) < 2 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(body), body[2:], true
}

// binding is the hash that ties the ticket to the server's certificate (RFC 5929, section 4: tls-server-end-point; RFC
// 4121, section 4.1.1.2). Without TLS it is none. MD5 is the protocol's.
func binding(state *tls.ConnectionState) []byte {
	out := make([]byte, md5.Size)
	if state == nil || len(state.PeerCertificates) == 0 {
		return out
	}
	cert := state.PeerCertificates[0]
	hash := crypto.SHA256
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write(cert.Raw)
	data := h.Sum([]byte("tls-server-end-point:"))
	var b bytes.Buffer
	b.Write(make([]byte, 16)) // no addresses
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(data))))
	b.Write(data)
	sum := md5.Sum(b.Bytes())
	return sum[:]
}

// The layers of protection (RFC 4752, section 3.3).
const (
	layerNone = 1
	layerSeal = 4
)

// NegotiateSaslAuth agrees on the layer: none over TLS, else sealing and nothing less.
func (g *initiator) NegotiateSaslAuth(token []byte, _ string) ([]byte, error) {
	if g.keys == nil {
		return nil, g.fail("kerberos-mutual", "")
	}
	offer, err := g.keys.unwrap(token, false)
	if err != nil || len(offer) != 4 {
		return nil, g.fail("kerberos-mutual", "")
	}
	layer, most := byte(layerNone), uint32(0)
	if g.c.tls == nil {
		layer, most = layerSeal, maxSealedBuffer-1
	}
	if offer[0]&layer == 0 {
		return nil, g.fail("no-seal", "")
	}
	g.keys.most = int(binary.BigEndian.Uint32(offer) & 0xffffff)
	answer := binary.BigEndian.AppendUint32(nil, most&0xffffff)
	answer[0] = layer
	g.done = true
	return g.keys.wrap(answer, false)
}
