package conf

import "slices"

// Fate is what becomes of a TLS connection.
type Fate string

// The fates.
const (
	Splice    Fate = "splice"    // left alone
	Bump      Fate = "bump"      // read
	Terminate Fate = "terminate" // ended
)

// Outcome is one thing that may become of a connection, and by which line of ssl_bump; Line is nil where none held.
type Outcome struct {
	Fate  Fate
	Holds Holds // Free: for some clients; Blind: perhaps
	Line  *Directive
	Why   Because
}

// Bumps reports whether a port takes connections apart at all, and a line of one that does.
func (f *File) Bumps() bool {
	for _, name := range []string{"http_port", "https_port"} {
		for _, d := range f.lists[name] {
			if slices.ContainsFunc(d.Words, func(w Word) bool { return w.Text == "ssl-bump" }) {
				return true
			}
		}
	}
	return false
}

// Bump follows ssl_bump for a CONNECT to host with the server name sni ("" for none) through its steps ("Feature: SslBump Peek
// and Splice", https://wiki.squid-cache.org/Features/SslPeekAndSplice, read 2026-11-23). It returns what may become of it, each
// fate by each line once.
func (f *File) Bump(host, sni string) []Outcome {
	var out []Outcome
	f.step(host, sni, 1, "", Yes, &out)
	return out
}

// possible are the actions of each step; after peeking at the server nothing can be read, after staring nothing left alone.
func possible(action, before string, step int) bool {
	switch action {
	case "terminate":
		return true
	case "splice", "none":
		return step < 3 || before == "peek"
	case "bump":
		return step < 3 || before == "stare"
	case "peek", "stare":
		return step < 3
	case "client-first", "server-first":
		return step == 1
	}
	return false
}

func (f *File) step(host, sni string, step int, before string, sure Holds, out *[]Outcome) {
	ask := Ask{Host: host, SNI: sni, Connect: true, Step: step}
	if step == 1 {
		ask.SNI = "" // nothing has been read yet
	}
	went := map[string]bool{}
	for _, d := range f.lists["ssl_bump"] {
		if len(d.Words) == 0 || !possible(d.Words[0].Text, before, step) {
			continue
		}
		h, why := f.Match(d.Words[1:], ask)
		if h == No {
			continue
		}
		with := min(h, sure)
		switch action := d.Words[0].Text; action {
		case "peek", "stare":
			if !went[action] {
				went[action] = true
				f.step(host, sni, step+1, action, with, out)
			}
		case "splice", "none":
			note(out, Outcome{Splice, with, d, why})
		case "terminate":
			note(out, Outcome{Terminate, with, d, why})
		default:
			note(out, Outcome{Bump, with, d, why})
		}
		if h == Yes {
			return
		}
	}
	last := Splice
	if before == "stare" {
		last = Bump
	}
	note(out, Outcome{Fate: last, Holds: sure})
}

func note(out *[]Outcome, o Outcome) {
	for i, p := range *out {
		if p.Fate == o.Fate && p.Line == o.Line {
			(*out)[i].Holds = max(p.Holds, o.Holds)
			return
		}
	}
	*out = append(*out, o)
}

// Verdict is what the first lines that hold make of something: whether it may be denied, and allowed.
type Verdict struct {
	Deny, Allow Holds
	// Line is the line that allows, nil where none holds.
	Line *Directive
}

// Access follows a list "NAME allow|deny acl…" whose words before are skip many; those lines only for which keep is true.
// Where no line holds, left is what happens.
func (f *File) Access(name string, skip int, keep func(*Directive) bool, ask Ask) Verdict {
	var v Verdict
	for _, d := range f.lists[name] {
		if len(d.Words) <= skip || !keep(d) {
			continue
		}
		h, _ := f.Match(d.Words[skip+1:], ask)
		if h == No {
			continue
		}
		if d.Words[skip].Text == "deny" {
			v.Deny = max(v.Deny, h)
		} else if v.Allow = max(v.Allow, h); v.Line == nil {
			v.Line = d
		}
		if h == Yes {
			return v
		}
	}
	v.Allow = max(v.Allow, Yes)
	return v
}
