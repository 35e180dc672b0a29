package graph

import (
	"net/http"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
)

// Words of crossTenantAccessPolicyTargetConfiguration (Microsoft, "crossTenantAccessPolicyTarget resource type").
const (
	everyUser        = "AllUsers"
	everyApplication = "AllApplications"
	accessAllowed    = "allowed"
	accessBlocked    = "blocked"
)

// policy is the policy that Graph speaks of: the tenant's first. The lab may have several, to try them one beside the other;
// Graph has one for each tenant. ok is false when there is none yet: the service's default, which blocks nobody because
// nothing signals it.
func (x *exchange) policy() (*directory.Policy, bool) {
	if len(x.by.tenant.Policies) == 0 {
		return nil, false
	}
	return x.by.tenant.Policies[0], true
}

func target(name, kind string) map[string]string {
	return map[string]string{"target": name, "targetType": kind}
}

// restrictions is a rule as Graph shows it (Microsoft, "crossTenantAccessPolicyTenantRestrictions resource type").
func (x *exchange) restrictions(r directory.Rule) map[string]any {
	access := accessBlocked
	if r.Allow {
		access = accessAllowed
	}
	people, applications := []map[string]string{}, []map[string]string{}
	for _, upn := range r.Users {
		if p, ok := x.dir.Person(upn); ok {
			people = append(people, target(p.ID, "user"))
		}
	}
	for _, id := range r.Groups {
		people = append(people, target(id, "group"))
	}
	for _, id := range r.Applications {
		applications = append(applications, target(id, "application"))
	}
	if len(people) == 0 {
		people = append(people, target(everyUser, "user"))
	}
	if len(applications) == 0 {
		applications = append(applications, target(everyApplication, "application"))
	}
	return map[string]any{
		"devices":        nil,
		"usersAndGroups": map[string]any{"accessType": access, "targets": people},
		"applications":   map[string]any{"accessType": access, "targets": applications},
	}
}

// emptySettings are the parts of a policy that the lab does not have: they concern B2B collaboration, not restrictions.
func emptySettings(out map[string]any) map[string]any {
	for _, name := range []string{"b2bCollaborationInbound", "b2bCollaborationOutbound", "b2bDirectConnectInbound", "b2bDirectConnectOutbound", "inboundTrust", "automaticUserConsentSettings"} {
		out[name] = nil
	}
	return out
}

func (x *exchange) crossTenantPolicy() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	return x.entity(http.StatusOK, "policies/crossTenantAccessPolicy/$entity", map[string]any{
		"id": "crossTenantAccessPolicy", "displayName": "CrossTenantAccessPolicy", "allowedCloudEndpoints": []string{},
	})
}

// defaultPolicy follows "Get crossTenantAccessPolicyConfigurationDefault". Its id is what the header of tenant restrictions
// v2 names ("Set up tenant restrictions v2").
func (x *exchange) defaultPolicy() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	p, ok := x.policy()
	out := emptySettings(map[string]any{"isServiceDefault": !ok, "tenantRestrictions": nil})
	if ok {
		out["id"], out["tenantRestrictions"] = p.ID, x.restrictions(p.Default)
	}
	return x.entity(http.StatusOK, "policies/crossTenantAccessPolicy/default/$entity", out)
}

// partner is what p says of a tenant.
func (x *exchange) partner(id string, r directory.Rule) map[string]any {
	return emptySettings(map[string]any{"tenantId": id, "isServiceProvider": false, "isInMultiTenantOrganization": false, "tenantRestrictions": x.restrictions(r)})
}

func (x *exchange) listPartners() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	values := []map[string]any{}
	if p, ok := x.policy(); ok {
		for _, t := range x.dir.Tenants {
			if r, ok := p.Partners[t.ID]; ok {
				values = append(values, x.partner(t.ID, r))
			}
		}
	}
	x.answer(http.StatusOK, map[string]any{"@odata.context": x.base() + "/$metadata#policies/crossTenantAccessPolicy/partners", "value": values})
	return nil
}

func (x *exchange) getPartner() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	id := strings.ToLower(x.keys[0])
	if p, ok := x.policy(); ok {
		if r, ok := p.Partners[id]; ok {
			return x.entity(http.StatusOK, "policies/crossTenantAccessPolicy/partners/$entity", x.partner(id, r))
		}
	}
	return missing(id)
}

// rule reads tenantRestrictions. People and applications must have the same access: the lab's rule has one word for both.
func (b body) rule() (out directory.RuleEntry, f *failure) {
	r, ok, f := b.within("tenantRestrictions", "usersAndGroups", "applications", "devices")
	if f != nil {
		return out, f
	}
	if !ok {
		return out, invalid("tenantRestrictions", "The lab keeps tenantRestrictions of a policy, and nothing else.")
	}
	if raw, ok := r["devices"]; ok && string(raw) != "null" {
		return out, invalid("devices", "The lab knows no devices in tenantRestrictions.")
	}
	for _, part := range []string{"usersAndGroups", "applications"} {
		side, ok, f := r.within(part, "accessType", "targets")
		if f != nil {
			return out, f
		}
		if !ok {
			return out, invalid(part, "A value is required for property '%s'.", part)
		}
		access, f := side.needed("accessType")
		if f != nil {
			return out, f
		}
		word, known := map[string]string{accessAllowed: "allow", accessBlocked: "block"}[access]
		switch {
		case !known:
			return out, invalid("accessType", "Invalid value '%s' specified for property 'accessType'; write allowed or blocked.", clip(access, 40))
		case out.Access != "" && out.Access != word:
			return out, invalid("accessType", "In the lab usersAndGroups and applications have the same accessType.")
		}
		out.Access = word
		if f := side.targets(part, &out); f != nil {
			return out, f
		}
	}
	return out, nil
}

