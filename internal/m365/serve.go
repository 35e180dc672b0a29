package m365

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// badRequest is what the service answers to a request that it does not understand.
const badRequest = "Invalid Instance string specified or ClientRequestId not specified in the Url. Documentation is available at http://aka.ms/ipurlws"

// Handler serves the web service on: /version, /version/{instance}, /endpoints/{instance} and
// /changes/{instance}/{version}, with the parameters and errors of the original. Paths, instances and the names and values
// of parameters are read in any letter case, as the original does; ClientRequestId is required and must be a GUID (it is
// not recorded). archive returns what is served now; nil, or an instance of which nothing is known, is answered 503,
// because an empty list would close a firewall.
func Handler(archive func() *Archive) http.Handler {
	s := service{archive}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		instance, version, deep := strings.Cut(rest, "/")
		method = strings.ToLower(method)
		switch {
		case !Serves(r.URL.Path) || strings.Contains(version, "/") || deep && method != "changes":
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered", http.StatusMethodNotAllowed)
		case method == "version":
			s.versions(w, r, instance)
		case method == "endpoints":
			s.endpoints(w, r, instance)
		default:
			s.changes(w, r, instance, version)
		}
	})
}

// Serves reports whether a path belongs to the web service.
func Serves(path string) bool {
	method, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"version", "endpoints", "changes"}, strings.ToLower(method))
}

type service struct{ archive func() *Archive }

// query are the parameters of a request by lower-case name.
type query map[string]string

// the forms of an answer.
const (
	formJSON = "json"
	formCSV  = "csv"
	formRSS  = "rss"
)

// ask reads the parameters; ok is false after an answer.
func ask(w http.ResponseWriter, r *http.Request, forms ...string) (q query, form string, ok bool) {
	q = query{}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w)
		return nil, "", false
	}
	for name, v := range values {
		name = strings.ToLower(name)
		if _, twice := q[name]; twice || len(v) != 1 {
			refuse(w)
			return nil, "", false
		}
		q[name] = strings.TrimSpace(v[0])
	}
	form = strings.ToLower(q["format"])
	if form == "" {
		form = formJSON
	}
	if !isGUID(q["clientrequestid"]) || !slices.Contains(forms, form) {
		refuse(w)
		return nil, "", false
	}
	return q, form, true
}

func refuse(w http.ResponseWriter) { http.Error(w, badRequest, http.StatusBadRequest) }

// unavailable is the answer when nothing is known: never an empty list.
func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "3600")
	http.Error(w, "no list of this instance is known here", http.StatusServiceUnavailable)
}

// isGUID reports whether s is a GUID in its usual form, with or without braces.
func isGUID(s string) bool {
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'):
			return false
		}
	}
	return true
}

// flag reads a boolean parameter as the service does; ok is false for anything else. The name alone means yes: half of
// the published scripts ask with "?noipv6&ClientRequestId=...".
func (q query) flag(name string) (yes, ok bool) {
	value, there := q[name]
	switch strings.ToLower(value) {
	case "false", "0":
		return false, true
	case "":
		return there, true
	case "true", "1":
		return true, true
	}
	return false, false
}

// selection reads ServiceAreas, TenantName and NoIPv6.
func (q query) selection() (s selection, ok bool) {
	if s.noIPv6, ok = q.flag("noipv6"); !ok {
		return s, false
	}
	for name := range strings.SplitSeq(q["serviceareas"], ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		area, known := areaNamed(name)
		if !known {
			return s, false
		}
		s.areas = append(s.areas, area)
	}
	s.tenant = strings.ToLower(q["tenantname"])
	return s, s.tenant == "" || isTenant(s.tenant)
}

// isTenant reports whether s may stand as a label in a host name.
func isTenant(s string) bool {
	return len(s) <= 50 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-' && s[len(s)-1] != '-'
}

