package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/charset"
	"sekisho/internal/finding"
)

// Record is a DNS record by which a domain is verified (Microsoft Graph, "domainDnsRecord resource type").
type Record struct {
	Type       string `json:"type"`  // TXT or MX
	Name       string `json:"name"`  // where it stands
	Value      string `json:"value"` // the text, or the mail exchanger
	Preference int    `json:"preference,omitempty"`
	TTL        int    `json:"ttl_seconds,omitempty"`
}

// String is the record as a zone file has it, without the class.
func (r Record) String() string {
	if r.Type == "MX" {
		return fmt.Sprintf("%s MX %d %s", r.Name, r.Preference, r.Value)
	}
	return fmt.Sprintf("%s %s %q", r.Name, r.Type, r.Value)
}

// Domains are the domains of a tenant as they were read.
type Domains struct {
	List []Domain
	Read time.Time // when the tenant was asked; the zero time where the file does not say
}

// maxDomainsFile bounds the file that ReadDomains takes; chosen: 5,000 domains with all their fields are some 4 MB.
const maxDomainsFile = 32 << 20

// domainJSON is a domain as Microsoft Graph writes it ("domain resource type"), with its records where they were asked for.
type domainJSON struct {
	ID   string `json:"id"`
	Auth string `json:"authenticationType"`
	// A pointer, because a field that is missing must not count as false.
	Verified *bool        `json:"isVerified"`
	Default  bool         `json:"isDefault"`
	Initial  bool         `json:"isInitial"`
	Records  []recordJSON `json:"verificationDnsRecords,omitempty"`
}

// recordJSON is a domainDnsTxtRecord or domainDnsMxRecord.
type recordJSON struct {
	Type       string `json:"recordType"`
	Label      string `json:"label"`
	Text       string `json:"text,omitempty"`
	Exchange   string `json:"mailExchange,omitempty"`
	Preference int    `json:"preference,omitempty"`
	TTL        int    `json:"ttl,omitempty"`
}

// errDomain is that of a domain without the fields that make one.
var errDomain = errors.New("id or isVerified is missing")

func (d domainJSON) domain() (Domain, error) {
	if d.ID == "" || d.Verified == nil {
		return Domain{}, errDomain
	}
	out := Domain{Name: d.ID, Verified: *d.Verified, Default: d.Default, Initial: d.Initial, Federated: strings.EqualFold(d.Auth, "Federated")}
	for _, r := range d.Records {
		if record, ok := r.record(); ok {
			out.Records = append(out.Records, record)
		}
	}
	return out, nil
}

// record is what stands in DNS. ok is false for a type that verifies nothing here.
func (r recordJSON) record() (Record, bool) {
	out := Record{Type: strings.ToUpper(r.Type), Name: r.Label, Value: r.Text, TTL: r.TTL}
	if out.Type == "MX" {
		out.Value, out.Preference = r.Exchange, r.Preference
	}
	return out, (out.Type == "TXT" || out.Type == "MX") && out.Value != "" && out.Name != ""
}

// DecodeDomain reads one domain of Microsoft Graph's GET /domains.
func DecodeDomain(raw []byte) (Domain, error) {
	var d domainJSON
	if err := json.Unmarshal(raw, &d); err != nil {
		return Domain{}, err
	}
	return d.domain()
}

// DecodeRecord reads one record of GET /domains/{id}/verificationDnsRecords. ok is false for one that verifies nothing.
func DecodeRecord(raw []byte) (r Record, ok bool, err error) {
	var d recordJSON
	if err := json.Unmarshal(raw, &d); err != nil {
		return Record{}, false, err
	}
	r, ok = d.record()
	return r, ok, nil
}

// savedField is the field of a saved file that tells when the tenant was asked.
const savedField = "@sekisho.read"

// Encode writes domains as ReadDomains reads them: Microsoft Graph's answer, with the records and the time.
func (d Domains) Encode() ([]byte, error) {
	list := make([]domainJSON, 0, len(d.List))
	for _, one := range d.List {
		auth := "Managed"
		if one.Federated {
			auth = "Federated"
		}
		out := domainJSON{ID: one.Name, Auth: auth, Verified: &one.Verified, Default: one.Default, Initial: one.Initial}
		for _, r := range one.Records {
			j := recordJSON{Type: "Txt", Label: r.Name, Text: r.Value, TTL: r.TTL}
			if r.Type == "MX" {
				j = recordJSON{Type: "Mx", Label: r.Name, Exchange: r.Value, Preference: r.Preference, TTL: r.TTL}
			}
			out.Records = append(out.Records, j)
		}
		list = append(list, out)
	}
	data, err := json.MarshalIndent(map[string]any{savedField: d.Read.UTC().Format(time.RFC3339), "value": list}, "", "  ")
	return append(data, '\n'), err
}

// ReadDomains reads the domains of a tenant as Microsoft Graph answers GET /domains (an object with "value"), as az rest
// and Get-MgDomain | ConvertTo-Json write it (an array, or one object), or as Encode does. name stands in the errors, which
// are *finding.Problem.
func ReadDomains(name string, r io.Reader) (Domains, error) {
	text, err := readJSON(name, r, maxDomainsFile)
	if err != nil {
		return Domains{}, err
	}
	var page struct {
		domainJSON
		Value *[]domainJSON `json:"value"`
		Next  string        `json:"@odata.nextLink"`
		Read  string        `json:"@sekisho.read"`
	}
	var list []domainJSON
	into := any(&page)
	if bytes.HasPrefix(text, []byte("[")) {
		into = &list
	}
	if err := json.Unmarshal(text, into); err != nil {
		return Domains{}, failJSON("signin.domains-json", name, text, err)
	}
	switch {
	case page.Next != "":
		return Domains{}, finding.Fail("signin.domains-page", nil, "file", name)
	case page.Value != nil:
		list = *page.Value
	case page.ID != "":
		list = []domainJSON{page.domainJSON}
	}
	if len(list) == 0 {
		return Domains{}, finding.Fail("signin.no-domains", nil, "file", name)
	}
	out := Domains{List: make([]Domain, 0, len(list))}
	out.Read, _ = time.Parse(time.RFC3339, page.Read) // the zero time for a file of somebody else
	for _, e := range list {
		d, err := e.domain()
		if err != nil {
			return Domains{}, finding.Fail("signin.domain-fields", nil, "file", name, "name", e.ID)
		}
		out.List = append(out.List, d)
	}
	return out, nil
}

// readJSON reads a file of at most max bytes as UTF-8, without the white space around it.
func readJSON(name string, r io.Reader, max int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, finding.Fail("signin.unreadable", err, "file", name)
	}
	if int64(len(data)) > max {
		return nil, finding.Fail("signin.too-large", nil, "file", name, "max", strconv.FormatInt(max>>20, 10))
	}
	text, ok := charset.UTF8(data)
	if !ok {
		return nil, finding.Fail("signin.encoding", nil, "file", name)
	}
	return bytes.TrimSpace(text), nil
}

// failJSON is the problem of a file that is no JSON, or another one.
func failJSON(code, name string, text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := int64(-1)
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	}
	p := finding.Fail(code, nil, "file", name)
	if at >= 0 && at <= int64(len(text)) {
		before := text[:at]
		p.Findings[0].Pos = finding.Pos{File: name, Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n')}
	}
	return p
}
