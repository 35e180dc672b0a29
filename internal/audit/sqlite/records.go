package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"go4.org/netipx"

	"sekisho/internal/audit"
)

// columns in the order of values and of scan.
const columns = `node, boot, sequence, open, kind, time_us, request_id, connection_id, client, user, groups, method, host, port,
	sni, authority, addr, verdict, action, reason, would, rule, ring, mode, profile, policy_hash, catalog_version, status,
	bytes_up, bytes_down, duration_us, error, endpoint, tenant, application, aadsts, correlation_id, outcome, user_agent`

// EndOpen ends what processes of node other than boot left open.
func (s *Store) EndOpen(ctx context.Context, node, boot string) (int64, error) {
	if s.write == nil {
		return 0, errors.New("end open audit records: the database is open for reading only")
	}
	res, err := s.write.ExecContext(ctx, "UPDATE record SET open = 0, error = ? WHERE open = 1 AND node = ? AND boot <> ?",
		audit.NotClosed, node, boot)
	if err != nil {
		return 0, fmt.Errorf("end open audit records: %w", err)
	}
	return res.RowsAffected()
}

// addressKey orders addresses of both families in one column.
func addressKey(a netip.Addr) []byte {
	b := a.WithZone("").As16()
	return b[:]
}

func scan(rows *sql.Rows) (r audit.Record, err error) {
	var groups string
	var seq, kind, port, status int64
	err = rows.Scan(&r.Node, &r.Boot, &seq, &r.Open, &kind, &r.TimeMicros, &r.RequestID, &r.Connection, &r.Client, &r.User, &groups,
		&r.Method, &r.Host, &port, &r.SNI, &r.Authority, &r.Addr, &r.Verdict, &r.Action, &r.Reason, &r.Would, &r.Rule,
		&r.Ring, &r.Mode, &r.Profile, &r.PolicyHash, &r.CatalogVersion, &status, &r.BytesUp, &r.BytesDown,
		&r.DurationMicros, &r.Error, &r.Endpoint, &r.Tenant, &r.Application, &r.AADSTS, &r.CorrelationID, &r.Outcome,
		&r.UserAgent)
	r.Seq, r.Kind, r.Port, r.Status = uint64(seq), audit.Kind(kind), uint16(port), int(status)
	if groups != "" {
		r.Groups = strings.Split(groups, "\n")
	}
	return r, err
}

// Decisions returns decisions, newest first.
func (s *Store) Decisions(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	f.Kind = audit.Decision
	return s.Records(ctx, f)
}

// SignIns returns sign-ins, newest first.
func (s *Store) SignIns(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	f.Kind = audit.SignIn
	return s.Records(ctx, f)
}

// Records returns rows of f.Kind, or of both kinds, newest first.
func (s *Store) Records(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	f, err := f.Normal()
	if err != nil {
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	query, args := selection(f)
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	defer rows.Close()
	var out []audit.Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read audit records: %w", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	return out, nil
}

// selection is the query for the rows of f, which is in normal form.
func selection(f audit.Filter) (query string, args []any) {
	where, args := conditions(f)
	return "SELECT " + columns + " FROM record" + where +
		" ORDER BY time_us DESC, node DESC, boot DESC, sequence DESC LIMIT ?", append(args, int64(f.Limit))
}

// conditions writes f, in normal form, as a WHERE clause. Values are never part of its text.
func conditions(f audit.Filter) (where string, args []any) {
	var and []string
	add := func(condition string, values ...any) {
		and = append(and, condition)
		args = append(args, values...)
	}
	switch f.Kind {
	case audit.Decision:
		add("kind = 1") // written out, so that the partial indexes apply
	case audit.SignIn:
		add("kind = 2")
	}
	switch {
	case !f.From.IsZero():
		add("time_us >= ?", f.From.UnixMicro())
	case !f.Open: // what is open has its own index
		// It says nothing, and lets an index on time be used where nothing else bounds the rows.
		add("time_us >= ?", int64(math.MinInt64))
	}
	if !f.To.IsZero() {
		add("time_us < ?", f.To.UnixMicro())
	}
	if f.Client.IsValid() {
		add("client_key BETWEEN ? AND ?", addressKey(f.Client.Addr()), addressKey(netipx.PrefixLastIP(f.Client)))
	}
	for _, c := range []struct{ column, value string }{
		{"user_key", f.User}, {"host_key", f.Host}, {"tenant_key", f.Tenant}, {"application_key", f.Application},
		{"endpoint", f.Endpoint}, {"outcome", f.Outcome}, {"aadsts", f.AADSTS}, {"verdict", f.Verdict},
		{"reason", f.Reason}, {"ring", f.Ring}, {"request_id", f.RequestID}, {"connection_id", f.Connection},
	} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	if f.Status != 0 {
		add("status = ?", int64(f.Status))
	}
	if f.Open {
		add("open = 1")
	}
	if f.Restricted {
		add("(verdict = 'deny' OR would <> '' OR outcome = 'blocked')")
	}
	if c := f.Before; !c.IsZero() {
		// The first condition says nothing that the second does not; it lets the index on time begin there.
		add("time_us <= ?", c.TimeMicros)
		add("(time_us, node, boot, sequence) < (?, ?, ?, ?)", c.TimeMicros, c.Node, c.Boot, int64(c.Seq))
	}
	if len(and) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(and, " AND "), args
}

// retainBatch is how many rows one transaction of Retain deletes: chosen, so that writing waits for milliseconds only.
const retainBatch = 2000

// Retain deletes records older than before and gives their space back, in small transactions that let writing go on. It
// returns how many it deleted, also when it ends with an error.
func (s *Store) Retain(ctx context.Context, before time.Time) (int64, error) {
	if s.write == nil {
		return 0, errors.New("retain audit records: the database is open for reading only")
	}
	var total int64
	for {
		res, err := s.write.ExecContext(ctx, `DELETE FROM record WHERE id IN
			(SELECT id FROM record WHERE time_us < ? ORDER BY time_us LIMIT ?)`, before.UnixMicro(), int64(retainBatch))
		if err != nil {
			return total, fmt.Errorf("retain audit records: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return total, fmt.Errorf("retain audit records: %w", err)
		}
		total += n
		if n < retainBatch {
			break
		}
	}
	if total > 0 {
		if err := s.vacuum(ctx); err != nil {
			return total, fmt.Errorf("retain audit records: %w", err)
		}
	}
	return total, nil
}

// vacuum returns free pages to the file system, a few at a time.
func (s *Store) vacuum(ctx context.Context) error {
	for {
		var free int64
		if err := s.write.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil || free == 0 {
			return err
		}
		if _, err := s.write.ExecContext(ctx, "PRAGMA incremental_vacuum(1000)"); err != nil {
			return err
		}
		var left int64
		if err := s.write.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&left); err != nil || left >= free {
			return err
		}
	}
}
