package pac

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
)

// tables are patterns as the script looks them up: by the domain behind a dot, never by going through all of them, so that
// a question costs as much among five thousand names as among five. A domain stands once for all the labels before it.
type tables struct {
	exact  map[string][]string    // domain behind the first dot, "" for none: first labels
	below  map[string][]string    // the same for the domains whose names below them match
	ends   map[string][]string    // domain behind the first dot of what a glued star ends with: the text before that dot
	inside map[string][][2]string // domain behind the first dot after an inner star: text before the star, text up to that dot
}

func newTables() *tables {
	return &tables{exact: map[string][]string{}, below: map[string][]string{}, ends: map[string][]string{}, inside: map[string][][2]string{}}
}

func (t *tables) add(p endpoint.Pattern) {
	if p.IsZero() {
		return
	}
	text := p.String()
	switch p.Kind() {
	case endpoint.Exact:
		t.name(t.exact, text)
	case endpoint.Suffix:
		t.name(t.below, text[2:])
	case endpoint.Glued:
		t.name(t.ends, text[1:])
	case endpoint.Inside:
		before, after, _ := strings.Cut(text, "*")
		part, domain, _ := strings.Cut(after, ".")
		t.inside[domain] = append(t.inside[domain], [2]string{before, part})
	}
}

// name puts a name into one of the tables of labels.
func (t *tables) name(into map[string][]string, name string) {
	label, domain, _ := strings.Cut(name, ".")
	into[domain] = append(into[domain], label)
}

// shorten drops what a domain above says already, sorts, and leaves nothing twice.
func (t *tables) shorten() {
	domains := map[string]bool{}
	for domain, labels := range t.below {
		for _, l := range labels {
			domains[join(l, domain)] = true
		}
	}
	// above reports whether a domain strictly above name is listed.
	above := func(name string) bool {
		for {
			_, rest, ok := strings.Cut(name, ".")
			if !ok {
				return false
			}
			if domains[rest] {
				return true
			}
			name = rest
		}
	}
	for _, table := range []map[string][]string{t.exact, t.below, t.ends} {
		for domain, labels := range table {
			labels = slices.DeleteFunc(labels, func(l string) bool { return above(join(l, domain)) })
			slices.Sort(labels)
			if table[domain] = slices.Compact(labels); len(labels) == 0 {
				delete(table, domain)
			}
		}
	}
	for domain, parts := range t.inside {
		slices.SortFunc(parts, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
		if t.inside[domain] = slices.Compact(parts); domains[domain] || above("x."+domain) {
			delete(t.inside, domain)
		}
	}
}

func join(label, domain string) string {
	if domain == "" {
		return label
	}
	return label + "." + domain
}

// write prints the file.
func write(in Input, proxies string, past, through *tables) []byte {
	var b strings.Builder
	ring := ""
	if in.Ring != "" {
		ring = " Ring " + printable(in.Ring) + "."
	}
	fmt.Fprintf(&b, "// Sekisho proxy auto-configuration. Catalog %s, policy %s.%s\n", printable(in.Catalog.Version()), in.Program.Hash(), ring)
	b.WriteString("// Written by a program: change the configuration, not this file.\n")
	fmt.Fprintf(&b, "var sekishoProxy = %s;\n", quote(proxies))
	through.print(&b, "sekishoSignIn")
	past.print(&b, "sekishoDirect")
	b.WriteString(script)
	return []byte(b.String())
}

func (t *tables) print(b *strings.Builder, name string) {
	fmt.Fprintf(b, "var %s = {\n", name)
	labels(b, "exact", t.exact)
	labels(b, "below", t.below)
	labels(b, "ends", t.ends)
	b.WriteString("  inside: {")
	for i, domain := range sorted(t.inside) {
		comma(b, i)
		fmt.Fprintf(b, "    %s: [", quote(domain))
		for j, parts := range t.inside[domain] {
			if j > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(b, "[%s, %s]", quote(parts[0]), quote(parts[1]))
		}
		b.WriteString("]")
	}
	closing(b, len(t.inside))
	b.WriteString("\n};\n")
}

// labels prints an object whose values are lists of labels with blanks around each. No label has a blank in it.
func labels(b *strings.Builder, name string, table map[string][]string) {
	fmt.Fprintf(b, "  %s: {", name)
	for i, domain := range sorted(table) {
		comma(b, i)
		fmt.Fprintf(b, "    %s: \"", quote(domain))
		column := 0
		for _, l := range table[domain] {
			// Lines that people and their tools can read.
			if column += len(l) + 1; column > 100 {
				b.WriteString("\" +\n      \"")
				column = len(l) + 1
			}
			b.WriteString(" " + escaped(l))
		}
		b.WriteString(" \"")
	}
	closing(b, len(table))
	b.WriteString(",\n")
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(",")
	}
	b.WriteString("\n")
}

