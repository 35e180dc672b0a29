package squid

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// write writes sekisho.conf from top to bottom, in the order in which Squid asks.
func (w *writer) write(target string) {
	o := w.in.Options
	store := path.Clean(o.Text(optionStore))
	w.say(append(render.Header(w.in, target),
		"Include it from squid.conf in the place of other http_port, http_access, ssl_bump and header lines:",
		"  include "+path.Join(w.folder, confFile),
		"Squid with OpenSSL (Debian: squid-openssl), version 5 or later. Before the first start:",
		"  /usr/lib/squid/security_file_certgen -c -s "+store+" -M 16MB",
		"  chown -R proxy:proxy "+store,
		"The issuing certificate with its key: "+o.Text(optionCert)+". Clients must trust its root.")...)
	w.line("http_port", o.Text(optionListen), "ssl-bump tls-cert="+o.Text(optionCert), "generate-host-certificates=on dynamic_cert_mem_cache_size=16MB")
	w.line("sslcrtd_program /usr/lib/squid/security_file_certgen -s", store, "-M 16MB")
	w.say("What is no TLS is answered with an error, never tunnelled.")
	w.line("on_unsupported_protocol respond all")
	w.line("host_verify_strict on")
	w.line("via off")
	w.line("forwarded_for delete")
	w.line("cache deny all")
	w.say("Nobody is invited to QUIC, which goes past every proxy.")
	w.line("reply_header_access Alt-Svc deny all")
	w.say("", "Whether the host that is asked for is the server name of the connection. What the program does not confirm does not pass.")
	w.files = append(w.files, render.File{Name: helperFile, Type: "text/plain; charset=utf-8", Body: []byte(render.Comment("#", render.Header(w.in, target)...) + helper), Comment: "#"})
	w.line("external_acl_type sekisho_names ttl=3600 negative_ttl=60 cache=65536 children-max=20 children-startup=2 %DST %ssl::>sni %DATA /bin/sh", path.Join(w.folder, helperFile))
	w.line("acl sekisho_same external sekisho_names same")
	w.line("acl sekisho_no_name external sekisho_names none")
	w.line("acl sekisho_connect method CONNECT")
	w.line("acl sekisho_inner proto HTTPS")
	w.line("acl sekisho_http proto HTTP")
	w.line("acl sekisho_port_80 port 80")
	w.line(`acl sekisho_address dstdom_regex -n ^[0-9.]+$ ^\[ : ^0x`)
	for i, r := range w.rings {
		if r.Clients != nil {
			w.acl(ring(i), "src", prefixes(r.Clients))
		} else {
			w.line("acl", ring(i), "src all")
		}
	}
	w.signInHosts()
	w.say("", "Addresses are not names: the sign-in hosts share theirs with others.")
	w.line("http_access deny sekisho_address")
	w.line("http_access deny sekisho_connect sekisho_port_80")
	w.say("", "Special addresses. They are asked for last, so that nobody looks up a name that is closed.")
	w.acl("sekisho_special", "dst", strings.Fields(special))
	if list := w.p.DialAllowed(); len(list) > 0 {
		w.acl("sekisho_dial_allowed", "dst", prefixes(list))
		w.line("acl sekisho_inside all-of sekisho_special !sekisho_dial_allowed")
	} else {
		w.line("acl sekisho_inside all-of sekisho_special")
	}
	reads := w.reads()
	w.say("", "Inside of what is read: the host of each request must be the name of its connection.")
	for _, r := range reads {
		w.line("http_access deny sekisho_inner !sekisho_connect", r.host, "!"+r.name)
		w.line("http_access deny sekisho_inner !sekisho_connect !"+r.host, r.name)
		if r.wild {
			w.line("http_access deny sekisho_inner !sekisho_connect", r.host, "!sekisho_same")
		}
	}
	w.access(reads)
	w.bump(reads)
	w.headers()
}

// allow writes a line that opens, unless the name leads to a special address.
func (w *writer) allow(words ...string) {
	w.line(append(append([]string{"http_access allow"}, words...), "!sekisho_inside")...)
}

