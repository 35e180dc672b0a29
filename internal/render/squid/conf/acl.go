package conf

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// Bounds of acls.
const (
	maxRegexBytes = 4 << 10
	maxRegexes    = 20_000
	maxNesting    = 32 // of any-of and all-of
)

// Holds says whether something holds for a host. They are ordered: of several conditions together the least counts, of
// alternatives the greatest.
type Holds uint8

const (
	// No: for nobody.
	No Holds = iota
	// Blind: nobody can tell from the file (a program, an address, an expression that cannot be read).
	Blind
	// Free: it rests on the client or the time alone, so that it holds for some.
	Free
	// Yes: for everybody.
	Yes
)

// Ask is a request as acls see it.
type Ask struct {
	Host    string // that of CONNECT, or of the request inside; lower case
	SNI     string // server name of the connection; "" for none
	Connect bool   // the request is CONNECT
	Step    int    // of ssl_bump, 1 to 3; 0 elsewhere
	Port    int    // 0: 443
}

// Because names the acl that decided about the host, and the value that did.
type Because struct {
	ACL, Value string
	Pos        finding.Pos // of the acl, or of the line in its file
}

// value is one value of an acl.
type value struct {
	text string
	re   *regexp.Regexp
	pos  finding.Pos
}

// acl is one acl with all that its lines and files add.
type acl struct {
	name, kind string
	pos        finding.Pos
	values     []value
	exact      map[string]int // dstdomain and ssl::server_name: values by name, with a leading dot for a domain
	blind      bool           // a file or a value could not be read
	refs       []Word         // any-of, all-of
}

func (a *acl) byName() bool { return a.kind == "dstdomain" || a.kind == "ssl::server_name" }
func (a *acl) byExpression() bool {
	return a.kind == "dstdom_regex" || a.kind == "ssl::server_name_regex" || a.kind == "url_regex"
}

// acl takes a line "acl NAME KIND VALUE…".
func (r *reader) acl(d *Directive) {
	if len(d.Words) < 2 {
		r.add("squid.acl-syntax", finding.Error, d.Pos)
		return
	}
	name, kind := d.Words[0].Text, d.Words[1].Text
	a := r.file.acls[name]
	if a == nil {
		a = &acl{name: name, kind: kind, pos: d.Pos, exact: map[string]int{}}
		r.file.acls[name] = a
	} else if a.kind != kind {
		r.add("squid.acl-kind", finding.Error, d.Pos, "acl", name, "kind", kind, "was", a.kind)
		return
	}
	if kind == "any-of" || kind == "all-of" {
		a.refs = append(a.refs, d.Words[2:]...)
		return
	}
	fold, options := false, true
	take := func(text string, at finding.Pos) {
		if len(text) > 1 && (text == "-i" || text == "+i") && a.byExpression() {
			fold = text == "-i"
			return
		}
		if options && strings.HasPrefix(text, "-") && len(text) > 1 {
			options = text != "--"
			return
		}
		options = false
		r.value(a, text, fold, at)
	}
	for _, w := range d.Words[2:] {
		file, fromFile := w.Text, w.Quoted && !d.includesQuoted
		if inner, ok := strings.CutPrefix(w.Text, `parameters("`); ok && d.includesQuoted && !w.Quoted {
			file, fromFile = strings.TrimSuffix(inner, `")`), true
		}
		if !fromFile {
			take(w.Text, d.Pos)
			continue
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(r.file.Name), file)
		}
		body := r.load(file, d.Pos)
		a.blind = a.blind || body == nil
		number := 0
		for raw := range bytes.Lines(body) {
			number++
			text := strings.TrimSpace(string(raw))
			if text == "" || text[0] == '#' {
				continue
			}
			if a.byName() {
				text, _, _ = strings.Cut(text, " ")
			}
			take(text, finding.Pos{File: file, Line: number})
		}
	}
}

// value adds one value.
func (r *reader) value(a *acl, text string, fold bool, at finding.Pos) {
	v := value{text: text, pos: at}
	switch {
	case a.byName():
		if strings.Contains(text, "*") {
			r.add("squid.star", finding.Warning, at, "acl", a.name, "value", text, "want", "."+strings.TrimPrefix(strings.TrimPrefix(text, "*"), "."))
		}
		key := strings.TrimSuffix(strings.ToLower(text), ".")
		if _, ok := a.exact[key]; ok {
			return
		}
		a.exact[key] = len(a.values)
	case a.byExpression():
		v.re = r.expression(text, fold)
		if v.re == nil {
			a.blind = true
			r.add("squid.expression", finding.Warning, at, "acl", a.name, "value", text)
		}
	}
	a.values = append(a.values, v)
}

// expression compiles an extended regular expression of POSIX; nil when it cannot be read, or would cost too much.
func (r *reader) expression(text string, fold bool) *regexp.Regexp {
	if r.regexes++; len(text) > maxRegexBytes || r.regexes > maxRegexes {
		return nil
	}
	if fold {
		text = "(?i)" + text
	}
	if re, ok := r.patterns[text]; ok {
		return re
	}
	re, err := regexp.Compile(text)
	if err != nil {
		re = nil
	}
	r.patterns[text] = re
	return re
}

// builtin are the acls that Squid declares itself.
var builtin = []string{"all", "manager", "localhost", "to_localhost", "to_linklocal", "CONNECT"}

// places is from which word on a directive names acls; a directive that is not here is not looked at.
var places = map[string]int{
	"ssl_bump": 1, "http_access": 1, "request_header_access": 2, "request_header_add": 2, "sslproxy_cert_error": 1, "adaptation_access": 2,
}

