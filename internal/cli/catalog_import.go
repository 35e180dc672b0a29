package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog/bundle"
	"sekisho/internal/m365"
	"sekisho/internal/servicetags"
)

// importBytes is the largest file that is read to be imported; what each kind allows is less or as much.
const importBytes = servicetags.MaxBytes

// importer takes one kind of file into the data folder.
type importer struct {
	// kind names the file in messages: the text "catalog.import.kind.<kind>".
	kind string
	// recognise reports whether the file looks like one of this kind. It judges nothing.
	recognise func(name string, data []byte) bool
	// take puts the file into use and returns what to print.
	take func(name string, data []byte, o importOptions) (imported, error)
}

// importOptions are the flags of "catalog import".
type importOptions struct {
	force   bool
	signers []string // whose bundles are taken, beside those of the data folder
}

// imported is what "catalog import" prints of one file.
type imported struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Version string `json:"version"`
	Date    string `json:"date"`   // of the data; "" when not known
	Before  string `json:"before"` // the version that was in use; "" when there was none
	Same    bool   `json:"same"`   // the very file was in use already
	Entries int    `json:"entries"`
	Dropped int    `json:"dropped"` // entries of the version before that are gone
	// Waiting says that it drops so much that it waits for approval, and what was in use stays.
	Waiting bool `json:"waiting,omitempty"`
	// Files are those of a bundle.
	Files []bundled `json:"files,omitempty"`
}

// importers are the kinds of file that can be imported, in the order in which they are tried.
func (a *app) importers(data string) []importer {
	return []importer{
		{
			kind: "bundle",
			recognise: func(name string, body []byte) bool {
				return bundle.Recognise(body) || strings.HasSuffix(name, ".bundle")
			},
			take: func(name string, body []byte, o importOptions) (imported, error) {
				return a.importBundle(data, name, body, o)
			},
		},
		{
			kind: "service-tags",
			recognise: func(name string, data []byte) bool {
				return servicetags.Recognise(data) || strings.HasPrefix(filepath.Base(name), "ServiceTags_")
			},
			take: func(name string, body []byte, o importOptions) (imported, error) {
				return a.importTags(data, name, body, o.force)
			},
		},
		{
			kind:      "m365-list",
			recognise: func(_ string, body []byte) bool { return m365.Recognise(body) },
			take: func(name string, body []byte, o importOptions) (imported, error) {
				return a.importList(data, name, body, o.force)
			},
		},
		{
			kind:      "m365-changes",
			recognise: func(_ string, body []byte) bool { return m365.RecogniseChanges(body) },
			take: func(name string, body []byte, _ importOptions) (imported, error) {
				return a.importChanges(data, name, body)
			},
		},
	}
}

func (a *app) catalogImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "import FILE...",
		Short:   a.t("catalog.import.short"),
		Long:    a.t("catalog.import.long"),
		Example: "  sekisho catalog import ServiceTags_Public_20251117.json",
		Args:    cobra.MinimumNArgs(1),
	}
	var flags importOptions
	c.Flags().BoolVar(&flags.force, "force", false, a.t("catalog.import.flag.force"))
	c.Flags().StringArrayVar(&flags.signers, "signer", nil, a.t("catalog.import.flag.signer"))
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.RunE = func(_ *cobra.Command, args []string) error {
		data, err := a.dataFolder()
		if err != nil {
			return err
		}
		return a.importAll(len(args), o.format, func(i int) (imported, error) { return a.importFile(data, args[i], flags) })
	}
	return c
}

// importAll takes n files, one after the other, and prints what became of each; the first that is refused ends it.
func (a *app) importAll(n int, format string, take func(i int) (imported, error)) error {
	done := []imported{}
	var found error // that something waits for approval; the others are taken nevertheless
	for i := range n {
		row, err := take(i)
		switch {
		case errors.Is(err, errFound):
			found = err
		case err != nil:
			return err
		}
		err = nil
		done = append(done, row)
		switch format {
		case "jsonl":
			err = a.printLine(row)
		case "table":
			a.printImported(row)
		}
		if err != nil {
			return err
		}
	}
	if format == "json" {
		if err := a.printJSON(done); err != nil {
			return err
		}
	}
	return found
}

// importFile reads a file, finds out what it is and puts it into use.
func (a *app) importFile(data, name string, o importOptions) (imported, error) {
	body, err := readFile(name, importBytes)
	if errors.Is(err, errLarge) {
		return imported{}, a.usage("catalog.import.large", "file", name, "max", strconv.Itoa(importBytes>>20))
	}
	if err != nil {
		return imported{}, err
	}
	var kinds []string
	for _, i := range a.importers(data) {
		if i.recognise(name, body) {
			row, err := i.take(name, body, o)
			row.File, row.Kind = name, i.kind
			return row, err
		}
		kinds = append(kinds, a.t("catalog.import.kind."+i.kind))
	}
	return imported{}, a.usage("catalog.import.unknown", "file", name, "kinds", strings.Join(kinds, ", "))
}

func (a *app) printImported(row imported) {
	id := "catalog.import.done"
	if row.Same {
		id = "catalog.import.same"
	}
	if row.Waiting {
		id = "catalog.import.waits"
	}
	a.printf("%s\n", a.t(id, "file", row.File, "kind", a.t("catalog.import.kind."+row.Kind), "version", row.Version, "date", row.Date,
		"entries", strconv.Itoa(row.Entries), "before", row.Before, "dropped", strconv.Itoa(row.Dropped)))
	for _, f := range row.Files {
		line := strings.Join([]string{"  " + a.t("catalog.import.kind."+f.Kind), f.Name, f.Version}, " ")
		if f.Date != "" {
			line += " (" + f.Date + ")"
		}
		a.printf("%s\n", line)
	}
}

// errLarge says that a file is larger than what is read.
var errLarge = errors.New("file too large")

// readFile reads a file of at most most bytes, however large it is.
func readFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var body bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if info.Size() > most {
			return nil, errLarge
		}
		body.Grow(int(info.Size()) + bytes.MinRead) // at once: growing leaves the same again behind
	}
	_, err = body.ReadFrom(io.LimitReader(f, most+1))
	data := body.Bytes()
	if err == nil && int64(len(data)) > most {
		err = errLarge
	}
	return data, err
}
