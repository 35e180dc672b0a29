// Package state is the lab's memory on disk: one SQLite file, bounded, with one writer.
//
//	db, err := state.Open(ctx, filepath.Join(dir, state.File)) // "" keeps everything in memory
//	err = db.Put(ctx, "session", id, data)
//	err = db.All(ctx, "session", func(key string, value []byte) error { ... })
//
// A room of the lab keeps what it owns under a kind of its own, encoded as it likes; one that asks for more than a key has
// a table of its own, made by a migration in this package and read by methods of it. Nothing else of the program reads
// the file.
//
// A commit outlives the process at once, and a loss of power usually: the lab rehearses, so that no write waits for the
// disk (https://www.sqlite.org/pragma.html#pragma_synchronous, NORMAL under a write-ahead log). The file must lie on a
// local disk. It is refused when a newer Sekisho made it and when it is damaged; nothing is repaired by guessing.
package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"sekisho/internal/finding"
)

//go:embed migrations/*.sql
var migrations embed.FS

// File is the name of the state in the lab's folder.
const File = "state.db"

// Limits; chosen, far above what a rehearsal fills, so that whatever writes without end is stopped long before the disk
// is full.
const (
	// MaxBytes bounds the file (without its write-ahead log, which is at most as long again).
	MaxBytes = 256 << 20
	// MaxValue bounds one document.
	MaxValue = 8 << 20
	// MaxKey bounds a kind and a key, in bytes.
	MaxKey = 512

	pageBytes = 4096
	// busyTimeout is how long a statement waits for a reader's lock, in milliseconds.
	busyTimeout = 5000
	// checkpointPages is how long the write-ahead log gets before it is put into the file: 4 MiB.
	checkpointPages = 1024
)

// DB is open state. Obtain it from Open or OpenReader. Safe for concurrent use: statements take turns. Close it.
type DB struct {
	path string
	sql  *sql.DB // one connection
	read bool
}

// Open opens the state at path, makes it where it is missing (mode 0600) and brings its schema up to date; "" is state in
// memory, which Close forgets. It returns a *finding.Problem: "lab.state-newer" when a newer version made it,
// "lab.state-unusable" when it cannot be opened, is damaged, or is no database.
func Open(ctx context.Context, path string) (*DB, error) {
	d := &DB{path: path}
	if err := d.open(ctx); err != nil {
		d.Close()
		return nil, problem(path, err)
	}
	return d, nil
}

func (d *DB) open(ctx context.Context) (err error) {
	fresh := true
	if d.path != "" {
		if fresh, err = private(d.path); err != nil {
			return err
		}
	}
	if d.sql, err = connect(d.path, "_txlock=immediate", pragma("journal_mode(WAL)"), pragma("synchronous(NORMAL)"),
		pragma("wal_autocheckpoint("+strconv.Itoa(checkpointPages)+")"), pragma("journal_size_limit("+strconv.Itoa(checkpointPages*pageBytes)+")"),
		pragma("max_page_count("+strconv.Itoa(MaxBytes/pageBytes)+")")); err != nil {
		return err
	}
	if !fresh {
		if err := d.check(ctx); err != nil {
			return err
		}
	}
	return migrate(ctx, d.sql)
}

// OpenReader opens the state at path for reading, while a lab may be running. It makes and changes nothing. It returns
// the errors of Open, and fs.ErrNotExist when there is no file.
func OpenReader(ctx context.Context, path string) (*DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	d := &DB{path: path, read: true}
	var err error
	if d.sql, err = connect(path, "mode=rw", "_query_only=1"); err == nil {
		if err = d.check(ctx); err == nil {
			err = d.known(ctx)
		}
	}
	if err != nil {
		d.Close()
		return nil, problem(path, err)
	}
	return d, nil
}

// Close closes the state. A second Close does nothing.
func (d *DB) Close() error {
	if d.sql == nil {
		return nil
	}
	return d.sql.Close()
}

// Path is where the state lies; "" in memory.
func (d *DB) Path() string { return d.path }

// ReadOnly reports whether d came from OpenReader.
func (d *DB) ReadOnly() bool { return d.read }

// Size is how many bytes of the limit MaxBytes are in use.
func (d *DB) Size(ctx context.Context) (int64, error) {
	var pages, free int64
	if err := d.sql.QueryRowContext(ctx, "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count").Scan(&pages, &free); err != nil {
		return 0, d.failed("measure", err)
	}
	return (pages - free) * pageBytes, nil
}

// check looks through the whole file for damage. It is short: MaxBytes.
func (d *DB) check(ctx context.Context) error {
	var said string
	if err := d.sql.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("damaged: %s", said)
	}
	return nil
}

// known compares the schema without changing anything, which the migrations' own library would do.
func (d *DB) known(ctx context.Context) error {
	p, err := provider(d.sql)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	var has int64
	switch err := d.sql.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&has); {
	case err != nil:
		return err
	case has > want:
		return fmt.Errorf("%w: %d, known is %d", errNewer, has, want)
	case has < want:
		return fmt.Errorf("%w: %d, wanted is %d", errOlder, has, want)
	}
	return nil
}

// private makes sure that the file at path is nobody else's to read, and tells whether it is empty. SQLite gives its
// companions (-wal, -shm) the same mode.
func private(path string) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, errors.New("not a file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	return info.Size() == 0, err
}

func pragma(text string) string { return "_pragma=" + url.QueryEscape(text) }

// connect opens path as a URI, so that no character of it is taken for an option. One connection, kept for good: it is
// the one writer, and memory is no longer than it.
func connect(path string, options ...string) (*sql.DB, error) {
	dsn := "file::memory:"
	if path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		slashed := filepath.ToSlash(abs)
		if slashed[0] != '/' {
			slashed = "/" + slashed // file:///C:/…
		}
		dsn = "file://" + (&url.URL{Path: slashed}).EscapedPath()
	}
	dsn += "?_busy_timeout=" + strconv.Itoa(busyTimeout)
	for _, o := range options {
		dsn += "&" + o
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxLifetime(0)
	db.SetConnMaxIdleTime(0)
	return db, nil
}

var (
	errNewer = errors.New("the schema is newer than this version")
	errOlder = errors.New("the schema is older than this version")
)

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

func migrate(ctx context.Context, db *sql.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	has, want, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if has > want {
		return fmt.Errorf("%w: %d, known is %d", errNewer, has, want)
	}
	if has < want {
		_, err = p.Up(ctx)
	}
	return err
}

func problem(path string, err error) error {
	code := "lab.state-unusable"
	switch {
	case errors.Is(err, errNewer):
		code = "lab.state-newer"
	case errors.Is(err, errOlder):
		code = "lab.state-older"
	}
	if path == "" {
		path = ":memory:"
	}
	return finding.Fail(code, err, "file", path)
}

// failed wraps an error of an operation. Where the limit was met it is a *finding.Problem, "lab.state-full".
func (d *DB) failed(operation string, err error) error {
	var full *sqlite.Error
	if errors.As(err, &full) && full.Code()&0xff == sqlite3.SQLITE_FULL {
		return finding.Fail("lab.state-full", err, "file", d.path, "limit", strconv.Itoa(MaxBytes>>20))
	}
	return fmt.Errorf("%s the lab's state: %w", operation, err)
}

// Files are the names of the files that may hold the state: File first, then SQLite's companions.
func Files() []string { return []string{File, File + "-shm", File + "-wal"} }
