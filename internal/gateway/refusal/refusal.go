// Package refusal is the page that a person sees when the gateway does not do what was asked: in Japanese and
// English, with the reason's code, the host, the request id and whom to ask; and the same facts as JSON for programs
// that ask for it.
//
//	response := pages.Make(refusal.Refusal{Reason: d.Reason, Host: "files.example.com", RequestID: id}, refusal.Reader{Accept: accept})
//
// A page never shows the policy, a header value, a path or a stack. Everything that came from the client is escaped.
// The JSON holds codes only and does not change with the language.
package refusal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"strconv"
	"strings"

	"sekisho/internal/message"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// Refusal is what happened.
type Refusal struct {
	Status    int           // 0: the status of Reason
	Reason    policy.Reason // "" is printed as "internal"
	Detail    string        // a further stable code ("bare-lf"); never text from the client
	Host      string        // as judged, or as sent; escaped and cut here
	RequestID string
	Contact   string // whom to ask; "" leaves the line out
}

// Reader is who reads it.
type Reader struct {
	Accept         string // value of Accept
	AcceptLanguage string // value of Accept-Language
	Language       string // of the page when the client names none: "ja", "en"
}

// Response is a complete response: status, fields (with Content-Type, without framing) and body.
type Response struct {
	Status int
	Fields []wire.Field
	// Own are the fields that only the proxy itself may send; a serialiser that drops those of other hops would drop
	// them too. Their names and values are made here, from constants.
	Own  []wire.Field
	Body []byte
}

// Printer gives texts in one language (message.Printer).
type Printer interface {
	Text(id string, args map[string]string) string
}

// Pages makes refusals. Obtain it from New. Safe for concurrent use.
type Pages struct {
	printers map[string]Printer
	csp      string
}

// New returns pages with the texts of the product.
func New() *Pages {
	sum := sha256.Sum256([]byte(style))
	return &Pages{
		printers: map[string]Printer{"ja": message.New("ja"), "en": message.New("en")},
		csp:      "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// hostShown bounds what a page repeats of a host (chosen: a DNS name has at most 253 bytes).
const hostShown = 256

// Make returns the response that tells r to reader.
func (p *Pages) Make(r Refusal, reader Reader) Response {
	if r.Reason == "" {
		r.Reason = policy.ReasonInternal
	}
	a := answerOf(r.Reason)
	if r.Status == 0 {
		r.Status = a.status
	}
	if len(r.Host) > hostShown {
		r.Host = r.Host[:hostShown]
	}
	r.Host = strings.ToValidUTF8(r.Host, "\uFFFD")
	out := Response{Status: r.Status, Fields: make([]wire.Field, 0, 8)}
	add := func(name, value string) { out.Fields = append(out.Fields, wire.Field{Name: name, Value: value}) }
	if wantsJSON(reader.Accept) {
		add("Content-Type", "application/json")
		out.Body = asJSON(r)
	} else {
		first := message.Pick(reader.AcceptLanguage, reader.Language)
		add("Content-Type", "text/html; charset=utf-8")
		add("Content-Security-Policy", p.csp)
		out.Body = p.html(r, first)
	}
	add("Cache-Control", "no-store")
	add("X-Content-Type-Options", "nosniff")
	// RFC 9209, section 2: error is a token of its registry, details a string. Both are our own constants.
	out.Own = append(out.Own, wire.Field{Name: "Proxy-Status", Value: "sekisho; error=" + a.proxy + "; details=" + strconv.Quote(string(r.Reason))})
	if r.Status == 407 {
		out.Own = append(out.Own, wire.Field{Name: "Proxy-Authenticate", Value: `Basic realm="sekisho", charset="UTF-8"`}) // RFC 7617, section 2.1
	}
	if r.Status == 503 {
		add("Retry-After", "5")
	}
	return out
}

// wantsJSON reports whether a client asks for JSON and not for a page.
func wantsJSON(accept string) bool {
	accept = strings.ToLower(accept)
	return (strings.Contains(accept, "application/json") || strings.Contains(accept, "+json")) && !strings.Contains(accept, "text/html")
}

// asJSON is the refusal for programs: codes only.
func asJSON(r Refusal) []byte {
	b, err := json.Marshal(struct {
		Status    int    `json:"status"`
		Reason    string `json:"reason"`
		Detail    string `json:"detail,omitempty"`
		Host      string `json:"host,omitempty"`
		RequestID string `json:"request_id"`
		Contact   string `json:"contact,omitempty"`
	}{r.Status, string(r.Reason), r.Detail, r.Host, r.RequestID, r.Contact})
	if err != nil {
		return []byte(`{"reason":"internal"}` + "\n")
	}
	return append(b, '\n')
}

// section is the page in one language.
type section struct {
	Lang, Title, What, Hint                                           string
	ReasonLabel, DetailLabel, HostLabel, RequestIDLabel, ContactLabel string
	Refusal
}

func (p *Pages) html(r Refusal, first string) []byte {
	languages := []string{"en", "ja"}
	if first == "ja" {
		languages = []string{"ja", "en"}
	}
	var sections []section
	for _, lang := range languages {
		text := p.printers[lang].Text
		args := map[string]string{"host": r.Host, "contact": r.Contact}
		sections = append(sections, section{
			Lang:           lang,
			Title:          text("refusal.title."+kind(r.Status), nil),
			What:           text("reason."+string(r.Reason), args),
			Hint:           text("reason."+string(r.Reason)+".hint", args),
			ReasonLabel:    text("refusal.label.reason", nil),
			DetailLabel:    text("refusal.label.detail", nil),
			HostLabel:      text("refusal.label.host", nil),
			RequestIDLabel: text("refusal.label.request-id", nil),
			ContactLabel:   text("refusal.label.contact", nil),
			Refusal:        r,
		})
	}
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		Lang, Title string
		Style       template.CSS
		Sections    []section
	}{languages[0], sections[0].Title, template.CSS(style), sections})
	if err != nil {
		return []byte("<!DOCTYPE html><title>" + strconv.Itoa(r.Status) + "</title>")
	}
	return b.Bytes()
}

