package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/policy"
)

const (
	// lateWait is how long the record of a sign-in in a ring that reports waits for the directories that it turns on; the
	// request itself waits for nothing (chosen: several tries of a name and one answer).
	lateWait = 5 * time.Second
	// mostLate bounds the records that wait (chosen). Beyond it a record says at once that it is not known.
	mostLate = 64
	// payloadBytes bounds the part of a token that is looked at (chosen: tokens with hundreds of groups carry a link
	// instead, "Group overage claim").
	payloadBytes = 32 << 10
)

// reporting reports whether r is a sign-in in a ring that only reports.
func (r *request) reporting() bool { return r.signIn != nil && r.decision.Mode == policy.Report }

// wantTenants has the directories asked for that the record will turn on, while the request goes its way.
func (r *request) wantTenants() {
	if !r.reporting() {
		return
	}
	r.signIn.reports = true
	if r.edition.Tenants != nil {
		r.edition.Tenants.Want(r.edition.Program.WouldNeed(r.decision, r.signIn.tenant)...)
	}
}

// judgeWould asks what enforcing would restrict, in a ring that only reports.
func (r *request) judgeWould() {
	if r.reporting() && r.decision.Verdict == policy.Permit {
		r.decision.Would = would(r.edition, r.decision, r.signIn.judged())
	}
}

func would(e *Edition, d policy.Decision, tenant string) policy.Reason {
	if e.Tenants == nil {
		return e.Program.Would(d, tenant, nil)
	}
	return e.Program.Would(d, tenant, e.Tenants)
}

// recordSignIn records a sign-in. In a ring that reports, the record waits for the answer to what it turns on, and nobody
// else does.
func (r *request) recordSignIn(took time.Duration) {
	g, e := r.c.g, r.edition
	if r.decision.Would == policy.WouldUnknown && e.Tenants != nil {
		tenant := r.signIn.judged()
		if names := e.Program.WouldNeed(r.decision, tenant); len(names) > 0 {
			select {
			case g.late <- struct{}{}:
				g.recordLate(r.record(audit.SignIn, took), e, r.decision, tenant, names)
				return
			default:
			}
		}
	}
	g.rec.Record(r.record(audit.SignIn, took))
}

// recordLate records a when what names are is known. It is not part of recordSignIn, where what a goroutine holds would
// be allocated for every sign-in.
func (g *Gateway) recordLate(a audit.Record, e *Edition, d policy.Decision, tenant string, names []string) {
	g.work.Go(func() {
		defer func() { <-g.late }()
		ctx, cancel := context.WithTimeout(context.Background(), lateWait)
		defer cancel()
		e.Tenants.Await(ctx, names...)
		a.Would = string(would(e, d, tenant))
		g.rec.Record(a)
	})
}

// judged is the tenant that a sign-in is judged by: the one that issued a token, where the answer shows it, else the one
// that was asked for.
func (s *signIn) judged() string {
	if s.issued != "" {
		return s.issued
	}
	return s.tenant
}

// tidIn returns the directory id (claim tid) of the first token in text that has one: an id_token, else an access_token,
// as JSON carries it, or a form, or a URL. Nothing else of the token is kept, and its signature is not looked at: this is
// for a report. "ID token claims reference" (Microsoft identity platform).
func tidIn(text []byte) string {
	for _, name := range []string{"id_token", "access_token"} {
		for rest := text; ; {
			_, after, found := bytes.Cut(rest, []byte(name))
			if !found {
				break
			}
			rest = after
			// Between the name and the token stand quotes, a colon, an equals sign, or the attributes of a form's field.
			at := bytes.Index(after[:min(len(after), 40)], []byte("eyJ")) // "{\"" in base64url: a JWT begins so
			if at < 0 {
				continue
			}
			_, after, found = bytes.Cut(after[at:], []byte("."))
			if !found {
				continue
			}
			payload, _, found := bytes.Cut(after[:min(len(after), payloadBytes)], []byte("."))
			if !found {
				continue
			}
			var claims struct {
				TID string `json:"tid"`
			}
			plain := make([]byte, base64.RawURLEncoding.DecodedLen(len(payload)))
			if n, err := base64.RawURLEncoding.Decode(plain, payload); err != nil || json.Unmarshal(plain[:n], &claims) != nil {
				continue
			}
			if id := guid(claims.TID); id != "" {
				return id
			}
		}
	}
	return ""
}
