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
	"slices"
	"strconv"
	"strings"

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
	// Records are those of which one verifies the domain; none where the source did not tell them, or nothing is to be verified.
	Records []Record `json:"records,omitempty"`
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
			before.Records = append(before.Records, d.Records...)
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
