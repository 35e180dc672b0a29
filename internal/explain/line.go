package explain

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/servicetags"
)

// AppendJSONLine appends the answer about t, which must come from endpoint.ParseTarget of given, as one line of JSON: the
// fields of Answer that a list of a million targets is asked for (target, normal_form, kind, sets without titles, tags,
// sign_in_address, decision when there is a policy, the age of the data), under the same names. What is said of a set or
// a tag is written once and copied then, without reflection.
func (b *Book) AppendJSONLine(dst []byte, given string, t endpoint.Target) []byte {
	dst = append(dst, `{"target":`...)
	dst = appendString(dst, given)
	dst = append(dst, `,"normal_form":`...)
	dst = appendString(dst, t.String())
	dst = append(dst, `,"kind":"`...)
	dst = append(dst, t.Kind.String()...)
	dst = append(dst, `","sets":[`...)
	b.hits = b.appendSets(b.hits[:0], t)
	for i, h := range b.hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, b.textOf(h)...)
		dst = append(dst, `,"match":"`...)
		dst = appendMatch(dst, h)
		dst = append(dst, `","part":`...)
		dst = strconv.AppendBool(dst, h.part)
		if h.tag != "" {
			dst = append(dst, `,"service_tag":`...)
			dst = appendString(dst, h.tag)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"tags":[`...)
	whole := true
	if t.Host == "" {
		var tags [64]tagHit
		var found []tagHit
		found, whole = b.appendTags(tags[:0], t)
		for i, h := range found {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, b.tagTextOf(h.Tag)...)
			dst = append(dst, `,"match":"`...)
			dst = h.Prefix.AppendTo(dst)
			dst = append(dst, `","part":`...)
			dst = strconv.AppendBool(dst, h.part)
			dst = append(dst, '}')
		}
	}
	dst = append(dst, `],"tags_cut":`...)
	dst = strconv.AppendBool(dst, !whole)
	dst = append(dst, `,"sign_in_address":`...)
	dst = strconv.AppendBool(dst, b.signIn(t))
	if d := b.decide(t, t.Kind == endpoint.URLTarget && t.Scheme == "http"); d != nil {
		dst = append(dst, `,"decision":`...)
		dst = appendDecision(dst, d)
	}
	if b.tail == nil {
		b.tail = append(append([]byte(`,"catalog":`), marshal(b.CatalogAge())...), `,"service_tags":`...)
		b.tail = append(append(b.tail, marshal(b.TagFiles())...), "}\n"...)
	}
	return append(dst, b.tail...)
}

