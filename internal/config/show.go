package config

import "sekisho/internal/finding"

// Row is one value of the configuration as it applies.
type Row struct {
	Setting string      `json:"setting"` // "rings[0].clients[1]"
	Value   any         `json:"value"`   // string, int or bool
	Text    string      `json:"-"`       // Value as text
	Origin  Origin      `json:"origin"`
	Pos     finding.Pos `json:"pos,omitzero"` // zero for a default
}

// Show lists every value of c that is set or has a default, in the order of the schema, each with its origin. No value
// of the file is a secret: passwords and keys stand in files of their own, of which the path is shown.
func Show(c *Config) []Row {
	rows := []Row{}
	for _, f := range settings() {
		f.rows(c, f.key, &rows)
	}
	return rows
}
