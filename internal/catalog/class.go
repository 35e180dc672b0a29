package catalog

import (
	"slices"

	"sekisho/internal/endpoint"
)

// Class is the role of a host in sign-in. It beats every feature wildcard. The zero value is an ordinary host.
type Class uint8

const (
	// Ordinary hosts follow the features and the administrator's own rows.
	Ordinary Class = iota
	// SignIn is login.microsoftonline.com, login.microsoft.com and login.windows.net: exact names, the only ones that
	// are given the restriction headers v1 (page "Use tenant restrictions to manage access to SaaS apps").
	SignIn
	// SignInConsumer is login.live.com.
	SignInConsumer
	// SignInAlias is what may accept sign-ins beside those: sts.windows.net, <region>.login.microsoft.com, every other
	// name below a sign-in host. Refused unless allowed for a network.
	SignInAlias
	// OtherCloud is a sign-in host of another cloud. Refused unless allowed for a network.
	OtherCloud
	// Retired is accounts.accesscontrol.windows.net (ACS).
	Retired
)

var classCodes = [...]string{"ordinary", "sign-in", "sign-in-consumer", "sign-in-alias", "other-cloud", "retired"}

// String is the stable code: ordinary, sign-in, sign-in-consumer, sign-in-alias, other-cloud or retired.
func (c Class) String() string { return code(classCodes[:], c) }

// MarshalText prints the code.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Classification is what Classify answers. The zero value is an ordinary host that no pattern speaks of.
type Classification struct {
	Class   Class            `json:"class"`
	Pattern endpoint.Pattern `json:"pattern"` // the one that decided; zero: none speaks of the host
	Source  *Source          `json:"source,omitempty"`
	Why     Text             `json:"why"`
}

// Classify returns the role of h. The most specific pattern decides; an ordinary host may have one too (see Classes).
// It does not allocate.
func (s *Snapshot) Classify(h endpoint.Host) Classification {
	if c, ok := s.classIndex.Best(h); ok {
		return *c
	}
	return Classification{}
}

// Classes lists every classified pattern, most specific first, for renderers and the PAC. It contains the Ordinary
// patterns that keep never-inspected names (device.login.microsoftonline.com) out of an alias wildcard: a reader that
// takes the first pattern that matches gives the same answer as Classify.
func (s *Snapshot) Classes() []Classification {
	out := make([]Classification, len(s.classes))
	for i, c := range s.classes {
		out[i] = *c
	}
	slices.SortFunc(out, func(a, b Classification) int {
		return a.Pattern.Compare(b.Pattern)
	})
	return out
}
