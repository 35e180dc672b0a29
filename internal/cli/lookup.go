package cli

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/policy"
	"sekisho/internal/route"
	"sekisho/internal/servicetags"
)

// subjectFlags are --user, --group and --client: who is asking.
type subjectFlags struct {
	user   string
	groups []string
	client string
}

func (a *app) subjectFlags(c *cobra.Command) *subjectFlags {
	s := &subjectFlags{}
	c.Flags().StringVar(&s.user, "user", "", a.t("flag.user"))
	c.Flags().StringSliceVar(&s.groups, "group", nil, a.t("flag.group"))
	c.Flags().StringVar(&s.client, "client", "127.0.0.1", a.t("flag.client"))
	return s
}

// subject checks the flags and returns who is asking.
func (a *app) subject(s *subjectFlags) (policy.Subject, error) {
	client, err := netip.ParseAddr(s.client)
	if err != nil || client.Zone() != "" {
		return policy.Subject{}, a.usage("client", "value", s.client)
	}
	return policy.Subject{Client: client.Unmap(), User: s.user, Groups: s.groups}, nil
}

// program compiles the policy that applies: the configuration's, or with lab the shipped example's. Without either,
// program is nil and the answer is the catalog's alone.
func (a *app) program(lab bool) (*policy.Program, finding.List, error) {
	file, named, err := a.configFile()
	if err != nil {
		return nil, nil, err
	}
	if file == "" && !lab {
		return nil, nil, nil
	}
	_ = named
	settings, problems := a.loadConfig(lab, nil)
	if problems.HasErrors() {
		return nil, nil, &finding.Problem{Findings: problems.Sort()}
	}
	snapshot, err := a.snapshot()
	if err != nil {
		return nil, nil, err
	}
	program, found := node.Compile(settings, snapshot)
	found = append(problems, found...).Sort()
	if found.HasErrors() {
		return nil, nil, &finding.Problem{Findings: found}
	}
	return program, found, nil
}

func (a *app) lookupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lookup TARGET...",
		Short: a.t("lookup.short"),
		Long:  a.t("lookup.long"),
		Example: "  sekisho lookup manage.microsoft.com\n  sekisho lookup 20.190.128.1 --lab\n" +
			"  sekisho lookup https://login.microsoftonline.com/ --user alice --client 10.1.2.3 -o json\n" +
			"  sekisho lookup -f hosts.txt -o csv\n  cut -f3 access.log | sekisho lookup - -o jsonl",
	}
	who := a.subjectFlags(c)
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	files := c.Flags().StringArrayP("file", "f", nil, a.t("lookup.flag.file"))
	warnAge := c.Flags().Int("warn-age", 0, a.t("lookup.flag.warn-age"))
	o := a.outputFlag(c, "table", "json", "jsonl", "csv")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(*files) > 0 {
			return nil
		}
		return cobra.MinimumNArgs(1)(c, args)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		subject, err := a.subject(who)
		if err != nil {
			return err
		}
		if *warnAge < 0 {
			return a.usage("flag-value", "value", strconv.Itoa(*warnAge), "flag", "warn-age")
		}
		input, err := a.targets(args, *files)
		if err != nil {
			return err
		}
		program, _, err := a.program(*lab)
		if err != nil {
			return err
		}
		// A screen and its JSON say which road carries the target, which the tags tell of hosts too.
		screen := o.format == "table" || o.format == "json"
		tags, tagFiles := a.serviceTags(screen || input.addresses())
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		if !c.Flags().Changed("warn-age") {
			*warnAge = a.maxAge()
		}
		var roads *route.Book
		if screen {
			roads = a.lookupRoads(snapshot, tags, tagFiles)
		}
		book := explain.NewBook(explain.Context{
			Roads: roads, Subject: subject, Program: program, Catalog: snapshot, Now: time.Now(), Tags: tags, TagFiles: tagFiles,
			WarnAge: time.Duration(*warnAge) * 24 * time.Hour,
		})
		return a.lookup(c.Context(), input, book, o.format)
	}
	return c
}

// serviceTags loads what was imported, the index only when it is wanted: host names have no tags. Damaged files are told
// and answers go without them.
func (a *app) serviceTags(wanted bool) (index *servicetags.Index, files []servicetags.Manifest) {
	data, err := a.dataFolder()
	if err != nil {
		return nil, nil
	}
	store := servicetags.NewStore(node.CatalogFolder(data), nil)
	if wanted {
		index, files, err = store.Index()
	} else {
		files, err = store.Current()
	}
	if problem := (*finding.Problem)(nil); errors.As(err, &problem) {
		a.printProblem(problem)
	}
	return index, files
}

// lookupRoads prepares the roads of look-ups; nil when a file that the configuration names cannot be read, which is told.
func (a *app) lookupRoads(snapshot *catalog.Snapshot, tags *servicetags.Index, tagFiles []servicetags.Manifest) *route.Book {
	var settings *config.Config
	if file, _, err := a.configFile(); err == nil && file != "" {
		settings, _ = a.loadConfig(false, nil) // what is wrong with it was said when the policy was compiled
	}
	data, err := a.dataFolder()
	if err != nil {
		return nil
	}
	book, found := node.RouteBook(settings, data, snapshot, node.RouteFiles{Tags: tags, TagFiles: tagFiles}, time.Now())
	if book == nil {
		a.printFindings(found)
	}
	return book
}

// lookup answers input, in its order, as format asks for. A line that is no target is told with its place and does not
// stop the rest; then the exit code is 2.
func (a *app) lookup(ctx context.Context, input *targets, book *explain.Book, format string) error {
	p := &answers{app: a, book: book, format: format}
	if format == "jsonl" || format == "csv" {
		// These have no place for a hint, and their readers are programs.
		if age := book.CatalogAge(); age.Stale {
			a.printFinding(explain.CatalogStale(age), "")
		}
		a.printFindings(book.ListsStale())
		for _, f := range book.TagFiles() {
			if f.Stale {
				a.printFinding(explain.TagsStale(f), "")
			}
		}
	}
	if err := p.begin(); err != nil {
		return err
	}
	wrong := 0
	err := input.each(ctx, func(given string, target endpoint.Target, pos finding.Pos, mistake error) error {
		if mistake != nil {
			wrong++
			if wrong <= mostMistakes {
				// What was answered so far comes first where both streams end in one terminal.
				if err := p.flush(); err != nil {
					return err
				}
				a.printMistake(mistake, pos)
			}
			return nil
		}
		return p.print(given, target)
	})
	err = cmp.Or(err, p.end())
	switch {
	case err != nil:
		return err
	case wrong > mostMistakes:
		return wrongInput{errors.New(a.t("lookup.wrong-more", "count", strconv.Itoa(wrong), "shown", strconv.Itoa(mostMistakes)))}
	case wrong > 0:
		return wrongInput{errors.New(a.t("lookup.wrong", "count", strconv.Itoa(wrong)))}
	}
	return nil
}

// mostMistakes bounds how many wrong lines are told one by one (chosen: a file of another kind has one in every line).
const mostMistakes = 100

// printMistake tells what is wrong with a line.
func (a *app) printMistake(mistake error, pos finding.Pos) {
	var parse *endpoint.ParseError
	if errors.As(mistake, &parse) {
		a.printFinding(parse.Finding(pos), "")
		return
	}
	a.notef("%s: %s: %s\n", a.t("error"), pos, a.t("lookup.long-line", "max", strconv.Itoa(lineBytes>>10)))
}
