package node

import (
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
)

// Preview says what the policy, and the files that the configuration names, have against a draft: a configuration with
// problems of its own, of which every refused value is missing. Only what is wrong with a single value that is well formed
// is said, at its place: whatever speaks of several values, or of one that is not there, may come from what was refused.
func Preview(draft *config.Config, problems finding.List, snapshot *catalog.Snapshot) finding.List {
	_, found := Compile(draft, snapshot)
	return slices.DeleteFunc(found, func(f finding.Finding) bool {
		return f.Severity != finding.Error || !f.Pos.Known() || !standsAlone(f) ||
			slices.ContainsFunc(problems, func(p finding.Finding) bool { return p.Pos == f.Pos })
	})
}

// standsAlone reports whether f is about one value, whatever stands elsewhere in the configuration.
func standsAlone(f finding.Finding) bool {
	switch f.Code {
	case "policy.unknown-feature", "policy.host-sign-in", "policy.inspect-forbidden",
		"policy.alias-sign-in", "policy.alias-retired", "policy.alias-unknown",
		"policy.pac-direct-sign-in", "policy.pac-direct-beneath", "policy.no-sni-sign-in",
		"restrict.wildcard-tenant", "restrict.several-tenants", "restrict.tenant-form", "restrict.not-a-tenant",
		"restrict.sample-id", "restrict.placeholder", "restrict.header-character", "restrict.context-not-id",
		"restrict.context-not-own", "restrict.policy-form", "restrict.policy-same-ids",
		"catalog.unknown-location":
		return true
	}
	return strings.HasPrefix(f.Code, "caller.") // what stands in the password and group files
}
