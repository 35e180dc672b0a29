package entra

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// refreshKind is whose the documents are in the lab's state.
const refreshKind = "refresh"

// refreshToken is one link of a family; only the newest may be used. It is kept under the SHA-256 of its text, so that what
// lies on disk opens nothing.
type refreshToken struct {
	warrant
	Expires time.Time `json:"expires"`
	Used    bool      `json:"used,omitempty"`
}

func refreshName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// loadRefresh takes the refresh tokens of an earlier run.
func (s *Service) loadRefresh(ctx context.Context) error {
	if s.Memory == nil {
		return nil
	}
	now := s.Now()
	var over []string
	err := s.Memory.All(ctx, refreshKind, func(key string, value []byte) error {
		r := &refreshToken{}
		if err := json.Unmarshal(value, r); err != nil {
			return fmt.Errorf("read the kept refresh token %q: %w", key, err)
		}
		if !now.Before(r.Expires) {
			over = append(over, key)
			return nil
		}
		s.refresh.put(key, r, r.Expires)
		return nil
	})
	for _, key := range over {
		if err == nil {
			err = s.Memory.Delete(ctx, refreshKind, key)
		}
	}
	return err
}

// rememberRefresh writes r to the state. Where that fails, the token works until the lab ends: a full state must not stop
// a rehearsal.
func (s *Service) rememberRefresh(ctx context.Context, name string, r *refreshToken) {
	if s.Memory == nil {
		return
	}
	if data, err := json.Marshal(r); err == nil {
		s.Memory.Put(ctx, refreshKind, name, data)
	}
}

func (s *Service) forgetRefresh(name string) {
	if s.Memory != nil {
		s.Memory.Delete(context.Background(), refreshKind, name)
	}
}

// keepRefresh makes a refresh token for g.
func (x *exchange) keepRefresh(g grant) string {
	text := "1.lab." + token.Opaque(32)
	r := &refreshToken{warrant: g.warrant(), Expires: x.now.Add(refreshLife)}
	name := refreshName(text)
	x.s.rememberRefresh(x.r.Context(), name, r)
	for _, gone := range x.s.refresh.put(name, r, r.Expires) {
		x.s.forgetRefresh(gone)
	}
	return text
}

// endFamily revokes every refresh token of a family.
func (x *exchange) endFamily(family string) {
	for _, name := range x.s.refresh.dropIf(func(r *refreshToken) bool { return r.Family == family }) {
		x.s.forgetRefresh(name)
	}
}

// grantRefresh is RFC 6749, section 6, with rotation: each token works once, and a second use ends the family (RFC
// 9700, section 4.14.2). Microsoft does not promise rotation; the answer to a reused token is assumed.
func (x *exchange) grantRefresh(v url.Values, c client) {
	text := v.Get("refresh_token")
	if text == "" {
		x.failJSON(failMissing("refresh_token"))
		return
	}
	var r refreshToken
	var again bool
	name := refreshName(text)
	found := x.s.refresh.with(name, x.now, func(kept *refreshToken) {
		r, again = *kept, kept.Used
		if kept.Application == c.app.ID && x.refreshTenant(kept.Tenant) {
			kept.Used = true
		}
	})
	switch {
	case !found:
		x.failJSON(fail(70000, "invalid_grant", 400, "The provided refresh token is not valid."))
		return
	case r.Application != c.app.ID:
		x.failJSON(fail(70000, "invalid_grant", 400, "The provided refresh token was issued to another client."))
		return
	case again:
		x.assume(directory.AssumedReuse)
		x.endFamily(r.Family)
		x.failJSON(failRevoked())
		return
	}
	g, f := x.grant(r.warrant, c.app)
	if f != nil {
		x.failJSON(f)
		return
	}
	g.proof = c.proof
	if t, shared, f := x.tenant(); f == nil && !shared && t.ID != g.tenant.ID {
		// A refresh token of one tenant asks for a token in another one where the person has an account.
		account, ok := t.Account(g.person)
		if !ok {
			x.failJSON(failNotGuest(issuerV1(g.person.Tenant), t.Name, c.app))
			return
		}
		if f := standing(account); f != nil {
			x.failJSON(f)
			return
		}
		g.tenant, g.account = t, account
	} else {
		r.Used = true
		x.s.rememberRefresh(x.r.Context(), name, &r)
	}
	x.renew(g, v)
}

// refreshTenant reports whether the request stays in the token's own tenant, which is when rotation applies.
func (x *exchange) refreshTenant(id string) bool {
	to, shared, f := x.tenant()
	return f == nil && (shared || to.ID == id)
}
