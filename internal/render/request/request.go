// Package request is the target "xlsx": the change request (申請書) with which whoever runs a firewall or proxy is asked to
// open, change or close what the policy in use needs, as a workbook or as a table.
//
// A line asks for one destination from one source in one direction, with every port that the rows of the model open to it,
// all their purposes and all their sources. With Input.Before it asks for exactly what changed. What cannot be asked for
// stands on a sheet of its own. The organisation's own form may be given as a template.
//
// No cell is a formula, none has a character that nobody sees. The package executes nothing of a template: no macro, no
// formula, no link.
package request

import (
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// Target is the target "xlsx".
type Target struct{}

// Name returns "xlsx".
func (Target) Name() string { return name }

// Since says that the target renders changes: a request for nothing else.
func (Target) Since() {}

const (
	name = "xlsx"

	optionTitle     = "title"
	optionApplicant = "applicant"
	optionWanted    = "wanted"
	optionExpires   = "expires"
	optionFormat    = "format"
	optionEncoding  = "encoding"
	optionTemplate  = "template"

	formatWorkbook = "xlsx"
	formatTable    = "csv"
	never          = "none" // of --expires

	workbookType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" // IANA media types
)

// Options returns those of a plan of flows, and what stands in the head of the form.
func (Target) Options() []render.Option {
	return flow.Options(
		render.Option{Name: optionTitle, Kind: render.Text},
		render.Option{Name: optionApplicant, Kind: render.Text},
		render.Option{Name: optionWanted, Kind: render.Text},
		render.Option{Name: optionExpires, Kind: render.Text, Default: never},
		render.Option{Name: optionTemplate, Kind: render.FileText},
		// Without a default: an encoding that somebody names says that a table is wanted.
		render.Option{Name: optionFormat, Kind: render.Choice, Values: []string{formatWorkbook, formatTable}},
		render.Option{Name: optionEncoding, Kind: render.Choice, Values: render.Encodings()},
	)
}

// Render returns sekisho-request.xlsx, or sekisho-request.csv.
func (Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	f, err := newForm(in, m)
	if err != nil {
		return render.Output{}, err
	}
	template := in.Options.Text(optionTemplate)
	encoding := in.Options.Text(optionEncoding)
	format := in.Options.Text(optionFormat)
	if format == "" {
		if format = formatWorkbook; encoding != "" {
			format = formatTable
		}
	}
	f.say(format == formatWorkbook && template == "")
	out := render.Output{Findings: f.findings}
	if len(f.lines) == 0 {
		if in.Before != nil {
			out.Unchanged = true
			out.Findings = append(out.Findings, finding.New("request.unchanged", finding.Info, finding.Pos{}, "since", f.since, "catalog", f.catalog))
			return out, nil
		}
		return render.Output{}, finding.Fail("request.nothing", nil, "left", strconv.Itoa(len(f.notes)))
	}
	switch {
	case format == formatTable && template != "":
		return render.Output{}, finding.Fail("request.together", nil, "first", optionTemplate, "second", optionFormat+" "+formatTable)
	case format == formatTable:
		file, more := f.table(encoding)
		out.Files, out.Findings = []render.File{file}, append(out.Findings, more...)
		return out, nil
	case encoding != "":
		return render.Output{}, finding.Fail("request.together", nil, "first", optionEncoding, "second", optionFormat+" "+formatWorkbook)
	}
	var body []byte
	if template != "" {
		body, err = f.fill([]byte(template))
	} else {
		body, err = f.workbook()
	}
	if err != nil {
		return render.Output{}, err
	}
	out.Files = []render.File{{Name: "sekisho-request.xlsx", Type: workbookType, Body: body, Download: true, Lines: render.NoLines()}}
	out.Findings = append(out.Findings, f.cut()...)
	return out, nil
}

// form is everything that a request says, in the reader's language.
type form struct {
	p        *message.Printer
	lines    []*line
	notes    []note
	sources  []source
	findings finding.List
	long     int // cells that were cut

	title, organisation, applicant, date, policy, catalog, since, wanted, expires string
}

func newForm(in render.Input, m *render.Model) (*form, error) {
	p := in.Printer()
	f := &form{
		p: p, title: visible(in.Options.Text(optionTitle)), organisation: visible(in.Organisation), applicant: visible(in.Options.Text(optionApplicant)),
		date: render.Date(in), policy: in.Program.Hash(), catalog: visible(in.Program.CatalogVersion()),
	}
	if f.title == "" {
		f.title = f.text("title")
	}
	if in.Before != nil {
		f.since = visible(in.Before.Program.CatalogVersion())
	}
	var err error
	if f.wanted, err = day(optionWanted, in.Options.Text(optionWanted)); err != nil {
		return nil, err
	}
	if text := in.Options.Text(optionExpires); text != never && text != "" {
		if f.expires, err = day(optionExpires, text); err != nil {
			return nil, err
		}
		if f.wanted != "" && f.expires < f.wanted {
			return nil, finding.Fail("request.expires-first", nil, "wanted", f.wanted, "expires", f.expires)
		}
	} else {
		f.expires = f.text("expires.none")
	}
	if err := f.gather(in, m); err != nil {
		return nil, err
	}
	return f, nil
}

// text is a text of the form.
func (f *form) text(id string, args ...string) string {
	values := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		values[args[i]] = args[i+1]
	}
	return f.p.Text("request."+id, values)
}

// day reads a day: 2026-12-01, or with slashes as Japanese forms have it. "" stays "".
func day(option, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	for _, layout := range []string{time.DateOnly, "2006/1/2", "2006/01/02", "20060102"} {
		if d, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return d.Format(time.DateOnly), nil
		}
	}
	return "", finding.Fail("request.day", nil, "option", option, "value", render.OneLine(text))
}
