package m365

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
)

// What is served as CSV reads back as the rows that it was written from.
func TestCSVReadsBack(t *testing.T) {
	for _, instance := range Instances() {
		list := &List{Instance: instance, Rows: RowsOf(catalog.Builtin(), instance)}
		for i := range list.Rows {
			list.Rows[i].Notes = "" // cells that a spreadsheet would take for a formula are written otherwise
		}
		for _, body := range [][]byte{list.csv(), append([]byte("\ufeff"), list.csv()...), bytes.ReplaceAll(list.csv(), []byte("\n"), []byte("\r\n"))} {
			if !Recognise(body) {
				t.Errorf("%s: not recognised", instance)
			}
			got, found := ReadEndpoints("list.csv", instance, body)
			if got == nil || len(got.Held) > 0 || !got.Partial {
				t.Fatalf("%s: %v", instance, found)
			}
			if !bytes.Equal(got.JSON(), list.JSON()) {
				t.Errorf("%s: other rows", instance)
			}
		}
	}
}

const csvHead = "id,serviceArea,serviceAreaDisplayName,urls,ips,tcpPorts,udpPorts,expressRoute,category,required,notes\n"

func TestCSVWithMistakes(t *testing.T) {
	for _, c := range []struct {
		name, body, codes, places string
		rows                      int
	}{
		{"repaired", csvHead + `1,Common,,"A.example,**.b.example","192.0.2.1","443, 80",,True,default,TRUE,` + "\n", "csv repaired repaired repaired repaired repaired", "", 1},
		{"cell-of-another-kind", csvHead + "1,Common,,a.example,,443,,maybe,Default,true,\n2,Common,,a.example,,443,,true,Default,true,\n", "csv row-type", "2:", 1},
		{"too-few-cells", csvHead + "1,Common\n", "csv-syntax", "2:1", 0},
		{"quote-without-end", csvHead + "1,\"Common\n", "csv-syntax", "", 0},
		{"cut-off", csvHead + "1,Common,,a.example,,443,,true,Default,true,", "truncated", "", 0},
		{"head-alone", csvHead, "empty", "", 0},
		{"unknown-column", "id,serviceArea,urls,expressRoute,category,required,tcpPorts,mood\n1,Common,a.example,true,Default,true,443,x\n", "csv unknown-field", "1:", 1},
		{"column-missing", "id,serviceArea,urls\n1,Common,a.example\n", "nothing-readable row-missing row-missing row-missing", "", 0},
		{"not-utf8", csvHead + "1,Common,,\xff.example,,443,,true,Default,true,\n", "encoding", "2:", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, found := ReadEndpoints("x.csv", Worldwide, []byte(c.body))
			if got := sortedCodes(found); got != c.codes {
				t.Errorf("codes %q, want %q: %v", got, c.codes, found)
			}
			rows := 0
			if list != nil {
				rows = len(list.Rows)
			}
			if rows != c.rows || (list == nil) != found.HasErrors() {
				t.Errorf("%d rows, want %d", rows, c.rows)
			}
			if c.places != "" && !hasPlace(found, c.places) {
				t.Errorf("no finding at %s: %v", c.places, found)
			}
		})
	}
}

// CSV does not tell where it ends, so rows that it lacks are not withdrawn.
func TestCSVWithdrawsNothing(t *testing.T) {
	list := &List{Instance: Worldwide, Rows: RowsOf(catalog.Builtin(), Worldwide)[:3]}
	read, found := ReadEndpoints("list.csv", Worldwide, list.csv())
	if read == nil {
		t.Fatal(found)
	}
	read.Version = "2027010400"
	s, found := catalog.Renew("test", read.Part(time.Date(2027, 1, 5, 0, 0, 0, 0, time.UTC)))
	if s == nil {
		t.Fatal(found)
	}
	for _, set := range s.Sets() {
		if before, ok := catalog.Builtin().Set(set.ID); ok && before.Withdrawn.IsZero() && !set.Withdrawn.IsZero() {
			t.Errorf("%s was withdrawn", set.ID)
		}
	}
}

func TestMemoryOfCSVIsBounded(t *testing.T) {
	body := []byte(csvHead + `1,Common,,"` + strings.Repeat("*.x.example,", 2_000_000) + `",,443,,true,Default,true,` + "\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	list, found := ReadEndpoints("b", Worldwide, body)
	runtime.ReadMemStats(&after)
	if list != nil || !strings.Contains(sortedCodes(found), "too-many") {
		t.Errorf("%v", found)
	}
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 256 {
		t.Errorf("%d MiB allocated for a body of %d MiB", grown, len(body)>>20)
	}
}

func sortedCodes(found finding.List) string {
	var out []string
	for _, f := range found {
		out = append(out, strings.TrimPrefix(f.Code, "m365."))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func hasPlace(found finding.List, place string) bool {
	return slices.ContainsFunc(found, func(f finding.Finding) bool {
		return strings.HasPrefix(strings.TrimPrefix(f.Pos.String(), "x.csv:"), place)
	})
}
