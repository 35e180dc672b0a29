package config

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// scalarType describes a kind of value for people and for the JSON Schema.
type scalarType struct {
	title      text
	json       string // string, integer, boolean
	enum       []string
	pattern    string // ECMA 262, for the JSON Schema; "" when a pattern says too little
	min, max   int    // of an integer
	fromNumber func(string) string
}

// scalar reads and prints one kind of value. parse returns the zero V together with a finding that has no place yet.
type scalar[V any] struct {
	*scalarType
	parse  func(string) (V, *finding.Finding)
	print  func(V) string
	finish func(dir string, v V) V // applied to what stands in a file in folder dir
}

// show returns v as the JSON value that it is in the file.
func (s scalar[V]) show(v V) any {
	switch any(v).(type) {
	case int, bool:
		return v
	}
	return s.print(v)
}

// no is a value that is refused.
func no[V any](f finding.Finding) (V, *finding.Finding) {
	var zero V
	return zero, &f
}

func same(s string) string { return s }

func number(min, max int, title text) scalar[int] {
	return scalar[int]{
		scalarType: &scalarType{title: title, json: "integer", min: min, max: max},
		parse: func(s string) (int, *finding.Finding) {
			n, err := strconv.Atoi(s)
			if err != nil || n < min || n > max || s != strconv.Itoa(n) {
				return no[int](finding.New("config.out-of-range", finding.Error, finding.Pos{},
					"value", s, "min", strconv.Itoa(min), "max", strconv.Itoa(max)))
			}
			return n, nil
		},
		print: strconv.Itoa,
	}
}

func version() scalar[int] {
	s := number(1, 1, text{JA: "整数 1", EN: "the number 1"})
	s.parse = func(v string) (int, *finding.Finding) {
		if v != "1" {
			return no[int](finding.New("config.version", finding.Error, finding.Pos{}, "value", v))
		}
		return 1, nil
	}
	return s
}

func yesNo() scalar[bool] {
	return scalar[bool]{
		scalarType: &scalarType{title: text{JA: "true または false", EN: "true or false"}, json: "boolean"},
		parse: func(s string) (bool, *finding.Finding) {
			if s != "true" && s != "false" {
				return no[bool](finding.New("config.boolean-due", finding.Error, finding.Pos{}, "value", s, "key", ""))
			}
			return s == "true", nil
		},
		print: strconv.FormatBool,
	}
}

func oneOf(words ...string) scalar[string] {
	known := strings.Join(words, ", ")
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "次のいずれか", EN: "one of"}, json: "string", enum: words},
		parse: func(s string) (string, *finding.Finding) {
			if !slices.Contains(words, s) {
				return no[string](finding.New("config.not-one-of", finding.Error, finding.Pos{},
					"value", s, "want", finding.Nearest(s, words), "known", known))
			}
			return s, nil
		},
		print: same,
	}
}

// sentence is one line of text for people, at most 200 characters (chosen: it has to fit a page and a certificate).
func sentence() scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "1 行の文字列", EN: "one line of text"}, json: "string", pattern: `^\S(.*\S)?$`},
		parse:      line,
		print:      same,
	}
}

// signer is the public key of who signs bundles, as "sekisho catalog bundle keygen" prints it.
func signer() scalar[string] {
	const form = `^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$` // 32 bytes: the last character carries four bits
	shape := regexp.MustCompile(form)
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "公開鍵 (ed25519: と 43 文字)", EN: "public key (ed25519: and 43 characters)"}, json: "string", pattern: form},
		parse: func(s string) (string, *finding.Finding) {
			if !shape.MatchString(s) {
				return no[string](finding.New("config.signer", finding.Error, finding.Pos{}, "value", s))
			}
			return s, nil
		},
		print: same,
	}
}

