package graph

import (
	"net/http"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
)

// route is one thing that may be asked. Permissions are alternatives: one of them is enough.
type route struct {
	method string
	// path behind the version; "{}" stands for a key.
	path string
	// application and delegated are the permissions of Microsoft's page on the operation, the least privileged first; none:
	// not for such tokens.
	application, delegated []string
	// administrator asks of people that they are administrators, where the page asks for a directory role.
	administrator bool
	// guests may ask, too. Without it they may not ("Default user permissions in Microsoft Entra ID": guests cannot
	// enumerate users and groups).
	guests bool
	serve  func(*exchange) *failure
}

// The permissions that come in many rows (Microsoft, "Microsoft Graph permissions reference").
var (
	readUsers    = []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeUsers   = []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}
	readGroups   = []string{"Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeGroups  = []string{"Group.ReadWrite.All", "Directory.ReadWrite.All"}
	readMembers  = append([]string{"GroupMember.Read.All", "GroupMember.ReadWrite.All"}, readGroups...)
	writeMembers = append([]string{"GroupMember.ReadWrite.All"}, writeGroups...)
	readDomains  = []string{"Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	ownDomains   = []string{"Domain.Read.All", "Domain.ReadWrite.All"}
	writeDomains = []string{"Domain.ReadWrite.All"}
	readApps     = []string{"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeApps    = []string{"Application.ReadWrite.All", "Directory.ReadWrite.All"}
	readPolicy   = []string{"Policy.Read.All", "Policy.ReadWrite.CrossTenantAccess"}
	writePolicy  = []string{"Policy.ReadWrite.CrossTenantAccess"}
	readLog      = []string{"AuditLog.Read.All"}
	readMe       = append([]string{"User.Read", "User.ReadWrite", "User.ReadBasic.All"}, readUsers...)
	readBasic    = append([]string{"User.ReadBasic.All"}, readUsers...)
	readOrg      = []string{"Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	readOwnOrg   = append([]string{"User.Read", "User.ReadWrite"}, readOrg...)
	inviteGuests = []string{"User.Invite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}
)

// routes is the table of all that the lab's Graph answers.
func routes() []route {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return slices.Concat([]route{
		{get, "me", nil, readMe, false, true, (*exchange).me},
		{get, "me/memberOf", nil, readUsers, false, true, (*exchange).myGroups},

		{get, "users", readUsers, readBasic, false, false, (*exchange).listUsers},
		{get, "users/$count", readUsers, readBasic, false, false, (*exchange).countUsers},
		{get, "users/{}", readUsers, readMe, false, true, (*exchange).getUser},
		{get, "users/{}/memberOf", readUsers, readUsers, false, true, (*exchange).userGroups},
		{get, "users/{}/transitiveMemberOf", readUsers, readUsers, false, true, (*exchange).userAllGroups},
		{post, "users", writeUsers, writeUsers, true, false, (*exchange).createUser},
		{patch, "users/{}", writeUsers, writeUsers, true, false, (*exchange).updateUser},
		{del, "users/{}", writeUsers, writeUsers, true, false, (*exchange).deleteUser},
		{post, "invitations", inviteGuests, inviteGuests, true, false, (*exchange).invite},

		{get, "groups", readGroups, readGroups, false, false, (*exchange).listGroups},
		{get, "groups/$count", readGroups, readGroups, false, false, (*exchange).countGroups},
		{get, "groups/{}", readGroups, readGroups, false, true, (*exchange).getGroup},
		{post, "groups", writeGroups, writeGroups, true, false, (*exchange).createGroup},
		{patch, "groups/{}", writeGroups, writeGroups, true, false, (*exchange).updateGroup},
		{del, "groups/{}", writeGroups, writeGroups, true, false, (*exchange).deleteGroup},
		{get, "groups/{}/members", readMembers, readMembers, false, true, (*exchange).listMembers},
		{post, "groups/{}/members/$ref", writeMembers, writeMembers, true, false, (*exchange).addMember},
		{del, "groups/{}/members/{}/$ref", writeMembers, writeMembers, true, false, (*exchange).removeMember},

		{get, "domains", readDomains, readDomains, true, false, (*exchange).listDomains},
		{get, "domains/{}", readDomains, readDomains, true, false, (*exchange).getDomain},
		{get, "domains/{}/verificationDnsRecords", ownDomains, ownDomains, true, false, (*exchange).verificationRecords},
		{get, "domains/{}/domainNameReferences", ownDomains, ownDomains, true, false, (*exchange).domainReferences},
		{post, "domains", writeDomains, writeDomains, true, false, (*exchange).createDomain},
		{post, "domains/{}/verify", writeDomains, writeDomains, true, false, (*exchange).verifyDomain},
		{patch, "domains/{}", writeDomains, writeDomains, true, false, (*exchange).updateDomain},
		{del, "domains/{}", writeDomains, writeDomains, true, false, (*exchange).deleteDomain},
	}, []route{
		{get, "organization", readOrg, readOwnOrg, false, true, (*exchange).listOrganisation},
		{get, "organization/{}", readOrg, readOwnOrg, false, true, (*exchange).getOrganisation},

		{get, "applications", readApps, readApps, false, false, (*exchange).listApplications},
		{get, "applications/$count", readApps, readApps, false, false, (*exchange).countApplications},
		{get, "applications/{}", readApps, readApps, false, false, (*exchange).getApplication},
		{post, "applications", writeApps, writeApps, true, false, (*exchange).createApplication},
		{patch, "applications/{}", writeApps, writeApps, true, false, (*exchange).updateApplication},
		{del, "applications/{}", writeApps, writeApps, true, false, (*exchange).deleteApplication},
		{post, "applications/{}/addPassword", writeApps, writeApps, true, false, (*exchange).addPassword},
		{post, "applications/{}/removePassword", writeApps, writeApps, true, false, (*exchange).removePassword},

		{get, "servicePrincipals", readApps, readApps, false, false, (*exchange).listPrincipals},
		{get, "servicePrincipals/$count", readApps, readApps, false, false, (*exchange).countPrincipals},
		{get, "servicePrincipals/{}", readApps, readApps, false, false, (*exchange).getPrincipal},
		{post, "servicePrincipals", writeApps, writeApps, true, false, (*exchange).createPrincipal},
		{del, "servicePrincipals/{}", writeApps, writeApps, true, false, (*exchange).deletePrincipal},

		{get, "policies/crossTenantAccessPolicy", readPolicy, readPolicy, true, false, (*exchange).crossTenantPolicy},
		{get, "policies/crossTenantAccessPolicy/default", readPolicy, readPolicy, true, false, (*exchange).defaultPolicy},
		{patch, "policies/crossTenantAccessPolicy/default", writePolicy, writePolicy, true, false, (*exchange).updateDefaultPolicy},
		{get, "policies/crossTenantAccessPolicy/partners", readPolicy, readPolicy, true, false, (*exchange).listPartners},
		{get, "policies/crossTenantAccessPolicy/partners/{}", readPolicy, readPolicy, true, false, (*exchange).getPartner},
		{post, "policies/crossTenantAccessPolicy/partners", writePolicy, writePolicy, true, false, (*exchange).createPartner},
		{patch, "policies/crossTenantAccessPolicy/partners/{}", writePolicy, writePolicy, true, false, (*exchange).updatePartner},
		{del, "policies/crossTenantAccessPolicy/partners/{}", writePolicy, writePolicy, true, false, (*exchange).deletePartner},

		{get, "auditLogs/signIns", readLog, readLog, true, false, (*exchange).listSignIns},
		{get, "auditLogs/signIns/{}", readLog, readLog, true, false, (*exchange).getSignIn},
	})
}

// route finds what is asked. An unknown path is told from a method that it does not have.
func (x *exchange) route() (route, *failure) {
	segments := keySegments(x.path)
	if len(segments) == 0 {
		return route{}, unknownSegment("")
	}
	method := x.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allowed []string
	for _, r := range x.s.routes {
		keys, ok := match(r.path, segments)
		if !ok || slices.Contains(keys, "$count") { // which is a path of its own
			continue
		}
		if r.method == method {
			x.keys = keys
			return r, nil
		}
		allowed = append(allowed, r.method)
	}
	if len(allowed) > 0 {
		return route{}, x.notAllowed(strings.Join(allowed, ", "))
	}
	for _, r := range x.s.routes {
		if first, _, _ := strings.Cut(r.path, "/"); strings.EqualFold(first, segments[0]) {
			return route{}, unknownSegment(segments[len(segments)-1])
		}
	}
	return route{}, unknownSegment(segments[0])
}

// match compares segments with a route's path, letter case aside, and returns what stands for its braces.
func match(path string, segments []string) (keys []string, ok bool) {
	i := 0
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case i >= len(segments):
			return nil, false
		case part == "{}":
			keys = append(keys, segments[i])
		case !strings.EqualFold(part, segments[i]):
			return nil, false
		}
		i++
	}
	return keys, i == len(segments)
}

// keySegments divides the forms users('…') and applications(appId='…') of a path in two: "users", "…" and "applications",
// "appId='…'" (OData 4.01, Part 2, section 4.3.1; Microsoft, "Get application").
func keySegments(path []string) []string {
	var out []string
	for _, segment := range path {
		name, key, ok := strings.Cut(segment, "(")
		switch {
		case !ok || name == "" || !strings.HasSuffix(key, "')"):
		case strings.HasPrefix(key, "'") && len(key) > 3:
			out = append(out, name, strings.ReplaceAll(key[1:len(key)-2], "''", "'"))
			continue
		case strings.Contains(key, "='"):
			out = append(out, name, strings.TrimSuffix(key, ")"))
			continue
		}
		out = append(out, segment)
	}
	return out
}

// permit refuses what the token does not permit.
func (x *exchange) permit(r route) *failure {
	if x.by.account == nil {
		switch {
		case len(r.application) == 0 && strings.HasPrefix(r.path, "me"):
			return &failure{status: http.StatusBadRequest, code: "BadRequest", text: "/me request is only valid with delegated authentication flow."}
		case !intersects(r.application, x.by.granted):
			return x.unpermitted(r)
		}
		return nil
	}
	// Personal accounts have no directory that Graph would show ("Not supported" on the pages), but for their own entry.
	self := len(x.keys) == 1 && x.isSelf(x.keys[0])
	switch {
	case !intersects(r.delegated, x.by.granted),
		x.by.tenant.Kind != directory.Organisation && r.path != "me",
		r.administrator && !x.by.account.Administrator,
		x.by.account.Guest() && !r.guests && !x.by.account.Administrator:
		return x.unpermitted(r)
	case r.path == "users/{}" && !self && !intersects(readBasic, x.by.granted): // User.Read is about oneself
		return denied()
	}
	return nil
}

// unpermitted is the refusal; the reports' interface words it differently ("List signIns").
func (x *exchange) unpermitted(r route) *failure {
	if strings.HasPrefix(r.path, "auditLogs/") && !intersects(slices.Concat(r.application, r.delegated), x.by.granted) {
		return &failure{status: http.StatusForbidden, code: "Authentication_MSGraphPermissionMissing",
			text: "Calling principal does not have required MSGraph permissions AuditLog.Read.All"}
	}
	return denied()
}

// isSelf reports whether key names the caller.
func (x *exchange) isSelf(key string) bool {
	a := x.by.account
	return a != nil && (strings.EqualFold(key, a.ID) || strings.EqualFold(key, a.PrincipalName()))
}

func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
