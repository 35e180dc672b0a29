package directory

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sekisho/internal/finding"
)

// attribute is one that is read.
type attribute uint8

const (
	ignored attribute = iota
	attrClass
	attrDN
	attrGUID
	attrConsistency
	attrSAM
	attrUPN
	attrMail
	attrNickname
	attrProxies
	attrDisplay
	attrControl
	attrComputed
	attrExpires
	attrLockout
	attrHours
	attrPwdLastSet
	attrCritical
	attrSuffixes
	attrDNSRoot
	attrSystemFlags
	attrRecipientType
	attrGroupType
	attrChosen
)

// wanted are the attributes by their LDAP names in lower case (descriptors have no case, RFC 4512, section 1.4).
var wanted = map[string]attribute{
	"objectclass": attrClass, "dn": attrDN, "distinguishedname": attrDN, "objectguid": attrGUID, "ms-ds-consistencyguid": attrConsistency,
	"samaccountname": attrSAM, "userprincipalname": attrUPN, "mail": attrMail, "mailnickname": attrNickname, "proxyaddresses": attrProxies,
	"displayname": attrDisplay, "useraccountcontrol": attrControl, "msds-user-account-control-computed": attrComputed,
	"accountexpires": attrExpires, "lockouttime": attrLockout, "logonhours": attrHours, "pwdlastset": attrPwdLastSet, "iscriticalsystemobject": attrCritical,
	"upnsuffixes": attrSuffixes, "dnsroot": attrDNSRoot, "systemflags": attrSystemFlags, "msexchrecipienttypedetails": attrRecipientType, "grouptype": attrGroupType,
}

// names of the attributes in messages.
var names = [...]string{
	attrClass: "objectClass", attrDN: "distinguishedName", attrGUID: "objectGUID", attrConsistency: "mS-DS-ConsistencyGuid",
	attrSAM: "sAMAccountName", attrUPN: "userPrincipalName", attrMail: "mail", attrNickname: "mailNickname",
	attrProxies: "proxyAddresses", attrDisplay: "displayName", attrControl: "userAccountControl",
	attrComputed: "msDS-User-Account-Control-Computed", attrExpires: "accountExpires", attrLockout: "lockoutTime", attrHours: "logonHours",
	attrPwdLastSet: "pwdLastSet", attrCritical: "isCriticalSystemObject", attrSuffixes: "uPNSuffixes", attrDNSRoot: "dnsRoot",
	attrSystemFlags: "systemFlags", attrRecipientType: "msExchRecipientTypeDetails", attrGroupType: "groupType", attrChosen: "",
}

// secret attributes are never read, not even as the chosen one: they hold passwords or what stands for them.
var secret = map[string]bool{
	"unicodepwd": true, "userpassword": true, "dbcspwd": true, "lmpwdhistory": true, "ntpwdhistory": true,
	"supplementalcredentials": true, "ms-mcs-admpwd": true, "mslaps-password": true, "mslaps-encryptedpassword": true,
	"msds-managedpassword": true, "unixuserpassword": true, "sambantpassword": true, "sambalmpassword": true,
}

