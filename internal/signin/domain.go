// Package signin plans how people will sign in before anything is synchronised: the state of every UPN suffix of the
// on-premises directory against the domains of the tenant, the name that each account gets in the cloud by the documented
// precedence, and what stands in the way.
//
//	tenant, found := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true}})
//	plan := signin.Make(accounts, tenant, signin.Options{})
//
// It reads what it is given and asks nobody. What the sources do not establish it does not claim: every finding names its
// rule, the page that the rule is from, and how sure it is. The lab's own rules of names are written apart from these.
package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/charset"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// State is what the tenant knows of a suffix, as the wizard's sign-in page tells it. The zero value is NotAdded.
type State uint8

const (
	NotAdded State = iota
	NotVerified
	Verified
)

// String is the stable code: not-added, not-verified or verified.
func (s State) String() string { return [...]string{"not-added", "not-verified", "verified"}[s] }

// MarshalText makes State print as its code.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Domain is one domain of the tenant.
type Domain struct {
	Name      string `json:"name"` // in normal form, see NewTenant
	Verified  bool   `json:"verified"`
	Default   bool   `json:"default"`   // new users get it
	Initial   bool   `json:"initial"`   // the one under onmicrosoft.com that the tenant was made with
	Federated bool   `json:"federated"` // authenticationType is Federated
}

// Tenant is the domains of a tenant. Obtain it from NewTenant.
type Tenant struct {
	domains []Domain // by name
	index   map[string]int
	initial string
}

// maxDomains bounds a tenant: the service allows 5,000 managed domains (Microsoft Entra service limits and restrictions,
// https://learn.microsoft.com/entra/identity/users/directory-service-limits-restrictions, read 2026-11-23).
const maxDomains = 10_000

