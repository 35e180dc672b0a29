package servicetags

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

const (
	// MaxBytes is the largest file that is read (chosen: fifteen times the public one of November 2025).
	MaxBytes = 64 << 20
	// maxTags and maxPrefixes bound one file (chosen: twenty times the public one).
	maxTags     = 60_000
	maxPrefixes = 2_000_000
	// maxFeatures bounds the network features of one tag (chosen: there are five).
	maxFeatures = 32
	// heldFree prefixes may be held without doubt about the whole; beyond, one in heldShare (chosen: a slip of a hand
	// stays a warning, a broken column does not).
	heldFree  = 10
	heldShare = 100
	// A prefix shorter than these is nobody's (chosen: the shortest published are /14 and /40).
	shortest4, shortest6 = 8, 24
)

// Parse reads the body of a service tags file. name is shown in findings, and the file's date is read from it.
//
// Findings of severity Error make the file unusable, and the result is nil exactly then: broken or truncated JSON, text
// that is not UTF-8, keys that are missing or repeated, values of another type, a cloud that we do not know, a tag that
// is written twice, no prefix at all, a body beyond MaxBytes. Warnings tell what was repaired because its meaning is
// certain (an address without length, IPv4 in IPv6 form), and what was held, that is left out, because it is not: a
// prefix with host bits set, one that cannot be read, one that is wider than any that Azure has. More than a few held
// prefixes are an error. Each finding names line and column, and in its arguments the byte offset and the tag.
func Parse(name string, data []byte) (*File, finding.List) {
	if len(data) > MaxBytes {
		return nil, finding.List{finding.New("servicetags.large", finding.Error, finding.Pos{File: name}, "max", strconv.Itoa(MaxBytes>>20))}
	}
	p := &parser{scanner: scanner{file: name, s: string(data)}, names: map[string]bool{}, strings: map[string]string{}}
	if strings.HasPrefix(p.s, "\ufeff") { // as some tools save it; RFC 8259, section 8.1, lets readers ignore it
		p.at = len("\ufeff")
	}
	p.File.Date = dateOf(name)
	if p.peek(); p.at == len(p.s) {
		p.fail(p.at, "empty")
	} else if p.readFile(); !p.broken {
		if p.peek(); p.at < len(p.s) {
			p.fail(p.at, "trailing")
		}
	}
	if !p.broken && !p.found.HasErrors() {
		p.judge()
	}
	if p.left > 0 {
		p.found = append(p.found, finding.New("servicetags.more", finding.Warning, finding.Pos{File: name}, "count", strconv.Itoa(p.left)))
	}
	// Findings beyond the bound may have been errors, so they count as such.
	if p.found.HasErrors() || p.failed {
		return nil, p.found
	}
	return &p.File, p.found
}

// Recognise reports whether data, which may be cut off, looks like a service tags file rather than like one of the
// other files that can be imported. It judges nothing.
func Recognise(data []byte) bool {
	head := string(data[:min(len(data), 4096)])
	head = strings.TrimLeft(strings.TrimPrefix(head, "\ufeff"), " \t\r\n")
	return strings.HasPrefix(head, "{") && strings.Contains(head, `"changeNumber"`) &&
		(strings.Contains(head, `"cloud"`) || strings.Contains(head, `"addressPrefixes"`))
}

type parser struct {
	scanner
	File
	names   map[string]bool
	strings map[string]string // one copy of each short text that many tags share
	seen    map[netip.Prefix]bool
	held    int
	total   int
}

// field reports whether key is one of known and new in seen, a bit for each of known.
func (p *parser) field(seen *uint, key string, at int, known []string) (ok bool) {
	i := slices.Index(known, key)
	if i < 0 {
		p.report(at, finding.Info, "unknown-key", "key", clip(key))
		return false
	}
	if *seen&(1<<i) != 0 {
		p.fail(at, "repeated-key", "key", key)
	}
	*seen |= 1 << i
	return true
}

