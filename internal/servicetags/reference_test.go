package servicetags_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/servicetags"
)

// published returns the real public file, and skips without it.
func published(t testing.TB) (name string, data []byte) {
	t.Helper()
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		t.Skip("SEKISHO_REFERENCE is not set: it names the folder with the published lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "endpoints", "azure", "ServiceTags_Public_changeNumber376_*.json"))
	if err != nil || len(names) != 1 {
		t.Fatalf("want one service tags file in %q, have %q (%v)", dir, names, err)
	}
	data, err = os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(names[0]), data
}

func publishedIndex(t testing.TB) *servicetags.Index {
	t.Helper()
	name, data := published(t)
	file, found := servicetags.Parse(name, data)
	if file == nil {
		t.Fatal(found)
	}
	return servicetags.NewIndex(file)
}

func TestPublishedFile(t *testing.T) {
	name, data := published(t)
	file, found := servicetags.Parse(name, data)
	if file == nil || len(found) > 0 {
		t.Fatal(found)
	}
	if file.ChangeNumber != 376 || file.Cloud != servicetags.Public || len(file.Tags) != 3041 || file.Prefixes != 95823 {
		t.Errorf("change number %d, cloud %s, %d tags, %d prefixes", file.ChangeNumber, file.Cloud, len(file.Tags), file.Prefixes)
	}
	if want := time.Date(2025, 11, 17, 0, 0, 0, 0, time.UTC); !file.Date.Equal(want) {
		t.Errorf("date %s", file.Date)
	}
	if !servicetags.Recognise(data[:300]) {
		t.Error("the file is not recognised by its beginning")
	}
	regions, distinct, six := 0, map[netip.Prefix]bool{}, 0
	for _, tag := range file.Tags {
		if strings.HasPrefix(tag.Name, "AzureCloud.") {
			regions++
		}
		for _, p := range tag.Prefixes {
			distinct[p] = true
			if p.Addr().Is6() {
				six++
			}
		}
	}
	if regions != 71 || len(distinct) != 53586 || six != 24475 {
		t.Errorf("%d regional AzureCloud tags, %d distinct prefixes, %d IPv6", regions, len(distinct), six)
	}
}

// TestPublishedAddresses freezes what the tags say of addresses whose roads are disputed.
func TestPublishedAddresses(t *testing.T) {
	x := publishedIndex(t)
	for _, c := range []struct {
		target string
		want   []string
	}{
		{"20.190.128.1", []string{"AzureActiveDirectory.ServiceEndpoint 20.190.128.0/26", "AzureCloud.southcentralus 20.190.128.0/24 southcentralus", "AzureCloud 20.190.128.0/24", "AzureActiveDirectory 20.190.128.0/18"}},
		{"13.107.246.40", []string{"AzureFrontDoor.Frontend 13.107.246.0/24"}},
		{"13.73.248.9", []string{"AzureFrontDoor.Frontend 13.73.248.8/29", "AzureCloud.southcentralus 13.73.240.0/20 southcentralus", "AzureCloud 13.73.240.0/20"}},
		{"13.107.219.59", []string{"AzureFrontDoor.MicrosoftSecurity 13.107.219.0/24"}},
		{"13.107.6.152", []string{"AzureFrontDoor.FirstParty 13.107.4.0/22"}},
		{"52.112.0.1", nil},
		{"20.189.229.1", []string{"AzureCloud.japanwest 20.189.192.0/18 japanwest", "AzureCloud 20.189.192.0/18"}},
		{"104.46.162.100", []string{"AzureCloud.australiasoutheast 104.46.160.0/19 australiasoutheast", "AzureCloud 104.46.160.0/19"}},
		{"20.112.52.29", []string{"AzureCloud.westus2 20.112.0.0/17 westus2", "AzureCloud 20.112.0.0/17"}},
		{"40.126.0.1", []string{"AzureActiveDirectory.ServiceEndpoint 40.126.0.0/26", "AzureCloud.southcentralus 40.126.0.0/24 southcentralus", "AzureCloud 40.126.0.0/24", "AzureActiveDirectory 40.126.0.0/18"}},
	} {
		t.Run(c.target, func(t *testing.T) {
			var got []string
			for _, h := range x.AppendAddr(nil, netip.MustParseAddr(c.target)) {
				got = append(got, strings.TrimSpace(h.Tag.Name+" "+h.Prefix.String()+" "+h.Tag.Region))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestPublishedAgainstWalk holds the index against a walk over every prefix.
func TestPublishedAgainstWalk(t *testing.T) {
	name, data := published(t)
	file, _ := servicetags.Parse(name, data)
	x := servicetags.NewIndex(file)
	var addrs []netip.Addr
	for i, tag := range file.Tags {
		if i%40 == 0 {
			p := tag.Prefixes[len(tag.Prefixes)/2]
			addrs = append(addrs, p.Addr(), p.Addr().Prev())
		}
	}
	for _, a := range addrs {
		want := map[servicetags.Hit]bool{}
		for _, tag := range file.Tags {
			for _, p := range tag.Prefixes {
				if p.Contains(a) {
					want[servicetags.Hit{Tag: tag, Prefix: p}] = true
				}
			}
		}
		got := x.AppendAddr(nil, a)
		bits := 129
		for _, h := range got {
			if !want[h] || h.Prefix.Bits() > bits {
				t.Errorf("%s: %s %s is wrong or out of order", a, h.Tag.Name, h.Prefix)
			}
			bits = h.Prefix.Bits()
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d hits, want %d", a, len(got), len(want))
		}
	}
}

func BenchmarkParsePublished(b *testing.B) {
	name, data := published(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if file, found := servicetags.Parse(name, data); file == nil {
			b.Fatal(found)
		}
	}
}

// BenchmarkLoadPublished reads and indexes: at most 300 ms.
func BenchmarkLoadPublished(b *testing.B) {
	name, data := published(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		file, found := servicetags.Parse(name, data)
		if file == nil {
			b.Fatal(found)
		}
		if servicetags.NewIndex(file).Len() != file.Prefixes {
			b.Fatal("prefixes are lost")
		}
	}
}

// BenchmarkAddrPublished asks for every covering prefix: at most 500 ns, without allocation.
func BenchmarkAddrPublished(b *testing.B) {
	x := publishedIndex(b)
	file := x.Files()[0]
	var addrs []netip.Addr
	for i, tag := range file.Tags {
		addrs = append(addrs, tag.Prefixes[i%len(tag.Prefixes)].Addr())
	}
	dst := make([]servicetags.Hit, 0, 64)
	b.ReportAllocs()
	i, n := 0, 0
	for b.Loop() {
		dst = x.AppendAddr(dst[:0], addrs[i%len(addrs)])
		i, n = i+1, n+len(dst)
	}
	b.ReportMetric(float64(n)/float64(i), "hits/op")
}

// TestPublishedFacts counts what a reader of the file must know: which ranges lie in a region and which do not.
func TestPublishedFacts(t *testing.T) {
	x := publishedIndex(t)
	regionsOf := func(p netip.Prefix) (regions []string) {
		for _, h := range x.AppendPrefix(nil, p) {
			if strings.HasPrefix(h.Tag.Name, "AzureCloud.") && !slices.Contains(regions, h.Tag.Region) {
				regions = append(regions, h.Tag.Region)
			}
		}
		return regions
	}
	type count struct{ four, outside int }
	counts := map[string]count{}
	for _, tag := range x.Files()[0].Tags {
		c := count{}
		for _, p := range tag.Prefixes {
			regions := regionsOf(p)
			if len(regions) > 1 {
				t.Errorf("%s lies in %q", p, regions)
			}
			if p.Addr().Is4() {
				c.four++
				if len(regions) == 0 {
					c.outside++
				}
			}
		}
		counts[tag.Name] = c
	}
	for name, want := range map[string]count{
		"AzureFrontDoor.Frontend":          {90, 24},
		"AzureFrontDoor.FirstParty":        {42, 42},
		"AzureFrontDoor.MicrosoftSecurity": {4, 4},
		"AzureTrafficManager":              {210, 0},
	} {
		if counts[name] != want {
			t.Errorf("%s: %+v, want %+v", name, counts[name], want)
		}
	}
}