// Readable reports whether attribute may be chosen: a name as LDAP writes one (RFC 4512, section 2.5), and none that holds
// passwords.
func Readable(attribute string) bool {
	if attribute == "" || len(attribute) > 255 || secret[strings.ToLower(attribute)] {
		return false
	}
	switch wanted[strings.ToLower(attribute)] {
	case ignored, attrUPN, attrMail, attrNickname, attrSAM, attrDisplay, attrProxies:
	default:
		return false // read for another purpose, and no text: see Values
	}
	for i, r := range attribute {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return true
}

// collector makes a Directory of the objects of a source.
type collector struct {
	options  Options
	chosen   string // options.Attribute in lower case
	dir      Directory
	suffixes map[string]Origin
	entry    entry
	seen     [attrChosen + 1]bool
	objects  int
	told     time.Time
	// hoursUnread says that there were values of logonHours that tell nothing.
	hoursUnread bool
}

// entry is the object that is being read.
type entry struct {
	Account
	classes     []string
	control     Control
	computed    Control
	suffixes    []string
	dnsRoot     []string
	systemFlags int64
	counts      [attrChosen + 1]int
}

func newCollector(o Options) *collector {
	return &collector{options: o, chosen: strings.ToLower(o.Attribute), suffixes: map[string]Origin{}, dir: Directory{Chosen: o.Attribute}}
}

// attributeOf finds what is to be done with an attribute by its description in lower case: options behind a semicolon are
// of the language or the encoding (RFC 4512, section 2.5).
func (c *collector) attributeOf(description []byte) attribute {
	name, _, _ := bytes.Cut(description, []byte(";"))
	if a := wanted[string(name)]; a != ignored {
		return a
	}
	if c.chosen != "" && string(name) == c.chosen && !secret[c.chosen] {
		return attrChosen
	}
	return ignored
}

// appendLower appends name in lower case, as far as it is ASCII.
func appendLower(to, name []byte) []byte {
	for _, b := range name {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		to = append(to, b)
	}
	return to
}

func (c *collector) nameOf(a attribute) string {
	if a == attrChosen {
		return c.options.Attribute
	}
	return names[a]
}

// weekBytes is the length of logonHours: 168 hours, a bit each.
const weekBytes = 21

// begin starts the next object.
func (c *collector) begin(dn string, pos finding.Pos) {
	c.entry = entry{Account: Account{DN: dn, Pos: pos}}
}

// add takes one value of the object. The finding says what is wrong with it, without a place.
func (c *collector) add(a attribute, value []byte) *finding.Finding {
	e := &c.entry
	refuse := func(code string, args ...string) *finding.Finding {
		f := finding.New("directory."+code, finding.Error, finding.Pos{}, append([]string{"attribute", c.nameOf(a), "dn", shown(cmp.Or(e.DN, e.UPN, e.SAM, "-"))}, args...)...)
		return &f
	}
	c.seen[a] = true
	if e.counts[a]++; e.counts[a] > MaxValues {
		return refuse("many-values", "max", strconv.Itoa(MaxValues))
	}
	if len(value) > MaxValue {
		return refuse("long-value", "max", strconv.Itoa(MaxValue>>10))
	}
	switch a {
	case attrHours:
		// One bit for each hour of a week ([MS-ADTS], section 3.1.1.5 names it, [MS-SAMR], section 2.2.6.5 its form): all set is no
		// limit. What has another form limits nobody that is known of.
		e.HoursLimited = len(value) == weekBytes && slices.ContainsFunc(value, func(b byte) bool { return b != 0xff })
		return nil
	case attrGUID, attrConsistency:
		value = slices.Clone(value)
		if a == attrConsistency {
			e.ConsistencyGUID = value
			return nil
		}
		if len(value) != 16 {
			return refuse("guid", "bytes", strconv.Itoa(len(value)))
		}
		e.GUID = value
		return nil
	}
	if !utf8.Valid(value) {
		return refuse("not-text")
	}
	text := string(value)
	single := func(into *string) *finding.Finding {
		// Active Directory's schema says that these have one value; a file can say anything, and which one counts is not ours to
		// choose. As an alternate ID all of them are kept, because several values of it are something to find.
		if *into != "" && *into != text {
			if a != attrUPN && strings.EqualFold(c.nameOf(a), c.chosen) {
				if len(e.Chosen) == 0 {
					e.Chosen = append(e.Chosen, *into)
				}
				e.Chosen = append(e.Chosen, text)
				return nil
			}
			return refuse("several-values", "value", shown(*into), "other", shown(text))
		}
		*into = text
		return nil
	}
	number := func(into *int64) *finding.Finding {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return refuse("number", "value", shown(text))
		}
		*into = n
		return nil
	}
	var n int64
	switch a {
	case attrClass:
		e.classes = append(e.classes, strings.ToLower(text))
	case attrDN:
		e.DN = text
	case attrSAM:
		return single(&e.SAM)
	case attrUPN:
		return single(&e.UPN)
	case attrMail:
		return single(&e.Mail)
	case attrNickname:
		return single(&e.MailNickname)
	case attrDisplay:
		if strings.EqualFold(names[a], c.chosen) {
			return single(&e.DisplayName)
		}
		e.DisplayName = text // names no sign-in, so the last of several is as good as any
	case attrProxies:
		e.Proxies = append(e.Proxies, text)
	case attrChosen:
		e.Chosen = append(e.Chosen, text)
	case attrSuffixes:
		e.suffixes = append(e.suffixes, text)
	case attrDNSRoot:
		e.dnsRoot = append(e.dnsRoot, text)
	case attrCritical:
		e.SystemObject = strings.EqualFold(text, "TRUE")
	case attrControl, attrComputed:
		if f := number(&n); f != nil {
			return f
		}
		// Signed in the directory; the bits count.
		if a == attrControl {
			e.control, e.HasSignInState = Control(uint32(n)), true
		} else {
			e.computed, e.KnowsLockOut = Control(uint32(n)), true
		}
	case attrSystemFlags:
		return number(&e.systemFlags)
	case attrRecipientType:
		return number(&e.RecipientType)
	case attrGroupType:
		if f := number(&n); f != nil {
			return f
		}
		e.GroupType, e.KnowsGroupType = uint32(n), true // signed in the directory; the bits count
	case attrExpires, attrLockout, attrPwdLastSet:
		if f := number(&n); f != nil {
			return f
		}
		switch a {
		case attrExpires:
			e.Expires = fileTime(n)
		case attrLockout:
			e.LockedSince = fileTime(n)
		case attrPwdLastSet:
			e.MustChange = n == 0
		}
	}
	return nil
}

