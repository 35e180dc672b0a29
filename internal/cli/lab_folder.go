package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// labFolder is the data folder of the lab: --data, SEKISHO_DATA, or the platform's usual place beside the production one.
func (a *app) labFolder() (string, error) {
	if a.data != "" {
		return filepath.Abs(a.data)
	}
	return node.LabData(a.Getenv)
}

// checkpointFolder is the data folder that a command about what a checkpoint left behind means: the lab's when --lab
// says so or when, with none named, only a lab has ever run.
func (a *app) checkpointFolder() (string, error) {
	if a.inLab {
		return a.labFolder()
	}
	data, err := a.dataFolder()
	if err != nil || a.data != "" || a.Getenv("SEKISHO_DATA") != "" || node.Used(data) {
		return data, err
	}
	lab, err := a.labFolder()
	if err != nil || !node.Used(lab) {
		return data, err
	}
	a.notef("%s: %s\n", a.t("info"), a.t("lab.folder-used", "folder", lab))
	return lab, nil
}

// labFlag adds --lab to a command about what a checkpoint left behind, and to the commands below it.
func (a *app) labFlag(c *cobra.Command) *cobra.Command {
	c.PersistentFlags().BoolVar(&a.inLab, "lab", false, a.t("flag.lab-folder"))
	return c
}

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
	faults := a.t("lab.status.none")
	if len(s.Faults) > 0 {
		var set []string
		for _, f := range s.Faults {
			set = append(set, f.String())
		}
		faults = strings.Join(set, ", ")
	}
	line("faults", faults)
	if s.Edited {
		a.notef("%s: %s\n", a.t("warning"), a.t("lab.status.edited", "file", orShipped(s.File, a.t("lab.status.shipped"))))
	}
	names := map[string]string{}
	tenants := rows{columns: []column{
		{"tenant", a.t("lab.column.tenant")}, {"id", "ID"}, {"domains", a.t("lab.column.domains")},
		{"people", a.t("lab.column.people")}, {"groups", a.t("lab.column.groups")}, {"policies", a.t("lab.column.policies")},
	}}
	for _, t := range s.Tenants {
		names[t.ID] = t.Name
		var domains, people []string
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
		people = append(people, a.t("lab.status.people", "members", itoa(t.Members), "guests", itoa(t.Guests)))
		for _, state := range []string{"disabled", "locked", "password-expired", "must-change"} {
			if n := t.ByState[state]; n > 0 {
				people = append(people, a.t("lab.status."+state)+" "+itoa(n))
			}
		}
		tenants.cells = append(tenants.cells, []string{
			t.Name, t.ID, strings.Join(domains, ", "), strings.Join(people, ", "), itoa(t.Groups), itoa(len(t.Policies)),
		})
	}
	a.printf("\n")
	a.printTable(tenants)
	applications := rows{columns: []column{
		{"application", a.t("lab.column.application")}, {"id", "ID"}, {"credentials", a.t("lab.column.credentials")}, {"tenants", a.t("lab.column.tenants")},
	}}
	for _, app := range s.Applications {
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
		applications.cells = append(applications.cells, []string{app.Name, app.ID, credentials, strings.Join(in, ", ")})
	}
	a.printf("\n")
	a.printTable(applications)
	assumptions := rows{columns: []column{{"assumption", a.t("lab.column.assumption")}, {"value", a.t("config.column.value")}}}
	for name, value := range s.Assumptions {
		assumptions.cells = append(assumptions.cells, []string{name, fmt.Sprint(value)})
	}
	slices.SortFunc(assumptions.cells, slices.Compare)
	a.printf("\n")
	a.printTable(assumptions)
}

func orShipped(file, shipped string) string {
	if file == "" {
		return shipped
	}
	return file
}

