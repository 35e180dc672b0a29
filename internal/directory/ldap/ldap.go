// Package ldap reads accounts and UPN suffixes of an Active Directory from its domain controllers, by LDAP over TLS, with
// StartTLS, or sealed by Kerberos. It gives what package directory gives of an export of the same objects.
//
//	d, notices, err := ldap.Read(ctx, ldap.Options{Servers: servers, Login: ldap.Login{Name: "reader@corp.example", Password: p}})
//
// It changes nothing and asks for no password and no hash. A password is never sent without TLS unless that was said
// explicitly. A certificate has to verify. Referrals are not followed, because whoever answers there was not named; they
// are told. Whatever a server answers is bounded: the size and shape of each message before the library sees it, the
// number of objects, and the time. The rules are those of RFC 4511 (the protocol), RFC 2696 (pages), RFC 4752 and 4121
// (Kerberos) and of [MS-ADTS], sections 3.1.1.3.2 (root DSE) and 3.1.1.3.4.1.3 (DirSync).
package ldap

import (
	"context"
	"crypto/x509"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
)

// Limits; chosen where no source is named.
const (
	DefaultTimeout = 30 * time.Minute // of a whole reading: 2,000,000 objects at 1,500 a second, with a margin
	dialTimeout    = 15 * time.Second // to connect, and again for the TLS handshake
	requestTimeout = 2 * time.Minute  // of one request with its answer; AD gives up on a query after 2 minutes (MaxQueryDuration)
	writeTimeout   = 30 * time.Second
	pageSize       = 1000 // objects a page; AD's MaxPageSize
	idlePages      = 50   // pages in a row without a new object; a server may send some when its time for one is over
	maxServers     = 50   // of one reading
	maxReferrals   = 20   // that are told
)

// Server is the address of a domain controller. Make it with ParseServer.
type Server struct {
	Host string // name or address literal
	Port string
	TLS  bool // from the first byte on (ldaps)
}

// String is the address as a URL.
func (s Server) String() string {
	scheme := "ldap"
	if s.TLS {
		scheme = "ldaps"
	}
	return scheme + "://" + net.JoinHostPort(s.Host, s.Port)
}

// ParseServer reads ldap://host[:port] or ldaps://host[:port]. The error is a *finding.Problem: the ports of the Global
// Catalog are refused, because it has a part of the attributes alone, and so are addresses with a password.
func ParseServer(text string) (Server, error) {
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"): // not repeated: a password may stand before it
		return Server{}, finding.Fail("ldap.url-user", nil)
	case err != nil, u.Scheme != "ldap" && u.Scheme != "ldaps", u.Hostname() == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.Opaque != "":
		return Server{}, finding.Fail("ldap.url", nil, "value", text)
	}
	s := Server{Host: u.Hostname(), Port: u.Port(), TLS: u.Scheme == "ldaps"}
	if strings.ContainsFunc(s.Host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:", r)
	}) {
		return Server{}, finding.Fail("ldap.url", nil, "value", text)
	}
	if s.Port != "" {
		n, err := strconv.ParseUint(s.Port, 10, 16)
		if err != nil || n == 0 {
			return Server{}, finding.Fail("ldap.url", nil, "value", text)
		}
		s.Port = itoa(int(n)) // one way to write it
	}
	switch {
	case s.Port == "3268", s.Port == "3269":
		return Server{}, finding.Fail("ldap.global-catalog", nil, "port", s.Port, "host", s.Host)
	case s.Port == "" && s.TLS:
		s.Port = "636"
	case s.Port == "":
		s.Port = "389"
	}
	return s, nil
}

// Secret is a password; it prints as [redacted].
type Secret string

func (Secret) String() string   { return "[redacted]" }
func (Secret) GoString() string { return "[redacted]" }

// MarshalText keeps the secret out of logs and JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Login says who reads. With Keytab or Cache it is Kerberos, else a simple bind by Name and Password.
type Login struct {
	Name     string // user principal name, DOMAIN\user or distinguished name; of a keytab the principal, "" if it holds one alone
	Password Secret
	Keytab   string // file
	Cache    string // file of a ticket cache
	// Config is a krb5.conf; "": /etc/krb5.conf where there is one. A realm that it does not name is asked for at the
	// domain controller itself, which is a key distribution centre, too.
	Config string
}

// Kerberos reports whether tickets are used.
func (l Login) Kerberos() bool { return l.Keytab != "" || l.Cache != "" }

// Options say what to read. Servers and Login have to be given.
type Options struct {
	Servers []Server // one of each domain that is to be read
	Login   Login
	// Bases are distinguished names; none: the whole domain of each server.
	Bases []string
	// StartTLS has a connection without TLS changed to TLS before anything else.
	StartTLS bool
	// Cleartext permits a simple bind without TLS: password and accounts go readably over the network.
	Cleartext bool
	// Roots are trusted; nil: the system's.
	Roots *x509.CertPool
	// State is a file that keeps what was read, so that the next reading asks for changes alone (DirSync); "": everything is
	// read. It is made when it is not there.
	State string
	// Timeout bounds the whole reading; 0: DefaultTimeout.
	Timeout time.Duration
	// Directory is what of the objects is kept.
	Directory directory.Options
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	limits limits
}

