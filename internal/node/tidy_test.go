package node

import "testing"

func TestHeapPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 100}, {1, 400}, {12 << 20, 400}, {16 << 20, 300}, {24 << 20, 200}, {48 << 20, 100}, {1 << 40, 100},
	} {
		if got := heapPercent(c.live); got != c.want {
			t.Errorf("%d bytes: %d, want %d", c.live, got, c.want)
		}
	}
}
