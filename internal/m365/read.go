package m365

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// What a list may hold (chosen: fifty times the largest that was ever published).
const (
	maxRows     = 10_000
	maxHosts    = 20_000
	maxPrefixes = 60_000
)

// ReadEndpoints reads a body of /endpoints, as JSON or as CSV (Format=CSV). file is its name in messages. The list is nil exactly when one of the
// findings is an error: the body is no list, is cut off, is empty, is larger than anything that can be meant, or none
// of its rows can be read. Everything else that is wrong is a warning (a row or a value that is held) or a note (what
// was repaired, and how). Findings are sorted by place, at most 200; each has the arguments set (the row's id, or its
// place in the list as "#3") and byte.
func ReadEndpoints(file string, instance Instance, body []byte) (*List, finding.List) {
	r := &rows{reader: reader{file: file, data: body}, first: map[int]int{}}
	list, err := r.list()
	if err != nil {
		return nil, r.found.Sort()
	}
	list.Instance = instance
	return list, r.found.Sort()
}

// rows reads the rows of a list.
type rows struct {
	reader
	set             string // the row that is read, for findings
	out             List
	first           map[int]int // id: its row in out, -1 when it is held
	hosts, prefixes int
	intune          int
	intuneAt        int
}

// note adds a finding about the row that is read.
func (r *rows) note(code string, severity finding.Severity, at int, args ...string) {
	if r.room() {
		args = append(args, "set", r.set, "byte", strconv.Itoa(at))
		r.found = append(r.found, finding.New("m365."+code, severity, r.pos(at), args...))
	}
}

func (r *rows) list() (*List, error) {
	read := r.parse
	if isCSV(r.data) {
		read = r.parseCSV
		r.out.Partial = true
	}
	top, err := read()
	if err != nil {
		return nil, err
	}
	if err := r.want(top, isList); err != nil {
		return nil, err
	}
	if len(top.items) == 0 {
		return nil, r.refuse(finding.New("m365.empty", finding.Error, r.pos(top.at)))
	}
	if len(top.items) > maxRows {
		at := top.items[maxRows].at
		return nil, r.refuse(finding.New("m365.too-many", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "max", strconv.Itoa(maxRows)))
	}
	for i := range top.items {
		r.set = "#" + strconv.Itoa(i+1)
		row, id, ok := r.row(&top.items[i])
		if err := r.full(&top.items[i]); err != nil {
			return nil, err
		}
		r.keep(row, id, ok, top.items[i].at)
	}
	if len(r.out.Rows) == 0 {
		return nil, r.refuse(finding.New("m365.nothing-readable", finding.Error, r.pos(top.at), "count", strconv.Itoa(len(top.items))))
	}
	if r.out.Partial {
		r.found = append(r.found, finding.New("m365.csv", finding.Info, r.pos(0)))
	}
	if r.intune > 0 {
		r.found = append(r.found, finding.New("m365.intune-rows", finding.Warning, r.pos(r.intuneAt), "count", strconv.Itoa(r.intune)))
	}
	slices.Sort(r.out.Held)
	r.out.Held = slices.Compact(r.out.Held)
	return &r.out, nil
}

// full refuses a body with more hosts or prefixes than anything that can be meant.
func (r *rows) full(n *node) error {
	limit := 0
	switch {
	case r.hosts > maxHosts:
		limit = maxHosts
	case r.prefixes > maxPrefixes:
		limit = maxPrefixes
	default:
		return nil
	}
	return r.refuse(finding.New("m365.too-many", finding.Error, r.pos(n.at), "byte", strconv.Itoa(n.at), "max", strconv.Itoa(limit)))
}

// keep takes a row in, unless its id was there before: the same row again is left out, a different one under the same
// id makes both uncertain.
func (r *rows) keep(row Row, id int, ok bool, at int) {
	before, twice := r.first[id]
	switch {
	case id == 0:
		return
	case !ok || twice && before < 0:
		r.hold(id)
	case twice && r.out.Rows[before].Equal(row):
		r.note("repeated-set", finding.Info, at)
	case twice:
		r.note("row-conflict", finding.Warning, at)
		r.hold(id)
	default:
		r.first[id] = len(r.out.Rows)
		r.out.Rows = append(r.out.Rows, row)
		if row.ServiceArea == AreaIntune {
			if r.intune++; r.intune == 1 {
				r.intuneAt = at
			}
		}
	}
}

// hold marks id as held and takes back a row that had it.
func (r *rows) hold(id int) {
	if i, ok := r.first[id]; ok && i >= 0 {
		r.out.Rows = slices.Delete(r.out.Rows, i, i+1)
		for other, at := range r.first {
			if at > i {
				r.first[other] = at - 1
			}
		}
	}
	r.first[id] = -1
	r.out.Held = append(r.out.Held, id)
}

