package entra

import (
	"slices"
	"sync"
	"time"
)

// shelf keeps values under unguessable names for a time, at most so many: the oldest leave first. Safe for concurrent
// use; the values are the caller's to guard, see with.
type shelf[T any] struct {
	mu    sync.Mutex
	max   int
	items map[string]item[T]
	order []turn // in the order put, some of them gone already
	count uint64
}

type item[T any] struct {
	value   T
	expires time.Time
	number  uint64
}

// turn is one value's place in the order: that of name, unless another value has come under it.
type turn struct {
	name   string
	number uint64
}

func newShelf[T any](max int) *shelf[T] {
	return &shelf[T]{max: max, items: map[string]item[T]{}}
}

// put keeps v under name until expires, and returns the names of those that had to leave for it.
func (s *shelf[T]) put(name string, v T, expires time.Time) (gone []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(name, v, expires)
}

func (s *shelf[T]) add(name string, v T, expires time.Time) (gone []string) {
	if len(s.order) >= 2*s.max { // mostly names already gone
		s.order = slices.DeleteFunc(s.order, func(o turn) bool { return !s.there(o) })
	}
	delete(s.items, name)
	for len(s.items) >= s.max && len(s.order) > 0 {
		if o := s.order[0]; s.there(o) {
			gone = append(gone, o.name)
			delete(s.items, o.name)
		}
		s.order = s.order[1:]
	}
	s.count++
	s.items[name] = item[T]{v, expires, s.count}
	s.order = append(s.order, turn{name, s.count})
	return gone
}

func (s *shelf[T]) there(o turn) bool {
	it, ok := s.items[o.name]
	return ok && it.number == o.number
}

// once keeps v under name until expires, unless something that is not over lies there already; it reports whether it did.
func (s *shelf[T]) once(name string, v T, now, expires time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it, ok := s.items[name]; ok && now.Before(it.expires) {
		return false
	}
	s.add(name, v, expires)
	return true
}

// with runs f on the value under name while nobody else does. It reports false when there is none or its time is over.
func (s *shelf[T]) with(name string, now time.Time, f func(v T)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[name]
	if !ok {
		return false
	}
	if !now.Before(it.expires) {
		delete(s.items, name)
		return false
	}
	f(it.value)
	return true
}

// drop forgets name.
func (s *shelf[T]) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, name)
}

// dropIf forgets every value that match selects, and returns their names.
func (s *shelf[T]) dropIf(match func(T) bool) (gone []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, it := range s.items {
		if match(it.value) {
			delete(s.items, name)
			gone = append(gone, name)
		}
	}
	return gone
}
