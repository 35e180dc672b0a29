package policy

import (
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/restrict"
)

// consumerTenant is Microsoft's tenant of all personal accounts; /consumers is another word for it.
// Source: "Set up tenant restrictions v2" (https://learn.microsoft.com/entra/external-id/tenant-restrictions-v2).
const consumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Would says what enforcing would restrict in the sign-in request seen under d, a decision of a ring in report mode.
// tenant is the tenant that the request asked for: a domain, a directory id, or one of Microsoft's words; "" when the
// request names none.
//
// It is "" when d is not of a report ring or when enforcing would restrict nothing, WouldTenant when the permitted list
// of the ring's profile lacks the tenant, WouldConsumer for a personal account where those are blocked, and
// WouldUnknown when that cannot be told from the request:
//
//   - common and organizations: the account decides later which tenant it is;
//   - a directory id where the list has domains, or a domain where the list has directory ids only: which domain
//     belongs to which directory is not known offline. A tenant listed under one of its domains and asked for under
//     another counts as not permitted;
//   - version 2: the list stands in the cloud. Only the policy's own tenant is known not to be restricted.
func (p *Program) Would(d Decision, tenant string) Reason {
	if p == nil || !d.Allowed() || d.Mode != Report || d.Ring == "" {
		return ""
	}
	if d.Class != catalog.SignIn && d.Class != catalog.SignInConsumer {
		return ""
	}
	var r *ring
	for _, candidate := range p.rings {
		if candidate.Name == d.Ring {
			r = candidate
		}
	}
	if r == nil || r.Mode != Report {
		return WouldUnknown
	}
	profile := p.profile(r.Profile)
	if profile == nil {
		return WouldUnknown
	}
	tenant = strings.ToLower(strings.TrimSpace(tenant))
	switch {
	case profile.Version() == restrict.V2:
		if d.Class == catalog.SignIn && tenant != "" && strings.EqualFold(tenant, profile.Context()) {
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
	asked := restrict.IsDirectoryID(tenant)
	domains := 0
	for _, t := range profile.Permitted() {
		if !restrict.IsDirectoryID(t) {
			domains++
		}
	}
	if asked && domains > 0 || !asked && domains == 0 {
		return WouldUnknown
	}
	return WouldTenant
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
