package policy

import (
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/restrict"
)

// consumerTenant is Microsoft's tenant of all personal accounts; /consumers is another word for it.
// Source: "Set up tenant restrictions v2" (https://learn.microsoft.com/entra/external-id/tenant-restrictions-v2).
const consumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Directories knows which directory a tenant is (tenant.Book). It answers from what it knows already and does no I/O.
type Directories interface {
	// Directory returns the directory id of name, a domain or a directory id; known is false when it is not known.
	Directory(name string) (id string, known bool)
}

// Would says what enforcing would restrict in the sign-in request seen under d, a decision of a ring in report mode.
// tenant is the tenant that a token was issued by, else the one that the request asked for: a domain, a directory id, or
// one of Microsoft's words; "" when neither is seen.
//
// It is "" when d is not of a report ring or when enforcing would restrict nothing, WouldTenant when the permitted list
// of the ring's profile lacks the tenant, WouldConsumer for a personal account where those are blocked, and
// WouldUnknown when that is not known:
//
//   - common and organizations: the account decides later which tenant it is;
//   - a tenant that is not listed as it is spelled, while its directory or that of a listed domain is not known to
//     directories. Without directories (nil) two domains count as two tenants, and a directory id against a list of
//     domains is not known;
//   - version 2: the list stands in the cloud. Only the policy's own tenant is known not to be restricted.
func (p *Program) Would(d Decision, tenant string, directories Directories) Reason {
	r, profile := p.reports(d)
	if r == nil {
		return ""
	}
	if profile == nil {
		return WouldUnknown
	}
	tenant = strings.ToLower(strings.TrimSpace(tenant))
	switch {
	case profile.Version() == restrict.V2:
		if d.Class == catalog.SignIn && tenant != "" && same(directories, tenant, profile.Context()) {
			return ""
		}
		return WouldUnknown
	case d.Class == catalog.SignInConsumer:
		if !profile.BlocksConsumers() {
			return ""
		}
		return WouldConsumer
	}
	switch tenant {
	case "", "common", "organizations":
		return WouldUnknown
	case "consumers", consumerTenant:
		if listed(profile.Permitted(), consumerTenant) {
			return ""
		}
		if profile.BlocksConsumers() {
			return WouldConsumer
		}
		return WouldUnknown
	}
	if listed(profile.Permitted(), tenant) {
		return ""
	}
	if directories == nil {
		return asSpelled(profile.Permitted(), tenant)
	}
	id, known := directories.Directory(tenant)
	if !known {
		return WouldUnknown
	}
	all := true
	for _, t := range profile.Permitted() {
		permitted, known := directories.Directory(t)
		if known && strings.EqualFold(permitted, id) {
			return ""
		}
		all = all && known
	}
	if !all {
		return WouldUnknown
	}
	return WouldTenant
}

// WouldNeed lists the names whose directories decide what Would says: the tenant's and those of the permitted list. It is
// nil where directories decide nothing.
func (p *Program) WouldNeed(d Decision, tenant string) []string {
	r, profile := p.reports(d)
	if r == nil || profile == nil || d.Class != catalog.SignIn {
		return nil
	}
	switch tenant = strings.ToLower(strings.TrimSpace(tenant)); tenant {
	case "", "common", "organizations", "consumers", consumerTenant:
		return nil
	}
	if profile.Version() == restrict.V2 {
		return []string{tenant}
	}
	if listed(profile.Permitted(), tenant) {
		return nil
	}
	return append([]string{tenant}, profile.Permitted()...)
}

// reports returns the ring in report mode that d is of, with its profile; nil when d is of none.
func (p *Program) reports(d Decision) (*ring, *restrict.Profile) {
	if p == nil || !d.Allowed() || d.Mode != Report || d.Ring == "" || d.Class != catalog.SignIn && d.Class != catalog.SignInConsumer {
		return nil, nil
	}
	for _, r := range p.rings {
		if r.Name == d.Ring && r.Mode == Report {
			return r, p.profile(r.Profile)
		}
	}
	return &ring{}, nil // of an edition before this one: nothing is known
}

// asSpelled compares without knowing directories.
func asSpelled(permitted []string, tenant string) Reason {
	asked := restrict.IsDirectoryID(tenant)
	domains := 0
	for _, t := range permitted {
		if !restrict.IsDirectoryID(t) {
			domains++
		}
	}
	if asked && domains > 0 || !asked && domains == 0 {
		return WouldUnknown
	}
	return WouldTenant
}

// same reports whether tenant is known to be the directory id.
func same(directories Directories, tenant, id string) bool {
	if strings.EqualFold(tenant, id) {
		return true
	}
	if directories == nil {
		return false
	}
	found, known := directories.Directory(tenant)
	return known && strings.EqualFold(found, id)
}

// profile returns the compiled profile of that name, nil when there is none.
func (p *Program) profile(name string) *restrict.Profile {
	for _, f := range p.profiles {
		if f.Name() == name {
			return f
		}
	}
	return nil
}

func listed(tenants []string, tenant string) bool {
	for _, t := range tenants {
		if strings.EqualFold(t, tenant) {
			return true
		}
	}
	return false
}
