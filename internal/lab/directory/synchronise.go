package directory

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"

	"sekisho/internal/lab/naming"
)

// What a synchronisation brings and what becomes of it. The channel is the lab's own (docs/lab-fidelity.md).
type (
	// SyncObject is one person of the on-premises directory. The values are as they stand there, also those that no name could
	// have.
	SyncObject struct {
		Anchor         string   // the immutable id, at most MaxAnchor characters; case counts
		Deleted        bool     // the person is gone: nothing else counts
		Class          string   // user, inetOrgPerson
		SignIn         string   // userPrincipalName or alternate ID; "" for none
		MailNickname   string   // "" for none
		Mail           string   // "" for none
		ProxyAddresses []string // as they stand
		DisplayName    string
		AccountEnabled bool
		// States that a domain controller tells with the password. They count with pass-through authentication alone.
		Locked, PasswordExpired, MustChange, AccountExpired bool
		// Verifier is what a password is compared with, in the form of UserEntry.Hash; "": none is sent.
		Verifier string
	}
	// SyncResult is what became of one SyncObject.
	SyncResult struct {
		Anchor   string `json:"sourceAnchor"`
		Outcome  string `json:"outcome"` // see the constants
		ID       string `json:"id,omitempty"`
		UPN      string `json:"userPrincipalName,omitempty"`
		Nickname string `json:"mailNickname,omitempty"`
		// Refused is the name that the rules give and that nobody can have; only with SyncRefused.
		Refused   string     `json:"refusedName,omitempty"`
		Conflicts []Conflict `json:"conflicts,omitempty"`
	}
	// SyncEntry is what the directory keeps of a synchronised person beside the account.
	SyncEntry struct {
		Anchor         string   `json:"anchor"`
		SignIn         string   `json:"sign-in,omitempty"`
		MailNickname   string   `json:"mail-nickname,omitempty"`
		Mail           string   `json:"mail,omitempty"`
		ProxyAddresses []string `json:"proxy-addresses,omitempty"`
		Nickname       string   `json:"nickname"`            // what the tenant calls the person
		Wanted         string   `json:"wanted"`              // the name that the rules give
		Addresses      []string `json:"addresses,omitempty"` // those of ProxyAddresses that nobody else has
		Expired        bool     `json:"expired,omitempty"`   // the account, on premises
	}
	// Conflict is a value of a synchronised person that somebody else has ("Identity synchronization and duplicate attribute
	// resiliency").
	Conflict struct {
		Property string `json:"property"` // UserPrincipalName, ProxyAddresses
		Value    string `json:"value"`
	}
)

// The values of SyncResult.Outcome.
const (
	SyncCreated   = "created"
	SyncUpdated   = "updated"
	SyncUnchanged = "unchanged"
	SyncDeleted   = "deleted"
	SyncAbsent    = "absent"  // was to be deleted, and is not there
	SyncRefused   = "refused" // there is no name, or one that nobody can have
)

// MaxAnchor is how long a source anchor may be ("less than 60 characters": Microsoft, "Microsoft Entra Connect: Design concepts").
const MaxAnchor = 59

// CheckVerifier reports why text cannot be a SyncObject's Verifier; nil when it can.
func CheckVerifier(text string) error {
	_, err := parseHash(text)
	return err
}

// conflicts are what somebody else has of what e wanted.
func (e *UserEntry) conflicts() []Conflict {
	if e.Sync == nil {
		return nil
	}
	var out []Conflict
	if fold(e.Sync.Wanted) != e.UPN {
		out = append(out, Conflict{"UserPrincipalName", e.Sync.Wanted})
	}
	for _, a := range e.Sync.ProxyAddresses {
		if isSMTP(a) && !slices.Contains(e.Sync.Addresses, a) {
			out = append(out, Conflict{"ProxyAddresses", a})
		}
	}
	return out
}

func isSMTP(address string) bool { return len(address) > 5 && strings.EqualFold(address[:5], "smtp:") }

