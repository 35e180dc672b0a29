package directory

import (
	"errors"
	"strings"

	"sekisho/internal/finding"
)

// Object is one object of a source that another package reads, such as package directory/ldap.
type Object struct {
	DN         string
	Attributes []Attribute
}

// Attribute is an attribute of an object by its LDAP name, in any case. An attribute without values is as good as none.
type Attribute struct {
	Name   string
	Values [][]byte
}

// Attributes are the LDAP names of the attributes that are kept of accounts, to ask a server for. No password and no
// hash is among them.
func Attributes(o Options) []string {
	out := []string{}
	for a, name := range names {
		switch attribute(a) {
		case ignored, attrDN, attrDNSRoot, attrSystemFlags, attrChosen:
		default:
			out = append(out, name)
		}
	}
	if Readable(o.Attribute) && wanted[strings.ToLower(o.Attribute)] == ignored {
		out = append(out, o.Attribute)
	}
	return out
}

// Builder makes a Directory of objects, by the same rules as ReadLDIF. It is not safe for concurrent use.
type Builder struct{ c *collector }

// NewBuilder begins an empty Directory.
func NewBuilder(o Options) *Builder { return &Builder{newCollector(o)} }

// Add takes an object. Attributes that are not wanted are passed over. The error is a *finding.Problem without a place;
// the Directory is of no use after one.
func (b *Builder) Add(o Object) error {
	b.c.begin(o.DN, finding.Pos{})
	for _, a := range o.Attributes {
		lower := appendLower(nil, []byte(a.Name))
		kind := b.c.attributeOf(lower)
		if kind == ignored || kind == attrDN {
			continue
		}
		if strings.Contains(string(lower), ";range=") {
			f := finding.New("directory.ldap-range", finding.Error, finding.Pos{}, "name", a.Name, "dn", shown(o.DN))
			return &finding.Problem{Findings: finding.List{f}}
		}
		for _, v := range a.Values {
			if f := b.c.add(kind, v); f != nil {
				return &finding.Problem{Findings: finding.List{*f}}
			}
		}
	}
	if f := b.c.end(); f != nil {
		return &finding.Problem{Findings: finding.List{*f}}
	}
	return nil
}

// Len is how many objects were added.
func (b *Builder) Len() int { return b.c.objects }

// Finish is the Directory. An object that was added twice is a *finding.Problem.
func (b *Builder) Finish() (*Directory, error) {
	d, err := b.c.finish()
	var problem *finding.Problem
	if errors.As(err, &problem) && len(problem.Findings) == 1 && problem.Findings[0].Code == "directory.same-object" {
		return nil, finding.Fail("directory.same-object-here", nil, "dn", problem.Findings[0].Args["dn"])
	}
	return d, err
}
