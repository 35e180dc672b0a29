// Package audit is the record of every decision and every sign-in: what a record holds (Record), the spool that keeps
// it on disk before it is stored (Spool), and how it is read back (Reader). Engines live below it (sqlite).
//
//	spool, err := audit.OpenSpool(audit.SpoolOptions{Dir: dir, Node: "gw1", Store: store})
//	spool.Record(audit.Record{Kind: audit.SignIn, …})             // never waits for the disk
//	opened := spool.Open(audit.Record{Kind: audit.Decision, …})   // at the decision
//	…
//	spool.Finish(opened, audit.Record{Kind: audit.Decision, …})   // with the totals
//	…
//	err = spool.Close(ctx)
//
// A record is in the page cache within 100 ms and flushed to disk within about a second, then shipped at least once with
// the key (node, boot, sequence); a Store has one row for each key. Losing the store loses no record. What is lost all
// the same (a full spool, a damaged frame) is counted in Stats and shows as a gap in the sequence.
//
// A connection that lasts is recorded twice under one key: when it is opened, and whole when it ends. The whole record
// takes the place of the opened one, in whatever order and however often the two arrive. What a killed process left
// open is ended by the next one as NotClosed: that it ended is known, its totals are not.
//
// A record never holds cookies, tokens, codes, passwords, header values or query strings: whoever fills it must leave
// them out. The package bounds every text and takes control characters out of it, because hosts and agents are what a
// stranger sent.
package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind of a record. The zero value is no kind.
type Kind uint8

const (
	Decision Kind = iota + 1 // one connection or plain request
	SignIn                   // one request seen on an intercepted sign-in host
)

// String is the stable code used in JSON: decision, sign-in, or "" for no kind.
func (k Kind) String() string {
	switch k {
	case Decision:
		return "decision"
	case SignIn:
		return "sign-in"
	}
	return ""
}

// MarshalText makes Kind print as its code.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a code; "" is no kind.
func (k *Kind) UnmarshalText(text []byte) error {
	for _, c := range []Kind{0, Decision, SignIn} {
		if string(text) == c.String() {
			*k = c
			return nil
		}
	}
	return fmt.Errorf("kind %q is neither %q nor %q", text, Decision, SignIn)
}

// Record is one row. Empty text means "not known" or "does not apply"; texts are codes and names, never translated, and
// cut to 512 bytes when recorded. Times and durations are microseconds. The JSON form is what lies in the spool: a field
// may be added, none may change its meaning (testdata/frame-v1.bin).
type Record struct {
	// Node, Boot and Seq are the key. The spool sets them: the node's name, a random text for each process start, and a
	// count from 1 for each boot. Records that were lost leave a gap in it.
	Node string `json:"node"`
	Boot string `json:"boot"`
	Seq  uint64 `json:"sequence"`

	// Open says that the record was opened and is not finished: status, totals and error are those of the beginning. The
	// spool sets it.
	Open bool `json:"open,omitempty"`

	Kind       Kind   `json:"kind"`
	TimeMicros int64  `json:"time_us"`       // when the decision was taken, since the Unix epoch, UTC
	RequestID  string `json:"request_id"`    // as on the refusal page and in the log
	Connection string `json:"connection_id"` // joins the sign-ins of one connection to its decision

	Client string   `json:"client"`           // address, without port
	User   string   `json:"user"`             // as the caller gave it
	Groups []string `json:"groups,omitempty"` // at most 64 are kept

	Method    string `json:"method"`    // CONNECT, GET ...
	Host      string `json:"host"`      // CONNECT name or authority, normal form where it has one
	Port      uint16 `json:"port"`      // 0 = not known
	SNI       string `json:"sni"`       // server name of the ClientHello
	Authority string `json:"authority"` // of the refused inner request
	Addr      string `json:"addr"`      // address that was dialled, without port

	Verdict        string `json:"verdict"`         // permit, deny
	Action         string `json:"action"`          // refuse, tunnel, intercept, forward
	Reason         string `json:"reason"`          // a policy.Reason
	Would          string `json:"would"`           // report ring: the reason for which enforcing would have refused; "unknown"; "" nothing
	Rule           string `json:"rule"`            // file:line or built-in
	Ring           string `json:"ring"`            // name
	Mode           string `json:"mode"`            // of the ring: enforce, report, off
	Profile        string `json:"profile"`         // name
	PolicyHash     string `json:"policy_hash"`     // of the program that decided
	CatalogVersion string `json:"catalog_version"` // of the snapshot that it decided by

	Status         int    `json:"status"`      // HTTP status answered to the client; 0 = none
	BytesUp        int64  `json:"bytes_up"`    // client to origin, body and tunnel bytes
	BytesDown      int64  `json:"bytes_down"`  // origin to client
	DurationMicros int64  `json:"duration_us"` // from accepting the request to its end
	Error          string `json:"error"`       // code of what went wrong after the decision

	// Sign-ins only.
	Endpoint      string `json:"endpoint"`       // authorize, token, devicecode, discovery, ...
	Tenant        string `json:"tenant"`         // asked for, as in the path: domain, directory id, common, ...
	Application   string `json:"application"`    // client id
	AADSTS        string `json:"aadsts"`         // digits of the code in the answer, "500021"; "" = not seen
	CorrelationID string `json:"correlation_id"` // of the request (client-request-id), else of the answer: how Entra's sign-in log finds it
	Outcome       string `json:"outcome"`        // ok, blocked, failed, not-seen
	UserAgent     string `json:"user_agent"`     // product token only, bounded
}

// The values of Record.Outcome.
const (
	OutcomeOK      = "ok"
	OutcomeBlocked = "blocked"  // by a tenant restriction
	OutcomeFailed  = "failed"   // for any other reason
	OutcomeNotSeen = "not-seen" // the answer does not tell
)

// Outcomes are the values of Record.Outcome.
func Outcomes() []string {
	return []string{OutcomeOK, OutcomeBlocked, OutcomeFailed, OutcomeNotSeen}
}

// NotClosed is the Error of a record that was open when its process ended without finishing it: killed, or without
// power. The connection is gone; its totals are not known.
const NotClosed = "not-closed"

// folded begins the Error of a record that Folded made.
const folded = "folded-"

// Folded is the Error of a record that stands for n requests of one client that were refused or came to nothing, itself
// among them: their records of their own would have taken what was left of the spool. All else in it is of the first. Where
// very many clients are refused at once it may stand for several of them; Client is empty then.
func Folded(n int) string { return folded + strconv.Itoa(n) }

// Count is how many requests r stands for: the n of Folded, otherwise 1.
func (r Record) Count() int64 {
	if text, ok := strings.CutPrefix(r.Error, folded); ok {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			return n
		}
	}
	return 1
}

// States of a record, as State returns them.
const (
	StateOpen   = "open"   // under way
	StateClosed = "closed" // over, with its totals
)

// State is the stable code of how far r is: StateOpen, StateClosed, or NotClosed.
func (r Record) State() string {
	switch {
	case r.Open:
		return StateOpen
	case r.Error == NotClosed:
		return NotClosed
	}
	return StateClosed
}
