// Package journal is the lab's sign-in log: what was asked at its sign-in endpoints and what became of it, bounded, and
// kept in the lab's state where there is one. It is what the directory's administrators would read; the gateway's own
// record is another thing and is compared with it.
//
//	j, err := journal.Open(ctx, db, nil)
//	j.Add(journal.SignIn{…})                                      // never waits for the disk
//	rows := j.Rows(contoso, journal.Query{Blocked: true})         // the tenant restrictions report of contoso
//
// An entry is on its way to the disk within FlushEvery: what a killed process loses is younger.
package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lab/state"
)

// Capacity is how many entries are kept, in memory and on disk; the oldest go first. Chosen: days of rehearsal, and some
// 20 MB.
const Capacity = 16384

// FlushEvery is how often new entries are written; chosen: half of the second that a killed lab may forget.
const FlushEvery = 500 * time.Millisecond

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

// Journal keeps entries. The zero value is empty, in memory alone, and usable. Safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	entries []SignIn // a ring once it is full
	next    int

	db      *state.DB // nil: in memory alone
	failed  func(error)
	pending []state.SignIn
	writing sync.Mutex // held while pending is on its way: batches stay in order
	stop    chan struct{}
	stopped sync.WaitGroup
	once    sync.Once
}

// Open returns a journal that begins with what db holds and writes to it until Close. failed is told of each write that
// did not work, which is tried again; nil tells nobody.
func Open(ctx context.Context, db *state.DB, failed func(error)) (*Journal, error) {
	j := &Journal{db: db, failed: failed, stop: make(chan struct{})}
	var all []SignIn
	if err := read(ctx, db, state.SignInQuery{}, func(e *SignIn) bool {
		all = append(all, *e)
		return len(all) < Capacity
	}); err != nil {
		return nil, err
	}
	slices.Reverse(all)
	j.entries = all
	j.stopped.Go(j.write)
	return j, nil
}

// read calls f with the entries of db, newest first, until it returns false.
func read(ctx context.Context, db *state.DB, q state.SignInQuery, f func(*SignIn) bool) error {
	for {
		page, err := db.SignIns(ctx, q)
		if err != nil {
			return err
		}
		for _, kept := range page {
			var e SignIn
			if err := json.Unmarshal(kept.Data, &e); err != nil {
				return fmt.Errorf("read the lab's sign-in log: entry %d: %w", kept.Seq, err)
			}
			if !f(&e) {
				return nil
			}
		}
		if len(page) < state.MaxSignInPage {
			return nil
		}
		q.Before = page[len(page)-1].Seq
	}
}

// write writes what is pending until Close.
func (j *Journal) write() {
	t := time.NewTicker(FlushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			j.flush()
		case <-j.stop:
			return
		}
	}
}

// flush writes what is pending; what cannot be written stays pending, as much as is kept at all.
func (j *Journal) flush() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	batch := j.pending
	j.pending = nil
	j.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := j.db.AppendSignIns(context.Background(), batch, Capacity)
	if err != nil {
		j.mu.Lock()
		j.pending = append(batch, j.pending...)
		if over := len(j.pending) - Capacity; over > 0 {
			j.pending = slices.Clone(j.pending[over:])
		}
		j.mu.Unlock()
		if j.failed != nil {
			j.failed(err)
		}
	}
	return err
}

// Close writes what is pending and ends the writing. The state itself stays open. A second Close does nothing.
func (j *Journal) Close() error {
	if j.db == nil {
		return nil
	}
	j.once.Do(func() { close(j.stop) })
	j.stopped.Wait()
	return j.flush()
}

// Add appends e.
func (j *Journal) Add(e SignIn) {
	var data []byte
	if j.db != nil {
		data, _ = json.Marshal(e) // nothing in it can fail: texts, numbers, times
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.db != nil {
		j.pending = append(j.pending, state.SignIn{Time: e.Time, Data: data, Origin: state.SignInOrigin{Context: e.Context, Home: e.HomeTenant, Tenant: e.Tenant}})
	}
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
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Row
	for i := range j.entries {
		e := &j.entries[(j.next-1-i+2*len(j.entries))%len(j.entries)]
		if r, ok := view(e, tenant); ok && q.matches(&r) {
			if out = append(out, r); q.Limit > 0 && len(out) >= q.Limit {
				break
			}
		}
	}
	return out
}

// ReadRows returns what Rows would, from the state of a lab that may be running elsewhere or not at all.
func ReadRows(ctx context.Context, db *state.DB, tenant string, q Query) ([]Row, error) {
	tenant = strings.ToLower(tenant)
	var out []Row
	err := read(ctx, db, state.SignInQuery{Since: q.Since, Until: q.Until, Tenant: tenant}, func(e *SignIn) bool {
		if r, ok := view(e, tenant); ok && q.matches(&r) {
			out = append(out, r)
		}
		return q.Limit <= 0 || len(out) < q.Limit
	})
	return out, err
}
