package bgp

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"sekisho/internal/finding"
)

const (
	// MaxBytes is the largest file that is read (chosen: a full Internet table in FRR's JSON has some 500 MB and is not
	// what a router receives over ExpressRoute; 64 MiB are a hundred times that).
	MaxBytes = 64 << 20
	// maxRoutes and maxPrefixes bound what one file holds (chosen: twenty times what Microsoft peering announces).
	maxRoutes   = 400_000
	maxPrefixes = 400_000
	// maxFindings bounds the mistakes that are told one by one (chosen: a file of another kind has one in every line).
	maxFindings = 20
	// clipBytes is how much of a foreign text a finding shows (chosen: a line of a terminal).
	clipBytes = 80
)

// Plain brings text into UTF-8 without a mark: Windows PowerShell's ">" writes UTF-16. ok is false for other bytes.
func Plain(data []byte) (text string, ok bool) {
	for mark, order := range map[string]binary.ByteOrder{"\xff\xfe": binary.LittleEndian, "\xfe\xff": binary.BigEndian} {
		if !bytes.HasPrefix(data, []byte(mark)) {
			continue
		}
		data = data[2:]
		if len(data)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = order.Uint16(data[2*i:])
		}
		return string(utf16.Decode(units)), true
	}
	text = strings.TrimPrefix(string(data), "\ufeff")
	return text, utf8.ValidString(text)
}

// place is where offset stands in text.
func place(file, text string, offset int) finding.Pos {
	offset = min(max(offset, 0), len(text))
	line := 1 + strings.Count(text[:offset], "\n")
	begin := strings.LastIndexByte(text[:offset], '\n') + 1
	return finding.Pos{File: file, Line: line, Column: 1 + utf8.RuneCountInString(text[begin:offset])}
}

// clip is s, or its beginning where it is long.
func clip(s string) string {
	if len(s) <= clipBytes {
		return s
	}
	end := clipBytes
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

// decode reads one JSON value and nothing behind it.
func decode(file, text string, into any) finding.List {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			return finding.List{finding.New("bgp.trailing", finding.Error, place(file, text, int(d.InputOffset())))}
		}
		return nil
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return finding.List{finding.New("bgp.truncated", finding.Error, place(file, text, len(text)))}
	case errors.As(err, &syntax):
		return finding.List{finding.New("bgp.syntax", finding.Error, place(file, text, int(syntax.Offset)-1), "said", clip(syntax.Error()))}
	}
	return finding.List{finding.New("bgp.syntax", finding.Error, finding.Pos{File: file}, "said", clip(err.Error()))}
}

// readable makes text of data, or says why it is none.
func readable(file string, data []byte) (string, finding.List) {
	fail := func(code string, args ...string) (string, finding.List) {
		return "", finding.List{finding.New(code, finding.Error, finding.Pos{File: file}, args...)}
	}
	if len(data) > MaxBytes {
		return fail("bgp.large", "max", strconv.Itoa(MaxBytes>>20))
	}
	text, ok := Plain(data)
	switch {
	case !ok:
		return fail("bgp.encoding")
	case strings.TrimSpace(text) == "":
		return fail("bgp.empty")
	}
	return text, nil
}

// parsePrefix reads a prefix; an address alone is the prefix of that address. Host bits are no reason to refuse a route:
// routers print what they were told.
func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	return netip.Prefix{}, false
}
