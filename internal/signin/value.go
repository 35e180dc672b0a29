package signin

import (
	"strings"
	"unicode/utf8"

	"sekisho/internal/endpoint"
)

// Fault is something that the cloud does not take in a sign-in name.
type Fault string

// The faults of a value, by their stable codes.
const (
	NoAddress    Fault = "no-address"   // not of the form prefix@suffix
	TooLong      Fault = "too-long"     // more than 113 characters, 64 before the @ or 48 behind it
	BadCharacter Fault = "character"    // a character that is not taken
	BadEnd       Fault = "ends-in-dot"  // the prefix ends with a full stop
	BadSuffix    Fault = "suffix-shape" // the suffix is no domain name
)

// Limits of a sign-in name. Microsoft's page on username policies has the characters; the lengths are those that
// administrators and provisioning guides report (identity facts: third party), so findings on them are "likely".
const (
	maxName   = 113
	maxPrefix = 64
	maxSuffix = 48
)

// Faults are what stands against a value as a sign-in name in the cloud; none for one that it takes. The suffix need not
// be a domain of any tenant.
func Faults(value string) []Fault {
	var out []Fault
	prefix, suffix, ok := cutAddress(value)
	if !ok {
		return append(out, NoAddress)
	}
	if utf8.RuneCountInString(value) > maxName || utf8.RuneCountInString(prefix) > maxPrefix || utf8.RuneCountInString(suffix) > maxSuffix {
		out = append(out, TooLong)
	}
	// Accents and scripts are not taken behind the @ either, where a host name could have them.
	if strings.ContainsFunc(prefix, func(r rune) bool { return !taken(r) }) || strings.ContainsFunc(suffix, func(r rune) bool { return r >= utf8.RuneSelf }) {
		out = append(out, BadCharacter)
	}
	if strings.HasSuffix(prefix, ".") {
		out = append(out, BadEnd)
	}
	if !IsDomain(suffix) {
		out = append(out, BadSuffix)
	}
	return out
}

// suffixOf is the suffix of a value, in lower case, where it has the shape of a host name: also one of a single label, which
// a forest can have and nobody can verify. Otherwise it is "", and the value is what is to be corrected.
func suffixOf(value string) string {
	_, suffix, ok := cutAddress(value)
	if !ok || strings.HasSuffix(suffix, ".") || strings.ContainsAny(suffix, " _") {
		return ""
	}
	if _, err := endpoint.ParseHost(suffix); err != nil {
		return ""
	}
	return strings.ToLower(suffix)
}

// IsDomain reports whether a suffix has the shape of a domain that can be added: a host name with a dot, without the
// underscore that DNS knows and host names do not (RFC 1123, section 2.1), and without a dot at its end.
func IsDomain(suffix string) bool {
	_, err := endpoint.ParseHost(suffix)
	return err == nil && strings.Contains(suffix, ".") && !strings.HasSuffix(suffix, ".") && !strings.Contains(suffix, "_")
}

// taken reports whether the prefix of a sign-in name may hold r: A-Z a-z 0-9 ' . - _ ! # ^ ~ (identity facts, section 1).
func taken(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("'.-_!#^~", r)
}

// RFC822 reports whether value is an address by the grammar of RFC 822, section 6.1, in the part of it that a sign-in id
// can have: a dotted sequence of atoms (section 3.3) at a domain name. Quoted local parts, routes, comments and domain
// literals are of the grammar and no sign-in ids.
func RFC822(value string) bool {
	prefix, suffix, ok := cutAddress(value)
	if !ok {
		return false
	}
	for atom := range strings.SplitSeq(prefix, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\".[]`, r)
		}) {
			return false
		}
	}
	_, err := endpoint.ParseHost(suffix)
	return err == nil && !strings.HasSuffix(suffix, ".")
}

// special are domains that no public DNS delegates, so that nobody can prove to own them: the special-use names of RFC
// 6761, RFC 6762, RFC 7686, RFC 8375 and RFC 9476, and the names that ICANN reserved for private use or from delegation
// because networks use them ("internal" by Board resolution of 2024-07-29; "corp", "home" and "mail" of 2018-02-04).
var special = []string{
	"local", "localhost", "test", "example", "invalid", "onion", "alt", "home.arpa", "internal", "corp", "home", "mail",
}

// private are names that are used in networks and delegated to nobody today; that can change, so a finding is "likely".
var private = []string{"lan", "localdomain", "intranet", "intern", "priv", "private", "domain", "loc", "ad"}

// Routable says whether a suffix can be a domain of a tenant: "no" when it has one label, is reserved, or is the initial
// domain of some tenant, which is nobody else's; "unlikely" when it lies below a name that is delegated to nobody as far as is known, "" otherwise.
func Routable(suffix string) string {
	suffix = strings.ToLower(strings.TrimSuffix(suffix, "."))
	below := func(names []string) bool {
		for _, name := range names {
			if suffix == name || strings.HasSuffix(suffix, "."+name) {
				return true
			}
		}
		return false
	}
	switch {
	case !strings.Contains(suffix, "."), below(special), below([]string{"onmicrosoft.com"}):
		return "no"
	case below(private):
		return "unlikely"
	}
	return ""
}
