// Package page renders the lab's pages in Japanese and English. Every page says that it is the lab's; everything that
// comes from a request is escaped by html/template; scripts do not exist, and the policy of each page forbids them.
package page

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"unicode"

	"sekisho/internal/lab/token"
	"sekisho/internal/message"
)

//go:embed page.html
var source string

// Field is a labelled fact on a page.
type Field struct {
	Label string // a message id
	Value string
}

// Form is a form on a page. Its fields are posted to Action.
type Form struct {
	Action  string
	Hidden  map[string]string
	Fields  []Input
	Submit  string   // a message id; "" for no button of that kind
	Buttons []Button // further buttons, which send the form without its fields being filled in
}

// Button is a button that sends Name=Value. It shows the message Message or, when that is "", Label as it is.
type Button struct {
	Name, Value    string
	Message, Label string
	Main           bool // shown as the one to press
}

// Input is one field of a Form.
type Input struct {
	Name         string
	Label        string // a message id
	Type         string // text, password
	Value        string
	Autocomplete string
}

// Page is what to show. Title and the paragraphs of Text are message ids that take Args.
type Page struct {
	Status  int // HTTP status; 0 means 200
	Title   string
	Text    []string
	Args    map[string]string
	Problem string // a message id: what was wrong with the last attempt; "" when nothing
	Fields  []Field
	Form    *Form
	// FormTargets are origins that the form may lead to by redirect, beside the page's own (CSP form-action).
	FormTargets []string
	// Frames are addresses that the page opens unseen, to tell others of a sign-out.
	Frames []string
}

// Pages renders. The zero value is not usable; obtain it from New.
type Pages struct {
	t, table, board *template.Template
	// Faults tells the names of the faults that are set, which every page says; nil: none ever are.
	Faults func() []string
}

// New parses the templates; a mistake in them is a mistake of this program and panics.
func New() *Pages {
	return &Pages{
		t: template.Must(template.New("page").Parse(source)), table: template.Must(template.New("table").Parse(tableSource)),
		board: template.Must(template.New("board").Parse(boardSource)),
	}
}

// Write answers r with p, in the language that r prefers.
func (ps *Pages) Write(w http.ResponseWriter, r *http.Request, p Page) {
	printer := message.New(message.Pick(r.Header.Get("Accept-Language")))
	args := map[string]string{}
	for k, v := range p.Args {
		args[k] = Plain(v)
	}
	p.Args = args
	text := func(id string) string { return printer.Text(id, p.Args) }
	nonce := token.Opaque(12)
	view := map[string]any{
		"Lang": printer.Language(), "Nonce": nonce, "Page": p,
		"Lab": printer.Text("lab.page.banner", nil), "Title": text(p.Title), "Problem": "",
		"Text": []string{}, "Fields": []Field{},
	}
	ps.faults(printer, view)
	var paragraphs []string
	for _, id := range p.Text {
		paragraphs = append(paragraphs, text(id))
	}
	var fields []Field
	for _, f := range p.Fields {
		fields = append(fields, Field{printer.Text(f.Label, nil), Plain(f.Value)})
	}
	view["Text"], view["Fields"] = paragraphs, fields
	if p.Problem != "" {
		view["Problem"] = text(p.Problem)
	}
	if p.Form != nil {
		form := *p.Form
		if form.Submit != "" {
			form.Submit = printer.Text(form.Submit, nil)
		}
		form.Fields, form.Buttons = nil, nil
		for _, b := range p.Form.Buttons {
			b.Label = Plain(b.Label)
			if b.Message != "" {
				b.Label = printer.Text(b.Message, p.Args)
			}
			form.Buttons = append(form.Buttons, b)
		}
		for _, in := range p.Form.Fields {
			in.Label, in.Value = printer.Text(in.Label, nil), Plain(in.Value)
			form.Fields = append(form.Fields, in)
		}
		view["Form"] = form
	}
	forms := strings.Join(append([]string{"'self'"}, p.FormTargets...), " ")
	if len(p.Frames) > 0 {
		forms += "; frame-src http: https:"
	}
	ps.send(w, printer.Language(), nonce, forms, p.Status, ps.t, view)
}

// faults puts into view which faults are set.
func (ps *Pages) faults(printer *message.Printer, view map[string]any) {
	if ps.Faults != nil {
		if names := ps.Faults(); len(names) > 0 {
			view["Faults"] = printer.Text("lab.page.faults", map[string]string{"names": strings.Join(names, ", ")})
		}
	}
}

// send answers with view in t. forms are the targets of forms in the page's policy, and what follows them there.
func (ps *Pages) send(w http.ResponseWriter, language, nonce, forms string, status int, t *template.Template, view map[string]any) {
	var out bytes.Buffer
	if err := t.Execute(&out, view); err != nil {
		http.Error(w, "LAB: page could not be rendered", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", language)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; base-uri 'none'; frame-ancestors 'none'; form-action "+forms)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language")
	if status != 0 {
		w.WriteHeader(status)
	}
	w.Write(out.Bytes())
}

// Plain is text without what would change how the text around it reads: control characters, marks of direction (Unicode
// Technical Report #36, section 2.5) and invalid UTF-8 become U+FFFD. Ends of lines stay.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return r
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\ufeff':
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
