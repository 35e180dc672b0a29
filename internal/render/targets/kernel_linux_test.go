package targets_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sekisho/internal/render"
	"sekisho/test/world"
)

// inKernel runs a script of sh in a network namespace of its own, in dir, and returns what it printed.
func inKernel(t *testing.T, dir, tool, script string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("needs %s (package %s)", tool, map[string]string{"nft": "nftables", "ipset": "ipset"}[tool])
	}
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	world.Unshare(cmd)
	out, err := cmd.CombinedOutput()
	if os.Getuid() != 0 && (errors.Is(err, syscall.EPERM) || strings.Contains(string(out), "not permitted")) {
		t.Skip("needs root, or a system that gives user namespaces the rights over its packet filter")
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
	return string(out)
}

// files writes the file that a target gives for each input into a folder and returns it.
func files(t *testing.T, target string, given map[string][]string, inputs map[string]render.Input) string {
	t.Helper()
	dir := t.TempDir()
	for name, in := range inputs {
		if err := os.WriteFile(filepath.Join(dir, name), must(t, target, in, given).Files[0].Body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], ",")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestTheKernelTakesNFTables: nft loads each file, a second time too; the difference turns the older version into what the
// newer is; with a rule that jumps there.
func TestTheKernelTakesNFTables(t *testing.T) {
	before, after := fixture(t, "1", nil), fixture(t, "2", nil)
	since := after
	since.Before = &before
	given := map[string][]string{"inbound-to": {"198.51.100.7", "2001:db8:1::7"}}
	dir := files(t, "nftables", given, map[string]render.Input{"before": before, "after": after, "since": since, "large": large(t, 10000), "everything": everything(t)})
	const base = "nft add table inet filter; nft 'add chain inet filter forward { type filter hook forward priority 0; policy drop; }'; "
	changed := inKernel(t, dir, "nft", base+"nft -c -f before; nft -f before; nft -f before; nft add rule inet filter forward jump sekisho_outbound; nft -c -f since; nft -f since; nft list ruleset")
	fresh := inKernel(t, dir, "nft", base+"nft -f after; nft add rule inet filter forward jump sekisho_outbound; nft list ruleset")
	if sorted(changed) != sorted(fresh) {
		t.Errorf("the difference leads to\n%s\nand not to\n%s", changed, fresh)
	}
	if !strings.Contains(fresh, "jump sekisho_outbound") || !strings.Contains(fresh, "203.0.114.0/24") {
		t.Errorf("loaded:\n%s", fresh)
	}
	inKernel(t, dir, "nft", "nft -c -f large; nft -f everything; nft -c -f everything")
	if out := inKernel(t, dir, "nft", "nft -f large; nft list set inet filter sekisho_out_tcp_443_v4"); strings.Count(out, "/24") < 10000 {
		t.Errorf("%d prefixes were loaded", strings.Count(out, "/24"))
	}
}

// TestTheKernelTakesIPSets: ipset restores each file, a second time too; the difference turns the older version into what
// the newer is; the kernel answers for addresses and ports as the file's reader does.
func TestTheKernelTakesIPSets(t *testing.T) {
	before, after := fixture(t, "1", nil), fixture(t, "2", nil)
	since := after
	since.Before = &before
	given := map[string][]string{"inbound-to": {"198.51.100.7", "2001:db8:1::7"}}
	dir := files(t, "ipset", given, map[string]render.Input{"before": before, "after": after, "since": since, "large": large(t, 10000), "everything": everything(t)})
	const save = "ipset save | grep ^add"
	changed := inKernel(t, dir, "ipset", "ipset restore < before; ipset restore < before; ipset restore < since; "+save)
	fresh := inKernel(t, dir, "ipset", "ipset restore < after; "+save)
	if sorted(changed) != sorted(fresh) {
		t.Errorf("the difference leads to\n%s\nand not to\n%s", changed, fresh)
	}
	if n := strings.Count(inKernel(t, dir, "ipset", "ipset restore < large; "+save), "/24,tcp:443"); n < 10000 {
		t.Errorf("%d elements were restored", n)
	}
	inKernel(t, dir, "ipset", "ipset restore < everything")
	for asked, want := range map[string]string{
		"sekisho-out4 203.0.112.9,tcp:443": "yes", "sekisho-out4 203.0.112.9,tcp:80": "no", "sekisho-out4 203.0.112.9,udp:443": "no",
		"sekisho-out4 203.0.113.9,tcp:443": "no", "sekisho-out4 52.115.255.255,udp:3481": "yes", "sekisho-out4 52.116.0.0,udp:3481": "no",
		"sekisho-out6 2603:1006:2000::1,tcp:443": "yes", "sekisho-in4 20.40.1.1,tcp:443": "yes", "sekisho-out4 20.40.1.1,tcp:443": "no",
	} {
		if got := strings.TrimSpace(inKernel(t, dir, "ipset", "ipset restore < before; ipset -q test "+asked+" && echo yes || echo no")); got != want {
			t.Errorf("%s: %s, want %s", asked, got, want)
		}
	}
}

// TestTheKernelIsLedFromOneToTheOther by the differences between versions and policies, whichever they are.
func TestTheKernelIsLedFromOneToTheOther(t *testing.T) {
	versions := map[string]render.Input{"1": fixture(t, "1", nil), "2": fixture(t, "2", nil), "everything": everything(t)}
	inputs := map[string]render.Input{}
	for from, before := range versions {
		inputs[from] = before
		for to, after := range versions {
			after.Before = &before
			inputs[from+"-"+to] = after
		}
	}
	given := map[string][]string{"inbound-to": {"198.51.100.7", "2001:db8:1::7"}}
	nft, sets := files(t, "nftables", given, inputs), files(t, "ipset", given, inputs)
	for from := range versions {
		for to := range versions {
			for _, c := range []struct{ tool, dir, led, fresh string }{
				{"nft", nft, "nft -f " + from + "; nft -f " + from + "-" + to + "; nft list ruleset", "nft -f " + to + "; nft list ruleset"},
				{"ipset", sets, "ipset restore < " + from + "; ipset restore < " + from + "-" + to + "; ipset save | grep ^add", "ipset restore < " + to + "; ipset save | grep ^add"},
			} {
				if led, fresh := inKernel(t, c.dir, c.tool, c.led), inKernel(t, c.dir, c.tool, c.fresh); sorted(led) != sorted(fresh) {
					t.Errorf("%s from %s to %s leads to\n%.1500s\nand not to\n%.1500s", c.tool, from, to, led, fresh)
				}
			}
		}
	}
}
