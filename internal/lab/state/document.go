package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Document is one document of a kind, for PutAll. A nil Value deletes it; an empty one does not.
type Document struct {
	Key   string
	Value []byte
}

// Put keeps value under key, in place of what was there. It is kept when Put returns nil, and otherwise what was there is.
// A value longer than MaxValue, or a name longer than MaxKey, is an error.
func (d *DB) Put(ctx context.Context, kind, key string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return d.PutAll(ctx, kind, Document{key, value})
}

// Delete forgets key. Deleting what is not there is no error.
func (d *DB) Delete(ctx context.Context, kind, key string) error {
	return d.PutAll(ctx, kind, Document{Key: key})
}

// PutAll keeps and deletes documents of one kind in one transaction: all of them, or none when it returns an error.
func (d *DB) PutAll(ctx context.Context, kind string, documents ...Document) error {
	for _, doc := range documents {
		if err := bounded(kind, doc); err != nil {
			return err
		}
	}
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return d.failed("write", err)
	}
	defer tx.Rollback()
	for _, doc := range documents {
		if doc.Value == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM document WHERE kind = ? AND key = ?", kind, doc.Key)
		} else {
			_, err = tx.ExecContext(ctx, `INSERT INTO document (kind, key, value) VALUES (?, ?, ?)
				ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value`, kind, doc.Key, doc.Value)
		}
		if err != nil {
			return d.failed("write", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return d.failed("write", err)
	}
	return nil
}

func bounded(kind string, doc Document) error {
	switch {
	case kind == "" || len(kind) > MaxKey || doc.Key == "" || len(doc.Key) > MaxKey:
		return fmt.Errorf("write the lab's state: kind %.40q, key %.40q: each must have 1 to %d bytes", kind, doc.Key, MaxKey)
	case len(doc.Value) > MaxValue:
		return fmt.Errorf("write the lab's state: %q %.40q: %d bytes, at most %d are kept", kind, doc.Key, len(doc.Value), MaxValue)
	}
	return nil
}

// Get returns the value under key; ok is false when there is none.
func (d *DB) Get(ctx context.Context, kind, key string) (value []byte, ok bool, err error) {
	err = d.sql.QueryRowContext(ctx, "SELECT value FROM document WHERE kind = ? AND key = ?", kind, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, d.failed("read", err)
	}
	return value, true, nil
}

// All calls f with every document of kind, in the order of their keys (as bytes), and ends with its first error. They are
// those of one moment: f may change the state.
func (d *DB) All(ctx context.Context, kind string, f func(key string, value []byte) error) error {
	documents, err := d.list(ctx, kind)
	if err != nil {
		return d.failed("read", err)
	}
	for _, doc := range documents {
		if err := f(doc.Key, doc.Value); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) list(ctx context.Context, kind string) ([]Document, error) {
	rows, err := d.sql.QueryContext(ctx, "SELECT key, value FROM document WHERE kind = ? ORDER BY key", kind)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Document
	for rows.Next() {
		var doc Document
		if err := rows.Scan(&doc.Key, &doc.Value); err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, rows.Err()
}

// Count tells how many documents of kind there are.
func (d *DB) Count(ctx context.Context, kind string) (int, error) {
	var n int
	if err := d.sql.QueryRowContext(ctx, "SELECT count(*) FROM document WHERE kind = ?", kind).Scan(&n); err != nil {
		return 0, d.failed("read", err)
	}
	return n, nil
}

// DeleteAll forgets every document of kind.
func (d *DB) DeleteAll(ctx context.Context, kind string) error {
	if _, err := d.sql.ExecContext(ctx, "DELETE FROM document WHERE kind = ?", kind); err != nil {
		return d.failed("write", err)
	}
	return nil
}
