package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Squid starts Debian's squid-openssl: it peeks at the server name, bumps what is named and splices the rest.
// Configuration after the SslPeekAndSplice page of the Squid wiki
// (https://wiki.squid-cache.org/Features/SslPeekAndSplice), with the log and nothing cached.
func Squid(s Setup) (*Process, error) {
	squid, err := find("squid", "Debian's squid-openssl")
	if err != nil {
		return nil, err
	}
	certgen, err := find("security_file_certgen", "Debian's squid-openssl")
	if err != nil {
		return nil, err
	}
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	// Certificate and key of the authority in one file, readable to Squid's own user.
	issuer := filepath.Join(s.Dir, "issuer.pem")
	if err := concatenate(issuer, s.IssuerCert, s.IssuerKey); err != nil {
		return nil, err
	}
	trust := filepath.Join(s.Dir, "trust.pem")
	if err := concatenate(trust, s.Trust); err != nil {
		return nil, err
	}
	db := filepath.Join(s.Dir, "leaves")
	if out, err := exec.Command(certgen, "-c", "-s", db, "-M", "16MB").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("security_file_certgen: %w\n%s", err, out)
	}
	if err := giveToProxy(db); err != nil {
		return nil, err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "http_access allow all\nhttp_port %s ssl-bump tls-cert=%s generate-host-certificates=on dynamic_cert_mem_cache_size=16MB\n", addr, issuer)
	fmt.Fprintf(&c, "sslcrtd_program %s -s %s -M 16MB\nsslcrtd_children 4 startup=4\n", certgen, db)
	fmt.Fprintf(&c, "tls_outgoing_options cafile=%s\n", trust)
	fmt.Fprintf(&c, "acl step1 at_step SslBump1\nacl everywhere ssl::server_name %s\n", strings.Join(s.intercepted(), " "))
	c.WriteString("ssl_bump peek step1\nssl_bump bump everywhere\nssl_bump splice all\n")
	fmt.Fprintf(&c, "acl signin dstdomain %s\n", strings.Join(s.SignIn, " "))
	for _, h := range s.headers() {
		name, value, _ := strings.Cut(h, ": ")
		fmt.Fprintf(&c, "request_header_access %s deny all\nrequest_header_add %s \"%s\" signin\n", name, name, value)
	}
	return s.squid(squid, addr, c.String())
}

// SquidForward starts Debian's squid-openssl as it comes: it forwards, lets CONNECT through to port 443 alone, and reads
// nothing. It goes out through Setup.Parent where there is one, and asks for Setup.User and Setup.Password where they
// are set.
func SquidForward(s Setup) (*Process, error) {
	squid, err := find("squid", "Debian's squid-openssl")
	if err != nil {
		return nil, err
	}
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "http_port %s\nacl ssl port 443\nacl tunnel method CONNECT\nhttp_access deny tunnel !ssl\n", addr)
	if s.User != "" {
		auth, err := find("basic_ncsa_auth", "Debian's squid-openssl")
		if err != nil {
			return nil, err
		}
		hash, err := exec.Command("openssl", "passwd", "-apr1", s.Password).Output()
		if err != nil {
			return nil, fmt.Errorf("openssl passwd: %w", err)
		}
		file := filepath.Join(s.Dir, "passwords")
		if err := os.WriteFile(file, []byte(s.User+":"+string(hash)), 0o644); err != nil {
			return nil, err
		}
		fmt.Fprintf(&c, "auth_param basic program %s %s\nacl known proxy_auth REQUIRED\nhttp_access deny !known\n", auth, file)
	}
	c.WriteString("http_access allow all\n")
	if s.Parent != "" {
		host, port, _ := strings.Cut(s.Parent, ":")
		fmt.Fprintf(&c, "cache_peer %s parent %s 0 no-query default\nnever_direct allow all\n", host, port)
	}
	return s.squid(squid, addr, c.String())
}

// squid runs Squid by what is said so far and what every Squid here has.
func (s *Setup) squid(squid, addr, text string) (*Process, error) {
	var c strings.Builder
	c.WriteString(text)
	c.WriteString("cache deny all\nshutdown_lifetime 0 seconds\nmax_filedescriptors 65536\n")
	fmt.Fprintf(&c, "access_log stdio:%s/access.log squid\ncache_log %s/cache.log\npid_filename %s/squid.pid\ncoredump_dir %s\n", s.Dir, s.Dir, s.Dir, s.Dir)
	conf := filepath.Join(s.Dir, "squid.conf")
	if err := os.WriteFile(conf, []byte(c.String()), 0o644); err != nil {
		return nil, err
	}
	p, err := Start("squid", s.Dir, addr, squid, "-N", "-f", conf)
	if err != nil {
		if more, _ := os.ReadFile(filepath.Join(s.Dir, "cache.log")); len(more) > 0 {
			err = fmt.Errorf("%w\n%s", err, more[max(0, len(more)-4096):])
		}
		return nil, err
	}
	p.Version = firstLine(squid, "-v")
	return p, nil
}