// Synchronise brings objects into tenant, each known again by its anchor; sending the same again changes nothing. With
// passThrough the states of the on-premises directory bind at each sign-in; without it passwords are synchronised as hashes:
// then a locked or expired account signs in all the same, and the password of who must change it is not sent, nor that of an
// inetOrgPerson ("Implement password hash synchronization"). There is a result for each object, in their order.
func (d *Draft) Synchronise(tenant string, passThrough bool, objects []SyncObject) ([]SyncResult, error) {
	t, err := d.Tenant(tenant)
	if err != nil {
		return nil, err
	}
	known := map[string]*UserEntry{}
	for _, u := range t.Users {
		if u.Sync != nil {
			known[u.Sync.Anchor] = u
		}
	}
	domains := t.naming()
	results := make([]SyncResult, len(objects))
	entries := make([]*UserEntry, len(objects))
	before := make([]UserEntry, len(objects))
	for i, o := range objects {
		results[i].Anchor = o.Anchor
		e := known[o.Anchor]
		if o.Deleted {
			results[i].Outcome = SyncAbsent
			if e != nil {
				if err := d.RemoveUser(t.ID, e.ID); err != nil {
					return nil, err
				}
				delete(known, o.Anchor)
				results[i].Outcome, results[i].ID = SyncDeleted, e.ID
			}
			continue
		}
		name, source := naming.Name{}, o.source()
		if e == nil {
			name = naming.First(source, domains)
		} else {
			name = naming.Next(e.Sync.name(), e.Sync.source(), source, false, domains)
		}
		if !naming.Valid(name.UPN) {
			results[i].Outcome, results[i].Refused, results[i].Nickname = SyncRefused, name.UPN, name.Nickname
			continue
		}
		if e == nil {
			e = &UserEntry{ID: derivedID("synchronised", t.ID, o.Anchor), Sync: &SyncEntry{Anchor: o.Anchor}}
			t.Users = append(t.Users, e)
			known[o.Anchor] = e
			results[i].Outcome = SyncCreated
		} else {
			before[i] = *e
			kept := *e.Sync
			before[i].Sync = &kept
		}
		e.take(o, passThrough)
		e.Sync.Nickname, e.Sync.Wanted = name.Nickname, name.UPN
		entries[i] = e
	}
	d.settle(t)
	for i, e := range entries {
		if e == nil {
			continue
		}
		r := &results[i]
		if r.Outcome == "" {
			r.Outcome = SyncUnchanged
			if !reflect.DeepEqual(before[i], *e) {
				r.Outcome = SyncUpdated
			}
		}
		r.ID, r.UPN, r.Nickname, r.Conflicts = e.ID, e.UPN, e.Sync.Nickname, e.conflicts()
	}
	return results, nil
}

// take puts what o says into e, but for the name.
func (e *UserEntry) take(o SyncObject, passThrough bool) {
	e.Name, e.Mail = o.DisplayName, o.Mail
	if len(e.Mail) > maxText { // which nobody could send to
		e.Mail = ""
	}
	e.Disabled = !o.AccountEnabled
	e.Locked, e.PasswordExpired, e.MustChange = passThrough && o.Locked, passThrough && o.PasswordExpired, passThrough && o.MustChange
	e.Sync.Expired = passThrough && o.AccountExpired
	if o.Verifier != "" && (passThrough || !o.MustChange && o.Class != "inetOrgPerson") {
		e.Hash = o.Verifier
	}
	s := o.source()
	e.Sync.SignIn, e.Sync.MailNickname, e.Sync.Mail, e.Sync.ProxyAddresses = s.SignIn, s.MailNickname, s.Mail, slices.Clone(s.ProxyAddresses)
	if len(e.Sync.ProxyAddresses) == 0 {
		e.Sync.ProxyAddresses = nil // as it is read back
	}
}

func (o SyncObject) source() naming.Source {
	return naming.Source{SignIn: o.SignIn, MailNickname: o.MailNickname, Mail: o.Mail, ProxyAddresses: o.ProxyAddresses}
}

