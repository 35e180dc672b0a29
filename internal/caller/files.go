package caller

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// fileBytes bounds a password or group file (chosen: a hundred thousand users).
const fileBytes = 16 << 20

// user is one line of the password file with its groups.
type user struct {
	name   string
	hash   hash
	groups []string
}

// read returns the whole file.
func read(file string) ([]byte, *finding.Problem) {
	f, err := os.Open(file)
	if err != nil {
		return nil, finding.Fail("caller.unreadable", err, "file", file)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, fileBytes+1))
	if err != nil {
		return nil, finding.Fail("caller.unreadable", err, "file", file)
	}
	if len(data) > fileBytes {
		return nil, finding.Fail("caller.too-large", nil, "file", file, "most", strconv.Itoa(fileBytes))
	}
	return data, nil
}

// lines calls each for every line of data that says something, without line end, with its number from 1. A byte order
// mark and carriage returns, which Windows editors leave, are skipped.
func lines(data []byte, each func(number int, line string)) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimRight(string(line), "\r\n")
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		each(number, text)
	}
}

// parsePasswords reads a password file: the users by their folded names. Every problem is reported; none repeats what stands after a colon.
func parsePasswords(file string, data []byte) (map[string]*user, finding.List) {
	users := map[string]*user{}
	first := map[string]finding.Pos{}
	var found finding.List
	lines(data, func(number int, line string) {
		pos := finding.Pos{File: file, Line: number}
		name, text, ok := strings.Cut(line, ":")
		if !ok {
			found = append(found, finding.New("caller.password-line", finding.Error, pos))
			return
		}
		normal, ok := normalUser(name)
		if !ok {
			found = append(found, finding.New("caller.user-name", finding.Error, pos))
			return
		}
		pos.Column = 1
		if at, repeated := first[fold(normal)]; repeated {
			found = append(found, finding.New("caller.user-repeated", finding.Error, pos, "user", normal, "first", at.String()))
			return
		}
		first[fold(normal)] = pos
		h, kind, err := parseHash(text)
		if err != nil {
			found = append(found, refused(err, pos, normal, kind))
			return
		}
		users[fold(normal)] = &user{name: normal, hash: h}
	})
	if len(users) == 0 && len(found) == 0 {
		found = append(found, finding.New("caller.no-users", finding.Error, finding.Pos{File: file}))
	}
	return users, found
}

// refused is the finding for a hash that parseHash refused.
func refused(err error, pos finding.Pos, name, kind string) finding.Finding {
	switch err {
	case errCostly:
		return finding.New("caller.hash-costly", finding.Error, pos, "user", name, "kind", kind)
	case errBroken:
		return finding.New("caller.hash-broken", finding.Error, pos, "user", name, "kind", kind)
	}
	if kind == "plain" {
		return finding.New("caller.hash-plain", finding.Error, pos, "user", name)
	}
	return finding.New("caller.hash-unsupported", finding.Error, pos, "user", name, "kind", kind)
}

// parseGroups reads a group file: the groups of each user, by the folded name, sorted, and the names of all groups. A group
// may name users that no password file has.
func parseGroups(file string, data []byte) (groups map[string][]string, names []string, found finding.List) {
	groups = map[string][]string{}
	first := map[string]finding.Pos{}
	lines(data, func(number int, line string) {
		pos := finding.Pos{File: file, Line: number}
		name, members, ok := strings.Cut(line, ":")
		if !ok {
			found = append(found, finding.New("caller.group-line", finding.Error, pos))
			return
		}
		group, ok := normalUser(strings.TrimSpace(name))
		if !ok {
			found = append(found, finding.New("caller.group-name", finding.Error, pos))
			return
		}
		pos.Column = 1
		if at, repeated := first[fold(group)]; repeated {
			found = append(found, finding.New("caller.group-repeated", finding.Error, pos, "group", group, "first", at.String()))
			return
		}
		first[fold(group)] = pos
		for member := range strings.FieldsSeq(members) {
			normal, ok := normalUser(member)
			if !ok {
				found = append(found, finding.New("caller.group-member", finding.Error, pos, "group", group))
				return
			}
			if normal = fold(normal); !slices.Contains(groups[normal], group) {
				groups[normal] = append(groups[normal], group)
			}
		}
		names = append(names, group)
	})
	for _, list := range groups {
		slices.Sort(list)
	}
	return groups, names, found
}
