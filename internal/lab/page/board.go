package page

import (
	_ "embed"
	"net/http"

	"sekisho/internal/lab/token"
	"sekisho/internal/message"
)

//go:embed board.html
var boardSource string

// Board is a page of lists whose rows have a button each, and of forms. All of them are posted to Action with the field "do",
// the row's "key", and the session's token.
type Board struct {
	Title    string // message ids that take Args
	Text     []string
	Args     map[string]string
	Notice   string // a message id: what was done; "" for nothing
	Problem  string // a message id that takes "refusal": what was not
	Cause    Cause  // why it was not
	Action   string
	CSRF     string
	Sections []Section
	Links    []Link
}

// Cause says why something was not done: by a message id, or where there is no text for it, by words of whoever refused.
type Cause struct{ ID, Text string }

// Section is one list of a Board with the form that adds to it.
type Section struct {
	Title  string   // a message id
	Heads  []string // message ids
	Rows   []Row
	Do     string // of the form; "": there is none
	Submit string // a message id
	Fields []Input
}

// Row is one line of a list. Button is the message id of its button; "": none.
type Row struct {
	Cells           []Cell
	Do, Key, Button string
}

// Cell shows the message Message or, when that is "", Text as it is.
type Cell struct{ Text, Message string }

// WriteBoard answers r with b, in the language that r prefers.
func (ps *Pages) WriteBoard(w http.ResponseWriter, r *http.Request, status int, b Board) {
	printer := message.New(message.Pick(r.Header.Get("Accept-Language")))
	args := map[string]string{}
	for k, v := range b.Args {
		args[k] = Plain(v)
	}
	switch {
	case b.Cause.ID != "" && printer.Has(b.Cause.ID):
		args["refusal"] = printer.Text(b.Cause.ID, nil)
	case b.Cause.ID != "":
		args["refusal"] = Plain(b.Cause.ID)
	default:
		args["refusal"] = Plain(b.Cause.Text)
	}
	text := func(id string) string {
		if id == "" {
			return ""
		}
		return printer.Text(id, args)
	}
	list := func(ids []string) (out []string) {
		for _, id := range ids {
			out = append(out, text(id))
		}
		return out
	}
	var sections []Section
	for _, s := range b.Sections {
		shown := Section{Title: text(s.Title), Heads: list(s.Heads), Do: s.Do, Submit: text(s.Submit)}
		for _, in := range s.Fields {
			in.Label, in.Value = text(in.Label), Plain(in.Value)
			shown.Fields = append(shown.Fields, in)
		}
		for _, row := range s.Rows {
			out := Row{Do: row.Do, Key: row.Key, Button: text(row.Button)}
			for _, c := range row.Cells {
				if c.Message != "" {
					c.Text = text(c.Message)
				}
				out.Cells = append(out.Cells, Cell{Text: Plain(c.Text)})
			}
			shown.Rows = append(shown.Rows, out)
		}
		sections = append(sections, shown)
	}
	var links []Link
	for _, l := range b.Links {
		links = append(links, Link{l.Target, text(l.Text)})
	}
	nonce := token.Opaque(12)
	view := map[string]any{
		"Lang": printer.Language(), "Nonce": nonce, "Lab": printer.Text("lab.page.banner", nil), "Title": text(b.Title), "Text": list(b.Text),
		"Notice": text(b.Notice), "Problem": text(b.Problem), "Action": b.Action, "CSRF": b.CSRF, "Sections": sections, "Links": links,
	}
	ps.faults(printer, view)
	ps.send(w, printer.Language(), nonce, "'self'", status, ps.board, view)
}
