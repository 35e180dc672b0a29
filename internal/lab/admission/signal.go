// Package admission judges, as Microsoft's pages describe it, whether a restriction signalled by request headers admits
// a sign-in.
//
//	s := admission.Read(r.Header, admission.Entra)
//	v := admission.Judge(dir, s, admission.Subject{Resource: fabrikam, Home: fabrikam})
//	if v.Code == admission.CodeV1 { ... }
//
// Rules: Microsoft, "Set up tenant restrictions v1" (MicrosoftDocs/entra-docs, docs/identity/enterprise-apps/
// tenant-restrictions.md, 2023-03-16) and "Set up tenant restrictions v2" (docs/external-id/tenant-restrictions-v2.md,
// 2025-04-14). Where these pages are silent the verdict names a switch of directory.Assumptions, or refuses to guess
// (Verdict.Misconfigured). The package reads headers with its own code on purpose: it is what a gateway is tested with.
package admission

import (
	"net/http"
	"strings"

	"sekisho/internal/finding"
)

// The header names, in the canonical form of net/http.
const (
	headerTenants = "Restrict-Access-To-Tenants"
	headerContext = "Restrict-Access-Context"
	headerPolicy  = "Sec-Restrict-Tenant-Access-Policy"
)

// RestrictMSA is the value that blocks consumer sign-in at login.live.com.
const RestrictMSA = "restrict-msa"

// Service is whose host received the headers; each has headers of its own.
type Service uint8

const (
	Entra Service = iota // login.microsoftonline.com, login.microsoft.com, login.windows.net
	MSA                  // login.live.com
)

// Signal is what the restriction headers of one request say. The zero value restricts nothing.
type Signal struct {
	HasTenants bool
	Tenants    []string // trimmed, lower case, without empty and repeated items
	Context    string   // lower case; "" when absent

	HasPolicy    bool
	PolicyTenant string // v2, lower case
	PolicyID     string // v2, lower case
	BlockMSA     bool   // restrict-msa

	// Findings are what is wrong with the headers. Doubt is the first of them that leaves the meaning open, so that
	// whoever acts on the signal would have to guess; nil when there is none.
	Findings finding.List
	Doubt    *finding.Finding
}

// Version names the kind of restriction that s carries: "", "v1", "v2" or "consumers". When several are given, all
// are named, joined by "+".
func (s Signal) Version() string {
	var v []string
	if s.HasTenants {
		v = append(v, "v1")
	}
	if s.PolicyTenant != "" {
		v = append(v, "v2")
	}
	if s.BlockMSA {
		v = append(v, "consumers")
	}
	return strings.Join(v, "+")
}

// Owner is the tenant that set the restriction: the v1 context or the v2 policy's tenant.
func (s Signal) Owner() string {
	if s.PolicyTenant != "" {
		return s.PolicyTenant
	}
	return s.Context
}

// Read takes the signal out of h. Optional white space around the items of a list is tolerated (RFC 9110, section
// 5.6.1; Microsoft's examples have both forms), letter case is folded.
func Read(h http.Header, at Service) Signal {
	var s Signal
	flag := func(f finding.Finding) { s.Findings = append(s.Findings, f) }
	doubt := func(f finding.Finding) {
		flag(f)
		if s.Doubt == nil {
			s.Doubt = &f
		}
	}
	one := func(name string) (string, bool) {
		values := h[name]
		if len(values) > 1 {
			doubt(finding.New("lab.duplicate-header", finding.Warning, finding.Pos{}, "header", name))
		}
		if len(values) == 0 {
			return "", false
		}
		return strings.ToLower(strings.TrimSpace(values[0])), true
	}

	tenants, ok := one(headerTenants)
	s.HasTenants = ok
	seen := map[string]bool{}
	for item := range strings.SplitSeq(tenants, ",") {
		if item = strings.TrimSpace(item); item != "" && !seen[item] {
			seen[item] = true
			s.Tenants = append(s.Tenants, item)
		}
	}
	if s.HasTenants && len(s.Tenants) == 0 {
		flag(finding.New("lab.empty-tenants", finding.Warning, finding.Pos{}))
	}
	s.Context, _ = one(headerContext)
	if s.Context != "" && !isGUID(s.Context) {
		flag(finding.New("lab.context-not-an-id", finding.Warning, finding.Pos{}))
	}
	if s.HasTenants && at == MSA {
		flag(finding.New("lab.tenants-at-consumers", finding.Warning, finding.Pos{}))
	}
	if s.HasTenants && s.Context == "" {
		flag(finding.New("lab.no-context", finding.Warning, finding.Pos{}))
	}

	policy, ok := one(headerPolicy)
	s.HasPolicy = ok
	switch tenant, id, found := strings.Cut(policy, ":"); {
	case !ok:
	case policy == RestrictMSA:
		s.BlockMSA = true
		if at == Entra {
			flag(finding.New("lab.consumer-value-at-entra", finding.Warning, finding.Pos{}))
		}
	case found && isGUID(tenant) && isGUID(id):
		s.PolicyTenant, s.PolicyID = tenant, id
	default:
		doubt(finding.New("lab.malformed-policy", finding.Warning, finding.Pos{}))
	}
	if s.HasTenants && s.PolicyTenant != "" {
		doubt(finding.New("lab.both-versions", finding.Warning, finding.Pos{}))
	}
	return s
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c < '0' || c > '9' && c < 'a' || c > 'f':
			return false
		}
	}
	return true
}
