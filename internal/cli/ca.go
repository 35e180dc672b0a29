package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"sekisho/internal/ca"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

func (a *app) caCommand() *cobra.Command {
	return a.labFlag(a.noun("ca", "ca", a.caInitCommand(), a.caShowCommand(), a.caExportCommand(), a.caImportCommand()))
}

// authorityOf is the data folder and the configuration that says which names its authority may sign. Without a
// configuration the shipped example stands in: it intercepts the sign-in hosts and nothing else.
func (a *app) authorityOf() (data string, settings *config.Config, err error) {
	if a.inLab {
		data, err = a.labFolder()
	} else {
		data, err = a.dataFolder()
	}
	if err != nil {
		return "", nil, err
	}
	file, _, err := a.configFile()
	if err != nil {
		return "", nil, err
	}
	settings, problems := a.loadConfig(file == "", nil)
	if problems.HasErrors() {
		return "", nil, &finding.Problem{Findings: problems.Sort()}
	}
	return data, settings, nil
}

func (a *app) showAuthority() (*node.Authority, error) {
	data, err := a.checkpointFolder()
	if err != nil {
		return nil, err
	}
	return node.ShowAuthority(data)
}

func (a *app) caInitCommand() *cobra.Command {
	c := &cobra.Command{Use: "init", Short: a.t("ca.init.short"), Args: cobra.NoArgs}
	c.RunE = func(*cobra.Command, []string) error {
		data, settings, err := a.authorityOf()
		if err != nil {
			return err
		}
		authority, err := node.OpenAuthority(data, settings)
		if err != nil {
			return err
		}
		if len(authority.Created) == 0 {
			a.printf("%s\n", a.t("ca.init.kept", "folder", authority.Folder))
		}
		for _, file := range authority.Created {
			a.printf("%s\n", a.t("ca.init.created", "file", file))
		}
		a.printf("%s\n", a.t("ca.fingerprint", "sha256", authority.Info.Root.SHA256))
		return nil
	}
	return c
}

func (a *app) caShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show", Short: a.t("ca.show.short"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		authority, err := a.showAuthority()
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(authority.Info)
		}
		r := rows{columns: []column{
			{"role", a.t("ca.column.role")}, {"subject", a.t("ca.column.subject")},
			{"not_after", a.t("ca.column.not-after")}, {"sha256", a.t("ca.column.sha256")},
		}}
		add := func(role string, c ca.CertificateInfo) {
			r.cells = append(r.cells, []string{a.t("ca.role." + role), c.Subject, c.NotAfter.Format("2006-01-02"), c.SHA256})
		}
		add("root", authority.Info.Root)
		add("issuing", authority.Info.Issuing)
		a.printTable(r)
		return nil
	}
	return c
}

func (a *app) caExportCommand() *cobra.Command {
	c := &cobra.Command{Use: "export", Short: a.t("ca.export.short"), Args: cobra.NoArgs}
	out := c.Flags().String("out", "", a.t("ca.export.flag.out"))
	c.RunE = func(*cobra.Command, []string) error {
		authority, err := a.showAuthority()
		if err != nil {
			return err
		}
		if *out == "" {
			_, err := a.Out.Write(authority.RootPEM)
			return err
		}
		if err := writeWhole(*out, authority.RootPEM, 0o644); err != nil {
			return finding.Fail("cli.unwritable", err, "file", *out)
		}
		a.printf("%s\n", a.t("written", "file", *out))
		return nil
	}
	return c
}

func (a *app) caImportCommand() *cobra.Command {
	c := &cobra.Command{Use: "import", Short: a.t("ca.import.short"), Args: cobra.NoArgs}
	certificate := c.Flags().String("certificate", "", a.t("ca.import.flag.certificate"))
	key := c.Flags().String("key", "", a.t("ca.import.flag.key"))
	c.RunE = func(*cobra.Command, []string) error {
		if *certificate == "" || *key == "" {
			return a.usage("ca.import.missing")
		}
		data, settings, err := a.authorityOf()
		if err != nil {
			return err
		}
		if err := node.ImportAuthority(data, settings, *certificate, *key); err != nil {
			return err
		}
		a.printf("%s\n", a.t("ca.import.done"))
		return nil
	}
	return c
}

// writeWhole writes content beside file and renames it, so that a failed run leaves the old file as it was.
func writeWhole(file string, content []byte, mode os.FileMode) error {
	temporary, err := writeBeside(file, content, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// writeBeside writes content to a file of its own in the folder of file, from where it can be renamed. On an error nothing is
// left.
func writeBeside(file string, content []byte, mode os.FileMode) (name string, err error) {
	temporary, err := os.CreateTemp(dirOf(file), ".sekisho-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()
	if err := errors.Join(temporary.Chmod(mode), writeSynced(temporary, content), temporary.Close()); err != nil {
		return "", err
	}
	return temporary.Name(), nil
}

func writeSynced(f *os.File, content []byte) error {
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}
