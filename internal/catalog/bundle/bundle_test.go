package bundle_test

import (
	"bytes"
	"compress/flate"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog/bundle"
	"sekisho/internal/finding"
)

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func sample() bundle.Contents {
	day := time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)
	return bundle.Contents{Builtin: "builtin-1", Made: day, Entries: []bundle.Entry{
		{Kind: "service-tags", Name: "servicetags-public.json", Version: "10", Date: "2027-01-03", Read: day, Body: bytes.Repeat([]byte("20.0.0.0/8 "), 500)},
		{Kind: "m365-list", Name: "m365-worldwide.json", Version: "2027010400", Read: day.Add(time.Nanosecond), Body: []byte("[]")},
	}}
}

func pack(t testing.TB, c bundle.Contents, k ed25519.PrivateKey) []byte {
	t.Helper()
	data, err := bundle.Write(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	return fmt.Sprint(err)
}

func trust(k ed25519.PrivateKey) []bundle.Key { return []bundle.Key{bundle.KeyOf(k)} }

func TestRoundTrip(t *testing.T) {
	data := pack(t, sample(), key(1))
	c, err := bundle.Read("x", data, trust(key(1)))
	if err != nil || len(c.Entries) != 2 || c.Entries[0].Name != "m365-worldwide.json" || string(c.Entries[0].Body) != "[]" ||
		len(c.Entries[1].Body) != 5500 || c.Builtin != "builtin-1" || c.Entries[0].Version != "2027010400" {
		t.Fatalf("%+v %v", c, err)
	}
	reversed := sample()
	reversed.Entries[0], reversed.Entries[1] = reversed.Entries[1], reversed.Entries[0]
	if again := pack(t, reversed, key(1)); !bytes.Equal(again, data) {
		t.Error("the same contents in another order give other bytes")
	}
	if again := pack(t, *c, key(1)); !bytes.Equal(again, data) {
		t.Error("what was read does not pack to the same bytes")
	}
	if _, signer, err := bundle.Inspect("x", data); err != nil || signer != bundle.KeyOf(key(1)) {
		t.Errorf("%v %v", signer, err)
	}
	if empty, err := bundle.Read("x", pack(t, bundle.Contents{Builtin: "b"}, key(1)), trust(key(1))); err != nil || len(empty.Entries) != 0 {
		t.Errorf("%+v %v", empty, err)
	}
}

// TestEveryByteCounts changes each byte of a bundle in turn, in three ways: none is taken, even by whom trusts everybody.
func TestEveryByteCounts(t *testing.T) {
	data := pack(t, sample(), key(1))
	for i := range data {
		for _, flip := range []byte{1, 0x20, 0x80} {
			data[i] ^= flip
			if c, _, err := bundle.Inspect("x", data); err == nil || c != nil {
				t.Fatalf("byte %d changed by %#x is not noticed", i, flip)
			}
			data[i] ^= flip
		}
	}
	for n := range len(data) {
		if _, _, err := bundle.Inspect("x", data[:n]); err == nil || n >= 25 && code(err) != "bundle.truncated" {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if _, _, err := bundle.Inspect("x", append(bytes.Clone(data), 0)); code(err) != "bundle.trailing" {
		t.Errorf("one byte more: %v", err)
	}
	if _, _, err := bundle.Inspect("x", append(bytes.Clone(data), data...)); code(err) != "bundle.trailing" {
		t.Errorf("twice: %v", err)
	}
}

func TestSignersAreTrustedByName(t *testing.T) {
	data := pack(t, sample(), key(1))
	for _, trusted := range [][]bundle.Key{nil, {{}}, trust(key(2))} {
		_, err := bundle.Read("x", data, trusted)
		var p *finding.Problem
		if !errors.As(err, &p) || p.Findings[0].Code != "bundle.unknown-signer" || p.Findings[0].Args["key"] != bundle.KeyOf(key(1)).String() {
			t.Errorf("trusting %v: %v", trusted, err)
		}
	}
	// Somebody else's signature under the trusted key.
	forged := bytes.Clone(data)
	other := pack(t, sample(), key(2))
	copy(forged[57:121], other[57:121])
	if _, err := bundle.Read("x", forged, trust(key(1))); code(err) != "bundle.signature" {
		t.Errorf("%v", err)
	}
	if _, err := bundle.Read("x", make([]byte, bundle.MaxBytes+1), trust(key(1))); code(err) != "bundle.large" {
		t.Errorf("%v", err)
	}
	if _, err := bundle.Read("x", append([]byte("SEKISHO CATALOG BUNDLE 2\n"), data[25:]...), trust(key(1))); code(err) != "bundle.version" {
		t.Errorf("%v", err)
	}
}

// seal signs any body, as a trusted signer with a broken program would.
func seal(t testing.TB, k ed25519.PrivateKey, plain []byte, after string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("SEKISHO CATALOG BUNDLE 1\n")
	public := bundle.KeyOf(k)
	b.Write(public[:])
	b.Write(make([]byte, 72))
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(plain)
	w.Close()
	b.WriteString(after)
	data := b.Bytes()
	binary.BigEndian.PutUint64(data[121:], uint64(len(data)-129))
	copy(data[57:], ed25519.Sign(k, append(bytes.Clone(data[:57]), data[121:]...)))
	return data
}

func framed(list string, rest ...string) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(list))), list...), strings.Join(rest, "")...)
}