func (s *SyncEntry) source() naming.Source {
	return naming.Source{SignIn: s.SignIn, MailNickname: s.MailNickname, Mail: s.Mail, ProxyAddresses: s.ProxyAddresses}
}

func (s *SyncEntry) name() naming.Name { return naming.Name{Nickname: s.Nickname, UPN: s.Wanted} }

// naming are the domains of t as names are made by them.
func (t *TenantEntry) naming() naming.Domains {
	d := naming.Domains{Verified: map[string]bool{}}
	for _, domain := range t.Domains {
		if domain.Initial {
			d.Initial = fold(domain.Name)
		}
		if domain.Verified || domain.Initial {
			d.Verified[fold(domain.Name)] = true
		}
	}
	return d
}

// rename names everybody whom a synchronisation brought into t anew, because the set of its verified domains has changed
// ("Microsoft Entra UserPrincipalName population"). Where nobody can have the new name, the old one stays.
func (d *Draft) rename(t *TenantEntry) {
	domains := t.naming()
	for _, u := range t.Users {
		if u.Sync == nil {
			continue
		}
		source := u.Sync.source()
		if name := naming.Next(u.Sync.name(), source, source, true, domains); naming.Valid(name.UPN) {
			u.Sync.Nickname, u.Sync.Wanted = name.Nickname, name.UPN
		}
	}
	d.settle(t)
}

// settle gives everybody whom a synchronisation brought into t the name that the rules give. Who has it already keeps it;
// among others the first of the directory gets it, and the rest a placeholder. What is free again goes to who wanted it,
// which the service does within an hour and the lab at once. Addresses likewise, without a placeholder.
func (d *Draft) settle(t *TenantEntry) {
	initial := t.naming().Initial
	taken, renamed := map[string]bool{}, map[string]string{}
	var open []*UserEntry
	for _, other := range d.Tenants {
		for _, u := range other.Users {
			switch {
			case u.UPN == "" && u.Sync == nil: // a guest
			case other != t || u.Sync == nil:
				taken[fold(u.UPN)] = true
			case u.UPN == fold(u.Sync.Wanted):
				taken[u.UPN] = true
			default:
				open = append(open, u)
			}
		}
	}
	for _, u := range open {
		name := fold(u.Sync.Wanted)
		sum := sha256.Sum256([]byte(u.Sync.Anchor))
		first := binary.BigEndian.Uint32(sum[:4])
		for n := range uint32(10_000) {
			if !taken[name] {
				break
			}
			name = fold(naming.Placeholder(u.Sync.Wanted, int((first+n)%10_000), d.Assumptions.QuarantineName != QuarantinePlain, initial))
		}
		taken[name] = true // the ten thousand and first of one name is refused by the check of the whole
		if u.UPN != "" && u.UPN != name {
			renamed[u.UPN] = name
		}
		u.UPN = name
	}
	if len(renamed) > 0 {
		d.renamed(renamed)
	}
	settleAddresses(t)
}

func settleAddresses(t *TenantEntry) {
	holder := map[string]*UserEntry{}
	for _, u := range t.Users { // who has one keeps it
		if u.Sync == nil {
			continue
		}
		for _, a := range u.Sync.Addresses {
			if slices.Contains(u.Sync.ProxyAddresses, a) && holder[strings.ToLower(a)] == nil {
				holder[strings.ToLower(a)] = u
			}
		}
	}
	for _, u := range t.Users {
		if u.Sync == nil {
			continue
		}
		u.Sync.Addresses = nil
		for _, a := range u.Sync.ProxyAddresses {
			key := strings.ToLower(a)
			if holder[key] = cmp.Or(holder[key], u); !isSMTP(a) || holder[key] == u {
				u.Sync.Addresses = append(u.Sync.Addresses, a)
			}
		}
	}
}

// isSynchronised reports whether upn, folded, can be the name of somebody whom a synchronisation brought: what the rules of
// names let pass, or a placeholder.
func isSynchronised(upn string) bool {
	local, domain, _ := strings.Cut(upn, "@")
	return naming.Valid(strings.Replace(local, "+", "", 1) + "@" + domain)
}
