package method

import (
	"slices"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/signin"
	"sekisho/internal/signin/page"
)

// Task is one step of a change. Its sentence is the text method.task.<id>, with the pages that it is from.
type Task struct {
	Statement
	Who      string    // code of whose work it is; the text method.who.<code>
	Duration Statement // text method.duration.<…>
	Back     Statement // the way back; text method.back.<…>; no ID: it changes nothing
	Users    Statement // what people notice; text method.users.<…>; no ID: nothing
	Optional bool
}

// Plan is a change from one method to another. Obtain it from Change.
type Plan struct {
	From, To  signin.Method
	Temporary bool // the change is to be taken back: nobody is converted, nothing is taken down
	Tasks     []Task
}

// cloud reports whether Entra ID answers the sign-in.
func cloud(m signin.Method) bool { return m == signin.PasswordHash || m == signin.PassThrough }

// Change is the ordered list of tasks. The problem is a *finding.Problem: the same method twice, a method that nobody can
// change from or to by the wizard, or a temporary change to something else than password hash synchronisation.
func Change(from, to signin.Method, temporary bool) (*Plan, error) {
	switch {
	case from == to:
		return nil, finding.Fail("method.same", nil, "method", to.String())
	case !cloud(from) && !from.Federated(), !cloud(to) && !to.Federated():
		return nil, finding.Fail("method.no-change", nil, "methods", "phs, pta, adfs, ping")
	case temporary && to != signin.PasswordHash:
		// The page has the choice for password hash synchronisation alone.
		return nil, finding.Fail("method.not-temporary", nil, "method", to.String())
	}
	p := &Plan{From: from, To: to, Temporary: temporary}
	for _, s := range steps() {
		if s.when(*p) {
			if s.Duration.ID == "" {
				s.Duration = says("duration.unknown") // no page says how long it takes
			}
			p.Tasks = append(p.Tasks, s.Task)
		}
	}
	return p, nil
}

// CheckDomains says which of the domains cannot be federated in the tenant, and that there is none that can. Without names it
// is about the tenant as a whole; a nil tenant is not known, and then only Microsoft's own names are refused.
func CheckDomains(t *signin.Tenant, names []string) finding.List {
	var found finding.List
	refuse := func(code string, args ...string) {
		found = append(found, finding.New("method."+code, finding.Error, finding.Pos{}, args...))
	}
	for _, name := range names {
		host, err := endpoint.ParseHost(name)
		if err != nil || !signin.IsDomain(string(host)) {
			refuse("domain-name", "name", name)
			continue
		}
		if OnMicrosoft(string(host)) {
			refuse("domain-on-microsoft", "name", string(host))
			continue
		}
		if t == nil {
			continue
		}
		switch d, known := t.Domain(string(host)); {
		case !known:
			refuse("domain-not-added", "name", string(host))
		case CanFederate(d) == "unverified":
			refuse("domain-not-verified", "name", string(host))
		case CanFederate(d) != "":
			refuse("domain-on-microsoft", "name", string(host))
		}
	}
	if t != nil && len(names) == 0 && !slices.ContainsFunc(t.Domains(), func(d signin.Domain) bool { return CanFederate(d) == "" }) {
		var all []string
		for _, d := range t.Domains() {
			all = append(all, d.Name)
		}
		refuse("no-domain", "domains", strings.Join(all, ", "))
	}
	return found
}

// step is a task and when it belongs to a change.
type step struct {
	Task
	when func(Plan) bool
}

// Whose work a task is.
const (
	whoLead      = "lead"      // who answers for the change
	whoHybrid    = "hybrid"    // Hybrid Identity Administrator
	whoConnect   = "connect"   // who runs the wizard on the server of Entra Connect
	whoFederates = "federates" // administrator of the federation servers
	whoPing      = "ping"      // administrator of PingFederate
	whoDomain    = "domain"    // Domain Administrator of each forest
	whoNetwork   = "network"   // firewall, proxy, DNS
	whoServers   = "servers"   // administrator of the Windows servers
)