// missing reports every obligatory key, the first n of known, that is not in seen; at is where the object ends.
func (p *parser) missing(seen uint, n int, known []string) {
	for i, key := range known[:n] {
		if seen&(1<<i) == 0 {
			p.fail(p.at-1, "missing-key", "key", key)
		}
	}
}

// Keys that must be there come first; the rest is what the service tag API adds.
var (
	fileKeys  = []string{"changeNumber", "cloud", "values", "id", "name", "type", "nextLink"}
	tagKeys   = []string{"name", "properties", "id", "serviceTagChangeNumber"}
	propsKeys = []string{"addressPrefixes", "changeNumber", "region", "regionId", "platform", "systemService", "networkFeatures", "state"}
)

func (p *parser) readFile() bool {
	var seen uint
	if p.peek() != '{' {
		return p.stop(p.at, "syntax", "want", "{")
	}
	ok := p.object(func(key string, at int) (ok bool) {
		if !p.field(&seen, key, at, fileKeys) {
			return p.skip(0)
		}
		switch key {
		case "changeNumber":
			p.ChangeNumber, ok = p.number(key)
			return ok
		case "cloud":
			p.peek()
			at := p.at
			name, ok := p.word(key)
			if p.Cloud = CloudNamed(name); ok && p.Cloud == 0 {
				p.fail(at, "cloud", "value", clip(name))
			}
			return ok
		case "values":
			if p.peek() != '[' {
				p.typeIs(p.at, key, "list")
				return p.skip(0)
			}
			return p.array(p.readTag)
		}
		return p.skip(0)
	})
	if ok {
		p.missing(seen, 3, fileKeys)
	}
	return ok
}

func (p *parser) readTag() bool {
	if p.peek() != '{' {
		p.typeIs(p.at, "values", "object")
		return p.skip(0)
	}
	at := p.at
	t := &Tag{}
	var seen uint
	p.tag = ""
	ok := p.object(func(key string, at int) (ok bool) {
		if !p.field(&seen, key, at, tagKeys) {
			return p.skip(0)
		}
		switch key {
		case "name":
			p.peek()
			at := p.at
			t.Name, ok = p.word(key)
			p.tag = t.Name
			switch {
			case !ok || p.failed && t.Name == "":
			case !isName(t.Name):
				p.fail(at, "name", "value", clip(t.Name))
			case p.names[t.Name]:
				p.fail(at, "repeated-tag", "value", t.Name)
			}
			p.names[t.Name] = true
			return ok
		case "properties":
			if p.peek() != '{' {
				p.typeIs(p.at, key, "object")
				return p.skip(0)
			}
			return p.readProperties(t)
		}
		return p.skip(0)
	})
	if !ok {
		return false
	}
	p.missing(seen, 2, tagKeys)
	p.tag = ""
	if len(p.Tags) == maxTags {
		return p.stop(at, "many", "max", strconv.Itoa(maxTags))
	}
	p.Tags = append(p.Tags, t)
	return true
}

func (p *parser) readProperties(t *Tag) bool {
	var seen uint
	ok := p.object(func(key string, at int) (ok bool) {
		if !p.field(&seen, key, at, propsKeys) {
			return p.skip(0)
		}
		switch key {
		case "addressPrefixes":
			if p.peek() != '[' {
				p.typeIs(p.at, key, "list")
				return p.skip(0)
			}
			return p.readPrefixes(t)
		case "changeNumber":
			t.ChangeNumber, ok = p.number(key)
		case "region":
			t.Region, ok = p.shared(key)
		case "regionId":
			t.RegionID, ok = p.number(key)
		case "platform":
			t.Platform, ok = p.shared(key)
		case "systemService":
			t.Service, ok = p.shared(key)
		case "networkFeatures":
			if p.peek() != '[' {
				if p.peek() != 'n' {
					p.typeIs(p.at, key, "list")
				}
				return p.skip(0)
			}
			return p.array(func() bool {
				if len(t.Features) == maxFeatures {
					return p.stop(p.at, "many", "max", strconv.Itoa(maxFeatures))
				}
				s, ok := p.shared(key)
				if s != "" {
					t.Features = append(t.Features, s)
				}
				return ok
			})
		default:
			return p.skip(0)
		}
		return ok
	})
	if ok {
		p.missing(seen, 1, propsKeys)
	}
	return ok
}

