package admission

import (
	"slices"

	"sekisho/internal/finding"
	"sekisho/internal/lab/directory"
)

// AADSTS codes of refusals (Microsoft, "Microsoft Entra authentication and authorization error codes", 2024-04-24; the
// second from "Set up tenant restrictions v2").
const (
	CodeV1 = 500021  // access to '{tenant}' tenant is denied: not in Restrict-Access-To-Tenants
	CodeV2 = 5000211 // a tenant restrictions v2 policy does not allow access to '{tenant}'
)

// Subject is who wants what. Nil fields are not known yet and not tested.
type Subject struct {
	Resource    *directory.Tenant      // whose token is asked for
	Home        *directory.Tenant      // of the person; nil for an application alone
	Person      *directory.User        // nil when nobody is named yet, or for an application alone
	Application *directory.Application // the client; nil when unknown
	AppOnly     bool                   // a service principal
	// Through tells of a personal account that signs in through "Microsoft Services".
	Through bool
	// PrincipalHome is the tenant whose service principal it is, for AppOnly.
	PrincipalHome *directory.Tenant
}

// Verdict is the answer. The zero value admits without a test, as the pages say of requests without the headers.
type Verdict struct {
	Code          int               // 0 admits; CodeV1 or CodeV2 refuses
	Denied        *directory.Tenant // the tenant that the refusal names
	Misconfigured *finding.Finding  // the headers leave the meaning open: the lab refuses to guess
	PolicyID      string            // the v2 policy under which the sign-in was admitted: goes into the token (xms_trpid)
	Assumptions   []string
}

// Admitted reports whether the sign-in may go on.
func (v Verdict) Admitted() bool { return v.Code == 0 && v.Misconfigured == nil }

// Judge tests sub against s. The resource tenant and the home tenant are both tested under v1 (a guest needs both:
// Microsoft Japan, jpazureid, "tenant-restriction", 2023-03-02).
func Judge(dir *directory.Directory, s Signal, sub Subject) Verdict {
	switch {
	case s.Doubt != nil:
		return Verdict{Misconfigured: s.Doubt, Assumptions: []string{directory.AssumedMisconfigured}}
	case s.PolicyTenant != "":
		return judgeV2(dir, s, sub)
	case s.HasTenants:
		return judgeV1(s, sub)
	}
	return Verdict{}
}

func judgeV1(s Signal, sub Subject) Verdict {
	var v Verdict
	for _, t := range []*directory.Tenant{sub.Resource, sub.Home} {
		if t == nil {
			continue
		}
		// The v1 pages give consumer accounts a header of their own at another host, and say that a consumer who is
		// a guest is decided by the resource tenant: the consumers' tenant itself is not looked up in the list.
		if t.Kind == directory.Consumers {
			v.Assumptions = append(v.Assumptions, directory.AssumedConsumersNotInV1)
			continue
		}
		if !slices.ContainsFunc(s.Tenants, t.Named) {
			return Verdict{Code: CodeV1, Denied: t, Assumptions: v.Assumptions}
		}
	}
	return v
}

// judgeV2 follows the matrix of "universal tenant restrictions" (2025-02-21): members of the policy's tenant, and
// anybody who is a guest inside it, are not evaluated; foreign identities in foreign tenants are.
func judgeV2(dir *directory.Directory, s Signal, sub Subject) Verdict {
	owner, ok := dir.Tenant(s.PolicyTenant)
	var policy *directory.Policy
	if ok {
		policy, ok = owner.Policy(s.PolicyID)
	}
	if !ok {
		f := finding.New("lab.unknown-policy", finding.Warning, finding.Pos{})
		return Verdict{Misconfigured: &f, Assumptions: []string{directory.AssumedMisconfigured}}
	}
	// Traffic through "Microsoft Services" is not blocked by v2 ("Set up tenant restrictions v2").
	if sub.Resource == nil || sub.Resource.Kind == directory.Passthrough || sub.Resource == owner || sub.Home == owner || sub.AppOnly && sub.PrincipalHome == owner {
		return Verdict{PolicyID: policy.ID}
	}
	// Whose sign-in it is decides whether it is evaluated at all, so that nothing is refused before the home tenant is known;
	// nor are personal accounts that pass through ("Set up tenant restrictions v2").
	if !sub.AppOnly && sub.Home == nil || sub.Through {
		return Verdict{PolicyID: policy.ID}
	}
	v := Verdict{PolicyID: policy.ID, Assumptions: []string{directory.AssumedPartnerIsResource}}
	if sub.AppOnly {
		return Verdict{Code: CodeV2, Denied: sub.Resource, Assumptions: []string{directory.AssumedPrincipalsBlocked}}
	}
	rule, partner := policy.Partners[sub.Resource.ID]
	if !partner {
		rule = policy.Default
	}
	about, nested := applies(rule, sub)
	if nested {
		v.Assumptions = append(v.Assumptions, directory.AssumedNestedGroups)
	}
	if about != rule.Allow {
		return Verdict{Code: CodeV2, Denied: sub.Resource, Assumptions: v.Assumptions}
	}
	return v
}

// applies reports whether r speaks of sub: its lists name the user (or a group of the user) and the application, or are
// empty; nested tells that only a group within a named group does. What is not known yet is taken to the subject's favour;
// it is tested again when it is known.
func applies(r directory.Rule, sub Subject) (about, nested bool) {
	if sub.Person == nil && len(r.Users)+len(r.Groups) > 0 || sub.Application == nil && len(r.Applications) > 0 {
		return r.Allow, false
	}
	named, nested := r.Names(sub.Person)
	about = named && (len(r.Applications) == 0 || slices.Contains(r.Applications, sub.Application.ID))
	return about, nested && about
}

// JudgeConsumer tests a personal account at the consumers' own sign-in. Blocked tells that the consumers' page
// (80045C4D) is due; app may be nil.
func JudgeConsumer(dir *directory.Directory, s Signal, person *directory.User, app *directory.Application) (blocked bool, v Verdict) {
	if s.Doubt != nil {
		return false, Judge(dir, s, Subject{})
	}
	if s.PolicyTenant != "" {
		v = Judge(dir, s, Subject{Resource: dir.OfKind(directory.Consumers), Home: dir.OfKind(directory.Consumers), Person: person, Application: app})
		return v.Code != 0, v
	}
	return s.BlockMSA, Verdict{}
}
