package node

import (
	"testing"
	"time"
)

// TestAClockThatJumpsDeletesNothingForADay sets the system's clock between hourly looks.
func TestAClockThatJumpsDeletesNothingForADay(t *testing.T) {
	const day = 24 * time.Hour
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		since time.Duration         // from the newest record to the start
		set   map[int]time.Duration // by how much the clock is set before a look
		free  []int                 // looks after which records may be deleted
		held  []int
	}{
		"nothing happens":        {0, nil, []int{0, 1, 2, 500}, nil},
		"off for a night":        {12 * time.Hour, nil, []int{0, 1}, nil},
		"off for a month":        {30 * day, nil, []int{24, 25}, []int{0, 1, 23}},
		"a start in the past":    {-3 * 365 * day, nil, []int{0, 1}, nil},
		"and then set right":     {-3 * 365 * day, map[int]time.Duration{2: 3 * 365 * day}, []int{0, 1, 26}, []int{2, 25}},
		"a little, by and by":    {0, map[int]time.Duration{1: time.Minute, 2: time.Minute, 3: -time.Minute}, []int{1, 2, 3, 4}, nil},
		"a day forwards":         {0, map[int]time.Duration{5: day}, []int{4, 29, 30}, []int{5, 6, 28}},
		"ten years forwards":     {0, map[int]time.Duration{5: 3650 * day}, []int{4, 29}, []int{5, 28}},
		"forwards and back":      {0, map[int]time.Duration{5: 3650 * day, 7: -3650 * day}, []int{4, 7, 8}, []int{5, 6}},
		"forwards and half back": {0, map[int]time.Duration{5: 3650 * day, 7: -1000 * day}, []int{29}, []int{5, 7, 28}},
		"a day back":             {0, map[int]time.Duration{5: -day}, []int{4, 5, 6}, nil},
		"a bad start, mended":    {3650 * day, map[int]time.Duration{3: -3650 * day}, []int{3, 4}, []int{0, 1, 2}},
		"forwards twice":         {0, map[int]time.Duration{5: 30 * day, 20: 30 * day}, []int{44}, []int{5, 30, 43}},
	} {
		t.Run(name, func(t *testing.T) {
			d := doubt{wall: at.Add(-c.since), slack: startSlack}
			wall, ahead := at, map[int]time.Duration{}
			for i := range 501 {
				run := time.Duration(i) * retainEvery
				wall = wall.Add(c.set[i])
				ahead[i], _ = d.look(wall.Add(run), run)
			}
			for _, i := range c.free {
				if ahead[i] != 0 {
					t.Errorf("look %d: nothing is deleted, %v ahead", i, ahead[i])
				}
			}
			for _, i := range c.held {
				if ahead[i] == 0 {
					t.Errorf("look %d: records are deleted", i)
				}
			}
		})
	}
}
