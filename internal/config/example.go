package config

import (
	"embed"

	"sekisho/internal/finding"
)

//go:embed example/*.yaml
var examples embed.FS

// Example returns one of the configurations that come with Sekisho: "lab.yaml" (contoso enforced for everybody; what
// `sekisho up --lab` applies without a file) or "organisation.yaml" (a typical roll-out, commented). Another name
// returns nil.
func Example(name string) []byte {
	data, err := examples.ReadFile("example/" + name)
	if err != nil {
		return nil
	}
	return data
}

// Lab is Parse of the example "lab.yaml", the configuration of the lab when there is no file.
func Lab(overrides ...Override) (*Config, finding.List) {
	return Parse("lab.yaml", Example("lab.yaml"), overrides...)
}