// TestContentsAreHeldAgainstTheList: what a trusted signer signed may still be nonsense.
func TestContentsAreHeldAgainstTheList(t *testing.T) {
	const sum = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" // of "[]"
	entry := func(name string, size int) string {
		return fmt.Sprintf(`{"kind":"m365-list","name":%q,"version":"","read":"2027-01-04T09:00:00Z","size":%d,"sha256":"%s"}`, name, size, sum)
	}
	list := func(entries ...string) string {
		return `{"builtin":"b","made":"2027-01-04T09:00:00Z","entries":[` + strings.Join(entries, ",") + `]}`
	}
	if _, err := bundle.Read("x", seal(t, key(1), framed(list(entry("a", 2)), "[]"), ""), trust(key(1))); err != nil {
		t.Fatalf("the pattern of the cases below: %v", err)
	}
	var many []string
	for i := range 65 {
		many = append(many, entry(fmt.Sprintf("a%02d", i), 0))
	}
	bomb := make([]byte, 32<<20)
	for rule, c := range map[string]struct {
		plain []byte
		after string
	}{
		"path":            {framed(list(entry("../a", 2)), "[]"), ""},
		"absolute":        {framed(list(entry("/etc/a", 2)), "[]"), ""},
		"backslash":       {framed(list(entry(`a\b`, 2)), "[]"), ""},
		"hidden":          {framed(list(entry(".a", 2)), "[]"), ""},
		"twice":           {framed(list(entry("a", 2), entry("a", 2)), "[]", "[]"), ""},
		"order":           {framed(list(entry("b", 2), entry("a", 2)), "[]", "[]"), ""},
		"other-bytes":     {framed(list(entry("a", 2)), "{}"), ""},
		"short":           {framed(list(entry("a", 2)), "["), ""},
		"long":            {framed(list(entry("a", 2)), "[]]"), ""},
		"negative":        {framed(list(entry("a", -1)), "[]"), ""},
		"huge-entry":      {framed(list(entry("a", 1<<40)), "[]"), ""},
		"total":           {framed(list(entry("a", 64<<20), entry("b", 64<<20), entry("c", 64<<20), entry("d", 64<<20), entry("e", 1))), ""},
		"many":            {framed(list(many...)), ""},
		"unknown-field":   {framed(strings.Replace(list(), `"builtin"`, `"x":1,"builtin"`, 1)), ""},
		"spaces":          {framed(strings.Replace(list(), `,"made"`, ` ,"made"`, 1)), ""},
		"huge-list":       {binary.BigEndian.AppendUint32(nil, 1<<31), ""},
		"list-cut":        {binary.BigEndian.AppendUint32(nil, 100), ""},
		"nothing":         {nil, ""},
		"bomb":            {append(framed(list(entry("a", 2)), "[]"), bomb...), ""},
		"behind-the-body": {framed(list(entry("a", 2)), "[]"), "x"},
	} {
		t.Run(rule, func(t *testing.T) {
			if c, err := bundle.Read("x", seal(t, key(1), c.plain, c.after), trust(key(1))); code(err) != "bundle.contents" || c != nil {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWriteRefusesWhatReadWouldRefuse(t *testing.T) {
	for _, e := range [][]bundle.Entry{
		{{Kind: "a", Name: "../x"}}, {{Kind: "a", Name: "x"}, {Kind: "b", Name: "x"}}, {{Kind: "", Name: "x"}},
		{{Kind: "a", Name: "x", Body: make([]byte, 64<<20+1)}},
	} {
		if data, err := bundle.Write(bundle.Contents{Entries: e}, key(1)); code(err) != "bundle.contents" || data != nil {
			t.Errorf("%s: %v", e[0].Name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	k := bundle.KeyOf(key(1))
	if got, err := bundle.ParseKey(k.String()); err != nil || got != k {
		t.Errorf("%v %v", got, err)
	}
	for _, s := range []string{"", "ed25519:", k.String() + "=", k.String()[8:], "ED25519:" + k.String()[8:], bundle.Key{}.String(), k.String()[:len(k.String())-1], k.String() + "\n"} {
		if _, err := bundle.ParseKey(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	text, err := bundle.MarshalKey(key(1))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := bundle.UnmarshalKey(text); err != nil || !again.Equal(key(1)) {
		t.Errorf("%v", err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), append(text, 'x'), bytes.Replace(text, []byte("PRIVATE"), []byte("PUBLIC"), 2)} {
		if _, err := bundle.UnmarshalKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if list, err := bundle.ParseKeys([]byte("# head office\n\n" + k.String() + " Tokyo\r\n" + bundle.KeyOf(key(2)).String())); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := bundle.ParseKeys([]byte("ed25519:short\n")); err == nil {
		t.Error("a broken line is passed over")
	}
}

// FuzzRead: whatever the bytes, an error or contents that pack again to the very bytes.
func FuzzRead(f *testing.F) {
	data := pack(f, sample(), key(1))
	f.Add(data)
	f.Add(data[:100])
	f.Add([]byte("SEKISHO CATALOG BUNDLE 1\n"))
	f.Add(seal(f, key(1), framed(`{"builtin":"","made":"0001-01-01T00:00:00Z","entries":[]}`), ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, signer, err := bundle.Inspect("x", data)
		if (err == nil) != (c != nil) {
			t.Fatal("neither or both")
		}
		if c != nil && signer == bundle.KeyOf(key(1)) {
			if _, err := bundle.Write(*c, key(1)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzContents signs what the fuzzer makes, so that it comes past the signature.
func FuzzContents(f *testing.F) {
	f.Add(framed(`{"builtin":"","made":"0001-01-01T00:00:00Z","entries":[]}`))
	f.Add(framed(`{"builtin":"b","made":"2027-01-04T09:00:00Z","entries":[{"kind":"k","name":"a","version":"","read":"2027-01-04T09:00:00Z","size":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}`))
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, plain []byte) {
		c, _, err := bundle.Inspect("x", seal(t, key(1), plain, ""))
		if (err == nil) != (c != nil) {
			t.Fatal("neither or both")
		}
		if c == nil {
			return
		}
		data, err := bundle.Write(*c, key(1))
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if again, err := bundle.Read("x", data, trust(key(1))); err != nil || len(again.Entries) != len(c.Entries) {
			t.Fatalf("%v", err)
		}
	})
}

func TestRandomContents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		c := bundle.Contents{Builtin: "b"}
		for i := range r.IntN(8) {
			body := make([]byte, r.IntN(5000))
			for j := range body {
				body[j] = byte(r.IntN(256))
			}
			c.Entries = append(c.Entries, bundle.Entry{Kind: "k", Name: fmt.Sprintf("f%d", 9-i), Body: body})
		}
		data := pack(t, c, key(3))
		got, err := bundle.Read("x", data, trust(key(3)))
		if err != nil || len(got.Entries) != len(c.Entries) {
			t.Fatal(err)
		}
		for i, e := range got.Entries {
			if !bytes.Equal(e.Body, c.Entries[len(c.Entries)-1-i].Body) {
				t.Fatal("other bytes")
			}
		}
	}
}
