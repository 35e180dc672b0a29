package audit

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata from what the code gives")

// filled is a record with every field set.
func filled() Record {
	var r Record
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("value of " + v.Type().Field(i).Name + " <&> \"日本\"")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"it", "営業"}))
		case reflect.Uint8:
			f.SetUint(uint64(SignIn))
		case reflect.Uint16, reflect.Uint64:
			f.SetUint(uint64(i) + 1000)
		default:
			f.SetInt(int64(i) + 1000)
		}
	}
	return r
}

// The bytes on disk are a promise to the next version: a spool that an older one left must be readable.
func TestFrameFormIsStable(t *testing.T) {
	want := filled()
	file := filepath.Join("testdata", "frame-v1.bin")
	if *update {
		b, err := appendFrame(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	payload, n, err := nextFrame(data)
	if err != nil || n != len(data) {
		t.Fatalf("frame of %d bytes, %d read: %v", len(data), n, err)
	}
	got, err := decodeRecord(payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordIsBoundedAndClean(t *testing.T) {
	r := filled()
	r.Host = strings.Repeat("あ", 1000)
	r.UserAgent = "a\x00b\x1b[31mc\xffd\u0085e\x7f"
	r.SNI = strings.Repeat("\xff", 5000)
	r.Rule = "日本語 is left alone"
	for range 100 {
		r.Groups = append(r.Groups, strings.Repeat("\x01", 1000))
	}
	groups := len(r.Groups)
	r.clean()
	if len(r.Host) > maxText || !utf8.ValidString(r.Host) || len(r.Host) < maxText-3 {
		t.Errorf("host has %d bytes", len(r.Host))
	}
	if want := "a\ufffdb\ufffd[31mc\ufffdd\ufffde\ufffd"; r.UserAgent != want {
		t.Errorf("agent %q, want %q", r.UserAgent, want)
	}
	if len(r.SNI) > maxText || !utf8.ValidString(r.SNI) {
		t.Errorf("SNI %q", r.SNI)
	}
	if r.Rule != "日本語 is left alone" {
		t.Errorf("rule %q", r.Rule)
	}
	if len(r.Groups) != maxGroups || groups != 102 {
		t.Errorf("%d groups", len(r.Groups))
	}
}

// Every text field is cleaned, also one that is added later.
func TestNoTextEscapesCleaning(t *testing.T) {
	r := filled()
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString("a\nb" + strings.Repeat("x", maxText))
		}
	}
	r.clean()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name == "Node" || name == "Boot" {
			continue // the spool's own
		}
		if f := v.Field(i); f.Kind() == reflect.String && (strings.Contains(f.String(), "\n") || len(f.String()) > maxText) {
			t.Errorf("%s is not cleaned", name)
		}
	}
}

// The worst record has a frame: nothing that is recorded can block the spool.
func TestLargestRecordFitsAFrame(t *testing.T) {
	r := filled()
	v := reflect.ValueOf(&r).Elem()
	for _, worst := range []string{"\\", "\"", "\u2028", "\x00", "\xff", "あ"} {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.String {
				f.SetString(strings.Repeat(worst, maxText))
			}
		}
		r.Groups = nil
		for range maxGroups {
			r.Groups = append(r.Groups, strings.Repeat(worst, maxText))
		}
		r.clean()
		r.Node, r.Boot = cleanText(r.Node, maxText), cleanText(r.Boot, maxText)
		b, err := appendFrame(nil, &r)
		if err != nil {
			t.Fatalf("%q: %v", worst, err)
		}
		payload, _, err := nextFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeRecord(payload); err != nil || cmp.Diff(r, got) != "" {
			t.Errorf("%q: %v %s", worst, err, cmp.Diff(r, got))
		}
	}
}

func TestUnknownVersionIsDamageNotAGuess(t *testing.T) {
	r := filled()
	b, _ := appendFrame(nil, &r)
	b[3] = 2
	n := 0
	if _, damaged := eachFrame(b, true, func([]byte, int) bool { n++; return true }); n != 0 || damaged != 1 {
		t.Errorf("%d read, %d damaged", n, damaged)
	}
}

