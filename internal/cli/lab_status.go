package cli

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"sekisho/internal/node"
)

func (a *app) labStatusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: a.t("lab.status.short"), Long: a.t("lab.status.long"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		s, err := node.ReadLab(c.Context(), data)
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(s)
		}
		a.printLabStatus(s)
		return nil
	}
	return c
}

// statusColumns is how wide the lists of "lab status" are: a terminal's usual 80 columns.
const statusColumns = 80

// items prints a list under its label, items joined as the language joins them, broken between them at statusColumns.
func (a *app) items(label string, list []string) {
	const indent, labels = 2, 14
	comma := ", "
	if a.printer.Language() == "ja" {
		comma = "、"
	}
	line := strings.Repeat(" ", indent) + pad(label, labels)
	used := 0
	for i, item := range list {
		if i+1 < len(list) {
			item += comma
		}
		if used > 0 && indent+labels+used+lipgloss.Width(strings.TrimRight(item, " ")) > statusColumns {
			a.printf("%s\n", strings.TrimRight(line, " "))
			line, used = strings.Repeat(" ", indent+labels), 0
		}
		line += item
		used += lipgloss.Width(item)
	}
	a.printf("%s\n", strings.TrimRight(line, " "))
}

func (a *app) printLabStatus(s node.LabStatus) {
	line := func(id, value string) { a.printf("%s  %s\n", pad(a.t("lab.status."+id), 16), value) }
	line("folder", s.Folder)
	runs := a.t("lab.status.not-running")
	if s.Running {
		runs = a.t("lab.status.running")
	}
	line("lab", runs)
	kept := a.t("lab.status.not-kept")
	if s.Kept {
		kept = a.t("lab.status.kept", "used", mebibytes(s.StateBytes), "limit", mebibytes(s.StateLimit))
	}
	line("state", kept)
	file := s.File
	if file == "" {
		file = a.t("lab.status.shipped")
	}
	line("directory", file)
	line("sign-ins", itoa(s.SignIns))
	if len(s.Faults) == 0 {
		line("faults", a.t("lab.status.none"))
	}
	for i, f := range s.Faults {
		if i == 0 {
			line("faults", f.String())
		} else {
			a.printf("%s  %s\n", pad("", 16), f.String())
		}
	}
	if s.Edited {
		a.notef("%s: %s\n", a.t("warning"), a.t("lab.status.edited", "file", file))
	}
	a.printf("\n%s\n", a.t("lab.column.tenants"))
	names := map[string]string{}
	for _, t := range s.Tenants {
		names[t.ID] = t.Name
		a.printLabTenant(t)
	}
	a.printf("\n%s\n", a.t("lab.status.applications"))
	for _, app := range s.Applications {
		a.printLabApplication(app, names)
	}
	assumptions := rows{columns: []column{{"assumption", a.t("lab.column.assumption")}, {"value", a.t("config.column.value")}}}
	for name, value := range s.Assumptions {
		assumptions.cells = append(assumptions.cells, []string{name, fmt.Sprint(value)})
	}
	slices.SortFunc(assumptions.cells, slices.Compare)
	a.printf("\n")
	a.printTable(assumptions)
}

func (a *app) printLabTenant(t node.LabTenant) {
	var domains []string
	for _, d := range t.Domains {
		text := d.Name
		if d.State != "verified" {
			text += " (" + a.t("lab.status."+d.State) + ")"
		}
		if d.Default {
			text += " (" + a.t("lab.status.default") + ")"
		}
		domains = append(domains, text)
	}
	people := []string{a.t("lab.status.people", "members", itoa(t.Members), "guests", itoa(t.Guests))}
	for _, state := range []string{"disabled", "locked", "password-expired", "must-change"} {
		if n := t.ByState[state]; n > 0 {
			people = append(people, a.t("lab.status."+state)+" "+itoa(n))
		}
	}
	a.printf("%s  %s\n", t.Name, t.ID)
	if len(domains) > 0 {
		a.items(a.t("lab.status.domains"), domains)
	}
	a.items(a.t("lab.status.members"), people)
	a.items(a.t("lab.status.groups"), []string{itoa(t.Groups)})
	a.items(a.t("lab.status.policies"), []string{itoa(len(t.Policies))})
}

func (a *app) printLabApplication(app node.LabApplication, names map[string]string) {
	credentials := a.t("lab.status.public")
	if !app.Public {
		credentials = a.t("lab.status.credentials", "secrets", itoa(app.Secrets), "certificates", itoa(app.Certificates))
	}
	var in []string
	for _, id := range app.Tenants {
		text := names[id]
		if !slices.Contains(app.Consented, id) {
			text += " (" + a.t("lab.status.unconsented") + ")"
		}
		in = append(in, text)
	}
	slices.Sort(in)
	a.printf("%s  %s\n", app.Name, app.ID)
	a.items(a.t("lab.status.sign-in"), []string{credentials})
	a.items(a.t("lab.status.tenants"), in)
}
