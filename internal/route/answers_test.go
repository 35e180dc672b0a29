package route_test

import (
	"net/netip"
	"slices"
	"testing"
	"unicode/utf16"

	"sekisho/internal/message"
	"sekisho/internal/route"
)

const dug = `; <<>> DiG 9.18.28 <<>> outlook.office365.com
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
;outlook.office365.com.		IN	A

;; ANSWER SECTION:
outlook.office365.com.	300	IN	CNAME	ooc-g2.tm-4.office.com.
ooc-g2.tm-4.office.com.	60	IN	CNAME	outlook.ms-acdc.office.com.
outlook.ms-acdc.office.com. 60	IN	A	52.96.0.1
outlook.ms-acdc.office.com. 60	IN	A	52.96.0.2

;; Query time: 3 msec
;; SERVER: 10.2.0.53#53(10.2.0.53) (UDP)
;; WHEN: Fri Nov 20 01:02:03 UTC 2026
;; MSG SIZE  rcvd: 120
`

func TestAnswersOfSites(t *testing.T) {
	for name, text := range map[string]string{
		"dig": dug,
		"json": `[{"site":"tokyo","resolver":"10.2.0.53#53","at":"2026-11-20T01:02:03Z","answers":[{"name":"outlook.office365.com",
			"chain":["ooc-g2.tm-4.office.com","outlook.ms-acdc.office.com"],"addresses":["52.96.0.1","52.96.0.2"]}]}]`,
	} {
		list, found := route.ParseAnswers("tokyo.txt", []byte(text))
		if len(list) != 1 {
			t.Fatalf("%s: %v %v", name, list, found)
		}
		r := list[0]
		if r.Site != "tokyo" || r.Resolver != "10.2.0.53#53" || r.At.IsZero() || r.Name != "outlook.office365.com" || len(r.Chain) != 2 ||
			!slices.Equal(r.Addrs, []netip.Addr{netip.MustParseAddr("52.96.0.1"), netip.MustParseAddr("52.96.0.2")}) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, text := range []string{"", "x", "{}x", `[{"site":"a","answers":[{"name":"a..b","addresses":["1.2.3.4"]}]}]`, `[{"sites":"a"}]`,
		`[{"site":"a","answers":[{"name":"a.example.com","addresses":["1.2.3"]}]}]`, "a.example.com. 60 IN A 1.2.3\n", "a.example.com. 60 IN\n", "\xff\xfe"} {
		if list, found := route.ParseAnswers("a.txt", []byte(text)); list != nil || len(found) == 0 {
			t.Errorf("%q: %v", text, list)
		}
	}
}

// TestAnswersOfPowerShell: Windows PowerShell's ">" writes UTF-16.
func TestAnswersOfPowerShell(t *testing.T) {
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(dug)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	list, found := route.ParseAnswers("osaka.txt", wide)
	if len(list) != 1 || len(list[0].Addrs) != 2 || list[0].Resolver != "10.2.0.53#53" {
		t.Errorf("%+v %v", list, found)
	}
	if _, found := route.ParseAnswers("osaka.txt", wide[:len(wide)-1]); len(found) != 1 || found[0].Code != "route.answers-encoding" {
		t.Errorf("%v", found)
	}
}

func FuzzParseAnswers(f *testing.F) {
	f.Add([]byte(dug))
	f.Add([]byte(`[{"site":"a","answers":[{"name":"a.example.com","chain":["b.example.com"],"addresses":["192.0.2.1"]}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, found := route.ParseAnswers("a.txt", data)
		if (list == nil) != (len(found) > 0) {
			t.Fatalf("%v, %v", list, found)
		}
		for _, r := range list {
			if r.Name == "" || len(r.Addrs) == 0 || len(r.Chain) > 1000 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// TestEveryCodeHasAText: codes of verdicts are words of this package; their texts are in both languages (that both have
// the same ids is a test of package message).
func TestEveryCodeHasAText(t *testing.T) {
	p := message.New("ja")
	need := func(id string) {
		t.Helper()
		if !p.Has("route." + id) {
			t.Errorf("route.%s has no text", id)
		}
	}
	for _, r := range route.Reasons() {
		need("reason." + string(r))
	}
	for _, c := range route.Needs() {
		need("need." + c)
	}
	for _, c := range route.NoteCodes() {
		need("note." + c)
	}
	for _, c := range route.Owners() {
		need("owner." + c)
	}
	for _, s := range route.States() {
		need("state." + s.String())
		need("closed." + s.String())
	}
	for _, c := range route.Patterns() {
		need("pattern." + c.String())
	}
	for _, k := range route.Kinds() {
		need("kind-of." + string(k))
	}
	for _, s := range route.StepReasons() {
		need("step." + s)
	}
	for _, c := range route.Priced() {
		need("price." + c)
	}
	for _, r := range route.Requirements() {
		need("require." + string(r))
	}
	for level := route.Level(0); level <= route.ByRoute; level++ {
		need("level." + level.String())
	}
}