// NewTenant checks domains: names are host names with a dot, each once, and one is the initial one. A Tenant is nil when
// one of the findings is an error.
func NewTenant(domains []Domain) (*Tenant, finding.List) {
	t := &Tenant{}
	var found finding.List
	refuse := func(code string, args ...string) {
		found = append(found, finding.New("signin."+code, finding.Error, finding.Pos{}, args...))
	}
	if len(domains) > maxDomains {
		refuse("many-domains", "max", strconv.Itoa(maxDomains))
		return nil, found
	}
	known := map[string]int{}
	for _, d := range domains {
		host, err := endpoint.ParseHost(d.Name)
		if err != nil || !IsDomain(string(host)) {
			refuse("domain-name", "name", d.Name)
			continue
		}
		d.Name = string(host)
		d.Verified = d.Verified || d.Initial
		if d.Initial {
			if t.initial != "" && t.initial != d.Name {
				refuse("two-initial", "name", d.Name, "other", t.initial)
			}
			t.initial = d.Name
		}
		// A flag may say less of a domain than a file does, and nothing else.
		if i, twice := known[d.Name]; twice {
			before := &t.domains[i]
			if before.Verified != d.Verified {
				refuse("domain-twice", "name", d.Name)
			}
			before.Default, before.Initial, before.Federated = before.Default || d.Default, before.Initial || d.Initial, before.Federated || d.Federated
			continue
		}
		known[d.Name] = len(t.domains)
		t.domains = append(t.domains, d)
	}
	if t.initial == "" && !found.HasErrors() {
		// An export of Graph says which one it is; flags may leave it to the name, where only one can be meant.
		var meant []int
		for i, d := range t.domains {
			if onMicrosoft(d.Name) {
				meant = append(meant, i)
			}
		}
		if len(meant) != 1 {
			refuse("no-initial")
		} else {
			t.domains[meant[0]].Initial, t.domains[meant[0]].Verified = true, true
			t.initial = t.domains[meant[0]].Name
		}
	}
	if found.HasErrors() {
		return nil, found
	}
	slices.SortFunc(t.domains, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	t.index = known
	for i, d := range t.domains {
		t.index[d.Name] = i
	}
	return t, found
}

// onMicrosoft reports whether name is directly below onmicrosoft.com; mail.onmicrosoft.com names of Exchange are deeper.
func onMicrosoft(name string) bool {
	label, ok := strings.CutSuffix(name, ".onmicrosoft.com")
	return ok && !strings.Contains(label, ".")
}

// Initial is the name of the initial domain.
func (t *Tenant) Initial() string { return t.initial }

// Domains are the tenant's domains by name.
func (t *Tenant) Domains() []Domain { return slices.Clone(t.domains) }

// Domain is the domain that a suffix names. A domain below one of the tenant's is another one, which has to be added for
// itself. ok is false when there is none.
func (t *Tenant) Domain(suffix string) (d Domain, ok bool) {
	host, err := endpoint.ParseHost(suffix)
	if err != nil {
		return Domain{}, false
	}
	i, ok := t.index[string(host)]
	if !ok {
		return Domain{}, false
	}
	return t.domains[i], true
}

// State is what the tenant knows of suffix, in any case.
func (t *Tenant) State(suffix string) State {
	switch d, ok := t.Domain(suffix); {
	case !ok:
		return NotAdded
	case d.Verified:
		return Verified
	default:
		return NotVerified
	}
}

// Assuming is the tenant as it would be with these domains verified, added where they are not there.
func (t *Tenant) Assuming(verified ...string) (*Tenant, finding.List) {
	domains := t.Domains()
	for _, name := range verified {
		host, err := endpoint.ParseHost(name)
		if err == nil {
			name = string(host)
		}
		if i := slices.IndexFunc(domains, func(d Domain) bool { return d.Name == name }); i >= 0 {
			domains[i].Verified = true
		} else {
			domains = append(domains, Domain{Name: name, Verified: true})
		}
	}
	return NewTenant(domains)
}

// maxDomainsFile bounds the file that ReadDomains takes; chosen: 5,000 domains with all their fields are some 4 MB.
const maxDomainsFile = 32 << 20

// ReadDomains reads the domains of a tenant as Microsoft Graph answers GET /domains (an object with "value"), as az rest
// and Get-MgDomain | ConvertTo-Json write it (an array, or one object). name stands in the errors, which are
// *finding.Problem.
func ReadDomains(name string, r io.Reader) ([]Domain, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDomainsFile+1))
	if err != nil {
		return nil, finding.Fail("signin.unreadable", err, "file", name)
	}
	if len(data) > maxDomainsFile {
		return nil, finding.Fail("signin.too-large", nil, "file", name, "max", strconv.Itoa(maxDomainsFile>>20))
	}
	text, ok := charset.UTF8(data)
	if !ok {
		return nil, finding.Fail("signin.encoding", nil, "file", name)
	}
	type entry struct {
		ID   string `json:"id"`
		Auth string `json:"authenticationType"`
		// Pointers, because a field that is missing must not count as false.
		Verified *bool `json:"isVerified"`
		Default  bool  `json:"isDefault"`
		Initial  bool  `json:"isInitial"`
	}
	var page struct {
		entry
		Value *[]entry `json:"value"`
		Next  string   `json:"@odata.nextLink"`
	}
	var list []entry
	text = bytes.TrimSpace(text)
	into := any(&page)
	if bytes.HasPrefix(text, []byte("[")) {
		into = &list
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, failJSON(name, text, err)
	}
	switch {
	case page.Next != "":
		return nil, finding.Fail("signin.domains-page", nil, "file", name)
	case page.Value != nil:
		list = *page.Value
	case page.ID != "":
		list = []entry{page.entry}
	}
	if len(list) == 0 {
		return nil, finding.Fail("signin.no-domains", nil, "file", name)
	}
	out := make([]Domain, 0, len(list))
	for _, e := range list {
		if e.ID == "" || e.Verified == nil {
			return nil, finding.Fail("signin.domain-fields", nil, "file", name, "name", e.ID)
		}
		out = append(out, Domain{Name: e.ID, Verified: *e.Verified, Default: e.Default, Initial: e.Initial, Federated: strings.EqualFold(e.Auth, "Federated")})
	}
	return out, nil
}

// failJSON is the problem of a file that is no JSON, or another one.
func failJSON(name string, text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := int64(-1)
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	}
	p := finding.Fail("signin.domains-json", nil, "file", name)
	if at >= 0 && at <= int64(len(text)) {
		before := text[:at]
		p.Findings[0].Pos = finding.Pos{File: name, Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n')}
	}
	return p
}