// versions answers /version and /version/{instance}.
func (s service) versions(w http.ResponseWriter, r *http.Request, name string) {
	q, form, ok := ask(w, r, formJSON, formCSV, formRSS)
	if !ok {
		return
	}
	if name == "" {
		name = q["instance"]
	}
	one := name != ""
	instances := Instances()
	if one {
		instance, known := ParseInstance(name)
		if !known {
			refuse(w)
			return
		}
		instances = []Instance{instance}
	}
	all, ok := q.flag("allversions")
	if !ok {
		refuse(w)
		return
	}
	archive := s.archive()
	var out []Version
	for _, i := range instances {
		if archive == nil {
			break
		}
		if versions := archive.Versions(i); len(versions) > 0 {
			v := Version{Instance: i, Latest: versions[0]}
			if all || form == formRSS {
				v.Versions = versions
			}
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		unavailable(w)
		return
	}
	switch {
	case form == formCSV:
		send(w, r, "text/csv; charset=utf-8", versionsCSV(out, all))
	case form == formRSS:
		send(w, r, "application/rss+xml; charset=utf-8", versionsRSS(out, r.Host))
	case one:
		send(w, r, "application/json; charset=utf-8", marshal(out[0]))
	default:
		send(w, r, "application/json; charset=utf-8", marshal(out))
	}
}

// endpoints answers /endpoints/{instance}.
func (s service) endpoints(w http.ResponseWriter, r *http.Request, name string) {
	q, form, ok := ask(w, r, formJSON, formCSV)
	if !ok {
		return
	}
	instance, known := ParseInstance(name)
	selection, ok := q.selection()
	if !known || !ok {
		refuse(w)
		return
	}
	archive := s.archive()
	if archive == nil {
		unavailable(w)
		return
	}
	list, ok := archive.List(instance, "")
	if !ok {
		unavailable(w)
		return
	}
	list = selection.of(list)
	if form == formCSV {
		send(w, r, "text/csv; charset=utf-8", list.csv())
		return
	}
	send(w, r, "application/json; charset=utf-8", list.JSON())
}

// changes answers /changes/{instance}/{version}.
func (s service) changes(w http.ResponseWriter, r *http.Request, name, version string) {
	q, form, ok := ask(w, r, formJSON, formCSV)
	if !ok {
		return
	}
	instance, known := ParseInstance(name)
	selection, ok := q.selection()
	single, singleOK := q.flag("singleversion")
	if !known || !ok || !singleOK || version != firstVersion && !isVersion(version) {
		refuse(w)
		return
	}
	archive := s.archive()
	if archive == nil || archive.latest(instance) == nil {
		unavailable(w)
		return
	}
	changes := archive.changesSince(instance, version, single, selection)
	if form == formCSV {
		send(w, r, "text/csv; charset=utf-8", changesCSV(changes))
		return
	}
	send(w, r, "application/json; charset=utf-8", marshal(changes))
}

// send answers with a strong ETag over the body, so that clients that poll cost a 304 each.
func send(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// writeCSV writes records; values come from lists that hold no formulas, see the strict reader.
func writeCSV(head []string, records [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(head) // a bytes.Buffer takes everything
	_ = w.WriteAll(records)
	return b.Bytes()
}

// defuse keeps a spreadsheet from reading a text of the list as a formula.
func defuse(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func versionsCSV(versions []Version, all bool) []byte {
	head := []string{"instance", "latest"}
	if all {
		head = append(head, "versions")
	}
	var records [][]string
	for _, v := range versions {
		record := []string{string(v.Instance), v.Latest}
		if all {
			record = append(record, strings.Join(v.Versions, ","))
		}
		records = append(records, record)
	}
	return writeCSV(head, records)
}

func (l *List) csv() []byte {
	var records [][]string
	for _, r := range l.Rows {
		records = append(records, []string{
			strconv.Itoa(r.ID), r.ServiceArea, r.ServiceAreaDisplayName, strings.Join(r.URLs, ","), strings.Join(r.IPs, ","),
			r.TCPPorts, r.UDPPorts, strconv.FormatBool(r.ExpressRoute), r.Category, strconv.FormatBool(r.Required), defuse(r.Notes),
		})
	}
	return writeCSV([]string{"id", "serviceArea", "serviceAreaDisplayName", "urls", "ips", "tcpPorts", "udpPorts", "expressRoute", "category", "required", "notes"}, records)
}

func changesCSV(changes []Change) []byte {
	head := []string{"id", "endpointSetId", "disposition", "impact", "version"}
	for _, side := range []string{"previous", "current"} {
		for _, f := range []string{"ExpressRoute", "ServiceArea", "Category", "Required", "TcpPorts", "UdpPorts", "Notes"} {
			head = append(head, side+f)
		}
	}
	head = append(head, "addEffectiveDate", "addIps", "addUrls", "removeIps", "removeUrls")
	var records [][]string
	for _, c := range changes {
		record := []string{strconv.Itoa(c.ID), strconv.Itoa(c.EndpointSetID), c.Disposition, c.Impact, c.Version}
		record = append(record, c.Previous.fields()...)
		record = append(record, c.Current.fields()...)
		add, remove := Addition{}, Removal{}
		if c.Add != nil {
			add = *c.Add
		}
		if c.Remove != nil {
			remove = *c.Remove
		}
		records = append(records, append(record, add.EffectiveDate, strings.Join(add.IPs, ","), strings.Join(add.URLs, ","),
			strings.Join(remove.IPs, ","), strings.Join(remove.URLs, ",")))
	}
	return writeCSV(head, records)
}

func (v *Values) fields() []string {
	if v == nil {
		v = &Values{}
	}
	boolean := func(b *bool) string {
		if b == nil {
			return ""
		}
		return strconv.FormatBool(*b)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return defuse(*s)
	}
	return []string{boolean(v.ExpressRoute), text(v.ServiceArea), text(v.Category), boolean(v.Required), text(v.TCPPorts), text(v.UDPPorts), text(v.Notes)}
}

// rss is RSS 2.0 (https://www.rssboard.org/rss-specification), as much of it as the list of versions needs.
type rss struct {
	XMLName xml.Name `xml:"rss"`
	Version string   `xml:"version,attr"`
	Channel channel  `xml:"channel"`
}

type channel struct {
	Title       string `xml:"title"`
	Link        string `xml:"link"`
	Description string `xml:"description"`
	Items       []item `xml:"item"`
}

type item struct {
	GUID  guid   `xml:"guid"`
	Link  string `xml:"link"`
	Title string `xml:"title"`
	Date  string `xml:"pubDate"`
}

type guid struct {
	Permanent bool   `xml:"isPermaLink,attr"`
	Text      string `xml:",chardata"`
}

// versionsRSS lists versions with links to the changes of each. host is where the caller found us.
func versionsRSS(versions []Version, host string) []byte {
	base := "http://" + host
	feed := rss{Version: "2.0", Channel: channel{Title: "Office 365 endpoints", Link: base + "/version", Description: "versions of the endpoint lists"}}
	for _, v := range versions {
		for _, version := range v.Versions {
			day, _ := time.Parse("20060102", version[:8])
			feed.Channel.Items = append(feed.Channel.Items, item{
				GUID: guid{Text: string(v.Instance) + "-" + version}, Title: string(v.Instance) + " " + version,
				Link: base + "/changes/" + string(v.Instance) + "/" + version + "?singleVersion=true&ClientRequestId=00000000-0000-0000-0000-000000000000",
				Date: day.Format(time.RFC1123Z),
			})
		}
	}
	out, err := xml.MarshalIndent(feed, "", "  ")
	if err != nil {
		panic("m365: " + err.Error()) // plain data
	}
	return append([]byte(xml.Header), append(out, '\n')...)
}
