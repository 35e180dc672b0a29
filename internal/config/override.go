package config

import (
	"slices"

	"sekisho/internal/finding"
)

// Override is one value set by a flag or a variable of the environment. Build it with Overrides.
type Override struct {
	Path   string // in the file: "listen.gateway"
	Text   string // the value as a person gave it
	Origin Origin // Flag or Environment
	Name   string // "--gateway-listen", "SEKISHO_GATEWAY_LISTEN"
}

// Knob is a value of the file that a flag and a variable can set as well. A command adds a flag for each.
type Knob struct {
	Path     string // "listen.gateway"
	Flag     string // "gateway-listen", without dashes
	Variable string // "SEKISHO_GATEWAY_LISTEN"
	Default  string // "" when there is none
	about    text
}

// About describes the knob in lang ("ja", "en").
func (k Knob) About(lang string) string { return k.about.in(lang) }

// Knobs lists the values that flags and variables can set, in the order of the file.
func Knobs() []Knob {
	var out []Knob
	each(entries(settings()), func(e *entry) {
		if e.flag != "" {
			out = append(out, Knob{Path: e.path, Flag: e.flag, Variable: e.variable, Default: e.byDefault, about: e.about})
		}
	})
	return out
}

// Overrides gathers what flags and environment set. flags maps flag names without dashes to the values of those that
// were given; others are ignored, so that a command may pass all of its flags. getenv is os.Getenv; a variable that is
// empty counts as not set. A flag wins over its variable.
func Overrides(flags map[string]string, getenv func(string) string) []Override {
	var out []Override
	for _, k := range Knobs() {
		if v, ok := flags[k.Flag]; ok {
			out = append(out, Override{Path: k.Path, Text: v, Origin: Flag, Name: "--" + k.Flag})
		} else if v := getenv(k.Variable); v != "" {
			out = append(out, Override{Path: k.Path, Text: v, Origin: Environment, Name: k.Variable})
		}
	}
	return out
}

// override applies overrides: what the environment says first, flags over it.
func (w *walker) override(overrides []Override, c *Config) {
	ordered := slices.Clone(overrides)
	slices.SortStableFunc(ordered, func(a, b Override) int { return int(a.Origin) - int(b.Origin) })
	for _, o := range ordered {
		pos := finding.Pos{File: o.Name}
		known := slices.ContainsFunc(settings(), func(f field[Config]) bool { return f.set(w, o.Path, o.Text, pos, o.Origin, c) })
		if !known {
			w.add(finding.New("config.not-overridable", finding.Error, pos, "key", o.Path))
		}
	}
}