// targets reads the targets of one side into out. "All…" stands alone and means an empty list.
func (b body) targets(part string, out *directory.RuleEntry) *failure {
	list, ok, f := value[[]body](b, "targets")
	if f != nil {
		return f
	}
	if !ok || len(list) == 0 {
		return invalid("targets", "A value is required for property 'targets' of '%s'.", part)
	}
	for _, one := range list {
		for name := range one {
			if name != "target" && name != "targetType" && !strings.HasPrefix(name, "@odata.") {
				return invalid("targets", "Invalid property '%s' in 'targets'.", clip(name, 80))
			}
		}
		name, f := one.needed("target")
		if f != nil {
			return f
		}
		kind, f := one.needed("targetType")
		if f != nil {
			return f
		}
		all := everyUser
		if part == "applications" {
			all = everyApplication
		}
		switch {
		case name == all && len(list) == 1 && (kind == "user" || kind == "application"):
			return nil
		case !isGUID(strings.ToLower(name)):
			return invalid("target", "Invalid value '%s' specified for property 'target'; write an object id, or %s alone.", clip(name, 80), all)
		case part == "applications" && kind == "application":
			out.Applications = append(out.Applications, strings.ToLower(name))
		case part == "usersAndGroups" && kind == "user":
			out.Users = append(out.Users, strings.ToLower(name))
		case part == "usersAndGroups" && kind == "group":
			out.Groups = append(out.Groups, strings.ToLower(name))
		default:
			return invalid("targetType", "Invalid value '%s' specified for property 'targetType' in '%s'.", clip(kind, 40), part)
		}
	}
	return nil
}

// onPolicy changes the tenant's first policy, which is made when there is none.
func (x *exchange) onPolicy(change func(*directory.PolicyEntry) error) *failure {
	return x.changed(func(d *directory.Draft) error {
		t, err := d.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		if len(t.Policies) == 0 {
			t.Policies = append(t.Policies, &directory.PolicyEntry{ID: newID(), Default: directory.RuleEntry{Access: "allow"}})
		}
		return change(t.Policies[0])
	})
}

func (x *exchange) updateDefaultPolicy() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("tenantRestrictions")
	if f != nil {
		return f
	}
	r, f := b.rule()
	if f != nil {
		return f
	}
	if f := x.onPolicy(func(p *directory.PolicyEntry) error { p.Default = r; return nil }); f != nil {
		return f
	}
	return x.done()
}

// entry is r for the tenant id.
func entry(id string, r directory.RuleEntry) *directory.PartnerEntry {
	return &directory.PartnerEntry{Tenant: id, Access: r.Access, Users: r.Users, Groups: r.Groups, Applications: r.Applications}
}

func (x *exchange) createPartner() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("tenantId", "tenantRestrictions")
	if f != nil {
		return f
	}
	id, f := b.needed("tenantId")
	if f != nil {
		return f
	}
	id = strings.ToLower(id)
	if _, ok := x.dir.Tenant(id); !ok || !isGUID(id) || id == x.by.tenant.ID {
		return invalid("tenantId", "'%s' is no other tenant of the lab.", clip(id, 80))
	}
	r, f := b.rule()
	if f != nil {
		return f
	}
	if f := x.onPolicy(func(p *directory.PolicyEntry) error {
		if x.partnerAt(p, id) >= 0 {
			return x.refused("A configuration for the tenant '%s' already exists.", id).err()
		}
		p.Partners = append(p.Partners, entry(id, r))
		return nil
	}); f != nil {
		return f
	}
	p, _ := x.policy()
	x.w.Header().Set("Location", x.base()+"/policies/crossTenantAccessPolicy/partners/"+id)
	return x.entity(http.StatusCreated, "policies/crossTenantAccessPolicy/partners/$entity", x.partner(id, p.Partners[id]))
}

// partnerAt is where p speaks of the tenant id, by whichever of its names; -1 when it does not.
func (x *exchange) partnerAt(p *directory.PolicyEntry, id string) int {
	return slices.IndexFunc(p.Partners, func(e *directory.PartnerEntry) bool {
		t, ok := x.dir.Tenant(strings.TrimSpace(e.Tenant))
		return ok && t.ID == id
	})
}

func (x *exchange) updatePartner() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("tenantRestrictions")
	if f != nil {
		return f
	}
	r, f := b.rule()
	if f != nil {
		return f
	}
	return x.onPartner(func(p *directory.PolicyEntry, i int, id string) { p.Partners[i] = entry(id, r) })
}

func (x *exchange) deletePartner() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	return x.onPartner(func(p *directory.PolicyEntry, i int, _ string) { p.Partners = slices.Delete(p.Partners, i, i+1) })
}

func (x *exchange) onPartner(change func(p *directory.PolicyEntry, i int, id string)) *failure {
	id := strings.ToLower(x.keys[0])
	if _, ok := x.policy(); !ok {
		return missing(id)
	}
	if f := x.onPolicy(func(p *directory.PolicyEntry) error {
		i := x.partnerAt(p, id)
		if i < 0 {
			return missing(id).err()
		}
		change(p, i, id)
		return nil
	}); f != nil {
		return f
	}
	return x.done()
}
