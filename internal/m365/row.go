package m365

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
)

// Row is one endpoint set in the service's own form. Hosts, prefixes and ports are in normal form.
type Row struct {
	ID                     int      `json:"id"` // immutable
	ServiceArea            string   `json:"serviceArea"`
	ServiceAreaDisplayName string   `json:"serviceAreaDisplayName"`
	URLs                   []string `json:"urls,omitempty"` // host patterns
	IPs                    []string `json:"ips,omitempty"`  // prefixes, IPv4 and IPv6
	TCPPorts               string   `json:"tcpPorts,omitempty"`
	UDPPorts               string   `json:"udpPorts,omitempty"`
	ExpressRoute           bool     `json:"expressRoute"`
	Category               string   `json:"category"` // Optimize, Allow, Default
	Required               bool     `json:"required"`
	Notes                  string   `json:"notes,omitempty"` // of rows that are not required
}

// Equal reports whether two rows say the same in the same order.
func (r Row) Equal(s Row) bool {
	return r.ID == s.ID && r.ServiceArea == s.ServiceArea && r.ServiceAreaDisplayName == s.ServiceAreaDisplayName &&
		slices.Equal(r.URLs, s.URLs) && slices.Equal(r.IPs, s.IPs) && r.TCPPorts == s.TCPPorts && r.UDPPorts == s.UDPPorts &&
		r.ExpressRoute == s.ExpressRoute && r.Category == s.Category && r.Required == s.Required && r.Notes == s.Notes
}

// List is one body of /endpoints.
type List struct {
	Instance Instance
	Version  string // YYYYMMDDNN; "" when it is not known, as in a file by itself
	Rows     []Row  // in the body's order, each id once
	Held     []int  // ids of rows that could not be read with certainty, sorted
	// Partial says that the list may lack rows at its end: CSV does not tell where it ends. What it lacks stays known.
	Partial bool
}

// Canonical returns the list in the order in which it is served on: rows by id, hosts by name, IPv4 before IPv6, by
// address. Everything that depends on an order is left out of the changes between two lists, so that folding them
// gives the same bytes.
func (l *List) Canonical() *List {
	out := &List{Instance: l.Instance, Version: l.Version, Held: l.Held, Partial: l.Partial}
	for _, r := range l.Rows {
		r.URLs = distinct(r.URLs, cmp.Compare[string])
		r.IPs = distinct(r.IPs, comparePrefixes)
		r.ServiceAreaDisplayName = displayName(r.ServiceArea)
		out.Rows = append(out.Rows, r)
	}
	slices.SortFunc(out.Rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// JSON returns the rows as the service writes them.
func (l *List) JSON() []byte { return marshal(orEmpty(l.Rows)) }

// orEmpty makes nil print as an empty array.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// marshal writes v as the service does: indented by two blanks, nothing escaped for HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic("m365: " + err.Error()) // every value that is handed in here is plain data
	}
	return b.Bytes()
}

func distinct(list []string, compare func(a, b string) int) []string {
	out := slices.Clone(list)
	slices.SortFunc(out, compare)
	out = slices.Compact(out)
	if len(out) == 0 {
		return nil
	}
	return out
}

// comparePrefixes orders IPv4 before IPv6, then by address and length.
func comparePrefixes(a, b string) int {
	p, errP := netip.ParsePrefix(a)
	q, errQ := netip.ParsePrefix(b)
	if errP != nil || errQ != nil {
		return cmp.Compare(a, b)
	}
	return cmp.Or(p.Addr().Compare(q.Addr()), cmp.Compare(p.Bits(), q.Bits()))
}

// listedPorts is the widest range that is written port by port, as the service does ("3478,3479,3480,3481").
const listedPorts = 16

// portText writes the ports of one protocol in the service's form; "" when there are none.
func portText(ports endpoint.Ports, proto endpoint.Proto) string {
	var words []string
	for _, r := range ports {
		switch {
		case r.Proto != proto:
		case int(r.Last)-int(r.First) < listedPorts:
			for p := int(r.First); p <= int(r.Last); p++ {
				words = append(words, strconv.Itoa(p))
			}
		default:
			words = append(words, strconv.Itoa(int(r.First))+"-"+strconv.Itoa(int(r.Last)))
		}
	}
	return strings.Join(words, ",")
}

// ports returns what the row opens.
func (r Row) ports() endpoint.Ports {
	var out endpoint.Ports
	for _, p := range []struct{ proto, list string }{{"tcp/", r.TCPPorts}, {"udp/", r.UDPPorts}} {
		if p.list == "" {
			continue
		}
		if parsed, err := endpoint.ParsePorts(p.proto + p.list); err == nil {
			out = out.Union(parsed)
		}
	}
	return out
}
