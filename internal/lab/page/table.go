package page

import (
	_ "embed"
	"net/http"

	"sekisho/internal/lab/token"
	"sekisho/internal/message"
)

//go:embed table.html
var tableSource string

// Table is a page with a table, and a form that asks for it again with other filters and columns.
type Table struct {
	Title   string // message ids that take Args
	Text    []string
	Args    map[string]string
	Problem string // a message id; "" when the form was filled in well
	Action  string // path of the form, which is sent by GET
	Filters []Filter
	Columns []Option // by name; Text is a message id
	Heads   []string // message ids
	Rows    [][]string
	// Words are the message ids of cells that are told in the reader's language, by column and cell; what is not there stands as it is.
	Words map[int]map[string]string
	Links []Link // the other pages, the file, the way out
}

// Filter is one field of the form of a Table: an input, or with Options a choice.
type Filter struct {
	Name    string
	Label   string // a message id
	Type    string // text, datetime-local
	Value   string
	Options []Option
}

// Option is one of several things to choose from.
type Option struct {
	Value  string
	Text   string // a message id
	Chosen bool
}

// Link leads elsewhere on the page's host.
type Link struct {
	Target string
	Text   string // a message id
}

// WriteTable answers r with t, in the language that r prefers.
func (ps *Pages) WriteTable(w http.ResponseWriter, r *http.Request, status int, t Table) {
	printer := message.New(message.Pick(r.Header.Get("Accept-Language")))
	args := map[string]string{}
	for k, v := range t.Args {
		args[k] = Plain(v)
	}
	options := func(from []Option) []Option {
		var out []Option
		for _, o := range from {
			out = append(out, Option{o.Value, printer.Text(o.Text, nil), o.Chosen})
		}
		return out
	}
	nonce := token.Opaque(12)
	view := map[string]any{
		"Lang": printer.Language(), "Nonce": nonce, "Lab": printer.Text("lab.page.banner", nil), "Title": printer.Text(t.Title, args),
		"Action": t.Action, "Columns": options(t.Columns), "ColumnsLabel": printer.Text("lab.report.columns", nil),
		"Show": printer.Text("lab.report.show", nil), "Empty": printer.Text("lab.report.empty", nil),
	}
	ps.faults(printer, view)
	var text, heads []string
	for _, id := range t.Text {
		text = append(text, printer.Text(id, args))
	}
	for _, id := range t.Heads {
		heads = append(heads, printer.Text(id, nil))
	}
	var filters []Filter
	for _, f := range t.Filters {
		filters = append(filters, Filter{f.Name, printer.Text(f.Label, nil), f.Type, Plain(f.Value), options(f.Options)})
	}
	var links []Link
	for _, l := range t.Links {
		links = append(links, Link{l.Target, printer.Text(l.Text, nil)})
	}
	rows := make([][]string, len(t.Rows))
	for i, cells := range t.Rows {
		for at, c := range cells {
			if id := t.Words[at][c]; id != "" {
				c = printer.Text(id, nil)
			}
			rows[i] = append(rows[i], Plain(c))
		}
	}
	view["Text"], view["Heads"], view["Filters"], view["Links"], view["Rows"] = text, heads, filters, links, rows
	if t.Problem != "" {
		view["Problem"] = printer.Text(t.Problem, args)
	}
	ps.send(w, printer.Language(), nonce, "'self'", status, ps.table, view)
}
