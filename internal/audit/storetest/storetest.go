// Package storetest is the suite that every audit store must pass.
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Engine { … })
//	}
package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/audit"
)

// Engine is an empty store under test.
type Engine interface {
	audit.Store
	audit.Reader
	audit.Retainer
}

// Run runs the suite. open returns a new, empty engine and closes it with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Engine) {
	for _, c := range []struct {
		rule string
		test func(*testing.T, Engine)
	}{
		{"every-field-comes-back", everyField},
		{"a-key-is-taken-once", takenOnce},
		{"a-record-that-was-opened-is-finished-in-any-order", finished},
		{"what-a-dead-process-left-open-is-ended", ended},
		{"nothing-is-taken-from-a-call-that-was-given-up", givenUp},
		{"rows-come-newest-first-and-page-by-page", pages},
		{"filters-select", filters},
		{"kinds-stay-apart", kinds},
		{"limits", limits},
		{"odd-text-is-data", oddText},
		{"retain-forgets-what-is-older", retain},
		{"many-at-once", concurrent},
	} {
		t.Run(c.rule, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Base is the time of the suite's first record.
const base = 1_800_000_000_000_000

func decision(seq uint64, change func(*audit.Record)) audit.Record {
	r := audit.Record{Node: "gw1", Boot: "b1", Seq: seq, Kind: audit.Decision, TimeMicros: base + int64(seq)*1e6,
		Client: "10.1.2.3", User: "alice", Host: "login.live.com", Port: 443, Verdict: "permit", Action: "intercept"}
	if change != nil {
		change(&r)
	}
	return r
}

func store(t *testing.T, e Engine, records ...audit.Record) {
	t.Helper()
	if err := e.Store(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, read func(context.Context, audit.Filter) ([]audit.Record, error), f audit.Filter) []audit.Record {
	t.Helper()
	rows, err := read(t.Context(), f)
	if err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	return rows
}

func seqs(rows []audit.Record) []uint64 {
	var out []uint64
	for _, r := range rows {
		out = append(out, r.Seq)
	}
	return out
}

func full() audit.Record {
	return audit.Record{
		Node: "gw1", Boot: "0123abcd", Seq: 1 << 40, Kind: audit.SignIn, TimeMicros: base + 123456, RequestID: "req-1",
		Connection: "conn-1", Client: "2001:db8::7", User: "Alice", Groups: []string{"it", "営業 部"}, Method: "POST",
		Host: "login.microsoftonline.com", Port: 443, SNI: "login.microsoftonline.com", Authority: "other.example.com",
		Addr: "20.190.128.1", Verdict: "deny", Action: "refuse", Reason: "sni-mismatch", Would: "tenant", Rule: "a.yaml:3",
		Ring: "pilot", Mode: "report", Profile: "staff", PolicyHash: "0011223344556677", CatalogVersion: "2026-11-01",
		Status: 403, BytesUp: 1 << 41, BytesDown: 7, DurationMicros: 42, Error: "upstream-reset", Endpoint: "token",
		Tenant: "Fabrikam.example", Application: "11111111-2222-3333-4444-555555555555", AADSTS: "500021",
		CorrelationID: "corr", Outcome: "blocked", UserAgent: "Mozilla/5.0",
	}
}

func everyField(t *testing.T, e Engine) {
	want := full()
	store(t, e, want)
	if diff := cmp.Diff([]audit.Record{want}, read(t, e.SignIns, audit.Filter{})); diff != "" {
		t.Error(diff)
	}
	zero := audit.Record{Node: "gw1", Boot: "b", Seq: 1, Kind: audit.Decision}
	store(t, e, zero)
	if diff := cmp.Diff([]audit.Record{zero}, read(t, e.Decisions, audit.Filter{})); diff != "" {
		t.Error(diff)
	}
}

func takenOnce(t *testing.T, e Engine) {
	store(t, e, decision(1, nil), decision(2, nil), decision(1, nil))
	store(t, e, decision(2, func(r *audit.Record) { r.Host = "changed" }), decision(3, nil))
	store(t, e, decision(1, func(r *audit.Record) { r.Boot = "b2" }), decision(1, func(r *audit.Record) { r.Node = "gw2" }))
	rows := read(t, e.Decisions, audit.Filter{})
	if len(rows) != 5 {
		t.Errorf("%d rows, want 5", len(rows))
	}
	for _, r := range rows {
		if r.Host != "login.live.com" {
			t.Error("a row was changed by a repetition")
		}
	}
	store(t, e) // nothing is no error
}

func givenUp(t *testing.T, e Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Store(ctx, []audit.Record{decision(1, nil)}); err == nil {
		t.Error("stored although the caller gave up")
	}
	if rows := read(t, e.Decisions, audit.Filter{}); len(rows) != 0 {
		t.Errorf("rows %v", seqs(rows))
	}
	if _, err := e.Decisions(ctx, audit.Filter{}); err == nil {
		t.Error("read although the caller gave up")
	}
}

func pages(t *testing.T, e Engine) {
	// Ten rows at one time from two nodes, and five later: the order is total, and pages neither repeat nor skip.
	var all []audit.Record
	for i := range uint64(5) {
		for _, node := range []string{"gw1", "gw2"} {
			all = append(all, decision(i+1, func(r *audit.Record) { r.Node, r.TimeMicros = node, base }))
		}
		all = append(all, decision(100+i, nil))
	}
	store(t, e, all...)
	var got []audit.Record
	f := audit.Filter{Limit: 4}
	for {
		page := read(t, e.Decisions, f)
		got = append(got, page...)
		if len(page) < f.Limit {
			break
		}
		c, err := audit.ParseCursor(page[len(page)-1].Cursor().String())
		if err != nil {
			t.Fatal(err)
		}
		f.Before = c
		// What is recorded meanwhile is newer, and does not shift the pages.
		store(t, e, decision(1000+uint64(len(got)), nil))
	}
	if len(got) != len(all) {
		t.Fatalf("%d rows, want %d", len(got), len(all))
	}
	for i := 1; i < len(got); i++ {
		a, b := got[i-1], got[i]
		if a.TimeMicros < b.TimeMicros || a.TimeMicros == b.TimeMicros && (a.Node < b.Node || a.Node == b.Node && a.Seq <= b.Seq) {
			t.Errorf("row %d: %v before %v", i, a.Cursor(), b.Cursor())
		}
	}
}

func filters(t *testing.T, e Engine) {
	sec := func(n int64) time.Time { return time.UnixMicro(base + n*1e6) }
	store(t, e,
		decision(1, nil),
		decision(2, func(r *audit.Record) { r.User, r.Client, r.Open = "BOB", "10.1.3.4", true }),
		decision(3, func(r *audit.Record) {
			r.Host, r.Verdict, r.Reason, r.Status = "Evil.example.com", "deny", "not-allowed", 403
		}),
		decision(4, func(r *audit.Record) { r.Client, r.Ring, r.Would = "2001:db8::1", "pilot", "unknown" }),
		decision(5, func(r *audit.Record) { r.Client, r.RequestID, r.Connection = "not an address", "req-5", "conn-5" }),
		decision(6, func(r *audit.Record) { r.User, r.Client = "日本 太郎", "::ffff:10.1.2.3" }),
	)
	for _, c := range []struct {
		rule string
		f    audit.Filter
		want []uint64
	}{
		{"nothing set", audit.Filter{}, []uint64{6, 5, 4, 3, 2, 1}},
		{"from is inclusive", audit.Filter{From: sec(5)}, []uint64{6, 5}},
		{"to is exclusive", audit.Filter{To: sec(2)}, []uint64{1}},
		{"both", audit.Filter{From: sec(2), To: sec(4)}, []uint64{3, 2}},
		{"any zone", audit.Filter{From: sec(5).In(time.FixedZone("JST", 9*3600))}, []uint64{6, 5}},
		{"user without case", audit.Filter{User: "Bob"}, []uint64{2}},
		{"user in Japanese", audit.Filter{User: "日本 太郎"}, []uint64{6}},
		{"user whole", audit.Filter{User: "ali"}, nil},
		{"no wildcard", audit.Filter{User: "%"}, nil},
		{"no injection", audit.Filter{User: "' OR 1=1 --"}, nil},
		{"host without case", audit.Filter{Host: "evil.EXAMPLE.com"}, []uint64{3}},
		{"address", audit.Filter{Client: netip.MustParsePrefix("10.1.3.4/32")}, []uint64{2}},
		{"prefix", audit.Filter{Client: netip.MustParsePrefix("10.1.2.0/23")}, []uint64{6, 3, 2, 1}},
		{"prefix with host bits", audit.Filter{Client: netip.MustParsePrefix("10.1.3.77/24")}, []uint64{2}},
		{"every IPv4 address", audit.Filter{Client: netip.MustParsePrefix("0.0.0.0/0")}, []uint64{6, 3, 2, 1}},
		{"IPv6 prefix", audit.Filter{Client: netip.MustParsePrefix("2001:db8::/32")}, []uint64{4}},
		{"verdict", audit.Filter{Verdict: "deny"}, []uint64{3}},
		{"reason", audit.Filter{Reason: "not-allowed"}, []uint64{3}},
		{"status", audit.Filter{Status: 403}, []uint64{3}},
		{"ring", audit.Filter{Ring: "pilot"}, []uint64{4}},
		{"request", audit.Filter{RequestID: "req-5"}, []uint64{5}},
		{"connection", audit.Filter{Connection: "conn-5"}, []uint64{5}},
		{"restricted", audit.Filter{Restricted: true}, []uint64{4, 3}},
		{"open", audit.Filter{Open: true}, []uint64{2}},
		{"open and of nobody", audit.Filter{Open: true, User: "nobody"}, nil},
		{"two at once", audit.Filter{User: "alice", Verdict: "deny"}, []uint64{3}},
		{"limit", audit.Filter{Limit: 2}, []uint64{6, 5}},
	} {
		if got := seqs(read(t, e.Decisions, c.f)); !slices.Equal(got, c.want) {
			t.Errorf("%s: rows %v, want %v", c.rule, got, c.want)
		}
	}
	signIn := full()
	store(t, e, signIn)
	for _, c := range []struct {
		rule string
		f    audit.Filter
		want bool
	}{
		{"tenant without case", audit.Filter{Tenant: "fabrikam.EXAMPLE"}, true},
		{"other tenant", audit.Filter{Tenant: "contoso.example"}, false},
		{"application", audit.Filter{Application: "11111111-2222-3333-4444-555555555555"}, true},
		{"other application", audit.Filter{Application: "21111111-2222-3333-4444-555555555555"}, false},
		{"outcome", audit.Filter{Outcome: "blocked"}, true},
		{"other outcome", audit.Filter{Outcome: "ok"}, false},
		{"code", audit.Filter{AADSTS: "500021"}, true},
		{"code with its letters", audit.Filter{AADSTS: "AADSTS500021"}, true},
		{"part of a code", audit.Filter{AADSTS: "50002"}, false},
		{"endpoint", audit.Filter{Endpoint: "token"}, true},
		{"other endpoint", audit.Filter{Endpoint: "authorize"}, false},
		{"restricted", audit.Filter{Restricted: true}, true},
		{"all at once", audit.Filter{User: "alice", Tenant: "fabrikam.example", Outcome: "blocked", Status: 403,
			From: time.UnixMicro(base), To: time.UnixMicro(base + 1e6)}, true},
	} {
		if got := len(read(t, e.SignIns, c.f)) == 1; got != c.want {
			t.Errorf("sign-in, %s: found %v, want %v", c.rule, got, c.want)
		}
	}
}

func kinds(t *testing.T, e Engine) {
	store(t, e, decision(1, nil), decision(2, func(r *audit.Record) { r.Kind = audit.SignIn }))
	if d, s := seqs(read(t, e.Decisions, audit.Filter{Kind: audit.SignIn})), seqs(read(t, e.SignIns, audit.Filter{})); !slices.Equal(d, []uint64{1}) ||
		!slices.Equal(s, []uint64{2}) {
		t.Errorf("decisions %v, sign-ins %v", d, s)
	}
}

func limits(t *testing.T, e Engine) {
	var all []audit.Record
	for i := range uint64(audit.DefaultLimit + 20) {
		all = append(all, decision(i+1, nil))
	}
	store(t, e, all...)
	if n := len(read(t, e.Decisions, audit.Filter{})); n != audit.DefaultLimit {
		t.Errorf("%d rows without a limit", n)
	}
	for _, f := range []audit.Filter{{Limit: -1}, {Status: -1}, {From: time.Unix(2, 0), To: time.Unix(1, 0)}} {
		if _, err := e.Decisions(t.Context(), f); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
	n := 0
	for _, err := range audit.All(t.Context(), e.Decisions, audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("All gave %d rows, want %d", n, len(all))
	}
}

func oddText(t *testing.T, e Engine) {
	for i, text := range []string{"'; DROP TABLE record; --", `\"'%_?:@$`, "日本語 🎌", "=1+1", "a\tb"} {
		store(t, e, decision(uint64(i+1), func(r *audit.Record) { r.User, r.Rule, r.RequestID = text, text, "req" }))
		rows := read(t, e.Decisions, audit.Filter{User: text})
		if len(rows) != 1 || rows[0].User != text || rows[0].Rule != text {
			t.Errorf("%q: %v", text, rows)
		}
	}
}

func retain(t *testing.T, e Engine) {
	var all []audit.Record
	for i := range uint64(5000) {
		all = append(all, decision(i+1, nil))
	}
	store(t, e, all...)
	n, err := e.Retain(t.Context(), time.UnixMicro(base+4991*1e6))
	if err != nil || n != 4990 {
		t.Errorf("forgot %d, %v; want 4990", n, err)
	}
	if got := seqs(read(t, e.Decisions, audit.Filter{})); len(got) != 10 || got[9] != 4991 {
		t.Errorf("left %v", got)
	}
	if n, err := e.Retain(t.Context(), time.UnixMicro(base)); n != 0 || err != nil {
		t.Errorf("forgot %d more, %v", n, err)
	}
}

func concurrent(t *testing.T, e Engine) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range uint64(20) {
				r := decision(i+1, func(r *audit.Record) { r.Node = fmt.Sprintf("gw%d", w) })
				if err := e.Store(t.Context(), []audit.Record{r}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				if _, err := e.Decisions(t.Context(), audit.Filter{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(read(t, e.Decisions, audit.Filter{})); n != 80 {
		t.Errorf("%d rows, want 80", n)
	}
}
