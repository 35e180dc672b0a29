package restrict

import (
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// Lengths of a header value, in bytes, beyond which something on the way is known to refuse or cut it.
const (
	// paloAltoBytes: PAN-OS inserts values of at most 512 characters (PAN-OS Administrator's Guide, "HTTP Header
	// Insertion", 10.2). Other products that a list may have to move to have limits of the same size.
	paloAltoBytes = 512
	// edgeBytes: the Edge policy HttpHeaderInjection carries 8 KB a header (Microsoft Edge policy reference).
	edgeBytes = 8 << 10
	// httpSysBytes: HTTP.sys refuses a field of more than 16384 bytes unless MaxFieldLength is raised (Microsoft,
	// "Http.sys registry settings for Windows").
	httpSysBytes = 16 << 10
)

// Compile checks spec and returns the profile to use. It reports every problem in one run; when one of them has
// severity Error, the profile is nil. Findings stand at the text that causes them.
func Compile(spec Spec) (*Profile, finding.List) {
	c := &compiler{spec: spec}
	p := &Profile{name: spec.Name, version: spec.Version}
	switch spec.Version {
	case V1:
		c.v1(p)
	case V2:
		c.v2(p)
	default:
		c.add("restrict.version-missing", finding.Error, At{Pos: spec.Pos})
	}
	c.headers(p.signIn)
	c.headers(p.consumer)
	if c.found.HasErrors() {
		return nil, c.found
	}
	return p, c.found
}

// compiler collects what is found on the way.
type compiler struct {
	spec  Spec
	found finding.List
}

// add reports a finding about at, whose text becomes the argument value.
func (c *compiler) add(code string, severity finding.Severity, at At, args ...string) {
	pos := at.Pos
	if !pos.Known() {
		pos = c.spec.Pos
	}
	args = append([]string{"profile", c.spec.Name, "value", at.Text}, args...)
	c.found = append(c.found, finding.New(code, severity, pos, args...))
}

func (c *compiler) v1(p *Profile) {
	if c.spec.Policy.Text != "" {
		c.add("restrict.policy-with-v1", finding.Error, c.spec.Policy)
	}
	if len(c.spec.Permitted) == 0 {
		c.add("restrict.permitted-missing", finding.Error, At{Pos: c.spec.Pos})
	}
	first := map[string]At{}
	domains := false
	for _, entry := range c.spec.Permitted {
		kind, ok := c.tenant(entry)
		if !ok {
			continue
		}
		folded := strings.ToLower(entry.Text)
		if earlier, repeated := first[folded]; repeated {
			// Once is enough, and what Entra ID makes of a repeated entry is not documented.
			c.add("restrict.repeated-tenant", finding.Warning, entry, "first", earlier.Pos.String())
			continue
		}
		first[folded] = entry
		domains = domains || kind == domainTenant
		p.permitted = append(p.permitted, entry.Text)
	}
	if c.directory(c.spec.Context) {
		p.context = c.spec.Context.Text
		if _, listed := first[strings.ToLower(p.context)]; !listed && len(first) > 0 {
			code := "restrict.context-not-permitted"
			if domains {
				// One of the domains may be that directory's; only the cloud could tell.
				code = "restrict.context-unseen"
			}
			c.add(code, finding.Warning, c.spec.Context)
		}
	}
	tenants := strings.Join(p.permitted, ",")
	c.length(tenants)
	p.signIn = Plan{&action{[]Field{{HeaderTenants, tenants}, {HeaderContext, p.context}}}}
	p.consumer = DeleteOnly()
	if c.spec.BlockConsumers {
		p.consumer = Plan{&action{[]Field{{HeaderPolicy, BlockConsumers}}}}
	}
}

func (c *compiler) v2(p *Profile) {
	for _, entry := range c.spec.Permitted {
		c.add("restrict.permitted-with-v2", finding.Error, entry)
	}
	if c.spec.Context.Text != "" {
		c.add("restrict.context-with-v2", finding.Error, c.spec.Context)
	}
	if c.spec.BlockConsumers && c.spec.ConsumersPos.Known() {
		c.add("restrict.consumers-with-v2", finding.Error, At{"block", c.spec.ConsumersPos})
	}
	if tenant, ok := c.policy(c.spec.Policy); ok {
		p.context, p.policy = tenant, c.spec.Policy.Text
	}
	set := Plan{&action{[]Field{{HeaderPolicy, p.policy}}}}
	p.signIn, p.consumer = set, set
}

// length warns about a list that something on the way refuses or cuts.
func (c *compiler) length(value string) {
	code, most := "", 0
	switch n := len(value); {
	case n > httpSysBytes:
		code, most = "restrict.over-16-kib", httpSysBytes
	case n > edgeBytes:
		code, most = "restrict.over-8-kib", edgeBytes
	case n > paloAltoBytes:
		code, most = "restrict.over-512-bytes", paloAltoBytes
	default:
		return
	}
	c.add(code, finding.Warning, At{Pos: c.spec.Permitted[0].Pos}, "bytes", strconv.Itoa(len(value)), "most", strconv.Itoa(most))
}

// headers looks once more at what would be sent, so that a hole in the checks above is an error and no header. It is
// silent when something was refused already.
func (c *compiler) headers(p Plan) {
	if c.found.HasErrors() {
		return
	}
	for _, f := range p.Set() {
		if f.Value == "" || strings.ContainsFunc(f.Value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			c.add("restrict.header-character", finding.Error, At{f.Value, c.spec.Pos})
		}
	}
}
