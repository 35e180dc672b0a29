// Package audit is the record of every decision and every sign-in: what a record holds (Record), the spool that keeps
// it on disk before it is stored (Spool), and how it is read back (Reader). Engines live below it (sqlite).
//
// A record never holds cookies, tokens, codes, passwords, header values or query strings.
package audit

// Kind of a record.
type Kind uint8

const (
	Decision Kind = iota + 1 // one connection or plain request
	SignIn                   // one request seen on an intercepted sign-in host
)

// Record is one row. Times are µs since the Unix epoch, UTC. Empty text means "not known" or "does not apply".
type Record struct {
	Node string `json:"node"`
	Boot string `json:"boot"` // random per process start
	Seq  uint64 `json:"sequence"`

	Kind       Kind   `json:"kind"`
	TimeMicros int64  `json:"time_us"`
	RequestID  string `json:"request_id"`
	Connection string `json:"connection_id"` // joins the sign-ins of one connection to its decision

	Client string   `json:"client"` // address
	User   string   `json:"user"`
	Groups []string `json:"groups,omitempty"`

	Method    string `json:"method"` // CONNECT, GET ...
	Host      string `json:"host"`   // CONNECT name or authority, normal form where it has one
	Port      uint16 `json:"port"`
	SNI       string `json:"sni"`
	Authority string `json:"authority"` // of the refused inner request
	Addr      string `json:"addr"`      // dialled

	Verdict        string `json:"verdict"` // permit, deny
	Action         string `json:"action"`  // refuse, tunnel, intercept, forward
	Reason         string `json:"reason"`
	Would          string `json:"would"` // report ring: what enforcing would have refused; "unknown"; ""
	Rule           string `json:"rule"`  // file:line or built-in
	Ring           string `json:"ring"`
	Mode           string `json:"mode"`
	Profile        string `json:"profile"`
	PolicyHash     string `json:"policy_hash"`
	CatalogVersion string `json:"catalog_version"`

	Status         int    `json:"status"` // HTTP status answered to the client; 0 = none
	BytesUp        int64  `json:"bytes_up"`
	BytesDown      int64  `json:"bytes_down"`
	DurationMicros int64  `json:"duration_us"`
	Error          string `json:"error"` // code of what went wrong after the decision

	// Sign-ins only.
	Endpoint      string `json:"endpoint"`    // authorize, token, devicecode, discovery, ...
	Tenant        string `json:"tenant"`      // asked for, as in the path
	Application   string `json:"application"` // client id
	AADSTS        string `json:"aadsts"`      // "500021"; "" = not seen
	CorrelationID string `json:"correlation_id"`
	Outcome       string `json:"outcome"`    // ok, blocked, failed, not-seen
	UserAgent     string `json:"user_agent"` // product token only, bounded
}
