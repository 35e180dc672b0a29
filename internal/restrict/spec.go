package restrict

import "sekisho/internal/finding"

// Version of tenant restrictions. The zero value is none and does not compile.
type Version uint8

const (
	// V1 lists the permitted tenants in the request.
	V1 Version = iota + 1
	// V2 names a policy that the cloud holds.
	V2
)

// String is the stable code: v1, v2, or "none" for the zero value.
func (v Version) String() string {
	switch v {
	case V1:
		return "v1"
	case V2:
		return "v2"
	}
	return "none"
}

// MarshalText prints the code.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// At is a configured text with its place. The zero value means "not written".
type At struct {
	Text string
	Pos  finding.Pos
}

// Spec is one profile as written by the administrator.
type Spec struct {
	Name    string
	Pos     finding.Pos // of the profile; stands in for places that are not known
	Version Version
	// Permitted are the tenants that people may sign in to (v1): verified domains or directory ids. The header is their
	// text joined by "," in this order.
	Permitted []At
	// Context is the directory id of the tenant that sets the policy and receives the report (v1).
	Context At
	// Policy is "tenant id:policy id" (v2); the policy id is the id of the tenant's default cross-tenant access policy.
	Policy At
	// BlockConsumers tells login.live.com to refuse interactive sign-in with consumer accounts (v1).
	BlockConsumers bool
	// ConsumersPos is where that was written; the zero value when it was not.
	ConsumersPos finding.Pos
}