// shared is word for texts that many tags have.
func (p *parser) shared(key string) (string, bool) {
	s, ok := p.word(key)
	if one, known := p.strings[s]; known {
		return one, ok
	}
	p.strings[s] = s
	return s, ok
}

func (p *parser) readPrefixes(t *Tag) bool {
	p.seen = nil
	last := netip.Prefix{}
	sorted := true // as the file is: then repetitions are neighbours, and no table is needed
	ok := p.array(func() bool {
		if p.peek() != '"' {
			p.typeIs(p.at, "addressPrefixes", "text")
			return p.skip(0)
		}
		at := p.at
		text, ok := p.text()
		if !ok {
			return false
		}
		if p.total++; p.total > maxPrefixes {
			return p.stop(at, "many", "max", strconv.Itoa(maxPrefixes))
		}
		prefix, ok := p.prefix(text, at)
		if !ok {
			return true
		}
		if sorted && last.IsValid() && comparePrefix(prefix, last) <= 0 {
			sorted = false
			p.seen = make(map[netip.Prefix]bool, 2*len(t.Prefixes))
			for _, q := range t.Prefixes {
				p.seen[q] = true
			}
		}
		if !sorted {
			if p.seen[prefix] {
				p.report(at, finding.Warning, "repeated-prefix", "value", prefix.String())
				return true
			}
			p.seen[prefix] = true
		}
		last = prefix
		t.Prefixes = append(t.Prefixes, prefix)
		return true
	})
	t.Prefixes = slices.Clip(t.Prefixes)
	return ok
}

// prefix reads one prefix; ok is false when it is held.
func (p *parser) prefix(text string, at int) (_ netip.Prefix, ok bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() || prefix != prefix.Masked() {
		var mistake *endpoint.ParseError
		if prefix, mistake = strictly(text); mistake != nil {
			certain := mistake.Reason == "prefix-missing" || mistake.Reason == "mapped"
			if certain {
				prefix, err = netip.ParsePrefix(mistake.Want)
			}
			if !certain || err != nil {
				p.held++
				p.report(at, finding.Warning, "held", "value", clip(text), "why", mistake.Reason, "want", mistake.Want)
				return prefix, false
			}
			p.report(at, finding.Warning, "repaired", "value", clip(text), "want", mistake.Want)
		}
	}
	if bits := prefix.Bits(); prefix.Addr().Is4() && bits < shortest4 || prefix.Addr().Is6() && bits < shortest6 {
		p.held++
		p.report(at, finding.Warning, "wide", "value", clip(text))
		return prefix, false
	}
	return prefix, true
}

func strictly(text string) (netip.Prefix, *endpoint.ParseError) {
	prefix, err := endpoint.ParsePrefix(text)
	if err == nil {
		return prefix, nil
	}
	return netip.Prefix{}, err.(*endpoint.ParseError)
}

// judge looks at the whole.
func (p *parser) judge() {
	for _, t := range p.Tags {
		t.Cloud = p.Cloud
		p.Prefixes += len(t.Prefixes)
	}
	end := len(p.s)
	switch {
	case p.Prefixes == 0:
		p.fail(end, "empty")
	case p.ChangeNumber == 0:
		p.fail(end, "number", "key", "changeNumber")
	case p.held > heldFree && p.held > p.total/heldShare:
		p.fail(end, "many-held", "held", strconv.Itoa(p.held), "total", strconv.Itoa(p.total))
	}
}

// isName reports whether s can be the name of a tag: it is printed, filtered by and written into firewall rules.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return s != ""
}

// clip bounds what a finding repeats.
func clip(s string) string {
	const most = 80 // chosen
	if len(s) <= most {
		return strings.ToValidUTF8(strings.Clone(s), "?")
	}
	return strings.ToValidUTF8(strings.Clone(s[:most]), "?") + "..."
}
