package restrict

import (
	"sekisho/internal/catalog"
	"sekisho/internal/finding"
)

// CONTRACT

// Header names that only Sekisho may put on a request. They are deleted from every request it reads.
const (
	HeaderTenants = "Restrict-Access-To-Tenants"
	HeaderContext = "Restrict-Access-Context"
	HeaderPolicy  = "sec-Restrict-Tenant-Access-Policy"
)

// Field is one header field to send.
type Field struct{ Name, Value string }

// Version of tenant restrictions.
type Version uint8

const (
	V1 Version = iota + 1
	V2
)

// At is a configured text with its place.
type At struct {
	Text string
	Pos  finding.Pos
}

// Spec is one profile as written by the administrator.
type Spec struct {
	Name           string
	Pos            finding.Pos
	Version        Version
	Permitted      []At // v1: verified domains or directory ids; the header is their text joined by "," in this order
	Context        At   // v1: directory id of the tenant that sets the policy and receives the report
	Policy         At   // v2: "tenant id:policy id"
	BlockConsumers bool // v1: sec-Restrict-Tenant-Access-Policy: restrict-msa on login.live.com
	ConsumersPos   finding.Pos
}

// Profile is a compiled, valid Spec. Immutable.
type Profile struct{}

// Compile checks spec (placeholders, wildcards, ids, Microsoft's sample ids, duplicates, control characters, lengths)
// and returns nil with findings of severity Error when it must not be used.
func Compile(spec Spec) (*Profile, finding.List) { panic("unwritten") }

func (p *Profile) Name() string        { panic("unwritten") }
func (p *Profile) Version() Version    { panic("unwritten") }
func (p *Profile) Permitted() []string { panic("unwritten") }
func (p *Profile) Context() string     { panic("unwritten") }

// Plan says what to do to a request for a host of class c: the class's own headers for the sign-in classes, deletion
// alone for every other.
func (p *Profile) Plan(c catalog.Class) Plan { panic("unwritten") }

// DeleteOnly is the plan of report mode and of inspected hosts that take no header: it deletes and sets nothing.
func DeleteOnly() Plan { panic("unwritten") }

// Plan is what happens to the restriction headers of one request: delete every restriction header, then set. The
// zero Plan is no plan: it refuses (Ready is false) and no serialiser accepts it.
type Plan struct{}

func (p Plan) Ready() bool              { panic("unwritten") }
func (p Plan) Deletes(name string) bool { panic("unwritten") } // ASCII case folded
func (p Plan) Set() []Field             { panic("unwritten") } // shared, read-only
// Equal reports whether p and q do the same; used to end connections whose profile changed.
func (p Plan) Equal(q Plan) bool { panic("unwritten") }
