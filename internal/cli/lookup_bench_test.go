package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sekisho/internal/cli"
	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// BenchmarkLookupMillion answers 1,000,000 lines of the standard input, hosts, URLs and addresses in turn, with the
// published service tags imported: at most 5 s on one core (run it with -cpu 1).
func BenchmarkLookupMillion(b *testing.B) {
	const lines = 1_000_000
	data := b.TempDir()
	importPublished(b, data)
	hosts := []string{"login.microsoftonline.com", "manage.microsoft.com", "www.example.org", "graph.microsoft.com", "crl3.digicert.com"}
	var in bytes.Buffer
	for i := range lines {
		switch i % 4 {
		case 0:
			fmt.Fprintln(&in, hosts[i/4%len(hosts)])
		case 1:
			fmt.Fprintf(&in, "20.%d.%d.%d\n", i>>16%256, i>>8%256, i%256)
		case 2:
			fmt.Fprintf(&in, "https://host%d.sharepoint.com/sites/x\n", i)
		default:
			fmt.Fprintf(&in, "13.%d.%d.%d\n", 64+i%44, i>>8%256, i>>4%256)
		}
	}
	for _, format := range []string{"jsonl", "csv"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				code := cli.Run(b.Context(), cli.System{
					In: bytes.NewReader(in.Bytes()), Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }, Version: "test",
				}, []string{"lookup", "-", "-o", format, "--data", data})
				if code != 0 {
					b.Fatalf("exit code %d", code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}

// importPublished imports the real public file into data, and skips without it.
func importPublished(b *testing.B, data string) {
	b.Helper()
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		b.Skip("SEKISHO_REFERENCE is not set: it names the folder with the published lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "endpoints", "azure", "ServiceTags_Public_changeNumber376_*.json"))
	if err != nil || len(names) != 1 {
		b.Fatalf("want one service tags file in %q, have %q (%v)", dir, names, err)
	}
	body, err := os.ReadFile(names[0])
	if err != nil {
		b.Fatal(err)
	}
	if _, err := servicetags.NewStore(node.CatalogFolder(data), time.Now).Import(names[0], body, false); err != nil {
		b.Fatal(err)
	}
}