// appendDecision appends d as encoding/json would (a test holds the two against each other).
func appendDecision(dst []byte, d *Decision) []byte {
	open := byte('{')
	text := func(name, value string) {
		dst = append(dst, open, '"')
		dst = append(append(dst, name...), `":`...)
		dst = appendString(dst, value)
		open = ','
	}
	said := func(name, value string) {
		if value != "" {
			text(name, value)
		}
	}
	said("client", d.Client)
	said("user", d.User)
	if len(d.Groups) > 0 {
		dst = append(dst, open)
		dst = append(append(dst, `"groups":`...), marshal(d.Groups)...)
		open = ','
	}
	text("verdict", d.Verdict)
	text("action", d.Action)
	text("reason", d.Reason)
	dst = append(dst, `,"rule":`...)
	open = '{'
	text("text", d.Rule.Text)
	said("place", d.Rule.Place)
	said("pattern", d.Rule.Pattern)
	said("claim", d.Rule.Claim)
	said("ports", d.Rule.Ports)
	dst = append(dst, '}')
	text("ring", d.Ring)
	text("mode", d.Mode)
	text("profile", d.Profile)
	text("would", d.Would)
	dst = strconv.AppendBool(append(dst, `,"deletes_restriction_headers":`...), d.Deletes)
	dst = append(dst, `,"sets_headers":[`...)
	for i, h := range d.Sets {
		if i > 0 {
			dst = append(dst, ',')
		}
		open = '{'
		text("name", h.Name)
		text("value", h.Value)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	text("policy_hash", d.PolicyHash)
	return append(dst, '}')
}

// textOf is a set as JSON without what differs from target to target, and without the closing brace.
func (b *Book) textOf(h hit) []byte {
	if text, ok := b.setText[h.Set]; ok {
		return text
	}
	s := b.set(h)
	var lacks any // nil leaves the field out, an empty list would not
	if len(s.Lacks) > 0 {
		lacks = s.Lacks
	}
	text := marshal(struct {
		ID           string      `json:"id"`
		Area         string      `json:"area"`
		Feature      string      `json:"feature"`
		Features     []Feature   `json:"features"`
		Category     string      `json:"category"`
		Required     bool        `json:"required"`
		Ports        string      `json:"ports"`
		Direction    string      `json:"direction"`
		ExpressRoute string      `json:"express_route"`
		Handling     RowHandling `json:"handling"`
		Source       any         `json:"source"`
		Withdrawn    string      `json:"withdrawn,omitempty"`
		NotForTenant bool        `json:"not_for_tenant,omitempty"`
		Lacks        any         `json:"lacks,omitempty"`
	}{s.Claim, s.Area, s.Feature, s.Features, s.Category, s.Required, s.Ports, s.Direction, s.ExpressRoute, s.Handling, struct {
		ID      string `json:"id"`
		Date    string `json:"date"`
		Read    string `json:"read"`
		AgeDays int    `json:"age_days"`
		Stale   bool   `json:"stale"`
	}{s.Source.ID, s.Source.Date, s.Source.Read, s.Source.AgeDays, s.Source.Stale}, s.Withdrawn, s.NotForTenant, lacks})
	text = text[:len(text)-1]
	b.setText[h.Set] = text
	return text
}

func (b *Book) tagTextOf(t *servicetags.Tag) []byte {
	if text, ok := b.tagText[t]; ok {
		return text
	}
	text := marshal(struct {
		Tag     string `json:"tag"`
		Region  string `json:"region"`
		Service string `json:"service"`
		Cloud   string `json:"cloud"`
	}{t.Name, t.Region, t.Service, t.Cloud.String()})
	text = text[:len(text)-1]
	b.tagText[t] = text
	return text
}

func appendMatch(dst []byte, h hit) []byte {
	if h.Prefix.IsValid() {
		return h.Prefix.AppendTo(dst)
	}
	return append(dst, h.Pattern.String()...)
}

// marshal writes v without escaping what only a page in a browser needs escaped. It cannot fail for the types above.
func marshal(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("explain: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return append(dst, marshal(s)...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// CSVHead is the first line of the CSV form.
const CSVHead = "target,found,id,match,part,area,feature,region,service,category,required,ports,handling,source,date,age_days,withdrawn\n"

// cells are the fields of a set before and after those that differ from target to target.
type cells struct{ id, rest []byte }

// AppendCSVLines appends a line for each set (found is "set") and tag ("tag") that covers t, or one line of found "none", whose
// source is the catalog itself.
// Several features are separated by spaces, and so are the statements on handling.
func (b *Book) AppendCSVLines(dst []byte, given string, t endpoint.Target) []byte {
	begin := len(dst)
	dst = appendCell(dst, given)
	target := string(dst[begin:])
	dst = dst[:begin]
	b.hits = b.appendSets(b.hits[:0], t)
	for _, h := range b.hits {
		c, ok := b.setCells[h.Set]
		if !ok {
			c = cellsOf(b.set(h))
			b.setCells[h.Set] = c
		}
		dst = append(dst, target...)
		dst = append(dst, ",set,"...)
		dst = append(dst, c.id...)
		dst = append(dst, ',')
		dst = appendMatch(dst, h)
		dst = append(dst, ',')
		dst = strconv.AppendBool(dst, h.part)
		dst = append(dst, c.rest...)
	}
	found := len(b.hits)
	if t.Host == "" {
		var tags [64]tagHit
		all, _ := b.appendTags(tags[:0], t)
		for _, h := range all {
			dst = append(dst, target...)
			dst = append(dst, ",tag,"...)
			dst = append(dst, h.Tag.Name...)
			dst = append(dst, ',')
			dst = h.Prefix.AppendTo(dst)
			dst = append(dst, ',')
			dst = strconv.AppendBool(dst, h.part)
			dst = append(dst, ",,,"...)
			dst = appendCell(dst, h.Tag.Region)
			dst = append(dst, ',')
			dst = appendCell(dst, h.Tag.Service)
			dst = append(dst, ",,,,,service-tags-"...)
			dst = append(dst, h.Tag.Cloud.String()...)
			dst = append(dst, b.tagTail(h.Tag.Cloud)...)
		}
		found += len(all)
	}
	if found == 0 {
		dst = append(dst, target...)
		dst = append(dst, ",none,,,,,,,,,,,,"...)
		if b.noneTail == nil {
			age := b.CatalogAge()
			b.noneTail = append(appendCell(b.noneTail, age.Version), ","+b.c.Catalog.Date().Format(time.DateOnly)+","+strconv.Itoa(age.AgeDays)+",\n"...)
		}
		dst = append(dst, b.noneTail...)
	}
	return dst
}

// tagTail are the date and the age of the file that a tag comes from, and an empty cell for withdrawn.
func (b *Book) tagTail(c servicetags.Cloud) string {
	text, ok := b.tagTails[c]
	if !ok {
		text = ",,,\n"
		for i, m := range b.c.TagFiles {
			if f := b.TagFiles()[i]; m.Cloud == c {
				text = "," + f.Date + "," + strconv.Itoa(f.AgeDays) + ",\n"
			}
		}
		b.tagTails[c] = text
	}
	return text
}

func cellsOf(s Set) cells {
	var features, handling []string
	for _, f := range s.Features {
		features = append(features, f.ID)
	}
	state := func(is bool, what string) {
		if is {
			handling = append(handling, what)
		}
	}
	state(s.Handling.Inspection != "not-stated", "inspection="+s.Handling.Inspection)
	state(s.Handling.ProxyAuthExempt, "proxy-auth=exempt")
	state(s.Handling.ByteRanges, "byte-ranges=needed")
	state(s.Handling.ClientCertificate, "client-certificate=asked")
	state(s.Handling.WebSocket, "websocket=used")
	state(s.Handling.IdleTimeoutSeconds > 0, "idle-timeout="+strconv.FormatInt(s.Handling.IdleTimeoutSeconds, 10)+"s")
	var rest []byte
	for _, cell := range []string{s.Area, strings.Join(features, " "), "", "", s.Category, strconv.FormatBool(s.Required), s.Ports,
		strings.Join(handling, " "), s.Source.ID, s.Source.Date, strconv.Itoa(s.Source.AgeDays), s.Withdrawn} {
		rest = appendCell(append(rest, ','), cell)
	}
	return cells{id: appendCell(nil, s.Claim), rest: append(rest, '\n')}
}

// appendCell appends s as a CSV field (RFC 4180). A beginning that a spreadsheet would take for a formula cannot occur:
// no target and no word of the catalog begins so.
func appendCell(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}