func line(s string) (string, *finding.Finding) {
	trimmed := strings.TrimSpace(s)
	switch {
	case trimmed == "":
		return no[string](finding.New("config.text-empty", finding.Error, finding.Pos{}))
	case strings.ContainsFunc(trimmed, steers):
		return no[string](finding.New("config.text-control", finding.Error, finding.Pos{}, "value", s))
	case trimmed != s:
		return no[string](notNormal(s, trimmed))
	case utf8.RuneCountInString(s) > 200:
		return no[string](finding.New("config.text-too-long", finding.Error, finding.Pos{}, "max", "200",
			"length", strconv.Itoa(utf8.RuneCountInString(s))))
	}
	return s, nil
}

// steers reports whether r would do something to a terminal, a page or a line of a log rather than be shown.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' ||
		r == utf8.RuneError
}

func notNormal(s, want string) finding.Finding {
	return finding.New("config.not-normal-form", finding.Error, finding.Pos{}, "value", s, "want", want)
}

// word is a name made of letters and digits of any script and of the marks given.
func word(title text, marks string, max int) scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: title, json: "string"},
		parse: func(s string) (string, *finding.Finding) {
			if _, problem := line(s); problem != nil {
				return "", problem
			}
			bad := strings.IndexFunc(s, func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(marks, r)
			})
			if bad >= 0 {
				r, _ := utf8.DecodeRuneInString(s[bad:])
				return no[string](finding.New("config.name-character", finding.Error, finding.Pos{},
					"value", s, "character", string(r), "allowed", strings.Join(strings.Split(marks, ""), " ")))
			}
			if n := utf8.RuneCountInString(s); n > max {
				return no[string](finding.New("config.text-too-long", finding.Error, finding.Pos{},
					"max", strconv.Itoa(max), "length", strconv.Itoa(n)))
			}
			return s, nil
		},
		print: same,
	}
}

func ringOrProfileName() scalar[string] { return word(text{JA: "名前", EN: "name"}, "-_.", 64) }

// feature is the id of a feature of the catalog; whether it exists is the catalog's to say.
func feature() scalar[string] {
	s := word(text{JA: "機能 ID", EN: "feature id"}, "-.", 64)
	s.pattern = `^[a-z0-9]+([.-][a-z0-9]+)*$`
	form := regexp.MustCompile(s.pattern)
	s.parse = func(v string) (string, *finding.Finding) {
		switch lower := strings.ToLower(strings.TrimSpace(v)); {
		case form.MatchString(v):
			return v, nil
		case form.MatchString(lower):
			return no[string](notNormal(v, lower))
		}
		return no[string](finding.New("config.feature-form", finding.Error, finding.Pos{}, "value", v))
	}
	return s
}

// person is a user name as given in Basic credentials, which a colon would end (RFC 7617, section 2).
func person() scalar[string] {
	return word(text{JA: "ユーザー名", EN: "user name"}, `-_.@\+'#$!`, 128)
}

func crowd() scalar[string] {
	return word(text{JA: "グループ名", EN: "group name"}, `-_.@\+'#$!`, 128)
}

// tenant is a tenant as Microsoft's header takes it: a verified domain or a directory id. What must not stand there is
// said by package restrict, which knows placeholders and wildcards; here only the letter case of ids is settled.
func tenant() scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "検証済みドメインまたはディレクトリ ID", EN: "verified domain or directory id"}, json: "string"},
		parse: func(s string) (string, *finding.Finding) {
			if _, problem := line(s); problem != nil {
				return "", problem
			}
			if lower := strings.ToLower(s); lower != s {
				return no[string](notNormal(s, lower))
			}
			return s, nil
		},
		print: same,
	}
}

const guid = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

var (
	guidForm   = regexp.MustCompile(`^` + guid + `$`)
	policyForm = regexp.MustCompile(`^` + guid + `:` + guid + `$`)
)

// directoryID is the id of a tenant, as the Entra admin centre shows it.
func directoryID() scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "ディレクトリ(テナント)ID", EN: "directory (tenant) id"}, json: "string", pattern: `^` + guid + `$`},
		parse: func(s string) (string, *finding.Finding) {
			want := strings.ToLower(strings.Trim(strings.TrimSpace(s), "{}"))
			switch {
			case guidForm.MatchString(s):
				return s, nil
			case guidForm.MatchString(want):
				return no[string](notNormal(s, want))
			}
			return no[string](finding.New("config.not-a-directory-id", finding.Error, finding.Pos{}, "value", s))
		},
		print: same,
	}
}

