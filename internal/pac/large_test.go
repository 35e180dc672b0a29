package pac_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/pac"
	"sekisho/internal/pac/eval"
)

// many are n direct hosts of every kind of pattern, spread over branches.
func many(n int) []string {
	out := make([]string, 0, n)
	for i := range n {
		branch := fmt.Sprintf("branch%d.corp.example.jp", i%40)
		switch i % 10 {
		case 7:
			out = append(out, fmt.Sprintf("*.zone%d.%s", i, branch))
		case 8:
			out = append(out, fmt.Sprintf("*-node%d.%s", i, branch))
		case 9:
			out = append(out, fmt.Sprintf("rack%d-*.%s", i, branch))
		default:
			out = append(out, fmt.Sprintf("server%d.%s", i, branch))
		}
	}
	return out
}

func large(t testing.TB, n int) []byte {
	return write(t, pac.Input{Program: program(t, many(n)...), Catalog: catalog.Builtin(), Proxies: []string{"proxy.example.com:3128"}})
}

// TestFiveThousandRules: the file stays below what is worth a warning, and a question takes less than 5 ms in the median.
// The bound is twenty times what was measured, so that a busy machine does not fail it.
func TestFiveThousandRules(t *testing.T) {
	src := large(t, 5000)
	if len(src) > pac.LargeBytes {
		t.Errorf("%d bytes", len(src))
	}
	names := 0
	for _, d := range many(5000) {
		names += len(d) + len(",\n  \"\"")
	}
	if len(src) > names*2/3 {
		t.Errorf("%d bytes, where the names alone take %d: domains are not joined", len(src), names)
	}
	s, err := eval.Compile(t.Context(), src, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var times []time.Duration
	for i := range 400 {
		host, want := fmt.Sprintf("server%d.branch%d.corp.example.jp", i*10, i*10%40), "DIRECT"
		if i%2 == 1 {
			host, want = fmt.Sprintf("www%d.branch3.corp.example.jp", i), "PROXY proxy.example.com:3128"
		}
		begin := time.Now()
		answer, err := s.Find(t.Context(), "https://"+host+"/", host)
		times = append(times, time.Since(begin))
		if err != nil || answer != want {
			t.Fatalf("%s: %q, %v", host, answer, err)
		}
	}
	slices.Sort(times)
	if median := times[len(times)/2]; median > 5*time.Millisecond {
		t.Errorf("median %v", median)
	}
}

// TestTheLargestFile: what no client reads is not written.
func TestTheLargestFile(t *testing.T) {
	var direct []string
	for i := range 12000 {
		direct = append(direct, fmt.Sprintf("h%d.%s.z%d.example", i, strings.Repeat("x", 60), i))
	}
	_, err := pac.Write(pac.Input{Program: program(t, direct...), Catalog: catalog.Builtin(), Proxies: []string{"proxy.example.com:3128"}})
	if err == nil || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("error %v", err)
	}
}

func BenchmarkFindAmongFiveThousand(b *testing.B) {
	s, err := eval.Compile(b.Context(), large(b, 5000), eval.Options{})
	if err != nil {
		b.Fatal(err)
	}
	hosts := []string{"server20.branch20.corp.example.jp", "x-node8.branch8.corp.example.jp", "rack9-x.branch9.corp.example.jp", "www.example.org", "login.microsoftonline.com"}
	for i := 0; b.Loop(); i++ {
		host := hosts[i%len(hosts)]
		if _, err := s.Find(b.Context(), "https://"+host+"/", host); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteFiveThousand(b *testing.B) {
	p := program(b, many(5000)...)
	for b.Loop() {
		if _, err := pac.Write(pac.Input{Program: p, Catalog: catalog.Builtin(), Proxies: []string{"proxy.example.com:3128"}}); err != nil {
			b.Fatal(err)
		}
	}
}