func TestCursorRoundTrip(t *testing.T) {
	for _, c := range []Cursor{{}, {1, "gw1", "abc", 7}, {-5, "a/b/c", "", 0}, {1, "", "b", 1 << 63}} {
		got, err := ParseCursor(c.String())
		if err != nil || got != c {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
	for _, s := range []string{"x", "!!!!", "MS8y", "MS8yLzMvNA=="} {
		if _, err := ParseCursor(s); err == nil {
			t.Errorf("%q: taken", s)
		}
	}
}

func TestKindCodes(t *testing.T) {
	for _, k := range []Kind{0, Decision, SignIn} {
		var got Kind
		text, _ := k.MarshalText()
		if err := got.UnmarshalText(text); err != nil || got != k {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	var k Kind
	if err := k.UnmarshalText([]byte("other")); err == nil {
		t.Error("an unknown kind was read")
	}
}

// FuzzDecodeFrame reads any bytes as a segment: no panic, no frame that does not print back to its own bytes' content,
// everything is accounted for, and reading in two parts gives the same as reading at once.
func FuzzDecodeFrame(f *testing.F) {
	r := filled()
	one, _ := appendFrame(nil, &r)
	small := Record{Kind: Decision, Host: "a"}
	two, _ := appendFrame(bytes.Clone(one), &small)
	f.Add(one, 3)
	f.Add(two, len(one)+5)
	f.Add(two[:len(two)-4], 100)
	f.Add(append([]byte("garbage SKF"), two...), 9)
	f.Add(append(bytes.Clone(one[:40]), two...), 20)
	f.Add(make([]byte, 64), 10)
	f.Add([]byte("SKF\x01\xff\xff\xff\xff\x00\x00\x00\x00"), 2)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		var whole [][]byte
		end := 0
		used, damaged := eachFrame(data, true, func(p []byte, e int) bool {
			if e <= end || e > len(data) {
				t.Fatalf("frame ends at %d after %d of %d", e, end, len(data))
			}
			end = e
			whole = append(whole, p)
			if rec, err := decodeRecord(p); err == nil {
				back, err := appendFrame(nil, &rec)
				if err != nil {
					return true // larger than a frame once its texts are escaped
				}
				again, _, err := nextFrame(back)
				if err != nil {
					t.Fatalf("a frame that was written cannot be read: %v", err)
				}
				if rec2, err := decodeRecord(again); err != nil || !cmp.Equal(rec, rec2) {
					t.Fatalf("changed by writing: %v", err)
				}
			}
			return true
		})
		if used != len(data) {
			t.Fatalf("%d of %d bytes accounted for", used, len(data))
		}
		if damaged == 0 && end != len(data) {
			t.Fatalf("%d bytes vanished uncounted", len(data)-end)
		}
		if at < 0 || at > len(data) {
			return
		}
		// A reader that sees the beginning first must stop before a frame that goes on.
		var parts [][]byte
		part := func(p []byte, _ int) bool { parts = append(parts, p); return true }
		first, _ := eachFrame(data[:at], false, part)
		eachFrame(data[first:], true, part)
		if len(parts) < len(whole) {
			t.Fatalf("%d frames in two parts, %d at once", len(parts), len(whole))
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	r := Record{Node: "gw1", Boot: "0011223344556677", Seq: 1, Kind: Decision, TimeMicros: time.Now().UnixMicro(),
		RequestID: "7f3a7f3a7f3a", Client: "10.1.2.3", User: "alice", Method: "CONNECT", Host: "login.microsoftonline.com",
		Port: 443, Verdict: "permit", Action: "intercept", Reason: "sign-in", Rule: "built-in", Ring: "everyone",
		PolicyHash: "0011223344556677", CatalogVersion: "2026-11-01"}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = appendFrame(buf[:0], &r)
		}
		b.ReportMetric(float64(len(buf)), "bytes/record")
	})
	frame, _ := appendFrame(nil, &r)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p, _, err := nextFrame(frame)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := decodeRecord(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("record", func(b *testing.B) {
		s := openSpool(b, SpoolOptions{Store: &memory{}, Queue: 1 << 20})
		b.ReportAllocs()
		for b.Loop() {
			s.Record(r)
		}
	})
}

// plainly holds what is read by hand against what encoding/json reads.
func plainly(t *testing.T, payload []byte) (read bool) {
	t.Helper()
	got, ok := decodePlain(string(payload))
	if !ok {
		return false
	}
	var want Record
	if err := json.Unmarshal(payload, &want); err != nil {
		t.Errorf("read by hand, although %v: %s", err, payload)
	} else if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", payload, diff)
	}
	return true
}

// What is usual is read by hand; every change of it by one byte is, too, or left to encoding/json.
func TestWhatIsReadByHand(t *testing.T) {
	r := Record{Node: "gw1", Boot: "b", Seq: 7, Open: true, Kind: SignIn, TimeMicros: -5, Groups: []string{"a", "b"}, Host: "x.example",
		Port: 65535, Status: 200, BytesUp: 1 << 60, Tenant: "contoso.example"}
	payload := appendRecord(nil, &r)
	if !plainly(t, payload) {
		t.Fatalf("not read by hand: %s", payload)
	}
	for i := range payload {
		for _, c := range []byte("\"\\,:{}[]0-1e.+ \x00\x7f\xffa") {
			changed := bytes.Clone(payload)
			changed[i] = c
			plainly(t, changed)
		}
		plainly(t, payload[:i])
		plainly(t, append(bytes.Clone(payload[:i]), payload[i+1:]...))
	}
	for _, c := range []string{`"port":65536`, `"port":-1`, `"port":65535.0`, `"port":1e3`} {
		plainly(t, bytes.Replace(payload, []byte(`"port":65535`), []byte(c), 1))
	}
	plainly(t, bytes.Replace(payload, []byte(`"sequence":7`), []byte(`"sequence":18446744073709551615`), 1))
}

// A frame is written by hand and read by encoding/json: what it writes is what that package would write, for every field.
func TestFrameIsWhatTheJSONPackageWrites(t *testing.T) {
	texts := []string{"", "plain", `"quoted\`, "<&>", "tab\tfeed\n\x00\x1f\x7f", "日本語", "\u2028\u2029", "\xff\xc3", "é"}
	check := func(t *testing.T, r *Record) {
		t.Helper()
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
		if got := appendRecord(nil, r); string(got)+"\n" != want.String() {
			t.Errorf("got  %s\nwant %s", got, &want)
		}
		plainly(t, bytes.TrimSpace(want.Bytes()))
	}
	check(t, &Record{})
	kind := reflect.TypeFor[Record]()
	for i := range kind.NumField() {
		for n, text := range texts {
			var r Record
			switch f := reflect.ValueOf(&r).Elem().Field(i); f.Kind() {
			case reflect.String:
				f.SetString(text)
			case reflect.Bool:
				f.SetBool(n%2 == 0)
			case reflect.Uint8:
				f.SetUint(uint64(n % 3))
			case reflect.Uint16, reflect.Uint64:
				f.SetUint(uint64(n) * 7001)
			case reflect.Int, reflect.Int64:
				f.SetInt(int64(n-2) * 7001)
			case reflect.Slice:
				f.Set(reflect.ValueOf(texts[:n]))
			default:
				t.Fatalf("%s: no value for a %s", kind.Field(i).Name, f.Kind())
			}
			check(t, &r)
		}
	}
}
