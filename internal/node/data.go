package node

import (
	"os"
	"path/filepath"
	"runtime"

	"sekisho/internal/finding"
)

// DefaultData is the platform's usual folder for state, when --data does not name one: SEKISHO_DATA; %LocalAppData%\
// Sekisho on Windows; ~/Library/Application Support/Sekisho on macOS; $XDG_DATA_HOME/sekisho or ~/.local/share/sekisho
// elsewhere. The folder need not exist.
func DefaultData(getenv func(string) string) (string, error) {
	if dir := getenv("SEKISHO_DATA"); dir != "" {
		return filepath.Abs(dir)
	}
	base, name := "", "sekisho"
	switch runtime.GOOS {
	case "windows":
		base, name = getenv("LocalAppData"), "Sekisho"
	case "darwin":
		if home := getenv("HOME"); home != "" {
			base, name = filepath.Join(home, "Library", "Application Support"), "Sekisho"
		}
	default:
		// The XDG base directory specification: a relative path is to be ignored.
		if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
			base = dir
		} else if home := getenv("HOME"); home != "" {
			base = filepath.Join(home, ".local", "share")
		}
	}
	if base == "" {
		return "", finding.Fail("node.no-data-folder", nil)
	}
	return filepath.Join(base, name), nil
}

// LabData is the data folder of a lab that nobody named one for: beside the production one, so that neither sees the
// other's records and roots (decision 0018). A folder that SEKISHO_DATA names is taken as it is.
func LabData(getenv func(string) string) (string, error) {
	data, err := DefaultData(getenv)
	if err != nil || getenv("SEKISHO_DATA") != "" {
		return data, err
	}
	return data + "-lab", nil
}

// Used reports whether a checkpoint has run on the data folder data.
func Used(data string) bool {
	for _, file := range []string{folders(data).store(), folders(data).control(), folders(data).ca()} {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return false
}

// CatalogFolder is where imported lists stand in the data folder data.
func CatalogFolder(data string) string { return folders(data).catalog() }

// folders are the places in the data folder.
type folders string

func (f folders) ca() string      { return filepath.Join(string(f), "ca") }
func (f folders) lab() string     { return filepath.Join(string(f), "lab") }
func (f folders) spool() string   { return filepath.Join(string(f), "spool") }
func (f folders) catalog() string { return filepath.Join(string(f), "catalog") }
func (f folders) store() string   { return filepath.Join(string(f), "audit.db") }

// catalogInUse is the file that says which version of the catalog is in use; it is not there while that is the built-in
// one.
func (f folders) catalogInUse() string { return filepath.Join(f.catalog(), "current.json") }

// control is the file by which commands find the running checkpoint.
func (f folders) control() string { return filepath.Join(string(f), "control.json") }

// trust is the bundle of roots for clients under the lab: the gateway's and the lab's.
func (f folders) trust() string { return filepath.Join(string(f), "lab", "trust.pem") }

// make creates the data folder, readable by its owner alone.
func (f folders) make() error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return finding.Fail("node.data-folder", err, "folder", string(f))
	}
	return nil
}