// rowFields are the members of a row and their kinds.
var rowFields = map[string]byte{
	"id": isNumber, "serviceArea": isText, "serviceAreaDisplayName": isText, "urls": isList, "ips": isList,
	"tcpPorts": isText, "udpPorts": isText, "expressRoute": isBool, "category": isText, "required": isBool, "notes": isText,
}

// row reads one row. ok is false when it is to be held; id is 0 when not even that can be read.
func (r *rows) row(n *node) (row Row, id int, ok bool) {
	if n.kind != isObject {
		r.note("row-type", finding.Warning, n.at, "field", "", "want", kindNames[isObject], "is", kindNames[n.kind])
		return row, 0, false
	}
	v, _ := n.get("id")
	if v != nil && v.kind == isNumber {
		if i, err := strconv.Atoi(v.text); err == nil && i > 0 && i < 1_000_000_000 {
			id, r.set = i, strconv.Itoa(i)
		}
	}
	switch {
	case id != 0:
	case v == nil:
		r.note("row-missing", finding.Warning, n.at, "field", "id")
		return row, 0, false
	default:
		r.note("row-value", finding.Warning, v.at, "field", "id", "value", bounded(v.text))
		return row, 0, false
	}
	ok = true
	for i, key := range n.keys {
		kind, known := rowFields[key]
		v := &n.items[i]
		_, times := n.get(key)
		switch {
		case !known:
			r.note("unknown-field", finding.Info, v.at, "field", key)
		case times > 1:
			r.note("row-key-repeated", finding.Warning, v.at, "field", key)
			ok = false
		case v.kind != kind:
			r.note("row-type", finding.Warning, v.at, "field", key, "want", kindNames[kind], "is", kindNames[v.kind])
			ok = false
		}
	}
	for _, key := range []string{"serviceArea", "expressRoute", "category", "required"} {
		if _, times := n.get(key); times == 0 {
			r.note("row-missing", finding.Warning, n.at, "field", key)
			ok = false
		}
	}
	if !ok {
		return row, id, false
	}
	row.ID = id
	row.ServiceArea, ok = r.area(n)
	row.ServiceAreaDisplayName = text(n, "serviceAreaDisplayName")
	if row.ServiceAreaDisplayName == "" {
		row.ServiceAreaDisplayName = displayName(row.ServiceArea)
	}
	row.Category, ok = r.category(n, ok)
	row.TCPPorts, ok = r.portList(n, "tcpPorts", endpoint.TCP, ok)
	row.UDPPorts, ok = r.portList(n, "udpPorts", endpoint.UDP, ok)
	row.ExpressRoute, row.Required, row.Notes = yes(n, "expressRoute"), yes(n, "required"), text(n, "notes")
	row.URLs = r.valueList(n, "urls", readHost)
	row.IPs = r.valueList(n, "ips", readPrefix)
	r.hosts += len(row.URLs)
	r.prefixes += len(row.IPs)
	if len(row.URLs)+len(row.IPs) == 0 {
		r.note("row-empty", finding.Warning, n.at)
		return row, id, false
	}
	if ok && row.TCPPorts+row.UDPPorts == "" {
		r.note("no-ports", finding.Warning, n.at)
	}
	return row, id, ok
}

func text(n *node, key string) string {
	if v, _ := n.get(key); v != nil {
		return v.text
	}
	return ""
}

func yes(n *node, key string) bool {
	v, _ := n.get(key)
	return v != nil && v.yes
}

// maxName bounds names that the service makes up (chosen: the longest is 10).
const maxName = 64

// area reads the service area; one that we do not know is taken as it is, when it is a word.
func (r *rows) area(n *node) (string, bool) {
	v, _ := n.get("serviceArea")
	if known, ok := areaNamed(strings.TrimSpace(v.text)); ok {
		if known != v.text {
			r.note("repaired", finding.Info, v.at, "field", "serviceArea", "value", v.text, "want", known)
		}
		return known, true
	}
	for _, c := range v.text {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			r.note("row-value", finding.Warning, v.at, "field", "serviceArea", "value", bounded(v.text))
			return "", false
		}
	}
	if v.text == "" || len(v.text) > maxName {
		r.note("row-value", finding.Warning, v.at, "field", "serviceArea", "value", bounded(v.text))
		return "", false
	}
	return v.text, true
}

var categories = []string{"Optimize", "Allow", "Default"}

func (r *rows) category(n *node, ok bool) (string, bool) {
	v, _ := n.get("category")
	i := slices.IndexFunc(categories, func(c string) bool { return strings.EqualFold(c, strings.TrimSpace(v.text)) })
	if i < 0 {
		r.note("row-value", finding.Warning, v.at, "field", "category", "value", bounded(v.text))
		return "", false
	}
	if categories[i] != v.text {
		r.note("repaired", finding.Info, v.at, "field", "category", "value", v.text, "want", categories[i])
	}
	return categories[i], ok
}

