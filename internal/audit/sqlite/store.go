package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"sekisho/internal/audit"
)

const keyColumns = `id, client_key, user_key, host_key, tenant_key, application_key`

// upsert is the statement that stores a record: a new row, or the whole record in place of its beginning. The row's number
// stands for the key (node, boot, sequence), so that none of the four ever changes.
func upsert() string {
	names := strings.Split(columns+", "+keyColumns, ",")
	var set []string
	for i, name := range names {
		name = strings.TrimSpace(name)
		names[i] = name
		switch name {
		case "id", "node", "boot", "sequence":
		default:
			set = append(set, name+" = excluded."+name)
		}
	}
	return "INSERT INTO record (" + strings.Join(names, ", ") + ") VALUES (?" + strings.Repeat(",?", len(names)-1) + ")" +
		" ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ") +
		" WHERE excluded.open = 0 AND (record.open = 1 OR record.error = '" + audit.NotClosed + "')"
}

// span is the part of a key that many records share: the rows of one lie behind one another.
type span struct {
	node, boot string
	high       int64 // of the sequence, above its lower 32 bits
}

func spanOf(r *audit.Record) span { return span{r.Node, r.Boot, int64(r.Seq) >> 32} }

// Store takes records in one transaction, as audit.Store says.
func (s *Store) Store(ctx context.Context, records []audit.Record) error {
	if s.write == nil {
		return errors.New("store audit records: the database is open for reading only")
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store audit records: %w", err)
	}
	defer conn.Close()
	// The driver starts a goroutine for each statement whose context can end, which costs as much as the row: between the
	// rows ctx is looked at here.
	whole := context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(whole, nil)
	if err != nil {
		return fmt.Errorf("store audit records: %w", err)
	}
	defer tx.Rollback()
	for len(records) > 0 {
		of, n := spanOf(&records[0]), 1
		for n < len(records) && spanOf(&records[n]) == of {
			n++
		}
		id, err := spanID(whole, tx, of)
		if err != nil {
			return fmt.Errorf("store audit record %s/%s/%d: %w", records[0].Node, records[0].Boot, records[0].Seq, err)
		}
		if err := conn.Raw(func(c any) error { return s.rows(ctx, c, records[:n], id) }); err != nil {
			return fmt.Errorf("store audit records: %w", err)
		}
		records = records[n:]
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("store audit records: %w", err)
	}
	return nil
}

// rows stores the records of one span by the driver itself, inside the transaction that is under way on connection c.
// database/sql would look at each of the values again and copy them all, which was a third of what a record allocated.
func (s *Store) rows(ctx context.Context, c any, records []audit.Record, span int64) error {
	if s.statement == nil || s.preparedOn != c {
		p, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return errors.New("the driver prepares no statements")
		}
		stmt, err := p.PrepareContext(context.WithoutCancel(ctx), upsert())
		if err != nil {
			return err
		}
		s.statement, s.preparedOn = stmt, c // that of a connection that is gone went with it
	}
	exec, ok := s.statement.(driver.StmtExecContext)
	if !ok {
		return errors.New("the driver executes no statements with a context")
	}
	whole := context.WithoutCancel(ctx)
	var row [rowLen]any
	var args [rowLen]driver.NamedValue
	for i := range records {
		r := &records[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		for k, v := range values(row[:0], r, span<<32|int64(r.Seq&(1<<32-1))) {
			args[k] = driver.NamedValue{Ordinal: k + 1, Value: v}
		}
		if _, err := exec.ExecContext(whole, args[:]); err != nil {
			return fmt.Errorf("record %s/%s/%d: %w", r.Node, r.Boot, r.Seq, err)
		}
	}
	return nil
}

// spanID returns the number of a span, which begins with its first record. Numbers are never given twice.
func spanID(ctx context.Context, tx *sql.Tx, of span) (id int64, err error) {
	err = tx.QueryRowContext(ctx, "SELECT id FROM span WHERE node = ? AND boot = ? AND high = ?", of.node, of.boot, of.high).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, "INSERT INTO span (node, boot, high) VALUES (?, ?, ?) RETURNING id",
			of.node, of.boot, of.high).Scan(&id)
	}
	if err == nil && (id < 1 || id > 1<<31-1) {
		err = fmt.Errorf("span %d: the numbers are used up; move the database away, and a new one is made", id)
	}
	return id, err
}

// rowLen is how many values a row has.
const rowLen = 45

// values appends r's row to row: columns, then keyColumns. Each is a driver.Value.
func values(row []any, r *audit.Record, id int64) []any {
	var client any
	if a, err := netip.ParseAddr(r.Client); err == nil {
		client = addressKey(a)
	}
	return append(row, r.Node, r.Boot, int64(r.Seq), r.Open, int64(r.Kind), r.TimeMicros, r.RequestID, r.Connection, r.Client, r.User,
		strings.Join(r.Groups, "\n"), r.Method, r.Host, int64(r.Port), r.SNI, r.Authority, r.Addr, r.Verdict, r.Action,
		r.Reason, r.Would, r.Rule, r.Ring, r.Mode, r.Profile, r.PolicyHash, r.CatalogVersion, int64(r.Status), r.BytesUp,
		r.BytesDown, r.DurationMicros, r.Error, r.Endpoint, r.Tenant, r.Application, r.AADSTS, r.CorrelationID, r.Outcome,
		r.UserAgent,
		id, client, key(r.User), audit.Fold(r.Host), key(r.Tenant), key(r.Application))
}

// key is the form of text that an index holds: none of what is empty.
func key(text string) any {
	if text == "" {
		return nil
	}
	return audit.Fold(text)
}
