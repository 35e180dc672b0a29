package m365

import (
	"encoding/json"
	"strconv"

	"sekisho/internal/finding"
)

// ReadChanges reads a body of /changes. An empty array is an answer: nothing has changed. A change that cannot be read
// is reported and left out, because changes are told to people and never replace a list. The result is nil exactly
// when there is an error.
func ReadChanges(file string, body []byte) ([]Change, finding.List) {
	r := &reader{file: file, data: body}
	top, err := r.parse()
	if err == nil {
		err = r.want(top, isList)
	}
	if err != nil {
		return nil, r.found.Sort()
	}
	out := []Change{}
	for i := range top.items {
		n := &top.items[i]
		if c, ok := r.change(n); ok {
			out = append(out, c)
		} else if r.room() {
			r.found = append(r.found, finding.New("m365.change-held", finding.Warning, r.pos(n.at),
				"change", "#"+strconv.Itoa(i+1), "byte", strconv.Itoa(n.at)))
		}
	}
	return out, r.found.Sort()
}

// change reads one entry. The tree is bounded and free of surprises by now, so the standard reader may judge the types;
// hosts and prefixes are brought into normal form, what has none is left as it was written.
func (r *reader) change(n *node) (c Change, ok bool) {
	for _, key := range n.keys {
		if _, times := n.get(key); times > 1 {
			return c, false
		}
	}
	if n.kind != isObject || json.Unmarshal(n.json(), &c) != nil {
		return c, false
	}
	switch c.Disposition {
	case dispositionAdd, dispositionChange, dispositionRemove:
	default:
		return c, false
	}
	if c.EndpointSetID <= 0 || !isVersion(c.Version) {
		return c, false
	}
	if c.Add != nil {
		c.Add.IPs, c.Add.URLs = normal(c.Add.IPs, readPrefix), normal(c.Add.URLs, readHost)
	}
	if c.Remove != nil {
		c.Remove.IPs, c.Remove.URLs = normal(c.Remove.IPs, readPrefix), normal(c.Remove.URLs, readHost)
	}
	return c, true
}

func normal(list []string, read func(string) (string, bool, string)) []string {
	for i, s := range list {
		if clean, _, reason := read(s); reason == "" {
			list[i] = clean
		} else {
			list[i] = bounded(s)
		}
	}
	return list
}

// json prints a tree again.
func (n *node) json() []byte {
	switch n.kind {
	case isBool:
		return strconv.AppendBool(nil, n.yes)
	case isNumber:
		return []byte(n.text)
	case isText:
		out, err := json.Marshal(n.text)
		if err != nil {
			return []byte("null") // no string fails to marshal
		}
		return out
	case isList, isObject:
		out := []byte{n.kind}
		for i := range n.items {
			if i > 0 {
				out = append(out, ',')
			}
			if n.kind == isObject {
				key := node{kind: isText, text: n.keys[i]}
				out = append(append(out, key.json()...), ':')
			}
			out = append(out, n.items[i].json()...)
		}
		return append(out, n.kind+2) // "[" and "]", "{" and "}" are two apart
	}
	return []byte("null")
}
