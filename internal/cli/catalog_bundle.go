package cli

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog/bundle"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// bundled is one file of a bundle as printed.
type bundled struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Date    string `json:"date"` // of the data; "" when not known
	Read    string `json:"read"` // when the maker read it
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// bundleFacts is a bundle as printed.
type bundleFacts struct {
	File    string     `json:"file"`
	Bytes   int        `json:"bytes"`
	Signer  bundle.Key `json:"signer"`
	Trusted bool       `json:"trusted"` // by this data folder
	Builtin string     `json:"builtin_version"`
	Made    string     `json:"made"` // when its newest file was read
	Files   []bundled  `json:"files"`
}

func factsOf(file string, size int, signer bundle.Key, trusted bool, c *bundle.Contents) bundleFacts {
	f := bundleFacts{File: file, Bytes: size, Signer: signer, Trusted: trusted, Builtin: c.Builtin, Made: c.Made.Format(time.RFC3339), Files: []bundled{}}
	for _, e := range c.Entries {
		f.Files = append(f.Files, bundled{e.Kind, e.Name, e.Version, e.Date, e.Read.UTC().Format(time.RFC3339), len(e.Body), e.SHA256})
	}
	return f
}

func (a *app) printFacts(f bundleFacts) {
	a.printf("%s\n", a.t("catalog.bundle.facts", "file", f.File, "bytes", itoa(f.Bytes), "made", f.Made, "builtin", f.Builtin, "signer", f.Signer.String()))
	if len(f.Files) == 0 {
		a.printf("%s\n", a.t("catalog.bundle.nothing"))
		return
	}
	r := rows{columns: []column{{"kind", a.t("catalog.bundle.column.kind")}, {"name", a.t("catalog.bundle.column.name")},
		{"version", a.t("catalog.history.column.version")}, {"date", a.t("catalog.bundle.column.date")}, {"bytes", a.t("catalog.bundle.column.bytes")}}}
	for _, e := range f.Files {
		r.cells = append(r.cells, []string{e.Kind, e.Name, e.Version, e.Date, itoa(e.Bytes)})
	}
	a.printTable(r)
}

func (a *app) catalogBundleCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "bundle FILE", Short: a.t("catalog.bundle.short"), Long: a.t("catalog.bundle.long"), Args: cobra.ExactArgs(1),
		Example: "  sekisho catalog bundle catalog.bundle\n  sekisho catalog import catalog.bundle",
	}
	keyFile := c.Flags().String("key", "", a.t("catalog.bundle.flag.key"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(_ *cobra.Command, args []string) error {
		data, err := a.dataFolder()
		if err != nil {
			return err
		}
		contents, err := node.BundleContents(data)
		if err != nil {
			return err
		}
		key, err := a.bundleKey(data, *keyFile)
		if err != nil {
			return err
		}
		packed, err := bundle.Write(contents, key)
		if err != nil {
			return err
		}
		if err := writeWhole(args[0], packed, 0o644); err != nil {
			return err
		}
		written, err := bundle.Read(args[0], packed, []bundle.Key{bundle.KeyOf(key)})
		if err != nil {
			return err
		}
		facts := factsOf(args[0], len(packed), bundle.KeyOf(key), true, written)
		if o.format == "json" {
			return a.printJSON(facts)
		}
		a.printFacts(facts)
		return nil
	}
	c.AddCommand(a.bundleKeygenCommand(), a.bundleTrustCommand(), a.bundleShowCommand(), a.bundleImportCommand())
	return c
}

// bundleKey is the key that signs, made on first use.
func (a *app) bundleKey(data, file string) (ed25519.PrivateKey, error) {
	if file == "" {
		file = node.BundleKeyFile(data)
	}
	k, created, err := node.BundleKey(file, true)
	if err != nil {
		return nil, err
	}
	if created {
		a.notef("%s\n", a.t("catalog.bundle.made-key", "file", file, "key", bundle.KeyOf(k).String()))
	}
	return k, nil
}

func (a *app) bundleKeygenCommand() *cobra.Command {
	c := &cobra.Command{Use: "keygen", Short: a.t("catalog.bundle.keygen.short"), Args: cobra.NoArgs,
		Example: "  sekisho catalog bundle keygen"}
	keyFile := c.Flags().String("key", "", a.t("catalog.bundle.flag.key"))
	c.RunE = func(*cobra.Command, []string) error {
		data, err := a.dataFolder()
		if err != nil {
			return err
		}
		key, err := a.bundleKey(data, *keyFile)
		if err != nil {
			return err
		}
		a.printf("%s\n", bundle.KeyOf(key))
		return nil
	}
	return c
}

func (a *app) bundleTrustCommand() *cobra.Command {
	c := &cobra.Command{Use: "trust [KEY]", Short: a.t("catalog.bundle.trust.short"), Long: a.t("catalog.bundle.trust.long"), Args: cobra.MaximumNArgs(1),
		Example: "  sekisho catalog bundle trust ed25519:KEY --note \"head office\""}
	note := c.Flags().String("note", "", a.t("catalog.bundle.trust.flag.note"))
	c.RunE = func(_ *cobra.Command, args []string) error {
		data, err := a.dataFolder()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			signers, err := a.signers(data, nil)
			if err != nil {
				return err
			}
			for _, s := range signers {
				a.printf("%s\n", s)
			}
			return nil
		}
		key, err := bundle.ParseKey(args[0])
		if err != nil {
			return a.usage("catalog.bundle.key", "value", args[0])
		}
		known, err := node.TrustSigner(data, key, *note)
		if err != nil {
			return err
		}
		id := "catalog.bundle.trusted"
		if known {
			id = "catalog.bundle.known"
		}
		a.printf("%s\n", a.t(id, "key", key.String(), "file", node.SignersFile(data)))
		return nil
	}
	return c
}

