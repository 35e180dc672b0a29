package eval

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// now is the time for a range: local, or UTC when the last word says GMT. rest is the range without that word.
func (s *Script) now(args []string) (t time.Time, rest []string) {
	t = s.opts.Now()
	for len(args) > 0 && args[len(args)-1] == "undefined" {
		args = args[:len(args)-1]
	}
	if len(args) > 0 && strings.EqualFold(args[len(args)-1], "GMT") {
		return t.UTC(), args[:len(args)-1]
	}
	return t, args
}

// weekdayRange("MON"), weekdayRange("MON", "FRI"), each with "GMT" at the end.
func (s *Script) weekdayRange(args []string) bool {
	t, args := s.now(args)
	days := []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
	if len(args) < 1 || len(args) > 2 {
		return false
	}
	first := slices.Index(days, strings.ToUpper(args[0]))
	last := slices.Index(days, strings.ToUpper(args[len(args)-1]))
	if first < 0 || last < 0 {
		return false
	}
	return between([]int{first}, []int{int(t.Weekday())}, []int{last})
}

// timeRange(hour), (hour, hour), (hour, minute, hour, minute), (hour, minute, second, hour, minute, second). The last
// hour, minute or second is part of the range, as in Mozilla's and Chromium's code.
func (s *Script) timeRange(args []string) bool {
	t, args := s.now(args)
	most := []int{24, 59, 59}
	n := len(args) / 2
	if len(args) == 1 {
		hour, ok := number(args[0], 0, 23)
		return ok && hour == t.Hour()
	}
	if len(args) != 2 && len(args) != 4 && len(args) != 6 {
		return false
	}
	first, last := make([]int, 3), make([]int, 3)
	for i := range n {
		var ok1, ok2 bool
		first[i], ok1 = number(args[i], 0, most[i])
		last[i], ok2 = number(args[n+i], 0, most[i])
		if !ok1 || !ok2 {
			return false
		}
	}
	now := []int{t.Hour(), t.Minute(), t.Second()}
	if n == 1 {
		now[1] = 0
	}
	if n <= 2 {
		now[2] = 0
	}
	return between(first, now, last)
}

// dateRange takes a day, a month, a year, or any two or all of them in this order; given twice, a range.
func (s *Script) dateRange(args []string) bool {
	t, args := s.now(args)
	if len(args) == 0 || len(args) > 6 {
		return false
	}
	half := len(args)
	if len(args) > 1 && len(args)%2 == 0 && part(args[0]) == part(args[len(args)/2]) {
		half = len(args) / 2
	}
	first, ok1 := date(args[:half])
	last, ok2 := date(args[len(args)-half:])
	if !ok1 || !ok2 || len(first) != len(last) {
		return false
	}
	now := map[byte]int{'d': t.Day(), 'm': int(t.Month()), 'y': t.Year()}
	var a, x, b []int
	for _, p := range "ymd" { // compared from the largest unit down
		f, in := first[byte(p)]
		l, in2 := last[byte(p)]
		if in != in2 {
			return false
		}
		if in {
			a, x, b = append(a, f), append(x, now[byte(p)]), append(b, l)
		}
	}
	return between(a, x, b)
}

// part says what a word of dateRange is: d, m, y, or 0.
func part(s string) byte {
	if month(s) > 0 {
		return 'm'
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0
	case 1 <= n && n <= 31:
		return 'd'
	case n >= 1000 && n <= 9999:
		return 'y'
	}
	return 0
}

func month(s string) int {
	months := []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	return slices.Index(months, strings.ToUpper(s)) + 1
}

// date reads words, each part at most once.
func date(args []string) (map[byte]int, bool) {
	out := map[byte]int{}
	for _, s := range args {
		p := part(s)
		if _, twice := out[p]; p == 0 || twice {
			return nil, false
		}
		if p == 'm' {
			out[p] = month(s)
			continue
		}
		out[p], _ = strconv.Atoi(s)
	}
	return out, true
}
