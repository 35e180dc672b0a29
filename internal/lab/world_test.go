package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openWorld starts a lab that lives as long as the test.
func openWorld(t testing.TB, o Options) *World {
	t.Helper()
	if o.Catalog == nil {
		o.Catalog = catalog.Builtin()
	}
	w, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// client is an ordinary HTTP client whose network is the lab. It follows no redirects.
func client(t testing.TB, w *World) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(w.RootPEM()) {
		t.Fatal("the root is no PEM certificate")
	}
	tr := &http.Transport{DialContext: dialer(w), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func dialer(w *World) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		h, err := endpoint.ParseHost(host)
		if err != nil {
			return nil, err
		}
		addrs, err := w.Resolve(ctx, h)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		return w.Dial(ctx, netip.AddrPortFrom(addrs[0], uint16(n)))
	}
}

// reply is an answer, read whole.
type reply struct {
	*http.Response
	body string
}

func (r reply) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("status %d, %v in %q", r.StatusCode, err, r.body)
	}
}

// do sends one request; header is name, value pairs.
func do(t testing.TB, c *http.Client, method, target, body string, header ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return send(t, c, r)
}

// send sends r and reads the answer whole.
func send(t testing.TB, c *http.Client, r *http.Request) reply {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res, string(data)}
}

// clientCredentials asks for an application's token in tenant.
func clientCredentials(t testing.TB, c *http.Client, tenant string, header ...string) reply {
	t.Helper()
	return do(t, c, "POST", "https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {ServiceApplication}, "client_secret": {ServiceSecret},
		"scope": {"https://graph.microsoft.com/.default"},
	}.Encode(), header...)
}

type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
	Timestamp   string `json:"timestamp"`
	URI         string `json:"error_uri"`
}

func (r reply) code(t testing.TB) int {
	t.Helper()
	var e errorBody
	r.decode(t, &e)
	if len(e.Codes) == 0 {
		return 0
	}
	return e.Codes[0]
}

func TestResolve(t *testing.T) {
	w := openWorld(t, Options{})
	snap := catalog.Builtin()
	signIn := snap.SignInPrefixes()
	if len(signIn) == 0 {
		t.Fatal("the catalog publishes no sign-in ranges")
	}
	within := func(a netip.Addr) bool {
		for _, p := range signIn {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	for _, host := range []endpoint.Host{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net"} {
		addrs, err := w.Resolve(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if !within(a) {
				t.Errorf("%s: %v is outside the published ranges", host, a)
			}
		}
		again, _ := w.Resolve(t.Context(), host)
		if again[0] != addrs[0] {
			t.Errorf("%s: %v, then %v", host, addrs[0], again[0])
		}
	}
	a, err := w.Resolve(t.Context(), "sts.windows.net")
	if err != nil {
		t.Fatal("a classified host exists:", err)
	}
	if !a[0].IsGlobalUnicast() || a[0].IsPrivate() {
		t.Errorf("sts.windows.net: %v is not public", a[0])
	}
	var missing *net.DNSError
	if _, err := w.Resolve(t.Context(), "www.example.org"); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("an unknown host: %v", err)
	}
}

func TestDialOnlyWhereTheLabLives(t *testing.T) {
	w := openWorld(t, Options{})
	addrs, err := w.Resolve(t.Context(), "login.live.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []uint16{443, 80} {
		c, err := w.Dial(t.Context(), netip.AddrPortFrom(addrs[0], port))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	for _, to := range []string{"127.0.0.1:443", "10.0.0.1:443", "169.254.169.254:80", "[::1]:443", "198.51.100.7:443"} {
		if c, err := w.Dial(t.Context(), netip.MustParseAddrPort(to)); err == nil {
			c.Close()
			t.Errorf("%s: connected", to)
		}
	}
	if c, err := w.Dial(t.Context(), netip.AddrPortFrom(addrs[0], 22)); err == nil {
		c.Close()
		t.Error("port 22: connected")
	}
}

func TestEveryCatalogHostAnswersAsTheLab(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	for _, host := range []string{"manage.microsoft.com", "enterpriseregistration.windows.net", "sts.windows.net"} {
		var a struct {
			Lab       bool
			Host, SNI string
		}
		r := do(t, c, "GET", "https://"+host+"/some/path", "")
		r.decode(t, &a)
		if r.StatusCode != 200 || !a.Lab || a.Host != host || a.SNI != host || r.Header.Get("X-Sekisho-Lab") == "" {
			t.Errorf("%s: %d %+v", host, r.StatusCode, a)
		}
		if name := r.TLS.PeerCertificates[0].DNSNames; len(name) != 1 || name[0] != host {
			t.Errorf("%s: certificate for %v", host, name)
		}
		if org := r.TLS.PeerCertificates[0].Issuer.String(); !strings.Contains(org, "LAB") {
			t.Errorf("issuer %q does not say LAB", org)
		}
	}
}

func TestHostThatIsNotTheServerNameIsMisdirected(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "https://manage.microsoft.com/", nil)
	r.Host = "login.microsoftonline.com"
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestDeviceHostsDemandACertificate(t *testing.T) {
	w := openWorld(t, Options{})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.RootPEM())
	for host, want := range map[string]bool{
		"device.login.microsoftonline.com": true, "certauth.enterpriseregistration.windows.net": true, "login.microsoftonline.com": false,
	} {
		asked := false
		tr := &http.Transport{DialContext: dialer(w), TLSClientConfig: &tls.Config{
			RootCAs: roots,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &tls.Certificate{}, nil
			},
		}}
		r := do(t, &http.Client{Transport: tr}, "GET", "https://"+host+"/", "")
		tr.CloseIdleConnections()
		if asked != want || (r.StatusCode == http.StatusForbidden) != want {
			t.Errorf("%s: asked %v, status %d", host, asked, r.StatusCode)
		}
	}
}

