package restrict

import (
	"errors"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Well-known directory ids.
const (
	// consumerTenant holds the consumer accounts (Microsoft, "Set up tenant restrictions v2", page of 2025-04-14).
	consumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	// passthroughTenant decides whether consumer accounts may use Azure and Office.com by passthrough ("Use tenant
	// restrictions to manage access to SaaS cloud applications", page of 2021-11-16).
	passthroughTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
)

// samples are ids that stand in Microsoft's documentation in place of one's own. The first is the context of the v1
// page and no GUID at all; the others are the stand-ins of the newer pages.
var samples = [...]string{
	"456ff232-35l2-5h23-b3b3-3236w0826f3d",
	"aaaabbbb-0000-cccc-1111-dddd2222eeee",
	"bbbbcccc-1111-dddd-2222-eeee3333ffff",
	"1aaaaaa1-2bb2-3cc3-4dd4-5eeeeeeeeee5",
}

// standIns are labels of a domain, or whole entries, that say "write yours here". Hyphens and underscores are left out.
var standIns = map[string]bool{
	"yourtenant": true, "yourtenantid": true, "yourtenantname": true, "yourtenantdomain": true, "yourdomain": true,
	"yourdomainname": true, "yourcompany": true, "yourcompanyname": true, "yourorg": true, "yourorganization": true,
	"yourorganisation": true, "yourdirectory": true, "yourdirectoryid": true, "mytenant": true, "mytenantid": true,
	"mytenantname": true, "tenantname": true, "tenantid": true, "tenantdomain": true, "directoryid": true,
	"companyname": true, "organizationname": true, "policyid": true, "policyguid": true, "yourpolicyid": true,
	"permittedtenant": true, "permittedtenants": true, "permittedtenantlist": true, "sometenant": true,
	"exampletenant": true, "sampletenant": true, "changeme": true, "replaceme": true, "placeholder": true,
	"undefined": true, "null": true, "nil": true,
}

// tenantKind says how an entry names a tenant.
type tenantKind uint8

const (
	domainTenant tenantKind = iota + 1
	directoryTenant
)

// tenant judges one entry of the permitted tenants.
func (c *compiler) tenant(entry At) (tenantKind, bool) {
	switch {
	case entry.Text == "":
		c.add("restrict.tenant-empty", finding.Error, entry)
		return 0, false
	case c.suspicious(entry, entry.Text):
		return 0, false
	case strings.ContainsAny(entry.Text, "*?"):
		c.add("restrict.wildcard-tenant", finding.Error, entry)
		return 0, false
	case strings.ContainsAny(entry.Text, ",; "):
		c.add("restrict.several-tenants", finding.Error, entry)
		return 0, false
	case IsDirectoryID(entry.Text):
		switch strings.ToLower(entry.Text) {
		case consumerTenant:
			c.add("restrict.consumer-tenant", finding.Warning, entry)
		case passthroughTenant:
			c.add("restrict.passthrough-tenant", finding.Info, entry)
		}
		return directoryTenant, true
	}
	if c.oddID(entry) {
		return 0, false
	}
	return c.domain(entry)
}

// domain judges an entry that is no directory id.
func (c *compiler) domain(entry At) (tenantKind, bool) {
	host, err := endpoint.ParseHost(entry.Text)
	if err != nil {
		if e, ok := errors.AsType[*endpoint.ParseError](err); ok && e.Want != "" {
			c.add("restrict.tenant-form", finding.Error, entry, "want", e.Want)
			return 0, false
		}
		c.add("restrict.not-a-tenant", finding.Error, entry)
		return 0, false
	}
	name := string(host)
	labels := strings.Split(name, ".")
	if len(labels) < 2 || strings.Contains(name, "_") || name == "onmicrosoft.com" || name == "mail.onmicrosoft.com" {
		c.add("restrict.not-a-tenant", finding.Error, entry)
		return 0, false
	}
	if name != strings.ToLower(entry.Text) {
		c.add("restrict.tenant-form", finding.Error, entry, "want", name)
		return 0, false
	}
	if reservedDomain(labels) {
		c.add("restrict.reserved-domain", finding.Warning, entry)
	}
	return domainTenant, true
}

// reservedDomain reports whether nobody can own the domain (RFC 2606 and RFC 6761), so that no tenant can verify it.
func reservedDomain(labels []string) bool {
	top := labels[len(labels)-1]
	switch top {
	case "example", "invalid", "localhost", "test":
		return true
	case "com", "net", "org":
		return labels[len(labels)-2] == "example"
	}
	return false
}

// directory judges the context.
func (c *compiler) directory(at At) bool {
	switch {
	case at.Text == "":
		c.add("restrict.context-missing", finding.Error, at)
	case c.suspicious(at, at.Text), c.oddID(at):
	case !IsDirectoryID(at.Text):
		c.add("restrict.context-not-id", finding.Error, at)
	case strings.EqualFold(at.Text, consumerTenant) || strings.EqualFold(at.Text, passthroughTenant):
		c.add("restrict.context-not-own", finding.Error, at)
	default:
		return true
	}
	return false
}

// policy judges "tenant id:policy id" and returns the tenant id.
func (c *compiler) policy(at At) (string, bool) {
	if at.Text == "" {
		c.add("restrict.policy-missing", finding.Error, at)
		return "", false
	}
	tenant, policy, _ := strings.Cut(at.Text, ":")
	switch {
	case c.suspicious(at, tenant), c.suspicious(at, policy):
	case strings.ContainsAny(at.Text, "*?"):
		c.add("restrict.wildcard-tenant", finding.Error, at)
	case !IsDirectoryID(tenant) || !IsDirectoryID(policy):
		c.add("restrict.policy-form", finding.Error, at)
	case strings.EqualFold(tenant, consumerTenant) || strings.EqualFold(tenant, passthroughTenant):
		c.add("restrict.context-not-own", finding.Error, at)
	case strings.EqualFold(tenant, policy):
		c.add("restrict.policy-same-ids", finding.Error, at)
	default:
		return tenant, true
	}
	return "", false
}

// suspicious reports what no tenant is, whatever was to be written: text that a header cannot hold, Microsoft's sample
// ids, placeholders. text is at's text or a part of it.
func (c *compiler) suspicious(at At, text string) bool {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 }):
		c.add("restrict.header-character", finding.Error, at)
	case strings.TrimSpace(text) != text:
		c.add("restrict.tenant-form", finding.Error, at, "want", strings.Replace(at.Text, text, strings.TrimSpace(text), 1))
	case isSample(text):
		c.add("restrict.sample-id", finding.Error, at)
	case isPlaceholder(text):
		c.add("restrict.placeholder", finding.Error, at)
	default:
		return false
	}
	return true
}

