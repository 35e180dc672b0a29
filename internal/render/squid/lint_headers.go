package squid

import (
	"slices"
	"strings"

	"sekisho/internal/finding"
	"sekisho/internal/render/squid/conf"
	"sekisho/internal/restrict"
)

// meaningful are the headers that the cloud reads.
var meaningful = [...]string{restrict.HeaderTenants, restrict.HeaderContext, restrict.HeaderPolicy}

// addition is one line of request_header_add with a restriction header.
type addition struct {
	d      *conf.Directive
	header string
	value  string // "" where it rests on the request
	acls   []conf.Word
	all    bool // it goes to every host
}

// canonical is the header that name is, or "" with the one that was probably meant.
func canonical(name string) (header, meant string) {
	for _, h := range meaningful {
		if strings.EqualFold(name, h) {
			return h, ""
		}
	}
	if strings.EqualFold(name, "sec-tenant-restriction-access-policy") { // in Microsoft's own text, see restrict.DeletedNames
		return "", restrict.HeaderPolicy
	}
	return "", finding.Nearest(name, meaningful[:])
}

// misplaced reports whether a is no header for host: each class of hosts has its own, but for v2, which has one for all.
func (l *linter) misplaced(a *addition, host string) bool {
	if a.header == restrict.HeaderPolicy && !strings.EqualFold(a.value, restrict.BlockConsumers) {
		return false
	}
	return l.consumer[host] != (a.header == restrict.HeaderPolicy)
}

// inside is a request inside of what is read.
func inside(host string) conf.Ask { return conf.Ask{Host: host, SNI: host} }

// headers judges what is put on requests, and what clients' own become.
func (l *linter) headers() {
	var adds []addition
	for _, d := range l.file.Named("request_header_add") {
		if len(d.Words) < 2 {
			continue
		}
		header, meant := canonical(d.Words[0].Text)
		if header == "" {
			if meant != "" {
				l.tell("squid.misspelt", finding.Error, d.Pos, sourceV1, "name", d.Words[0].Text, "want", meant)
			}
			continue
		}
		a := addition{d: d, header: header, acls: d.Words[2:], value: d.Words[1].Text}
		if plain := strings.ReplaceAll(a.value, "%%", ""); d.Words[1].Quoted && strings.Contains(plain, "%") {
			a.value = ""
		} else if d.Words[1].Quoted {
			a.value = strings.ReplaceAll(a.value, "%%", "%")
		}
		adds = append(adds, a)
	}
	for _, d := range l.file.Named("request_header_replace") {
		if len(d.Words) > 0 {
			if header, _ := canonical(d.Words[0].Text); header != "" {
				l.tell("squid.replace", finding.Error, d.Pos, sourceReplace, "header", header)
			}
		}
	}
	if len(adds) == 0 {
		l.tell("squid.no-header", finding.Error, finding.Pos{}, sourceV1)
		for _, name := range []string{"icap_service", "ecap_service"} {
			if list := l.file.Named(name); len(list) > 0 {
				l.tell("squid.adaptation", finding.Info, list[0].Pos, sourceFile, "directive", name)
			}
		}
		return
	}
	for i := range adds {
		l.reach(&adds[i])
	}
	for _, h := range l.signIn {
		l.host(h, adds)
	}
	l.own(adds)
}

// reach judges to which hosts a header goes.
func (l *linter) reach(a *addition) {
	if h, _ := l.file.Match(a.acls, inside(anyHost)); h >= conf.Free {
		a.all = true
		l.tell("squid.everywhere", finding.Error, a.d.Pos, sourceV1, "header", a.header)
		return
	}
	looks := func(code string, hosts []string) bool {
		for _, host := range hosts {
			if h, why := l.file.Match(a.acls, inside(host)); h >= conf.Free {
				l.tell(code, finding.Error, a.d.Pos, sourceV1, "header", a.header, "host", host, "acl", why.ACL, "value", why.Value, "at", why.Pos.String())
				return true
			}
		}
		return false
	}
	var alike, below []string
	for _, s := range l.everySignIn() {
		alike = append(alike, "evil"+s, s+".evil.example")
		below = append(below, "sub."+s)
	}
	if !looks("squid.lookalike", alike) {
		looks("squid.suffix", append(l.forbidden(), below...))
	}
	for _, s := range l.everySignIn() {
		if l.misplaced(a, s) {
			if h, _ := l.file.Match(a.acls, inside(s)); h >= conf.Free {
				l.tell("squid.wrong-host", finding.Error, a.d.Pos, sourceV1, "header", a.header, "host", s)
			}
		}
	}
}

