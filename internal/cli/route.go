package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/route"
)

func (a *app) routeCommand() *cobra.Command {
	return a.noun("route", "route", a.routeExplainCommand(), a.routePlanCommand(), a.routeClosedCommand(), a.routeFilterCommand(), a.routeMapCommand())
}

// routeFlags are the flags that every verb of route has.
type routeFlags struct {
	files    node.RouteFiles
	answers  []string
	resolver string
	offline  bool
	timeout  time.Duration
}

func (a *app) routeFlags(c *cobra.Command) *routeFlags {
	f := &routeFlags{}
	c.Flags().StringVar(&f.files.Communities, "communities", "", a.rt("command.flag.communities"))
	c.Flags().StringArrayVar(&f.files.Received, "received", nil, a.rt("command.flag.received"))
	c.Flags().StringVar(&f.files.ASTable, "as-table", "", a.rt("command.flag.as-table"))
	c.Flags().StringArrayVar(&f.answers, "answers", nil, a.rt("command.flag.answers"))
	c.Flags().StringVar(&f.resolver, "resolver", "", a.rt("command.flag.resolver"))
	c.Flags().DurationVar(&f.timeout, "timeout", dnsx.DefaultTimeout, a.rt("command.flag.timeout"))
	return f
}

// roads is a book with what was resolved.
type roads struct {
	*route.Book
	app      *app
	flags    *routeFlags
	settings *config.Config // nil: no configuration
	resolved []route.Resolution
	client   *dnsx.Client // nil: nobody is asked
	failed   bool         // a resolver that was named did not answer
}

// roads reads the configuration, when there is one, and every file that it or the flags name. resolve says whether hosts
// are resolved although no resolver was named.
func (a *app) roads(f *routeFlags, resolve bool) (*roads, error) {
	file, _, err := a.configFile()
	if err != nil {
		return nil, err
	}
	r := &roads{app: a, flags: f}
	if file != "" {
		var problems finding.List
		if r.settings, problems = a.loadConfig(false, nil); problems.HasErrors() {
			return nil, &finding.Problem{Findings: problems.Sort()}
		}
	}
	snapshot, err := a.snapshot()
	if err != nil {
		return nil, err
	}
	if r.settings != nil {
		if snapshot, err = a.filled(r.settings, snapshot); err != nil {
			return nil, err
		}
	}
	data, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	book, found := node.RouteBook(r.settings, data, snapshot, f.files, time.Now())
	if book == nil {
		return nil, &finding.Problem{Findings: found}
	}
	a.printFindings(found.Of(finding.Warning))
	r.Book = book
	for _, given := range f.answers {
		list, err := a.answers(given)
		if err != nil {
			return nil, err
		}
		r.resolved = append(r.resolved, list...)
	}
	if f.timeout <= 0 || f.timeout > time.Minute {
		return nil, a.usage("flag-value", "value", f.timeout.String(), "flag", "timeout")
	}
	switch {
	case f.resolver != "":
		server, ok := dnsx.ParseServer(f.resolver)
		if !ok {
			return nil, a.usage("flag-value", "value", f.resolver, "flag", "resolver")
		}
		r.client = &dnsx.Client{Servers: []netip.AddrPort{server}, Timeout: f.timeout}
	case resolve && !f.offline && len(f.answers) == 0:
		r.client = &dnsx.Client{Timeout: f.timeout}
		if r.settings != nil {
			for _, v := range r.settings.Network.Resolvers {
				r.client.Servers = append(r.client.Servers, v.V)
			}
		}
	}
	return r, nil
}

// filled is the catalog with the organisation's values.
func (a *app) filled(settings *config.Config, snapshot *catalog.Snapshot) (*catalog.Snapshot, error) {
	view, found := node.Fill(settings, snapshot)
	if view == nil {
		return nil, &finding.Problem{Findings: found}
	}
	return view, nil
}

// answers reads "FILE" or "SITE=FILE".
func (a *app) answers(given string) ([]route.Resolution, error) {
	site, name, named := strings.Cut(given, "=")
	if !named {
		site, name = "", given
	}
	// A pipe that nobody writes to would be waited for without end.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, finding.Fail("route.unreadable", nil, "file", name, "cause", "not a regular file")
	}
	in, err := os.Open(name)
	if err != nil {
		return nil, finding.Fail("route.unreadable", nil, "file", name, "cause", node.UnreadableCause(err))
	}
	defer in.Close()
	body, err := io.ReadAll(io.LimitReader(in, route.MaxAnswerBytes+1))
	if err != nil {
		return nil, finding.Fail("route.unreadable", nil, "file", name, "cause", node.UnreadableCause(err))
	}
	list, found := route.ParseAnswers(name, body)
	if list == nil {
		return nil, &finding.Problem{Findings: found}
	}
	if named {
		for i := range list {
			list[i].Site = site
		}
	}
	return list, nil
}

