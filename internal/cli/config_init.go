package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// mostAnswers is how often a question is asked before "config init" gives up (chosen: a person has found the answer by then,
// and a program that writes without end does not keep the command busy).
const mostAnswers = 20

// configInitCommand writes a commented sekisho.yaml from flags, and from answers for what is missing.
func (a *app) configInitCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init",
		Short: a.t("config.init.short"),
		Long:  a.t("config.init.long"),
		Example: "  sekisho config init --tenant contoso.com --context 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31 \\\n" +
			"    --features entra.sign-in,intune.core --consumer-accounts block --out sekisho.yaml",
		Args: cobra.NoArgs,
	}
	answers := config.Answers{Language: a.printer.Language()}
	flags := c.Flags()
	flags.StringSliceVar(&answers.Tenants, "tenant", nil, a.t("config.init.flag.tenant"))
	flags.StringVar(&answers.Context, "context", "", a.t("config.init.flag.context"))
	flags.StringSliceVar(&answers.Features, "features", nil, a.t("config.init.flag.features"))
	flags.StringVar(&answers.ConsumerAccounts, "consumer-accounts", "", a.t("config.init.flag.consumer-accounts"))
	flags.StringVar(&answers.Mode, "mode", "report", a.t("config.init.flag.mode"))
	flags.StringVar(&answers.Organisation, "organisation", "", a.t("config.init.flag.organisation"))
	flags.StringVar(&answers.Contact, "contact", "", a.t("config.init.flag.contact"))
	out := flags.String("out", "sekisho.yaml", a.t("config.init.flag.out"))
	force := flags.Bool("force", false, a.t("config.init.flag.force"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *out != "-" {
			// Whoever has answered everything is not to learn only then that it was for nothing.
			if err := writable(*out, *force); err != nil {
				return err
			}
		}
		snapshot := a.snapshotOrBuiltin()
		if err := a.ask(c.Context(), &answers, *out, snapshot); err != nil {
			return err
		}
		content, problems := judgeAnswers(answers, *out, snapshot)
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems}
		}
		if *out == "-" {
			_, err := a.Out.Write(content)
			return err
		}
		if err := writeWhole(*out, content, 0o644); err != nil {
			return finding.Fail("cli.unwritable", err, "file", *out)
		}
		a.printFindings(problems)
		a.printf("%s\n%s\n", a.t("written", "file", *out), a.t("config.init.next", "file", *out))
		return nil
	}
	return c
}

// writable reports what stands against writing file.
func writable(file string, force bool) error {
	if _, err := os.Lstat(file); !force && !errors.Is(err, fs.ErrNotExist) {
		return finding.Fail("cli.exists", nil, "file", file)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return finding.Fail("cli.unwritable", err, "file", file)
	}
	return nil
}

// judgeAnswers makes the file of answers and judges it as "up" will judge it, before anything is written.
func judgeAnswers(answers config.Answers, file string, snapshot *catalog.Snapshot) ([]byte, finding.List) {
	content, problems := config.Init(answers)
	if problems.HasErrors() {
		return nil, problems
	}
	settings, problems := config.Parse(file, content)
	if !problems.HasErrors() {
		_, found := node.Compile(settings, snapshot)
		problems = append(problems, found...)
	}
	return content, problems.Sort()
}

// question is one answer that must be there.
type question struct {
	id      string // text "config.init.ask.<id>", flag --<id>
	missing func(*config.Answers) bool
	set     func(*config.Answers, string)
	example string // an answer that is right whatever the others are
}

// questions are in the order in which they are asked.
func questions() []question {
	list := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t、，　", r) })
	}
	return []question{
		{
			"tenant", func(a *config.Answers) bool { return len(a.Tenants) == 0 },
			func(a *config.Answers, s string) { a.Tenants = list(s) }, "contoso.com",
		},
		{
			"context", func(a *config.Answers) bool { return a.Context == "" },
			func(a *config.Answers, s string) { a.Context = s }, "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31",
		},
		{
			"features", func(a *config.Answers) bool { return len(a.Features) == 0 },
			func(a *config.Answers, s string) { a.Features = list(s) }, "entra.sign-in",
		},
		{
			"consumer-accounts", func(a *config.Answers) bool { return a.ConsumerAccounts == "" },
			func(a *config.Answers, s string) { a.ConsumerAccounts = s }, "block",
		},
	}
}

