package cli

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sekisho/internal/directory"
	"sekisho/internal/directory/ldap"
	"sekisho/internal/finding"
)

// ldapPasswordVariable is the environment variable that holds the password of --ldap-bind.
const ldapPasswordVariable = "SEKISHO_LDAP_PASSWORD"

// Limits of what is read for --ldap; chosen.
const (
	maxPasswordFile    = 4 << 10
	maxAuthoritiesFile = 4 << 20 // the certificates of all public authorities together have 300 KiB
)

// ldapFlags say which domain controllers are read, and how.
type ldapFlags struct {
	command      *cobra.Command
	servers      []string
	bind         string
	passwordFile string
	keytab       string
	cache        string
	config       string
	startTLS     bool
	cleartext    bool
	authorities  string
	bases        []string
	state        string
	timeout      time.Duration
}

func (a *app) ldapFlags(c *cobra.Command) *ldapFlags {
	f := &ldapFlags{command: c}
	flags := c.Flags()
	flags.StringArrayVar(&f.servers, "ldap", nil, a.t("signin.flag.ldap"))
	flags.StringVar(&f.bind, "ldap-bind", "", a.t("signin.flag.ldap-bind"))
	flags.StringVar(&f.passwordFile, "ldap-password-file", "", a.t("signin.flag.ldap-password-file", "variable", ldapPasswordVariable))
	flags.StringVar(&f.cache, "ldap-ccache", "", a.t("signin.flag.ldap-ccache"))
	flags.StringVar(&f.keytab, "ldap-keytab", "", a.t("signin.flag.ldap-keytab"))
	flags.StringVar(&f.config, "ldap-krb5-conf", "", a.t("signin.flag.ldap-krb5-conf"))
	flags.BoolVar(&f.startTLS, "ldap-starttls", false, a.t("signin.flag.ldap-starttls"))
	flags.BoolVar(&f.cleartext, "ldap-cleartext", false, a.t("signin.flag.ldap-cleartext"))
	flags.StringVar(&f.authorities, "ldap-ca", "", a.t("signin.flag.ldap-ca"))
	flags.StringArrayVar(&f.bases, "ldap-base", nil, a.t("signin.flag.ldap-base"))
	flags.StringVar(&f.state, "state", "", a.t("signin.flag.state"))
	flags.DurationVar(&f.timeout, "ldap-timeout", ldap.DefaultTimeout, a.t("signin.flag.ldap-timeout"))
	return f
}

// unused is the first flag that is given without --ldap; "" when there is none.
func (f *ldapFlags) unused() string {
	if len(f.servers) > 0 {
		return ""
	}
	for _, name := range []string{"ldap-bind", "ldap-password-file", "ldap-ccache", "ldap-keytab", "ldap-krb5-conf", "ldap-starttls", "ldap-cleartext", "ldap-ca", "ldap-base", "state", "ldap-timeout"} {
		if f.command.Flags().Changed(name) {
			return "--" + name
		}
	}
	return ""
}

// ldapOptions turns the flags into what is read.
func (a *app) ldapOptions(f *ldapFlags) (ldap.Options, error) {
	o := ldap.Options{Bases: f.bases, StartTLS: f.startTLS, Cleartext: f.cleartext, State: f.state, Timeout: f.timeout}
	if f.timeout <= 0 {
		return o, a.usage("flag-value", "value", f.timeout.String(), "flag", "--ldap-timeout")
	}
	if slices.Contains(f.bases, "") {
		return o, a.usage("flag-value", "value", "", "flag", "--ldap-base")
	}
	for _, text := range f.servers {
		s, err := ldap.ParseServer(text)
		if err != nil {
			return o, err
		}
		if s.TLS && f.startTLS {
			return o, a.usage("signin.starttls-twice", "server", s.String())
		}
		o.Servers = append(o.Servers, s)
	}
	if f.keytab != "" && f.cache != "" {
		return o, a.usage("signin.two-logins", "one", "--ldap-keytab", "other", "--ldap-ccache")
	}
	o.Login = ldap.Login{Name: f.bind, Keytab: f.keytab, Cache: f.cache, Config: cmp.Or(f.config, a.Getenv("KRB5_CONFIG"))}
	switch {
	case o.Login.Kerberos() && f.passwordFile != "":
		return o, a.usage("signin.two-logins", "one", "--ldap-password-file", "other", cmp.Or(flagIf(f.keytab, "--ldap-keytab"), "--ldap-ccache"))
	case f.cache != "" && f.bind != "":
		return o, a.usage("signin.two-logins", "one", "--ldap-bind", "other", "--ldap-ccache")
	}
	if f.authorities != "" {
		roots, err := readAuthorities(f.authorities)
		if err != nil {
			return o, err
		}
		o.Roots = roots
	}
	if !o.Login.Kerberos() && f.bind != "" {
		// Whether it may be sent is asked before it is asked for.
		for _, s := range o.Servers {
			if !s.TLS && !o.StartTLS && !o.Cleartext {
				return o, finding.Fail("ldap.cleartext", nil, "server", s.String())
			}
		}
		password, err := a.ldapPassword(f)
		if err != nil {
			return o, err
		}
		o.Login.Password = password
	}
	return o, nil
}

