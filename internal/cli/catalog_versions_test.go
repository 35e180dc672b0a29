package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/m365"
)

// TestCatalogVersions: a list is imported, compared, given up again; one that drops much waits for approval.
func TestCatalogVersions(t *testing.T) {
	dir := t.TempDir()
	sekisho := func(want int, args ...string) (string, string) {
		t.Helper()
		code, out, errs := run(t, "", append([]string{"--data", filepath.Join(dir, "data"), "--lang", "en"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
		}
		return out, errs
	}
	list := func(name string, change func([]m365.Row) []m365.Row) string {
		t.Helper()
		rows := slices.DeleteFunc(m365.RowsOf(catalog.Builtin(), m365.Worldwide), func(r m365.Row) bool { return r.ServiceArea == m365.AreaIntune })
		body, err := json.Marshal(change(rows))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	out, _ := sekisho(0, "catalog", "export", "--area", "MEM", "--kind", "ip")
	if !strings.Contains(out, "104.46.162.96/27\n") || strings.Contains(out, "manage") {
		t.Errorf("%s", out)
	}
	if out, _ = sekisho(0, "catalog", "export", "--area", "mem", "--kind", "url"); !strings.Contains(out, "*.manage.microsoft.com\n") {
		t.Errorf("%s", out)
	}
	sekisho(2, "catalog", "export", "--area", "MEM", "--kind", "mac")
	sekisho(2, "catalog", "export", "--area", "Lync")

	without := func(host string) func([]m365.Row) []m365.Row {
		return func(rows []m365.Row) []m365.Row {
			for i := range rows {
				rows[i].URLs = slices.DeleteFunc(rows[i].URLs, func(u string) bool { return u == host })
			}
			return rows
		}
	}
	sekisho(2, "catalog", "import", list("list.json", without("graph.windows.net")))
	sekisho(0, "catalog", "import", list("worldwide-2027010400.json", without("graph.windows.net")))
	out, _ = sekisho(3, "catalog", "diff", "builtin", "current")
	if !strings.Contains(out, "m365-list/worldwide/56 changed\n  - graph.windows.net\n") {
		t.Errorf("%s", out)
	}
	sekisho(0, "catalog", "diff", "current", "current")
	sekisho(2, "catalog", "diff", "current", "nothing")
	_, errs := sekisho(2, "catalog", "import", list("worldwide-2027010300.json", without("login.live.com")))
	if !strings.Contains(errs, "older than 2027010400") {
		t.Errorf("%s", errs)
	}
	_, errs = sekisho(3, "catalog", "import", list("worldwide-2027010500.json", func(rows []m365.Row) []m365.Row {
		for i := range rows {
			if rows[i].ID == 56 {
				rows[i].IPs = rows[i].IPs[:4]
			}
			rows[i].URLs = rows[i].URLs[:min(1, len(rows[i].URLs))]
		}
		return rows
	}))
	if !strings.Contains(errs, "waits") {
		t.Errorf("%s", errs)
	}
	if out, _ = sekisho(0, "catalog", "diff", "current", "current"); !strings.Contains(out, "do not differ") {
		t.Errorf("%s", out)
	}
	if out, _ = sekisho(0, "catalog", "history"); strings.Count(out, "OK") != 1 || strings.Count(out, "WARN") != 1 {
		t.Errorf("%s", out)
	}
	sekisho(0, "catalog", "approve")
	sekisho(2, "catalog", "approve")
	sekisho(0, "catalog", "use", "builtin")
	sekisho(0, "catalog", "diff", "builtin", "current")
}
