package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// mostOptionFile bounds a file that an option names (chosen: a workbook with pictures).
const mostOptionFile = 16 << 20

// renderCommand has a verb for each target, made from what the target says of itself.
func (a *app) renderCommand() *cobra.Command {
	verbs := []*cobra.Command{a.renderListCommand()}
	for _, t := range node.RenderTargets() {
		verbs = append(verbs, a.renderTargetCommand(t))
	}
	c := a.noun("render", "render", verbs...)
	c.Long = a.t("render.long")
	c.Example = "  sekisho render list\n  sekisho render csv --output endpoints.csv\n  sekisho render json --lab"
	return c
}

// renderListCommand prints the targets.
func (a *app) renderListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: a.t("render.list.short"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json", "csv")
	c.RunE = func(*cobra.Command, []string) error {
		type option struct {
			Name    string   `json:"name"`
			Default string   `json:"default"`
			Values  []string `json:"values"`
		}
		type target struct {
			Name    string   `json:"name"`
			About   string   `json:"about"`
			Options []option `json:"options"`
		}
		list := []target{}
		r := rows{columns: []column{{"target", a.t("render.list.target")}, {"about", a.t("render.list.about")}}}
		for _, t := range node.RenderTargets() {
			about := a.printer.Text("render.target."+t.Name(), nil)
			entry := target{Name: t.Name(), About: about, Options: []option{}}
			for _, o := range t.Options() {
				entry.Options = append(entry.Options, option{o.Name, o.Default, append([]string{}, o.Values...)})
			}
			list = append(list, entry)
			r.cells = append(r.cells, []string{t.Name(), about})
		}
		switch o.format {
		case "json":
			return a.printJSON(list)
		case "csv":
			return a.printCSV(r)
		}
		a.printTable(r)
		return nil
	}
	return c
}

// renderTargetCommand renders one target. What it has to say goes to the standard error; with --strict a warning ends in
// exit code 3.
func (a *app) renderTargetCommand(t render.Target) *cobra.Command {
	c := &cobra.Command{Use: t.Name(), Short: a.printer.Text("render.target."+t.Name(), nil), Args: cobra.NoArgs}
	if id := "render.about." + t.Name(); a.printer.Has(id) {
		c.Long = a.printer.Text(id, nil)
	}
	flags := c.Flags()
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "out" { // as the other commands that write a file call it
			name = "output"
		}
		return pflag.NormalizedName(name)
	})
	out := flags.StringP("output", "o", "", a.t("render.flag.output"))
	only := flags.String("file", "", a.t("render.flag.file"))
	lab := flags.Bool("lab", false, a.t("flag.lab-policy"))
	strict := flags.Bool("strict", false, a.t("render.flag.strict"))
	since := new(string)
	if _, ok := t.(render.Since); ok {
		since = flags.String("since", "", a.t("render.flag.since"))
	}
	lint := a.lintFlags(c, t)
	given := a.optionFlags(c, t)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if lint.file != "" {
			return a.lint(c, lint, *lab)
		}
		values, err := given()
		if err != nil {
			return err
		}
		options, err := render.ParseOptions(t, values)
		if err != nil {
			return err
		}
		if f := c.Flags().Lookup("since"); f != nil && f.Changed && *since == "" {
			return a.usage("flag-without-value", "flag", "--since") // nothing is no version, and not the whole
		}
		in, err := a.renderInput(*lab, *since)
		if err != nil {
			return err
		}
		in.Root = func() []byte { return a.gatewayRoot(*lab) }
		result, err := render.Render(t, in, options)
		if err != nil {
			return err
		}
		if !result.Unchanged {
			if err := a.writeRendered(t, result, *out, *only); err != nil {
				return err
			}
		}
		a.printFindings(result.Findings)
		if *strict && len(result.Findings.Of(finding.Warning)) > 0 {
			return errFound
		}
		return nil
	}
	return c
}

