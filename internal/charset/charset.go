// Package charset tells in which encoding a text file was written that does not say so itself: what administrators export
// from Windows is UTF-8 with or without a byte order mark, UTF-16 with one, or Windows code page 932.
//
// It guesses nothing else: bytes that are none of these are refused.
package charset

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// UTF8 returns data as UTF-8 without a byte order mark. Data that is UTF-8 already is returned as it is, not copied. ok is
// false when data is in none of the encodings.
func UTF8(data []byte) (text []byte, ok bool) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
		return data, utf8.Valid(data)
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return fromUTF16(data[2:], data[0] == 0xff)
	case utf8.Valid(data):
		return data, true
	}
	// The decoder of the WHATWG's Shift_JIS is that of code page 932.
	out, err := japanese.ShiftJIS.NewDecoder().Bytes(data)
	return out, err == nil && !bytes.ContainsRune(out, utf8.RuneError)
}

func fromUTF16(data []byte, little bool) ([]byte, bool) {
	if len(data)%2 != 0 {
		return nil, false
	}
	out := make([]byte, 0, len(data)/2)
	unit := func(i int) rune {
		if little {
			return rune(data[i]) | rune(data[i+1])<<8
		}
		return rune(data[i])<<8 | rune(data[i+1])
	}
	for i := 0; i < len(data); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i+3 >= len(data) {
				return nil, false
			}
			i += 2
			if r = utf16.DecodeRune(r, unit(i)); r == utf8.RuneError {
				return nil, false
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}
