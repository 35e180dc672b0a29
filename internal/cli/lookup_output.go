package cli

import (
	"bytes"
	"encoding/json"

	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
)

// flushAt is how much output is gathered before it is written (chosen: a pipe of Linux holds as much).
const flushAt = 64 << 10

// answers prints answers one by one as they come, in any format, with bounded memory.
type answers struct {
	app    *app
	book   *explain.Book
	format string
	n      int
	out    []byte
}

func (p *answers) begin() error {
	switch p.format {
	case "json":
		p.out = append(p.out, '[')
	case "csv":
		p.out = append(p.out, explain.CSVHead...)
	}
	return nil
}

func (p *answers) print(given string, t endpoint.Target) error {
	p.n++
	switch p.format {
	case "jsonl":
		p.out = p.book.AppendJSONLine(p.out, given, t)
	case "csv":
		p.out = p.book.AppendCSVLines(p.out, given, t)
	case "json":
		if p.n > 1 {
			p.out = append(p.out, ',')
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		e.SetIndent("  ", "  ")
		if err := e.Encode(p.book.Explain(given, t)); err != nil {
			return err
		}
		p.out = append(append(p.out, "\n  "...), bytes.TrimSpace(text.Bytes())...)
	default:
		var text bytes.Buffer
		if p.n > 1 {
			text.WriteByte('\n')
		}
		if err := explain.Render(&text, p.book.Explain(given, t), p.app.printer, 100); err != nil {
			return err
		}
		p.out = append(p.out, text.Bytes()...)
	}
	if len(p.out) >= flushAt {
		return p.flush()
	}
	return nil
}

func (p *answers) end() error {
	if p.format == "json" {
		if p.n > 0 {
			p.out = append(p.out, '\n')
		}
		p.out = append(p.out, "]\n"...)
	}
	return p.flush()
}

// printAnswers prints whole answers as format asks for; the table form is one screen for each.
func (a *app) printAnswers(list []explain.Answer, format string) error {
	switch format {
	case "json":
		return a.printJSON(list)
	case "jsonl":
		for _, answer := range list {
			if err := a.printLine(answer); err != nil {
				return err
			}
		}
		return nil
	}
	for i, answer := range list {
		if i > 0 {
			a.printf("\n")
		}
		if err := explain.Render(a.Out, answer, a.printer, 100); err != nil {
			return err
		}
	}
	return nil
}

// flush writes what was gathered.
func (p *answers) flush() error {
	_, err := p.app.Out.Write(p.out)
	p.out = p.out[:0]
	return err
}