func closing(b *strings.Builder, n int) {
	if n > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("}")
}

func sorted[T any](members map[string]T) []string {
	out := make([]string, 0, len(members))
	for m := range members {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// quote prints an ASCII string literal that means the same in JavaScript as in Go.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// escaped is quote without the quotes.
func escaped(s string) string { q := quote(s); return q[1 : len(q)-1] }

// printable keeps a text on its line of the header.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// script is the part that never changes. JScript has neither String.prototype.endsWith nor Object.create; a key is
// asked for with hasOwnProperty so that a host named "constructor" is not found. No name has more than 253 characters
// (RFC 1035, section 2.3.4).
const script = `
function sekishoHas(table, domain, label) {
  return label !== "" && label.indexOf(" ") < 0 && Object.prototype.hasOwnProperty.call(table, domain) &&
    table[domain].indexOf(" " + label + " ") >= 0;
}

function sekishoNamed(table, name) {
  var at = name.indexOf(".");
  if (at < 0) { return sekishoHas(table, "", name); }
  return sekishoHas(table, name.substring(at + 1), name.substring(0, at));
}

function sekishoEnds(text, end) {
  var at = text.length - end.length;
  return at > 0 && text.lastIndexOf(end) === at;
}

function sekishoListed(host, list) {
  var at, i, head, domain, parts, first, last;
  if (sekishoNamed(list.exact, host)) { return true; }
  for (at = host.indexOf("."); at >= 0; at = host.indexOf(".", at + 1)) {
    if (at === 0) { continue; }
    domain = host.substring(at + 1);
    if (sekishoNamed(list.below, domain)) { return true; }
    head = host.substring(0, at);
    if (Object.prototype.hasOwnProperty.call(list.ends, domain)) {
      parts = list.ends[domain].split(" ");
      for (i = 0; i < parts.length; i++) {
        if (parts[i] !== "" && sekishoEnds(head, parts[i])) { return true; }
      }
    }
    if (Object.prototype.hasOwnProperty.call(list.inside, domain)) {
      parts = list.inside[domain];
      for (i = 0; i < parts.length; i++) {
        first = parts[i][0];
        last = parts[i][1];
        if (head.length > first.length + last.length && head.indexOf(first) === 0 &&
            head.substring(head.length - last.length) === last &&
            head.substring(first.length, head.length - last.length).indexOf(".") < 0) { return true; }
      }
    }
  }
  return false;
}

function sekishoThisMachine(host) {
  var i, parts;
  if (host === "localhost" || sekishoEnds(host, ".localhost") || host === "::1" || host === "[::1]") { return true; }
  parts = host.split(".");
  if (parts.length !== 4 || parts[0] !== "127") { return false; }
  for (i = 1; i < 4; i++) {
    if (parts[i] === "" || parts[i].length > 3 || String(Number(parts[i])) !== parts[i] || Number(parts[i]) > 255) {
      return false;
    }
  }
  return true;
}

function FindProxyForURL(url, host) {
  host = String(host).toLowerCase();
  if (host.length > 1 && host.charAt(host.length - 1) === ".") { host = host.substring(0, host.length - 1); }
  if (host.length > 253) { return sekishoProxy; }
  if (sekishoListed(host, sekishoSignIn)) { return sekishoProxy; }
  if (sekishoThisMachine(host)) { return "DIRECT"; }
  if (sekishoListed(host, sekishoDirect)) { return "DIRECT"; }
  return sekishoProxy;
}
`
