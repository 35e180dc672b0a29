package gateway

import (
	"io"

	"sekisho/internal/wire"
)

// tap reads a body, remembers what went wrong, and keeps a copy of its beginning where one is wanted.
type tap struct {
	body    wire.BodyReader
	err     error
	copy    int     // bytes still wanted
	copied  []byte  // empty, in memory that is kept, before anything is
	held    holding // for the copy
	crowded bool    // there was no room for all of it
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.body.Read(p)
	if n > 0 && t.copy > 0 {
		if part := p[:min(n, t.copy)]; t.held.take(len(part)) {
			t.copied = append(t.copied, part...)
			t.copy -= len(part)
		} else {
			t.copy, t.crowded = 0, true
		}
	}
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// Ready tells wire.WriteBody when to flush.
func (t *tap) Ready() bool { return t.body.Ready() }

// Done reports whether the body was read to its end.
func (t *tap) Done() bool { return t.body.Done() }
