// Package journal is the lab's sign-in log: what was asked at its sign-in endpoints and what became of it, kept in
// memory and bounded. It is what the directory's administrators would read; the gateway's own record is another thing
// and is compared with it.
package journal

import (
	"strings"
	"sync"
	"time"

	"sekisho/internal/finding"
)

// Capacity is how many entries of each kind are kept; the oldest go first. Chosen: hours of rehearsal.
const Capacity = 4096

// SignIn is one sign-in or token request. Codes are AADSTS numbers, 0 for success; Lab tells an answer that is the
// lab's own (it refused to guess).
type SignIn struct {
	ID            string    `json:"id"` // the request's trace id
	CorrelationID string    `json:"correlation_id"`
	Time          time.Time `json:"time"`
	Host          string    `json:"host"`
	Endpoint      string    `json:"endpoint"` // authorize, token, devicecode, ...
	Grant         string    `json:"grant,omitempty"`
	User          string    `json:"user,omitempty"` // user principal name; "" when nobody was named
	UserDisplay   string    `json:"user_display,omitempty"`
	UserID        string    `json:"user_id,omitempty"`
	HomeTenant    string    `json:"home_tenant,omitempty"`
	Tenant        string    `json:"resource_tenant,omitempty"`
	Application   string    `json:"application,omitempty"` // client id
	ApplicationNm string    `json:"application_name,omitempty"`
	Address       string    `json:"address"`
	UserAgent     string    `json:"user_agent,omitempty"`
	Code          int       `json:"code"`
	Reason        string    `json:"reason,omitempty"` // what the code means, in English
	Lab           bool      `json:"lab,omitempty"`
	Consumer      bool      `json:"consumer,omitempty"` // the person's account is a personal one

	// Context is the tenant that Restrict-Access-Context, or the v2 policy, names.
	Context string `json:"context,omitempty"`
	// Restricted tells how the request was tested: "", "v1", "v2", "consumers".
	Restricted string `json:"restricted,omitempty"`
	// Assumptions are the switches that shaped the answer.
	Assumptions []string `json:"assumptions,omitempty"`
	// Findings are the misconfigurations seen in the request's restriction headers.
	Findings finding.List `json:"findings,omitempty"`
}

// Journal keeps entries. The zero value is empty and usable. Safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	entries []SignIn
	next    int
}

// Add appends e.
func (j *Journal) Add(e SignIn) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) < Capacity {
		j.entries = append(j.entries, e)
		return
	}
	j.entries[j.next] = e
	j.next = (j.next + 1) % Capacity
}

// SignIns returns the entries, oldest first.
func (j *Journal) SignIns() []SignIn {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]SignIn, 0, len(j.entries))
	out = append(out, j.entries[j.next:]...)
	return append(out, j.entries[:j.next]...)
}

// Rows returns the sign-in log of a tenant, named by its directory id, as its administrators see it: newest first, people
// of other tenants masked, events of personal accounts absent. With q.Blocked it is the tenant restrictions report.
func (j *Journal) Rows(tenant string, q Query) []Row {
	tenant = strings.ToLower(tenant)
	entries := j.SignIns()
	var out []Row
	for i := len(entries) - 1; i >= 0 && (q.Limit <= 0 || len(out) < q.Limit); i-- {
		if r, ok := view(&entries[i], tenant); ok && q.matches(&r) {
			out = append(out, r)
		}
	}
	return out
}
