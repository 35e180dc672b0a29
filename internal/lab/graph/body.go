package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Limits of a body; chosen, far above what any of the resources needs.
const (
	maxBody  = 64 << 10
	maxDepth = 16
	maxText  = 1024
)

// body is a JSON object that was sent, by property.
type body map[string]json.RawMessage

// read takes the body: one JSON object, each property once, none but those of known. Names are compared as written, which
// Graph does; annotations (@odata.type) do nothing.
func (x *exchange) read(known ...string) (body, *failure) {
	unreadable := &failure{status: http.StatusBadRequest, code: "BadRequest",
		text: "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."}
	// The clients of Microsoft Graph compress, and send again what it was when they are told so (RFC 9110, section 15.5.16).
	if c := x.r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return nil, &failure{status: http.StatusUnsupportedMediaType, code: codeBad, text: "The lab reads request bodies without Content-Encoding alone."}
	}
	if kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, bad("Write requests (excluding DELETE) must contain the Content-Type header declaration, and it must be application/json.")
	}
	data, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, &failure{status: http.StatusRequestEntityTooLarge, code: codeBad, text: "The request body is longer than 65536 bytes."}
	}
	if err != nil || !shallow(data) {
		return nil, unreadable
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, unreadable
	}
	out := body{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var v json.RawMessage
		if err != nil || !ok || d.Decode(&v) != nil {
			return nil, unreadable
		}
		if _, twice := out[name]; twice {
			return nil, bad("The property '%s' stands more than once.", clip(name, 80))
		}
		if strings.HasPrefix(name, "@odata.") && !slices.Contains(known, name) {
			continue
		}
		if !slices.Contains(known, name) {
			return nil, invalid(clip(name, 80), "Invalid property '%s', or one that the lab does not let be written.", clip(name, 80))
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, unreadable
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, unreadable
	}
	return out, nil
}

// shallow reports whether data is valid JSON that nests no deeper than maxDepth.
func shallow(data []byte) bool {
	depth, quoted, escaped := 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return json.Valid(data)
}

func (b body) has(name string) bool { _, ok := b[name]; return ok }

// value reads a property; ok is false when it is absent.
func value[T any](b body, name string) (v T, ok bool, f *failure) {
	raw, ok := b[name]
	if !ok {
		return v, false, nil
	}
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) || json.Unmarshal(raw, &v) != nil {
		return v, true, invalid(name, "Invalid value specified for property '%s'.", name)
	}
	return v, true, nil
}

// text reads a property that is a text without control characters, of at most maxText bytes; ok is false when it is absent.
func (b body) text(name string) (string, bool, *failure) {
	v, ok, f := value[string](b, name)
	if f == nil && (len(v) > maxText || !plain(v)) {
		f = invalid(name, "Invalid value specified for property '%s'.", name).because("not-text")
	}
	return v, ok, f
}

// needed reads a text that must be there and must not be empty.
func (b body) needed(name string) (string, *failure) {
	v, ok, f := b.text(name)
	if f == nil && (!ok || strings.TrimSpace(v) == "") {
		f = invalid(name, "A value is required for property '%s'.", name).because("missing")
	}
	return v, f
}

// list reads a property that is a list of texts.
func (b body) list(name string) ([]string, bool, *failure) {
	v, ok, f := value[[]string](b, name)
	if f == nil && slices.ContainsFunc(v, func(s string) bool { return len(s) > maxText || !plain(s) }) {
		f = invalid(name, "Invalid value specified for property '%s'.", name)
	}
	return v, ok, f
}

// within reads a property that is an object itself.
func (b body) within(name string, known ...string) (body, bool, *failure) {
	v, ok, f := value[map[string]json.RawMessage](b, name)
	if f != nil {
		return nil, ok, f
	}
	for key := range v {
		if !slices.Contains(known, key) && !strings.HasPrefix(key, "@odata.") {
			return nil, ok, invalid(name, "Invalid property '%s' in '%s', or one that the lab does not let be written.", clip(key, 80), name)
		}
	}
	return v, ok, nil
}
