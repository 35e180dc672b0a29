package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"sekisho/internal/finding"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/odata"
)

// failure is an error answer (Microsoft, "Microsoft Graph error responses and resource types").
type failure struct {
	status int
	code   string
	text   string // a whole English sentence; clients must not depend on it
	// detail names what the error is about: a short code, and a property.
	detail, target string
	// why is a code of the lab for the cause, by which people are told in their language; "": there is none.
	why string
}

// because gives f the lab's code for its cause.
func (f *failure) because(why string) *failure {
	f.why = why
	return f
}

// CauseField is the header field of a refusal in which the lab says why, by a code: graph-refusal.<code> in package message is the
// text for people. Graph itself has no such field.
const CauseField = "X-Sekisho-Lab-Refusal"

// The codes that are used in more than one place. They are those of Graph's directory.
const (
	codeBad         = "Request_BadRequest"
	codeUnsupported = "Request_UnsupportedQuery"
	codeMissing     = "Request_ResourceNotFound"
	codeDenied      = "Authorization_RequestDenied"
	codeExpired     = "Directory_ExpiredPageToken"
)

func bad(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: codeBad, text: fmt.Sprintf(format, args...)}
}

// invalid is Graph's refusal of one property.
func invalid(property, format string, args ...any) *failure {
	f := bad(format, args...)
	f.detail, f.target = "InvalidValue", property
	return f
}

func unknownSegment(segment string) *failure {
	return &failure{status: http.StatusBadRequest, code: "BadRequest", text: "Resource not found for the segment '" + clip(segment, 80) + "'."}
}

func missing(id string) *failure {
	return &failure{status: http.StatusNotFound, code: codeMissing,
		text: "Resource '" + clip(id, 120) + "' does not exist or one of its queried reference-property objects are not present.", why: "not-found"}
}

func denied() *failure {
	return &failure{status: http.StatusForbidden, code: codeDenied, text: "Insufficient privileges to complete the operation.", why: "denied"}
}

// notAllowed is RFC 9110's 405, which names what is allowed.
func (x *exchange) notAllowed(methods string) *failure {
	x.w.Header().Set("Allow", methods)
	return &failure{status: http.StatusMethodNotAllowed, code: codeBad, text: "Specified HTTP method is not allowed for the request target."}
}

// refused is a refusal whose status no source establishes; the switch graph-refusal-status has it.
func (x *exchange) refused(format string, args ...any) *failure {
	x.assume(directory.AssumedGraphRefusal)
	f := bad(format, args...)
	f.status = x.dir.Assumptions.GraphRefusalStatus
	return f
}

