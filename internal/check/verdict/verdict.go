// Package verdict is the vocabulary of connectivity checks: the stages of the ladder, the states that a stage can end in,
// and every verdict with its stable id.
//
//	s := verdict.Step{Stage: verdict.TLS}
//	s.Judge("tls.expired", "until", "2026-11-01T00:00:00Z")
//	// s.State is verdict.Fail; Find("tls.expired") says who must act
//
// The table of Kinds is the one list of verdicts: probes, texts ("check.verdict.<id>" of package message, with ".hint" for
// the remedy), documents and tests read it. The package is data: it measures nothing and prints nothing. What was not
// looked at is the zero State, NotTested, so that nothing turns green by being forgotten.
package verdict

import "slices"

// State is what a stage, or a whole check, came to. The zero value is NotTested.
type State uint8

const (
	// NotTested: nobody looked, or what was seen decides nothing.
	NotTested State = iota
	// NotApplicable: there is nothing to look at here, as DNS of this client where a proxy resolves.
	NotApplicable
	// Pass: it was looked at and is as it must be.
	Pass
	// Warn: it works, and somebody should know.
	Warn
	// Fail: it does not work, or is not handled as it must be.
	Fail
)

// States returns every state, in the order above.
func States() []State { return []State{NotTested, NotApplicable, Pass, Warn, Fail} }

// String is the stable code: not-tested, not-applicable, pass, warn or fail.
func (s State) String() string {
	switch s {
	case NotApplicable:
		return "not-applicable"
	case Pass:
		return "pass"
	case Warn:
		return "warn"
	case Fail:
		return "fail"
	}
	return "not-tested"
}

// MarshalText prints the code.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Stage is one rung of the ladder.
type Stage string

// The stages, in the order in which they are climbed.
const (
	Plan  Stage = "plan"  // which real name, which port, by which way
	PAC   Stage = "pac"   // what the PAC file answers for it
	DNS   Stage = "dns"   // its addresses
	Owner Stage = "owner" // whose they are, and which road carries them
	TCP   Stage = "tcp"   // a connection to it, or to the proxy
	Proxy Stage = "proxy" // the proxy opens the way
	TLS   Stage = "tls"   // the handshake and who answers it
	HTTP  Stage = "http"  // an answer of the origin
)

// Stages returns every stage in the order of the ladder.
func Stages() []Stage { return []Stage{Plan, PAC, DNS, Owner, TCP, Proxy, TLS, HTTP} }

// Party is who must act. The zero value is nobody.
type Party string

// The parties. Their names in words are "check.party.<code>" of package message.
const (
	Nobody       Party = ""
	FirewallTeam Party = "firewall"
	ProxyTeam    Party = "proxy"
	DNSTeam      Party = "dns"
	PCTeam       Party = "pc"
	Asker        Party = "asker" // whoever ran the check: name the missing value and run it again
)

// Kind is one verdict.
type Kind struct {
	ID    string
	Stage Stage
	State State
	// Party is who must act. Nobody where nothing is to be done by the organisation.
	Party Party
	// Cause names the piece of evidence by which checks share one cause: the proxy, the resolver, the issuer. "" where the
	// id alone is the cause.
	Cause string
	// Suspect: by itself a warning; when a later stage fails it is the cause of that, and fails.
	Suspect bool
}