func TestPermittedAndForeignTenant(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	v1 := []string{"Restrict-Access-To-Tenants", "contoso.com", "Restrict-Access-Context", ContosoTenant}
	for _, tenant := range []string{ContosoTenant, "contoso.com", "CONTOSO.onmicrosoft.com"} {
		r := clientCredentials(t, c, tenant, v1...)
		var a struct {
			Token string `json:"access_token"`
		}
		r.decode(t, &a)
		if r.StatusCode != 200 || a.Token == "" {
			t.Errorf("%s: %d %s", tenant, r.StatusCode, r.body)
		}
	}
	r := clientCredentials(t, c, "fabrikam.com", v1...)
	if r.StatusCode != 400 || r.code(t) != 500021 {
		t.Errorf("foreign tenant: %d %s", r.StatusCode, r.body)
	}
	if r := clientCredentials(t, c, "fabrikam.com"); r.StatusCode != 200 {
		t.Errorf("no header means unrestricted: %d %s", r.StatusCode, r.body)
	}
}

func TestHeadsAreTheBytesSent(t *testing.T) {
	w := openWorld(t, Options{})
	addrs, err := w.Resolve(t.Context(), "login.microsoftonline.com")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.RootPEM())
	raw, err := w.Dial(t.Context(), netip.AddrPortFrom(addrs[0], 443))
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "login.microsoftonline.com"})
	defer c.Close()
	first := "POST /common/GetCredentialType HTTP/1.1\r\nhOsT: login.microsoftonline.com\r\nX-Odd:  two  spaces\t\r\ncontent-length: 2\r\n\r\n"
	second := "POST /x HTTP/1.1\r\nHost: login.microsoftonline.com\r\nTransfer-Encoding: chunked\r\n\r\n"
	third := "GET /y HTTP/1.1\r\nHost: login.microsoftonline.com\r\nConnection: close\r\n\r\n"
	io.WriteString(c, first+"{}"+second+"3\r\nabc\r\n0\r\n\r\n"+third)
	io.Copy(io.Discard, c)
	heads := w.Heads()
	if len(heads) != 3 {
		t.Fatalf("%d heads", len(heads))
	}
	for i, want := range []string{first, second, third} {
		if h := heads[i]; string(h.Raw) != want || h.SNI != "login.microsoftonline.com" || !h.TLS {
			t.Errorf("head %d: %q", i, h.Raw)
		}
	}
	if v := heads[0].Values("x-odd"); len(v) != 1 || v[0] != "two  spaces" {
		t.Errorf("values %q", v)
	}
}
