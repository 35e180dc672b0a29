package config

import "strings"

// nearest returns the one of known that s was probably meant to be, "" when none is near: at most one edit for every
// three characters (chosen: "alow" finds "allow", "x" finds nothing), where an edit inserts, removes or replaces a
// character or swaps two neighbours, and letter case, hyphens and underscores do not count.
func nearest(s string, known []string) string {
	plain := strings.NewReplacer("-", "", "_", "", " ", "")
	best, bestDistance := "", 0
	a := plain.Replace(strings.ToLower(s))
	if len(a) > 64 { // no key is this long; do not spend time on it
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
	return best
}

// distance is the optimal string alignment distance.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