func isSample(text string) bool {
	for _, s := range samples {
		if strings.EqualFold(s, strings.Trim(text, "{}")) {
			return true
		}
	}
	return false
}

// isPlaceholder reports whether text says "write yours here".
func isPlaceholder(text string) bool {
	if inner, ok := strings.CutPrefix(text, "{"); ok && IsDirectoryID(strings.TrimSuffix(inner, "}")) {
		return isEmptyID(strings.TrimSuffix(inner, "}")) // a GUID in registry form; oddID says how to write it
	}
	lower := strings.ToLower(text)
	if strings.ContainsAny(lower, "<>{}[]()$%") || strings.Contains(lower, "...") {
		return true
	}
	if IsDirectoryID(lower) {
		return isEmptyID(lower)
	}
	for part := range strings.FieldsFuncSeq(lower, func(r rune) bool { return r == '.' || r == '-' }) {
		if len(part) > 2 && strings.Trim(part, "x") == "" {
			return true
		}
	}
	for label := range strings.SplitSeq(lower, ".") {
		if standIns[strings.NewReplacer("-", "", "_", "", " ", "").Replace(label)] {
			return true
		}
	}
	return false
}

// isEmptyID reports whether every digit of id is 0, or every digit is f: the nil and max UUID (RFC 9562, section 5.9).
func isEmptyID(id string) bool {
	digits := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	return strings.Trim(digits, "0") == "" || strings.Trim(digits, "f") == ""
}

// oddID reports a directory id in another form than the one with hyphens alone.
func (c *compiler) oddID(at At) bool {
	text := strings.TrimPrefix(strings.ToLower(at.Text), "urn:uuid:")
	text = strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
	if len(text) == 32 && isHex(text) {
		text = text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
	}
	if !IsDirectoryID(text) || strings.EqualFold(text, at.Text) {
		return false
	}
	c.add("restrict.tenant-form", finding.Error, at, "want", text)
	return true
}

// IsDirectoryID reports whether s is written as a directory id is: a GUID, 8-4-4-4-12 hexadecimal digits in either case
// with hyphens and nothing else (RFC 9562, section 4). It does not ask whether such a directory exists.
func IsDirectoryID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, part := 0, 0; part < 5; part++ {
		n := [...]int{8, 4, 4, 4, 12}[part]
		if !isHex(s[i:i+n]) || part < 4 && s[i+n] != '-' {
			return false
		}
		i += n + 1
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < '0' || c > '9' || s[i] != c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
