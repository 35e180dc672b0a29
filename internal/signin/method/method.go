// Package method compares the ways in which people can sign in, recommends one by answered questions, and lists what changing
// from one to another takes.
//
//	d := method.Decide(map[string]string{"existing-system": "no", "cloud-only": "yes"})
//	fmt.Println(d.Needs) // "seamless": the next question without an answer
//
// Everything in it is data: ids of texts in package message ("method.…"), and the pages that the statements are from. What no
// page establishes is not documented, and stays so: nothing is guessed, and nobody is asked.
package method

import (
	"sekisho/internal/signin"
	"sekisho/internal/signin/page"
)

// Statement is one sentence and the pages that say so. Without a page it is not documented, and has no text of its own.
type Statement struct {
	ID      string    `json:"id"` // its text in package message
	Sources []page.ID `json:"sources"`
}

// Documented reports whether a page says so.
func (s Statement) Documented() bool { return len(s.Sources) > 0 }

func says(id string, sources ...page.ID) Statement { return Statement{"method." + id, sources} }

// All are the methods in the order in which they are compared.
func All() []signin.Method {
	return []signin.Method{signin.PasswordHash, signin.PassThrough, signin.ADFS, signin.Ping, signin.NoMethod}
}

// Aspect is one row of the comparison.
type Aspect struct {
	ID    string      // its heading is the text method.aspect.<id>
	Cells []Statement // of each method, in the order of All
}

// aspect makes a row of the pages that each method's sentence is from; none: not documented. The texts are
// method.aspect.<id>.<method>.
func aspect(id string, sources ...[]page.ID) Aspect {
	a := Aspect{ID: id}
	for i, m := range All() {
		a.Cells = append(a.Cells, says("aspect."+id+"."+m.String(), sources[i]...))
	}
	return a
}

// by is a list of pages.
func by(sources ...page.ID) []page.ID { return sources }

// Aspects are the rows of the comparison. The page with the table of methods has a column for AD FS and none for
// PingFederate, so that much of the latter is not documented.
func Aspects() []Aspect {
	return []Aspect{
		aspect("where", by(page.Choose), by(page.Choose, page.SignIn), by(page.Choose), by(page.SignIn), by(page.SignIn)),
		aspect("servers", by(page.Choose), by(page.Choose, page.AgentStart), by(page.Choose), by(page.Custom), nil),
		aspect("network", by(page.Choose), by(page.SignIn, page.AgentStart), by(page.Choose, page.Requirements), nil, nil),
		aspect("certificate", by(page.Choose), by(page.Choose, page.AgentFAQ), by(page.Choose, page.SignIn), by(page.Custom), nil),
		aspect("password", by(page.SignIn, page.Hash), by(page.SignIn), by(page.SignIn), by(page.SignIn), nil),
		aspect("names", by(page.Choose), by(page.Choose), by(page.Choose), nil, nil),
		aspect("single-sign-on", by(page.Choose), by(page.Choose), by(page.Choose, page.Seamless), by(page.SignIn), nil),
		aspect("second-factor", by(page.Choose), by(page.Choose), by(page.Choose), nil, nil),
		aspect("leaked", by(page.Choose), by(page.Choose, page.AgentLimits), by(page.Choose), by(page.Choose), by(page.Choose)),
		aspect("outage-link", by(page.Choose), by(page.Choose, page.AgentFAQ), by(page.Choose), by(page.Choose), nil),
		aspect("outage-servers", by(page.Choose), by(page.AgentStart, page.AgentLimits), by(page.Choose), nil, nil),
		aspect("outage-directory", by(page.Hash), by(page.Choose), by(page.Choose), by(page.Choose), nil),
		aspect("monitoring", by(page.Choose), by(page.Choose, page.AgentLimits), by(page.Choose), nil, nil),
	}
}

