// Package squid is the target "squid": a configuration of Squid with files of host names that lets pass, reads and leaves alone
// what the policy does, and puts the restriction headers on the sign-in hosts and nowhere else.
//
// What it follows: the directives acl, http_access, ssl_bump, request_header_access and request_header_add of Squid 5
// (https://www.squid-cache.org/Doc/config/, read 2026-11-23) and "Feature: SslBump Peek and Splice"
// (https://wiki.squid-cache.org/Features/SslPeekAndSplice, read 2026-11-23).
//
// Four things that a Squid of the recipes in circulation gets wrong are done here:
//
//   - headers are deleted from every request that Squid reads before its own are added, so that it replaces;
//   - they are added by exact name, never by suffix, and never for every site;
//   - the name of CONNECT, the server name and the host of each request must be the same, also where nothing is read;
//   - names below a sign-in host, device.login.microsoftonline.com among them, are never read.
//
// Squid has no acl that compares two names of one connection. A program of a few lines for /bin/sh, which is one of the
// files, compares them for it.
//
// Lint reads somebody's squid.conf and finds where it does otherwise.
package squid

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/stamp"
	"sekisho/internal/restrict"
)

// Target is "squid".
type Target struct{}

// Name returns "squid".
func (Target) Name() string { return "squid" }

// The options.
const (
	optionFolder = "folder"    // where the files of host names are on the machine of Squid
	optionListen = "listen"    // http_port
	optionCert   = "cert"      // issuing certificate and key, one file
	optionStore  = "store"     // where security_file_certgen keeps the leaves
	optionValue  = "max-value" // the longest header value
)

// The files beside those of names.
const (
	confFile   = "sekisho.conf"
	helperFile = "same-name.sh"
)

// helper answers Squid's external acls (external_acl_type): each line is the host that is asked for, the server name or "-",
// and which of the two questions is asked. Shells read the letters of a range by the locale's order, hence the first line.
const helper = `LC_ALL=C
while read -r host name question; do
	case $name in
	*[A-Z]*) name=$(printf '%s' "$name" | tr A-Z a-z) ;;
	esac
	case $question in
	same) [ "$name" = "$host" ] && echo OK || echo ERR ;;
	none) [ "$name" = "-" ] && echo OK || echo ERR ;;
	*) echo BH ;;
	esac
done
`

// Options returns ring, folder, listener and limits. Squid 5 refuses a quoted value of 3000 bytes and takes one of 2040.
func (Target) Options() []render.Option {
	return []render.Option{stamp.Option(),
		{Name: optionFolder, Kind: render.Text, Default: "/etc/squid/sekisho"},
		{Name: optionListen, Kind: render.Text, Default: "3128"},
		{Name: optionCert, Kind: render.Text, Default: "/etc/squid/sekisho/issuer.pem"},
		{Name: optionStore, Kind: render.Text, Default: "/var/spool/squid/sekisho-certificates"},
		{Name: optionValue, Kind: render.Number, Default: "2040"},
	}
}

// listener reports whether Squid takes v for http_port: a port, alone or behind a host name or an address, an IPv6 address in
// brackets.
func listener(v string) bool {
	if !strings.Contains(v, ":") {
		v = "0.0.0.0:" + v
	}
	_, err := endpoint.ParseAuthority(v, 0)
	return err == nil
}

// plain is what a path or a listener may consist of.
var plain = regexp.MustCompile(`^[A-Za-z0-9/._:\[\]-]+$`)

// Render returns sekisho.conf and a file for each list of names.
func (t Target) Render(in render.Input, _ *render.Model) (render.Output, error) {
	for _, o := range []string{optionFolder, optionListen, optionCert, optionStore} {
		if v := in.Options.Text(o); !plain.MatchString(v) {
			return render.Output{}, finding.Fail("render.option-value", nil, "target", t.Name(), "option", o, "value", v, "known", "")
		}
	}
	if v := in.Options.Text(optionListen); !listener(v) {
		return render.Output{}, finding.Fail("squid.listen", nil, "value", render.OneLine(v))
	}
	if len(in.Program.Openings())+len(in.Program.Aliases()) == 0 {
		return render.Output{}, finding.Fail("render.empty", nil, "target", t.Name())
	}
	rings, err := stamp.Rings(in, t.Name())
	if err != nil {
		return render.Output{}, err
	}
	for _, r := range rings {
		if err := r.Fits(t.Name(), optionValue, in.Options.Int(optionValue)); err != nil {
			return render.Output{}, err
		}
	}
	w := &writer{in: in, p: in.Program, rings: rings, folder: in.Options.Text(optionFolder), portNames: map[string]string{}}
	w.write(t.Name())
	files := append([]render.File{{Name: confFile, Type: "text/plain; charset=utf-8", Body: []byte(w.conf.String()), Comment: "#"}}, w.files...)
	out := render.Output{Files: files}
	note := func(code string, s finding.Severity, args ...string) {
		out.Findings = append(out.Findings, finding.New(code, s, finding.Pos{}, args...))
	}
	if len(rings) > 0 && in.Options.Text(stamp.OptionRing) != "" && len(in.Program.Rings()) > 1 {
		note("squid.one-ring", finding.Info, "ring", rings[0].Name)
	}
	for _, r := range rings {
		for _, f := range r.Longest() {
			if most := in.Options.Int(optionValue); most > 0 && len(f.Value) > most/10*9 {
				note("squid.near-limit", finding.Warning, "header", f.Name, "bytes", strconv.Itoa(len(f.Value)), "max", strconv.Itoa(most))
			}
		}
		if r.Mode == policy.Report {
			note("squid.report", finding.Warning, "ring", r.Name)
		}
	}
	note("squid.identity", finding.Info)
	return out, nil
}

