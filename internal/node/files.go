package node

import (
	"errors"

	"sekisho/internal/caller"
	"sekisho/internal/config"
	"sekisho/internal/finding"
)

// files reads every file that the configuration names, so that a check finds what a start would, and a start finds it
// before it takes a port or makes a folder. What is wrong inside such a file has its place there; a file that cannot be
// used at all has the place of the setting that names it.
func files(c *config.Config) finding.List {
	var found finding.List
	add := func(err error, setting finding.Pos) {
		var problem *finding.Problem
		if !errors.As(err, &problem) {
			return
		}
		for _, f := range problem.Findings {
			if !f.Pos.Known() {
				f.Pos = setting
			}
			found = append(found, f)
		}
	}
	if trust := c.Network.Trust; trust.V != "" {
		_, err := originRoots(trust.V)
		add(err, trust.Pos)
	}
	if c.Authentication.Enabled() {
		book, err := caller.Open(c.Authentication.Passwords.V, c.Authentication.Groups.V)
		add(err, c.Authentication.Passwords.Pos)
		if err == nil {
			found = append(found, strangers(c, book)...)
		}
	}
	return found
}

// strangers are the users of rings whom the password file does not know: such a ring never matches them.
func strangers(c *config.Config, book *caller.Book) finding.List {
	known := map[string]bool{}
	for _, user := range book.Users() {
		known[user] = true
	}
	var found finding.List
	for _, r := range c.Rings {
		for _, user := range r.Users {
			if !known[names([]config.Value[string]{user})[0]] {
				found = append(found, finding.New("node.ring-user-unknown", finding.Warning, user.Pos, "user", user.V, "ring", r.Name.V))
			}
		}
	}
	return found
}
