package caller

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Challenge is the value of Proxy-Authenticate that asks for what Identify reads. It tells clients to send UTF-8
// (RFC 7617, section 2.1).
const Challenge = `Basic realm="Sekisho", charset="UTF-8"`

const (
	// headerBytes bounds the value of Proxy-Authorization that is looked at (chosen: the longest user name and password
	// in base64).
	headerBytes = 4 * (userBytes + 1 + passwordBytes + 2) / 3
	// userBytes bounds a user name (chosen: the longest UPN has 113 characters, a "domain\user" less).
	userBytes = 255
	// passwordBytes bounds a password (chosen: the 256 characters of an Entra ID password, in four bytes each).
	passwordBytes = 1024
)

// parseBasic reads the value of Proxy-Authorization (RFC 7617, section 2): user name and password in form C. It refuses
// other schemes, broken base64, text that is not UTF-8, control characters (section 2 forbids them), an empty user name
// and an empty password.
func parseBasic(value string) (user, password string, ok bool) {
	if len(value) > headerBytes+len("Basic ") {
		return "", "", false
	}
	scheme, encoded, found := strings.Cut(value, " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	encoded = strings.TrimLeft(encoded, " ")
	if strings.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		return "", "", false
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	user, password, found = strings.Cut(string(text), ":")
	if !found {
		return "", "", false
	}
	user, ok = normalUser(user)
	if !ok {
		return "", "", false
	}
	if password, ok = normalPassword(password); !ok {
		return "", "", false
	}
	return user, password, true
}

// normalUser returns name in form C, as it is compared; false when it is no user name. Invisible characters are refused,
// because names are shown in logs and reports.
func normalUser(name string) (string, bool) {
	invisible := func(r rune) bool { return !unicode.IsPrint(r) }
	if name == "" || len(name) > userBytes || !utf8.ValidString(name) || strings.ContainsFunc(name, invisible) ||
		strings.Contains(name, ":") || strings.TrimSpace(name) != name {
		return "", false
	}
	name = norm.NFC.String(name)
	return name, len(name) <= userBytes
}

// fold is the form in which user and group names are compared, without regard to case, as the directories do from which
// people know their names, and as the rings of a policy do: a person must not change rings by a capital letter.
func fold(name string) string { return strings.ToLower(name) }

// normalPassword returns password in form C, so that it is the same from every keyboard (RFC 8265, section 4.2.2);
// false when it cannot be one.
func normalPassword(password string) (string, bool) {
	if password == "" || len(password) > passwordBytes || !utf8.ValidString(password) ||
		strings.ContainsFunc(password, unicode.IsControl) {
		return "", false
	}
	return norm.NFC.String(password), true
}
