package odata

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// maxToken bounds a $skiptoken; chosen: it holds maxOrder sort keys of maxKey bytes, escaped, and fits a query.
const (
	maxToken  = 6 << 10
	sealBytes = 16
)

// mark is the place after which a page begins: the sort keys and the id of the last row of the page before. A row that
// was removed or added in between moves nothing.
type mark struct {
	values []any
	id     string
}

// sealed is what a token holds, beside its seal.
type sealed struct {
	Print  string            `json:"q"`
	Values []json.RawMessage `json:"k,omitempty"`
	ID     string            `json:"i"`
}

func expired() *Error {
	return &Error{Option: "$skiptoken", Text: "The specified page token value has expired and can no longer be included in your request.", Expired: true}
}

// fingerprint binds a token to the query that it continues; $top and $count may change.
func fingerprint(resource string, rest []option) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", resource)
	for _, name := range []string{"$filter", "$orderby"} {
		for _, o := range rest {
			if o.name == name {
				fmt.Fprintf(h, "%q%q", o.name, o.value)
			}
		}
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

func (s *Schema[T]) mac(payload []byte) []byte {
	h := hmac.New(sha256.New, s.Key)
	h.Write(payload)
	return h.Sum(nil)[:sealBytes]
}

func (q *Query[T]) seal(last T) string {
	content := sealed{Print: q.print, ID: q.schema.ID(last)}
	for _, k := range q.order {
		v := sortable(k.field.Value(last))
		if t, ok := v.(time.Time); ok {
			v = t.UTC()
		}
		data, err := json.Marshal(v)
		if err != nil { // no declared kind has such a value; null orders first, so that nothing is left out
			data = []byte("null")
		}
		content.Values = append(content.Values, data)
	}
	payload, err := json.Marshal(content)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(q.schema.mac(payload), payload...))
}

func (s *Schema[T]) open(token string, q *Query[T]) (*mark, error) {
	if len(token) > maxToken {
		return nil, expired()
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(data) < sealBytes || !hmac.Equal(data[:sealBytes], s.mac(data[sealBytes:])) {
		return nil, expired()
	}
	var content sealed
	if json.Unmarshal(data[sealBytes:], &content) != nil || content.Print != q.print || len(content.Values) != len(q.order) {
		return nil, expired()
	}
	m := &mark{id: content.ID}
	for i, raw := range content.Values {
		v, ok := decode(q.order[i].field.Kind, raw)
		if !ok {
			return nil, expired()
		}
		m.values = append(m.values, v)
	}
	return m, nil
}

func decode(k Kind, raw json.RawMessage) (any, bool) {
	if string(raw) == "null" {
		return nil, true
	}
	switch k {
	case String:
		return as[string](raw)
	case Bool:
		return as[bool](raw)
	case Int:
		return as[int](raw)
	case Time:
		return as[time.Time](raw)
	}
	return nil, false
}

func as[V any](raw json.RawMessage) (any, bool) {
	var v V
	err := json.Unmarshal(raw, &v)
	return v, err == nil
}