// optionFlags adds a flag for each option of t and returns what reads them.
func (a *app) optionFlags(c *cobra.Command, t render.Target) func() (map[string][]string, error) {
	flags := c.Flags()
	for _, o := range t.Options() {
		about := a.printer.Text("render.option."+t.Name()+"."+o.Name, nil)
		switch o.Kind {
		case render.Flag:
			flags.Bool(o.Name, o.Default == "true", about)
		case render.Number:
			n, _ := strconv.Atoi(o.Default)
			flags.Int(o.Name, n, about)
		case render.List:
			flags.StringSlice(o.Name, nil, about)
		default:
			if len(o.Values) > 0 {
				about += ": " + strings.Join(o.Values, ", ")
			}
			flags.String(o.Name, o.Default, about)
			if o.Kind == render.Choice {
				_ = c.RegisterFlagCompletionFunc(o.Name, cobra.FixedCompletions(o.Values, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
	return func() (map[string][]string, error) {
		values := map[string][]string{}
		for _, o := range t.Options() {
			f := flags.Lookup(o.Name)
			if f == nil || !f.Changed {
				continue
			}
			switch o.Kind {
			case render.List:
				list, err := flags.GetStringSlice(o.Name)
				if err != nil {
					return nil, err
				}
				values[o.Name] = list
			case render.FileText:
				body, err := readFile(f.Value.String(), mostOptionFile)
				if err != nil {
					return nil, finding.Fail("cli.render.unreadable", err, "file", f.Value.String(), "flag", "--"+o.Name)
				}
				values[o.Name] = []string{string(body)}
			default:
				values[o.Name] = []string{f.Value.String()}
			}
		}
		return values, nil
	}
}

// renderInput compiles the policy that applies; with since, a version as "catalog diff" takes it, together with that of then.
func (a *app) renderInput(lab bool, since string) (render.Input, error) {
	settings, problems := a.loadConfig(lab, nil)
	if problems.HasErrors() {
		return render.Input{}, &finding.Problem{Findings: problems.Sort()}
	}
	if since != "" {
		return a.renderSince(settings, since)
	}
	snapshot, err := a.snapshot()
	if err != nil {
		return render.Input{}, err
	}
	program, found := node.Compile(settings, snapshot)
	if found = append(problems, found...).Sort(); found.HasErrors() {
		return render.Input{}, &finding.Problem{Findings: found}
	}
	var tags feed.Tags
	if index, _ := a.serviceTags(true); index != nil {
		tags = index.Prefixes
	}
	in := node.RenderInput(settings, program, tags)
	in.Language = a.printer.Language()
	in.Communities = a.communities(settings, program)
	return in, nil
}

// gatewayRoot is the root certificate of the gateway whose data is here, PEM; nil where there is none.
func (a *app) gatewayRoot(lab bool) []byte {
	folder, err := a.dataFolder()
	if lab {
		folder, err = a.labFolder()
	}
	if err != nil {
		return nil
	}
	authority, err := node.ShowAuthority(folder)
	if err != nil {
		return nil
	}
	return authority.RootPEM
}

// communities chooses those of a route filter for the features in use.
func (a *app) communities(settings *config.Config, program *policy.Program) func(bool) ([]bgp.Community, error) {
	return func(m365 bool) ([]bgp.Community, error) {
		data, err := a.dataFolder()
		if err != nil {
			return nil, err
		}
		return node.Communities(settings, data, program, m365, time.Now())
	}
}

// renderSince compiles the policy against what is in use, and against an earlier version.
func (a *app) renderSince(settings *config.Config, since string) (render.Input, error) {
	sides, err := a.sides(since, "current")
	if err != nil {
		return render.Input{}, err
	}
	var in [2]render.Input
	for i, side := range sides {
		input, found := node.RenderSide(settings, side)
		if input.Program == nil {
			return render.Input{}, &finding.Problem{Findings: found}
		}
		in[i] = input
		in[i].Language = a.printer.Language()
		in[i].Communities = a.communities(settings, input.Program)
	}
	in[1].Before = &in[0]
	return in[1], nil
}

// writeRendered writes the files where they were asked for: the standard output, a file, or a folder. Each is written whole
// beside its place first.
func (a *app) writeRendered(t render.Target, result render.Output, out, only string) error {
	files := result.Files
	if only != "" {
		files = nil
		var names []string
		for _, f := range result.Files {
			if names = append(names, f.Name); f.Name == only {
				files = []render.File{f}
			}
		}
		if files == nil {
			return a.usage("render.no-file", "target", t.Name(), "file", only, "files", strings.Join(names, ", "))
		}
	}
	if out == "" || out == "-" {
		if len(files) > 1 {
			var names []string
			for _, f := range files {
				names = append(names, f.Name)
			}
			return a.usage("render.several", "target", t.Name(), "files", strings.Join(names, ", "))
		}
		_, err := a.Out.Write(files[0].Body)
		return err
	}
	folder := len(files) > 1 || os.IsPathSeparator(out[len(out)-1])
	if info, err := os.Stat(out); err == nil {
		folder = folder || info.IsDir()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return a.unwritable(out, err)
	}
	if folder {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return a.unwritable(out, err)
		}
	}
	return a.writeTogether(files, out, folder)
}

// writeTogether writes files that belong together: all of them beside their places first, so that a full disk or a folder that
// cannot be written leaves every old one. The first, which names the others, is put in its place last.
func (a *app) writeTogether(files []render.File, out string, folder bool) error {
	places, written := make([]string, len(files)), make([]string, len(files))
	defer func() {
		for _, name := range written {
			if name != "" {
				os.Remove(name)
			}
		}
	}()
	for i, f := range files {
		if places[i] = out; folder {
			places[i] = filepath.Join(out, f.Name)
		}
		info, err := os.Stat(places[i])
		if err == nil && info.IsDir() {
			err = errors.New("is a folder")
		} else {
			written[i], err = writeBeside(places[i], f.Body, 0o644)
		}
		if err != nil {
			return a.unwritable(places[i], err)
		}
	}
	for i := range slices.Backward(files) {
		if err := os.Rename(written[i], places[i]); err != nil {
			return a.unwritable(places[i], err)
		}
		written[i] = ""
	}
	for _, place := range places {
		a.notef("%s\n", a.t("written", "file", place))
	}
	return nil
}

// unwritable is the error of a file that could not be written: the command failed, its use was right.
func (a *app) unwritable(file string, err error) error {
	return errors.New(a.t("render.unwritable", "file", file, "cause", err.Error()))
}