// resolve asks for h unless a file has it. A resolver that fails is told, and the answer goes by what else is known.
func (r *roads) resolve(ctx context.Context, h endpoint.Host) ([]route.Resolution, finding.List, error) {
	if r.client == nil || slices.ContainsFunc(r.resolved, func(x route.Resolution) bool { return x.Name == h }) {
		return r.resolved, nil, nil
	}
	answer, err := r.client.Lookup(ctx, h)
	if problem := (*finding.Problem)(nil); errors.As(err, &problem) {
		// Asked by name, a resolver that does not answer is a failure; the system's, out of reach in a closed network, is not.
		r.failed = r.failed || r.flags.resolver != ""
		found := slices.Clone(problem.Findings)
		for i := range found {
			found[i].Severity = finding.Warning
		}
		return nil, found, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var found finding.List
	if answer.Strangers > 0 {
		found = append(found, finding.New("route.strangers", finding.Warning, finding.Pos{}, "resolver", answer.Server.String(),
			"name", h.String(), "count", itoa(answer.Strangers)))
	}
	one := route.Resolution{Resolver: answer.Server.String(), At: answer.At, Name: h, Chain: answer.Chain, Addrs: answer.Addrs}
	return append(slices.Clone(r.resolved), one), found, nil
}

// explain answers about what a person wrote.
func (r *roads) explain(ctx context.Context, given string) (route.Answer, error) {
	answer, err := r.answer(ctx, given)
	answer.Given = given
	return answer, err
}

func (r *roads) answer(ctx context.Context, given string) (route.Answer, error) {
	if id, err := catalog.ParseClaimID(given); err == nil {
		if set, ok := r.Catalog().Set(id); ok {
			return r.Set(set, r.resolved), nil
		}
	}
	if _, ok := r.Catalog().Feature(catalog.FeatureID(given)); ok {
		return r.Features([]catalog.FeatureID{catalog.FeatureID(given)}, given, "feature", r.resolved), nil
	}
	if strings.Contains(given, "*") {
		p, err := endpoint.ParsePattern(given)
		if err != nil {
			return route.Answer{}, err
		}
		return r.Wildcard(p, r.resolved), nil
	}
	target, err := endpoint.ParseTarget(given)
	switch {
	case err != nil:
		return route.Answer{}, err
	case target.Kind == endpoint.PrefixTarget:
		return r.Prefix(target.Prefix), nil
	case target.Host == "":
		return r.Address(target.Addr), nil
	}
	resolved, found, err := r.resolve(ctx, target.Host)
	if err != nil {
		return route.Answer{}, err
	}
	answer := r.Host(target.Host, resolved)
	answer.Hints = append(found, answer.Hints...)
	return answer, nil
}

func (a *app) routeExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain TARGET...",
		Short: a.rt("command.explain.short"),
		Long:  a.rt("command.explain.long"),
		Example: "  sekisho route explain 20.189.229.1 login.microsoftonline.com\n  sekisho route explain '*.manage.microsoft.com' intune.core -o json\n" +
			"  sekisho route explain outlook.office365.com --answers tokyo=tokyo.txt --answers osaka=osaka.txt\n  sekisho route explain -f addresses.txt -o jsonl",
	}
	f := a.routeFlags(c)
	c.Flags().BoolVar(&f.offline, "no-resolve", false, a.rt("command.flag.no-resolve"))
	files := c.Flags().StringArrayP("file", "f", nil, a.t("lookup.flag.file"))
	all := c.Flags().Bool("organisation", false, a.rt("command.flag.organisation"))
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(*files) > 0 || *all {
			return nil
		}
		return cobra.MinimumNArgs(1)(c, args)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := a.roads(f, true)
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(a.Out, 64<<10)
		defer func(w io.Writer) { a.Out = w }(a.Out)
		a.Out = out
		err = a.routeExplain(c.Context(), r, args, *files, *all, o.format)
		return cmp.Or(out.Flush(), err)
	}
	return c
}

func (a *app) routeExplain(ctx context.Context, r *roads, args, files []string, all bool, format string) error {
	answers := []route.Answer{}
	wrong := 0
	say := func(answer route.Answer) error {
		switch format {
		case "json":
			answers = append(answers, answer)
		case "jsonl":
			return a.printLine(answer)
		default:
			a.printRoute(answer)
		}
		return nil
	}
	if all {
		features, err := a.routeFeatures(r, nil)
		if err != nil {
			return err
		}
		if err := say(r.Features(features, "organisation", "organisation", r.resolved)); err != nil {
			return err
		}
	}
	for _, given := range args {
		if given == "-" {
			files = append(files, given)
			continue
		}
		answer, err := r.explain(ctx, given)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return targetMistake(err)
		}
		if err := say(answer); err != nil {
			return err
		}
	}
	for _, name := range files {
		err := a.routeLines(name, func(given string, pos finding.Pos) error {
			answer, err := r.explain(ctx, given)
			var parse *endpoint.ParseError
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.As(err, &parse):
				if wrong++; wrong <= mostMistakes {
					a.printFinding(parse.Finding(pos), "")
				}
				return nil
			case err != nil:
				return err
			}
			return say(answer)
		})
		if err != nil {
			return err
		}
	}
	if format == "json" {
		if err := a.printJSON(answers); err != nil {
			return err
		}
	}
	switch {
	case wrong > 0:
		return wrongInput{errors.New(a.t("lookup.wrong", "count", itoa(wrong)))}
	case r.failed:
		return errors.New(a.rt("command.resolver-failed", "resolver", r.flags.resolver))
	}
	return nil
}

// routeLines calls f for every line of a list; "-" is the standard input.
func (a *app) routeLines(name string, f func(string, finding.Pos) error) error {
	in := a.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	} else {
		name = "stdin"
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineBytes)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		if err := f(text, finding.Pos{File: name, Line: n}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// routeFeatures are the features that a question is about: those named, else the configuration's.
func (a *app) routeFeatures(r *roads, named []string) ([]catalog.FeatureID, error) {
	if len(named) == 0 && r.settings != nil {
		for _, f := range r.settings.Features {
			named = append(named, f.V)
		}
	}
	if len(named) == 0 {
		return nil, finding.Fail("route.no-features", nil)
	}
	ids := make([]catalog.FeatureID, len(named))
	for i, n := range named {
		ids[i] = catalog.FeatureID(n)
	}
	known, unknown := r.Catalog().Expand(ids)
	if len(unknown) > 0 {
		return nil, finding.Fail("route.unknown-feature", nil, "value", string(unknown[0]))
	}
	return known, nil
}
