package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/check"
	"sekisho/internal/check/plan"
	"sekisho/internal/check/probe/name"
	"sekisho/internal/check/probe/proxy"
	"sekisho/internal/check/probe/secure"
	"sekisho/internal/check/probe/way"
	"sekisho/internal/config"
	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/pac/eval"
)

// exitUndecided is the exit code of a check that could not be decided: nothing failed, and not everything was tested.
const exitUndecided = 4

// errUndecided is its error; nothing more is to be printed.
var errUndecided = errors.New("could not be decided")

// namesBytes bounds a file of names, and rootsBytes one of certificates; chosen.
const (
	namesBytes = 4 << 20
	rootsBytes = 4 << 20
)

// checkFlags are those of the command.
type checkFlags struct {
	features     []string
	via          string
	resolver     string
	names        string
	roots        []string
	public       []string
	credentials  string
	restrictions string
	timeout      time.Duration
	parallel     int
	strict       bool
	dry          bool
	lab          bool
}

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check [HOST[:PORT]...]",
		Short: a.ct("command.short"),
		Long:  a.ct("command.long"),
		Example: "  sekisho check --features entra.sign-in,intune.core\n  sekisho check --via proxy.example.jp:8080 --roots company-root.pem\n" +
			"  sekisho check --via pac:http://pac.example.jp/proxy.pac -o json\n  sekisho check --lab\n  sekisho check --dry-run\n  sekisho check device.login.microsoftonline.com",
		Args: cobra.ArbitraryArgs,
	}
	f := &checkFlags{}
	flags := c.Flags()
	flags.StringSliceVar(&f.features, "features", nil, a.ct("command.flag.features"))
	flags.StringVar(&f.via, "via", "", a.ct("command.flag.via"))
	flags.StringVar(&f.resolver, "resolver", "system", a.ct("command.flag.resolver"))
	flags.StringVar(&f.names, "names", "", a.ct("command.flag.names"))
	flags.StringArrayVar(&f.roots, "roots", nil, a.ct("command.flag.roots"))
	flags.StringArrayVar(&f.public, "public-roots", nil, a.ct("command.flag.public-roots"))
	flags.StringVar(&f.credentials, "credentials", "", a.ct("command.flag.credentials"))
	flags.StringVar(&f.restrictions, "restrictions", "auto", a.ct("command.flag.restrictions"))
	flags.DurationVar(&f.timeout, "timeout", check.DefaultStage, a.ct("command.flag.timeout"))
	flags.IntVar(&f.parallel, "parallel", check.DefaultConcurrent, a.ct("command.flag.parallel"))
	flags.BoolVar(&f.strict, "strict", false, a.ct("command.flag.strict"))
	flags.BoolVar(&f.dry, "dry-run", false, a.ct("command.flag.dry-run"))
	flags.BoolVar(&f.lab, "lab", false, a.ct("command.flag.lab"))
	o := a.outputFlag(c, "table", "json", "jsonl", "csv")
	c.RunE = func(c *cobra.Command, args []string) error {
		spec, err := a.checkSpec(c.Context(), f, args)
		if err != nil {
			return err
		}
		if f.dry {
			return a.printCheckPlan(spec.Plan, o.format)
		}
		a.checkBegins(&spec, o.format)
		report := check.Run(c.Context(), spec)
		a.checkEnds()
		if err := a.printCheck(&report, o.format); err != nil {
			return err
		}
		switch report.Outcome(f.strict) {
		case check.Failed:
			return errFound
		case check.Undecided:
			return errUndecided
		}
		return nil
	}
	return c
}

// ct words a text of package check.
func (a *app) ct(id string, pairs ...string) string {
	args := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[pairs[i]] = pairs[i+1]
	}
	return a.printer.Text("check."+id, args)
}

// checkSettings are the configuration that applies, nil where there is none.
func (a *app) checkSettings(f *checkFlags) (*config.Config, error) {
	file, _, err := a.configFile()
	if err != nil {
		return nil, err
	}
	if file == "" && !f.lab {
		return nil, nil
	}
	settings, problems := a.loadConfig(f.lab, nil)
	if problems.HasErrors() {
		return nil, &finding.Problem{Findings: problems.Sort()}
	}
	return settings, nil
}

