package node

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/lab"
	"sekisho/internal/policy"
)

// Summary says, once, where everything is.
type Summary struct {
	Lab        bool          `json:"lab"`
	Gateway    string        `json:"gateway"`         // host:port as clients see it
	Operations string        `json:"operations"`      // base URL of the operations listener
	PAC        string        `json:"pac"`             // URL of the PAC file
	Root       string        `json:"root"`            // URL of the gateway's root certificate
	Trust      string        `json:"trust,omitempty"` // file with both roots; only under the lab
	Data       string        `json:"data"`
	PolicyHash string        `json:"policy_hash"`
	Catalog    string        `json:"catalog_version"`
	Rings      []SummaryRing `json:"rings"`
	Created    []string      `json:"created"`             // files made by this start
	Accounts   []Account     `json:"accounts,omitempty"`  // of the lab, for a browser; only under the lab
	SignIn     string        `json:"sign_in,omitempty"`   // URL of a sign-in page, for a browser behind the proxy; only under the lab
	Report     string        `json:"report,omitempty"`    // URL of the tenant restrictions report, for the last of Accounts; only under the lab
	Directory  string        `json:"directory,omitempty"` // URL of the page that changes users, domains and consent, for the same; only under the lab
	Try        []Try         `json:"try,omitempty"`       // commands to paste; only under the lab
}

// SummaryRing is one ring in short.
type SummaryRing struct {
	Name    string `json:"name"`
	Mode    string `json:"mode"`
	Profile string `json:"profile"`
}

// Account is somebody in the lab's directory. Nothing of it is a secret.
type Account struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Try is a command that works when pasted; ID names the text that says what it shows.
type Try struct {
	ID      string `json:"id"`
	Command string `json:"command"`
}

// Summary describes the running checkpoint.
func (n *Node) Summary() Summary {
	b := n.current.Load()
	s := Summary{
		Lab: n.options.Lab, Gateway: n.seenGateway(b.config), Operations: "http://" + n.operationsAt + "/",
		PAC: n.seenPAC(b.config), Root: "http://" + n.operationsAt + "/ca.pem", Data: string(n.folders),
		PolicyHash: b.edition.Program.Hash(), Catalog: b.edition.Program.CatalogVersion(), Created: append([]string{}, n.created...), Rings: []SummaryRing{},
	}
	for _, r := range b.edition.Program.Rings() {
		s.Rings = append(s.Rings, SummaryRing{r.Name, r.Mode.String(), r.Profile})
	}
	if n.options.Lab {
		s.Trust = n.folders.trust()
		s.Accounts = []Account{{lab.Alice, lab.AlicePassword}, {lab.Bob, lab.BobPassword}, {lab.Hanako, lab.HanakoPassword}}
		s.Report = "https://login.microsoftonline.com/organizations/lab/report"
		s.Directory = "https://login.microsoftonline.com/organizations/lab/directory"
		s.SignIn = "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?" + url.Values{
			"client_id": {lab.PublicApplication}, "response_type": {"code"}, "redirect_uri": {"https://login.microsoftonline.com/common/oauth2/nativeclient"}, "scope": {"openid"},
			// Of the verifier of RFC 7636, appendix B, which is known to everybody: it is a lab.
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}.Encode()
		s.Try = n.tries()
	}
	return s
}

// tries are curl commands against the lab's shipped directory, for a POSIX shell; only those that show what they say
// under this policy. There are none when the proxy asks for credentials, which nobody prints.
func (n *Node) tries() []Try {
	if n.current.Load().edition.Identify != nil {
		return nil
	}
	curl := fmt.Sprintf("curl -sS --proxy http://%s --cacert %s", n.gatewayAt, quoteShell(n.folders.trust()))
	body := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {lab.ServiceApplication},
		"client_secret": {lab.ServiceSecret}, "scope": {"https://graph.microsoft.com/.default"},
	}.Encode()
	token := func(tenant string) string {
		return curl + " -d '" + body + "' https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/token"
	}
	var tries []Try
	add := func(id, host string, command string, holds func(policy.Decision) bool) {
		ask := policy.Ask{
			Subject:   policy.Subject{Client: netip.AddrFrom4([4]byte{127, 0, 0, 1})},
			Authority: endpoint.Authority{Host: endpoint.MustHost(host), Port: 443},
		}
		if holds(n.current.Load().edition.Program.Decide(ask)) {
			tries = append(tries, Try{id, command})
		}
	}
	const signIn = "login.microsoftonline.com"
	enforced := func(d policy.Decision) bool { return d.Action == policy.Intercept && d.Mode == policy.Enforce }
	add("permitted", signIn, token(lab.ContosoDomain), policy.Decision.Allowed)
	add("foreign", signIn, token(lab.FabrikamDomain), enforced)
	add("foreign-let-pass", signIn, token(lab.FabrikamDomain), func(d policy.Decision) bool { return d.Allowed() && !enforced(d) })
	add("untouched", "manage.microsoft.com", curl+" -o /dev/null -w '%{certs}' https://manage.microsoft.com/ | grep -m1 Issuer",
		func(d policy.Decision) bool { return d.Action == policy.Tunnel })
	add("refused", "www.example.org", curl+" -i http://www.example.org/", func(d policy.Decision) bool { return !d.Allowed() })
	return tries
}

// quoteShell quotes s for a POSIX shell when it needs it.
func quoteShell(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func itoa(n int) string { return strconv.Itoa(n) }
