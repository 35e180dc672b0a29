package signin

import "strings"

// Part says which attribute a MailNickName came from. The zero value means that none was there.
type Part uint8

const (
	FromNothing Part = iota
	FromNickname
	FromPrimary
	FromMail
	FromName
	FromSecondary
)

// String is the stable code of the part.
func (p Part) String() string {
	return [...]string{"none", "mailNickname", "primary-smtp", "mail", "upn", "secondary-smtp"}[p]
}

// MarshalText makes Part print as its code.
func (p Part) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Person is what the rules of names look at, as it stands on premises. What is not there is empty.
type Person struct {
	Nickname  string // mailNickname
	Primary   string // the address behind "SMTP:" in proxyAddresses
	Secondary string // the first address behind "smtp:"
	Mail      string
	Name      string // userPrincipalName, or the alternate sign-in id
}

// Why says why a name in the cloud is what it is. The zero value means that it is the one from on premises.
type Why uint8

const (
	Kept          Why = iota
	SuffixUnknown     // the suffix is no domain of the tenant
	SuffixWaiting     // the suffix is a domain that is not verified
	ValueInvalid      // the value has characters or a shape that the cloud does not take
	ValueMissing      // there is no value
	Unchanged         // nothing happened by which the name is computed again
)

// String is the stable code of the reason.
func (w Why) String() string {
	return [...]string{"kept", "suffix-not-added", "suffix-not-verified", "value-invalid", "value-missing", "unchanged"}[w]
}

// MarshalText makes Why print as its code.
func (w Why) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Synced is a user as the cloud holds it after a synchronisation.
type Synced struct {
	UPN          string // "" when neither value nor MailNickName is there
	Why          Why
	Nickname     string
	NicknameFrom Part

	person Person // as it was synchronised last
	tenant *Tenant
}

// nickname is the MailNickName that a user gets at the first synchronisation: the first of these that is there (Microsoft,
// "Microsoft Entra UserPrincipalName population", https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-userprincipalname,
// page of 2025-04-09).
func nickname(p Person) (string, Part) {
	prefix := func(address string) string {
		prefix, _, _ := strings.Cut(address, "@")
		return prefix
	}
	for _, c := range []struct {
		value string
		from  Part
	}{
		{p.Nickname, FromNickname}, {prefix(p.Primary), FromPrimary}, {prefix(p.Mail), FromMail}, {prefix(p.Name), FromName},
		{prefix(p.Secondary), FromSecondary},
	} {
		if c.value != "" {
			return c.value, c.from
		}
	}
	return "", FromNothing
}

// Sync is what a synchronisation of p makes of the user. before is the user as the cloud holds it, nil at the first time.
//
// The rules are those of the page named at nickname: the MailNickName changes later only when mailNickname itself changes;
// the name is computed when the value or the set of verified domains changes, and otherwise stays.
func Sync(before *Synced, p Person, t *Tenant) Synced {
	now := Synced{person: p, tenant: t}
	if before == nil {
		now.Nickname, now.NicknameFrom = nickname(p)
	} else {
		now.Nickname, now.NicknameFrom = before.Nickname, before.NicknameFrom
		if p.Nickname != before.person.Nickname && p.Nickname != "" {
			now.Nickname, now.NicknameFrom = p.Nickname, FromNickname
		}
		if p.Name == before.person.Name && sameVerified(before.tenant, t) {
			now.UPN, now.Why = before.UPN, Unchanged
			return now
		}
	}
	now.UPN, now.Why = nameOf(p.Name, now.Nickname, t)
	return now
}

// nameOf computes the name: the value itself where its suffix is verified and the value is one that the cloud takes, and
// otherwise the MailNickName at the initial domain.
func nameOf(value, nick string, t *Tenant) (string, Why) {
	why := Kept
	_, suffix, ok := cutAddress(value)
	switch {
	case value == "":
		why = ValueMissing
	case !ok || len(Faults(value)) > 0:
		why = ValueInvalid
	case t.State(suffix) == NotVerified:
		why = SuffixWaiting
	case t.State(suffix) == NotAdded:
		why = SuffixUnknown
	}
	if why == Kept {
		return value, Kept
	}
	if nick == "" {
		return "", why
	}
	return nick + "@" + t.Initial(), why
}

func sameVerified(a, b *Tenant) bool {
	verified := func(t *Tenant) (names []string) {
		for _, d := range t.domains {
			if d.Verified {
				names = append(names, d.Name)
			}
		}
		return names
	}
	x, y := verified(a), verified(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

// cutAddress splits a value at its only @; ok is false when there is none, more than one, or nothing on a side.
func cutAddress(value string) (prefix, suffix string, ok bool) {
	prefix, suffix, ok = strings.Cut(value, "@")
	return prefix, suffix, ok && prefix != "" && suffix != "" && !strings.Contains(suffix, "@")
}
