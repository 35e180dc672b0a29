// Package sqlite is the audit store of one machine: a SQLite database in one file.
//
//	store, err := sqlite.Open(ctx, "/var/lib/sekisho/audit.db")
//
// It implements audit.Store, audit.Reader and audit.Retainer. One process writes, any number read meanwhile (write-ahead
// log, https://www.sqlite.org/wal.html). The file must lie on a local disk: the log needs shared memory.
//
// It refuses a database that a newer Sekisho made, and makes none when it is opened for reading only.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"sekisho/internal/finding"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// busyTimeout is how long a statement waits for another process's lock, in milliseconds: chosen, many times what one
	// batch takes.
	busyTimeout = 5000
	// cacheKiB is how much of the database the writer keeps in memory: chosen, so that one batch and the pages of the
	// indexes that the next one needs again fit; SQLite's own 2 MiB spill within a batch.
	cacheKiB = 16 << 10
	// checkpointPages is how long the write-ahead log gets before it is put into the database: chosen, 16 MiB. The same
	// pages of the indexes are written by batch after batch, and put into the database once.
	checkpointPages = 4096
	// readers is how many queries run at once: chosen, a console and a report.
	readers = 4
)

// Store is an open database. Safe for concurrent use. Close it.
type Store struct {
	path  string
	write *sql.DB // one connection; nil when opened for reading
	read  *sql.DB

	// The statement that stores a record, and the connection that it belongs to. Whoever has the one connection of write
	// has these, too.
	statement  driver.Stmt
	preparedOn any
}

// Open opens the database at path, makes it where it is missing (mode 0600) and brings its schema up to date. It returns
// a *finding.Problem: "audit.store-newer" when a newer version made it, "audit.store-unusable" when it cannot be opened,
// is damaged, or is no database.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path)
	if err != nil {
		return nil, problem(path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string) (_ *Store, err error) {
	if err := private(path); err != nil {
		return nil, err
	}
	s := &Store{path: path}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	// FULL, not NORMAL: the spool deletes its copy after the commit, so a commit must survive a loss of power
	// (https://www.sqlite.org/pragma.html#pragma_synchronous).
	if s.write, err = connect(path, "_txlock=immediate", "_auto_vacuum=incremental", pragma("journal_mode(WAL)"),
		pragma("synchronous(FULL)"), pragma("cache_size(-"+strconv.Itoa(cacheKiB)+")"),
		pragma("wal_autocheckpoint("+strconv.Itoa(checkpointPages)+")")); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write); err != nil {
		return nil, err
	}
	return s, s.openReaders(ctx)
}

// OpenReader opens the database at path for reading, while another process may be writing. It makes and changes nothing.
// It returns the errors of Open, "audit.store-absent" when there is no file, and "audit.store-older" when the process
// that writes must bring the schema up to date first.
func OpenReader(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, finding.Fail("audit.store-absent", nil, "file", path)
	}
	s := &Store{path: path}
	err := s.openReaders(ctx)
	if err == nil {
		err = s.checkVersion(ctx)
	}
	if err != nil {
		s.Close()
		return nil, problem(path, err)
	}
	return s, nil
}

func (s *Store) openReaders(ctx context.Context) (err error) {
	if s.read, err = connect(s.path, "mode=rw", "_query_only=1"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	return s.read.PingContext(ctx)
}

// Close closes the database. Queries under way end with an error.
func (s *Store) Close() error {
	var errs []error
	if s.statement != nil {
		if conn, err := s.write.Conn(context.Background()); err == nil { // waits for a batch that is under way
			errs = append(errs, conn.Raw(func(any) error { return s.statement.Close() }), conn.Close())
		}
	}
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// private makes sure that the file at path is nobody else's to read. SQLite gives its companions (-wal, -shm) the same
// mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return f.Chmod(0o600)
	}
	return nil
}

func pragma(text string) string { return "_pragma=" + url.QueryEscape(text) }

// connect opens path as a URI, so that no character of it is taken for an option.
func connect(path string, options ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slashed := filepath.ToSlash(abs)
	if slashed[0] != '/' {
		slashed = "/" + slashed // file:///C:/…
	}
	dsn := "file://" + (&url.URL{Path: slashed}).EscapedPath() + "?_busy_timeout=" + strconv.Itoa(busyTimeout)
	for _, o := range options {
		dsn += "&" + o
	}
	return sql.Open("sqlite", dsn)
}

// errNewer: the schema has migrations that this version does not know.
var errNewer, errOlder = errors.New("the schema is newer than this version"), errors.New("the schema is older than this version")

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
	for try := 1; ; try++ {
		has, want, err := p.GetVersions(ctx)
		if err == nil && has > want {
			return fmt.Errorf("%w: %d, known is %d", errNewer, has, want)
		}
		if err == nil && has == want {
			return nil
		}
		if err == nil {
			_, err = p.Up(ctx)
		}
		// Two processes that start at once migrate at once; the second looks again.
		if err != nil && (try == 3 || ctx.Err() != nil) {
			return err
		}
	}
}

// checkVersion compares the schema without changing anything, which the migrations' own library would do.
func (s *Store) checkVersion(ctx context.Context) error {
	p, err := provider(s.read)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	var has int64
	err = s.read.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&has)
	switch {
	case err != nil:
		return err
	case has > want:
		return fmt.Errorf("%w: %d, known is %d", errNewer, has, want)
	case has < want:
		return fmt.Errorf("%w: %d, wanted is %d", errOlder, has, want)
	}
	return nil
}

func problem(path string, err error) error {
	code := "audit.store-unusable"
	switch {
	case errors.Is(err, errNewer):
		code = "audit.store-newer"
	case errors.Is(err, errOlder):
		code = "audit.store-older"
	}
	return finding.Fail(code, err, "file", path)
}
