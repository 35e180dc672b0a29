package hello

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// extension is one extension of a hello made by hand.
type extension struct {
	kind uint16
	data []byte
}

// build returns a ClientHello message with exts; nil leaves the block of extensions out.
func build(exts []extension) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(typeClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(0x0303)
		b.AddBytes(make([]byte, 32))
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, 32)) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(0x1a1a); b.AddUint16(0x1301) })
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
		if exts == nil {
			return
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, e := range exts {
				b.AddUint16(e.kind)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.data) })
			}
		})
	})
	return b.BytesOrPanic()
}

// names builds server_name data from pairs of type and name.
func names(pairs ...string) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for i := 0; i < len(pairs); i += 2 {
			b.AddUint8(pairs[i][0])
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(pairs[i+1])) })
		}
	})
	return b.BytesOrPanic()
}

func named(name string, more ...extension) []byte {
	return build(append([]extension{{extServerName, names("\x00", name)}}, more...))
}

// cases are hellos by rule: a code, or "" where it is accepted.
func cases() map[string]struct {
	code string
	raw  []byte
} {
	type c = struct {
		code string
		raw  []byte
	}
	rec := func(exts ...extension) []byte { return records(build(exts)) }
	good := named("login.live.com")
	set := func(b []byte, at int, v ...byte) []byte {
		b = slices.Clone(b)
		copy(b[at:], v)
		return b
	}
	const afterSession = recordHeader + messageHeader + 2 + 32 + 33
	return map[string]c{
		"no-extensions":                    {"", records(build(nil))},
		"empty-extensions":                 {"", records(build([]extension{}))},
		"grease-everywhere":                {"", rec(extension{0x0a0a, nil}, extension{extServerName, names("\x00", "a.example")}, extension{0xfafa, []byte{0}}, extension{extSupportedVersions, []byte{4, 0x2a, 0x2a, 3, 4}}, extension{extALPN, []byte{0, 6, 2, 0x3a, 0x3a, 2, 'h', '2'}})},
		"record-version-3.0":               {"", set(records(good), 2, 0)},
		"http":                             {CodeNotTLS, []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")},
		"ssh":                              {CodeNotTLS, []byte("SSH-2.0-OpenSSH_9.6\r\n")},
		"sslv2-hello":                      {CodeNotTLS, append([]byte{0x80, 0x2e, 0x01, 0x03, 0x01}, make([]byte, 64)...)},
		"alert-record":                     {CodeNotTLS, []byte{21, 3, 1, 0, 2, 1, 0}},
		"application-data":                 {CodeNotTLS, []byte{23, 3, 3, 0, 2, 1, 0}},
		"handshake-byte-alone-then-text":   {CodeNotTLS, []byte("\x16 hello")},
		"record-version-3.5":               {CodeMalformed, set(records(good), 2, 5)},
		"zero-length-record":               {CodeMalformed, append([]byte{22, 3, 1, 0, 0}, records(good)...)},
		"zero-length-record-inside":        {CodeMalformed, append(append(records(good[:20]), 22, 3, 1, 0, 0), records(good[20:])...)},
		"record-above-16-kib":              {CodeMalformed, []byte{22, 3, 1, 0x40, 1}},
		"other-record-inside":              {CodeMalformed, append(append(records(good[:20]), 20, 3, 3, 0, 1, 1), records(good[20:])...)},
		"server-hello":                     {CodeMalformed, set(records(good), recordHeader, 2)},
		"second-message-in-record":         {CodeMalformed, records(append(slices.Clone(good), good...))},
		"bytes-after-message":              {CodeMalformed, records(append(slices.Clone(good), 0))},
		"bytes-after-message-split-header": {CodeMalformed, records(good[:2], append(slices.Clone(good[2:]), 0))},
		"message-of-no-bytes":              {CodeMalformed, records([]byte{1, 0, 0, 0})},
		"legacy-version-2":                 {CodeMalformed, set(records(good), recordHeader+messageHeader, 2)},
		"session-id-of-33":                 {CodeMalformed, set(records(good), recordHeader+messageHeader+34, 33)},
		"no-cipher-suites":                 {CodeMalformed, set(records(good), afterSession, 0, 0)},
		"odd-cipher-suites":                {CodeMalformed, set(records(good), afterSession, 0, 3)},
		"no-compression":                   {CodeMalformed, set(records(good), afterSession+6, 0)},
		"extensions-shorter-than-message":  {CodeMalformed, set(records(good), afterSession+8, 0, 0)},
		"extension-twice":                  {CodeMalformed, rec(extension{23, nil}, extension{23, nil})},
		"server-name-twice":                {CodeMalformed, rec(extension{extServerName, names("\x00", "a.example")}, extension{extServerName, names("\x00", "b.example")})},
		"two-names":                        {CodeMalformed, rec(extension{extServerName, names("\x00", "a.example", "\x00", "b.example")})},
		"name-of-other-type":               {CodeMalformed, rec(extension{extServerName, names("\x01", "a.example")})},
		"other-type-before-host-name":      {CodeMalformed, rec(extension{extServerName, names("\x07", "x", "\x00", "a.example")})},
		"other-type-after-host-name":       {CodeMalformed, rec(extension{extServerName, names("\x00", "a.example", "\x07", "x")})},
		"empty-server-name-extension":      {CodeMalformed, rec(extension{extServerName, nil})},
		"empty-server-name-list":           {CodeMalformed, rec(extension{extServerName, names()})},
		"empty-host-name":                  {CodeMalformed, rec(extension{extServerName, names("\x00", "")})},
		"bytes-after-server-name":          {CodeMalformed, rec(extension{extServerName, append(names("\x00", "a.example"), 0)})},
		"server-name-longer-than-list":     {CodeMalformed, rec(extension{extServerName, []byte{0, 4, 0, 0, 9, 'a'}})},
		"alpn-empty-list":                  {CodeMalformed, rec(extension{extALPN, []byte{0, 0}})},
		"alpn-empty-name":                  {CodeMalformed, rec(extension{extALPN, []byte{0, 1, 0}})},
		"versions-empty":                   {CodeMalformed, rec(extension{extSupportedVersions, []byte{0}})},
		"versions-odd":                     {CodeMalformed, rec(extension{extSupportedVersions, []byte{3, 3, 4, 3}})},
		"early-data-with-content":          {CodeMalformed, rec(extension{extEarlyData, []byte{0}})},
		"psk-not-last":                     {CodeMalformed, rec(extension{extPreSharedKey, []byte{0}}, extension{23, nil})},
		"too-many-extensions":              {CodeMalformed, rec(manyExtensions(maxExtensions + 1)...)},
	}
}

// TestSessionIDOf33 has everything else in its place.
func TestSessionIDOf33(t *testing.T) {
	msg := named("a.example")
	const at = messageHeader + 2 + 32
	msg = slices.Concat(msg[:at], []byte{33, 0}, msg[at+1:])
	msg[3]++ // the message is shorter than 255 bytes
	if _, err := Parse(msg); !errors.Is(err, &Error{Code: CodeMalformed}) {
		t.Error(err)
	}
}

func manyExtensions(n int) (exts []extension) {
	for i := range n {
		exts = append(exts, extension{uint16(1000 + i), nil})
	}
	return exts
}

func TestReadByRule(t *testing.T) {
	for name, c := range cases() {
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(c.raw), "byte by byte": oneByte{bytes.NewReader(c.raw)}} {
			h, err := Read(r, Limits{})
			switch {
			case c.code == "" && err != nil:
				t.Errorf("%s, %s: %v", name, how, err)
			case c.code != "" && !errors.Is(err, &Error{Code: c.code}):
				t.Errorf("%s, %s: %v, want %s", name, how, err, c.code)
			case c.code == "" && !bytes.Equal(h.Raw, c.raw):
				t.Errorf("%s, %s: raw differs", name, how)
			}
			var e *Error
			if c.code != "" && errors.As(err, &e) && e.Err != nil {
				t.Errorf("%s, %s: refused only because the stream ended: %v", name, how, err)
			}
		}
	}
}