// kind chooses the heading: whose doing it is.
func kind(status int) string {
	switch {
	case status == 407:
		return "credentials"
	case status == 403 || status == 421:
		return "denied"
	case status == 502 || status == 504:
		return "upstream"
	case status >= 500:
		return "fault"
	default:
		return "request"
	}
}

// style is the whole style sheet; the policy of the page allows it by its hash and nothing else.
const style = `body{font:16px/1.7 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#1b1f24}
main{max-width:44rem;margin:3rem auto;padding:0 1rem}
section{background:#fff;border:1px solid #d5d9df;border-top:4px solid #7a3b2e;border-radius:6px;padding:1.2rem 1.6rem;margin-bottom:1.2rem}
h1{font-size:1.3rem;margin:.2rem 0 .8rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:1rem 0 0;font-size:.92rem}
dt{color:#5a6472}dd{margin:0;font-family:ui-monospace,monospace;overflow-wrap:anywhere}dd.words{font-family:inherit}
@media(prefers-color-scheme:dark){body{background:#14171b;color:#e6e8eb}section{background:#1d2126;border-color:#363c44}dt{color:#9aa4b1}}`

// page is parsed once; a mistake in it is a broken build and is found by every test.
var page = template.Must(template.New("refusal").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title><style>{{.Style}}</style></head>
<body><main>
{{range .Sections}}<section lang="{{.Lang}}">
<h1>{{.Title}}</h1>
<p>{{.What}}</p>
<p>{{.Hint}}</p>
<dl>
<dt>{{.ReasonLabel}}</dt><dd>{{.Reason}}</dd>
{{if .Detail}}<dt>{{.DetailLabel}}</dt><dd>{{.Detail}}</dd>
{{end}}{{if .Host}}<dt>{{.HostLabel}}</dt><dd>{{.Host}}</dd>
{{end}}<dt>{{.RequestIDLabel}}</dt><dd>{{.RequestID}}</dd>
{{if .Contact}}<dt>{{.ContactLabel}}</dt><dd class="words">{{.Contact}}</dd>
{{end}}</dl>
</section>
{{end}}</main></body></html>
`))