func ring(i int) string { return "sekisho_ring_" + strconv.Itoa(i+1) }

func prefixes(list []netip.Prefix) []string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return words
}

// read is a list of hosts that Squid reads: by the host that is asked for, and by the name in the ClientHello.
type read struct {
	host, name string
	wild       bool           // several hosts
	own        policy.Opening // zero for a sign-in host
}

// signInHosts declares each sign-in host by itself, and all together.
func (w *writer) signInHosts() {
	if len(w.rings) == 0 || len(w.rings[0].Hosts) == 0 {
		return
	}
	var all []string
	for i, h := range w.rings[0].Hosts {
		w.line("acl", signIn(i), "dstdomain -n", string(h.Name))
		w.line("acl", signIn(i)+"_sni", "ssl::server_name --client-requested", string(h.Name))
		all = append(all, signIn(i))
	}
	w.line("acl sekisho_sign_in any-of", strings.Join(all, " "))
}

func signIn(i int) string { return "sekisho_sign_in_" + strconv.Itoa(i+1) }

// hasSignIn reports whether a sign-in host is open to anybody.
func (w *writer) hasSignIn() bool { return len(w.rings) > 0 && len(w.rings[0].Hosts) > 0 }

// reads returns what may be read: sign-in hosts of rings that are not off, and own rows with inspection.
func (w *writer) reads() []read {
	var out []read
	if w.hasSignIn() && slices.ContainsFunc(w.modes(), func(m policy.Mode) bool { return m != policy.Off }) {
		for i := range w.rings[0].Hosts {
			out = append(out, read{host: signIn(i), name: signIn(i) + "_sni"})
		}
	}
	n := 0
	for _, o := range w.p.Openings() {
		if !o.Inspect {
			continue
		}
		n++
		name := "read-" + strconv.Itoa(n)
		out = append(out, read{
			host: w.list(name, []endpoint.Pattern{o.Pattern}, false), name: w.list(name+"-sni", []endpoint.Pattern{o.Pattern}, true),
			wild: o.Pattern.Kind() != endpoint.Exact, own: o,
		})
	}
	return out
}

func (w *writer) modes() []policy.Mode {
	var out []policy.Mode
	for _, r := range w.rings {
		out = append(out, r.Mode)
	}
	return out
}

// tcp is the TCP ports of p without 80, as Squid writes them; nil for none.
func tcp(p endpoint.Ports) []string {
	var out []string
	add := func(first, last uint16) {
		switch {
		case first > last || first == 0:
		case first == last:
			out = append(out, strconv.Itoa(int(first)))
		default:
			out = append(out, fmt.Sprintf("%d-%d", first, last))
		}
	}
	for _, r := range p {
		if r.Proto != endpoint.TCP {
			continue
		}
		if r.First <= 80 && 80 <= r.Last {
			add(r.First, 79)
			if r.Last > 80 {
				add(81, r.Last)
			}
			continue
		}
		add(r.First, r.Last)
	}
	return out
}

// ports declares an acl of ports, once for each list of them, and returns its name.
func (w *writer) ports(list []string) string {
	key := strings.Join(list, " ")
	id, ok := w.portNames[key]
	if !ok {
		id = "sekisho_ports_" + strconv.Itoa(len(w.portNames)+1)
		w.portNames[key] = id
		w.acl(id, "port", list)
	}
	return id
}

