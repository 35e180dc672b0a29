package signin

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"sekisho/internal/directory"
)

// Method is how people sign in. The zero value is password hash synchronisation, which the pages recommend to most.
type Method uint8

const (
	PasswordHash Method = iota
	PassThrough
	ADFS
	Ping
	NoMethod // not configured here: an older AD FS or a third party goes on as it is
)

// Methods are all methods by the codes that the command line takes.
func Methods() map[string]Method {
	return map[string]Method{"phs": PasswordHash, "pta": PassThrough, "adfs": ADFS, "ping": Ping, "none": NoMethod}
}

// String is the code of the method.
func (m Method) String() string { return [...]string{"phs", "pta", "adfs", "ping", "none"}[m] }

// MarshalText makes Method print as its code.
func (m Method) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Federated reports whether another system signs people in.
func (m Method) Federated() bool { return m == ADFS || m == Ping }

// Options say what to plan for. The zero value is userPrincipalName with password hash synchronisation, now in 1970: set
// Now wherever accounts can expire.
type Options struct {
	Attribute string // LDAP name of the attribute that people sign in with; "": userPrincipalName
	Method    Method
	Now       time.Time
	// Rename are suffixes, in lower case, that people would have instead; nil: as it is.
	Rename map[string]string
	// Existing are the objects that the tenant holds already; nil: they are not looked at.
	Existing []Existing
}

// alternate reports whether another attribute than userPrincipalName is used.
func (o Options) alternate() bool {
	return o.Attribute != "" && !strings.EqualFold(o.Attribute, "userPrincipalName")
}

// Row is what becomes of one object of the directory.
type Row struct {
	*directory.Account
	Value    string // of the chosen attribute
	Suffix   string // of Value, in lower case
	Cloud    Synced
	Anchor   string // immutable id, base64 of objectGUID; what a tenant that is set up already chose is not known
	Implicit bool   // Value is sAMAccountName at the domain, because there is no userPrincipalName
	Excluded string // the rule by which the default configuration does not synchronise it; "": it is synchronised
	// Matched is the object of the tenant that the synchronisation takes over; nil: none, or nobody looked.
	Matched  *Existing
	Findings []*Rule // in the order of Rules, each once
}

// Plan is what becomes of every account.
type Plan struct {
	Options  Options
	Tenant   *Tenant
	Rows     []Row // in the order of the directory
	Findings []Finding
	Suffixes []SuffixRow
}

// Make plans the first synchronisation of d into t.
func Make(d *directory.Directory, t *Tenant, o Options) *Plan {
	o.Attribute = cmp.Or(o.Attribute, "userPrincipalName")
	p := &Plan{Options: o, Tenant: t, Rows: make([]Row, len(d.Accounts))}
	finder := &finder{plan: p, by: map[finderKey]int{}}
	for i := range d.Accounts {
		p.Rows[i] = p.row(&d.Accounts[i], d)
	}
	for i := range p.Rows {
		finder.row(i, d.Chosen)
	}
	finder.duplicates()
	if len(o.Existing) > 0 {
		finder.tenant(o.Existing)
	}
	finder.finish()
	p.Suffixes = suffixRows(d, p)
	return p
}

func (p *Plan) row(a *directory.Account, d *directory.Directory) Row {
	r := Row{Account: a, Excluded: excluded(a, d.Seen["samaccountname"]), Anchor: base64.StdEncoding.EncodeToString(a.GUID)}
	if !a.Kind.Person() {
		return r
	}
	if values := a.Values(p.Options.Attribute, d.Chosen); len(values) > 0 {
		// Which one of several the wizard would take no page says; the finding says that there are several.
		r.Value = values[0]
	}
	if r.Value == "" && !p.Options.alternate() && a.SAM != "" && a.Domain() != "" {
		// The default rule "In from AD - User AccountEnabled" makes the name of these two where there is none.
		r.Value, r.Implicit = a.SAM+"@"+a.Domain(), true
	}
	if prefix, suffix, ok := directory.CutLast(r.Value); ok {
		if instead, renamed := p.Options.Rename[strings.ToLower(suffix)]; renamed {
			r.Value = prefix + "@" + instead
		}
	}
	r.Suffix = suffixOf(r.Value)
	r.Cloud = Sync(nil, NewPerson(r.Value, a.MailNickname, a.Mail, a.Proxies), p.Tenant)
	return r
}

// NewPerson is the person of these attributes: the value to sign in with, mailNickname, mail and proxyAddresses.
func NewPerson(value, nickname, mail string, proxies []string) Person {
	primary, secondary := addresses(proxies)
	return Person{Nickname: nickname, Primary: primary, Secondary: secondary, Mail: mail, Name: value}
}

