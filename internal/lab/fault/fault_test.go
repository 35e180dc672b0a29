package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func TestEveryKindHasItsTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name] || k.Source == "" || !strings.Contains(k.Name, ".") {
			t.Errorf("%s: twice, without source, or without layer", k.Name)
		}
		seen[k.Name] = true
		for _, language := range []string{"en", "ja"} {
			p := message.New(message.Pick(language))
			ids := []string{"fault." + k.Name}
			for _, a := range k.Arguments {
				ids = append(ids, "fault."+k.Name+"."+a.Name)
			}
			for _, id := range ids {
				if text := p.Text(id, nil); text == "" || strings.Contains(text, id) {
					t.Errorf("%s: no text %q", language, id)
				}
			}
		}
		f, err := New(k.Name, "")
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		for _, a := range k.Arguments { // the defaults are values that may be given
			if normal, ok := a.normal(a.Default); !ok || normal != a.Default || f.Word(a.Name) != a.Default {
				t.Errorf("%s %s: the default %q is read as %q, %v", k.Name, a.Name, a.Default, normal, ok)
			}
		}
	}
}

func code(err error) (string, map[string]string) {
	var p *finding.Problem
	if !errors.As(err, &p) {
		return "", nil
	}
	return p.Findings[0].Code, p.Findings[0].Args
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, host string
		settings   []string
		code, want string
	}{
		{"tcp.rest", "", nil, "fault.unknown", "tcp.reset"},
		{"reset", "", nil, "fault.unknown", "tcp.reset"},
		{"", "", nil, "fault.unknown", ""},
		{"tcp.reset", "a b", nil, "fault.host", ""},
		{"tcp.reset", "10.0.0.1", nil, "fault.host", ""},
		{"clock.skew", "a.example", nil, "fault.whole", ""},
		{"tcp.reset", "", []string{"head"}, "fault.setting", ""},
		{"tcp.reset", "", []string{"att=head"}, "fault.argument-unknown", "at"},
		{"tcp.reset", "", []string{"at=heda"}, "fault.argument-bad", ""},
		{"tcp.reset", "", []string{"at=head", "at=body"}, "fault.argument-twice", ""},
		{"dns.slow", "", []string{"wait=11m"}, "fault.argument-bad", ""},
		{"dns.slow", "", []string{"wait=0s"}, "fault.argument-bad", ""},
		{"dns.slow", "", []string{"wait=-1s"}, "fault.argument-bad", ""},
		{"dns.sinkhole", "", []string{"address=nowhere"}, "fault.argument-bad", ""},
		{"dns.sinkhole", "", []string{"address=fe80::1%eth0"}, "fault.argument-bad", ""},
		{"proxy.credentials", "", []string{"schemes=Basic,Basic"}, "fault.argument-bad", ""},
		{"http.slow-body", "", []string{"rate=99999999999999999999"}, "fault.argument-bad", ""},
	} {
		_, err := New(c.name, c.host, c.settings...)
		if got, args := code(err); got != c.code || args["want"] != c.want && got != "fault.host" {
			t.Errorf("%s %s %q: %s %v", c.name, c.host, c.settings, got, args)
		}
	}
	f, err := New("proxy.credentials", "", "schemes=basic, ntlm")
	if err != nil || f.Word("schemes") != "Basic,NTLM" {
		t.Errorf("%v %v", f, err)
	}
	if _, err := f.For(time.Now(), MaxLife+1); err == nil {
		t.Error("a fault for ever and a day")
	}
	if _, err := f.Times(-1); err == nil {
		t.Error("a fault that strikes less than never")
	}
	if skew, _ := New("clock.skew", ""); skew.Name != "" {
		if _, err := skew.Times(1); err == nil {
			t.Error("a clock that is wrong once")
		}
	}
}