// checkSpec is the run that the flags ask for.
func (a *app) checkSpec(ctx context.Context, f *checkFlags, args []string) (check.Spec, error) {
	var s check.Spec
	if f.timeout <= 0 || f.timeout > time.Minute {
		return s, a.usage("flag-value", "value", f.timeout.String(), "flag", "--timeout")
	}
	if f.parallel < 1 || f.parallel > check.MaxConcurrent {
		return s, a.usage("flag-value", "value", itoa(f.parallel), "flag", "--parallel")
	}
	if !slices.Contains([]string{"auto", "yes", "no"}, f.restrictions) {
		return s, a.usage("flag-value", "value", f.restrictions, "flag", "--restrictions")
	}
	settings, err := a.checkSettings(f)
	if err != nil {
		return s, err
	}
	snapshot, err := a.snapshot()
	if err == nil && settings != nil {
		snapshot, err = a.filled(settings, snapshot)
	}
	if err != nil {
		return s, err
	}
	s = check.Spec{Catalog: snapshot, Limits: check.Limits{Stage: f.timeout, Concurrent: f.parallel}, Restrictions: f.restrictions == "yes"}
	if f.restrictions == "auto" {
		s.Restrictions = settings != nil && slices.ContainsFunc(settings.Rings, func(r config.Ring) bool { return r.Mode.V == "enforce" })
	}
	if err := a.checkPlan(&s, f, settings, args); err != nil || f.dry {
		return s, err
	}
	if err := a.checkNetwork(&s, f, settings); err != nil {
		return s, err
	}
	return s, a.checkPath(ctx, &s, f)
}

// checkPlan says what is to be checked: the features, or the hosts that are named.
func (a *app) checkPlan(s *check.Spec, f *checkFlags, settings *config.Config, args []string) error {
	named := f.features
	if len(named) == 0 && settings != nil {
		for _, v := range settings.Features {
			named = append(named, v.V)
		}
	}
	if len(named) == 0 && len(args) == 0 {
		return finding.Fail("check.command.no-features", nil)
	}
	ids := make([]catalog.FeatureID, len(named))
	for i, n := range named {
		ids[i] = catalog.FeatureID(strings.TrimSpace(n))
	}
	known, unknown := s.Catalog.Expand(ids)
	if len(unknown) > 0 {
		return finding.Fail("route.unknown-feature", nil, "value", string(unknown[0]))
	}
	s.Features = known
	p := plan.Spec{Catalog: s.Catalog, Features: known}
	if settings != nil {
		p.TenantName = settings.Tenant.Name.V
	}
	if f.names != "" {
		var err error
		if p.Names, err = a.checkNames(f.names); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		s.Plan = plan.Make(p)
		return nil
	}
	for _, given := range args {
		at, err := endpoint.ParseAuthority(given, 443)
		if err != nil {
			return targetMistake(err)
		}
		if at.Host == "" {
			return a.usage("flag-value", "value", given, "flag", "HOST")
		}
		s.Plan.Targets = append(s.Plan.Targets, plan.One(s.Catalog, at.Host, at.Port))
	}
	return nil
}

// checkNames reads real names for wildcards, one a line; "-" is the standard input.
func (a *app) checkNames(file string) ([]plan.Name, error) {
	var out []plan.Name
	err := a.routeLines(file, func(text string, pos finding.Pos) error {
		h, err := endpoint.ParseHost(text)
		var parse *endpoint.ParseError
		if errors.As(err, &parse) {
			return &finding.Problem{Findings: finding.List{parse.Finding(pos)}}
		}
		if len(out) >= namesBytes/16 {
			return a.usage("pac.large", "file", file, "max", itoa(namesBytes))
		}
		out = append(out, plan.Name{Host: h, Place: pos.String()})
		return err
	})
	return out, err
}

// checkNetwork is how this machine finds names, connects and trusts.
func (a *app) checkNetwork(s *check.Spec, f *checkFlags, settings *config.Config) error {
	client := &dnsx.Client{Timeout: f.timeout}
	switch server, ok := dnsx.ParseServer(f.resolver); {
	case ok:
		client.Servers = []netip.AddrPort{server}
	case f.resolver != "system":
		return a.usage("pac.resolver", "value", f.resolver)
	default:
		servers, err := dnsx.SystemServers()
		if err != nil { // as on Windows: the system is asked, which hides the chain of aliases
			s.Lookup, s.Resolver = systemLookup, "system"
		}
		client.Servers = servers
	}
	if s.Lookup == nil {
		s.Lookup, s.Resolver = name.Lookup(client.Lookup), client.Servers[0].String()
	}
	dialer := &net.Dialer{}
	s.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", to.String())
	}
	data, err := a.dataFolder()
	if err != nil {
		return err
	}
	book, found := node.RouteBook(settings, data, s.Catalog, node.RouteFiles{}, time.Now())
	if book == nil {
		return &finding.Problem{Findings: found}
	}
	s.Roads = book
	if s.Roots, err = x509.SystemCertPool(); err != nil {
		return finding.Fail("node.system-roots", err)
	}
	var public []*x509.Certificate
	for _, file := range f.roots {
		list, err := a.certificates(file)
		if err != nil {
			return err
		}
		add(s.Roots, list)
	}
	for _, file := range f.public {
		list, err := a.certificates(file)
		if err != nil {
			return err
		}
		add(s.Roots, list)
		public = append(public, list...)
	}
	if f.lab {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		root, err := node.LabRoot(data)
		if err != nil {
			return err
		}
		list := parseCertificates(root) // in the lab its root stands for the public ones
		add(s.Roots, list)
		public = append(public, list...)
	}
	s.Public = secure.NewPublic(public...)
	return nil
}