// missing names the flags of the questions that answers does not answer.
func missing(answers *config.Answers) string {
	var flags []string
	for _, q := range questions() {
		if q.missing(answers) {
			flags = append(flags, "--"+q.id)
		}
	}
	return strings.Join(flags, ", ")
}

// ask asks for what the flags did not say, on the standard error, and reads one line an answer, from a terminal or a pipe.
// What is wrong is said at once, and asked again. When nothing more comes, what is missing is named.
func (a *app) ask(ctx context.Context, answers *config.Answers, file string, snapshot *catalog.Snapshot) error {
	if missing(answers) == "" {
		return nil
	}
	// judge holds what was answered so far, with an example for each answer to come, against the reader of the file.
	judge := func(answers config.Answers) finding.List {
		for _, q := range questions() {
			if q.missing(&answers) {
				q.set(&answers, q.example)
			}
		}
		_, problems := judgeAnswers(answers, file, snapshot)
		var wrong finding.List
		for _, f := range problems {
			if f.Severity == finding.Error {
				wrong = append(wrong, f)
			}
		}
		return wrong
	}
	if wrong := judge(*answers); wrong.HasErrors() { // of flags
		return &finding.Problem{Findings: wrong}
	}
	lines, stop := readLines(a.In)
	defer stop()
	for _, q := range questions() {
		if !q.missing(answers) {
			continue
		}
		if q.id == "features" {
			a.printFeatures(snapshot)
		}
		for asked := 0; q.missing(answers); asked++ {
			if asked == mostAnswers {
				return a.usage("config.init.given-up", "flag", "--"+q.id)
			}
			a.notef("%s ", a.t("config.init.ask."+q.id))
			var line line
			select {
			case <-ctx.Done():
				a.notef("\n")
				return context.Canceled
			case line = <-lines:
			}
			if !a.Terminal || line.err != nil {
				a.notef("\n") // what comes from a pipe is not echoed, nor is the end of a terminal's input
			}
			switch {
			case line.err == io.EOF:
				return a.usage("config.init.missing", "flags", missing(answers))
			case line.err != nil:
				return finding.Fail("cli.unreadable-answer", line.err, "flag", "--"+q.id)
			}
			next := *answers
			if q.set(&next, strings.TrimSpace(line.text)); q.missing(&next) {
				continue
			}
			if wrong := judge(next); wrong.HasErrors() {
				for i := range wrong {
					wrong[i].Pos = finding.Pos{} // which answer it is, is plain; the file is not written
				}
				a.printFindings(wrong)
				continue
			}
			*answers = next
		}
	}
	return nil
}

// printFeatures lists the features with their titles.
func (a *app) printFeatures(snapshot *catalog.Snapshot) {
	a.notef("%s\n", a.t("config.init.features"))
	width := 0
	for _, f := range snapshot.Features() {
		width = max(width, len(f.ID))
	}
	for _, f := range snapshot.Features() {
		a.notef("  %s  %s\n", pad(string(f.ID), width), f.Title.In(a.printer.Language()))
	}
}

// line is a line of input, or why there is none.
type line struct {
	text string
	err  error // io.EOF: there are no more
}

// readLines reads lines of at most 64 KiB from in, each when somebody asks for it. Reading a terminal cannot be called off:
// after stop the reader ends with the line that it waits for, or with the process.
func readLines(in io.Reader) (lines <-chan line, stop func()) {
	out, done := make(chan line), make(chan struct{})
	go func() {
		scanner := bufio.NewScanner(in)
		for {
			next := line{err: io.EOF}
			if scanner.Scan() {
				next = line{text: scanner.Text()}
			} else if err := scanner.Err(); err != nil {
				next.err = fmt.Errorf("read an answer: %w", err)
			}
			select {
			case out <- next:
			case <-done:
				return
			}
			if next.err != nil {
				return
			}
		}
	}()
	return out, func() { close(done) }
}
