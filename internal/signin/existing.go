package signin

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
)

// Existing is one object that the tenant holds already.
type Existing struct {
	Kind    directory.Kind // User, Group or Contact
	ID      string         // object id of the tenant
	UPN     string         // of users
	Mail    string
	Proxies []string // proxyAddresses, with their prefixes
	Anchor  string   // onPremisesImmutableId; "" of what is managed in the cloud, or where it was not read
	Synced  bool     // it comes from a directory already
	Display string
}

// Name is how the object is told.
func (e *Existing) Name() string { return cmp.Or(e.UPN, e.Mail, e.Display, e.ID) }

// addresses are the SMTP addresses of the object; primary is the one that a soft match looks at.
func (e *Existing) addresses() (all []string, primary string) {
	for _, p := range e.Proxies {
		if address, ok := cutSMTP(p); ok {
			all = append(all, address)
			if strings.HasPrefix(p, "SMTP:") && primary == "" {
				primary = address
			}
		}
	}
	if e.Mail != "" {
		all = append(all, e.Mail)
		if len(e.Proxies) == 0 { // not read: mail is the primary address of whoever has a mailbox
			primary = e.Mail
		}
	}
	return all, primary
}

// cutSMTP is the address of a value of proxyAddresses, whatever the case of its prefix.
func cutSMTP(proxy string) (string, bool) {
	if len(proxy) > 5 && strings.EqualFold(proxy[:5], "smtp:") {
		return proxy[5:], true
	}
	return "", false
}

// MaxExisting bounds what is read of a tenant; chosen as directory.MaxObjects.
const MaxExisting = directory.MaxObjects

// maxExistingFile bounds a file of it; chosen: a million users with three addresses each.
const maxExistingFile = 512 << 20

// existingJSON is a user, group or orgContact of Microsoft Graph.
type existingJSON struct {
	Type    string   `json:"@odata.type"`
	ID      string   `json:"id"`
	UPN     string   `json:"userPrincipalName"`
	Mail    string   `json:"mail"`
	Display string   `json:"displayName"`
	Proxies []string `json:"proxyAddresses"`
	Anchor  string   `json:"onPremisesImmutableId"`
	Synced  *bool    `json:"onPremisesSyncEnabled"`
	Groups  []string `json:"groupTypes"`
	IsMail  *bool    `json:"mailEnabled"`
}

// errExisting is that of an object that nothing can be compared with.
var errExisting = errors.New("neither userPrincipalName, mail nor proxyAddresses is there")

func (j existingJSON) existing(kind directory.Kind) (Existing, error) {
	switch {
	case strings.HasSuffix(j.Type, ".group"), j.Type == "" && j.UPN == "" && (j.Groups != nil || j.IsMail != nil):
		kind = directory.Group
	case strings.HasSuffix(j.Type, ".orgContact"):
		kind = directory.Contact
	}
	e := Existing{Kind: kind, ID: j.ID, UPN: j.UPN, Mail: j.Mail, Display: j.Display, Proxies: j.Proxies, Anchor: j.Anchor, Synced: j.Synced != nil && *j.Synced || j.Anchor != ""}
	if e.UPN == "" && e.Kind.Person() {
		return e, errExisting
	}
	return e, nil
}

// DecodeExisting reads one object of Microsoft Graph's GET /users, /groups or /contacts; kind is what the list holds.
func DecodeExisting(raw []byte, kind directory.Kind) (Existing, error) {
	var j existingJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return Existing{}, err
	}
	return j.existing(kind)
}

