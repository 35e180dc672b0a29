package charset_test

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"

	"sekisho/internal/charset"
)

const sample = "ユーザー名,部署\r\n関所 太郎,情報システム部 𠮷①\n"

func in16(order binary.AppendByteOrder, mark string, text string) []byte {
	out := []byte(mark)
	for _, u := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

func TestEachEncodingIsRead(t *testing.T) {
	plain := "ユーザー名,部署\r\n関所 太郎,情報システム部 ①\n" // code page 932 has no 𠮷
	cp932, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"utf-8":           {[]byte(sample), sample},
		"utf-8 with mark": {[]byte("\ufeff" + sample), sample},
		"utf-16le":        {in16(binary.LittleEndian, "\xff\xfe", sample), sample},
		"utf-16be":        {in16(binary.BigEndian, "\xfe\xff", sample), sample},
		"cp932":           {cp932, plain},
		"nothing":         {nil, ""},
	} {
		got, ok := charset.UTF8(c.data)
		if !ok || string(got) != c.want {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}

func TestWhatIsNoneOfThemIsRefused(t *testing.T) {
	for name, data := range map[string]string{
		"cut off in utf-16":         "\xff\xfea",
		"half a pair":               "\xff\xfe\x00\xd8",
		"a pair that is none":       "\xff\xfe\x00\xd8a\x00",
		"broken utf-8 behind a bom": "\xef\xbb\xbf\xff",
		"neither":                   "\x81",
		"euc-jp of its own":         "\xa1\xa1\xff\xff",
	} {
		if got, ok := charset.UTF8([]byte(data)); ok {
			t.Errorf("%s: read as %q", name, got)
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, seed := range [][]byte{[]byte(sample), []byte("\ufeffa"), in16(binary.LittleEndian, "\xff\xfe", sample), []byte("\x83\x86"), []byte("\xff\xfe\x00\xd8")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := charset.UTF8(data)
		if ok && !utf8.Valid(got) {
			t.Errorf("%q became %q, which is not UTF-8", data, got)
		}
		if ok {
			if again, still := charset.UTF8(got); (!still || string(again) != string(got)) && !(len(got) >= 3 && string(got[:3]) == "\ufeff") {
				t.Errorf("%q is read as %q", got, again)
			}
		}
	})
}
