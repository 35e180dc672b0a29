package graph

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// FuzzRepeated: what is not told as repeated loses nothing when it is decoded.
func FuzzRepeated(f *testing.F) {
	for _, s := range []string{
		`{"method":"phs","objects":[{"sourceAnchor":"1"},{"sourceAnchor":"1"}]}`, `{"a":1,"A":2}`, `{"a":{"b":[{"c":null}]},"d":"a"}`, `[[],{}]`, `"a"`, `{"a":{"a":1},"b":{"a":1,"a":2}}`,
	} {
		f.Add([]byte(s))
	}
	keys := func(data []byte) int {
		n := 0
		for _, c := range data { // of compact JSON whose texts hold no colon
			if c == ':' {
				n++
			}
		}
		return n
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !shallow(data) {
			return
		}
		_, twice := repeated(data)
		var v any
		var compact bytes.Buffer
		if twice || json.Unmarshal(data, &v) != nil || json.Compact(&compact, data) != nil {
			return
		}
		again, err := json.Marshal(v)
		if err == nil && !bytes.ContainsAny(compact.Bytes(), `\`) && keys(again) != keys(compact.Bytes()) {
			t.Errorf("%q became %q", data, again)
		}
	})
}

func TestRepeated(t *testing.T) {
	for data, want := range map[string]bool{
		`{"a":1,"A":2}`: true, `{"a":{"a":1},"b":{"a":1,"a":2}}`: true, `{"a":[{"b":1},{"b":2}],"c":{"a":1}}`: false, `{}`: false, `[]`: false, `{"a":"a"}`: false,
	} {
		if _, twice := repeated([]byte(data)); twice != want {
			t.Errorf("%s: %v", data, twice)
		}
	}
}

// TestPace: a burst, and then so many a second, each tenant for itself, whatever the clock does.
func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1_000_000, 0)
	for i := range syncBurst {
		if _, ok := p.take("a", now); !ok {
			t.Fatalf("%d was refused", i)
		}
	}
	if wait, ok := p.take("a", now); ok || wait <= 0 || wait > time.Second {
		t.Errorf("%v %v", wait, ok)
	}
	if _, ok := p.take("b", now); !ok {
		t.Error("another tenant waits, too")
	}
	if _, ok := p.take("a", now.Add(-time.Hour)); ok {
		t.Error("a clock set back gives room")
	}
	if _, ok := p.take("a", now.Add(200*time.Millisecond)); !ok {
		t.Error("no room after a while")
	}
}
