package squid

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/squid/conf"
	"sekisho/internal/render/stamp"
)

// Where the rules of Lint come from; each finding names one under "source".
const (
	sourceV1      = "https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions"
	sourceV2      = "https://learn.microsoft.com/entra/external-id/tenant-restrictions-v2"
	sourceAdd     = "https://www.squid-cache.org/Doc/config/request_header_add/"
	sourceAccess  = "https://www.squid-cache.org/Doc/config/request_header_access/"
	sourceReplace = "https://www.squid-cache.org/Doc/config/request_header_replace/"
	sourceBump    = "https://wiki.squid-cache.org/Features/SslPeekAndSplice"
	sourceOther   = "https://www.squid-cache.org/Doc/config/on_unsupported_protocol/"
	sourceACL     = "https://www.squid-cache.org/Doc/config/acl/"
	sourceFile    = "https://www.squid-cache.org/Doc/config/"
)

// anyHost stands for every host that is not ours (RFC 2606, section 3).
const anyHost = "www.example.org"

// Lint reads somebody's squid.conf with all that it includes, and says where it does otherwise than the policy: headers on
// hosts that must not have them, headers that are added beside the client's own, sign-in hosts that are not read, hosts that
// must not be read. Only what the file itself decides is said: what rests on a program or an address is left out. Every
// finding has its line and, under "source", the page that it rests on.
func Lint(in render.Input, name string, files conf.Files) finding.List {
	file, found := conf.Read(name, files)
	for i := range found {
		source := sourceFile
		if slices.Contains([]string{"squid.star", "squid.expression", "squid.undeclared", "squid.acl-kind", "squid.acl-syntax"}, found[i].Code) {
			source = sourceACL
		}
		if found[i].Args == nil {
			found[i].Args = map[string]string{}
		}
		found[i].Args["source"] = source
	}
	l := &linter{p: in.Program, file: file, found: found, rings: stamp.Enforced(in.Program)}
	l.hosts()
	l.headers()
	l.bump()
	if len(l.blind) > 0 {
		slices.Sort(l.blind)
		l.tell("squid.not-judged", finding.Info, finding.Pos{}, sourceACL, "hosts", several(slices.Compact(l.blind)))
	}
	return joined(l.found.Sort())
}

// joined makes one of findings that differ in their host alone.
func joined(list finding.List) finding.List {
	key := func(f finding.Finding) string {
		text := f.Code + "\n" + f.Pos.String()
		for _, k := range slices.Sorted(maps.Keys(f.Args)) {
			if k != "host" {
				text += "\n" + k + "\n" + f.Args[k]
			}
		}
		return text
	}
	at := map[string]int{}
	var out finding.List
	hosts := map[int][]string{}
	for _, f := range list {
		k := key(f)
		i, ok := at[k]
		if !ok || f.Args["host"] == "" {
			i = len(out)
			at[k] = i
			out = append(out, f)
		}
		hosts[i] = append(hosts[i], f.Args["host"])
	}
	for i := range out {
		if out[i].Args["host"] != "" {
			out[i].Args["host"] = several(hosts[i])
		}
	}
	return out
}

// Lint is the function Lint on the machine's files.
func (Target) Lint(in render.Input, name string) finding.List { return Lint(in, name, conf.System()) }

// linter is Lint on its way.
type linter struct {
	p     *policy.Program
	file  *conf.File
	found finding.List
	rings []stamp.Ring
	// signIn are the hosts that must get headers, consumer those of them that are for consumer accounts.
	signIn   []string
	consumer map[string]bool
	blind    []string // sign-in hosts of which nobody can tell
}

func (l *linter) tell(code string, s finding.Severity, at finding.Pos, source string, args ...string) {
	if !at.Known() {
		at.File = l.file.Name
	}
	l.found = append(l.found, finding.New(code, s, at, append(args, "source", source)...))
}

// hosts are the sign-in hosts of the catalog; the one for consumer accounts only where a ring sets something there.
func (l *linter) hosts() {
	l.consumer = map[string]bool{}
	for _, c := range l.p.Catalog().Classes() {
		h, ok := c.Pattern.Host()
		if !ok {
			continue
		}
		switch c.Class {
		case catalog.SignIn:
			l.signIn = append(l.signIn, string(h))
		case catalog.SignInConsumer:
			l.consumer[string(h)] = true
			if len(l.wanted(string(h))) > 0 {
				l.signIn = append(l.signIn, string(h))
			}
		}
	}
	slices.Sort(l.signIn)
}

// wanted are the rings that set headers on host, with those.
func (l *linter) wanted(host string) []stamp.Host {
	var out []stamp.Host
	for _, r := range l.rings {
		for _, h := range r.Hosts {
			if string(h.Name) == host && len(h.Set) > 0 {
				out = append(out, h)
			}
		}
	}
	return out
}

