package prove

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/directory"
	"sekisho/internal/node"
	"sekisho/internal/signin"
)

// people is a directory with somebody of each kind.
func people(t testing.TB) (*directory.Directory, *signin.Tenant) {
	t.Helper()
	var b strings.Builder
	n := 0
	add := func(name string, lines ...string) {
		n++
		guid := make([]byte, 16)
		copy(guid, fmt.Sprintf("guid%012d", n))
		fmt.Fprintf(&b, "dn: CN=%s,OU=People,DC=corp,DC=local\nobjectClass: user\nobjectGUID:: %s\nsAMAccountName: s%d\nuserAccountControl: 512\n", name, base64.StdEncoding.EncodeToString(guid), n)
		for _, line := range lines {
			fmt.Fprintln(&b, line)
		}
		b.WriteString("\n")
	}
	base := func(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }
	add("kept", "userPrincipalName: kept@contoso.com", "mail: k@contoso.com")
	add("waiting", "userPrincipalName: waiting@fabrikam.com", "proxyAddresses: SMTP:w1@fabrikam.com", "mail: w2@fabrikam.com")
	add("unknown", "userPrincipalName: Unknown@corp.local", "mailNickname: nick")
	add("implicit")
	add("secondary", "userPrincipalName: @contoso.com", "proxyAddresses: smtp:second@contoso.com")
	add("bad", "userPrincipalName: a&b@contoso.com", "mail: ab@contoso.com")
	add("accent", "userPrincipalName:: "+base("jürgen@contoso.com"), "mailNickname: juergen")
	add("bidi", "userPrincipalName:: "+base("\u202eevil@contoso.com"), "mailNickname: bidi", "displayName:: "+base("\u202e=cmd|'x'!A1"))
	add("open", "userPrincipalName: open+1@corp.local")
	add("open-now", "userPrincipalName: fine@fabrikam.com", "mailNickname: not+fine")
	add("one", "userPrincipalName: same@contoso.com")
	add("two", "userPrincipalName: same@contoso.com")
	add("left", "userPrincipalName: both@contoso.com", "mailNickname: left")
	add("right", "userPrincipalName: both@corp.local", "mailNickname: both")
	add("right-too", "userPrincipalName: both@other.local", "mailNickname: both")
	add("disabled", "userPrincipalName: disabled@contoso.com", "userAccountControl: 514")
	add("locked", "userPrincipalName: locked@contoso.com", "lockoutTime: 133000000000000000")
	add("expired", "userPrincipalName: expired@contoso.com", "accountExpires: 133000000000000000")
	add("must", "userPrincipalName: must@contoso.com", "pwdLastSet: 0")
	add("person", "userPrincipalName: person@contoso.com", "objectClass: inetOrgPerson")
	for i := range 30 {
		add(fmt.Sprintf("many%d", i), fmt.Sprintf("userPrincipalName: many%d@contoso.com", i))
	}
	text := strings.ReplaceAll(b.String(), "userAccountControl: 512\nuserPrincipalName: disabled@contoso.com\nuserAccountControl: 514", "userAccountControl: 514\nuserPrincipalName: disabled@contoso.com")
	d, err := directory.ReadLDIF("users.ldf", strings.NewReader(text), directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tenant, found := signin.NewTenant([]signin.Domain{{Name: "contoso.onmicrosoft.com", Initial: true}, {Name: "contoso.com", Verified: true, Default: true}, {Name: "fabrikam.com"}})
	if tenant == nil {
		t.Fatal(found)
	}
	return d, tenant
}

func rehearse(t testing.TB, o RehearsalOptions) *Rehearsal {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	o.Directory, o.Tenant = people(t)
	o.Plan.Now = time.Now()
	out, err := Rehearse(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "sekisho-rehearse-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return out
}

// at finds the row of somebody.
func (r *Rehearsal) at(t testing.TB, half, name string) Rehearsed {
	t.Helper()
	i := slices.IndexFunc(r.Rows, func(row Rehearsed) bool { return row.Half == half && strings.HasPrefix(row.Account, "CN="+name+",") })
	if i < 0 {
		t.Fatalf("%s is not there %s", name, half)
	}
	return r.Rows[i]
}

func (r *Rehearsal) disagreements() string {
	var b bytes.Buffer
	for _, row := range r.Rows {
		if row.Verdict == Differs {
			fmt.Fprintf(&b, "%+v\n", row)
		}
	}
	return b.String()
}

// TestRehearsalAgreesWithThePlan: what the plan says of every kind of person happens, before and after a domain is verified.
func TestRehearsalAgreesWithThePlan(t *testing.T) {
	restricted, brought := 0, 0
	out := rehearse(t, RehearsalOptions{Sample: 2, Verify: []string{"fabrikam.com", "other.example"}, look: func(n *node.Node) {
		for _, h := range n.LabHeads() { // through the gateway: it put the header on sign-ins, and tunnelled Graph
			switch raw := strings.ToLower(string(h.Raw)); {
			case h.SNI == signInHost && strings.Contains(raw, "restrict-access-to-tenants: "):
				restricted++
			case h.SNI == "graph.microsoft.com" && strings.HasPrefix(raw, "post "+syncPath) && !strings.Contains(raw, "restrict-access"):
				brought++
			}
		}
	}})
	if restricted < out.Taken || brought == 0 {
		t.Errorf("%d sign-ins with the header, %d synchronisations", restricted, brought)
	}
	if out.Differ > 0 || out.Agree == 0 || out.People != 50 || out.Taken >= 40 || out.Taken < 15 {
		t.Errorf("%d people, %d rehearsed, %d agree, %d differ, %d open:\n%s", out.People, out.Taken, out.Agree, out.Differ, out.Open, out.disagreements())
	}
	for name, want := range map[string]Answer{
		"kept":      {Name: "kept@contoso.com", Nickname: "k", Result: "token"},
		"waiting":   {Name: "w1@contoso.onmicrosoft.com", Nickname: "w1", Result: "token"},
		"unknown":   {Name: "nick@contoso.onmicrosoft.com", Nickname: "nick", Result: "token"},
		"secondary": {Name: "second@contoso.onmicrosoft.com", Nickname: "second", Result: "token"},
		"bidi":      {Name: "bidi@contoso.onmicrosoft.com", Nickname: "bidi", Result: "token"},
		"open":      {Result: "refused"},
		"disabled":  {Name: "disabled@contoso.com", Nickname: "disabled", Result: "AADSTS50057"},
		"locked":    {Name: "locked@contoso.com", Nickname: "locked", Result: "token"},
		"expired":   {Name: "expired@contoso.com", Nickname: "expired", Result: "token"},
		"must":      {Name: "must@contoso.com", Nickname: "must", Result: "AADSTS50056"},
	} {
		if got := out.at(t, "present", name); got.Observed != want {
			t.Errorf("%s: %+v, not %+v", name, got.Observed, want)
		}
	}
	left, right := out.at(t, "present", "right").Observed.Name, out.at(t, "present", "right-too").Observed.Name
	if left == right || left != "both@contoso.onmicrosoft.com" && right != "both@contoso.onmicrosoft.com" {
		t.Errorf("both: %q, %q", left, right)
	}
	one, two := out.at(t, "present", "one").Observed.Name, out.at(t, "present", "two").Observed.Name
	if one == two || one != "same@contoso.com" && two != "same@contoso.com" {
		t.Errorf("same: %q, %q", one, two)
	}
	if row := out.at(t, "verified", "waiting"); row.Observed.Name != "waiting@fabrikam.com" || row.Before != "w1@contoso.onmicrosoft.com" || row.Observed.Result != "token" {
		t.Errorf("verified: %+v", row)
	}
	if row := out.at(t, "verified", "open-now"); row.Verdict != Agrees || row.Observed.Name != "fine@fabrikam.com" {
		t.Errorf("refused before, brought now: %+v", row)
	}
}

// TestRehearsalWithPassThrough: what the domain controller says binds.
func TestRehearsalWithPassThrough(t *testing.T) {
	out := rehearse(t, RehearsalOptions{Sample: 1, Plan: signin.Options{Method: signin.PassThrough}})
	if out.Differ > 0 {
		t.Error(out.disagreements())
	}
	for name, want := range map[string]string{"locked": "AADSTS50053", "expired": "AADSTS50057", "must": "AADSTS50055", "disabled": "AADSTS50057"} {
		if got := out.at(t, "present", name).Observed.Result; got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}

// TestRehearsalSeesAWrongPlan: each way in which a plan can be wrong is seen as what it is.
func TestRehearsalSeesAWrongPlan(t *testing.T) {
	wrong := map[string]string{"kept": "name", "waiting": "nickname", "implicit": "brought", "must": "sign-in"}
	out := rehearse(t, RehearsalOptions{All: true, bend: func(p *signin.Plan) {
		for i := range p.Rows {
			row := &p.Rows[i]
			switch name, _, _ := strings.Cut(strings.TrimPrefix(row.DN, "CN="), ","); name {
			case "kept":
				row.Cloud.UPN = "kept@contoso.onmicrosoft.com"
			case "waiting":
				row.Cloud.Nickname = "w2"
			case "implicit":
				row.Cloud.UPN = ""
			case "must":
				row.Findings = nil
			}
		}
	}})
	for name, reason := range wrong {
		if row := out.at(t, "present", name); row.Verdict != Differs || row.Reason != reason {
			t.Errorf("%s: %+v, not %s", name, row, reason)
		}
	}
	if out.Differ != len(wrong) || out.Taken != 50 {
		t.Errorf("%d of %d differ:\n%s", out.Differ, out.Taken, out.disagreements())
	}
}

// TestRehearsalEnds: who gives up gets nothing, and nothing stays.
func TestRehearsalEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	d, tenant := people(t)
	_, err := Rehearse(ctx, RehearsalOptions{Directory: d, Tenant: tenant, All: true, Watch: func(stage string, done, total int) {
		if stage == "start" && done == total {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
