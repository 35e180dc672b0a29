// Package targets is the list of the forms that there are. It exists so that whoever renders names one list, and no target
// registers itself behind the reader's back.
package targets

import (
	"sekisho/internal/render"
	"sekisho/internal/render/autoconfig"
	"sekisho/internal/render/azure"
	"sekisho/internal/render/client"
	"sekisho/internal/render/edl"
	"sekisho/internal/render/fiddler"
	"sekisho/internal/render/fortios"
	"sekisho/internal/render/ipset"
	"sekisho/internal/render/nftables"
	"sekisho/internal/render/panos"
	"sekisho/internal/render/request"
	"sekisho/internal/render/rows"
	"sekisho/internal/render/squid"
	"sekisho/internal/render/windows"
	"sekisho/internal/render/zscaler"
)

// All returns every target, in the order in which they are listed to people.
func All() []render.Target {
	return []render.Target{
		autoconfig.Target{},
		rows.CSV{},
		rows.JSON{},
		rows.YAML{},
		request.Target{},
		edl.Target{},
		panos.Target{},
		fortios.Target{},
		nftables.Target{},
		ipset.Target{},
		windows.Target{},
		azure.Target{},
		fiddler.Target{},
		squid.Target{},
		client.Target{},
		zscaler.Target{},
	}
}