// portList reads ports: blanks and empty places are left out.
func (r *rows) portList(n *node, key string, proto endpoint.Proto, ok bool) (string, bool) {
	v, _ := n.get(key)
	if v == nil {
		return "", ok
	}
	var words []string
	for w := range strings.SplitSeq(strings.Join(strings.Fields(v.text), ""), ",") {
		if w != "" {
			words = append(words, w)
		}
	}
	clean := strings.Join(words, ",")
	if clean == "" {
		if v.text != "" {
			r.note("repaired", finding.Info, v.at, "field", key, "value", bounded(v.text), "want", "")
		}
		return "", ok
	}
	ports, err := endpoint.ParsePorts(proto.String() + "/" + clean)
	if err != nil {
		r.note("row-value", finding.Warning, v.at, "field", key, "value", bounded(v.text))
		return "", false
	}
	if clean != v.text {
		r.note("repaired", finding.Info, v.at, "field", key, "value", bounded(v.text), "want", clean)
	}
	return portText(ports, proto), ok
}

// valueList reads hosts or prefixes: what is uncertain is held by itself, what is there twice is left out.
func (r *rows) valueList(n *node, key string, read func(string) (normal string, repaired bool, reason string)) []string {
	v, _ := n.get(key)
	if v == nil {
		return nil
	}
	var out []string
	seen := make(map[string]bool, len(v.items))
	for i := range v.items {
		item := &v.items[i]
		if item.kind != isText {
			r.note("value-type", finding.Warning, item.at, "field", key, "is", kindNames[item.kind])
			continue
		}
		normal, repaired, reason := read(item.text)
		switch {
		case reason != "":
			r.note("value-held", finding.Warning, item.at, "field", key, "value", bounded(item.text), "reason", reason)
		case seen[normal]:
			r.note("repeated", finding.Info, item.at, "field", key, "value", normal)
		default:
			if repaired {
				r.note("repaired", finding.Info, item.at, "field", key, "value", bounded(item.text), "want", normal)
			}
			seen[normal] = true
			out = append(out, normal)
		}
	}
	return out
}

// readHost brings a host pattern into normal form. "**." can only mean "*.", which covers every depth already.
func readHost(s string) (string, bool, string) {
	clean := strings.TrimSpace(s)
	if rest := strings.TrimLeft(clean, "*"); strings.HasPrefix(clean, "**") && strings.HasPrefix(rest, ".") {
		clean = "*" + rest
	}
	p, err := endpoint.ParsePattern(clean)
	if err != nil {
		return "", false, reasonOf(err)
	}
	if tail, ok := strings.CutPrefix(p.String()[strings.LastIndexByte(p.String(), '*')+1:], "."); ok && anybodys(tail) {
		return "", false, "too-wide" // "*.com" is a mistake or an attack, never an endpoint
	}
	return p.String(), p.String() != s, ""
}

// anybodys reports whether anybody can register names under domain ("com", "co.jp"): a star before it would open the
// whole of a country or a trade. Microsoft's own top-level domains are none of these
// (https://www.iana.org/domains/root/db, read 2026-11-23).
func anybodys(domain string) bool {
	switch domain {
	case "azure", "bing", "hotmail", "microsoft", "office", "skype", "windows", "xbox":
		return false
	}
	suffix, registry := publicsuffix.PublicSuffix(domain)
	return suffix == domain && (registry || !strings.Contains(domain, "."))
}

// The widest prefixes that are believed (chosen: the widest that were ever published are /13 and /32).
const (
	widestV4 = 8
	widestV6 = 19
)

// readPrefix brings a prefix into normal form; an address alone can only mean itself.
func readPrefix(s string) (string, bool, string) {
	clean := strings.TrimSpace(s)
	if a, err := netip.ParseAddr(clean); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()).String(), true, ""
	}
	p, err := endpoint.ParsePrefix(clean)
	if err != nil {
		return "", false, reasonOf(err)
	}
	a := p.Addr()
	switch {
	case a.Is4() && p.Bits() < widestV4, a.Is6() && p.Bits() < widestV6:
		return "", false, "prefix-length"
	case a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(), a.IsLinkLocalUnicast():
		return "", false, "prefix-no-origin" // nothing of Microsoft's can be there
	}
	return p.String(), p.String() != s, ""
}

func reasonOf(err error) string {
	var e *endpoint.ParseError
	if errors.As(err, &e) {
		return e.Reason
	}
	return "character"
}

// bounded keeps what a finding repeats of a body short and printable.
func bounded(s string) string {
	const most = 100 // chosen: a host name that is longer is wrong by that alone
	if len(s) > most {
		s = s[:most] + "..."
	}
	q := strconv.QuoteToGraphic(s)
	return q[1 : len(q)-1]
}
