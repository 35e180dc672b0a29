package signin

import (
	"time"

	"sekisho/internal/directory"
)

// Standing is the states of an account that may keep its owner from signing in, as far as they were read.
type Standing struct {
	Disabled        bool
	Locked          bool // for sure, or by a lock-out that may have passed: see directory.Account
	Expired         bool
	MustChange      bool
	LogonHours      bool // some hours of the week are not for signing in
	PasswordExpired bool // told by msDS-User-Account-Control-Computed alone
}

// Standing is the states of the account at a time.
func (r *Row) Standing(now time.Time) Standing {
	s := Standing{
		Disabled: r.Control&directory.Disabled != 0, Expired: !r.Expires.IsZero() && !r.Expires.After(now), MustChange: r.MustChange,
		LogonHours:      r.HoursLimited,
		PasswordExpired: r.Control&directory.PasswordExpired != 0,
		// lockoutTime stays until the next sign-in that succeeds, so that alone it says only that there was a lock-out.
		Locked: !r.LockedSince.IsZero(),
	}
	if r.KnowsLockOut {
		s.Locked = r.Control&directory.LockedOut != 0
	}
	return s
}