// writer builds the files.
type writer struct {
	in        render.Input
	p         *policy.Program
	rings     []stamp.Ring
	folder    string
	conf      strings.Builder
	files     []render.File
	portNames map[string]string // acls of ports that are declared, by their list
}

// list writes patterns to files and declares them as acls of both kinds; it returns the name of an acl that matches either, ""
// for no pattern. Single names and patterns are told apart because ".example.com" of dstdomain is the domain too, which
// "*.example.com" is not, and because Squid refuses to start when one of its suffixes lies below another.
func (w *writer) list(name string, patterns []endpoint.Pattern, server bool) string {
	kinds := [2]string{"dstdomain -n", "dstdom_regex -n"}
	if server {
		kinds = [2]string{"ssl::server_name --client-requested", "ssl::server_name_regex --client-requested"}
	}
	var exact, wild []string
	for _, p := range patterns {
		if h, ok := p.Host(); ok {
			exact = append(exact, string(h))
		} else if !p.IsZero() {
			wild = append(wild, expression(p))
		}
	}
	var parts []string
	add := func(suffix, kind string, lines []string) {
		if len(lines) == 0 {
			return
		}
		slices.Sort(lines)
		lines = slices.Compact(lines)
		file := name + suffix + ".acl"
		w.files = append(w.files, render.File{Name: file, Type: "text/plain; charset=utf-8", Body: []byte(strings.Join(lines, "\n") + "\n"), Comment: "#"})
		w.line("acl", "sekisho_"+strings.ReplaceAll(name+suffix, "-", "_"), kind, `"`+path.Join(w.folder, file)+`"`)
		parts = append(parts, "sekisho_"+strings.ReplaceAll(name+suffix, "-", "_"))
	}
	id := "sekisho_" + strings.ReplaceAll(name, "-", "_")
	if len(wild) == 0 {
		add("", kinds[0], exact)
	} else if len(exact) == 0 {
		add("", kinds[1], wild)
	} else {
		add("-names", kinds[0], exact)
		add("-patterns", kinds[1], wild)
		w.line("acl", id, "any-of", parts[0], parts[1])
	}
	if parts == nil {
		return ""
	}
	return id
}

// expression is p as an extended regular expression; see endpoint.Kind. Hosts are in lower case where Squid compares them.
func expression(p endpoint.Pattern) string {
	before, after, _ := strings.Cut(p.String(), "*")
	star := ".+"
	if p.Kind() == endpoint.Inside {
		star = "[^.]+"
	}
	return "^" + strings.ReplaceAll(before, ".", `\.`) + star + strings.ReplaceAll(after, ".", `\.`) + "$"
}

// mostWords is how many values a line of an acl has (chosen: a line of Squid's configuration may have 8,191 bytes, and the
// longest value, an IPv6 prefix, has 43). Lines of one acl add up.
const mostWords = 40

// acl declares an acl of values.
func (w *writer) acl(name, kind string, values []string) {
	for part := range slices.Chunk(values, mostWords) {
		w.line("acl", name, kind, strings.Join(part, " "))
	}
}

func (w *writer) line(words ...string) { w.conf.WriteString(strings.Join(words, " ") + "\n") }

// say writes comment lines; an empty one is an empty line.
func (w *writer) say(lines ...string) {
	for _, l := range lines {
		if l == "" {
			w.line()
			continue
		}
		w.conf.WriteString(render.Comment("#", l))
	}
}

// special are the ranges that policy.DecideAddr refuses: the IANA special-purpose registries (RFC 6890, RFC 8190), multicast,
// and a cloud's metadata service. Squid writes IPv4 addresses as IPv4-mapped ones itself, so that ::ffff:0:0/96 cannot stand
// here.
const special = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 " +
	"192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 " +
	"::/128 ::1/128 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001:db8::/32 2002::/16 fc00::/7 fe80::/10 ff00::/8"

// headerNames are the spellings under which a server may read a restriction header: a program behind CGI takes an underscore
// for a hyphen (RFC 3875, section 4.1.18; restrict.Plan.Deletes).
func headerNames() []string {
	var out []string
	for _, name := range restrict.DeletedNames() {
		parts := strings.Split(name, "-")
		for bits := range 1 << (len(parts) - 1) {
			s := parts[0]
			for i, part := range parts[1:] {
				if bits&(1<<i) != 0 {
					s += "_" + part
				} else {
					s += "-" + part
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// quoted is a value inside quotes: Squid reads a backslash as an escape there, and a percent sign as the beginning of a code of
// its log format.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s) + `"`
}

// classes are the patterns of every class, and the ordinary ones that are excepted from them.
func (w *writer) classes() (class, ordinary []endpoint.Pattern) {
	for _, c := range w.p.Catalog().Classes() {
		if c.Class == catalog.Ordinary {
			ordinary = append(ordinary, c.Pattern)
		} else {
			class = append(class, c.Pattern)
		}
	}
	return class, ordinary
}