// policyID is what tenant restrictions v2 sends: directory id, colon, policy id.
func policyID() scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "ディレクトリ ID:ポリシー ID", EN: "directory id:policy id"}, json: "string", pattern: `^` + guid + `:` + guid + `$`},
		parse: func(s string) (string, *finding.Finding) {
			want := strings.ToLower(strings.Join(strings.Fields(s), ""))
			switch {
			case policyForm.MatchString(s):
				return s, nil
			case policyForm.MatchString(want):
				return no[string](notNormal(s, want))
			}
			return no[string](finding.New("config.not-a-policy-id", finding.Error, finding.Pos{}, "value", s))
		},
		print: same,
	}
}

// pattern is a host pattern of package endpoint, in its normal form.
func pattern() scalar[endpoint.Pattern] {
	return scalar[endpoint.Pattern]{
		scalarType: &scalarType{title: text{JA: "ホスト名パターン", EN: "host pattern"}, json: "string"},
		parse: func(s string) (endpoint.Pattern, *finding.Finding) {
			p, err := endpoint.ParsePattern(s)
			if err != nil {
				return no[endpoint.Pattern](misformed(err))
			}
			if p.String() != s {
				return no[endpoint.Pattern](notNormal(s, p.String()))
			}
			return p, nil
		},
		print: endpoint.Pattern.String,
	}
}

// misformed turns an error of package endpoint into its finding.
func misformed(err error) finding.Finding {
	var pe *endpoint.ParseError
	if errors.As(err, &pe) {
		return pe.Finding(finding.Pos{})
	}
	return finding.New("config.unreadable-value", finding.Error, finding.Pos{}, "cause", err.Error())
}

// ports is a list of TCP ports: the gateway is a proxy for TCP.
func ports() scalar[endpoint.Ports] {
	return scalar[endpoint.Ports]{
		scalarType: &scalarType{title: text{JA: "TCP ポート", EN: "TCP ports"}, json: "string", fromNumber: func(n string) string { return "tcp/" + n }},
		parse: func(s string) (endpoint.Ports, *finding.Finding) {
			p, err := endpoint.ParsePorts(s)
			if err != nil {
				return no[endpoint.Ports](misformed(err))
			}
			if p.String() != s {
				return no[endpoint.Ports](notNormal(s, p.String()))
			}
			for _, r := range p {
				if r.Proto != endpoint.TCP {
					return no[endpoint.Ports](finding.New("config.udp-ports", finding.Error, finding.Pos{}, "value", s))
				}
			}
			return p, nil
		},
		print: endpoint.Ports.String,
	}
}

// prefix is an address range in CIDR form, with no bit set behind its length.
func prefix() scalar[netip.Prefix] {
	return scalar[netip.Prefix]{
		scalarType: &scalarType{title: text{JA: "アドレス範囲(CIDR)", EN: "address range (CIDR)"}, json: "string"},
		parse: func(s string) (netip.Prefix, *finding.Finding) {
			p, err := endpoint.ParsePrefix(s)
			if err != nil {
				return no[netip.Prefix](misformed(err))
			}
			if want := p.String(); want != s {
				return no[netip.Prefix](notNormal(s, want))
			}
			return p, nil
		},
		print: netip.Prefix.String,
	}
}

// listenAddress is an IP address and a port. Names are refused: what they resolve to can change under us.
func listenAddress() scalar[netip.AddrPort] {
	return scalar[netip.AddrPort]{
		scalarType: &scalarType{title: text{JA: "IP アドレス:ポート", EN: "IP address:port"}, json: "string"},
		parse: func(s string) (netip.AddrPort, *finding.Finding) {
			a, err := netip.ParseAddrPort(s)
			if err == nil && a.Addr().Zone() == "" {
				if want := netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String(); want != s {
					return no[netip.AddrPort](notNormal(s, want))
				}
				return a, nil
			}
			host, port, ok := strings.Cut(s, ":")
			want := ""
			if n, err := strconv.ParseUint(port, 10, 16); ok && err == nil {
				switch p := strconv.FormatUint(n, 10); strings.ToLower(host) {
				case "localhost":
					want = "127.0.0.1:" + p
				case "", "*":
					want = "0.0.0.0:" + p
				}
			}
			return no[netip.AddrPort](finding.New("config.not-a-listen-address", finding.Error, finding.Pos{}, "value", s, "want", want))
		},
		print: netip.AddrPort.String,
	}
}

