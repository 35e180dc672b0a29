package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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
