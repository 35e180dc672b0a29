package gateway

import (
	"bytes"
	"net/http"
	"strconv"

	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// Document is one of the checkpoint's own: a revocation list, the PAC file, the root certificate.
type Document struct {
	Type string // media type
	Body []byte
}

// own returns the document that a plain request asks for, when it is one of the checkpoint's own.
func (r *request) own(name endpoint.Authority, path string) (Document, bool) {
	if r.edition == nil || r.edition.Own == nil || r.method != http.MethodGet && r.method != http.MethodHead {
		return Document{}, false
	}
	return r.edition.Own(name, path)
}

// serveOwn answers with a document of the checkpoint's own. It asks for no credentials: clients that check a certificate
// send none, and fail where they cannot have the revocation list. Nothing is resolved or dialled for it.
func (c *conn) serveOwn(r *request, name endpoint.Authority, d Document) *fault {
	r.decision = policy.Decision{
		Verdict: policy.Permit, Action: policy.Forward, Reason: policy.ReasonOwnDocument, Host: name.Host, Port: name.Port,
		Rule: policy.Rule{Text: "the checkpoint itself"},
	}
	r.status = http.StatusOK
	h := &wire.ResponseHead{Minor: 1, Status: http.StatusOK, Reason: "OK", Fields: []wire.Field{
		{Name: "Content-Type", Value: d.Type}, {Name: "Cache-Control", Value: "no-cache"}, {Name: "X-Content-Type-Options", Value: "nosniff"},
	}}
	framing, body := wire.Framing{Kind: wire.Length, Length: int64(len(d.Body))}, d.Body
	if r.method == http.MethodHead {
		h.Fields = append(h.Fields, wire.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
		framing, body = wire.Framing{}, nil
	}
	n, err := c.side.answer(h, framing, bytes.NewReader(body), nil)
	r.down += n
	if err != nil {
		return clientFault(err)
	}
	return nil
}
