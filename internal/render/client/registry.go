package client

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"

	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// registry is the file that "reg import" and Group Policy read: UTF-16 with a byte order mark and CRLF, as Windows itself
// exports it ("How to add, modify, or delete registry subkeys and values by using a .reg file",
// https://support.microsoft.com/kb/310516).
func registry(in render.Input, values []setting, which hive) []byte {
	w := &strings.Builder{}
	say := in.Printer()
	w.WriteString("Windows Registry Editor Version 5.00\n\n")
	head := append(render.Header(in, "client"), flow.Unverified()...)
	w.WriteString(render.Comment(";", append(head, say.Text("client.reg."+[...]string{"machine", "user"}[which], nil))...))
	root := [...]string{"HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER"}[which]
	key := ""
	for _, v := range values {
		if v.hive != which {
			continue
		}
		if v.key != key {
			key = v.key
			w.WriteString("\n[" + root + `\` + key + "]\n")
		}
		w.WriteString(render.Comment(";", say.Text("client.set."+v.about, nil), v.page.String()))
		w.WriteString(`"` + v.name + `"=` + v.value() + "\n")
	}
	return wide(strings.ReplaceAll(w.String(), "\n", "\r\n"))
}

// value is the value as the file has it.
func (v setting) value() string {
	switch v.kind {
	case text:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.text) + `"`
	case data:
		var words []string
		for _, b := range v.data {
			words = append(words, hex.EncodeToString([]byte{b}))
		}
		return "hex:" + strings.Join(words, ",")
	case absent:
		return "-"
	}
	return fmt.Sprintf("dword:%08x", v.number)
}

// wide is s in UTF-16, little end first, behind its byte order mark.
func wide(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}