// forbidden are hosts that nobody may read, by the catalog: of a wildcard one that it covers.
func (l *linter) forbidden() []string {
	snap := l.p.Catalog()
	var out []string
	add := func(h endpoint.Host) {
		if snap.Handling(h).Inspection == catalog.InspectionForbidden && !slices.Contains(out, string(h)) {
			out = append(out, string(h))
		}
	}
	for _, h := range []endpoint.Host{"device.login.microsoftonline.com", "enterpriseregistration.windows.net", "certauth.login.microsoftonline.com"} {
		add(h)
	}
	for _, o := range l.p.Openings() {
		if h, err := endpoint.ParseHost(strings.Replace(o.Pattern.String(), "*", "sekisho-example", 1)); err == nil {
			add(h)
		}
	}
	return out
}

// best are the surest outcomes of each fate.
func best(list []conf.Outcome) map[conf.Fate]conf.Outcome {
	out := map[conf.Fate]conf.Outcome{}
	for _, o := range list {
		if had, ok := out[o.Fate]; !ok || o.Holds > had.Holds {
			out[o.Fate] = o
		}
	}
	return out
}

func place(o conf.Outcome) finding.Pos {
	if o.Line != nil {
		return o.Line.Pos
	}
	return finding.Pos{}
}

// because is the acl that decided, for a text.
func because(o conf.Outcome) []string {
	return []string{"acl", o.Why.ACL, "value", o.Why.Value, "at", o.Why.Pos.String()}
}

// bump judges what is read and what is not.
func (l *linter) bump() {
	if !l.file.Bumps() {
		l.tell("squid.no-bump", finding.Error, finding.Pos{}, sourceBump)
		return
	}
	type group struct {
		o     conf.Outcome
		hosts []string
	}
	gather := func(list []group, o conf.Outcome, host string) []group {
		for i := range list {
			if list[i].o.Line == o.Line {
				list[i].hosts = append(list[i].hosts, host)
				return list
			}
		}
		return append(list, group{o, []string{host}})
	}
	var spliced, some, read []group
	var readable []string
	for _, h := range l.signIn {
		fates := best(l.file.Bump(h, h))
		bump, splice := fates[conf.Bump], fates[conf.Splice]
		switch {
		case splice.Holds >= conf.Free && bump.Holds == conf.No:
			spliced = gather(spliced, splice, h)
		case splice.Holds >= conf.Free && bump.Holds >= conf.Free:
			some = gather(some, splice, h)
		}
		if max(bump.Holds, splice.Holds) == conf.Blind || bump.Holds == conf.Blind {
			l.blind = append(l.blind, h)
		}
		if bump.Holds >= conf.Free {
			readable = append(readable, h)
		}
	}
	for _, g := range spliced {
		l.tell("squid.spliced", finding.Error, place(g.o), sourceBump, append(because(g.o), "hosts", several(g.hosts))...)
	}
	for _, g := range some {
		l.tell("squid.spliced-some", finding.Warning, place(g.o), sourceBump, append(because(g.o), "hosts", several(g.hosts))...)
	}
	for _, h := range l.forbidden() {
		if o := best(l.file.Bump(h, h))[conf.Bump]; o.Holds >= conf.Free {
			read = gather(read, o, h)
		}
	}
	for _, g := range read {
		l.tell("squid.inspected", finding.Error, place(g.o), sourceV1, append(because(g.o), "hosts", several(g.hosts), "count", strconv.Itoa(len(g.hosts)))...)
	}
	var known []*conf.Directive
	for _, g := range some {
		known = append(known, g.o.Line)
	}
	l.names(readable, known)
	for _, d := range l.file.Named("on_unsupported_protocol") {
		if len(d.Words) > 0 && d.Words[0].Text == "tunnel" && len(readable) > 0 {
			if h, _ := l.file.Match(d.Words[1:], conf.Ask{Host: readable[0], Connect: true}); h >= conf.Free {
				l.tell("squid.unsupported-tunnel", finding.Warning, d.Pos, sourceOther)
			}
		}
	}
}

// names looks for a connection that is asked for under one name and carries the other: of the two, one is read and one is not. Lines that
// are known to leave some clients alone are not told again.
func (l *linter) names(readable []string, known []*conf.Directive) {
	var left string
	for _, h := range append(l.forbidden(), anyHost) {
		if best(l.file.Bump(h, h))[conf.Splice].Holds >= conf.Free {
			left = h
			break
		}
	}
	if left == "" {
		return
	}
	told := map[string]bool{}
	for _, h := range readable {
		for _, way := range [][2]string{{h, left}, {left, h}} {
			o := best(l.file.Bump(way[0], way[1]))[conf.Splice]
			key := place(o).String() + strconv.FormatBool(way[0] == h)
			if o.Holds >= conf.Free && !told[key] && (o.Line == nil || !slices.Contains(known, o.Line)) {
				told[key] = true
				l.tell("squid.server-name", finding.Warning, place(o), sourceBump, "connect", way[0], "name", way[1])
			}
		}
	}
}

// several are the first of a list, for a text.
func several(list []string) string {
	if len(list) > 4 {
		return strings.Join(list[:4], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}
