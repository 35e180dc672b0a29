package bgp

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// MicrosoftEdge is the AS of the routers at Microsoft's end of an ExpressRoute circuit, and the first half of every
// community that it announces ("ExpressRoute routing requirements").
const MicrosoftEdge = 12076

// Community is a standard BGP community, RFC 1997: an AS number and a value. The zero value is none.
type Community struct{ AS, Value uint16 }

// ParseCommunity reads "12076:5060": two decimal numbers up to 65535 without sign or leading zeros. The error says what
// was expected.
func ParseCommunity(s string) (Community, error) {
	left, right, ok := strings.Cut(s, ":")
	as, err1 := number16(left)
	value, err2 := number16(right)
	if !ok || err1 != nil || err2 != nil {
		return Community{}, fmt.Errorf("community %q: want two numbers up to 65535, for example 12076:5060", s)
	}
	return Community{as, value}, nil
}

func number16(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err == nil && s != strconv.FormatUint(n, 10) {
		err = strconv.ErrSyntax
	}
	return uint16(n), err
}

// String prints "12076:5060", which ParseCommunity reads back.
func (c Community) String() string {
	return strconv.Itoa(int(c.AS)) + ":" + strconv.Itoa(int(c.Value))
}

// MarshalText prints String.
func (c Community) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what String prints.
func (c *Community) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCommunity(string(text))
	return err
}

// Compare orders communities by number.
func (c Community) Compare(d Community) int {
	return cmp.Or(cmp.Compare(c.AS, d.AS), cmp.Compare(c.Value, d.Value))
}

// Microsoft reports whether c is one of those that Microsoft's edge announces.
func (c Community) Microsoft() bool { return c.AS == MicrosoftEdge }

// Private reports whether c marks the region of a virtual network on private peering (12076:50xxx).
func (c Community) Private() bool { return c.Microsoft() && c.Value >= 50000 && c.Value < 51000 }
