package lab

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/fault"
	"sekisho/internal/lab/state"
	"sekisho/internal/lockfile"
)

// Status is what a lab's folder holds, as read from outside, whether the lab runs or not.
type Status struct {
	Folder  string `json:"folder"`
	Running bool   `json:"running"`
	// Kept tells that there is a state; without one, what follows is what the lab would begin with.
	Kept       bool  `json:"kept"`
	StateBytes int64 `json:"state_bytes"` // of the files on disk
	StateLimit int64 `json:"state_limit_bytes"`
	// File is the own lab.yaml, "" while the shipped one is used. Edited tells that it is not the one that the directory
	// began with: what it says counts after a reset.
	File         string              `json:"file"`
	Edited       bool                `json:"edited"`
	Tenants      []TenantStatus      `json:"tenants"`
	Applications []ApplicationStatus `json:"applications"`
	// Assumptions are the switches of the directory as they are set, by name (docs/lab-fidelity.md).
	Assumptions map[string]any `json:"assumptions"`
	SignIns     int            `json:"sign_ins"` // kept in the log
	// Faults are those that are set, by name and hosts; while no lab runs, those that it will set again when it starts. How
	// often they have struck since is for the running lab alone to tell.
	Faults []fault.Fault `json:"faults"`
}

// TenantStatus is one tenant.
type TenantStatus struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Kind    string         `json:"kind"`
	Domains []DomainStatus `json:"domains"`
	// Members and Guests count accounts. ByState counts both by what keeps them from signing in: active, disabled, locked,
	// password-expired, must-change.
	Members  int            `json:"members"`
	Guests   int            `json:"guests"`
	ByState  map[string]int `json:"by_state"`
	Groups   int            `json:"groups"`
	Policies []PolicyStatus `json:"policies"`
}

// DomainStatus is one domain of a tenant.
type DomainStatus struct {
	Name    string `json:"name"`
	State   string `json:"state"` // verified, unverified
	Initial bool   `json:"initial"`
	Default bool   `json:"default"`
}

// PolicyStatus is one cross-tenant policy.
type PolicyStatus struct {
	ID       string   `json:"id"`
	Default  string   `json:"default"`  // allow, block
	Partners []string `json:"partners"` // ids of tenants with a rule of their own, sorted
}

// ApplicationStatus is one application.
type ApplicationStatus struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Public       bool   `json:"public"`
	MultiTenant  bool   `json:"multi_tenant"`
	Passthrough  bool   `json:"passthrough"`
	Secrets      int    `json:"secrets"`
	Certificates int    `json:"certificates"`
	// Tenants are the ids of those that have it, sorted; Consented those among them where everybody has agreed to it.
	Tenants   []string `json:"tenants"`
	Consented []string `json:"consented"`
}

// ReadStatus reads the lab's folder dir. It changes nothing; a folder that is not there is a lab that never ran.
func ReadStatus(ctx context.Context, dir string) (Status, error) {
	s := Status{Folder: dir, StateLimit: state.MaxBytes, Faults: []fault.Fault{}}
	s.Running = held(dir)
	if name := filepath.Join(dir, DirectoryFile); exists(name) {
		s.File = name
	}
	for _, name := range state.Files() {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s.StateBytes += info.Size()
		}
	}
	db, err := state.OpenReader(ctx, filepath.Join(dir, state.File))
	s.Kept = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		db, err = state.Open(ctx, "")
	}
	if err != nil {
		return s, err
	}
	defer db.Close()
	store, err := readDirectory(ctx, dir, db)
	if err != nil {
		return s, err
	}
	if s.SignIns, err = db.CountSignIns(ctx); err != nil {
		return s, err
	}
	s.Edited = store.Edited()
	if s.Faults, err = s.faults(ctx, db); err != nil {
		return s, err
	}
	s.describe(store.Current())
	return s, nil
}

// faults are those that db holds and that still count.
func (s Status) faults(ctx context.Context, db *state.DB) ([]fault.Fault, error) {
	set, err := keptFaults(ctx, db)
	now := time.Now()
	return slices.DeleteFunc(append([]fault.Fault{}, set...), func(f fault.Fault) bool {
		return f.Ended(now) || !s.Running && !f.Keep
	}), err
}

// held reports whether a lab has the folder.
func held(dir string) bool {
	name := filepath.Join(dir, lockName)
	if !exists(name) {
		return false
	}
	l, err := lockfile.Acquire(name, 0)
	if err != nil {
		return errors.Is(err, lockfile.ErrHeld)
	}
	_ = l.Release()
	return false
}

func exists(name string) bool { _, err := os.Stat(name); return err == nil }

func (s *Status) describe(d *directory.Directory) {
	s.Tenants, s.Applications = []TenantStatus{}, []ApplicationStatus{}
	for _, t := range d.Tenants {
		one := TenantStatus{
			ID: t.ID, Name: t.Name, Kind: string(t.Kind), Domains: []DomainStatus{}, ByState: map[string]int{}, Groups: len(t.Groups), Policies: []PolicyStatus{},
		}
		for _, domain := range t.Domains {
			is := DomainStatus{Name: domain.Name, State: "unverified", Initial: domain.Initial, Default: domain.Default}
			if domain.Verified {
				is.State = "verified"
			}
			one.Domains = append(one.Domains, is)
		}
		for _, u := range t.Members {
			if u.Guest() {
				one.Guests++
			} else {
				one.Members++
			}
			state := string(u.State())
			if state == "" {
				state = "active"
			}
			one.ByState[state]++
		}
		for _, p := range t.Policies {
			is := PolicyStatus{ID: p.ID, Default: "block", Partners: append([]string{}, slices.Sorted(maps.Keys(p.Partners))...)}
			if p.Allow {
				is.Default = "allow"
			}
			one.Policies = append(one.Policies, is)
		}
		s.Tenants = append(s.Tenants, one)
	}
	for _, a := range d.Applications {
		one := ApplicationStatus{
			ID: a.ID, Name: a.Name, Public: a.Public, MultiTenant: a.MultiTenant, Passthrough: a.Passthrough,
			Secrets: len(a.Secrets), Certificates: len(a.Certificates),
			Tenants: append([]string{}, slices.Sorted(maps.Keys(a.Principals))...), Consented: []string{},
		}
		for _, id := range one.Tenants {
			if t, ok := d.Tenant(id); ok && a.Consented(t, nil) {
				one.Consented = append(one.Consented, id)
			}
		}
		s.Applications = append(s.Applications, one)
	}
	s.Assumptions = d.Assumptions.Set()
}
