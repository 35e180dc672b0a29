// Package page renders the lab's pages in Japanese and English. Every page says that it is the lab's; everything that
// comes from a request is escaped by html/template; scripts do not exist, and the policy of each page forbids them.
package page

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"

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
	Action string
	Hidden map[string]string
	Fields []Input
	Submit string // a message id
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
}

// Pages renders. The zero value is not usable; obtain it from New.
type Pages struct{ t *template.Template }

// New parses the templates; a mistake in them is a mistake of this program and panics.
func New() *Pages {
	return &Pages{template.Must(template.New("page").Parse(source))}
}

// Write answers r with p, in the language that r prefers.
func (ps *Pages) Write(w http.ResponseWriter, r *http.Request, p Page) {
	printer := message.New(message.Pick(r.Header.Get("Accept-Language")))
	text := func(id string) string { return printer.Text(id, p.Args) }
	nonce := token.Opaque(12)
	view := map[string]any{
		"Lang": printer.Language(), "Nonce": nonce, "Page": p,
		"Lab": printer.Text("lab.page.banner", nil), "Title": text(p.Title), "Problem": "",
		"Text": []string{}, "Fields": []Field{},
	}
	var paragraphs []string
	for _, id := range p.Text {
		paragraphs = append(paragraphs, text(id))
	}
	var fields []Field
	for _, f := range p.Fields {
		fields = append(fields, Field{printer.Text(f.Label, nil), f.Value})
	}
	view["Text"], view["Fields"] = paragraphs, fields
	if p.Problem != "" {
		view["Problem"] = text(p.Problem)
	}
	if p.Form != nil {
		form := *p.Form
		form.Submit = printer.Text(form.Submit, nil)
		form.Fields = nil
		for _, in := range p.Form.Fields {
			in.Label = printer.Text(in.Label, nil)
			form.Fields = append(form.Fields, in)
		}
		view["Form"] = form
	}
	var out bytes.Buffer
	if err := ps.t.Execute(&out, view); err != nil {
		http.Error(w, "LAB: page could not be rendered", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", printer.Language())
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; base-uri 'none'; frame-ancestors 'none'; form-action "+
		strings.Join(append([]string{"'self'"}, p.FormTargets...), " "))
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language")
	if p.Status != 0 {
		w.WriteHeader(p.Status)
	}
	w.Write(out.Bytes())
}
