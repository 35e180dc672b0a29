package policy

import "strings"

// nearest returns the word of known that s was probably meant to be: at most a third of its letters differ, or one is
// the beginning of the other. It returns "" when none is near.
func nearest(s string, known []string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	best, least := "", len(s)/3+1
	for _, k := range known {
		if d := distance(s, strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" && len(s) >= 3 {
		for _, k := range known {
			if strings.HasPrefix(strings.ToLower(k), s) || strings.HasSuffix(strings.ToLower(k), s) {
				return k
			}
		}
	}
	return best
}

// distance is the Levenshtein distance over bytes, with a swap of neighbours counted once.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
