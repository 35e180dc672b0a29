package prove

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab"
)

// grant asks the token endpoint of a tenant; pairs are the names and values of the form.
func (s *scene) grant(ctx context.Context, tenant string, pairs ...string) (answer, error) {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return s.send(ctx, false, http.MethodPost, tokenURL(tenant), form.Encode())
}

// issued is what a token endpoint gives out.
type issued struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// grantsOfPeople drives the grants that stand for people: password, refresh token, on behalf of. Each is good in the
// permitted tenant, and none leads into a foreign one, not even what the permitted one has given out.
func grantsOfPeople(ctx context.Context, s *scene) error {
	mine := []string{"grant_type", "password", "client_id", lab.PublicApplication, "username", lab.Alice, "password", lab.AlicePassword,
		"scope", "openid offline_access api://" + lab.ServiceApplication + "/access_as_user"}
	a, err := s.grant(ctx, lab.ContosoDomain, mine...)
	if err != nil {
		return err
	}
	var got issued
	if err := expectToken(a); err != nil {
		return fmt.Errorf("password: %w", err)
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		return fmt.Errorf("password: %w", err)
	}
	for _, g := range []struct {
		name string
		form []string
	}{
		{"password", mine},
		{"refresh token", []string{"grant_type", "refresh_token", "client_id", lab.PublicApplication, "refresh_token", got.Refresh, "scope", "User.Read"}},
		{"on behalf of", []string{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "requested_token_use", "on_behalf_of",
			"client_id", lab.ServiceApplication, "client_secret", lab.ServiceSecret, "assertion", got.Access, "scope", "https://graph.microsoft.com/User.Read"}},
	} {
		// The foreign tenant first: what it refuses is not used up.
		a, err := s.grant(ctx, lab.FabrikamDomain, g.form...)
		if err == nil {
			err = expectBlocked(a)
		}
		if err != nil {
			return fmt.Errorf("%s in %s: %w", g.name, lab.FabrikamDomain, err)
		}
		a, err = s.grant(ctx, lab.ContosoDomain, g.form...)
		if err == nil {
			err = expectToken(a)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return nil
}

// keysChange changes the lab's signing key under the gateway: the next token is signed by a key that is published, beside
// the one before, where clients look for it through the gateway.
func keysChange(ctx context.Context, s *scene) error {
	signer := func() (string, error) {
		a, err := s.token(ctx, false, lab.ContosoDomain)
		if err != nil {
			return "", err
		}
		var got issued
		var head struct {
			Key string `json:"kid"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			return "", err
		}
		first, _, _ := strings.Cut(got.Access, ".")
		raw, err := base64.RawURLEncoding.DecodeString(first)
		if err == nil {
			err = json.Unmarshal(raw, &head)
		}
		return head.Key, err
	}
	before, err := signer()
	if err != nil {
		return err
	}
	if err := s.rotate(); err != nil {
		return err
	}
	after := before
	for waited := 0; after == before && waited < 50; waited++ { // a running lab follows within a second
		if after, err = signer(); err != nil {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
	if after == before {
		return fmt.Errorf("tokens are still signed by %q", before)
	}
	a, err := s.get(ctx, "https://"+signInHost+"/common/discovery/v2.0/keys")
	if err != nil {
		return err
	}
	var published struct {
		Keys []struct {
			Key string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(a.body), &published); err != nil {
		return a.unlike("keys")
	}
	var names []string
	for _, k := range published.Keys {
		names = append(names, k.Key)
	}
	if !slices.Contains(names, before) || !slices.Contains(names, after) {
		return fmt.Errorf("%q and %q sign, %q are published", before, after, names)
	}
	return nil
}