// crossRefDomain is the flag of systemFlags that marks the partition of a domain ([MS-ADTS], FLAG_CR_NTDS_DOMAIN).
const crossRefDomain = 2

// end takes the object into the directory.
func (c *collector) end() *finding.Finding {
	e := &c.entry
	if c.objects++; c.objects > MaxObjects {
		f := finding.New("directory.many-objects", finding.Error, finding.Pos{}, "max", strconv.Itoa(MaxObjects))
		return &f
	}
	c.tell()
	for _, s := range e.suffixes {
		c.suffix(s, OfForest)
	}
	if e.systemFlags&crossRefDomain != 0 {
		for _, s := range e.dnsRoot {
			c.suffix(s, OfDomain)
		}
	}
	if e.Kind = kindOf(e.classes); e.Kind == Other {
		c.dir.Passed++
		return nil
	}
	c.suffix(domainOf(e.DN), OfDomain)
	if e.Kind.Person() {
		if _, suffix, ok := CutLast(e.UPN); ok {
			c.suffix(suffix, OfAccounts)
		}
	}
	e.Control = e.control | e.computed&(LockedOut|PasswordExpired)
	c.dir.Accounts = append(c.dir.Accounts, e.Account)
	return nil
}

// tell reports progress, at most some five times a second.
func (c *collector) tell() {
	if c.options.Progress == nil || c.objects%256 != 0 {
		return
	}
	if now := time.Now(); now.Sub(c.told) >= 200*time.Millisecond {
		c.told = now
		c.options.Progress(c.objects)
	}
}

func (c *collector) suffix(name string, origin Origin) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || len(c.suffixes) >= MaxObjects {
		return
	}
	if known, ok := c.suffixes[name]; !ok || origin > known {
		c.suffixes[name] = origin
	}
}

// finish is the Directory, in an order that the source does not choose: by distinguished name. An object that is there
// twice would collide with itself, so it is refused.
func (c *collector) finish() (*Directory, error) {
	for name, origin := range c.suffixes {
		c.dir.Suffixes = append(c.dir.Suffixes, Suffix{name, origin})
	}
	slices.SortFunc(c.dir.Suffixes, func(a, b Suffix) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.dir.Accounts, func(a, b Account) int { return cmp.Compare(a.DN, b.DN) })
	if first, again := c.twice(); again != nil {
		f := finding.New("directory.same-object", finding.Error, again.Pos, "dn", shown(again.DN), "line", strconv.Itoa(first.Pos.Line))
		return nil, &finding.Problem{Findings: finding.List{f}}
	}
	c.dir.Seen = map[string]bool{}
	c.seen[attrHours] = c.seen[attrHours] && !c.hoursUnread
	for a, seen := range c.seen {
		if seen {
			c.dir.Seen[strings.ToLower(c.nameOf(attribute(a)))] = true
		}
	}
	return &c.dir, nil
}

