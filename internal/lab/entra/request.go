package entra

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxParameters bounds the parameters of one request; chosen, the longest documented request has some thirty.
const maxParameters = 100

// parameters reads a query or a form body and holds it against what every endpoint asks of one.
func parameters(raw string) (url.Values, *failure) {
	if strings.Count(raw, "&") >= maxParameters {
		return nil, failMalformed("it has too many parameters")
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, failMalformed("its parameters cannot be read")
	}
	for name, values := range v {
		if len(values) > 1 { // RFC 6749, section 3.1 and 3.2
			return nil, failMalformed("the parameter '" + clip(name, 60) + "' stands more than once")
		}
		if !plain(name) || !plain(values[0]) {
			return nil, failMalformed("a parameter is not UTF-8 text")
		}
	}
	return v, nil
}

// plain reports whether s is UTF-8 without U+0000, which no parameter of the protocol holds (RFC 6749, appendix A).
func plain(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// form reads the body of a POST.
func (x *exchange) form() (url.Values, *failure) {
	if x.r.Method != http.MethodPost {
		return nil, failMethod("POST", x.r.Method)
	}
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, failMalformed("the body is not application/x-www-form-urlencoded")
	}
	data, f := x.body()
	if f != nil {
		return nil, f
	}
	v, f := parameters(string(data))
	if f != nil {
		return nil, f
	}
	if id := v.Get("client-request-id"); id != "" {
		x.correlation = x.clientRequestID(id)
	}
	return v, nil
}

// fromElsewhere reports whether a browser says that another site's page began this request: by Origin, which it sends
// with every POST, or by Sec-Fetch-Site. It is a second lock beside the form's own token.
func (x *exchange) fromElsewhere() bool {
	if origin := x.r.Header.Get("Origin"); origin != "" && !strings.EqualFold(origin, "https://"+hostOf(x.r)) {
		return true
	}
	switch x.r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return true
}