// HAProxy starts Debian's haproxy. It knows no CONNECT: clients speak TLS to it at once, it terminates with one
// certificate, sets the headers and goes on to one origin.
func HAProxy(s Setup) (*Process, error) {
	haproxy, err := find("haproxy", "Debian's haproxy")
	if err != nil {
		return nil, err
	}
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	var c strings.Builder
	c.WriteString("global\n  log stderr format raw local0\n  maxconn 8000\n  ssl-default-bind-options ssl-min-ver TLSv1.2\n")
	c.WriteString("defaults\n  mode http\n  log global\n  option httplog\n  timeout connect 8s\n  timeout client 35m\n  timeout server 35m\n  http-reuse always\n")
	fmt.Fprintf(&c, "frontend in\n  bind %s ssl crt %s alpn h2,http/1.1\n", addr, s.Leaf)
	fmt.Fprintf(&c, "  acl signin hdr(host) -i %s\n", strings.Join(s.SignIn, " "))
	for _, h := range s.headers() {
		name, value, _ := strings.Cut(h, ": ")
		fmt.Fprintf(&c, "  http-request set-header %s %s if signin\n", name, value)
	}
	fmt.Fprintf(&c, "  default_backend out\nbackend out\n  server origin %s ssl verify required ca-file %s sni req.hdr(host) verifyhost %s\n", s.Origin, s.Trust, s.SignIn[0])
	conf := filepath.Join(s.Dir, "haproxy.cfg")
	if err := os.WriteFile(conf, []byte(c.String()), 0o644); err != nil {
		return nil, err
	}
	p, err := Start("haproxy", s.Dir, addr, haproxy, "-db", "-f", conf)
	if err != nil {
		return nil, err
	}
	p.Version = firstLine(haproxy, "-v")
	return p, nil
}

// concatenate writes the contents of the files in to out, readable to everybody.
func concatenate(out string, in ...string) error {
	var all []byte
	for _, f := range in {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		all = append(all, b...)
	}
	return os.WriteFile(out, all, 0o644)
}

// Mitmproxy starts Debian's mitmproxy without its screen, with the addon that its documents show for setting a header.
// It reads everything but
// what Setup.Bypass names (ignore_hosts).
func Mitmproxy(s Setup) (*Process, error) {
	mitmdump, err := find("mitmdump", "Debian's mitmproxy")
	if err != nil {
		return nil, err
	}
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	if err := concatenate(filepath.Join(s.Dir, "mitmproxy-ca.pem"), s.IssuerKey, s.IssuerCert); err != nil {
		return nil, err
	}
	var addon strings.Builder
	fmt.Fprintf(&addon, "NAMES = {\"%s\"}\n\ndef request(flow):\n    if flow.request.pretty_host in NAMES:\n", strings.Join(s.SignIn, `", "`))
	for _, h := range s.headers() {
		name, value, _ := strings.Cut(h, ": ")
		fmt.Fprintf(&addon, "        flow.request.headers[%q] = %q\n", name, value)
	}
	script := filepath.Join(s.Dir, "restrict.py")
	if err := os.WriteFile(script, []byte(addon.String()), 0o644); err != nil {
		return nil, err
	}
	args := []string{"--quiet", "--listen-host", "127.0.0.1", "--listen-port", strconv.Itoa(s.Port),
		"--set", "confdir=" + s.Dir, "--set", "ssl_verify_upstream_trusted_ca=" + s.Trust, "-s", script}
	for _, n := range s.Bypass {
		args = append(args, "--ignore-hosts", "^"+regexp.QuoteMeta(n)+"$")
	}
	p, err := Start("mitmproxy", s.Dir, addr, mitmdump, args...)
	if err != nil {
		return nil, err
	}
	p.Version = firstLine(mitmdump, "--version")
	return p, nil
}

// SquidWith starts Debian's squid-openssl by the files that "render squid" wrote, sekisho.conf among them, with the options
// "folder" Setup.Dir, "cert" issuer.pem and "store" leaves in there. Nothing of them is changed.
func SquidWith(s Setup, files map[string]string) (*Process, error) {
	squid, err := find("squid", "Debian's squid-openssl")
	if err != nil {
		return nil, err
	}
	certgen, err := find("security_file_certgen", "Debian's squid-openssl")
	if err != nil {
		return nil, err
	}
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	if err := concatenate(filepath.Join(s.Dir, "issuer.pem"), s.IssuerCert, s.IssuerKey); err != nil {
		return nil, err
	}
	trust := filepath.Join(s.Dir, "trust.pem")
	if err := concatenate(trust, s.Trust); err != nil {
		return nil, err
	}
	db := filepath.Join(s.Dir, "leaves")
	if out, err := exec.Command(certgen, "-c", "-s", db, "-M", "16MB").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("security_file_certgen: %w\n%s", err, out)
	}
	if err := giveToProxy(db); err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s.squid(squid, addr, "include "+filepath.Join(s.Dir, "sekisho.conf")+"\ntls_outgoing_options cafile="+trust+"\nhosts_file /etc/hosts\n")
}
