//go:build linux

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/test/peer"
	"sekisho/test/world"
)

// TestEveryRow runs the harness with a handful of operations and wants a figure from every peer that can do the work,
// so that the harness still runs on the day when somebody needs it. What the figures are is not looked at.
func TestEveryRow(t *testing.T) {
	dir := t.TempDir()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	bench := filepath.Join(dir, "bench")
	if err := peer.Build(root, bench, "./test/bench"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bench, "-tiny", "-o", "json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if e, ok := err.(*exec.ExitError); ok {
			stderr = string(e.Stderr)
		}
		if strings.Contains(stderr, world.NoNamespace) {
			t.Skip(stderr)
		}
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	var got report
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(got.Rows) != len(rows()) {
		t.Fatalf("%d rows, want %d", len(got.Rows), len(rows()))
	}
	// What a peer cannot do, seen by the harness itself.
	lacks := map[[2]string]string{{"h2", "goproxy"}: "no h2", {"h2", "squid"}: "no h2"}
	for i, want := range rows() {
		row := got.Rows[i]
		for _, name := range peerNames {
			f, tried := row.Peers[name]
			switch {
			case name == before, !tried && len(got.Missing) > 0:
			case tried != can(name, &want):
				t.Errorf("%s, %s: tried is %v", row.ID, name, tried)
			case !tried:
			case f.Note != lacks[[2]string{row.ID, name}]:
				t.Errorf("%s, %s: note %q", row.ID, name, f.Note)
			case f.Note == "" && f.Lowest == nil:
				t.Errorf("%s, %s: no figure", row.ID, name)
			}
		}
	}
	if len(got.Missing) > 0 {
		t.Skipf("not tried: %s", strings.Join(got.Missing, "; "))
	}
}
