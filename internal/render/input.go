package render

import (
	"net/netip"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/message"
	"sekisho/internal/policy"
)

// Input is what every target is given. It is read-only; several targets may be given the same at once.
type Input struct {
	// Program is the policy, compiled; required. Its catalog is the one that everything is rendered from.
	Program *policy.Program
	// Tags gives the prefixes of Azure service tags. nil: nobody imported any, and rows that name one say so.
	Tags feed.Tags
	// Organisation is the name of whoever runs the policy, as configured; may be empty. It is a text from outside: print it
	// through OneLine.
	Organisation string
	// Reasons are why the organisation's own rows exist, by the text of their rule ("hosts[0]"); may lack any.
	Reasons map[string]string
	// Proxies are the gateways as clients reach them, in the order in which clients try them: "host:port", or
	// "https://host:port" where the connection to the proxy itself is TLS. May be empty; a target that needs one says so.
	Proxies []string
	// Rings are the proxies of the rings that have some of their own, by the ring's name.
	Rings map[string][]string
	// Own are the URLs of our own servers that clients reach without a proxy: PAC file, revocation list.
	Own []string
	// PACURL, RootURL and GatewayNets tell devices where things are: the PAC file, the root certificate, and the addresses
	// from which the gateways connect to the Internet, for targets whose rules have a source. "" or empty: not known.
	PACURL      string
	RootURL     string
	GatewayNets []netip.Prefix
	// Root returns the root certificate of the gateways, PEM: what devices must trust where TLS is inspected. nil, or of
	// nothing: not known.
	Root func() []byte
	// Communities returns the BGP communities that a route filter needs for the features in use, those of Microsoft 365
	// only when asked; nil: nobody can tell.
	Communities func(m365 bool) ([]bgp.Community, error)
	// Language is the language of comments and descriptions: "ja" or "en" (any other text). Names, codes and JSON fields
	// never change with it.
	Language string
	// Options are those of the target, checked against Target.Options. Render sets it.
	Options Options
	// Before is the input of an earlier version of the catalog where only what changed since then is wanted; nil: all.
	Before *Input
}

// Printer words texts in the input's language.
func (in Input) Printer() *message.Printer { return message.New(in.Language) }