// everySignIn are all sign-in hosts, whether a ring sets something there or not.
func (l *linter) everySignIn() []string {
	out := slices.Clone(l.signIn)
	for h := range l.consumer {
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out
}

// host judges what one sign-in host gets.
func (l *linter) host(host string, adds []addition) {
	var mine []addition
	var sure []conf.Holds
	for _, a := range adds {
		switch h, _ := l.file.Match(a.acls, inside(host)); h {
		case conf.Blind:
			l.blind = append(l.blind, host)
			return
		case conf.Free, conf.Yes:
			mine, sure = append(mine, a), append(sure, h)
		}
	}
	if len(mine) == 0 {
		l.tell("squid.missing-host", finding.Error, finding.Pos{}, sourceV1, "host", host)
		return
	}
	has := func(header string) int {
		return slices.IndexFunc(mine, func(a addition) bool { return a.header == header })
	}
	for i, a := range mine {
		if first := has(a.header); first < i && sure[first] == conf.Yes && sure[i] == conf.Yes {
			l.tell("squid.twice", finding.Error, a.d.Pos, sourceAdd, "header", a.header, "host", host, "at", mine[first].d.Pos.String())
		}
	}
	v2 := slices.IndexFunc(mine, func(a addition) bool { return a.header == restrict.HeaderPolicy && strings.Contains(a.value, ":") })
	if i := has(restrict.HeaderTenants); i >= 0 && v2 >= 0 && sure[i] == conf.Yes && sure[v2] == conf.Yes {
		l.tell("squid.both-versions", finding.Error, mine[max(i, v2)].d.Pos, sourceV2, "host", host, "at", mine[min(i, v2)].d.Pos.String())
		return
	}
	l.values(host, mine)
}

// values holds the headers of one host against the policy.
func (l *linter) values(host string, mine []addition) {
	rings := l.wanted(host)
	has := func(header string) bool {
		return slices.ContainsFunc(mine, func(a addition) bool { return a.header == header })
	}
	var want []string
	whole := false
	for _, r := range rings {
		var lacks []string
		for _, f := range r.Set {
			if !has(f.Name) {
				lacks = append(lacks, f.Name)
			}
		}
		if whole = whole || len(lacks) == 0; want == nil {
			want = lacks
		}
	}
	if len(rings) == 0 && has(restrict.HeaderTenants) != has(restrict.HeaderContext) {
		want = []string{restrict.HeaderContext}
		if has(restrict.HeaderContext) {
			want = []string{restrict.HeaderTenants}
		}
	}
	if !whole && len(want) > 0 {
		l.tell("squid.missing-header", finding.Error, mine[0].d.Pos, sourceV1, "host", host, "header", want[0])
	}
	for _, a := range mine {
		if len(rings) == 0 || a.value == "" {
			continue
		}
		same, known := false, ""
		for _, r := range rings {
			for _, f := range r.Set {
				if f.Name == a.header {
					same = same || slices.Equal(items(f.Value), items(a.value))
					if known == "" {
						known = f.Value
					}
				}
			}
		}
		switch {
		case same:
		case known == "":
			if !a.all && !l.misplaced(&a, host) {
				l.tell("squid.not-of-policy", finding.Warning, a.d.Pos, sourceV1, "header", a.header, "host", host)
			}
		default:
			l.tell("squid.value", finding.Error, a.d.Pos, sourceV1, "header", a.header, "host", host,
				"more", strings.Join(without(items(a.value), items(known)), ", "), "fewer", strings.Join(without(items(known), items(a.value)), ", "))
		}
	}
}

// items are the parts of a value, in lower case and in order: the cloud takes tenants in any.
func items(value string) []string {
	var out []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.ToLower(strings.TrimSpace(part)); part != "" {
			out = append(out, part)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func without(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// own judges whether what clients send themselves is deleted before anything is added.
func (l *linter) own(adds []addition) {
	for _, header := range meaningful {
		// Of the lines that name the header; without one of those that name "Other", then "All".
		rule := ""
		for _, name := range []string{header, "Other", "All"} {
			if slices.ContainsFunc(l.file.Named("request_header_access"), func(d *conf.Directive) bool {
				return len(d.Words) > 0 && strings.EqualFold(d.Words[0].Text, name)
			}) {
				rule = name
				break
			}
		}
		keep := func(d *conf.Directive) bool { return rule != "" && strings.EqualFold(d.Words[0].Text, rule) }
		var open []string
		var line *conf.Directive
		for _, h := range l.signIn {
			if v := l.file.Access("request_header_access", 1, keep, inside(h)); v.Allow >= conf.Free {
				if open = append(open, h); line == nil {
					line = v.Line
				}
			}
		}
		if len(open) == 0 {
			continue
		}
		i := slices.IndexFunc(adds, func(a addition) bool { return a.header == header })
		code, severity, at := "squid.not-deleted", finding.Warning, finding.Pos{}
		if i >= 0 {
			code, severity, at = "squid.not-replaced", finding.Error, adds[i].d.Pos
		}
		if line != nil {
			at = line.Pos
		}
		l.tell(code, severity, at, sourceAccess, "header", header, "hosts", several(open))
	}
}