// limits are bent by tests.
type limits struct {
	request time.Duration // 0: requestTimeout
	page    uint32        // 0: pageSize
}

func (o *Options) defaults() {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.limits.request == 0 {
		o.limits.request = requestTimeout
	}
	if o.limits.page == 0 {
		o.limits.page = pageSize
	}
}

// Read reads the directory. The notices are warnings (a domain of the forest that was not read, referrals) and what the
// state file did. The error is a *finding.Problem, or ctx.Err() when the caller gave up; there is no Directory with one,
// and the state file is as it was.
func Read(ctx context.Context, o Options) (*directory.Directory, finding.List, error) {
	o.defaults()
	if len(o.Servers) == 0 || len(o.Servers) > maxServers {
		return nil, nil, finding.Fail("ldap.servers", nil, "count", itoa(len(o.Servers)), "max", itoa(maxServers))
	}
	for _, s := range o.Servers {
		// Said before anything is sent.
		if !s.TLS && !o.StartTLS && !o.Cleartext && !o.Login.Kerberos() {
			return nil, nil, finding.Fail("ldap.cleartext", nil, "server", s.String())
		}
		// An empty password would be taken for no login at all by servers (RFC 4513, section 5.1.2).
		if !o.Login.Kerberos() && (o.Login.Name == "" || o.Login.Password == "") {
			return nil, nil, finding.Fail("ldap.no-login", nil, "server", s.String())
		}
	}
	timed, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	r := &reading{Options: o, ctx: timed, builder: directory.NewBuilder(o.Directory)}
	d, err := r.run()
	r.close()
	switch {
	case err == nil:
		return d, r.notices, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case timed.Err() != nil:
		return nil, nil, finding.Fail("ldap.too-long", nil, "time", o.Timeout.String())
	}
	return nil, nil, err
}

// reading is one call of Read.
type reading struct {
	Options
	ctx     context.Context // of this one call
	servers []*controller
	builder *directory.Builder
	notices finding.List
}

func (r *reading) notice(severity finding.Severity, code string, args ...string) {
	r.notices = append(r.notices, finding.New("ldap."+code, severity, finding.Pos{}, args...))
}

func (r *reading) close() {
	for _, s := range r.servers {
		s.close()
	}
}

func (r *reading) run() (*directory.Directory, error) {
	for _, s := range r.Servers {
		c, err := r.connect(s)
		if err != nil {
			return nil, err
		}
		r.servers = append(r.servers, c)
		if err := r.login(c); err != nil {
			return nil, err
		}
		if err := c.readRoot(r.ctx); err != nil {
			return nil, err
		}
	}
	parts, err := r.parts()
	if err != nil {
		return nil, err
	}
	if err := r.readForest(parts); err != nil {
		return nil, err
	}
	if r.State != "" {
		return r.readChanges(parts)
	}
	for _, p := range parts {
		if err := r.readPart(p); err != nil {
			return nil, err
		}
	}
	return r.builder.Finish()
}

// part is a piece of the directory that one server is asked for.
type part struct {
	of   *controller
	base string // as it was given, or as the server names its domain
	nc   string // the domain that it lies in
}

// parts decides which server is asked for what. One piece asked for twice would give every object twice.
func (r *reading) parts() ([]part, error) {
	var out []part
	for i, c := range r.servers {
		for _, before := range r.servers[:i] {
			if foldDN(before.domain) == foldDN(c.domain) {
				return nil, finding.Fail("ldap.same-domain", nil, "one", before.server.String(), "other", c.server.String(), "domain", c.domain)
			}
		}
		if len(r.Bases) == 0 {
			out = append(out, part{c, c.domain, c.domain})
		}
	}
	for _, base := range r.Bases {
		// A child domain lies below its parent by name; the nearest has it.
		i := -1
		for n, c := range r.servers {
			if within(base, c.domain) && (i < 0 || len(foldDN(c.domain)) > len(foldDN(r.servers[i].domain))) {
				i = n
			}
		}
		if i < 0 {
			var held []string
			for _, c := range r.servers {
				held = append(held, c.domain)
			}
			return nil, finding.Fail("ldap.base-nowhere", nil, "base", base, "held", strings.Join(held, "; "))
		}
		p := part{r.servers[i], base, r.servers[i].domain}
		for _, other := range out {
			if within(p.base, other.base) || within(other.base, p.base) {
				return nil, finding.Fail("ldap.base-within", nil, "one", other.base, "other", p.base)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// within reports whether dn is above or lies below it. Names are compared without case and without spaces around commas;
// where a name is written in a way that this does not see through, the server decides.
func within(dn, above string) bool {
	dn, above = foldDN(dn), foldDN(above)
	return dn == above || above != "" && strings.HasSuffix(dn, ","+above)
}

func foldDN(dn string) string {
	parts := strings.Split(strings.ToLower(dn), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ",")
}
