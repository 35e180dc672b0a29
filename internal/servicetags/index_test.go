package servicetags_test

import (
	"net/netip"
	"strings"
	"testing"

	"sekisho/internal/servicetags"
)

func parse(t testing.TB, text string) *servicetags.File {
	t.Helper()
	f, found := servicetags.Parse("ServiceTags_Public_20251117.json", []byte(text))
	if f == nil {
		t.Fatal(found)
	}
	return f
}

func list(hits []servicetags.Hit) string {
	var s []string
	for _, h := range hits {
		s = append(s, h.Tag.Name+" "+h.Prefix.String())
	}
	return strings.Join(s, ", ")
}

func TestIndex(t *testing.T) {
	x := servicetags.NewIndex(parse(t, body))
	for target, want := range map[string]string{
		"20.1.2.3":            "AzureCloud.japaneast 20.1.2.0/24, ActionGroup 20.1.0.0/16, AzureCloud.japaneast 20.1.0.0/16",
		"::ffff:20.1.2.3":     "AzureCloud.japaneast 20.1.2.0/24, ActionGroup 20.1.0.0/16, AzureCloud.japaneast 20.1.0.0/16",
		"20.1.3.3":            "ActionGroup 20.1.0.0/16, AzureCloud.japaneast 20.1.0.0/16",
		"20.2.0.0":            "",
		"2603:1000:4:400::1":  "ActionGroup 2603:1000:4:400::/64",
		"2603:1000:4:400::%1": "ActionGroup 2603:1000:4:400::/64",
	} {
		if got := list(x.AppendAddr(nil, netip.MustParseAddr(target))); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	for target, want := range map[string][2]string{
		"20.1.2.0/24": {"AzureCloud.japaneast 20.1.2.0/24, ActionGroup 20.1.0.0/16, AzureCloud.japaneast 20.1.0.0/16", ""},
		"20.1.2.0/23": {"ActionGroup 20.1.0.0/16, AzureCloud.japaneast 20.1.0.0/16", "AzureCloud.japaneast 20.1.2.0/24"},
		"20.0.0.0/8":  {"", "ActionGroup 20.1.0.0/16, AzureCloud.japaneast 20.1.0.0/16, AzureCloud.japaneast 20.1.2.0/24"},
		"21.0.0.0/8":  {"", ""},
		"::/0":        {"", "ActionGroup 2603:1000:4:400::/64"},
	} {
		p := netip.MustParsePrefix(target)
		if got := list(x.AppendPrefix(nil, p)); got != want[0] {
			t.Errorf("%s is covered by %q, want %q", target, got, want[0])
		}
		got, whole := x.AppendInside(nil, p, 100)
		if list(got) != want[1] || !whole {
			t.Errorf("%s contains %q, want %q", target, list(got), want[1])
		}
	}
	if got, whole := x.AppendInside(nil, netip.MustParsePrefix("20.0.0.0/8"), 1); len(got) != 1 || whole {
		t.Errorf("bounded: %q %t", list(got), whole)
	}
}

func TestEmptyIndex(t *testing.T) {
	for _, x := range []*servicetags.Index{nil, servicetags.NewIndex(), new(servicetags.Index)} {
		if n := len(x.AppendAddr(nil, netip.MustParseAddr("1.1.1.1"))) + len(x.AppendPrefix(nil, netip.MustParsePrefix("1.1.1.0/24"))) + x.Len() + len(x.Files()); n != 0 {
			t.Errorf("an empty index has %d", n)
		}
	}
	if hits := servicetags.NewIndex(parse(t, body)).AppendAddr(nil, netip.Addr{}); hits != nil {
		t.Error("no address has tags")
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	x := servicetags.NewIndex(parse(t, body))
	a, p := netip.MustParseAddr("20.1.2.3"), netip.MustParsePrefix("20.0.0.0/8")
	dst := make([]servicetags.Hit, 0, 16)
	if n := testing.AllocsPerRun(100, func() {
		dst = x.AppendAddr(dst[:0], a)
		dst = x.AppendPrefix(dst, p)
		dst, _ = x.AppendInside(dst, p, 9)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
