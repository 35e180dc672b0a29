// Package directory reads what the planning of sign-in needs to know of an on-premises Active Directory: its accounts and
// its UPN suffixes, from LDIF, CSV or (package ldap) a domain controller. Each way gives the same Directory for the same accounts.
//
//	d, err := directory.ReadLDIF("users.ldf", file, directory.Options{})
//
// It reads the attributes that are named in this package and one more where that is asked for, and passes over
// everything else. It reads no password and no hash: unicodePwd and its like are never kept, also where a file holds
// them. It judges nothing: what a value means for the cloud is package signin's business.
package directory

import (
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Kind is what an object is. The zero value is none of those that Entra Connect synchronises.
type Kind uint8

const (
	Other Kind = iota
	User
	InetOrgPerson
	Contact
	Group
)

// String is the object class of the kind, and "other" for the zero value.
func (k Kind) String() string {
	switch k {
	case User:
		return "user"
	case InetOrgPerson:
		return "inetOrgPerson"
	case Contact:
		return "contact"
	case Group:
		return "group"
	}
	return "other"
}

// Person reports whether accounts of kind k sign in.
func (k Kind) Person() bool { return k == User || k == InetOrgPerson }

// Account is one object of the directory. Values stand as the directory holds them, white space and case included; what
// the object does not have is empty.
type Account struct {
	DN   string // distinguished name
	Kind Kind
	Pos  finding.Pos // where it was read; no place when it came over LDAP

	GUID            []byte // objectGUID in the order of LDAP, 16 bytes or none
	ConsistencyGUID []byte // ms-DS-ConsistencyGuid
	SAM             string // sAMAccountName
	UPN             string // userPrincipalName
	Mail            string
	MailNickname    string
	Proxies         []string // proxyAddresses, with their prefixes
	DisplayName     string

	// Chosen are the values of Options.Attribute, where it is none of the above; of one of the above with a single value, all
	// values where the source has several.
	Chosen []string

	Control        Control   // userAccountControl
	Expires        time.Time // accountExpires; the zero time: never
	LockedSince    time.Time // lockoutTime; the zero time: not locked
	MustChange     bool      // pwdLastSet is 0: the password must be changed at the next sign-in
	SystemObject   bool      // isCriticalSystemObject
	RecipientType  int64     // msExchRecipientTypeDetails; 0: none, or not read
	GroupType      uint32    // groupType ([MS-ADTS], section 2.2.12)
	KnowsGroupType bool      // groupType was among what was read
	HoursLimited   bool      // logonHours leaves hours of the week out
	HasSignInState bool      // userAccountControl was among what was read
	KnowsLockOut   bool      // msDS-User-Account-Control-Computed was: Control tells for sure whether it is locked out
}

// Control is userAccountControl ([MS-ADTS], section 2.2.16).
type Control uint32

// The flags of userAccountControl that tell whether an account can sign in.
const (
	Disabled             Control = 0x0002 // ADS_UF_ACCOUNTDISABLE
	LockedOut            Control = 0x0010 // ADS_UF_LOCKOUT; msDS-User-Account-Control-Computed alone sets it
	PasswordNotRequired  Control = 0x0020 // ADS_UF_PASSWD_NOTREQD
	PasswordNeverExpires Control = 0x10000
	SmartcardRequired    Control = 0x40000
	PasswordExpired      Control = 0x800000 // msDS-User-Account-Control-Computed alone sets it
)

// Values are the account's values of one attribute by its LDAP name, in any case: userPrincipalName, mail, mailNickname,
// sAMAccountName, displayName, proxyAddresses, or the one that was chosen when it was read.
func (a *Account) Values(attribute, chosen string) []string {
	one := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	if len(a.Chosen) > 0 && strings.EqualFold(attribute, chosen) {
		return a.Chosen
	}
	switch strings.ToLower(attribute) {
	case "userprincipalname":
		return one(a.UPN)
	case "mail":
		return one(a.Mail)
	case "mailnickname":
		return one(a.MailNickname)
	case "samaccountname":
		return one(a.SAM)
	case "displayname":
		return one(a.DisplayName)
	case "proxyaddresses":
		return a.Proxies
	}
	return nil
}

// Domain is the DNS name of the domain that the account's distinguished name lies in: its DC components, in lower case.
// It is empty when the name has none.
func (a *Account) Domain() string { return domainOf(a.DN) }

// Origin says where a suffix is known from. The zero value is the weakest.
type Origin uint8

const (
	OfAccounts Origin = iota // accounts use it; nobody declared it
	OfDomain                 // the DNS name of a domain
	OfForest                 // uPNSuffixes of the forest's Partitions container, or of an organisational unit
)

// String is the stable code: accounts, domain or forest.
func (o Origin) String() string { return [...]string{"accounts", "domain", "forest"}[o] }

// MarshalText makes Origin print as its code.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Suffix is one UPN suffix.
type Suffix struct {
	Name   string // in lower case
	Origin Origin
}

// Directory is what was read. It is complete: an error leaves none.
type Directory struct {
	Accounts []Account
	Suffixes []Suffix // by name, each once
	Passed   int      // objects that are neither person, contact nor group: computers, units, containers
	Chosen   string   // Options.Attribute
	// Seen are the attributes, by their LDAP names in lower case, that occurred at all. What did not was not exported, which
	// says nothing about any account.
	Seen map[string]bool
}

// Options say how to read. The zero value reads what planning by userPrincipalName needs.
type Options struct {
	// Attribute is one more attribute to keep, by its LDAP name; "": none.
	Attribute string
	// Progress is told how many objects were read, some times a second; nil: nobody is told.
	Progress func(objects int)
}

// Limits of one directory; chosen: the largest forests synchronise some 500,000 objects with a full SQL Server, and AD
// itself bounds nearly every attribute below 64 KiB.
const (
	MaxObjects   = 2_000_000
	MaxValue     = 64 << 10 // bytes of a value that is kept
	MaxValues    = 5_000    // values of one attribute of one object
	MaxFileBytes = 4 << 30  // of a file; LDIF is read as it comes, CSV is held
	MaxCSVBytes  = 512 << 20
)
