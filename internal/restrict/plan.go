package restrict

import (
	"slices"

	"sekisho/internal/catalog"
)

// Header names that only Sekisho may put on a request.
const (
	// HeaderTenants lists the permitted tenants (v1, sign-in hosts).
	HeaderTenants = "Restrict-Access-To-Tenants"
	// HeaderContext names the directory that sets the policy and receives the report (v1, sign-in hosts).
	HeaderContext = "Restrict-Access-Context"
	// HeaderPolicy is "restrict-msa" (v1, login.live.com) or "tenant id:policy id" (v2, all sign-in hosts).
	HeaderPolicy = "sec-Restrict-Tenant-Access-Policy"
)

// BlockConsumers is the value of HeaderPolicy that stops interactive sign-in with consumer accounts (v1).
const BlockConsumers = "restrict-msa"

// deleted are the names that a plan deletes. Beside the three that have a meaning stand two spellings from Microsoft's
// own texts: the singular one is in the text of AADSTS50002 ("Microsoft Entra authentication and authorization error
// codes", page of 2024-04-24), the last in the x-ms-diagnostics of the data plane ("Enable universal tenant
// restrictions", page of 2025-02-21). No client has a reason to send them; whether a server reads them is not known.
var deleted = [...]string{
	HeaderTenants,
	HeaderContext,
	HeaderPolicy,
	"Restrict-Access-To-Tenant",
	"sec-tenant-restriction-access-policy",
}

// DeletedNames returns the header names that every plan deletes.
func DeletedNames() []string { return slices.Clone(deleted[:]) }

// Field is one header field to send. Value consists of visible ASCII characters.
type Field struct{ Name, Value string }

// Plan is what happens to the restriction headers of one request: delete every restriction header, then set. The zero
// Plan is no plan: Ready is false, and no serialiser accepts it. A Plan is one pointer and may be copied; use Equal to
// compare.
type Plan struct{ does *action }

// action is what a plan does beyond deleting. It is never changed.
type action struct{ set []Field }

// nothing is shared by all plans that delete alone.
var nothing = &action{}

// DeleteOnly is the plan of report mode and of inspected hosts that take no header: it deletes and sets nothing.
func DeleteOnly() Plan { return Plan{nothing} }

// Ready reports whether p is a plan at all. A request without a ready plan must not be sent.
func (p Plan) Ready() bool { return p.does != nil }

// Deletes reports whether a field called name must be removed from the request: case is folded (ASCII), and an
// underscore counts as a hyphen, because servers that speak CGI read both the same (RFC 3875, section 4.1.18). It is
// true for the same names in every plan, the zero Plan too.
func (p Plan) Deletes(name string) bool {
	for _, d := range deleted {
		if equalName(name, d) {
			return true
		}
	}
	return false
}

// Set returns the fields to set after deletion, in order, each name once. The slice is shared: do not change it. It is
// nil for DeleteOnly and for the zero Plan.
func (p Plan) Set() []Field {
	if p.does == nil {
		return nil
	}
	return p.does.set
}

// Equal reports whether p and q do the same, by the values that they set. A connection whose plan changed must end. Two
// zero Plans are equal.
func (p Plan) Equal(q Plan) bool {
	return p.does == q.does || p.Ready() && q.Ready() && slices.Equal(p.does.set, q.does.set)
}

// equalName reports whether name is known, with ASCII case folded and "_" read as "-".
func equalName(name, known string) bool {
	if len(name) != len(known) {
		return false
	}
	for i := range len(name) {
		if lowerName(name[i]) != lowerName(known[i]) {
			return false
		}
	}
	return true
}

func lowerName(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_':
		return '-'
	}
	return c
}

// Profile is a compiled, valid Spec. Obtain it from Compile. It is immutable and safe for concurrent use. A nil Profile
// has no plan for any host.
type Profile struct {
	name             string
	version          Version
	permitted        []string
	context, policy  string
	signIn, consumer Plan
}

// Name is the profile's name in the configuration.
func (p *Profile) Name() string { return p.name }

// Version is V1 or V2.
func (p *Profile) Version() Version { return p.version }

// Permitted returns the permitted tenants as they are sent (v1); nil for v2.
func (p *Profile) Permitted() []string { return slices.Clone(p.permitted) }

// Context returns the directory id of the tenant that sets the policy: of v1 the context, of v2 the tenant id.
func (p *Profile) Context() string { return p.context }

// Policy returns "tenant id:policy id" (v2); "" for v1.
func (p *Profile) Policy() string { return p.policy }

// BlocksConsumers reports whether p itself tells login.live.com to refuse consumer accounts. It is false for v2, where
// the policy in the cloud decides.
func (p *Profile) BlocksConsumers() bool { return p.version == V1 && len(p.consumer.Set()) > 0 }

// Plan says what to do to a request for a host of class c: the class's own headers for the two sign-in classes,
// deletion alone for every other. The plan of a nil Profile is the zero Plan.
func (p *Profile) Plan(c catalog.Class) Plan {
	if p == nil {
		return Plan{}
	}
	switch c {
	case catalog.SignIn:
		return p.signIn
	case catalog.SignInConsumer:
		return p.consumer
	}
	return DeleteOnly()
}
