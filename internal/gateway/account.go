package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/gateway/refusal"
)

// account is what one client address holds of the gateway, on all its connections together, so that nobody takes what
// others need.
type account struct {
	connections int // guarded by Gateway.mu
	streams     atomic.Int64
	held        atomic.Int64  // bytes
	all         *atomic.Int64 // bytes of all accounts; nil: not counted

	mu   sync.Mutex
	told time.Time // when something turned away without an answer was last recorded
}

// tellEvery bounds the records of connections and streams that are turned away (chosen: a flood of them must not fill the
// spool).
const tellEvery = time.Second

// tell reports whether what is turned away leaves a record. All of it is counted.
func (a *account) tell() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.told) < tellEvery {
		return false
	}
	a.told = time.Now()
	return true
}

// toldStreams is how many requests beyond the limit are answered at once (chosen: a browser's worth). A client that reads
// no answer leaves them all waiting, each with its page; beyond, its connection ends.
const toldStreams = 64

// takeStream counts a request by HTTP/2; giveStream follows, whatever it returns. A request beyond the limit is refused;
// drop means that it cannot even be told.
func (a *account) takeStream(lim *Limits) (f *fault, drop bool) {
	n := a.streams.Add(1) - int64(lim.PerClientStreams)
	if n > 0 {
		f = &fault{reason: refusal.Busy, detail: "streams", deny: true}
	}
	return f, n > toldStreams
}

func (a *account) giveStream() { a.streams.Add(-1) }

// fairBytes is what each client may hold however much the others hold together (chosen: the form of a token request, twice).
const fairBytes = 16 << 10

// take counts n bytes that are held for the client; give gives back what was taken.
func (a *account) take(n int, lim *Limits) bool {
	held, all := a.held.Add(int64(n)), int64(0)
	if a.all != nil {
		all = a.all.Add(int64(n))
	}
	if held > lim.PerClientBytes || all > lim.AllBytes && held > fairBytes {
		a.give(n)
		return false
	}
	return true
}

func (a *account) give(n int) {
	if n > 0 {
		a.held.Add(int64(-n))
		if a.all != nil {
			a.all.Add(int64(-n))
		}
	}
}

// holding is what one connection or request has on the account of its client.
type holding struct {
	account *account
	lim     *Limits
	bytes   int
}

// take counts n more bytes. It reports false when the client holds too much; nothing is counted then.
func (h *holding) take(n int) bool {
	if !h.account.take(n, h.lim) {
		return false
	}
	h.bytes += n
	return true
}

// end gives everything back. h may be used again.
func (h *holding) end() {
	if h.bytes > 0 {
		h.account.give(h.bytes)
		h.bytes = 0
	}
}

// crowded is the fault of a client that holds too much; detail says of what it wanted more.
func crowded(detail string) *fault { return &fault{reason: refusal.Busy, detail: detail, deny: true} }