// Kinds is the table of every verdict, by stage.
func Kinds() []Kind {
	return []Kind{
		{ID: "plan.wildcard", Stage: Plan, State: NotTested, Party: Asker},
		{ID: "plan.addresses", Stage: Plan, State: NotTested},
		{ID: "plan.udp", Stage: Plan, State: NotTested},
		{ID: "plan.ports", Stage: Plan, State: NotTested},
		{ID: "plan.unfilled", Stage: Plan, State: NotTested, Party: Asker},
		{ID: "plan.direct-only", Stage: Plan, State: NotTested, Party: Asker},
		{ID: "plan.stopped", Stage: Plan, State: NotTested, Party: Asker},

		{ID: "pac.failed", Stage: PAC, State: Fail, Party: PCTeam},
		{ID: "pac.direct-sign-in", Stage: PAC, State: Fail, Party: ProxyTeam},
		{ID: "pac.no-way", Stage: PAC, State: NotTested, Party: Asker},

		{ID: "dns.no-such-name", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.no-address", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.failed", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.timeout", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.loop", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.sinkhole", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.hijack", Stage: DNS, State: Fail, Party: DNSTeam, Cause: "server"},
		{ID: "dns.private", Stage: DNS, State: Warn, Party: DNSTeam, Cause: "server", Suspect: true},
		{ID: "dns.v6-only", Stage: DNS, State: Warn, Party: DNSTeam, Cause: "server", Suspect: true},
		{ID: "dns.slow", Stage: DNS, State: Warn, Party: DNSTeam, Cause: "server"},

		{ID: "owner.not-carried", Stage: Owner, State: Warn, Party: FirewallTeam, Suspect: true},

		{ID: "tcp.refused", Stage: TCP, State: Fail, Party: FirewallTeam},
		{ID: "tcp.timeout", Stage: TCP, State: Fail, Party: FirewallTeam},
		{ID: "tcp.unreachable", Stage: TCP, State: Fail, Party: FirewallTeam},
		{ID: "tcp.failed", Stage: TCP, State: Fail, Party: PCTeam},
		{ID: "tcp.ipv6", Stage: TCP, State: Warn, Party: FirewallTeam},
		{ID: "tcp.some", Stage: TCP, State: Warn, Party: FirewallTeam},

		{ID: "proxy.unresolved", Stage: Proxy, State: Fail, Party: DNSTeam, Cause: "proxy"},
		{ID: "proxy.unreachable", Stage: Proxy, State: Fail, Party: FirewallTeam, Cause: "proxy"},
		{ID: "proxy.credentials", Stage: Proxy, State: NotTested, Party: Asker, Cause: "proxy"},
		{ID: "proxy.credentials-refused", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.credentials-exempt", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.denied", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.denied-expected", Stage: Proxy, State: NotApplicable},
		{ID: "proxy.port-denied", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.dns-failed", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.upstream", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.cut", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.timeout", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},
		{ID: "proxy.not-http", Stage: Proxy, State: Fail, Party: ProxyTeam, Cause: "proxy"},

		{ID: "tls.reset", Stage: TLS, State: Fail, Party: FirewallTeam},
		{ID: "tls.timeout", Stage: TLS, State: Fail, Party: FirewallTeam},
		{ID: "tls.refused", Stage: TLS, State: Fail, Party: FirewallTeam},
		{ID: "tls.not-tls", Stage: TLS, State: Fail, Party: ProxyTeam},
		{ID: "tls.old-version", Stage: TLS, State: Fail, Party: ProxyTeam},
		{ID: "tls.stranger", Stage: TLS, State: Fail, Party: FirewallTeam, Cause: "issuer"},
		{ID: "tls.wrong-name", Stage: TLS, State: Fail, Party: ProxyTeam},
		{ID: "tls.expired", Stage: TLS, State: Fail, Party: ProxyTeam, Cause: "issuer"},
		{ID: "tls.not-yet-valid", Stage: TLS, State: Fail, Party: PCTeam, Cause: "issuer"},
		{ID: "tls.self-signed", Stage: TLS, State: Fail, Party: ProxyTeam},
		{ID: "tls.incomplete", Stage: TLS, State: Fail, Party: ProxyTeam, Cause: "issuer"},
		{ID: "tls.untrusted", Stage: TLS, State: Fail, Party: PCTeam, Cause: "issuer"},
		{ID: "tls.bad-certificate", Stage: TLS, State: Fail, Party: ProxyTeam, Cause: "issuer"},
		{ID: "tls.revoked", Stage: TLS, State: Fail, Party: ProxyTeam},
		{ID: "tls.inspected", Stage: TLS, State: Fail, Party: ProxyTeam, Cause: "issuer"},
		{ID: "tls.not-inspected", Stage: TLS, State: Fail, Party: ProxyTeam},
		{ID: "tls.alias-open", Stage: TLS, State: Warn, Party: ProxyTeam},
		{ID: "tls.inspected-discouraged", Stage: TLS, State: Warn, Party: ProxyTeam, Cause: "issuer"},
		{ID: "tls.client-certificate-lost", Stage: TLS, State: Fail, Party: ProxyTeam},

		{ID: "http.reset", Stage: HTTP, State: Fail, Party: FirewallTeam},
		{ID: "http.timeout", Stage: HTTP, State: Fail, Party: FirewallTeam},
		{ID: "http.not-http", Stage: HTTP, State: Fail, Party: ProxyTeam},
		{ID: "http.truncated", Stage: HTTP, State: Fail, Party: FirewallTeam},
		{ID: "http.captive-portal", Stage: HTTP, State: Fail, Party: FirewallTeam},
		{ID: "http.block-page", Stage: HTTP, State: Fail, Party: ProxyTeam},
		{ID: "http.proxy-error", Stage: HTTP, State: Fail, Party: ProxyTeam},
		{ID: "http.redirect-loop", Stage: HTTP, State: Warn, Party: ProxyTeam},
		{ID: "http.unavailable", Stage: HTTP, State: Warn},
		{ID: "http.throttled", Stage: HTTP, State: Warn},
		{ID: "http.clock", Stage: HTTP, State: Warn, Party: PCTeam},
		{ID: "http.slow", Stage: HTTP, State: Warn, Party: FirewallTeam},
	}
}

// Find returns the kind whose id is id.
func Find(id string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Step is what one stage found. The zero value was not tested.
type Step struct {
	Stage Stage  `json:"stage"`
	State State  `json:"state"`
	ID    string `json:"verdict"` // "" where the stage passed or was not tested for no reason of its own
	// Millis is how long it took.
	Millis int64 `json:"duration_ms"`
	// Evidence is what was seen: codes, names and numbers, in no language. Nothing in it is secret.
	Evidence map[string]string `json:"evidence"`
}

// evidenceBytes bounds one piece of evidence, because most of it is written by somebody else; chosen.
const evidenceBytes = 300

// Note adds evidence: name, value pairs. Empty values are left out, long ones cut.
func (s *Step) Note(pairs ...string) {
	if s.Evidence == nil {
		s.Evidence = map[string]string{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := pairs[i+1]; value != "" {
			s.Evidence[pairs[i]] = cut(value)
		}
	}
}

// Judge makes the verdict called id that of s, with more evidence. An id that is not in the table leaves s failed, with
// nobody to act: tests look for that.
func (s *Step) Judge(id string, pairs ...string) {
	s.Note(pairs...)
	s.ID, s.State = id, Fail
	if k, ok := Find(id); ok {
		s.State = k.State
	}
}

// Passed makes s pass unless it has a verdict.
func (s *Step) Passed() {
	if s.ID == "" {
		s.State = Pass
	}
}

// cut shortens s to evidenceBytes at the border of a character.
func cut(s string) string {
	if len(s) <= evidenceBytes {
		return s
	}
	end := evidenceBytes
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end] + "…"
}
