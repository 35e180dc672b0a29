package gateway

import (
	"bytes"

	"sekisho/internal/catalog"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// planned reports whether plan is the one that was decided, and whether that can be: a sign-in host of an enforcing ring
// gets at least one header.
func planned(d policy.Decision, plan restrict.Plan) bool {
	return plan.Ready() && plan.Equal(d.Plan) &&
		(d.Class != catalog.SignIn || d.Mode != policy.Enforce || len(plan.Set()) > 0)
}

// sealed is the last look at a head before it is sent, by a reader that shares nothing with the serialiser: one head, for
// the authority that was decided, with every header of the decided plan exactly once, byte for byte, and no other
// restriction header in any spelling. It is asked of every request, because whatever may go wrong before must not go out.
func sealed(head []byte, d policy.Decision, authority string) bool {
	if len(head) < 4 || string(head[len(head)-4:]) != "\r\n\r\n" {
		return false
	}
	set := d.Plan.Set()
	hosts, planned := 0, 0
	for rest, first := head[:len(head)-2], true; len(rest) > 0; first = false {
		end := bytes.IndexByte(rest, '\n')
		if end < 2 || rest[end-1] != '\r' { // a bare line feed, or an empty line before the last
			return false
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		if first {
			continue // the request line
		}
		switch line[0] | 0x20 {
		case 'h', 'r', 's': // what the names below begin with
		default:
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case len(name) == len("Host") && equalFold(string(name), "Host"):
			if hosts++; string(value) != authority {
				return false
			}
		case len(name) > len("Sec-Fetch-Mode") && d.Plan.Deletes(string(name)):
			if planned >= len(set) || string(name) != set[planned].Name || string(value) != set[planned].Value {
				return false
			}
			planned++ // the serialiser keeps their order, so that none can stand twice
		}
	}
	return hosts == 1 && planned == len(set)
}
