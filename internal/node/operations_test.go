package node

import "testing"

// Idle connections to the operations listener took every descriptor, and the gateway could accept nobody.
func TestOperationsTakeFewOfTheDescriptors(t *testing.T) {
	for descriptors, want := range map[int]int{0: 16, 256: 16, 1024: 64, 65536: 512} {
		if got := operationsConnections(descriptors); got != want {
			t.Errorf("of %d descriptors %d, want %d", descriptors, got, want)
		}
	}
}
