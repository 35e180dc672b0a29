package node_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/node"
)

// BenchmarkReload reads the configuration again with a full shelf: thirty versions, each with one host renamed.
func BenchmarkReload(b *testing.B) {
	data := filepath.Join(b.TempDir(), "data")
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	shelf := node.Shelf(data, func() time.Time { return now })
	rows := slices.DeleteFunc(m365.RowsOf(catalog.Builtin(), m365.Worldwide), func(r m365.Row) bool { return r.ServiceArea == m365.AreaIntune })
	for i := range 30 {
		now = now.Add(24 * time.Hour)
		rows[0].URLs = append(slices.Clone(rows[0].URLs[:1]), fmt.Sprintf("name%d.outlook.office.com", i))
		body, err := json.Marshal(rows)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := node.AddList(shelf, 100, true, m365.Worldwide, now.Format("20060102")+"00", now, body); err != nil {
			b.Fatal(err)
		}
	}
	c, found := config.Parse("lab.yaml", config.Example("lab.yaml"), config.Overrides(free, noEnvironment)...)
	if found.HasErrors() {
		b.Fatal(found)
	}
	n, err := node.Start(b.Context(), node.Options{Config: c, Data: data, Lab: true, WatchEvery: -1,
		Load: func() (*config.Config, finding.List) { return c, nil }})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close(b.Context())
	for b.Loop() {
		if err := n.Reload(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