// authority is host:port as clients write it in their proxy settings.
// proxyAddress is a proxy as a PAC file names it: host:port, or https://host:port where the connection to it is TLS.
func proxyAddress() scalar[string] {
	plain := authority()
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "ホスト名:ポート、または https://ホスト名:ポート", EN: "host:port, or https://host:port"}, json: "string"},
		parse: func(s string) (string, *finding.Finding) {
			bare, overTLS := strings.CutPrefix(s, "https://")
			a, problem := plain.parse(bare)
			if problem != nil {
				return "", problem
			}
			if overTLS {
				return "https://" + a.String(), nil
			}
			return a.String(), nil
		},
		print: func(s string) string { return s },
	}
}

func authority() scalar[endpoint.Authority] {
	return scalar[endpoint.Authority]{
		scalarType: &scalarType{title: text{JA: "ホスト名:ポート", EN: "host:port"}, json: "string"},
		parse: func(s string) (endpoint.Authority, *finding.Finding) {
			a, err := endpoint.ParseAuthority(s, 0)
			if bare, ok := strings.CutPrefix(strings.TrimSuffix(s, "/"), "http://"); ok {
				if a, err := endpoint.ParseAuthority(bare, 80); err == nil {
					return no[endpoint.Authority](notNormal(s, a.String())) // as browsers' settings write a proxy
				}
			}
			if err != nil {
				return no[endpoint.Authority](misformed(err))
			}
			if a.String() != s {
				return no[endpoint.Authority](notNormal(s, a.String()))
			}
			return a, nil
		},
		print: endpoint.Authority.String,
	}
}

// webURL is an absolute URL of one of the schemes, without user, query and fragment. With base true it is a folder to
// which names are joined, and ends without a slash.
func webURL(title text, base bool, schemes ...string) scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: title, json: "string", pattern: `^(` + strings.Join(schemes, "|") + `)://[^/?#@]+(/[^?#]*)?$`},
		parse: func(s string) (string, *finding.Finding) {
			bad := func() (string, *finding.Finding) {
				shown := s
				if at := strings.LastIndex(s, "@"); at >= 0 {
					shown = "[redacted]" + s[at:] // what stands before may be a password
				}
				return no[string](finding.New("config.not-a-url", finding.Error, finding.Pos{},
					"value", shown, "schemes", strings.Join(schemes, ", ")))
			}
			u, err := url.Parse(s)
			if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" ||
				strings.ContainsAny(s, "#\\\"' <>") || !slices.Contains(schemes, u.Scheme) {
				return bad()
			}
			standard := map[string]uint16{"http": 80, "https": 443}[u.Scheme]
			a, err := endpoint.ParseAuthority(u.Host, standard)
			if err != nil {
				return no[string](misformed(err))
			}
			host := a.String()
			if a.Port == standard {
				host = strings.TrimSuffix(host, ":"+strconv.Itoa(int(standard)))
			}
			path := u.EscapedPath()
			if base {
				path = strings.TrimRight(path, "/")
			} else if path == "" || strings.HasSuffix(path, "/") {
				return bad() // a file is due
			}
			if want := u.Scheme + "://" + host + path; want != s {
				return no[string](notNormal(s, want))
			}
			return s, nil
		},
		print: same,
	}
}

// filePath is the path of a file, relative to the folder of the configuration file.
func filePath() scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "ファイルのパス", EN: "path of a file"}, json: "string"},
		parse:      line,
		print:      same,
		finish: func(dir, v string) string {
			if filepath.IsAbs(v) {
				return filepath.Clean(v)
			}
			return filepath.Join(dir, v)
		},
	}
}