// twice finds an object that is there two times, in the order in which they were read; nil: there is none. Distinguished
// names have no case ([MS-ADTS], section 3.1.1.1.4; RFC 4517, caseIgnoreMatch), so two spellings are one object. Hashes are
// compared first, which keeps it at 16 bytes for each object.
func (c *collector) twice() (first, again *Account) {
	type key struct {
		hash uint64
		at   int
	}
	seed, keys := maphash.MakeSeed(), make([]key, 0, len(c.dir.Accounts))
	for i := range c.dir.Accounts {
		if dn := c.dir.Accounts[i].DN; dn != "" {
			keys = append(keys, key{maphash.String(seed, strings.ToLower(dn)), i})
		}
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
	for i := 1; i < len(keys); i++ {
		a, b := &c.dir.Accounts[keys[i-1].at], &c.dir.Accounts[keys[i].at]
		if keys[i-1].hash != keys[i].hash || !strings.EqualFold(a.DN, b.DN) {
			continue
		}
		if b.Pos.Line < a.Pos.Line {
			a, b = b, a
		}
		// Of several, the one that comes first in the file is told, whatever the hashes are.
		if again == nil || b.Pos.Line < again.Pos.Line || b.Pos.Line == again.Pos.Line && b.DN < again.DN {
			first, again = a, b
		}
	}
	return first, again
}

// kindOf is what an object is by its classes. A computer is a user to LDAP, and a managed service account a computer.
func kindOf(classes []string) Kind {
	has := func(class string) bool { return slices.Contains(classes, class) }
	switch {
	case has("computer"), has("msds-groupmanagedserviceaccount"), has("msds-managedserviceaccount"):
		return Other
	case has("inetorgperson"):
		return InetOrgPerson
	case has("user"):
		return User
	case has("contact"):
		return Contact
	case has("group"):
		return Group
	}
	return Other
}

// CutLast splits an address at its last @. ok is false when there is none.
func CutLast(address string) (prefix, suffix string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return address, "", false
	}
	return address[:i], address[i+1:], true
}

// never is the largest FILETIME; AD writes it where an account does not expire, and 0 as well.
const never = 0x7FFFFFFFFFFFFFFF

// fileTime is a FILETIME ([MS-DTYP], section 2.3.3: 100 ns since 1601); the zero time for never, 0 and what is before 1970.
func fileTime(n int64) time.Time {
	const toUnix = 116_444_736_000_000_000
	if n <= toUnix || n == never {
		return time.Time{}
	}
	return time.Unix((n-toUnix)/1e7, (n-toUnix)%1e7*100).UTC()
}

// domainOf joins the DC components at the end of a distinguished name. Escaped commas do not end a component.
func domainOf(dn string) string {
	var labels []string
	for _, part := range splitDN(dn) {
		name, value, ok := strings.Cut(part, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "dc") {
			labels = labels[:0] // DC components behind something else are not the domain
			continue
		}
		labels = append(labels, strings.ToLower(strings.TrimSpace(value)))
	}
	return strings.Join(labels, ".")
}

// splitDN splits a distinguished name at the commas that no backslash escapes (RFC 4514, section 2.1).
func splitDN(dn string) []string {
	var out []string
	start := 0
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			out = append(out, dn[start:i])
			start = i + 1
		}
	}
	return append(out, dn[start:])
}

// parseGUID reads a GUID as CSV files hold it: as registries write it, with or without braces, as X'hex' of csvde, as
// plain hex or as base64. The text form has its first three parts in the other byte order (RFC 9562, appendix of
// variants; [MS-DTYP], section 2.3.4).
func parseGUID(text string) ([]byte, bool) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "X'"); ok {
		if inner, ok = strings.CutSuffix(inner, "'"); !ok {
			return nil, false
		}
		raw, err := hex.DecodeString(inner)
		return raw, err == nil
	}
	if bare := strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}"); len(bare) == 36 {
		if bare[8] != '-' || bare[13] != '-' || bare[18] != '-' || bare[23] != '-' {
			return nil, false
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(bare, "-", ""))
		if err != nil || len(raw) != 16 {
			return nil, false
		}
		slices.Reverse(raw[:4])
		slices.Reverse(raw[4:6])
		slices.Reverse(raw[6:8])
		return raw, true
	}
	if len(text) == 32 {
		if raw, err := hex.DecodeString(text); err == nil {
			return raw, true
		}
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	return raw, err == nil
}

// shown shortens a value for a message.
func shown(value string) string {
	const most = 120 // chosen: a line of a terminal
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "…"
}