// steps are all tasks in their order.
func steps() []step {
	always := func(Plan) bool { return true }
	leaves := func(p Plan) bool { return p.From.Federated() && cloud(p.To) } // federation
	enters := func(p Plan) bool { return cloud(p.From) && p.To.Federated() } // federation
	moves := func(p Plan) bool { return p.From.Federated() && p.To.Federated() }
	to := func(m signin.Method) func(Plan) bool { return func(p Plan) bool { return p.To == m } }
	from := func(m signin.Method) func(Plan) bool { return func(p Plan) bool { return p.From == m } }
	both := func(a, b func(Plan) bool) func(Plan) bool { return func(p Plan) bool { return a(p) && b(p) } }
	lasting := func(p Plan) bool { return !p.Temporary }
	temporary := func(p Plan) bool { return p.Temporary }
	federated := func(p Plan) bool { return p.From.Federated() }
	federates := func(p Plan) bool { return p.To.Federated() }
	one := func(id, who string, when func(Plan) bool, sources ...page.ID) step {
		return step{Task{Statement: says("task."+id, sources...), Who: who}, when}
	}
	takes := func(s step, duration string, sources ...page.ID) step {
		s.Duration = says("duration."+duration, sources...)
		return s
	}
	back := func(s step, way string, sources ...page.ID) step {
		s.Back = says("back."+way, sources...)
		return s
	}
	notice := func(s step, what string, sources ...page.ID) step {
		s.Users = says("users."+what, sources...)
		return s
	}
	optional := func(s step) step {
		s.Optional = true
		return s
	}
	return []step{
		notice(one("announce", whoLead, always, page.Migrate), "told", page.Migrate),
		one("cloud-admin", whoHybrid, always, page.AgentStart),
		takes(one("upgrade-connect", whoConnect, leaves, page.Migrate), "upgrade", page.Migrate),
		one("record-federation", whoHybrid, federated, page.Migrate),
		one("backup-adfs", whoFederates, from(signin.ADFS), page.Migrate),
		one("backup-ping", whoPing, from(signin.Ping)),
		takes(one("window", whoLead, leaves, page.Migrate), "window", page.Migrate),
		takes(optional(back(one("staged", whoHybrid, both(leaves, lasting), page.Staged, page.Migrate), "staged", page.Staged)), "staged", page.Staged),
		takes(one("enable-hash", whoConnect, to(signin.PasswordHash), page.Custom, page.Hash), "hash", page.Hash),
		optional(one("keep-hash", whoConnect, from(signin.PasswordHash), page.Choose, page.AgentFAQ)),
		optional(one("backup-hash", whoConnect, func(p Plan) bool { return p.From != signin.PasswordHash && p.To != signin.PasswordHash }, page.Choose, page.Custom)),
		one("agent-servers", whoServers, to(signin.PassThrough), page.AgentStart),
		one("agent-ports", whoNetwork, to(signin.PassThrough), page.AgentStart),
		one("verify-domain", whoHybrid, federates, page.SignIn, page.Custom),
		one("adfs-servers", whoServers, to(signin.ADFS), page.SignIn),
		one("adfs-certificate", whoFederates, to(signin.ADFS), page.SignIn, page.Requirements),
		one("adfs-credentials", whoServers, to(signin.ADFS), page.SignIn),
		one("adfs-network", whoNetwork, to(signin.ADFS), page.Requirements, page.Custom),
		one("ping-ready", whoPing, to(signin.Ping), page.Custom),

		back(notice(takes(one("wizard-temporary", whoConnect, both(leaves, temporary), page.SignIn, page.Migrate), "window", page.Migrate), "page", page.Migrate), "federate", page.Migrate),
		back(notice(takes(one("wizard-hash", whoConnect, both(both(leaves, lasting), to(signin.PasswordHash)), page.SignIn, page.Migrate), "convert", page.SignIn, page.Migrate), "page", page.Migrate), "federate", page.Migrate),
		back(notice(one("wizard-hash-plain", whoConnect, both(from(signin.PassThrough), to(signin.PasswordHash)), page.SignIn, page.AgentFAQ), "same", page.SignIn), "wizard", page.SignIn),
		back(notice(takes(one("wizard-agents", whoConnect, both(leaves, to(signin.PassThrough)), page.Migrate, page.AgentStart), "convert", page.SignIn, page.Migrate), "page", page.Migrate), "federate", page.Migrate),
		back(notice(one("wizard-agents-plain", whoConnect, both(from(signin.PasswordHash), to(signin.PassThrough)), page.AgentStart, page.AgentFAQ), "same", page.SignIn), "wizard", page.AgentFAQ),
		back(notice(takes(one("wizard-adfs", whoConnect, both(enters, to(signin.ADFS)), page.SignIn, page.Custom), "federate", page.SignIn), "redirected", page.Migrate), "manage", page.Migrate),
		back(notice(takes(one("wizard-ping", whoConnect, both(enters, to(signin.Ping)), page.SignIn, page.Custom), "federate", page.SignIn), "redirected", page.Migrate), "manage", page.Migrate),
		back(notice(takes(one("move-federation", whoConnect, moves), "unknown"), "unknown"), "federate", page.Migrate),

		back(takes(one("more-agents", whoServers, to(signin.PassThrough), page.AgentStart, page.Migrate), "unknown"), "agents", page.AgentFAQ),
		back(notice(takes(one("convert-domains", whoHybrid, leaves, page.Migrate), "window", page.Migrate), "tokens", page.Migrate), "federate", page.Migrate),
		one("more-domains", whoConnect, enters, page.Custom),
		optional(one("seamless", whoDomain, func(p Plan) bool { return leaves(p) }, page.SeamlessStart, page.Migrate)),
		one("verify-settings", whoHybrid, func(p Plan) bool { return cloud(p.To) }, page.Migrate),
		one("verify-federation", whoConnect, federates, page.Custom),
		one("test", whoLead, always, page.Migrate, page.Custom),
		notice(one("return", whoConnect, temporary, page.SignIn), "returned", page.SignIn),
		back(takes(one("remove-agents", whoServers, both(from(signin.PassThrough), lasting), page.AgentFAQ), "agents", page.AgentFAQ), "agents", page.AgentFAQ),
		takes(one("keep-adfs", whoFederates, both(both(leaves, lasting), from(signin.ADFS)), page.AgentStart), "twelve-hours", page.AgentStart),
		back(one("remove-trust", whoFederates, both(both(leaves, lasting), from(signin.ADFS)), page.Migrate), "restore", page.Migrate),
		one("retire-adfs", whoFederates, both(from(signin.ADFS), lasting), page.Migrate),
		one("retire-ping", whoPing, both(from(signin.Ping), lasting)),
	}
}
