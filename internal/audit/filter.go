package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Store takes records for good.
type Store interface {
	// Store keeps one row for each key (Node, Boot, Seq). A record that is not open takes the place of a row that is open
	// or NotClosed; every other repetition changes nothing and is no error. So the order in which the two forms of a
	// record arrive does not matter, nor how often. It returns nil only when the records survive a loss of power: the
	// spool deletes its copy then.
	Store(ctx context.Context, records []Record) error
	// EndOpen ends what processes of node other than boot left open: Open becomes false and Error NotClosed. It returns how
	// many rows it changed.
	EndOpen(ctx context.Context, node, boot string) (int64, error)
}

// Reader reads records back, newest first.
type Reader interface {
	Decisions(ctx context.Context, f Filter) ([]Record, error)
	SignIns(ctx context.Context, f Filter) ([]Record, error)
}

// Retainer forgets records older than before and returns how many.
type Retainer interface {
	Retain(ctx context.Context, before time.Time) (int64, error)
}

const (
	// DefaultLimit is how many rows a Reader returns when Filter.Limit is 0: chosen, a page that a person scrolls.
	DefaultLimit = 100
	// MaxLimit is the most that a Reader returns in one call: chosen, some 10 MiB. All asks again for more.
	MaxLimit = 10_000
)

// Filter selects rows. All that is set must hold; the zero value selects everything. Texts are compared whole, never as
// a part. User, Host, Tenant and Application are compared without regard to case, as directories and DNS do.
type Filter struct {
	Kind Kind // only for readers that return both kinds; Decisions and SignIns set it

	From time.Time // zero: from the beginning. Inclusive
	To   time.Time // zero: to the end. Exclusive

	Client      netip.Prefix // the zero Prefix: any. One address: netip.PrefixFrom(a, a.BitLen())
	User        string
	Host        string
	Tenant      string // as asked for; "contoso.com" does not find the same tenant asked for by its id
	Application string // client id
	Endpoint    string // authorize, token, ...
	Outcome     string // ok, blocked, failed, not-seen
	AADSTS      string // "500021" or "AADSTS500021"
	Verdict     string // permit, deny
	Reason      string
	Ring        string
	Status      int // HTTP status; 0: any
	RequestID   string
	Connection  string

	// Restricted selects what was refused, blocked, or would have been in an enforcing ring.
	Restricted bool
	// Open selects what is open.
	Open bool

	Limit  int    // 0: DefaultLimit. More than MaxLimit is MaxLimit, less than 0 is refused
	Before Cursor // only rows that come after this one in the order; zero: from the newest
}

// Fold is the form in which User, Host, Tenant and Application are compared. Engines store it beside the text.
func Fold(s string) string { return strings.ToLower(s) }

// Normal returns f in the form that engines work with: texts folded, the limit filled in. It refuses a negative limit, a
// negative status and a time span that ends before it begins.
func (f Filter) Normal() (Filter, error) {
	switch {
	case f.Limit < 0:
		return f, errors.New("limit is negative; leave it out or give the number of rows")
	case f.Status < 0:
		return f, errors.New("status is negative; give an HTTP status such as 403")
	case !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From):
		return f, errors.New("the time span ends before it begins; exchange from and to")
	case f.Limit == 0:
		f.Limit = DefaultLimit
	}
	f.Limit = min(f.Limit, MaxLimit)
	f.User, f.Host, f.Tenant, f.Application = Fold(f.User), Fold(f.Host), Fold(f.Tenant), Fold(f.Application)
	f.AADSTS = strings.TrimPrefix(strings.ToUpper(f.AADSTS), "AADSTS")
	if f.Client.IsValid() {
		f.Client = f.Client.Masked()
	}
	return f, nil
}

// Cursor is the place of a row in the order, which is by time, node, boot and sequence, the greatest first. It is
// comparable; the zero value is before every row.
type Cursor struct {
	TimeMicros int64
	Node       string
	Boot       string
	Seq        uint64
}

// Cursor returns r's place. With Filter.Before it begins the next page.
func (r Record) Cursor() Cursor { return Cursor{r.TimeMicros, r.Node, r.Boot, r.Seq} }

// IsZero reports whether c is no row's place.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// String is a text for URLs (letters, digits, hyphen, underscore); "" for the zero value.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	text := strings.Join([]string{strconv.FormatInt(c.TimeMicros, 10), strconv.FormatUint(c.Seq, 10), c.Boot, c.Node}, "/")
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// ParseCursor reads what String printed.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	bad := errors.New("cursor is damaged; begin again without one")
	text, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return Cursor{}, bad
	}
	part := strings.SplitN(string(text), "/", 4)
	if len(part) != 4 {
		return Cursor{}, bad
	}
	t, err1 := strconv.ParseInt(part[0], 10, 64)
	seq, err2 := strconv.ParseUint(part[1], 10, 64)
	c := Cursor{t, part[3], part[2], seq}
	if err1 != nil || err2 != nil || c.String() != s {
		return Cursor{}, bad
	}
	return c, nil
}

// All walks every row that read gives for f, page by page, newest first. f.Limit is how many rows in all; 0 means every
// one. Rows recorded meanwhile are not seen. It ends after the first error.
//
//	for r, err := range audit.All(ctx, store.SignIns, f) { … }
func All(ctx context.Context, read func(context.Context, Filter) ([]Record, error), f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		left := f.Limit
		for {
			page := f
			page.Limit = 1000 // chosen: about a megabyte
			if f.Limit != 0 {
				page.Limit = min(page.Limit, left)
			}
			rows, err := read(ctx, page)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			left -= len(rows)
			if len(rows) < page.Limit || f.Limit != 0 && left <= 0 {
				return
			}
			f.Before = rows[len(rows)-1].Cursor()
		}
	}
}