// Needs are what a method needs, in the order in which to see to it.
func Needs(m signin.Method) []Statement {
	switch m {
	case signin.PasswordHash:
		return []Statement{says("need.connect", page.SignIn), says("need.replicate", page.Hash), says("need.class", page.Hash), says("need.staging", page.Choose)}
	case signin.PassThrough:
		return []Statement{
			says("need.connect", page.SignIn), says("need.agents", page.AgentStart, page.Choose), says("need.agent-server", page.AgentStart), says("need.agent-place", page.Choose),
			says("need.agent-tier", page.AgentStart), says("need.agent-outbound", page.SignIn, page.AgentStart), says("need.agent-inspection", page.AgentStart),
			says("need.agent-trusts", page.AgentFAQ), says("need.cloud-admin", page.AgentStart),
		}
	case signin.ADFS:
		return []Statement{
			says("need.connect", page.SignIn), says("need.domain", page.SignIn, page.Custom), says("need.adfs-server", page.SignIn, page.Custom), says("need.proxy-server", page.SignIn, page.Custom), says("need.adfs-count", page.Choose),
			says("need.pfx", page.SignIn, page.Requirements), says("need.adfs-admin", page.SignIn), says("need.proxy-admin", page.SignIn), says("need.remote", page.SignIn),
			says("need.adfs-joined", page.Custom, page.Requirements), says("need.adfs-account", page.Custom), says("need.adfs-dns", page.Custom, page.Requirements),
			says("need.adfs-inbound", page.Requirements), says("need.adfs-balance", page.Requirements),
		}
	case signin.Ping:
		return []Statement{
			says("need.connect", page.SignIn), says("need.domain", page.SignIn, page.Custom), says("need.ping-version", page.Custom), says("need.ping-certificate", page.Custom), says("need.ping-settings", page.Custom), says("need.ping-manual", page.SignIn),
		}
	}
	return []Statement{says("need.connect", page.SignIn), says("need.existing", page.SignIn)}
}

// Features are the features of the catalog whose endpoints and ports a method needs; "" is none. The pages on PingFederate
// name no ports of it.
func Features(m signin.Method) []string {
	features := []string{"entra.sign-in", "entra.connect"}
	switch m {
	case signin.PassThrough:
		return append(features, "entra.pass-through-authentication")
	case signin.ADFS:
		return append(features, "entra.federation")
	}
	return features
}

// SeamlessFeature is the feature of the catalog for seamless single sign-on.
const SeamlessFeature = "entra.seamless-sso"

// Limits are what cannot be, whatever the tenant.
func Limits() []Statement {
	return []Statement{
		says("limit.onmicrosoft", page.SignIn), says("limit.unverified", page.SignIn), says("limit.first-domain", page.Custom), says("limit.one-farm", page.Custom),
		says("limit.seamless", page.Seamless, page.SeamlessStart), says("limit.managed", page.AgentStart),
	}
}

// Seamless are the conditions of seamless single sign-on.
func Seamless() []Statement {
	return []Statement{
		says("seamless.methods", page.SeamlessStart), says("seamless.joined", page.Seamless), says("seamless.newer", page.Seamless), says("seamless.reach", page.SeamlessStart),
		says("seamless.admin", page.SeamlessStart), says("seamless.zone", page.SeamlessStart), says("seamless.script", page.SeamlessStart), says("seamless.modern", page.SeamlessStart),
		says("seamless.address", page.SeamlessStart), says("seamless.account", page.SeamlessStart), says("seamless.key", page.Migrate), says("seamless.falls-back", page.Seamless),
	}
}

// Alternate is the warning about an alternate ID, and its conditions.
func Alternate() []Statement {
	return []Statement{
		says("alternate.stay", page.SignIn), says("alternate.workloads", page.SignIn), says("alternate.format", page.SignIn), says("alternate.methods", page.SignIn, page.Choose),
	}
}

// CanFederate says whether a domain of the tenant can be federated: "" when it can, otherwise initial, on-microsoft or
// unverified (the sign-in page: neither the .onmicrosoft.com domain nor one that is not verified).
func CanFederate(d signin.Domain) string {
	switch {
	case d.Initial:
		return "initial"
	case OnMicrosoft(d.Name):
		return "on-microsoft"
	case !d.Verified:
		return "unverified"
	}
	return ""
}
