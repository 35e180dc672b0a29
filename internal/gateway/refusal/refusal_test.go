package refusal

import (
	"encoding/json"
	"strings"
	"testing"

	"sekisho/internal/message"
	"sekisho/internal/policy"
)

// reasons are those that this package adds.
func reasons() []policy.Reason {
	return []policy.Reason{BadRequest, HeadTooLarge, RequestTimeout, NotForProxy, CredentialsNeeded, Loop, MethodRefused,
		UpgradeRefused, EditionChanged, NameNotFound, UpstreamUnreachable, UpstreamTimeout, UpstreamHandshake,
		UpstreamCertificate, UpstreamBroken, UpstreamSwitch, AuditFull, HeadersNotSet, LeafNotMade, ClientHandshake, Busy}
}

func TestEveryReasonHasTextAndAStatus(t *testing.T) {
	for _, r := range append(reasons(), policy.ReasonInternal, policy.ReasonNotAllowed, policy.ReasonAuthority, policy.ReasonBadHost) {
		for _, lang := range message.Languages() {
			if p := message.New(lang); !p.Has("reason."+string(r)) || !p.Has("reason."+string(r)+".hint") {
				t.Errorf("%s has no text in %s", r, lang)
			}
		}
		if s := Status(r); s < 400 || s > 504 {
			t.Errorf("%s: status %d", r, s)
		}
	}
	for reason, want := range map[policy.Reason]int{"": 500, policy.ReasonNotAllowed: 403, policy.ReasonAuthority: 421, UpstreamTimeout: 504, AuditFull: 403, CredentialsNeeded: 407} {
		if got := Status(reason); got != want {
			t.Errorf("%q: %d, want %d", reason, got, want)
		}
	}
}

func TestThePageEscapesAndCutsWhatTheClientSent(t *testing.T) {
	r := New().Make(Refusal{Reason: policy.ReasonNotAllowed, Host: "<script>alert(1)</script>\xff" + strings.Repeat("a", 1000), RequestID: "7f3a", Contact: `"><b>`}, Reader{Language: "ja"})
	page := string(r.Body)
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>") || strings.Contains(page, strings.Repeat("a", 300)) {
		t.Errorf("%s", page)
	}
	if !strings.HasPrefix(page, "<!DOCTYPE html>\n<html lang=\"ja\">") || !strings.Contains(page, `<section lang="en">`) || !strings.Contains(page, "7f3a") {
		t.Errorf("%s", page)
	}
	var policySeen bool
	for _, f := range r.Fields {
		if f.Name == "Content-Security-Policy" {
			policySeen = strings.Contains(f.Value, "default-src 'none'") && strings.Contains(f.Value, "sha256-")
		}
	}
	if !policySeen {
		t.Error("no content security policy")
	}
}

func TestJSONHoldsCodesOnly(t *testing.T) {
	pages := New()
	for _, c := range []struct {
		accept string
		json   bool
	}{{"application/json", true}, {"application/problem+json;q=0.9", true}, {"*/*", false}, {"", false}, {"text/html,application/xhtml+xml,application/json;q=0.9", false}} {
		r := pages.Make(Refusal{Reason: UpstreamTimeout, Host: "a.example.com", RequestID: "1"}, Reader{Accept: c.accept, AcceptLanguage: "ja"})
		var got map[string]any
		if err := json.Unmarshal(r.Body, &got); (err == nil) != c.json {
			t.Errorf("%q: %s", c.accept, r.Body)
		} else if c.json && (got["reason"] != "upstream-timeout" || got["status"] != 504.0 || len(got) != 4) {
			t.Errorf("%q: %v", c.accept, got)
		}
	}
}

func TestTheClientsLanguageComesFirst(t *testing.T) {
	for _, c := range []struct{ accept, configured, want string }{
		{"ja,en;q=0.5", "en", "ja"}, {"en-GB", "ja", "en"}, {"", "ja", "ja"}, {"", "en", "en"}, {"fr", "ja", "ja"},
	} {
		r := New().Make(Refusal{Reason: Busy}, Reader{AcceptLanguage: c.accept, Language: c.configured})
		if !strings.Contains(string(r.Body), `<html lang="`+c.want+`">`) {
			t.Errorf("%+v: %.60s", c, r.Body)
		}
	}
}