// What is no hello is refused by its first telling byte: a client that speaks something else may wait for an answer.
func TestReadRefusesWithoutWaiting(t *testing.T) {
	for name, first := range map[string]string{
		"http": "G", "sslv2": "\x80", "wrong major version": "\x16\x02", "empty record": "\x16\x03\x01\x00\x00",
		"other message": "\x16\x03\x01\x00\x20\x02", "message above the limit": "\x16\x03\x01\x40\x00\x01\x01\x00\x00",
		"record longer than its message": "\x16\x03\x01\x00\x20\x01\x00\x00\x05",
	} {
		_, err := Read(io.MultiReader(strings.NewReader(first), waiting{}), Limits{})
		var e *Error
		if !errors.As(err, &e) || e.Err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var errWaited = errors.New("the reader would have waited here")

type waiting struct{}

func (waiting) Read([]byte) (int, error) { return 0, errWaited }

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestNamesInNormalForm(t *testing.T) {
	for raw, want := range map[string]string{
		"login.live.com": "login.live.com", "LOGIN.Live.Com": "login.live.com", "login.live.com.": "login.live.com",
		"xn--r8jz45g.example": "xn--r8jz45g.example", "a_b.example": "a_b.example",
		"login.live.com..": "", "192.0.2.1": "", "[::1]": "", "::1": "", "a..b": "", "a b": "", "a\x00.example": "",
		"login.live.com\x00.evil.example": "", "a%2eexample": "", "例え.example": "", "a.example:443": "",
		"login\u3002live.com": "", "ⓛogin.live.com": "", ".": "", "*.example": "", "https://a.example": "",
	} {
		h, err := Parse(named(raw))
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if !h.HasSNI || h.RawSNI != raw || h.SNI.String() != want || (h.SNIError == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", raw, h.SNI, h.SNIError, want)
		}
	}
}

func TestFactsOfExtensions(t *testing.T) {
	h, err := Parse(named("a.example", extension{extECH, []byte{0}}, extension{extEarlyData, nil},
		extension{extSupportedVersions, []byte{6, 0x7a, 0x7a, 3, 4, 3, 3}}, extension{extPreSharedKey, []byte{0}}))
	if err != nil {
		t.Fatal(err)
	}
	if !h.ECH || !h.EarlyData || !h.Resumes || h.Version != 0x0304 || !slices.Equal(h.Versions, []uint16{0x0304, 0x0303}) {
		t.Errorf("%+v", h)
	}
	h, err = Parse(named("a.example", extension{extESNI, []byte{0}}, extension{extSessionTicket, nil}))
	if err != nil || !h.ECH || h.Resumes || h.EarlyData || h.Version != 0x0303 || h.Versions != nil {
		t.Errorf("%+v %v", h, err)
	}
	h, err = Parse(named("a.example", extension{extSessionTicket, []byte{1}}))
	if err != nil || !h.Resumes {
		t.Errorf("%+v %v", h, err)
	}
}
