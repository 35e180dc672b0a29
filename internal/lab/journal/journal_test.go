package journal

import (
	"strconv"
	"testing"
)

func TestOldestGoFirst(t *testing.T) {
	var j Journal
	for i := range Capacity + 3 {
		j.Add(SignIn{ID: strconv.Itoa(i)})
	}
	got := j.SignIns()
	if len(got) != Capacity || got[0].ID != "3" || got[Capacity-1].ID != strconv.Itoa(Capacity+2) {
		t.Errorf("%d entries, %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
}
