package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"sekisho/internal/lab/state"
)

// kind is whose the documents are in the lab's state: one for each tenant and application, and one for the rest.
const kind = "directory"

// Store holds the directory as it is now. Whoever answers a request takes one snapshot and answers by it; objects of
// different snapshots are told alike by their ids, never by their pointers. Safe for concurrent use.
type Store struct {
	current atomic.Pointer[Directory]
	mu      sync.Mutex // one change at a time
	db      *state.DB  // nil: kept in memory alone
	kept    map[string][]byte
	stale   bool // kept may not be what db holds
	source  string
	edited  bool
	turns   turns // shared by all snapshots
}

// Fixed returns a store that holds d and keeps changes in memory alone.
func Fixed(d *Directory) *Store {
	s := &Store{turns: newTurns()}
	s.current.Store(d)
	return s
}

// OpenStore returns the directory that db keeps. Where db has none yet, it is read from file (see Parse; name stands in
// errors) and kept from then on, unless db is read only.
func OpenStore(ctx context.Context, db *state.DB, name string, file []byte) (*Store, error) {
	sum := sha256.Sum256(file)
	s := &Store{db: db, kept: map[string][]byte{}, source: hex.EncodeToString(sum[:]), turns: newTurns()}
	d, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if d == nil {
		if d, err = Parse(name, file); err != nil {
			return nil, err
		}
		if db.ReadOnly() {
			s.current.Store(d)
			return s, nil
		}
		if err := s.keep(ctx, d.draft); err != nil {
			return nil, err
		}
	}
	s.current.Store(d)
	return s, nil
}

// OpenShipped is OpenStore with the lab.yaml that comes with the binary.
func OpenShipped(ctx context.Context, db *state.DB) (*Store, error) {
	return OpenStore(ctx, db, "lab.yaml", shipped)
}

// Current is the directory as it is now. It does not change; a later call may return another one.
func (s *Store) Current() *Directory { return s.current.Load() }

// Edited reports whether the file that OpenStore was given is not the one that the kept directory began with: what it
// says counts after the state was reset.
func (s *Store) Edited() bool { return s.edited }

// Change lets f change a copy of the directory. The whole copy is then checked as a file would be, kept, and put in place
// of the current one. When f or the check fails, or it cannot be kept, nothing has changed. One change runs at a time: f
// must not call Change.
//
// Verifying a domain (Draft.SetVerified) makes the domain name its tenant from the next snapshot on: in paths of the
// sign-in endpoints, in restriction headers, and in user principal names. Nothing else follows from it: accounts that
// another tenant has under the same domain were impossible before, because an unverified domain carries no accounts.
// Whoever must act on a verification (a takeover of viral tenants, a change of the default domain) does so in f, where it
// is part of the same change.
func (s *Store) Change(ctx context.Context, f func(*Draft) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	draft, err := s.Current().draft.clone()
	if err != nil {
		return err
	}
	if err := f(draft); err != nil {
		return err
	}
	d, err := build(draft, secret, s.turns, nil)
	if err != nil {
		return err
	}
	if err := s.keep(ctx, draft); err != nil {
		return err
	}
	s.current.Store(d)
	return nil
}

// rest is what belongs to no tenant and no application, and the order of both.
type rest struct {
	Format       int         `json:"format"`
	Source       string      `json:"source"` // SHA-256 of the lab.yaml that it began with
	Assumptions  Assumptions `json:"assumptions"`
	Tenants      []string    `json:"tenants"`
	Applications []string    `json:"applications"`
}

// format is the form of the documents.
const format = 1

// keep writes what of d is not kept yet, in one transaction.
func (s *Store) keep(ctx context.Context, d *Draft) error {
	if s.db == nil {
		return nil
	}
	if s.stale {
		if err := s.reread(ctx); err != nil {
			return err
		}
	}
	now := map[string][]byte{}
	r := rest{Format: format, Source: s.source, Assumptions: d.Assumptions}
	var errs []error
	add := func(key string, v any) {
		data, err := json.Marshal(v)
		now[key] = data
		errs = append(errs, err)
	}
	for _, t := range d.Tenants {
		r.Tenants = append(r.Tenants, fold(t.ID))
		add("tenant/"+fold(t.ID), t)
	}
	for _, a := range d.Applications {
		r.Applications = append(r.Applications, fold(a.ID))
		add("application/"+fold(a.ID), a)
	}
	add("rest", r)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("keep the directory: %w", err)
	}
	var changed []state.Document
	for key, data := range now {
		if !bytes.Equal(s.kept[key], data) {
			changed = append(changed, state.Document{Key: key, Value: data})
		}
	}
	for key := range s.kept {
		if _, ok := now[key]; !ok {
			changed = append(changed, state.Document{Key: key})
		}
	}
	if err := s.db.PutAll(ctx, kind, changed...); err != nil {
		s.stale = true // a commit that was cut short may have happened all the same
		return err
	}
	s.kept = now
	return nil
}

// reread notes what db holds.
func (s *Store) reread(ctx context.Context) error {
	kept := map[string][]byte{}
	if err := s.db.All(ctx, kind, func(key string, value []byte) error {
		kept[key] = value
		return nil
	}); err != nil {
		return err
	}
	s.kept, s.stale = kept, false
	return nil
}

// load reads what is kept; nil when there is nothing.
func (s *Store) load(ctx context.Context) (*Directory, error) {
	if err := s.reread(ctx); err != nil {
		return nil, err
	}
	if len(s.kept) == 0 {
		return nil, nil
	}
	var r rest
	if err := json.Unmarshal(s.kept["rest"], &r); err != nil {
		return nil, fmt.Errorf("read the kept directory: %w", err)
	}
	if r.Format != format {
		return nil, fmt.Errorf("read the kept directory: its format is %d, known is %d; begin again with sekisho lab reset", r.Format, format)
	}
	draft := &Draft{Assumptions: r.Assumptions}
	for _, id := range r.Tenants {
		t := &TenantEntry{}
		if err := json.Unmarshal(s.kept["tenant/"+id], t); err != nil {
			return nil, fmt.Errorf("read the kept directory: tenant %q: %w", id, err)
		}
		draft.Tenants = append(draft.Tenants, t)
	}
	for _, id := range r.Applications {
		a := &ApplicationEntry{}
		if err := json.Unmarshal(s.kept["application/"+id], a); err != nil {
			return nil, fmt.Errorf("read the kept directory: application %q: %w", id, err)
		}
		draft.Applications = append(draft.Applications, a)
	}
	s.edited = r.Source != s.source
	s.source = r.Source
	return build(draft, secret, s.turns, nil)
}
