package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/graph"
)

// Environment variables that hold what must not stand on a command line.
const (
	secretVariable = "SEKISHO_GRAPH_SECRET"
	tokenVariable  = "SEKISHO_GRAPH_TOKEN"
)

// Bounds of the files that tell who asks; chosen.
const (
	maxSecretFile   = 64 << 10
	maxCertificates = 1 << 20
)

// graphFlags say where Microsoft Graph is, who asks, and by which way.
type graphFlags struct {
	application, secretFile, certificate, tokenFile string
	proxy, root, url, authority                     string
	device                                          bool
	timeout                                         time.Duration
}

// graphFlagNames are the names of the flags that graphFlags adds.
func graphFlagNames() []string {
	return []string{"client-id", "secret-file", "certificate", "token-file", "device-code", "proxy", "root", "graph-url", "authority", "timeout"}
}

// graphFlags adds the flags to c. The tenant is the caller's, because commands mean different things by it.
func (a *app) graphFlags(c *cobra.Command, timeout time.Duration) *graphFlags {
	f := &graphFlags{}
	flags := c.Flags()
	flags.StringVar(&f.application, "client-id", "", a.t("report.flag.client-id"))
	flags.StringVar(&f.secretFile, "secret-file", "", a.t("report.flag.secret-file", "variable", secretVariable))
	flags.StringVar(&f.certificate, "certificate", "", a.t("report.flag.certificate"))
	flags.StringVar(&f.tokenFile, "token-file", "", a.t("report.flag.token-file", "variable", tokenVariable))
	flags.BoolVar(&f.device, "device-code", false, a.t("graph.flag.device-code"))
	flags.StringVar(&f.proxy, "proxy", "", a.t("report.flag.proxy"))
	flags.StringVar(&f.root, "root", "", a.t("report.flag.root"))
	flags.StringVar(&f.url, "graph-url", "", a.t("report.flag.graph-url"))
	flags.StringVar(&f.authority, "authority", "", a.t("report.flag.authority"))
	flags.DurationVar(&f.timeout, "timeout", timeout, a.t("report.flag.timeout"))
	return f
}

// graphClient puts the client of Microsoft Graph together from flags, files, the environment and the cloud that the
// configuration names. scopes are the permissions that a person is asked for.
func (a *app) graphClient(g *graphFlags, tenant string, scopes ...string) (*graph.Client, error) {
	cloud, resource, err := a.graphCloud(g)
	if err != nil {
		return nil, err
	}
	credential := graph.Credential{Tenant: tenant, Application: g.application, Authority: cloud.Authority, Resource: resource, Scopes: scopes}
	switch {
	case g.tokenFile != "":
		credential.Bearer, err = a.secretFile(g.tokenFile)
	case a.Getenv(tokenVariable) != "" && g.application == "":
		credential.Bearer = strings.TrimSpace(a.Getenv(tokenVariable))
	case tenant == "" || g.application == "":
		return nil, a.usage("report.graph-who", "variable", tokenVariable)
	case g.device:
		credential.Device = func(text string) { a.notef("%s\n", printable(text)) }
	case g.certificate != "":
		var data []byte
		if data, err = readBounded(g.certificate, maxCertificates); err == nil {
			credential.Certificate, err = graph.ParseCertificate(g.certificate, data)
		}
	case g.secretFile != "":
		credential.Secret, err = a.secretFile(g.secretFile)
	default:
		if credential.Secret = a.Getenv(secretVariable); credential.Secret == "" {
			return nil, a.usage("report.graph-secret", "variable", secretVariable)
		}
	}
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.MaxResponseHeaderBytes = 64 << 10
	if g.root != "" {
		data, err := readBounded(g.root, maxCertificates)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(data) {
			return nil, a.usage("report.root", "file", g.root)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	if g.proxy != "" {
		via, err := url.Parse(g.proxy)
		if err != nil || via.Host == "" || via.Scheme != "http" && via.Scheme != "https" {
			return nil, a.usage("report.proxy", "value", redactURL(g.proxy))
		}
		transport.Proxy = http.ProxyURL(via)
	}
	return &graph.Client{HTTP: &http.Client{Transport: transport}, Credential: credential, Base: cloud.Graph}, nil
}

// graphCloud is where the cloud of the configuration answers, but for what flags say, and what a token is asked for. Without a
// configuration it is the public one. A configuration with errors says nothing that can be relied on, so it stops the
// command.
func (a *app) graphCloud(g *graphFlags) (cloud graph.Cloud, resource string, err error) {
	cloud = graph.Public()
	if g.url == "" || g.authority == "" {
		settings, err := a.settings()
		if err != nil {
			return cloud, "", err
		}
		if of, ok := graph.CloudOf(settings.Tenant.Cloud.V); ok {
			cloud = of
		}
	}
	resource = cloud.Graph
	if g.url != "" {
		cloud.Graph = g.url
		// The Graph of another cloud wants tokens of its own; a stand-in or a relay under another name wants the real one's.
		if u, err := url.Parse(g.url); err == nil && graph.OfMicrosoft(u.Hostname()) {
			resource = "https://" + u.Host
		}
	}
	if g.authority != "" {
		cloud.Authority = g.authority
	}
	return cloud, resource, nil
}

// redactURL leaves out what stands before an "@".
func redactURL(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[i+1:]
	}
	return s
}

func readBounded(name string, most int64) ([]byte, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, finding.Fail("signinlog.unreadable", bareError(err), "file", name)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, finding.Fail("signinlog.unreadable", bareError(err), "file", name)
	}
	if int64(len(data)) > most {
		return nil, finding.Fail("signinlog.unreadable", errors.New("the file is too long"), "file", name)
	}
	return data, nil
}

// secretFile reads a secret of one line.
func (a *app) secretFile(name string) (string, error) {
	data, err := readBounded(name, maxSecretFile)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", a.usage("report.secret", "file", name)
	}
	return secret, nil
}
