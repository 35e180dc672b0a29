package finding

import "strings"

// nearestBytes is the longest word that Nearest looks at (chosen: no key, feature or command is this long).
const nearestBytes = 64

// Nearest returns the one of known that s was probably meant to be, "" when none is near: at most one edit for every
// three characters (chosen: "alow" finds "allow", "x" finds nothing), where an edit inserts, removes or replaces a
// character or swaps two neighbours, and letter case, hyphens, underscores, dots and blanks do not count; failing that,
// the first that begins or ends with s, if s has at least three characters ("autopilot" finds "intune.autopilot"); then
// the one whose part behind the last dot is near ("autopilto" does too).
func Nearest(s string, known []string) string {
	plain := strings.NewReplacer("-", "", "_", "", " ", "", ".", "")
	best, bestDistance := "", 0
	a := plain.Replace(strings.ToLower(s))
	if len(a) > nearestBytes {
		return ""
	}
	for _, k := range known {
		b := plain.Replace(strings.ToLower(k))
		d := distance([]rune(a), []rune(b))
		limit := max(len(a), len(b)) / 3
		if a+"s" == b || b+"s" == a { // singular and plural
			d = 0
		}
		if d <= limit && (best == "" || d < bestDistance) {
			best, bestDistance = k, d
		}
	}
	if best != "" || len(a) < 3 {
		return best
	}
	for _, k := range known {
		if b := plain.Replace(strings.ToLower(k)); strings.HasPrefix(b, a) || strings.HasSuffix(b, a) {
			return k
		}
	}
	for _, k := range known {
		last := k[strings.LastIndexByte(k, '.')+1:]
		if last == k || strings.Contains(s, ".") {
			continue
		}
		b := plain.Replace(strings.ToLower(last))
		if d := distance([]rune(a), []rune(b)); d <= max(len(a), len(b))/3 && (best == "" || d < bestDistance) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance.
func distance(a, b []rune) int {
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
