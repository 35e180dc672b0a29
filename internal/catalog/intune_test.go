package catalog_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// intuneSets returns what the catalog says in the name of the Intune page.
func intuneSets() []*catalog.Set {
	return slices.DeleteFunc(catalog.Builtin().Sets(), func(s *catalog.Set) bool { return s.ID.Source != "intune-page" })
}

// printed returns things as sorted texts.
func printed[T fmt.Stringer](things []T) []string {
	var out []string
	for _, v := range things {
		out = append(out, v.String())
	}
	slices.Sort(out)
	return out
}

func sorted(words []string) []string {
	out := slices.Clone(words)
	slices.Sort(out)
	return out
}

// pageTables returns the page's rows by claim number ("172#2" for the second row 172) and its scale-unit table.
func pageTables(t *testing.T) (rows map[string]pageRow, units pageTable, outside []string) {
	tables, outside := parsePage(seed(t, "001"))
	rows = map[string]pageRow{}
	for _, table := range tables {
		if table.columns[0] != "ID" {
			units = table
			continue
		}
		for _, cells := range table.rows {
			row := readRow(t, cells)
			if _, twice := rows[row.id]; twice {
				row.id += "#2"
			}
			rows[row.id] = row
		}
	}
	return rows, units, outside
}

// rowOf returns a set in the form of a page row.
func rowOf(s *catalog.Set) pageRow {
	return pageRow{
		id: s.ID.ID, category: s.Category.String(), required: s.Required, express: s.ExpressRoute == catalog.Yes,
		hosts: printed(s.Patterns), prefixes: printed(s.Prefixes), ports: s.Ports.String(),
	}
}

var rowFields = cmp.AllowUnexported(pageRow{})

func TestEveryRowOfTheIntunePageIsInTheCatalog(t *testing.T) {
	rows, _, _ := pageTables(t)
	const want = 20 + 1 // 20 numbers, one of them twice
	if len(rows) != want {
		t.Errorf("the page has %d rows, expected %d: the parser lost some", len(rows), want)
	}
	for id, row := range rows {
		set, ok := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page", Cloud: "worldwide", ID: id})
		if !ok {
			t.Errorf("row %s of the page is not in the catalog", id)
			continue
		}
		row.hosts, row.prefixes = sorted(row.hosts), sorted(row.prefixes)
		if diff := cmp.Diff(row, rowOf(set), rowFields); diff != "" {
			t.Errorf("row %s differs (-page +catalog):\n%s", id, diff)
		}
		if set.ExpressRoute == catalog.NotStated {
			t.Errorf("row %s: the page states ExpressRoute, the catalog does not", id)
		}
	}
}

func TestEveryNumberedIntuneSetIsOnThePage(t *testing.T) {
	rows, _, _ := pageTables(t)
	numbered := regexp.MustCompile(`^\d+(#\d+)?$`)
	n := 0
	for _, s := range intuneSets() {
		if !numbered.MatchString(s.ID.ID) {
			if s.Category != catalog.NoCategory || s.ExpressRoute != catalog.NotStated {
				t.Errorf("%s stands outside the tables, where the page states neither category nor ExpressRoute", s.ID)
			}
			continue
		}
		n++
		if _, ok := rows[s.ID.ID]; !ok {
			t.Errorf("%s is not on the page", s.ID)
		}
	}
	if n != len(rows) {
		t.Errorf("the catalog has %d numbered sets, the page %d rows", n, len(rows))
	}
}

func TestThePageOddityIsTheMissingBlankOnly(t *testing.T) {
	if !strings.Contains(seed(t, "001"), "13.86.221.176/28,13.89.174.240/28") {
		t.Error("the page no longer lacks the blank; drop the note of row 163")
	}
	set, _ := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page", Cloud: "worldwide", ID: "163"})
	if len(set.Prefixes) != 50 {
		t.Errorf("row 163 has %d prefixes, the page 50", len(set.Prefixes))
	}
}

func TestScaleUnitTable(t *testing.T) {
	_, units, _ := pageTables(t)
	if len(units.rows) != 3 {
		t.Fatalf("the scale-unit table has %d rows", len(units.rows))
	}
	for i, region := range []string{"na", "eu", "ap"} {
		set, ok := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page", Cloud: "worldwide", ID: "scripts-win32-" + region})
		if !ok {
			t.Errorf("region %s is missing", region)
			continue
		}
		cells := units.rows[i]
		if diff := cmp.Diff(slices.Compact(sorted(strings.Fields(cells[0]))), sorted(set.ScaleUnits)); diff != "" {
			t.Errorf("%s: scale units (-page +catalog):\n%s", region, diff)
		}
		if diff := cmp.Diff(strings.Fields(cells[1]), set.StorageNames); diff != "" {
			t.Errorf("%s: storage names (-page +catalog):\n%s", region, diff)
		}
		if diff := cmp.Diff(sorted(strings.Fields(cells[2])), printed(set.Patterns)); diff != "" {
			t.Errorf("%s: CDN hosts (-page +catalog):\n%s", region, diff)
		}
		if got, want := set.Ports.String(), readPorts(t, cells[3]); got != want {
			t.Errorf("%s: ports %s, page %s", region, got, want)
		}
		if set.Condition.IsZero() {
			t.Errorf("%s: the row holds for tenants of the region only; say so", region)
		}
	}
}

