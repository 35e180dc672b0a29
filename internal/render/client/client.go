// Package client is the target "client": the devices' side of the policy. It tells them to use the checkpoint and keeps them
// from going round it: the PAC file or the proxy for the whole machine and not for each user to change, WinHTTP, Edge, Chrome
// and Firefox without the ways past a proxy (QUIC, DNS over HTTPS, Encrypted ClientHello), the root certificate, and rules of
// the Windows firewall that refuse direct connections to the addresses of the sign-in hosts.
//
// One table of settings is written as registry files, as a PowerShell script, as policies.json, as the settings of WinHTTP
// and as a custom profile for Intune, so that none of them contradicts another. Each setting names the page that it follows;
// what no page says is not set, and the guide says so. Values are a URL, a proxy and addresses; whatever else people wrote
// (names of rings) does not reach a device.
package client

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// Target is "client".
type Target struct{}

// Name returns "client".
func (Target) Name() string { return "client" }

// The options.
const (
	optionBy    = "by"      // pac: devices fetch the PAC file; proxy: they are told the proxy
	optionRing  = "ring"    // whose PAC file and proxies
	optionPAC   = "pac-url" // in place of the configured one
	optionProxy = "proxy"   // in place of the configured one
)

// Options returns the way to the proxy, the ring, and values in place of the configured ones.
func (Target) Options() []render.Option {
	return []render.Option{
		{Name: optionBy, Kind: render.Choice, Default: "pac", Values: []string{"pac", "proxy"}},
		{Name: optionRing},
		{Name: optionPAC, Local: true},
		{Name: optionProxy, Local: true},
	}
}

// plan is what devices are told. One of pac and proxy is "".
type plan struct {
	pac    string
	proxy  string             // host:port
	past   []endpoint.Pattern // with proxy: hosts that need none, single names and whole domains
	own    []string           // with proxy: our own servers, names and addresses
	ranges []netip.Prefix     // addresses of the sign-in hosts, joined
	root   *x509.Certificate  // nil: not known
}

// Render returns the guide, then the files.
func (t Target) Render(in render.Input, _ *render.Model) (render.Output, error) {
	p, found, err := newPlan(in)
	if err != nil {
		return render.Output{}, err
	}
	values := settings(p)
	text := func(name, body string) render.File {
		return render.File{Name: name, Type: "text/plain; charset=utf-8", Body: []byte(body), Download: true, Comment: "#"}
	}
	binary := func(name, kind string, body []byte) render.File {
		return render.File{Name: name, Type: kind, Body: body, Download: true, Lines: render.NoLines()}
	}
	files := []render.File{
		text(guideFile, guide(in, p, values)),
		binary(machineFile, "application/octet-stream", registry(in, values, machine)),
		binary(userFile, "application/octet-stream", registry(in, values, user)),
		text(scriptFile, "\ufeff"+script(in, p, values)), // Windows PowerShell 5.1 reads a script without the mark in the code page of the machine,
		binary(winHTTPFile, "application/json", winHTTP(p)),
		binary(firefoxFile, "application/json", firefox(p)),
		binary(intuneFile, "application/json", intune(in, p)),
	}
	if p.root != nil {
		files = append(files, binary(rootFile, "application/x-pem-file", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.root.Raw})))
	}
	found = append(found, flow.NotVerified(t.Name(), pageMachine, pageWinHTTP, edge("ProxySettings"), pageFirefox, pageCSP)) // the guide has all
	return render.Output{Files: files, Findings: found, Apart: true}, nil
}

// The files.
const (
	guideFile   = "sekisho-client.txt"
	machineFile = "sekisho-machine.reg"
	userFile    = "sekisho-user.reg"
	scriptFile  = "sekisho-client.ps1"
	winHTTPFile = "sekisho-winhttp.json"
	firefoxFile = "policies.json"
	intuneFile  = "sekisho-intune.json"
	rootFile    = "sekisho-root.cer"
)