// systemLookup asks the system's resolver. The root label is added, so that no search list makes another name of it.
func systemLookup(ctx context.Context, h endpoint.Host) (dnsx.Answer, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", h.String()+".")
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortStableFunc(addrs, func(x, y netip.Addr) int { return x.BitLen() - y.BitLen() })
	return dnsx.Answer{Name: h, Addrs: addrs, At: time.Now().UTC()}, err
}

func add(pool *x509.CertPool, list []*x509.Certificate) {
	for _, c := range list {
		pool.AddCert(c)
	}
}

// certificates reads a PEM file.
func (a *app) certificates(file string) ([]*x509.Certificate, error) {
	body, err := readFile(file, rootsBytes)
	if err != nil {
		return nil, finding.Fail("check.command.roots", err, "file", file)
	}
	list := parseCertificates(body)
	if len(list) == 0 {
		return nil, finding.Fail("check.command.roots", nil, "file", file)
	}
	return list, nil
}

func parseCertificates(body []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, body = pem.Decode(body); block == nil {
			return out
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			out = append(out, c)
		}
	}
}

// checkPath is by which way the endpoints are reached.
func (a *app) checkPath(ctx context.Context, s *check.Spec, f *checkFlags) error {
	via := f.via
	if via == "" {
		via = "direct"
		if f.lab {
			via = "gateway"
		}
	}
	authorization, err := node.UpstreamCredentials(f.credentials)
	if err != nil {
		return err
	}
	server := func(at string) proxy.Server { return a.checkProxy(s, at, authorization) }
	switch kind, source, _ := strings.Cut(via, ":"); {
	case via == "direct":
		s.Path.Kind = check.Direct
	case via == "gateway":
		return a.checkGateway(ctx, s, f, server)
	case kind == "pac":
		from, err := a.pacSource(ctx, source, "", f.lab)
		if err != nil {
			return err
		}
		file, err := eval.Compile(ctx, from.body, eval.Options{Name: from.name, Resolve: func(host string) []netip.Addr {
			h, err := endpoint.ParseHost(host)
			if err != nil {
				return nil
			}
			ctx, cancel := context.WithTimeout(ctx, f.timeout)
			defer cancel()
			answer, _ := s.Lookup(ctx, h)
			return answer.Addrs
		}})
		if err != nil {
			return a.scriptProblem(ctx, from.name, err)
		}
		s.Path = check.Path{Kind: check.ByPAC, PAC: &way.Script{File: file, Name: from.name}, Server: server}
	default:
		at, err := endpoint.ParseAuthority(strings.TrimSuffix(strings.TrimPrefix(via, "http://"), "/"), 80)
		if err != nil || strings.HasPrefix(via, "https://") {
			return a.usage("flag-value", "value", endpoint.WithoutUserinfo(via), "flag", "--via")
		}
		s.Path = check.Path{Kind: check.ByProxy, Proxy: server(at.String())}
	}
	return nil
}

// checkGateway goes through the checkpoint that runs on the data folder, whose authority this machine trusts.
func (a *app) checkGateway(ctx context.Context, s *check.Spec, f *checkFlags, server func(string) proxy.Server) error {
	data, err := a.dataFolder()
	if f.lab {
		data, err = a.labFolder()
	}
	if err != nil {
		return err
	}
	running, err := node.RunningCheckpoint(ctx, data)
	if err != nil {
		return err
	}
	add(s.Roots, parseCertificates(running.RootPEM))
	s.Path = check.Path{Kind: check.Gateway, Proxy: server(running.Gateway)}
	return nil
}

// checkProxy is the proxy at host:port, found by this machine's resolver.
func (a *app) checkProxy(s *check.Spec, at, authorization string) proxy.Server {
	return proxy.Server{Name: at, Authorization: authorization, Dial: func(ctx context.Context) (net.Conn, error) {
		target, err := endpoint.ParseAuthority(at, 80)
		if err != nil {
			return nil, err
		}
		addrs := []netip.Addr{target.Addr}
		if target.Host != "" {
			answer, err := s.Lookup(ctx, target.Host)
			if err != nil {
				// Names of the organisation's own may stand in a file of this machine, which name servers do not know.
				if answer, err = systemLookup(ctx, target.Host); err != nil {
					return nil, &proxy.Unresolved{Cause: err}
				}
			}
			addrs = answer.Addrs
		}
		err = fmt.Errorf("%s has no address", at)
		for _, addr := range addrs {
			var c net.Conn
			if c, err = s.Dial(ctx, netip.AddrPortFrom(addr, target.Port)); err == nil {
				return c, nil
			}
		}
		return nil, err
	}}
}