// access writes http_access: aliases, sign-in hosts, every other host of a class, names below sign-in hosts, the rest.
func (w *writer) access(reads []read) {
	for i, a := range w.p.Aliases() {
		if list := tcp(a.Rule.Ports); list != nil {
			name := "alias-" + strconv.Itoa(i+1)
			w.say("", "An alias of the sign-in hosts, for its networks alone.")
			id, ports, clients := w.list(name, []endpoint.Pattern{a.Rule.Pattern}, false), w.ports(list), "sekisho_clients_"+strconv.Itoa(i+1)
			w.acl(clients, "src", prefixes(a.Clients))
			w.allow("sekisho_connect", id, ports, clients)
		}
	}
	if w.hasSignIn() {
		w.say("", "Sign-in hosts, for who is in a ring.")
		for i, h := range w.rings[0].Hosts {
			ports := ""
			if list := tcp(h.Ports); list != nil {
				ports = w.ports(list)
			}
			for k, r := range w.rings {
				if ports != "" {
					w.allow("sekisho_connect", signIn(i), ports, ring(k))
					if r.Mode != policy.Off {
						w.allow("sekisho_inner !sekisho_connect", signIn(i), ports, ring(k))
					}
				}
				if h.Ports.Allows(endpoint.TCP, 80) {
					w.allow("sekisho_http sekisho_port_80", signIn(i), ring(k))
				}
			}
		}
	}
	class, ordinary := w.classes()
	w.say("", "Every other host that takes sign-ins is closed, whatever wildcard covers it.")
	id, except := w.list("class", class, false), w.list("class-except", ordinary, false)
	if except != "" {
		except = " !" + except
	}
	w.line("http_access deny " + id + except)
	under, own, exact, wild := w.split()
	w.groups("under", under)
	if beneath := w.beneath(); beneath != nil {
		w.acl("sekisho_beneath", "dstdom_regex -n", beneath)
		w.line("http_access deny sekisho_beneath")
	}
	nets := w.p.Catalog().SignInPrefixes()
	if len(nets) > 0 {
		w.acl("sekisho_sign_in_nets", "dst", prefixes(nets))
		w.say("A name that leads to the sign-in addresses would be a way around, unless a feature names it itself.")
	}
	guard := func(name string, list []policy.Opening) {
		if len(list) == 0 || len(nets) == 0 {
			return
		}
		var patterns []endpoint.Pattern
		for _, o := range list {
			patterns = append(patterns, o.Pattern)
		}
		w.line("http_access deny", w.list(name, patterns, false), "sekisho_sign_in_nets")
	}
	guard("own", own)
	for _, r := range reads {
		if list := tcp(r.own.Ports); list != nil {
			w.allow("sekisho_inner !sekisho_connect", r.host, w.ports(list))
		}
	}
	w.groups("own", own)
	w.groups("exact", exact)
	guard("wild", wild)
	w.groups("wild", wild)
	w.line("http_access deny all")
}

// split sorts the rules into those below a sign-in name, own rows, and features' names and wildcards. Names of a class are
// none of them.
func (w *writer) split() (under, own, exact, wild []policy.Opening) {
	for _, o := range w.p.Openings() {
		h, single := o.Pattern.Host()
		switch {
		case single && w.p.Catalog().Classify(h).Class != catalog.Ordinary:
		case o.Under != "":
			under = append(under, o)
		case o.Own:
			own = append(own, o)
		case single:
			exact = append(exact, o)
		default:
			wild = append(wild, o)
		}
	}
	return under, own, exact, wild
}

// groups writes an allow line for the patterns of each set of ports.
func (w *writer) groups(name string, list []policy.Opening) {
	byPorts := map[string][]endpoint.Pattern{}
	var http []endpoint.Pattern
	for _, o := range list {
		if ports := strings.Join(tcp(o.Ports), " "); ports != "" {
			byPorts[ports] = append(byPorts[ports], o.Pattern)
		}
		if o.Plain {
			http = append(http, o.Pattern)
		}
	}
	for i, k := range slices.Sorted(maps.Keys(byPorts)) {
		hosts, ports := w.list(name+"-"+strconv.Itoa(i+1), byPorts[k], false), w.ports(strings.Fields(k))
		w.allow("sekisho_connect", hosts, ports)
	}
	if len(http) > 0 {
		w.allow("sekisho_http sekisho_port_80", w.list(name+"-http", http, false))
	}
}