// flagIf is name where value is given.
func flagIf(value, name string) string {
	if value == "" {
		return ""
	}
	return name
}

// readAuthorities reads the certificates of a PEM file. Others in it are an error, because a file that holds none that can
// be used would otherwise be one that trusts nobody, found out much later.
func readAuthorities(file string) (*x509.CertPool, error) {
	data, err := readSmall(file, maxAuthoritiesFile)
	if err != nil {
		return nil, finding.Fail("signin.ldap-ca-unreadable", bareError(err), "file", file)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, finding.Fail("signin.ldap-ca", nil, "file", file)
	}
	return pool, nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(file string, limit int64) ([]byte, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return readAtMost(in, limit)
}

func readAtMost(in io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errors.New("file too large")
	}
	return data, err
}

// ldapPassword takes the password from a file (its first line; "-" is the standard input), from the environment, or asks
// for it on a terminal.
func (a *app) ldapPassword(f *ldapFlags) (ldap.Secret, error) {
	switch {
	case f.passwordFile != "":
		in, name, err := a.openInput(f.passwordFile)
		if err != nil {
			return "", finding.Fail("signin.password-unreadable", bareError(errors.Unwrap(err)), "file", f.passwordFile)
		}
		defer in.Close()
		data, err := readAtMost(in, maxPasswordFile)
		if err != nil {
			return "", finding.Fail("signin.password-unreadable", bareError(err), "file", name)
		}
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		line = bytes.TrimPrefix(bytes.TrimSuffix(line, []byte("\r")), []byte("\ufeff"))
		if len(line) == 0 || len(bytes.TrimSpace(rest)) > 0 {
			return "", a.usage("signin.password-file", "file", name)
		}
		return ldap.Secret(line), nil
	case a.Getenv(ldapPasswordVariable) != "":
		return ldap.Secret(a.Getenv(ldapPasswordVariable)), nil
	}
	file, ok := a.In.(*os.File)
	if !ok || !a.Terminal {
		return "", a.usage("signin.no-password", "variable", ldapPasswordVariable)
	}
	a.notef("%s ", a.t("signin.ask-password", "name", f.bind))
	typed, err := term.ReadPassword(int(file.Fd()))
	a.notef("\n")
	if err != nil || len(typed) == 0 {
		return "", a.usage("signin.no-password", "variable", ldapPasswordVariable)
	}
	return ldap.Secret(typed), nil
}

// failedLDAP reports whether a code is about reading that was asked for rightly and could not be done: what a domain
// controller is, answers or refuses, and files that cannot be read or written.
func failedLDAP(code string) bool {
	switch code {
	case "ldap.url", "ldap.url-user", "ldap.global-catalog", "ldap.servers", "ldap.cleartext", "ldap.no-login", "ldap.same-domain", "ldap.base-nowhere",
		"ldap.base-within", "ldap.dirsync-base", "ldap.state-broken", "ldap.kerberos-address", "ldap.ccache-kind", "ldap.keytab-principal":
		return false
	case "signin.ldap-ca-unreadable", "signin.password-unreadable":
		return true
	}
	return strings.HasPrefix(code, "ldap.")
}

// readLDAP reads the directory from its domain controllers. name stands for it in messages.
func (a *app) readLDAP(f *ldapFlags, options directory.Options) (d *directory.Directory, name string, err error) {
	o, err := a.ldapOptions(f)
	if err != nil {
		return nil, "", err
	}
	o.Directory = options
	d, notices, err := ldap.Read(f.command.Context(), o)
	if err != nil {
		return nil, "", err
	}
	if options.Progress != nil {
		a.clearProgress()
	}
	a.printFindings(notices)
	names := make([]string, 0, len(o.Servers))
	for _, s := range o.Servers {
		names = append(names, s.String())
	}
	return d, strings.Join(names, ", "), nil
}

// clearProgress takes the line of progress away.
func (a *app) clearProgress() { a.notef("\r%s\r", strings.Repeat(" ", 60)) }