// mebibytes is n bytes in MiB, with one digit behind the point.
func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func (a *app) labResetCommand() *cobra.Command {
	c := &cobra.Command{Use: "reset", Short: a.t("lab.reset.short"), Long: a.t("lab.reset.long"), Args: cobra.NoArgs,
		Example: "  sekisho lab reset --yes"}
	yes := c.Flags().Bool("yes", false, a.t("lab.reset.flag.yes"))
	c.RunE = func(*cobra.Command, []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		reset := node.ResetLab
		if !*yes {
			reset = node.PlanLabReset
		}
		done, err := reset(data)
		if err != nil {
			return err
		}
		if len(done.Files) == 0 {
			a.printf("%s\n", a.t("lab.reset.nothing", "folder", done.Folder))
			return nil
		}
		if !*yes {
			a.printf("%s\n", a.t("lab.reset.plan", "folder", done.Folder))
			for _, file := range done.Files {
				a.printf("  %s\n", file)
			}
			return finding.Fail("cli.lab.reset-unconfirmed", nil)
		}
		a.printf("%s\n", a.t("lab.reset.done", "folder", done.Folder))
		return nil
	}
	return c
}

// labRotateKeysCommand gives the lab a new signing key, as Microsoft's changes at any time.
func (a *app) labRotateKeysCommand() *cobra.Command {
	c := &cobra.Command{Use: "rotate-keys", Short: a.t("lab.rotate.short"), Long: a.t("lab.rotate.long"), Args: cobra.NoArgs}
	c.RunE = func(*cobra.Command, []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		keys, err := node.RotateLabKeys(data)
		if err != nil {
			return err
		}
		a.printf("%s\n", a.t("lab.rotate.done", "key", keys[len(keys)-1].ID, "before", itoa(len(keys)-1)))
		return nil
	}
	return c
}

// labInitCommand writes the shipped lab.yaml out, to begin an own one with.
func (a *app) labInitCommand() *cobra.Command {
	c := &cobra.Command{Use: "init", Short: a.t("lab.init.short"), Long: a.t("lab.init.long"), Args: cobra.NoArgs,
		Example: "  sekisho lab init\n  sekisho lab init --out -"}
	out := c.Flags().String("out", "", a.t("lab.init.flag.out"))
	force := c.Flags().Bool("force", false, a.t("config.init.flag.force"))
	c.RunE = func(*cobra.Command, []string) error {
		file := *out
		if file == "" {
			var err error
			if file, err = a.ownDirectory(); err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				return finding.Fail("cli.unwritable", err, "file", file)
			}
		}
		if file == "-" {
			_, err := a.Out.Write(node.LabDirectoryFile())
			return err
		}
		if _, err := os.Lstat(file); !*force && !errors.Is(err, fs.ErrNotExist) {
			return finding.Fail("cli.exists", nil, "file", file)
		}
		if err := writeWhole(file, node.LabDirectoryFile(), 0o600); err != nil {
			return finding.Fail("cli.unwritable", err, "file", file)
		}
		a.printf("%s\n%s\n", a.t("written", "file", file), a.t("lab.init.next"))
		return nil
	}
	return c
}

// labCheckCommand reads a lab.yaml and says what is wrong with it.
func (a *app) labCheckCommand() *cobra.Command {
	c := &cobra.Command{Use: "check [file]", Short: a.t("lab.check.short"), Args: cobra.MaximumNArgs(1),
		Example: "  sekisho lab check\n  sekisho lab check lab.yaml"}
	c.RunE = func(_ *cobra.Command, args []string) error {
		file := ""
		if len(args) > 0 {
			file = args[0]
		} else {
			var err error
			if file, err = a.ownDirectory(); err != nil {
				return err
			}
		}
		f, err := os.Open(file)
		if err != nil {
			return finding.Fail("lab.file-unreadable", err, "file", file)
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, labFileBytes))
		if err != nil {
			return finding.Fail("lab.file-unreadable", err, "file", file)
		}
		if err := node.CheckLabDirectory(file, data); err != nil {
			return err
		}
		a.printf("%s\n", a.t("lab.check.ok", "file", file))
		return nil
	}
	return c
}

// labFileBytes is how much of a lab.yaml is read; the directory refuses half as much.
const labFileBytes = 2 << 20

// ownDirectory is where the lab looks for an own lab.yaml.
func (a *app) ownDirectory() (string, error) {
	data, err := a.labFolder()
	if err != nil {
		return "", err
	}
	return node.LabDirectoryPath(data), nil
}