// beneath are expressions of every name below a sign-in name.
func (w *writer) beneath() []string {
	var out []string
	for _, c := range w.p.Catalog().Classes() {
		if h, ok := c.Pattern.Host(); ok && (c.Class == catalog.SignIn || c.Class == catalog.SignInConsumer) {
			out = append(out, `\.`+strings.ReplaceAll(string(h), ".", `\.`)+"$")
		}
	}
	return out
}

// bump writes ssl_bump: look at the ClientHello, read what must be read, leave alone what carries the name that was asked for,
// end everything else. The lines that open stand in the affirmative, so that a program that does not answer opens nothing: of
// an acl that cannot be judged Squid skips the line.
func (w *writer) bump(reads []read) {
	w.say("", "After the ClientHello: the server name must be the name of CONNECT.")
	w.line("acl sekisho_hello at_step SslBump1")
	w.line("ssl_bump peek sekisho_hello")
	for _, r := range reads {
		w.line("ssl_bump terminate", r.host, "!"+r.name)
		w.line("ssl_bump terminate !"+r.host, r.name)
	}
	bare := ""
	if list := w.p.WithoutSNI(); len(list) > 0 {
		bare = w.list("bare", list, false)
	}
	splice := func(hosts string) {
		w.line(strings.TrimRight("ssl_bump splice "+hosts, " "), "sekisho_same")
		if bare != "" {
			w.line(strings.TrimRight("ssl_bump splice "+hosts, " "), bare, "sekisho_no_name")
		}
	}
	if w.hasSignIn() {
		w.say("Sign-in hosts are read for every ring that is not off.")
		for i, r := range w.rings {
			if r.Mode == policy.Off {
				splice("sekisho_sign_in " + ring(i))
				w.line("ssl_bump terminate sekisho_sign_in", ring(i))
			} else {
				w.line("ssl_bump bump sekisho_sign_in", ring(i))
			}
		}
		w.line("ssl_bump terminate sekisho_sign_in")
	}
	w.own(reads, splice)
	w.say("Everything else is left alone.")
	splice("")
	w.line("ssl_bump terminate all")
}

// own writes what becomes of own rows, the most specific first, up to the last that is read.
func (w *writer) own(reads []read, splice func(hosts string)) {
	var list []policy.Opening
	last := -1
	for _, o := range w.p.Openings() {
		if o.Own {
			list = append(list, o)
			if o.Inspect {
				last = len(list) - 1
			}
		}
	}
	var own []read
	for _, r := range reads {
		if !r.own.Pattern.IsZero() {
			own = append(own, r)
		}
	}
	for i, o := range list[:last+1] {
		ports := tcp(o.Ports)
		if o.Inspect {
			r := own[0]
			if own = own[1:]; ports == nil {
				continue
			}
			id := w.ports(ports)
			if r.wild {
				w.line("ssl_bump bump", r.host, id, "sekisho_same")
				w.line("ssl_bump terminate", r.host, id)
			} else {
				w.line("ssl_bump bump", r.host, id)
			}
			continue
		}
		if ports != nil {
			hosts := w.list("row-"+strconv.Itoa(i+1), []endpoint.Pattern{o.Pattern}, false) + " " + w.ports(ports)
			splice(hosts)
			w.line("ssl_bump terminate", hosts)
		}
	}
}

// headers writes the deletion of every restriction header, and what each ring sets.
func (w *writer) headers() {
	w.say("", "Restriction headers: whatever the client sends is deleted, in every spelling; then the ring's own are set.")
	for _, name := range headerNames() {
		w.line("request_header_access", name, "deny all")
	}
	for i, r := range w.rings {
		var not []string
		for k := range i {
			not = append(not, "!"+ring(k))
		}
		who := strings.Join(append(not, ring(i)), " ")
		for _, g := range r.Groups() {
			var hosts []string
			for k, h := range r.Hosts {
				if slices.Contains(g.Hosts, h.Name) {
					hosts = append(hosts, signIn(k))
				}
			}
			for _, f := range g.Set {
				for _, h := range hosts {
					w.line("request_header_add", f.Name, quoted(f.Value), h, who)
				}
			}
		}
	}
}