// newPlan reads the input. The error is a *finding.Problem.
func newPlan(in render.Input) (plan, finding.List, error) {
	var p plan
	var found finding.List
	warn := func(code string, args ...string) {
		found = append(found, finding.New(code, finding.Warning, finding.Pos{}, args...))
	}
	ring := in.Options.Text(optionRing)
	if ring != "" {
		var names []string
		for _, r := range in.Program.Rings() {
			names = append(names, r.Name)
		}
		if !slices.Contains(names, ring) {
			return p, nil, finding.Fail("render.pac.no-ring", nil, "ring", ring, "want", finding.Nearest(ring, names), "known", strings.Join(names, ", "))
		}
	}
	var host string
	var err error
	if in.Options.Text(optionBy) == "proxy" {
		host, err = p.byProxy(in, ring, warn)
	} else {
		host, err = p.byPAC(in, ring)
	}
	if err != nil {
		return p, nil, err
	}
	if a, bad := netip.ParseAddr(host); bad == nil && (a.IsLoopback() || a.IsUnspecified()) || host == "localhost" {
		warn("client.loopback", "host", host)
	}
	v4, v6 := flow.Aggregate(in.Program.Catalog().SignInPrefixes())
	if p.ranges = append(v4, v6...); len(p.ranges) == 0 {
		warn("client.no-ranges")
	}
	if in.Root != nil {
		p.root = root(in.Root())
	}
	if p.root == nil {
		warn("client.no-root")
	}
	return p, found, nil
}

// path is what the path of the PAC file may hold; nothing in it means anything to a registry file or a shell.
var (
	path      = regexp.MustCompile(`^(/[A-Za-z0-9._~%@:+=-]*)*$`)
	authority = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
)

// isAuthority reports whether s is a host, or a host and a port, that mean the same to whoever reads them.
func isAuthority(s string) bool {
	if !authority.MatchString(s) {
		return false
	}
	_, err := endpoint.ParseAuthority(s, 80)
	return err == nil
}

// byPAC sets p.pac and returns its host.
func (p *plan) byPAC(in render.Input, ring string) (string, error) {
	text := in.Options.Text(optionPAC)
	if text == "" {
		if text = in.PACURL; text != "" && ring != "" {
			text = strings.TrimSuffix(text, "/proxy.pac") + "/pac/" + url.PathEscape(ring) + "/proxy.pac"
		}
	}
	if text == "" {
		return "", finding.Fail("client.no-pac", nil)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isAuthority(u.Host) || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !path.MatchString(u.EscapedPath()) || u.Scheme+"://"+u.Host+u.EscapedPath() != text {
		return "", finding.Fail("client.url", nil, "option", optionPAC, "value", render.OneLine(text))
	}
	p.pac = text
	return u.Hostname(), nil
}

// byProxy sets p.proxy and what goes past it, and returns its host.
func (p *plan) byProxy(in render.Input, ring string, warn func(code string, args ...string)) (string, error) {
	proxies := in.Proxies
	if own := in.Rings[ring]; len(own) > 0 {
		proxies = own
	}
	if text := in.Options.Text(optionProxy); text != "" {
		proxies = []string{text}
	}
	if len(proxies) == 0 {
		return "", finding.Fail("client.no-proxy", nil)
	}
	host, port, err := net.SplitHostPort(proxies[0])
	if err != nil || port == "" || !isAuthority(proxies[0]) {
		return "", finding.Fail("client.proxy", err, "option", optionProxy, "value", render.OneLine(proxies[0]))
	}
	if len(proxies) > 1 {
		warn("client.one-proxy", "proxy", proxies[0])
	}
	p.proxy = proxies[0]
	for _, pattern := range in.Program.PACDirect() {
		if k := pattern.Kind(); k == endpoint.Exact || k == endpoint.Suffix {
			p.past = append(p.past, pattern)
		} else {
			warn("client.past", "pattern", pattern.String())
		}
	}
	for _, text := range in.Own {
		if u, err := url.Parse(text); err == nil && isAuthority(u.Host) && !slices.Contains(p.own, u.Hostname()) {
			p.own = append(p.own, u.Hostname())
		}
	}
	return host, nil
}

// root is the first certificate of pemText, when it may sign.
func root(pemText []byte) *x509.Certificate {
	block, _ := pem.Decode(bytes.TrimSpace(pemText))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !c.IsCA {
		return nil
	}
	return c
}
