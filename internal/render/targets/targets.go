// Package targets is the list of the forms that there are. It exists so that whoever renders names one list, and no target
// registers itself behind the reader's back.
package targets

import (
	"sekisho/internal/render"
	"sekisho/internal/render/autoconfig"
	"sekisho/internal/render/rows"
)

// All returns every target, in the order in which they are listed to people.
func All() []render.Target {
	return []render.Target{
		autoconfig.Target{},
		rows.CSV{},
		rows.JSON{},
	}
}
