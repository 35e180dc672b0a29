package audit

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// appendRecord appends r as encoding/json would write it without escapes for HTML: by hand, because a frame is made for
// each record and the reflection of the package was two thirds of what a frame cost (BenchmarkFrame). The test holds it
// against encoding/json, field by field.
func appendRecord(dst []byte, r *Record) []byte {
	dst = appendText(dst, `{"node":`, r.Node)
	dst = appendText(dst, `,"boot":`, r.Boot)
	dst = strconv.AppendUint(append(dst, `,"sequence":`...), r.Seq, 10)
	if r.Open {
		dst = append(dst, `,"open":true`...)
	}
	dst = appendText(dst, `,"kind":`, r.Kind.String())
	dst = appendInt(dst, `,"time_us":`, r.TimeMicros)
	dst = appendText(dst, `,"request_id":`, r.RequestID)
	dst = appendText(dst, `,"connection_id":`, r.Connection)
	dst = appendText(dst, `,"client":`, r.Client)
	dst = appendText(dst, `,"user":`, r.User)
	for i, g := range r.Groups {
		before := `,`
		if i == 0 {
			before = `,"groups":[`
		}
		dst = appendText(dst, before, g)
	}
	if len(r.Groups) > 0 {
		dst = append(dst, ']')
	}
	dst = appendText(dst, `,"method":`, r.Method)
	dst = appendText(dst, `,"host":`, r.Host)
	dst = appendInt(dst, `,"port":`, int64(r.Port))
	dst = appendText(dst, `,"sni":`, r.SNI)
	dst = appendText(dst, `,"authority":`, r.Authority)
	dst = appendText(dst, `,"addr":`, r.Addr)
	dst = appendText(dst, `,"verdict":`, r.Verdict)
	dst = appendText(dst, `,"action":`, r.Action)
	dst = appendText(dst, `,"reason":`, r.Reason)
	dst = appendText(dst, `,"would":`, r.Would)
	dst = appendText(dst, `,"rule":`, r.Rule)
	dst = appendText(dst, `,"ring":`, r.Ring)
	dst = appendText(dst, `,"mode":`, r.Mode)
	dst = appendText(dst, `,"profile":`, r.Profile)
	dst = appendText(dst, `,"policy_hash":`, r.PolicyHash)
	dst = appendText(dst, `,"catalog_version":`, r.CatalogVersion)
	dst = appendInt(dst, `,"status":`, int64(r.Status))
	dst = appendInt(dst, `,"bytes_up":`, r.BytesUp)
	dst = appendInt(dst, `,"bytes_down":`, r.BytesDown)
	dst = appendInt(dst, `,"duration_us":`, r.DurationMicros)
	dst = appendText(dst, `,"error":`, r.Error)
	dst = appendText(dst, `,"endpoint":`, r.Endpoint)
	dst = appendText(dst, `,"tenant":`, r.Tenant)
	dst = appendText(dst, `,"application":`, r.Application)
	dst = appendText(dst, `,"aadsts":`, r.AADSTS)
	dst = appendText(dst, `,"correlation_id":`, r.CorrelationID)
	dst = appendText(dst, `,"outcome":`, r.Outcome)
	dst = appendText(dst, `,"user_agent":`, r.UserAgent)
	return append(dst, '}')
}

func appendInt(dst []byte, before string, n int64) []byte {
	return strconv.AppendInt(append(dst, before...), n, 10)
}

func appendText(dst []byte, before, text string) []byte {
	dst = append(append(dst, before...), '"')
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return appendEscaped(dst[:len(dst)-1], text)
		}
	}
	return append(append(dst, text...), '"')
}

// appendEscaped is appendText for what is not plain, which is rare: the package knows how that is written.
func appendEscaped(dst []byte, text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil { // a text always has a form
		return append(dst, `""`...)
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
