package message

import (
	"strings"

	"golang.org/x/text/language"
)

// Pick returns the language, "ja" or "en", that suits the value of an Accept-Language header best (RFC 9110, section
// 12.5.4). When the header is empty, malformed or names neither, Pick returns the first of fallback that is a language
// of the product, else "en".
func Pick(acceptLanguage string, fallback ...string) string {
	tags, weights, err := language.ParseAcceptLanguage(acceptLanguage)
	if err == nil {
		for i, tag := range tags { // sorted by weight, highest first
			if weights[i] == 0 {
				continue // "not acceptable"
			}
			switch base, confidence := tag.Base(); {
			case confidence == language.No:
			case base.String() == "ja":
				return "ja"
			case base.String() == "en":
				return "en"
			}
		}
	}
	for _, lang := range fallback {
		if lang == "ja" || lang == "en" {
			return lang
		}
	}
	return "en"
}

// FromEnvironment returns the language, "ja" or "en", that the process's environment asks for: the first of LC_ALL,
// LC_MESSAGES and LANG that is set and not empty decides (POSIX.1-2024, XBD 8.2), "en" when it is not Japanese.
func FromEnvironment(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		locale := getenv(name)
		if locale == "" {
			continue
		}
		lang, _, _ := strings.Cut(locale, ".") // ja_JP.UTF-8
		lang, _, _ = strings.Cut(lang, "@")
		lang, _, _ = strings.Cut(strings.ReplaceAll(lang, "-", "_"), "_")
		switch strings.ToLower(lang) {
		case "ja", "jpn", "japanese":
			return "ja"
		}
		return "en"
	}
	return "en"
}
