package directory

import (
	"bytes"
	_ "embed"
	"strconv"

	"sekisho/internal/finding"
)

//go:embed lab.yaml
var shipped []byte

// FileVersion is the version of lab.yaml that is read.
const FileVersion = 1

// Shipped loads the directory that comes with the binary.
func Shipped() (*Directory, error) { return Parse("lab.yaml", shipped) }

// ShippedFile is the lab.yaml that comes with the binary, to begin an own one with.
func ShippedFile() []byte { return bytes.Clone(shipped) }

// file is lab.yaml as a person writes it.
type file struct {
	Version      int                 `yaml:"version"`
	Assumptions  Assumptions         `yaml:"assumptions"`
	Tenants      []*TenantEntry      `yaml:"tenants"`
	Applications []*ApplicationEntry `yaml:"applications"`
}

// Parse reads one lab.yaml; name stands in its errors. Unknown and repeated keys and values of another kind are errors.
// The error is a *finding.Problem with every problem (at most 50), each with its place.
func Parse(name string, data []byte) (*Directory, error) {
	r := &reader{file: name, places: map[string]finding.Pos{}}
	var f file
	r.read(data, &f)
	if len(r.found) == 0 && f.Version != FileVersion {
		r.add(r.place("version"), "lab.file-version", "value", strconv.Itoa(f.Version), "known", strconv.Itoa(FileVersion))
	}
	if len(r.found) > 0 {
		return nil, &finding.Problem{Findings: r.found.Sort()}
	}
	c := secret
	if bytes.Equal(data, shipped) {
		c = printed
	}
	d := &Draft{Assumptions: f.Assumptions, Tenants: f.Tenants, Applications: f.Applications}
	return build(d, c, newTurns(), r.place)
}