func (a *app) bundleShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show FILE", Short: a.t("catalog.bundle.show.short"), Args: cobra.ExactArgs(1), Example: "  sekisho catalog bundle show catalog.bundle"}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(_ *cobra.Command, args []string) error {
		data, err := a.dataFolder()
		if err != nil {
			return err
		}
		packed, err := a.readBundle(args[0])
		if err != nil {
			return err
		}
		contents, signer, err := bundle.Inspect(args[0], packed)
		if err != nil {
			return err
		}
		signers, err := a.signers(data, nil)
		if err != nil {
			return err
		}
		trusted := slices.Contains(signers, signer)
		facts := factsOf(args[0], len(packed), signer, trusted, contents)
		if o.format == "json" {
			return a.printJSON(facts)
		}
		a.printFacts(facts)
		if !trusted {
			a.notef("%s: %s\n", a.t("warning"), a.t("catalog.bundle.untrusted", "key", signer.String()))
		}
		return nil
	}
	return c
}

func (a *app) readBundle(file string) ([]byte, error) {
	body, err := readFile(file, bundle.MaxBytes)
	if errors.Is(err, errLarge) {
		return nil, finding.Fail("bundle.large", nil, "file", file, "max", strconv.Itoa(bundle.MaxBytes>>20))
	}
	return body, err
}

// bundleImportCommand is "catalog import" for who looks for it beside "catalog bundle".
func (a *app) bundleImportCommand() *cobra.Command {
	c := a.catalogImportCommand()
	c.Use, c.Short, c.Long = "import FILE...", a.t("catalog.bundle.import.short"), ""
	c.Example = "  sekisho catalog bundle import catalog.bundle"
	return c
}

// signers are those whose bundles are taken: of the data folder, of the configuration, and those that the command line
// names.
func (a *app) signers(data string, named []string) ([]bundle.Key, error) {
	signers, err := node.Signers(data)
	if err != nil {
		return nil, err
	}
	settings, err := a.settings()
	if err != nil {
		return nil, err
	}
	for _, s := range settings.Catalog.BundleSigners {
		key, err := bundle.ParseKey(s.V)
		if err != nil {
			return nil, finding.Fail("config.signer", nil, "value", s.V)
		}
		signers = append(signers, key)
	}
	for _, text := range named {
		key, err := bundle.ParseKey(text)
		if err != nil {
			return nil, a.usage("catalog.bundle.key", "value", text)
		}
		signers = append(signers, key)
	}
	return signers, nil
}

// importBundle puts what a bundle holds into use.
func (a *app) importBundle(data, name string, body []byte, o importOptions) (imported, error) {
	signers, err := a.signers(data, o.signers)
	if err != nil {
		return imported{}, err
	}
	contents, err := bundle.Read(name, body, signers)
	if err != nil {
		return imported{}, err
	}
	settings, err := a.settings()
	if err != nil {
		return imported{}, err
	}
	done, err := node.ImportBundle(data, contents, settings.Catalog.MaxDropPercent.V, o.force, nil)
	if err != nil {
		return imported{}, err
	}
	a.printFindings(done.Lists.Findings)
	for _, t := range done.Tags {
		a.printFindings(t.Warnings)
	}
	row := imported{Version: contents.Made.Format(time.RFC3339), Date: contents.Made.Format(time.DateOnly), Same: done.Same, Entries: len(contents.Entries)}
	for _, e := range contents.Entries {
		row.Files = append(row.Files, bundled{e.Kind, e.Name, e.Version, e.Date, e.Read.Format(time.RFC3339), e.Size, e.SHA256})
	}
	row.Dropped = len(done.Lists.Difference.Hosts.Removed) + len(done.Lists.Difference.Prefixes.Removed)
	for _, t := range done.Tags {
		row.Dropped += t.Dropped
	}
	if row.Waiting = a.warnWaiting(done.Lists, settings.Catalog.MaxDropPercent.V); row.Waiting {
		return row, errFound
	}
	return row, nil
}
