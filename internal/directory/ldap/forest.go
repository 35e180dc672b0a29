package ldap

import (
	"context"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"sekisho/internal/finding"
)

// readRoot reads what the domain controller says of itself ([MS-ADTS], section 3.1.1.3.2).
func (c *controller) readRoot(ctx context.Context) error {
	request := goldap.NewSearchRequest("", goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, int(c.options.limits.request.Seconds()), false, "(objectClass=*)",
		[]string{"defaultNamingContext", "configurationNamingContext", "namingContexts", "supportedControl"}, nil)
	c.controls = map[string]bool{}
	_, err := c.search(ctx, request, func(e *goldap.Entry) error {
		c.domain = e.GetEqualFoldAttributeValue("defaultNamingContext")
		c.configuration = e.GetEqualFoldAttributeValue("configurationNamingContext")
		c.contexts = e.GetEqualFoldAttributeValues("namingContexts")
		for _, oid := range e.GetEqualFoldAttributeValues("supportedControl") {
			c.controls[oid] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.domain == "" || c.configuration == "" {
		return finding.Fail("ldap.not-ad", nil, "server", c.server.String())
	}
	return nil
}

// Flags of a crossRef's systemFlags ([MS-ADTS], section 2.2.10).
const (
	inForest = 1 // FLAG_CR_NTDS_NC
	isDomain = 2 // FLAG_CR_NTDS_DOMAIN
)

// readForest reads the UPN suffixes of the forest and its domains from the Partitions container of each forest, and says
// which domains are not read.
func (r *reading) readForest(parts []part) error {
	asked := map[string]bool{}
	for _, c := range r.servers {
		if key := foldDN(c.configuration); asked[key] {
			continue
		} else {
			asked[key] = true
		}
		request := goldap.NewSearchRequest("CN=Partitions,"+c.configuration, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, int(r.limits.request.Seconds()), false,
			"(|(objectClass=crossRef)(objectClass=crossRefContainer))", []string{"objectClass", "uPNSuffixes", "dnsRoot", "nCName", "systemFlags"}, nil)
		objects := 0
		err := r.pages(part{of: c, base: request.BaseDN}, request, func(e *goldap.Entry) (bool, error) {
			if objects++; objects > maxPartitions {
				return false, finding.Fail("ldap.repeats", nil, "server", c.server.String(), "count", itoa(maxPartitions))
			}
			r.tellUnread(c, e, parts)
			return true, r.builder.Add(object(e))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxPartitions bounds the container; chosen: a forest has at most 1,200 domains in practice.
const maxPartitions = 10_000

// tellUnread says that a domain of the forest is not among what is read.
func (r *reading) tellUnread(c *controller, e *goldap.Entry, parts []part) {
	flags, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("systemFlags"), 10, 64)
	if err != nil || flags&(inForest|isDomain) != inForest|isDomain {
		return
	}
	name := e.GetEqualFoldAttributeValue("nCName")
	if slices.ContainsFunc(parts, func(p part) bool { return foldDN(p.nc) == foldDN(name) }) {
		return
	}
	dns := strings.ToLower(e.GetEqualFoldAttributeValue("dnsRoot"))
	r.notice(finding.Warning, "other-domain", "server", c.server.String(), "domain", shown(dns))
}
