package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml/ast"

	"sekisho/internal/finding"
)

// Load reads the configuration file at path and applies overrides. The Config is nil exactly when a finding is an
// Error; findings are sorted by place and may hold warnings beside a Config. A file that cannot be read is a finding
// too. Paths in the file are relative to its folder.
func Load(path string, overrides ...Override) (*Config, finding.List) {
	return whole(Draft(path, overrides...))
}

// Draft is Load that keeps what is well formed of a file with errors: a value that was refused, or is missing, is zero.
// Nothing can be run with it; it lets others judge what is there in the same run. The Config is nil when the file
// cannot be read.
func Draft(path string, overrides ...Override) (*Config, finding.List) {
	refuse := func(code string, args map[string]string) (*Config, finding.List) {
		return nil, finding.List{{Code: code, Severity: finding.Error, Pos: finding.Pos{File: path}, Args: args}}
	}
	f, err := os.Open(path)
	if err != nil {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return refuse("config.file-missing", nil)
		case errors.Is(err, fs.ErrPermission):
			return refuse("config.file-forbidden", nil)
		}
		return refuse("config.file-unreadable", map[string]string{"cause": cause(err)})
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return refuse("config.file-is-folder", nil)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return refuse("config.file-unreadable", map[string]string{"cause": cause(err)})
	}
	return draft(path, data, overrides...)
}

// cause is what the system said, without the path, which the finding names.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Parse reads data as the content of file, which names the places of findings and the folder that paths are relative
// to; "" means the folder of the process. See Load for what is returned. Parse opens no file.
func Parse(file string, data []byte, overrides ...Override) (*Config, finding.List) {
	return whole(draft(file, data, overrides...))
}

// whole holds back a Config with errors.
func whole(c *Config, findings finding.List) (*Config, finding.List) {
	if findings.HasErrors() {
		return nil, findings
	}
	return c, findings
}

func draft(file string, data []byte, overrides ...Override) (*Config, finding.List) {
	w := &walker{file: file, top: entries(settings()), wrote: map[finding.Pos]map[string]finding.Pos{}}
	if file != "" {
		w.dir = filepath.Dir(file)
	}
	c := &Config{File: file}
	for _, f := range settings() {
		f.reset(c)
	}
	if root := w.tree(data); root != nil {
		w.root(root, c)
		w.override(overrides, c)
		w.rules(c)
	}
	return c, w.findings.Sort()
}

// root reads the top of the file.
func (w *walker) root(n ast.Node, c *Config) {
	defer w.rescue(func() {}) // the walk follows a third party's tree
	n = w.bare(n)
	if n == nil {
		return
	}
	if _, ok := pairs(n); !ok {
		w.add(finding.New("config.not-a-mapping", finding.Error, w.pos(n)))
		return
	}
	readMapping(w, n, "", settings(), c)
}