// undeclared tells names of acls that no line declares: Squid does not start.
func (r *reader) undeclared() {
	for _, d := range r.file.Directives {
		from, ok := places[d.Name]
		if !ok || len(d.Words) < from {
			continue
		}
		for _, w := range d.Words[from:] {
			name := strings.TrimPrefix(w.Text, "!")
			if r.file.acls[name] == nil && !slices.Contains(builtin, name) {
				r.add("squid.undeclared", finding.Error, d.Pos, "directive", d.Name, "acl", name)
			}
		}
	}
}

// Match says whether all the acls of words hold, and which acl decided about the host where one did.
func (f *File) Match(words []Word, ask Ask) (Holds, Because) {
	return f.all(words, ask, 0)
}

func (f *File) all(words []Word, ask Ask, depth int) (Holds, Because) {
	out, why := Yes, Because{}
	for _, w := range words {
		h, b := f.one(w.Text, ask, depth)
		if h < out {
			out = h
		}
		if b.ACL != "" && why.ACL == "" {
			why = b
		}
		if out == No {
			return No, Because{}
		}
	}
	return out, why
}

// one is an acl by name, or "!" and a name.
func (f *File) one(name string, ask Ask, depth int) (Holds, Because) {
	if rest, not := strings.CutPrefix(name, "!"); not {
		switch h, _ := f.one(rest, ask, depth); h {
		case No:
			return Yes, Because{}
		case Yes:
			return No, Because{}
		default:
			return h, Because{}
		}
	}
	a := f.acls[name]
	switch {
	case depth > maxNesting:
		return Blind, Because{}
	case a == nil:
		return builtinHolds(name, ask), Because{}
	case a.kind == "all-of":
		return f.all(a.refs, ask, depth+1)
	case a.kind == "any-of":
		out, why := No, Because{}
		for _, w := range a.refs {
			if h, b := f.one(w.Text, ask, depth+1); h > out {
				out, why = h, b
			}
		}
		return out, why
	}
	return a.holds(ask)
}

func builtinHolds(name string, ask Ask) Holds {
	switch name {
	case "all":
		return Yes
	case "CONNECT":
		return sure(ask.Connect)
	case "localhost":
		return Free
	case "manager", "to_localhost", "to_linklocal":
		return No
	}
	return Blind
}

func sure(yes bool) Holds {
	if yes {
		return Yes
	}
	return No
}

// holds judges one acl that has values of its own.
func (a *acl) holds(ask Ask) (Holds, Because) {
	host, no := ask.Host, No
	if a.blind {
		no = Blind
	}
	switch a.kind {
	case "ssl::server_name", "ssl::server_name_regex":
		if ask.SNI != "" {
			host = ask.SNI
		}
	}
	switch a.kind {
	case "dstdomain", "ssl::server_name":
		for _, key := range domains(host) {
			if i, ok := a.exact[key]; ok {
				return Yes, Because{a.name, a.values[i].text, a.values[i].pos}
			}
		}
		return no, Because{}
	case "dstdom_regex", "ssl::server_name_regex", "url_regex":
		if a.kind == "url_regex" {
			if host = "https://" + ask.Host + "/"; ask.Connect {
				host = ask.Host + ":443"
			} else {
				no = Blind // the path may match
			}
		}
		for _, v := range a.values {
			if v.re != nil && v.re.MatchString(host) {
				return Yes, Because{a.name, v.text, v.pos}
			}
		}
		return no, Because{}
	case "src":
		if slices.ContainsFunc(a.values, func(v value) bool {
			return slices.Contains([]string{"all", "0/0", "0.0.0.0/0", "0.0.0.0/0.0.0.0", "::/0", "ipv4", "ipv6"}, v.text)
		}) {
			return Yes, Because{}
		}
		return Free, Because{}
	case "method":
		for _, v := range a.values {
			if v.text == "CONNECT" && ask.Connect {
				return Yes, Because{}
			}
			if v.text != "CONNECT" && !ask.Connect {
				no = Free
			}
		}
		return no, Because{}
	case "port":
		port := ask.Port
		if port == 0 {
			port = 443
		}
		for _, v := range a.values {
			first, last, isRange := strings.Cut(v.text, "-")
			low, err := strconv.Atoi(first)
			high := low
			if isRange {
				high, _ = strconv.Atoi(last)
			}
			if err == nil && low <= port && port <= high {
				return Yes, Because{}
			}
		}
		return no, Because{}
	case "proto":
		if ask.Connect {
			return Blind, Because{}
		}
		return sure(slices.ContainsFunc(a.values, func(v value) bool { return strings.EqualFold(v.text, "HTTPS") })), Because{}
	case "at_step":
		if ask.Step == 0 {
			return Blind, Because{}
		}
		return sure(slices.ContainsFunc(a.values, func(v value) bool { return v.text == "SslBump"+strconv.Itoa(ask.Step) })), Because{}
	case "annotate_transaction", "annotate_client":
		return Yes, Because{}
	case "arp", "browser", "client_connection_mark", "clientside_mark", "eui64", "ext_user", "ext_user_regex", "ident", "ident_regex",
		"localip", "localport", "max_user_ip", "maxconn", "myport", "myportname", "proxy_auth", "proxy_auth_regex", "random", "req_header",
		"src_as", "srcdom_regex", "srcdomain", "time", "user_cert":
		return Free, Because{}
	}
	return Blind, Because{}
}

// domains are the keys under which a name may stand: itself, and each domain that holds it with a leading dot.
func domains(host string) []string {
	out := []string{host, "." + host}
	for i := range len(host) {
		if host[i] == '.' {
			out = append(out, host[i:])
		}
	}
	return out
}
