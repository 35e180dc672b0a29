package method

import (
	"slices"
	"strings"

	"sekisho/internal/signin"
	"sekisho/internal/signin/page"
)

// State is a state of an account that may keep its owner from signing in.
type State uint8

const (
	Disabled State = iota
	Locked
	Expired         // accountExpires has passed
	MustChange      // the password must be changed at the next sign-in
	PasswordExpired // it is older than the domain allows
	LogonHours      // outside the hours that the account may be used in
)

// String is the stable code.
func (s State) String() string {
	return [...]string{"disabled", "locked", "expired", "must-change", "password-expired", "logon-hours"}[s]
}

// MarshalText makes State print as its code.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// States are all states.
func States() []State {
	return []State{Disabled, Locked, Expired, MustChange, PasswordExpired, LogonHours}
}

// Effect is what a state does to the sign-in in the cloud. The zero value is what no page says.
type Effect uint8

const (
	NotDocumented Effect = iota
	Binds                // at the next sign-in
	BindsLater           // after a synchronisation
	Open                 // not at all: people go on signing in
	NoPassword           // the password is not in the cloud until it was changed
)

// String is the stable code.
func (e Effect) String() string {
	return [...]string{"not-documented", "binds", "binds-later", "open", "no-password"}[e]
}

// MarshalText makes Effect print as its code.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Binding is the effect of a state with a method, with the sentence for it: the text method.state.<state>.<method>.
type Binding struct {
	Effect Effect
	Statement
}

// Bind is what a state does with a method. The pages say it of AD FS, and of PingFederate nothing.
func Bind(s State, m signin.Method) Binding {
	on := func(e Effect, sources ...page.ID) Binding {
		return Binding{e, says("state."+s.String()+"."+m.String(), sources...)}
	}
	switch {
	case m == signin.PasswordHash && s == Disabled:
		return on(BindsLater, page.Choose)
	case m == signin.PasswordHash && s == Locked:
		return on(Open, page.Choose)
	case m == signin.PasswordHash && s == MustChange:
		return on(NoPassword, page.Choose, page.Hash)
	case m == signin.PasswordHash && s == LogonHours:
		return on(Open, page.Choose)
	case m == signin.PasswordHash:
		return on(Open, page.Hash)
	case m == signin.PassThrough && s == MustChange:
		return on(Binds, page.AgentLimits)
	case m == signin.PassThrough, m == signin.ADFS && s != MustChange:
		return on(Binds, page.Choose)
	}
	return on(NotDocumented)
}

// Count is how many people are in a state. The zero value is not known.
type Count struct {
	Known bool
	N     int
}

// Counts count the people of a plan who are synchronised, by state. seen are the attributes that were read, as
// directory.Directory has them: what was not read makes a number unknown, never zero. Who is disabled counts as that alone.
func Counts(p *signin.Plan, seen map[string]bool) map[State]Count {
	out := map[State]Count{
		Disabled: {Known: seen["useraccountcontrol"]}, Locked: {Known: seen["lockouttime"] || seen["msds-user-account-control-computed"]},
		Expired: {Known: seen["accountexpires"]}, MustChange: {Known: seen["pwdlastset"]}, PasswordExpired: {Known: seen["msds-user-account-control-computed"]},
		LogonHours: {Known: seen["logonhours"]},
	}
	for i := range p.Rows {
		r := &p.Rows[i]
		if r.Excluded != "" || !r.Kind.Person() {
			continue
		}
		standing := r.Standing(p.Options.Now)
		add := func(s State, is bool) {
			if c := out[s]; is && c.Known {
				c.N++
				out[s] = c
			}
		}
		if add(Disabled, standing.Disabled); standing.Disabled {
			continue
		}
		add(Locked, standing.Locked)
		add(Expired, standing.Expired)
		add(MustChange, standing.MustChange)
		add(PasswordExpired, standing.PasswordExpired)
		add(LogonHours, standing.LogonHours)
	}
	return out
}

// OnMicrosoft reports whether a domain is one of Microsoft's own, which nobody federates: below onmicrosoft.com, or below its
// pendants of the other clouds.
func OnMicrosoft(name string) bool {
	name = "." + strings.ToLower(strings.TrimSuffix(name, "."))
	return slices.ContainsFunc([]string{".onmicrosoft.com", ".onmicrosoft.us", ".partner.onmschina.cn"}, func(own string) bool { return strings.HasSuffix(name, own) })
}
