//go:build unix

package sqlite_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/audit/sqlite"
)

// filled is the time of the first record of a benchmark, and apart what lies between two of them.
const (
	filled = int64(1_800_000_000_000_000)
	apart  = int64(100_000)
)

// like returns the record number seq of a day's traffic: 2,000 people, 300 hosts, every third record a sign-in.
func like(seq uint64) audit.Record {
	user := seq * 2654435761 % 2000
	r := audit.Record{
		Node: "gw1", Boot: "0123456789abcdef", Seq: seq, Kind: audit.Decision, TimeMicros: filled + int64(seq)*apart,
		RequestID: fmt.Sprintf("%08x%08x", uint32(seq*uint64(apart)/1e6), uint32(seq*2654435761)), Connection: rand.Text(), Client: fmt.Sprintf("10.1.%d.%d", user/250, user%250),
		User: fmt.Sprintf("user%d@contoso.example", user), Groups: []string{"staff", "sales"}, Method: "CONNECT",
		Host: fmt.Sprintf("host%d.example.com", seq*40503%300), Port: 443, SNI: "host.example.com", Addr: "192.0.2.1",
		Verdict: "permit", Action: "tunnel", Reason: "default", Rule: "policy.yaml:120", Ring: "everyone", Mode: "enforce",
		Profile: "staff", PolicyHash: "0011223344556677", CatalogVersion: "2026-11-01", Status: 200, BytesUp: 1234,
		BytesDown: 56789, DurationMicros: 4321,
	}
	if seq%3 == 0 {
		r.Kind, r.Method, r.Host, r.Action, r.Endpoint = audit.SignIn, "POST", "login.microsoftonline.com", "intercept", "token"
		r.Tenant, r.Application = "contoso.example", "11111111-2222-3333-4444-555555555555"
		r.Outcome, r.CorrelationID, r.UserAgent = "ok", rand.Text(), "Mozilla/5.0"
	}
	if seq%500 == 0 {
		r.Verdict, r.Action, r.Reason, r.Status, r.Outcome = "deny", "refuse", "not-allowed", 403, ""
	}
	return r
}

// fill stores the records from seq on.
func fill(b *testing.B, s *sqlite.Store, seq, n uint64) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // as the spool asks
	defer cancel()
	const batch = 20_000 // few commits: what is measured comes afterwards
	for n > 0 {
		records := make([]audit.Record, min(n, batch))
		for i := range records {
			records[i] = like(seq)
			seq++
		}
		n -= uint64(len(records))
		if err := s.Store(ctx, records); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu is the processor time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStore measures batches as the spool ships them, into a store that holds records already; the figures are for
// one record.
func BenchmarkStore(b *testing.B) {
	for _, c := range []struct {
		name          string
		before, batch uint64
	}{
		{"empty/500", 0, 500}, {"filled/500", 150_000, 500}, {"filled/2000", 150_000, 2000},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "audit.db"))
			fill(b, s, 1, c.before)
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			seq := c.before + 1
			var spent time.Duration
			var n int
			records := make([]audit.Record, c.batch)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for i := range records {
					records[i] = like(seq)
					seq++
				}
				b.StartTimer()
				begun := cpu()
				if err := s.Store(ctx, records); err != nil {
					b.Fatal(err)
				}
				spent += cpu() - begun
				n += len(records)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/1e3/float64(n), "cpu-µs/record")
			b.ReportMetric(float64(n)/spent.Seconds(), "records/cpu-s")
		})
	}
}

// BenchmarkReport measures one page of a report out of a million records.
func BenchmarkReport(b *testing.B) {
	const held = 1_000_000
	s := open(b, filepath.Join(b.TempDir(), "audit.db"))
	fill(b, s, 1, held)
	at := func(seq int64) time.Time { return time.UnixMicro(filled + seq*apart) }
	one := like(held / 2)
	for _, c := range []struct {
		name string
		f    audit.Filter
	}{
		{"newest", audit.Filter{Kind: audit.Decision}},
		{"signins", audit.Filter{Kind: audit.SignIn}},
		{"time-user", audit.Filter{Kind: audit.Decision, User: one.User, From: at(held / 4), To: at(held / 2)}},
		{"time-user-signin", audit.Filter{Kind: audit.SignIn, User: one.User, From: at(held / 4), To: at(held / 2)}},
		{"nobody", audit.Filter{Kind: audit.Decision, User: "nobody"}},
		{"host", audit.Filter{Kind: audit.Decision, Host: "host7.example.com", From: at(held / 4), To: at(held / 2)}},
		{"client", audit.Filter{Kind: audit.Decision, Client: netip.MustParsePrefix("10.1.3.4/32"), From: at(held / 4), To: at(held / 2)}},
		{"tenant", audit.Filter{Kind: audit.SignIn, Tenant: "fabrikam.example"}},
		{"blocked", audit.Filter{Kind: audit.SignIn, Outcome: "blocked"}},
		{"restricted", audit.Filter{Kind: audit.Decision, Restricted: true}},
		{"request", audit.Filter{Kind: audit.Decision, RequestID: "absent"}},
		{"open", audit.Filter{Kind: audit.Decision, Open: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Records(context.Background(), c.f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