// ReadExisting reads a file of the tenant's objects: Microsoft Graph's answer or an array of users, groups and contacts, or
// CSV whose heads are Graph's names of the properties in any order and case, with several addresses of a cell separated by
// semicolons. name stands in the errors, which are *finding.Problem; nothing is returned with one.
func ReadExisting(name string, r io.Reader) ([]Existing, error) {
	text, err := readJSON(name, r, maxExistingFile)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("[")) {
		return readExistingCSV(name, text)
	}
	var page struct {
		Value *[]existingJSON `json:"value"`
		Next  string          `json:"@odata.nextLink"`
	}
	var list []existingJSON
	into := any(&page)
	if text[0] == '[' {
		into = &list
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, failJSON("signin.existing-json", name, text, err)
	}
	switch {
	case page.Next != "":
		return nil, finding.Fail("signin.existing-page", nil, "file", name)
	case page.Value != nil:
		list = *page.Value
	case text[0] == '{':
		return nil, finding.Fail("signin.existing-json", nil, "file", name)
	}
	if len(list) > MaxExisting {
		return nil, finding.Fail("signin.existing-many", nil, "max", strconv.Itoa(MaxExisting))
	}
	out := make([]Existing, 0, len(list))
	for i, j := range list {
		e, err := j.existing(directory.User)
		if err != nil {
			return nil, finding.Fail("signin.existing-fields", nil, "file", name, "number", strconv.Itoa(i+1), "name", cmp.Or(j.Display, j.ID, "-"))
		}
		out = append(out, e)
	}
	return out, nil
}

// existingHeads are the heads of a CSV file in lower case without blanks, by Graph's names and those of the portal's export.
var existingHeads = map[string]string{
	"userprincipalname": "upn", "mail": "mail", "proxyaddresses": "proxies", "onpremisesimmutableid": "anchor", "immutableid": "anchor",
	"id": "id", "objectid": "id", "displayname": "display", "onpremisessyncenabled": "synced", "dirsyncenabled": "synced",
}

func readExistingCSV(name string, text []byte) ([]Existing, error) {
	in := csv.NewReader(bytes.NewReader(text))
	in.ReuseRecord = true
	fail := func(code string, args ...string) ([]Existing, error) {
		line, column := in.FieldPos(0)
		f := finding.New("signin."+code, finding.Error, finding.Pos{File: name, Line: line, Column: column}, args...)
		return nil, &finding.Problem{Findings: finding.List{f}}
	}
	head, err := in.Read()
	if err != nil {
		return nil, finding.Fail("signin.existing-head", nil, "file", name)
	}
	columns := make([]string, len(head))
	for i, h := range head {
		columns[i] = existingHeads[strings.ToLower(strings.ReplaceAll(strings.TrimSpace(h), " ", ""))]
		if columns[i] != "" && slices.Contains(columns[:i], columns[i]) {
			return fail("existing-head-twice", "name", h)
		}
	}
	if !slices.Contains(columns, "upn") {
		return nil, finding.Fail("signin.existing-head", nil, "file", name)
	}
	var out []Existing
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			f := finding.New("signin.existing-csv", finding.Error, finding.Pos{File: name, Line: syntax.Line, Column: syntax.Column}, "said", syntax.Err.Error())
			return nil, &finding.Problem{Findings: finding.List{f}}
		}
		if err != nil {
			return nil, finding.Fail("signin.unreadable", err, "file", name)
		}
		if len(out) >= MaxExisting {
			return nil, finding.Fail("signin.existing-many", nil, "max", strconv.Itoa(MaxExisting))
		}
		e := Existing{Kind: directory.User}
		for i, cell := range cells {
			// Export-Csv writes the type in the place of a list.
			if strings.HasPrefix(cell, "System.") && strings.HasSuffix(cell, "]") {
				return fail("existing-type", "name", head[i], "value", cell)
			}
			cell = strings.TrimSpace(cell)
			switch columns[i] {
			case "upn":
				e.UPN = cell
			case "mail":
				e.Mail = cell
			case "proxies":
				for p := range strings.FieldsFuncSeq(cell, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
					e.Proxies = append(e.Proxies, p)
				}
			case "anchor":
				e.Anchor = cell
			case "id":
				e.ID = cell
			case "display":
				e.Display = cell
			case "synced":
				e.Synced = strings.EqualFold(cell, "true")
			}
		}
		e.Synced = e.Synced || e.Anchor != ""
		if e.UPN == "" {
			return fail("existing-fields", "file", name, "number", strconv.Itoa(len(out)+1), "name", cmp.Or(e.Display, e.ID, "-"))
		}
		out = append(out, e)
	}
}
