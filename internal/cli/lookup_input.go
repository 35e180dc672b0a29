package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

const (
	// lineBytes bounds one line of a list of targets (chosen: a URL may have 8 KiB).
	lineBytes = 64 << 10
	// contextEvery is how many lines pass between two looks at whether the command was interrupted (chosen).
	contextEvery = 1024
)

// errLongLine says that a line is no target because of its length alone.
var errLongLine = errors.New("line too long")

// targets are the targets of one look-up: those of the command line, then those of each list.
type targets struct {
	given  []string
	parsed []endpoint.Target
	lists  []list
}

// list is a file or the standard input.
type list struct {
	name string
	open func() (io.ReadCloser, error)
}

// targets reads the command line: "-" among args or files is the standard input. A wrong target on the command line is
// wrong usage, and nothing is answered; files are opened in their turn.
func (a *app) targets(args, files []string) (*targets, error) {
	t := &targets{}
	stdin := false
	add := func(name string) error {
		if name != "-" {
			// A name mistyped is told before anything is answered. It is not opened yet: a named pipe opens once.
			if _, err := os.Stat(name); err != nil {
				return err
			}
			t.lists = append(t.lists, list{name, func() (io.ReadCloser, error) { return os.Open(name) }})
			return nil
		}
		if stdin {
			return a.usage("lookup.stdin-twice")
		}
		stdin = true
		t.lists = append(t.lists, list{"stdin", func() (io.ReadCloser, error) { return io.NopCloser(a.In), nil }})
		return nil
	}
	for _, arg := range args {
		if arg == "-" {
			if err := add(arg); err != nil {
				return nil, err
			}
			continue
		}
		parsed, err := endpoint.ParseTarget(arg)
		if err != nil {
			return nil, targetMistake(err)
		}
		t.given, t.parsed = append(t.given, arg), append(t.parsed, parsed)
	}
	for _, name := range files {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addresses reports whether an address or a prefix may be among t.
func (t *targets) addresses() bool {
	return len(t.lists) > 0 || slices.ContainsFunc(t.parsed, func(t endpoint.Target) bool { return t.Host == "" })
}

// each calls f for every target, in order, or with what is wrong with a line and its place. In a list, white space around
// a target, empty lines and lines that begin with "#" do not count.
func (t *targets) each(ctx context.Context, f func(given string, target endpoint.Target, pos finding.Pos, mistake error) error) error {
	for i, given := range t.given {
		if err := f(given, t.parsed[i], finding.Pos{}, nil); err != nil {
			return err
		}
	}
	for _, l := range t.lists {
		if err := l.each(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (l list) each(ctx context.Context, f func(string, endpoint.Target, finding.Pos, error) error) error {
	in, err := l.open()
	if err != nil {
		return err
	}
	defer in.Close()
	r := bufio.NewReaderSize(in, lineBytes)
	for n := 1; ; n++ {
		if n%contextEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		end := err != nil
		pos := finding.Pos{File: l.name, Line: n}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		switch line = bytes.TrimSpace(line); {
		case long:
			err = f("", endpoint.Target{}, pos, errLongLine)
		case len(line) == 0 || line[0] == '#':
			err = nil
		default:
			given := string(line)
			target, mistake := endpoint.ParseTarget(given)
			err = f(given, target, pos, mistake)
		}
		if err != nil || end {
			return err
		}
	}
}
