package node

import (
	"errors"
	"strings"

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
	if credentials := c.Network.UpstreamProxy.Credentials; credentials.V != "" {
		_, err := upstreamCredentials(credentials.V)
		add(err, credentials.Pos)
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

// strangers are the users and groups of rings that the files do not know: such a ring never matches them.
func strangers(c *config.Config, book *caller.Book) finding.List {
	fold := func(names []string) map[string]bool {
		known := map[string]bool{}
		for _, name := range names {
			known[strings.ToLower(name)] = true
		}
		return known
	}
	users, groups := fold(book.Users()), fold(book.Groups())
	var found finding.List
	for _, r := range c.Rings {
		for i, user := range names(r.Users) {
			if !users[strings.ToLower(user)] {
				found = append(found, finding.New("node.ring-user-unknown", finding.Warning, r.Users[i].Pos, "user", r.Users[i].V, "ring", r.Name.V))
			}
		}
		for i, group := range names(r.Groups) {
			if c.Authentication.Groups.V != "" && !groups[strings.ToLower(group)] {
				found = append(found, finding.New("node.ring-group-unknown", finding.Warning, r.Groups[i].Pos, "group", r.Groups[i].V, "ring", r.Name.V))
			}
		}
	}
	return found
}
