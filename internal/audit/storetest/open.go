package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/audit"
)

// Steps of the life of one record in a store, as letters: its beginning and its end arrive, and the end of what earlier
// processes left open.
const (
	stepOpen   = 'o'
	stepFinal  = 'f'
	stepEnding = 'e'
)

// connection is a record as it was opened, and as it ended.
func connection(seq uint64) (opened, final audit.Record) {
	opened = decision(seq, func(r *audit.Record) {
		r.Open, r.Groups, r.Status, r.RequestID = true, []string{"it"}, 200, fmt.Sprintf("req-%d", seq)
	})
	final = opened
	final.Open, final.BytesUp, final.BytesDown, final.DurationMicros = false, 10, 20, 30
	final.Verdict, final.Action, final.Reason, final.Error = "deny", "refuse", "sni-mismatch", "second-hello"
	final.User, final.Host, final.Addr = "Bob", "Other.example.com", "192.0.2.1"
	return opened, final
}

// orders returns every order of the letters, each once.
func orders(letters string) []string {
	if letters == "" {
		return []string{""}
	}
	var out []string
	for i := range letters {
		for _, rest := range orders(letters[:i] + letters[i+1:]) {
			out = append(out, letters[i:i+1]+rest)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// finished: whatever arrives, twice or in the wrong order, in one call or in several, a record that has ended is there
// once and whole; one whose end has not arrived is open, or not-closed when its process is known to be dead.
func finished(t *testing.T, e Engine) {
	seq := uint64(0)
	for _, letters := range []string{"o", "oo", "f", "ff", "of", "oofff", "oe", "ooe", "fe", "ofe", "oofee", "e"} {
		for _, order := range orders(letters) {
			for _, together := range []bool{false, true} {
				seq++
				opened, final := connection(seq)
				var batch []audit.Record
				take := func() {
					store(t, e, batch...)
					batch = nil
				}
				open, dead, over := false, false, false
				for _, step := range order {
					switch step {
					case stepOpen:
						batch = append(batch, opened)
						open = true
					case stepFinal:
						batch = append(batch, final)
						over = true
						final.BytesUp++ // the first end counts; one that differs is no end of this record
					case stepEnding:
						take()
						if _, err := e.EndOpen(t.Context(), "gw1", "b2"); err != nil {
							t.Fatal(err)
						}
						dead = dead || open
					}
					if !together {
						take()
					}
				}
				take()
				var want []audit.Record
				switch {
				case over:
					_, whole := connection(seq)
					want = []audit.Record{whole}
				case dead:
					r := opened
					r.Open, r.Error = false, audit.NotClosed
					want = []audit.Record{r}
				case open:
					want = []audit.Record{opened}
				}
				if diff := cmp.Diff(want, read(t, e.Decisions, audit.Filter{RequestID: opened.RequestID})); diff != "" {
					t.Errorf("order %s, in one call %v:\n%s", order, together, diff)
				}
				if over { // what filters compare has changed with the row
					f := audit.Filter{User: "bob", Host: "other.example.com", Restricted: true, RequestID: opened.RequestID}
					if len(read(t, e.Decisions, f)) != 1 {
						t.Errorf("order %s: not found by what it ended with", order)
					}
				}
			}
		}
	}
}

// ended: only other processes of the same node, and only what is open.
func ended(t *testing.T, e Engine) {
	opened := func(node, boot string, seq uint64) audit.Record {
		return decision(seq, func(r *audit.Record) { r.Node, r.Boot, r.Open = node, boot, true })
	}
	store(t, e, opened("gw1", "dead", 1), opened("gw1", "older", 2), opened("gw1", "mine", 3), opened("gw2", "dead", 4),
		decision(5, func(r *audit.Record) { r.Boot, r.Error = "dead", "tunnel-idle" }))
	for _, want := range []int64{2, 0} {
		if n, err := e.EndOpen(t.Context(), "gw1", "mine"); n != want || err != nil {
			t.Errorf("ended %d, %v; want %d", n, err, want)
		}
	}
	states := map[uint64]string{}
	for _, r := range read(t, e.Decisions, audit.Filter{}) {
		states[r.Seq] = r.State() + " " + r.Error
	}
	want := map[uint64]string{1: "not-closed not-closed", 2: "not-closed not-closed", 3: "open ", 4: "open ", 5: "closed tunnel-idle"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	if got := seqs(read(t, e.Decisions, audit.Filter{Open: true})); !slices.Equal(got, []uint64{4, 3}) {
		t.Errorf("open: %v", got)
	}
}
