package audit

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxText bounds one text of a record, in bytes: chosen, twice the longest host name.
	maxText = 512
	// maxGroups bounds the groups of a record: chosen, a record is no directory.
	maxGroups = 64
	// maxGroup bounds one group, in bytes: chosen, the longest that Active Directory's sAMAccountName has is 256.
	maxGroup = 256
)

// clean bounds r and replaces what does not belong into a text: stores differ in what they do with a NUL or broken UTF-8
// (PostgreSQL refuses both), and a terminal obeys escape sequences.
func (r *Record) clean() {
	for _, s := range []*string{
		&r.RequestID, &r.Connection, &r.Client, &r.User, &r.Method, &r.Host, &r.SNI, &r.Authority, &r.Addr, &r.Verdict,
		&r.Action, &r.Reason, &r.Would, &r.Rule, &r.Ring, &r.Mode, &r.Profile, &r.PolicyHash, &r.CatalogVersion, &r.Error,
		&r.Endpoint, &r.Tenant, &r.Application, &r.AADSTS, &r.CorrelationID, &r.Outcome, &r.UserAgent,
	} {
		*s = cleanText(*s, maxText)
	}
	if len(r.Groups) == 0 {
		r.Groups = nil // the same after reading back
		return
	}
	r.Groups = slices.Clone(r.Groups[:min(len(r.Groups), maxGroups)])
	for i, g := range r.Groups {
		r.Groups[i] = cleanText(g, maxGroup)
	}
}

// cleanText cuts s to at most limit bytes, between characters, and replaces control characters and broken UTF-8.
func cleanText(s string, limit int) string {
	s = cut(s, limit)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			s = strings.Map(func(r rune) rune {
				if unicode.IsControl(r) {
					return utf8.RuneError
				}
				return r
			}, strings.ToValidUTF8(s, string(utf8.RuneError)))
			return cut(s, limit) // the replacement is longer than what it replaces
		}
	}
	return s
}

// cut shortens s to at most limit bytes and leaves no part of a character at the end.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for end := limit; end > 0 && end > limit-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:limit] // no UTF-8
}
