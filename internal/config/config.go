// Package config reads sekisho.yaml, the one file in which an administrator says what Sekisho shall do.
//
//	c, findings := config.Load("sekisho.yaml")
//	if c == nil {
//		// findings names every problem with file, line and column
//	}
//
// A Config is plain data: what was written (or is the default), where it was written, and who set it. Package config
// knows nothing of the rooms that act on it; package node translates a Config into their Specs and hands the places on.
//
// The whole file is described once, in the functions of settings.go: reading, `config show`, the JSON Schema, the file
// that `config init` writes and the reference in docs/ all come from that description.
//
// The reader is strict: unknown and repeated keys, a second document, anchors, aliases, merge keys, tags, values of the
// wrong type and values that are not in their normal form are errors, and all of them are reported in one run.
package config

import (
	"net/netip"
	"slices"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Origin says who set a value. The zero value is Default.
type Origin uint8

const (
	// Default means that nobody set it.
	Default Origin = iota
	// File means the configuration file.
	File
	// Environment means a variable of the process's environment; it wins over the file.
	Environment
	// Flag means a flag of the command; it wins over everything.
	Flag
)

// String is the stable code used in JSON: default, file, environment or flag.
func (o Origin) String() string {
	switch o {
	case File:
		return "file"
	case Environment:
		return "environment"
	case Flag:
		return "flag"
	}
	return "default"
}

// MarshalText makes Origin print as its code.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Value is one leaf of the configuration. Pos is the place in the file; for a flag or a variable Pos.File is its name
// ("--gateway-listen", "SEKISHO_GATEWAY_LISTEN") and Line is 0; for a default Pos is zero.
type Value[T any] struct {
	V      T
	Pos    finding.Pos
	Origin Origin
}

// Given reports whether somebody set v.
func (v Value[T]) Given() bool { return v.Origin != Default }

// Config is the whole configuration after defaults and overrides. Treat it as immutable. Each field is documented in
// the schema (docs/configuration.md); here stands only what Go code must know beside that.
type Config struct {
	// File is the name given to Load or Parse, "" when there was none. Paths in the file are relative to its folder
	// and stand here already joined to it.
	File string

	Version        Value[int] // always 1
	Organisation   Organisation
	Language       Value[string] // "ja", "en"
	Listen         Listen
	URLs           URLs
	Tenant         Tenant
	Features       []Value[string] // ids as written; the catalog knows which exist
	Hosts          []Host
	Profiles       []Profile
	Rings          []Ring // at least one, in the order in which they are tried
	Aliases        []Alias
	Authentication Authentication
	Network        Network
	Circuits       []Circuit
	Routes         Routes
	Limits         Limits
	PAC            PAC
	CA             CA
	Catalog        Catalog
	Audit          Audit
	Log            Log
}

// Files are the paths of the files that c names, without those that are not given.
func (c *Config) Files() []string {
	var files []string
	for _, v := range []Value[string]{c.Authentication.Passwords, c.Authentication.Groups, c.Network.Trust, c.Network.UpstreamProxy.Credentials} {
		if v.V != "" {
			files = append(files, v.V)
		}
	}
	return files
}

// Organisation is who runs Sekisho and whom its people ask.
type Organisation struct {
	Name    Value[string] // "" when not given
	Contact Value[string] // "" when not given
}

// Listen is where Sekisho listens. Port 0 means a free port.
type Listen struct {
	Gateway    Value[netip.AddrPort]
	Operations Value[netip.AddrPort]
}

// URLs is what clients see of the listeners. All are given when a listener is not loopback, else each may be zero.
type URLs struct {
	Gateway Value[endpoint.Authority]
	PAC     Value[string] // http or https, in normal form
	CRL     Value[string] // http, in normal form, without a slash at the end
}

// Tenant is what rows of the catalog depend on. What is not given leaves those rows closed.
type Tenant struct {
	Name                    Value[string] // "contoso" of contoso.onmicrosoft.com
	ID                      Value[string] // directory id, lower case
	Cloud                   Value[string] // "worldwide", "usgov", "china"
	Location                Value[string] // Intune scale unit, upper case: "AMSUC0101"
	Regions                 []Value[string]
	STSHost                 Value[string] // a host in normal form
	SeamlessSSO             Value[bool]   // not given: not known
	Workspaces              []Value[string]
	DataCollectionEndpoints []Value[string] // "contoso-x1.japaneast-1"
}

// Host is one of the organisation's own rows.
type Host struct {
	Pos       finding.Pos
	Host      Value[endpoint.Pattern]
	Ports     Value[endpoint.Ports] // TCP only
	Handling  Value[string]         // "tunnel", "inspect"
	PlainHTTP Value[bool]
	WebSocket Value[bool]
	Reason    Value[string]
}

// Profile is one tenant restriction profile.
type Profile struct {
	Pos              finding.Pos
	Name             Value[string]
	Version          Value[string]   // "v1", "v2"
	PermittedTenants []Value[string] // v1: at least one
	Context          Value[string]   // v1: directory id, lower case
	ConsumerAccounts Value[string]   // v1: "block", "allow"
	Policy           Value[string]   // v2: "directory id:policy id", lower case
}

// Ring is one ring of the roll-out. A ring without any selector is for everybody.
type Ring struct {
	Pos     finding.Pos
	Name    Value[string]
	Mode    Value[string] // "enforce", "report", "off"
	Profile Value[string] // name of one of Profiles; "" only when Mode is off
	Clients []Value[netip.Prefix]
	Users   []Value[string]
	Groups  []Value[string]
	Percent Value[int]      // 0 = not used, else 1 to 100
	Proxies []Value[string] // of the PAC file of the ring, as PAC.Proxies; none: those
}

// Alias lets client networks reach a sign-in alias or a sign-in host of another cloud.
type Alias struct {
	Pos     finding.Pos
	Host    Value[endpoint.Pattern]
	Clients []Value[netip.Prefix] // at least one
}

// Authentication is how people say who they are. Pos is zero when the section is absent: nobody is asked.
type Authentication struct {
	Pos       finding.Pos
	Passwords Value[string] // path
	Groups    Value[string] // path, "" when there are none
}

// Enabled reports whether callers are asked for a name and a password.
func (a Authentication) Enabled() bool { return a.Pos.Known() }

// Network is what the gateway may dial, and whom it trusts there.
type Network struct {
	DialAllowed      []Value[netip.Prefix]
	Trust            Value[string] // path of a PEM file, "" when there is none
	Resolvers        []Value[netip.AddrPort]
	Names            []Name
	TunnelWithoutSNI []Value[endpoint.Pattern]
	UpstreamProxy    UpstreamProxy
	// SourceAddresses are those from which the gateways reach the Internet, as devices behind them see it. nil: not known.
	SourceAddresses []Value[netip.Prefix]
}

// Name is a host whose addresses are fixed.
type Name struct {
	Pos       finding.Pos
	Host      Value[string]       // in normal form
	Addresses []Value[netip.Addr] // at least one
}

// Limits are those of the gateway that are set; 0 leaves the gateway's own.
type Limits struct {
	Connections          Value[int]
	ConnectionsPerClient Value[int]
	TunnelIdleMinutes    Value[int]
}

// UpstreamProxy is the proxy through which the gateway goes out. Pos is zero when the section is absent: it goes out
// directly.
type UpstreamProxy struct {
	Pos         finding.Pos
	Address     Value[endpoint.Authority]
	Credentials Value[string] // path, "" when it asks for none
	Except      []Value[endpoint.Pattern]
	Resolve     Value[bool]
}

// Enabled reports whether the gateway goes out through another proxy.
func (u UpstreamProxy) Enabled() bool { return u.Pos.Known() }

// PAC is what the PAC file says beside what the policy gives.
type PAC struct {
	Direct  []Value[endpoint.Pattern]
	Proxies []Value[string] // "host:port" or "https://host:port" in normal form; none: that of URLs.Gateway
}

// CA is the signing authority.
type CA struct {
	Organisation Value[string] // "" when not given
}

// Catalog is how the catalog is kept current, and when its age is warned of.
type Catalog struct {
	Update         Value[bool]
	Lists          []Value[string] // of Lists; none: those that the reference names
	BaseURL        Value[string]   // http or https, in normal form, without a slash at the end
	ServiceTagsURL Value[string]   // likewise
	Proxy          Value[string]   // http, https or socks5; "": as the environment says
	IntervalHours  Value[int]
	MaxDropPercent Value[int]
	MaxAgeDays     Value[int]      // 0: by the kind of source
	BundleSigners  []Value[string] // whose bundles are imported: "ed25519:..."
}

// Lists are the names of the lists that can be fetched, as the section "catalog" and the command line call them.
func Lists() []string {
	return []string{
		"m365-worldwide", "m365-usgovdod", "m365-usgovgcchigh", "m365-china",
		"service-tags-public", "service-tags-government", "service-tags-china",
	}
}

// Choices returns the words that the setting of that path takes, such as "rings[].mode"; nil for a setting that takes other
// values, and for none.
func Choices(path string) []string {
	var find func([]*entry) []string
	find = func(list []*entry) []string {
		for _, e := range list {
			if e.path == path && e.scalar != nil {
				return slices.Clone(e.scalar.enum)
			}
			if found := find(e.children); found != nil {
				return found
			}
		}
		return nil
	}
	return find(entries(settings()))
}

// Fetched returns the lists that are to be fetched: the given ones, or those that suit the tenant's cloud.
func (c *Config) Fetched() []string {
	var out []string
	for _, l := range c.Catalog.Lists {
		out = append(out, l.V)
	}
	if len(out) > 0 {
		return out
	}
	out = []string{"m365-worldwide", "service-tags-public"}
	switch c.Tenant.Cloud.V {
	case "usgov":
		out = append(out, "m365-usgovdod", "m365-usgovgcchigh", "service-tags-government")
	case "china":
		out = append(out, "m365-china", "service-tags-china")
	}
	return out
}

// Standard returns a configuration that nobody has written: every default, and nothing else. It judges nobody; it is for
// commands that work without a file.
func Standard() *Config {
	c := &Config{}
	for _, f := range settings() {
		f.reset(c)
	}
	return c
}

// Audit is how long records are kept, and what happens when no more can be.
type Audit struct {
	RetentionDays Value[int]
	WhenFull      Value[string] // "refuse-sign-in", "refuse-all", "continue"
	SpoolMiB      Value[int]
}

// Log is what is logged, and how.
type Log struct {
	Level  Value[string] // "debug", "info", "warn", "error"
	Format Value[string] // "text", "json"
}
