package entra

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestShelfIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newShelf[int](10)
	for i := range 1000 {
		gone := s.put(strconv.Itoa(i), i, now.Add(time.Hour))
		if i >= 10 && !slices.Equal(gone, []string{strconv.Itoa(i - 10)}) {
			t.Fatalf("for %d left %v", i, gone)
		}
		if i%3 == 0 {
			s.put(strconv.Itoa(i), i, now.Add(time.Hour)) // again, under the same name
			s.drop(strconv.Itoa(i))
			s.put(strconv.Itoa(i), i, now.Add(time.Hour))
		}
		if len(s.items) > 10 || len(s.order) > 2*10 {
			t.Fatalf("%d values, %d names", len(s.items), len(s.order))
		}
	}
	if !s.with("999", now, func(int) {}) || s.with("1", now, func(int) {}) {
		t.Error("the newest stay")
	}
	if s.with("999", now.Add(time.Hour), func(int) {}) {
		t.Error("a value whose time is over is there")
	}
}

func TestShelfTakesOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newShelf[struct{}](10)
	if !s.once("a", struct{}{}, now, now.Add(time.Minute)) || s.once("a", struct{}{}, now, now.Add(time.Minute)) {
		t.Error("not once")
	}
	if !s.once("a", struct{}{}, now.Add(time.Minute), now.Add(time.Hour)) {
		t.Error("a name whose time is over is free")
	}
}