// changed carries out f on the directory. What the check of the whole finds wrong is a bad request.
func (x *exchange) changed(f func(*directory.Draft) error) *failure {
	err := x.s.Directory.Change(x.r.Context(), f)
	var own *failed
	var problem *finding.Problem
	switch {
	case err == nil:
		x.dir = x.s.Directory.Current()
		if t, ok := x.dir.Tenant(x.by.tenant.ID); ok {
			x.by.tenant = t
		}
		return nil
	case errors.As(err, &own):
		return own.failure
	case errors.Is(err, directory.ErrNotFound):
		return &failure{status: http.StatusNotFound, code: codeMissing, text: sentence(err.Error()), why: "not-found"}
	case errors.Is(err, directory.ErrExists):
		return x.refused("%s", sentence(err.Error())).because("exists")
	case errors.Is(err, directory.ErrRefused):
		return x.refused("%s", sentence(err.Error()))
	case errors.As(err, &problem):
		return x.problem(problem)
	case x.r.Context().Err() != nil:
		return bad("The request was given up.")
	}
	return &failure{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", text: "The lab cannot keep its directory: " + clip(err.Error(), 200) + "."}
}

// problem words what the check of the directory found.
func (x *exchange) problem(p *finding.Problem) *failure {
	one := p.Findings[0]
	args := map[string]string{}
	for k, v := range one.Args {
		args[k] = v
	}
	value := clip(args["value"], 120)
	switch strings.TrimPrefix(one.Code, "lab.file-") {
	case "taken":
		return invalid("", "Another object with the same value '%s' already exists.", value).because("exists")
	case "wrong-suffix":
		return invalid("userPrincipalName", "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.").because("wrong-suffix")
	case "not-upn":
		return invalid("userPrincipalName", "Invalid value '%s' specified for property 'userPrincipalName' of resource 'User'.", value).because("not-upn")
	case "too-long":
		return bad("A property is longer than %s characters.", args["limit"]).because("too-long")
	case "too-many":
		return &failure{status: http.StatusBadRequest, code: "Directory_QuotaExceeded", text: "The lab's directory holds at most " + args["limit"] + " objects.", why: "too-many"}
	case "not-domain":
		return invalid("id", "Invalid value '%s' specified for property 'id' of resource 'Domain'.", value).because("not-domain")
	case "unknown-member", "nobody", "unknown-tenant":
		return bad("The object '%s' does not exist.", value)
	case "group-cycle", "group-depth":
		return bad("A group must not lie within itself, and at most 8 lie within each other.")
	case "missing":
		return bad("A value is required for property '%s'.", property(args["path"])).because("missing")
	}
	return bad("The directory cannot be so: %s.", clip(one.Code, 80))
}

// property is the last word of a path in the directory.
func property(path string) string {
	return path[strings.LastIndexByte(path, '.')+1:]
}

// failed carries a failure out of a change.
type failed struct{ *failure }

func (f *failed) Error() string { return f.text }

// err is f as the error of a change.
func (f *failure) err() error { return &failed{f} }

// sentence is an error's text as a sentence.
func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// ofQuery is the refusal of a query.
func ofQuery(err error) *failure {
	var e *odata.Error
	if !errors.As(err, &e) {
		return bad("The query cannot be read.")
	}
	f := &failure{status: http.StatusBadRequest, code: codeBad, text: e.Text, target: e.Option}
	switch {
	case e.Expired:
		f.code = codeExpired
	case e.Unsupported:
		f.code = codeUnsupported
	}
	return f
}

// fail answers f.
func (x *exchange) fail(f *failure) {
	if f.why != "" {
		x.w.Header().Set(CauseField, f.why)
	}
	inner := map[string]string{
		"date": x.s.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": x.id, "client-request-id": x.w.Header().Get("client-request-id"),
	}
	e := map[string]any{"code": f.code, "message": f.text, "innerError": inner}
	if f.target != "" || f.detail != "" {
		e["details"] = []map[string]string{{"code": f.detail, "message": f.text, "target": f.target}}
	}
	x.answer(f.status, map[string]any{"error": e})
}

// answer writes v as JSON.
func (x *exchange) answer(status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // links stay readable; nobody takes the answer for a page (nosniff)
	err := e.Encode(v)
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if err != nil { // nothing that is answered can fail: texts, numbers, truths, times
		status, data = http.StatusServiceUnavailable, []byte(`{"error":{"code":"serviceNotAvailable","message":"The answer could not be encoded."}}`)
	}
	x.w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	x.w.WriteHeader(status)
	x.w.Write(data)
}

// entity answers one resource.
func (x *exchange) entity(status int, context string, properties map[string]any) *failure {
	out := map[string]any{"@odata.context": x.base() + "/$metadata#" + context}
	for name, v := range properties {
		out[name] = v
	}
	x.answer(status, out)
	return nil
}

// done answers 204.
func (x *exchange) done() *failure {
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

// base is the address of the version that was asked.
func (x *exchange) base() string { return Audience + "/" + x.version }

// clip keeps what is echoed short and printable.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// plain reports whether s is UTF-8 text without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if dash != (s[i] == '-') || !dash && !hex {
			return false
		}
	}
	return true
}