// addresses are the primary and the first secondary SMTP address of proxyAddresses: the prefix in capitals marks the
// primary one. Those with nothing before the @ are none.
func addresses(proxies []string) (primary, secondary string) {
	for _, proxy := range proxies {
		if len(proxy) <= len("SMTP:") || !strings.EqualFold(proxy[:len("SMTP:")], "SMTP:") || proxy[len("SMTP:")] == '@' {
			continue
		}
		switch address := proxy[len("SMTP:"):]; {
		case strings.HasPrefix(proxy, "SMTP:"):
			primary = cmp.Or(primary, address)
		default:
			secondary = cmp.Or(secondary, address)
		}
	}
	return primary, secondary
}

// Bits of msExchRecipientTypeDetails that the default rules ask for (pageDefault), and the bit of groupType that makes a
// group one of security ([MS-ADTS], section 2.2.12, GROUP_TYPE_SECURITY_ENABLED).
const (
	exchangeMask  = 0x21C07000 // users that would not work in Exchange Online: system mailboxes, public folders and others
	roleGroup     = 0x40000000
	securityGroup = 0x80000000
)

// mailEnabled is the rule by which a distribution group is synchronised: proxyAddresses are there, and an address with an @
// is the primary one or mail.
func mailEnabled(a *directory.Account) bool {
	primary, _ := addresses(a.Proxies)
	return len(a.Proxies) > 0 && (strings.Contains(primary, "@") || strings.Contains(a.Mail, "@"))
}

// excluded is the rule of the default configuration by which an object is not synchronised, by its stable code. named says
// that sAMAccountName was exported, so that a person without one has none.
func excluded(a *directory.Account, named bool) string {
	has := func(value, prefix string) bool {
		return len(value) >= len(prefix) && strings.EqualFold(value[:len(prefix)], prefix)
	}
	switch {
	case strings.Contains(strings.ToUpper(a.DN), `\0ACNF:`):
		return "replication-victim"
	case a.SystemObject:
		return "system-object"
	case a.Kind == directory.Contact && (a.Mail == "" || len(a.Proxies) == 0):
		return "contact-without-address"
	case a.Kind == directory.Contact && has(a.MailNickname, "CAS_") && strings.Contains(a.MailNickname, "}"):
		return "exchange-account"
	case a.Kind == directory.Group && strings.EqualFold(a.SAM, "MSOL_AD_Sync_RichCoexistence"):
		return "synchronisation-account"
	case a.Kind == directory.Group && a.RecipientType&roleGroup != 0:
		return "role-group"
	case a.Kind == directory.Group && a.KnowsGroupType && a.GroupType&securityGroup == 0 && !mailEnabled(a):
		return "distribution-group-without-address"
	case !a.Kind.Person():
		return ""
	case a.RecipientType&exchangeMask != 0:
		return "exchange-object"
	case a.SAM == "" && named:
		return "no-samaccountname"
	case has(a.SAM, "AAD_"), has(a.SAM, "MSOL_"):
		return "synchronisation-account"
	case strings.EqualFold(a.SAM, "SUPPORT_388945a0"), has(a.MailNickname, "SystemMailbox{"),
		has(a.MailNickname, "CAS_") && strings.Contains(a.MailNickname, "}"), has(a.SAM, "CAS_") && strings.Contains(a.SAM, "}"):
		return "exchange-account"
	}
	return ""
}

// finder gathers findings.
type finder struct {
	plan *Plan
	by   map[finderKey]int // index into plan.Findings
}

type finderKey struct {
	rule  *Rule
	value string
}

// found notes that rule holds for the row i, because of value.
func (f *finder) found(rule *Rule, i int, value string) {
	key := finderKey{rule, value}
	at, known := f.by[key]
	if !known {
		at = len(f.plan.Findings)
		f.by[key] = at
		f.plan.Findings = append(f.plan.Findings, Finding{Rule: rule, Value: value})
	}
	f.plan.Findings[at].Objects = append(f.plan.Findings[at].Objects, i)
	if r := &f.plan.Rows[i]; !slices.Contains(r.Findings, rule) {
		r.Findings = append(r.Findings, rule)
	}
}