// hostInText finds names in running text: at least two dots, or a star.
var hostInText = regexp.MustCompile(`(?i)\*?[a-z0-9-]*(?:\.[a-z0-9-]+)+`)

// mentioned are names that the page speaks of without asking to open them, with the reason.
var mentioned = map[string]string{
	"endpoints.office.com": "where the administrator's script fetches the list",
	"*.azureedge.net":      "needs no proxy authentication; a handling rule",
	"graph.microsoft.com":  "needs no proxy authentication; a handling rule",
}

func TestEveryNameOutsideTheTablesIsInTheCatalog(t *testing.T) {
	_, _, outside := pageTables(t)
	has := map[string]bool{}
	for _, s := range intuneSets() {
		for _, p := range s.Patterns {
			has[p.String()] = true
		}
	}
	seen := map[string]bool{}
	for _, line := range outside {
		for _, word := range hostInText.FindAllString(line, -1) {
			word = strings.ToLower(word)
			if !strings.HasSuffix(word, ".com") && !strings.HasSuffix(word, ".net") && !strings.HasSuffix(word, ".us") {
				continue // $_.ServiceArea and the like
			}
			seen[word] = true
			if !has[word] && mentioned[word] == "" {
				t.Errorf("%q stands on the page and not in the catalog: %s", word, line)
			}
		}
	}
	for word := range mentioned {
		if !seen[word] {
			t.Errorf("%q is excused and does not stand on the page", word)
		}
		if h := catalog.Builtin().Handling(endpoint.Host(strings.Replace(word, "*", "x", 1))); word != "endpoints.office.com" && !h.ProxyAuthExempt {
			t.Errorf("%q should be exempt from proxy authentication", word)
		}
	}
	for _, want := range []string{"storeedgefd.dsx.mp.microsoft.com", "intunemaape6.ncus.attest.azure.net", "sparkcdnwus2.azureedge.net",
		"has.spserv.microsoft.com", "*.dm.microsoft.com", "*.events.data.microsoft.com", "*.do.dsp.mp.microsoft.com"} {
		if !seen[want] {
			t.Errorf("%q was not found on the page: the search is broken", want)
		}
	}
}

func TestEveryIntuneHostAndPrefixStandsOnThePage(t *testing.T) {
	page := strings.ToLower(seed(t, "001"))
	for _, s := range intuneSets() {
		for _, p := range s.Patterns {
			if !strings.Contains(page, p.String()) {
				t.Errorf("%s: %s does not stand on the page", s.ID, p)
			}
		}
		for _, p := range s.Prefixes {
			if !strings.Contains(page, p.String()) {
				t.Errorf("%s: %s does not stand on the page", s.ID, p)
			}
		}
	}
}

func TestPortsOutsideTheTables(t *testing.T) {
	page := seed(t, "001")
	peers, ok := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page", Cloud: "worldwide", ID: "delivery-optimization-peers"})
	if !ok || !peers.Anywhere || peers.Ports.String() != "tcp/7680 udp/3544" {
		t.Errorf("peer traffic is %+v", peers)
	}
	for _, say := range []string{"TCP/IP に 7680", "ポート 3544", "送信 HTTPS/443", "tcp ポート 443"} {
		if !strings.Contains(page, say) {
			t.Errorf("the page no longer says %q", say)
		}
	}
	// What the page gives no port for is marked, and nothing else is.
	var inferred []string
	for _, s := range intuneSets() {
		if s.PortsInferred {
			inferred = append(inferred, s.ID.ID)
		}
	}
	slices.Sort(inferred)
	if diff := cmp.Diff([]string{"defender-settings", "device-health-attestation", "store-api", "store-fallback-cache"}, inferred); diff != "" {
		t.Errorf("sets with inferred ports (-want +got):\n%s", diff)
	}
}

func TestAddressesOfRow163FindIt(t *testing.T) {
	for _, c := range []struct{ addr, prefix string }{
		{"104.46.162.100", "104.46.162.96/27"},
		{"20.204.193.15", "20.204.193.12/30"},
		{"20.204.193.10", "20.204.193.10/31"},
		{"52.150.137.127", "52.150.137.0/25"},
		{"52.150.137.128", ""},
	} {
		hits := slices.DeleteFunc(catalog.Builtin().AppendAddrHits(nil, netip.MustParseAddr(c.addr)),
			func(h catalog.Hit) bool { return h.Set.ID.Source != "intune-page" })
		switch {
		case c.prefix == "" && len(hits) != 0:
			t.Errorf("%s hits %v", c.addr, hits[0].Set.ID)
		case c.prefix != "" && (len(hits) != 1 || hits[0].Set.ID.ID != "163" || hits[0].Prefix.String() != c.prefix):
			t.Errorf("%s gives %v, want row 163 by %s", c.addr, hits, c.prefix)
		}
	}
}
