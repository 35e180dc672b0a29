// Package signinlog reads a tenant's sign-in log of Microsoft Entra, from Microsoft Graph or from the CSV that the admin
// centre exports, into one kind of row, and joins it with what the gateway recorded of the same sign-ins.
//
//	rows, err := signinlog.ReadCSV("InteractiveSignIns.csv", file)
//	lines := signinlog.Join(rows, records)
//	err = signinlog.WriteCSV(os.Stdout, lines, columns, signinlog.CSV{BOM: true})
//
// The same sign-ins give the same rows from every source. The package keeps nothing and writes no file. Sources:
// Microsoft, "List signIns" and "signIn resource type" (learn.microsoft.com/graph/api), "Set up tenant restrictions v1",
// "Admin experience".
package signinlog

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Statuses of a Row, as the sign-in log names them.
const (
	Success     = "success"
	Failure     = "failure"
	Interrupted = "interrupted"
)

// Row is one sign-in as the cloud recorded it. "" is what the source does not tell.
type Row struct {
	ID            string // request id
	CorrelationID string // lower case
	Time          time.Time
	User          string // display name; the zero id when it is masked
	UserID        string
	UserName      string // user principal name; "{PII Removed}@domain" when it is masked
	Application   string // display name
	ApplicationID string
	Status        string // Success, Failure, Interrupted
	Code          int    // AADSTS; 0 for success
	Reason        string
	Address       string // as the cloud saw it: behind a gateway, the gateway's way out
	Client        string // "Browser", "Mobile Apps and Desktop clients", ...
	UserAgent     string
	Location      string // city, state, country: what is known of it
	HomeTenant    string
	TargetTenant  string // not told by version 1.0 of Graph
}

// Blocked reports whether a tenant restriction refused the sign-in (Microsoft, "Microsoft Entra authentication and
// authorization error codes": 50002, 500021, 500022; "Set up tenant restrictions v2": 5000211).
func (r Row) Blocked() bool {
	return r.Code == 50002 || r.Code == 500021 || r.Code == 500022 || r.Code == 5000211
}

// statusOf names the status of a code. The admin centre calls a sign-in that waits for another step "interrupted"
// (error reference: the codes below ask for one).
func statusOf(code int) string {
	switch code {
	case 0:
		return Success
	case 50058, 50140, 65001, 16000, 50072, 50074, 50076, 50079, 50055, 70016:
		return Interrupted
	}
	return Failure
}

// Filter selects lines. All that is set must hold; the zero value selects all. Texts are compared whole, in any letter
// case.
type Filter struct {
	Since, Until time.Time    // inclusive and exclusive; zero: open
	User         string       // name, user name or id; of a line of the gateway alone, its user
	Application  string       // client id or name
	Client       string       // client app
	Address      netip.Prefix // of the cloud's row or of the gateway's record; invalid: any
	Status       string       // Success, Failure, Interrupted, or a code: 500021, AADSTS500021
	Blocked      bool         // what a tenant restriction blocked, alone
}

// ParseStatus checks what a person wrote as status: one of the three, or a code.
func ParseStatus(text string) (string, bool) {
	folded := strings.ToLower(text)
	switch folded {
	case "", Success, Failure, Interrupted:
		return folded, true
	}
	code := strings.TrimPrefix(folded, "aadsts")
	n, err := strconv.ParseUint(code, 10, 31)
	if err != nil {
		return "", false
	}
	return strconv.FormatUint(n, 10), true
}

// Matches reports whether f selects l.
func (f Filter) Matches(l Line) bool {
	at := l.At()
	switch {
	case !f.Since.IsZero() && at.Before(f.Since), !f.Until.IsZero() && !at.Before(f.Until),
		f.Blocked && !l.blocked(), f.Status != "" && f.Status != l.status() && f.Status != l.code():
		return false
	}
	gatewayUser, gatewayApplication, gatewayClient := "", "", ""
	if l.Gateway != nil {
		gatewayUser, gatewayApplication, gatewayClient = l.Gateway.User, l.Gateway.Application, l.Gateway.Client
	}
	return anyFold(f.User, l.Cloud.User, l.Cloud.UserID, l.Cloud.UserName, gatewayUser) &&
		anyFold(f.Application, l.Cloud.Application, l.Cloud.ApplicationID, gatewayApplication) &&
		anyFold(f.Client, l.Cloud.Client) &&
		(!f.Address.IsValid() || within(f.Address, l.Cloud.Address) || within(f.Address, gatewayClient))
}

func anyFold(want string, have ...string) bool {
	for _, h := range have {
		if strings.EqualFold(want, h) {
			return true
		}
	}
	return want == ""
}

func within(p netip.Prefix, address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && p.Contains(a.Unmap())
}
