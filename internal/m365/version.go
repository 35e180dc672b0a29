package m365

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Version is what /version says of one instance.
type Version struct {
	Instance Instance `json:"instance"`
	Latest   string   `json:"latest"`             // YYYYMMDDNN
	Versions []string `json:"versions,omitempty"` // newest first; only when all were asked for
}

// isVersion reports whether s is a version: a day and a number within it, ten digits.
func isVersion(s string) bool {
	if len(s) != 10 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	_, err := time.Parse("20060102", s[:8])
	return err == nil
}

// firstVersion stands before every version: the changes since it are all changes.
const firstVersion = "0000000000"

// maxVersions bounds the answer of /version (chosen: the service has brought out some 150 in eight years).
const maxVersions = 10_000

// ReadVersions reads a body of /version: one object or an array of them. Instances that we do not know are left out
// with a note. The result is nil exactly when there is an error.
func ReadVersions(file string, body []byte) ([]Version, finding.List) {
	r := &reader{file: file, data: body}
	top, err := r.parse()
	if err != nil {
		return nil, r.found
	}
	items := []node{*top}
	if top.kind == isList {
		items = top.items
	}
	var out []Version
	for i := range items {
		v, known, err := r.version(&items[i])
		if err != nil {
			return nil, r.found.Sort()
		}
		if known && !slices.ContainsFunc(out, func(w Version) bool { return w.Instance == v.Instance }) {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		_ = r.refuse(finding.New("m365.empty", finding.Error, r.pos(top.at)))
		return nil, r.found.Sort()
	}
	return out, r.found.Sort()
}

func (r *reader) version(n *node) (v Version, known bool, err error) {
	if err := r.want(n, isObject); err != nil {
		return v, false, err
	}
	bad := func(at int, field, value string) error {
		return r.refuse(finding.New("m365.version-value", finding.Error, r.pos(at), "field", field, "value", bounded(value), "byte", strconv.Itoa(at)))
	}
	name, nameTimes := n.get("instance")
	latest, latestTimes := n.get("latest")
	if nameTimes != 1 || name.kind != isText {
		return v, false, bad(n.at, "instance", "")
	}
	if latestTimes != 1 || latest.kind != isText || !isVersion(latest.text) {
		return v, false, bad(n.at, "latest", text(n, "latest"))
	}
	v.Latest = latest.text
	if all, _ := n.get("versions"); all != nil {
		if err := r.want(all, isList); err != nil {
			return v, false, err
		}
		if len(all.items) > maxVersions {
			return v, false, bad(all.at, "versions", strconv.Itoa(len(all.items)))
		}
		for i := range all.items {
			if !isVersion(all.items[i].text) {
				return v, false, bad(all.items[i].at, "versions", all.items[i].text)
			}
			v.Versions = append(v.Versions, all.items[i].text)
		}
	}
	if v.Instance, known = ParseInstance(name.text); !known && r.room() {
		r.found = append(r.found, finding.New("m365.unknown-instance", finding.Info, r.pos(name.at), "value", bounded(name.text), "byte", strconv.Itoa(name.at)))
	}
	return v, known, nil
}
