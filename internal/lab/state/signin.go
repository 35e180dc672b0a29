package state

import (
	"context"
	"fmt"
	"math"
	"time"
)

// SignIn is one entry of the sign-in log as it is kept.
type SignIn struct {
	Seq    int64 // given by AppendSignIns: the order of writing, from 1
	Time   time.Time
	Data   []byte // the entry, as the room that owns it encodes it
	Origin SignInOrigin
}

// SignInOrigin are the tenants that an entry is of, by directory id in lower case; "" is none.
type SignInOrigin struct {
	Context string // set the restriction
	Home    string // of the person
	Tenant  string // whose token was asked for
}

// SignInQuery selects entries. The zero value selects all.
type SignInQuery struct {
	Since, Until time.Time // inclusive and exclusive; zero: open
	Tenant       string    // entries of which it is the context, home or tenant; "": all
	Before       int64     // entries written before the one with this Seq; 0: from the newest
	Limit        int       // 0: MaxSignInPage
}

// MaxSignInPage is the most entries that one question returns; chosen: some megabytes.
const MaxSignInPage = 1000

// maxSignIn bounds one entry; chosen: a real one has less than 2 KiB.
const maxSignIn = 64 << 10

// AppendSignIns writes entries in one transaction, and then forgets the oldest until no more than keep are there. All are
// kept when it returns nil, else none.
func (d *DB) AppendSignIns(ctx context.Context, entries []SignIn, keep int) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return d.failed("write", err)
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(ctx, "INSERT INTO sign_in (time_us, context, home_tenant, tenant, data) VALUES (?, ?, ?, ?, ?)")
	if err != nil {
		return d.failed("write", err)
	}
	defer insert.Close()
	for _, e := range entries {
		if len(e.Data) > maxSignIn {
			return fmt.Errorf("write the lab's state: a sign-in of %d bytes, at most %d are kept", len(e.Data), maxSignIn)
		}
		if _, err := insert.ExecContext(ctx, e.Time.UnixMicro(), e.Origin.Context, e.Origin.Home, e.Origin.Tenant, e.Data); err != nil {
			return d.failed("write", err)
		}
	}
	// Sequence numbers have no gaps but at the old end: nothing else deletes single entries.
	if _, err := tx.ExecContext(ctx, "DELETE FROM sign_in WHERE seq <= (SELECT max(seq) FROM sign_in) - ?", keep); err != nil {
		return d.failed("write", err)
	}
	if err := tx.Commit(); err != nil {
		return d.failed("write", err)
	}
	return nil
}

// SignIns returns what q selects, newest first. With the last one's Seq as Before it goes on.
func (d *DB) SignIns(ctx context.Context, q SignInQuery) ([]SignIn, error) {
	since, until, before, limit := int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), MaxSignInPage
	if !q.Since.IsZero() {
		since = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		until = q.Until.UnixMicro()
	}
	if q.Before > 0 {
		before = q.Before
	}
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	rows, err := d.sql.QueryContext(ctx, `SELECT seq, time_us, context, home_tenant, tenant, data FROM sign_in
		WHERE seq < ? AND time_us >= ? AND time_us < ? AND (? = '' OR ? IN (context, home_tenant, tenant))
		ORDER BY seq DESC LIMIT ?`, before, since, until, q.Tenant, q.Tenant, limit)
	if err != nil {
		return nil, d.failed("read", err)
	}
	defer rows.Close()
	var out []SignIn
	for rows.Next() {
		var e SignIn
		var at int64
		if err := rows.Scan(&e.Seq, &at, &e.Origin.Context, &e.Origin.Home, &e.Origin.Tenant, &e.Data); err != nil {
			return nil, d.failed("read", err)
		}
		e.Time = time.UnixMicro(at).UTC()
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, d.failed("read", err)
	}
	return out, nil
}

// CountSignIns tells how many entries are kept.
func (d *DB) CountSignIns(ctx context.Context) (int, error) {
	var n int
	if err := d.sql.QueryRowContext(ctx, "SELECT count(*) FROM sign_in").Scan(&n); err != nil {
		return 0, d.failed("read", err)
	}
	return n, nil
}