// row finds what one object tells by itself.
func (f *finder) row(i int, chosen string) {
	r, o, t := &f.plan.Rows[i], f.plan.Options, f.plan.Tenant
	if r.Excluded != "" {
		f.found(ruleExcluded, i, r.Excluded)
		return
	}
	if r.Anchor == "" {
		f.found(ruleAnchorMissing, i, "")
	}
	if len(r.ConsistencyGUID) > 0 && r.Kind.Person() && !bytes.Equal(r.ConsistencyGUID, r.GUID) {
		f.found(ruleAnchorInUse, i, "")
	}
	if !r.Kind.Person() {
		return
	}
	switch values := r.Values(o.Attribute, chosen); {
	case r.Value == "":
		if r.Cloud.UPN != "" {
			f.found(ruleNoValue, i, "")
		}
	case o.alternate() && len(values) > 1:
		f.found(ruleManyValues, i, "")
		fallthrough
	default:
		f.value(i, r)
	}
	if r.Cloud.UPN == "" {
		f.found(ruleNoInitialName, i, "")
	} else if r.Cloud.Why != Kept && len(Faults(r.Cloud.UPN)) > 0 {
		f.found(ruleNickname, i, "")
	}
	if o.alternate() && r.Value != "" {
		f.found(ruleAlternate, i, "")
	}
	if o.Method.Federated() && r.Cloud.UPN != "" {
		if _, suffix, _ := directory.CutLast(r.Cloud.UPN); t.State(suffix) != Verified || strings.EqualFold(suffix, t.Initial()) {
			f.found(ruleFederation, i, strings.ToLower(suffix))
		}
	}
	f.state(i, r)
}

// value finds what stands against the value of the chosen attribute.
func (f *finder) value(i int, r *Row) {
	if r.Implicit {
		f.found(ruleImplicit, i, "")
	}
	if f.plan.Options.alternate() && !RFC822(r.Value) {
		f.found(ruleNotRFC822, i, "")
		return
	}
	for _, fault := range Faults(r.Value) {
		switch fault {
		case TooLong:
			f.found(ruleLength, i, "")
		case BadCharacter, BadEnd:
			f.found(ruleCharacters, i, "")
		case NoAddress, BadSuffix:
			// A suffix of one label is told as one that cannot be verified.
			if r.Suffix == "" || strings.Contains(r.Suffix, ".") {
				f.found(ruleShape, i, "")
				return
			}
		}
	}
	switch f.plan.Tenant.State(r.Suffix) {
	case Verified:
		return
	case NotVerified:
		f.found(ruleNotVerified, i, r.Suffix)
		return
	}
	switch Routable(r.Suffix) {
	case "no":
		f.found(ruleNotRoutable, i, r.Suffix)
	case "unlikely":
		f.found(ruleUnlikelyRoute, i, r.Suffix)
	default:
		f.found(ruleNotAdded, i, r.Suffix)
	}
}

// state finds what the state of the account means with the method.
func (f *finder) state(i int, r *Row) {
	o := f.plan.Options
	standing := r.Standing(o.Now)
	cloud := o.Method == PasswordHash
	if o.Method == NoMethod {
		return
	}
	if cloud && r.Kind == directory.InetOrgPerson {
		f.found(ruleNotClass, i, "")
	}
	if standing.Disabled {
		f.found(ruleDisabled, i, "")
		return // the rest does not matter any more
	}
	if cloud && standing.MustChange {
		f.found(ruleMustChange, i, "")
	}
	switch {
	case standing.Expired && cloud:
		f.found(ruleExpiredOpen, i, "")
	case standing.Expired:
		f.found(ruleExpired, i, "")
	}
	switch {
	case standing.Locked && cloud:
		f.found(ruleLockedOpen, i, "")
	case standing.Locked:
		f.found(ruleLocked, i, "")
	}
}

// finish puts the findings into the order of the rules, those that concern most objects first, and drops none.
func (f *finder) finish() {
	rank := map[*Rule]int{}
	for i, r := range Rules() {
		rank[r] = i
	}
	for i := range f.plan.Findings {
		objects := &f.plan.Findings[i].Objects
		slices.Sort(*objects)
		*objects = slices.Compact(*objects)
		var told []int // in the order of the objects, each once
		for _, at := range f.plan.Findings[i].Tenant {
			if f.plan.Findings[i].Value == "" || !slices.Contains(told, at) {
				told = append(told, at)
			}
		}
		f.plan.Findings[i].Tenant = told
	}
	slices.SortFunc(f.plan.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Rule], rank[b.Rule]), cmp.Compare(len(b.Objects), len(a.Objects)), cmp.Compare(a.Value, b.Value))
	})
	for i := range f.plan.Rows {
		slices.SortFunc(f.plan.Rows[i].Findings, func(a, b *Rule) int { return cmp.Compare(rank[a], rank[b]) })
	}
}
