package m365

import (
	"bytes"
	"regexp"
	"strings"
)

// Recognise reports whether a file looks like a body of /endpoints, in JSON or CSV. It judges nothing.
func Recognise(body []byte) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(body[:min(len(body), 4096)], []byte("\ufeff")), " \t\r\n")
	return isCSV(body) || len(head) > 0 && head[0] == '[' && bytes.Contains(head, []byte(`"serviceArea"`)) && !RecogniseChanges(body)
}

var versionInName = regexp.MustCompile(`(?:^|[^0-9])(20[0-9]{8})(?:[^0-9]|$)`)

// FromName reads instance and version from the name of a file that holds a list ("endpoints-china-2025013000.json").
// The instance is never guessed: ok is false when the name has none or more than one. version is "" when the name has
// none.
func FromName(name string) (instance Instance, version string, ok bool) {
	found := 0
	for _, i := range Instances() {
		if strings.Contains(strings.ToLower(name), i.Cloud()) {
			instance = i
			found++
		}
	}
	if m := versionInName.FindStringSubmatch(name); m != nil && isVersion(m[1]) {
		version = m[1]
	}
	return instance, version, found == 1
}

// RecogniseChanges reports whether a file looks like a body of /changes. It judges nothing.
func RecogniseChanges(body []byte) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(body[:min(len(body), 4096)], []byte("\ufeff")), " \t\r\n")
	return len(head) > 0 && head[0] == '[' && bytes.Contains(head, []byte(`"endpointSetId"`)) && bytes.Contains(head, []byte(`"disposition"`))
}