func must(t testing.TB, name, host string, settings ...string) Fault {
	t.Helper()
	f, err := New(name, host, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBook(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var told [][]Fault
	b := &Book{Now: func() time.Time { return now }, Changed: func(set []Fault) { told = append(told, set) }}
	names := func() string {
		var out []string
		for _, f := range b.List() {
			out = append(out, f.String())
		}
		return strings.Join(out, "; ")
	}
	set := func(f Fault) {
		t.Helper()
		if err := b.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	set(must(t, "tcp.reset", "*.example.com"))
	set(must(t, "tcp.reset", "*.example.com", "at=body")) // takes the place of the first
	set(must(t, "dns.nxdomain", ""))
	once, _ := must(t, "tcp.refused", "a.example.com").Times(2)
	set(once)
	short, _ := must(t, "http.throttled", "").For(now, time.Minute)
	set(short)
	if got := names(); got != "dns.nxdomain; http.throttled; tcp.refused --host a.example.com; tcp.reset --host *.example.com at=body" {
		t.Error(got)
	}
	take := func(host endpoint.Host, which ...string) string {
		f, _ := b.Take(host, nil, which...)
		return f.Name
	}
	for i, want := range []string{"tcp.refused", "tcp.refused", "tcp.reset", "tcp.reset"} { // the newest first, until it is used up
		if got := take("a.example.com", "tcp.reset", "tcp.refused"); got != want {
			t.Errorf("strike %d: %s", i, got)
		}
	}
	if take("b.example.org", "tcp.reset") != "" || take("b.example.org", "dns.nxdomain") == "" || take("a.example.com", "http.slow") != "" {
		t.Error("it strikes whom it is not for, or spares whom it is for")
	}
	if _, ok := b.Take("a.example.com", func(Fault) bool { return false }, "tcp.reset"); ok {
		t.Error("what does not fit strikes")
	}
	now = now.Add(time.Minute)
	if got := names(); got != "dns.nxdomain; tcp.reset --host *.example.com at=body" {
		t.Error(got)
	}
	if cleared, err := b.Clear("tcp.reset", "other.example"); len(cleared) != 0 || err != nil {
		t.Error(cleared, err)
	}
	if cleared, err := b.Clear("tcp.reset", ""); len(cleared) != 1 || err != nil {
		t.Error(cleared, err)
	}
	if _, err := b.Clear("tcp.rest", ""); err == nil {
		t.Error("a name that is none was cleared")
	}
	if cleared := b.ClearAll(); len(cleared) != 1 || names() != "" {
		t.Error(cleared)
	}
	if len(told) != 8 || len(told[len(told)-1]) != 0 {
		t.Errorf("told %d times", len(told))
	}
	for i := range MaxSet {
		set(must(t, "dns.nxdomain", fmt.Sprintf("h%d.example", i)))
	}
	if got, _ := code(b.Set(must(t, "dns.loop", ""))); got != "fault.too-many" {
		t.Error(got)
	}
	if err := b.Set(Fault{Name: "tcp.rest"}); err == nil {
		t.Error("a fault that is none was set")
	}
}

// What is kept comes back the same, and what was tampered with does not.
func TestKeptFaultsComeBack(t *testing.T) {
	t.Parallel()
	f := must(t, "tcp.reset", "*.example.com", "at=head")
	f, _ = f.For(time.Now(), time.Hour)
	f.Keep = true
	data, err := json.Marshal([]Fault{f, {Name: "tcp.reset", Host: "a b"}, {Name: "gone"}, {Name: "dns.slow", Host: "*", Arguments: map[string]string{"wait": "9h"}}})
	if err != nil {
		t.Fatal(err)
	}
	var kept []Fault
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	b := &Book{}
	b.Restore(kept)
	set := b.List()
	if len(set) != 1 || set[0].String() != f.String() || !set[0].Until.Equal(f.Until) || !set[0].Strikes("a.example.com") || set[0].Strikes("example.org") {
		t.Errorf("%v", set)
	}
}

func FuzzNew(f *testing.F) {
	for _, k := range Kinds() {
		for _, a := range k.Arguments {
			f.Add(k.Name, "*.example.com", a.Name+"="+a.Default)
		}
		f.Add(k.Name, "*", "")
	}
	f.Fuzz(func(t *testing.T, name, host, setting string) {
		var settings []string
		if setting != "" {
			settings = []string{setting}
		}
		made, err := New(name, host, settings...)
		if err != nil {
			if c, _ := code(err); c == "" {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		// Whatever is read is kept, and comes back the same.
		again, err := made.again()
		if err != nil || again.String() != made.String() {
			t.Fatalf("%v: %v, %v", made, again, err)
		}
		if !slices.Contains(Names(), made.Name) {
			t.Fatal(made.Name)
		}
	})
}
