// Package asn is whose an address is, by a table that the user has: a MaxMind DB with autonomous system numbers, such as
// GeoLite2-ASN or DB-IP's ASN Lite.
//
//	t, err := asn.Open("GeoLite2-ASN.mmdb")
//	h, ok := t.Lookup(netip.MustParseAddr("13.107.6.152")) // 8075, MICROSOFT-CORP-MSN-AS-BLOCK
//
// No table is shipped: their licences and their age are the user's business. A database without AS numbers is refused.
// Format: "MaxMind DB File Format Specification", https://maxmind.github.io/MaxMind-DB/, read 2026-11-23.
package asn

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"sekisho/internal/finding"
)

// Table is an open database. Safe for concurrent use.
type Table struct {
	name string
	db   *maxminddb.Reader
}

// Holder is an entry.
type Holder struct {
	AS     uint32
	Name   string       // "" where the database has none
	Prefix netip.Prefix // the range that the entry is for
}

// record is what GeoLite2-ASN and DB-IP's databases hold.
type record struct {
	Number uint32 `maxminddb:"autonomous_system_number"`
	Name   string `maxminddb:"autonomous_system_organization"`
}

// Open opens the database in file. The error is a *finding.Problem: asn.unreadable when it is missing or damaged,
// asn.other-kind when it holds no AS numbers (one of cities or countries).
func Open(file string) (*Table, error) {
	// Opening a pipe that nobody writes to would wait without end.
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return nil, unreadable(file, errors.New("not a regular file"))
	}
	db, err := maxminddb.Open(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	t := &Table{name: filepath.Base(file), db: db}
	// A few networks tell what kind of database it is; a damaged one shows here rather than at the first question.
	tried, found := 0, false
	for r := range db.Networks() {
		var e record
		if err := r.Decode(&e); err != nil {
			db.Close()
			return nil, unreadable(file, err)
		}
		if found = e.Number != 0; found || tried == 100 {
			break
		}
		tried++
	}
	if !found {
		db.Close()
		return nil, finding.Fail("asn.other-kind", fmt.Errorf("%s", db.Metadata.DatabaseType), "file", file)
	}
	return t, nil
}

// unreadable says why file cannot be read: the path stands in the text already.
func unreadable(file string, cause error) error {
	var path *os.PathError
	if errors.As(cause, &path) {
		cause = path.Err
	}
	return finding.Fail("asn.unreadable", cause, "file", file, "cause", cause.Error())
}

// Name is the name of the file, without folder.
func (t *Table) Name() string { return t.name }

// Built is when the database was made, UTC.
func (t *Table) Built() time.Time { return t.db.Metadata.BuildTime().UTC() }

// Lookup returns who holds a; ok is false when the database does not know, and for an entry that cannot be read.
func (t *Table) Lookup(a netip.Addr) (h Holder, ok bool) {
	r := t.db.Lookup(a.Unmap().WithZone(""))
	if !r.Found() {
		return Holder{}, false
	}
	var e record
	if r.Decode(&e) != nil || e.Number == 0 {
		return Holder{}, false
	}
	return Holder{AS: e.Number, Name: e.Name, Prefix: r.Prefix()}, true
}

// Close closes the database.
func (t *Table) Close() error { return t.db.Close() }
