// Package naming works out what the lab's cloud calls a person that a synchronisation brings: MailNickName and
// userPrincipalName, at first and when something changes.
//
//	d := naming.Domains{Initial: "contoso.onmicrosoft.com", Verified: map[string]bool{"contoso.com": true}}
//	n := naming.First(naming.Source{SignIn: "hanako@corp.local"}, d) // hanako@contoso.onmicrosoft.com
//	n = naming.Next(n, before, now, false, d)
//
// It follows Microsoft, "Microsoft Entra UserPrincipalName population"
// (https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-userprincipalname, 2025-04-09), and the page on
// sign-in options of Microsoft Entra Connect. It is one reading of these pages; planning (package signin) has another one,
// and the two must not know each other: a rehearsal compares them. It knows no other account, so that duplicates are not its
// business, but for the form of the name that stands in for one.
package naming

import (
	"fmt"
	"strings"
)

// Source is what the on-premises directory says of one person, as it was sent. A value of "" is one that is not there.
type Source struct {
	SignIn       string // userPrincipalName, or the alternate ID
	MailNickname string
	Mail         string
	// ProxyAddresses are in the order of the directory: "SMTP:" in capitals marks the primary address, "smtp:" others.
	ProxyAddresses []string
}

// Domains are those of the tenant. Names are in lower case; the initial domain counts as verified.
type Domains struct {
	Initial  string
	Verified map[string]bool
}

// Name is what the tenant calls a person.
type Name struct {
	Nickname string
	UPN      string
}

// First names a person who is synchronised for the first time.
func First(s Source, d Domains) Name {
	n := Name{Nickname: nickname(s)}
	n.UPN = upn(s.SignIn, n.Nickname, d)
	return n
}

// Next names a person whom the tenant has as held, since what was before is now. "Microsoft Entra ID recalculates the
// userPrincipalName only when an update of the on-premises value is synchronised, or the set of verified domains changed",
// says the page in other words; the MailNickName changes with the on-premises attribute of that name alone. An attribute
// that was taken away changes nothing (assumed: the page speaks of values that are set).
func Next(held Name, before, now Source, domainsChanged bool, d Domains) Name {
	if now.MailNickname != before.MailNickname && now.MailNickname != "" {
		held.Nickname = now.MailNickname
	}
	if now.SignIn != before.SignIn || domainsChanged {
		held.UPN = upn(now.SignIn, held.Nickname, d)
	}
	return held
}

// nickname is the first of five places that has something, in the order of the page.
func nickname(s Source) string {
	if s.MailNickname != "" {
		return s.MailNickname
	}
	for _, a := range s.ProxyAddresses {
		if address, ok := strings.CutPrefix(a, "SMTP:"); ok && prefix(address) != "" {
			return prefix(address)
		}
	}
	for _, address := range []string{s.Mail, s.SignIn} {
		if p := prefix(address); p != "" {
			return p
		}
	}
	for _, a := range s.ProxyAddresses {
		kind, address, _ := strings.Cut(a, ":")
		if strings.EqualFold(kind, "smtp") && kind != "SMTP" && prefix(address) != "" {
			return prefix(address)
		}
	}
	return ""
}

// prefix is what stands before the @; all of it when there is none.
func prefix(address string) string {
	p, _, _ := strings.Cut(address, "@")
	return p
}

// upn is the value itself where the tenant may call somebody so, and otherwise the MailNickName at the initial domain (the
// "MOERA" of the page).
func upn(value, nickname string, d Domains) string {
	if kept(value, d) {
		return value
	}
	return nickname + "@" + d.Initial
}

// kept reports whether value ends in a verified domain and consists of what a name may.
func kept(value string, d Domains) bool {
	_, domain, ok := strings.Cut(value, "@")
	domain = strings.ToLower(domain)
	return ok && (domain == d.Initial || d.Verified[domain]) && Valid(value)
}

// The lengths of a name, in characters: the whole, before the @, and behind it (what provisioning guides of third parties
// give as Entra ID's).
const (
	maxName   = 113
	maxLocal  = 64
	maxDomain = 48
)

// Valid reports whether value can be a userPrincipalName: one @ with something on both sides, letters a to z, digits and
// ' . - _ ! # ^ ~ before it, no dot right before it, and no more than the lengths (the same guides). Whether behind it stands a
// domain is for the caller to know.
func Valid(value string) bool {
	local, domain, ok := strings.Cut(value, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || strings.HasSuffix(local, ".") || strings.HasSuffix(domain, ".") {
		return false
	}
	if len(value) > maxName || len(local) > maxLocal || len(domain) > maxDomain {
		return false
	}
	for _, c := range local {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("'.-_!#^~", c):
		default:
			return false
		}
	}
	return true
}

// Placeholder is the name of somebody whose own one another person has: what stands before the @ of wanted, a number of four
// digits, and the initial domain (Microsoft, "Identity synchronization and duplicate attribute resiliency"). The page
// shows it with a plus sign before the number, and in one place without: plus says which.
func Placeholder(wanted string, number int, plus bool, initial string) string {
	local := prefix(wanted)
	sign := ""
	if plus {
		sign = "+"
	}
	if most := maxLocal - len(sign) - 4; len(local) > most {
		local = local[:most]
	}
	return fmt.Sprintf("%s%s%04d@%s", local, sign, number, initial)
}
