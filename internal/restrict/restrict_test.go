package restrict

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
)

const (
	contosoID  = "11111111-1111-1111-1111-111111111111"
	fabrikamID = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	policyID   = "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52"
)

func at(line int, text string) At {
	return At{text, finding.Pos{File: "sekisho.yaml", Line: line, Column: 7}}
}

// v1 returns a profile whose permitted tenants stand in lines 11 and following and whose context stands in line 10.
func v1(context string, permitted ...string) Spec {
	s := Spec{Name: "staff", Pos: finding.Pos{File: "sekisho.yaml", Line: 9, Column: 5}, Version: V1, Context: at(10, context)}
	for i, p := range permitted {
		s.Permitted = append(s.Permitted, at(11+i, p))
	}
	return s
}

func v2(policy string) Spec {
	return Spec{Name: "staff-v2", Pos: finding.Pos{File: "sekisho.yaml", Line: 9, Column: 5}, Version: V2, Policy: at(10, policy)}
}

func blocking(s Spec) Spec {
	s.BlockConsumers, s.ConsumersPos = true, finding.Pos{File: "sekisho.yaml", Line: 30, Column: 7}
	return s
}

// codes prints findings as "line:severity:code".
func codes(l finding.List) []string {
	var out []string
	for _, f := range l {
		out = append(out, fmt.Sprintf("%d:%v:%s", f.Pos.Line, f.Severity, strings.TrimPrefix(f.Code, "restrict.")))
	}
	return out
}

func TestCompile(t *testing.T) {
	long := func(n int) []string { // entries whose value has n bytes
		var out []string
		for left := n; left > 0; {
			size := min(left, 60)
			if left-size == 1 || left-size > 0 && left-size < 8 {
				size -= 10
			}
			name := fmt.Sprintf("t%d", len(out))
			out = append(out, name+strings.Repeat("a", size-len(name)-len(".com"))+".com")
			left -= size + 1
		}
		if got := len(strings.Join(out, ",")); got != n {
			t.Fatalf("made %d bytes, want %d", got, n)
		}
		return out
	}
	tests := []struct {
		name string
		spec Spec
		want []string
	}{
		{"v1 with the context among the ids", v1(contosoID, contosoID, "contoso.com"), nil},
		{"v1 with the context in another case", v1(strings.ToUpper(fabrikamID), fabrikamID), nil},
		{"v1 by domains alone cannot see the context", v1(contosoID, "contoso.com"), []string{"10:warning:context-unseen"}},
		{"v1 by a domain and a foreign id cannot see the context", v1(contosoID, "contoso.com", fabrikamID), []string{"10:warning:context-unseen"}},
		{"v1 by ids alone without the context", v1(contosoID, fabrikamID), []string{"10:warning:context-not-permitted"}},
		{"v1 without tenants", v1(contosoID), []string{"9:error:permitted-missing"}},
		{"v1 without context", v1("", "contoso.com"), []string{"10:error:context-missing"}},
		{"v1 with policy", func() Spec { s := v1(contosoID, contosoID); s.Policy = at(20, contosoID+":"+policyID); return s }(), []string{"20:error:policy-with-v1"}},
		{"no version", Spec{Name: "x", Pos: finding.Pos{Line: 3}}, []string{"3:error:version-missing"}},
		{"unknown version", Spec{Name: "x", Version: 3, Pos: finding.Pos{Line: 3}}, []string{"3:error:version-missing"}},
		{"every entry is judged", v1("<context>", "*", "<tenant>", "contoso.com,fabrikam.com", contosoID),
			[]string{"11:error:wildcard-tenant", "12:error:placeholder", "13:error:several-tenants", "10:error:placeholder"}},
		{"repeated tenant, folded", v1(contosoID, contosoID, "contoso.com", "Contoso.COM"), []string{"13:warning:repeated-tenant"}},
		{"repeated id, folded", v1(fabrikamID, fabrikamID, strings.ToUpper(fabrikamID)), []string{"12:warning:repeated-tenant"}},
		{"consumer tenant", v1(contosoID, contosoID, consumerTenant), []string{"12:warning:consumer-tenant"}},
		{"passthrough tenant", v1(contosoID, contosoID, passthroughTenant), []string{"12:info:passthrough-tenant"}},
		{"reserved domain", v1(contosoID, contosoID, "example.com"), []string{"12:warning:reserved-domain"}},
		{"context is a domain", v1("contoso.com", contosoID), []string{"10:error:context-not-id"}},
		{"context is the sample", v1("456ff232-35l2-5h23-b3b3-3236w0826f3d", contosoID), []string{"10:error:sample-id"}},
		{"context is empty", v1("00000000-0000-0000-0000-000000000000", contosoID), []string{"10:error:placeholder"}},
		{"context is the consumer tenant", v1(consumerTenant, contosoID), []string{"10:error:context-not-own"}},
		{"context in braces", v1("{"+contosoID+"}", contosoID), []string{"10:error:tenant-form"}},
		{"context with two ids", v1(contosoID+","+fabrikamID, contosoID), []string{"10:error:context-not-id"}},
		{"512 bytes", v1(contosoID, append(long(475), contosoID)...), nil},
		{"513 bytes", v1(contosoID, append(long(476), contosoID)...), []string{"11:warning:over-512-bytes"}},
		{"8 KiB", v1(contosoID, append(long(8192-37), contosoID)...), []string{"11:warning:over-512-bytes"}},
		{"over 8 KiB", v1(contosoID, append(long(8193-37), contosoID)...), []string{"11:warning:over-8-kib"}},
		{"16 KiB", v1(contosoID, append(long(16384-37), contosoID)...), []string{"11:warning:over-8-kib"}},
		{"over 16 KiB", v1(contosoID, append(long(16385-37), contosoID)...), []string{"11:warning:over-16-kib"}},
		{"v2", v2(contosoID + ":" + policyID), nil},
		{"v2 in upper case", v2(strings.ToUpper(fabrikamID + ":" + policyID)), nil},
		{"v2 without policy", v2(""), []string{"10:error:policy-missing"}},
		{"v2 with the tenant alone", v2(contosoID), []string{"10:error:policy-form"}},
		{"v2 with an empty policy id", v2(contosoID + ":"), []string{"10:error:policy-form"}},
		{"v2 with three parts", v2(contosoID + ":" + policyID + ":" + policyID), []string{"10:error:policy-form"}},
		{"v2 with a domain", v2("contoso.com:" + policyID), []string{"10:error:policy-form"}},
		{"v2 with a space", v2(contosoID + ": " + policyID), []string{"10:error:tenant-form"}},
		{"v2 with restrict-msa", v2("restrict-msa"), []string{"10:error:policy-form"}},
		{"v2 undefined", v2("undefined:undefined"), []string{"10:error:placeholder"}},
		{"v2 placeholder", v2("<tenant id>:<policy id>"), []string{"10:error:placeholder"}},
		{"v2 sample", v2("aaaabbbb-0000-cccc-1111-dddd2222eeee:1aaaaaa1-2bb2-3cc3-4dd4-5eeeeeeeeee5"), []string{"10:error:sample-id"}},
		{"v2 empty ids", v2(contosoID + ":00000000-0000-0000-0000-000000000000"), []string{"10:error:placeholder"}},
		{"v2 with one id twice", v2(contosoID + ":" + contosoID), []string{"10:error:policy-same-ids"}},
		{"v2 of the consumer tenant", v2(consumerTenant + ":" + policyID), []string{"10:error:context-not-own"}},
		{"v2 breaking out of the header", v2(contosoID + ":" + policyID + "\r\nX: y"), []string{"10:error:header-character"}},
		{"v2 with the settings of v1", func() Spec {
			s := blocking(v2(contosoID + ":" + policyID))
			s.Permitted, s.Context = []At{at(20, "contoso.com")}, at(21, contosoID)
			return s
		}(), []string{"20:error:permitted-with-v2", "21:error:context-with-v2", "30:error:consumers-with-v2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, found := Compile(tt.spec)
			if diff := cmp.Diff(tt.want, codes(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if (p == nil) != found.HasErrors() {
				t.Errorf("profile %v beside %v", p, codes(found))
			}
		})
	}
}

func TestTenantEntries(t *testing.T) {
	tests := []struct{ entry, code, want string }{
		{"contoso.com", "", ""},
		{"Contoso.COM", "", ""},
		{"fabrikam.onmicrosoft.com", "", ""},
		{"contoso.mail.onmicrosoft.com", "", ""},
		{"xn--wgv71a119e.jp", "", ""},
		{strings.ToUpper(fabrikamID), "", ""},
		{"", "tenant-empty", ""},
		{" contoso.com", "tenant-form", "contoso.com"},
		{"contoso.com.", "tenant-form", "contoso.com"},
		{"日本語.jp", "tenant-form", "xn--wgv71a119e.jp"},
		{"{" + fabrikamID + "}", "tenant-form", fabrikamID},
		{"urn:uuid:" + fabrikamID, "tenant-form", fabrikamID},
		{strings.ReplaceAll(fabrikamID, "-", ""), "tenant-form", fabrikamID},
		{"*", "wildcard-tenant", ""},
		{"*.contoso.com", "wildcard-tenant", ""},
		{"contoso.*", "wildcard-tenant", ""},
		{"contoso?.com", "wildcard-tenant", ""},
		{"contoso.com,fabrikam.com", "several-tenants", ""},
		{"contoso.com; fabrikam.com", "several-tenants", ""},
		{"contoso.com fabrikam.com", "several-tenants", ""},
		{"contoso.com\r\nX-Evil: 1", "header-character", ""},
		{"contoso.com\x00", "header-character", ""},
		{"contoso.com\n", "header-character", ""},
		{"contoso\u2028.com", "header-character", ""},
		{"\tcontoso.com", "header-character", ""},
		{"<tenant>", "placeholder", ""},
		{"<permitted tenant list>", "placeholder", ""},
		{"{tenant}", "placeholder", ""},
		{"${TENANT}", "placeholder", ""},
		{"%TENANT%", "placeholder", ""},
		{"[your tenant]", "placeholder", ""},
		{"yourtenant", "placeholder", ""},
		{"yourtenant.onmicrosoft.com", "placeholder", ""},
		{"Your-Tenant.onmicrosoft.com", "placeholder", ""},
		{"your_domain.com", "placeholder", ""},
		{"tenantname.onmicrosoft.com", "placeholder", ""},
		{"changeme", "placeholder", ""},
		{"xxx.onmicrosoft.com", "placeholder", ""},
		{"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "placeholder", ""},
		{"XXXXXXXX-1234-1234-1234-123456789012", "placeholder", ""},
		{"00000000-0000-0000-0000-000000000000", "placeholder", ""},
		{"{00000000-0000-0000-0000-000000000000}", "placeholder", ""},
		{"ffffffff-FFFF-ffff-ffff-ffffffffffff", "placeholder", ""},
		{"456ff232-35l2-5h23-b3b3-3236w0826f3d", "sample-id", ""},
		{"456FF232-35L2-5H23-B3B3-3236W0826F3D", "sample-id", ""},
		{"aaaabbbb-0000-cccc-1111-dddd2222eeee", "sample-id", ""},
		{"contoso", "not-a-tenant", ""},
		{"common", "not-a-tenant", ""},
		{"organizations", "not-a-tenant", ""},
		{"onmicrosoft.com", "not-a-tenant", ""},
		{"alice@contoso.com", "not-a-tenant", ""},
		{"https://login.microsoftonline.com/contoso.com", "not-a-tenant", ""},
		{"192.0.2.1", "not-a-tenant", ""},
		{"contoso_x.com", "not-a-tenant", ""},
		{"\"contoso.com\"", "not-a-tenant", ""},
		{"12345678-1234-1234-1234-12345678901", "not-a-tenant", ""},
		{"ｃontoso.com", "not-a-tenant", ""},
		{"con\u00adtoso.com", "not-a-tenant", ""},
	}
	for _, tt := range tests {
		t.Run(tt.entry, func(t *testing.T) {
			p, found := Compile(v1(contosoID, contosoID, tt.entry))
			if tt.code == "" {
				if p == nil || len(found) != 0 || p.Permitted()[1] != tt.entry {
					t.Errorf("%q: %v, %v", tt.entry, p, codes(found))
				}
				return
			}
			if len(found) != 1 || found[0].Code != "restrict."+tt.code || found[0].Args["want"] != tt.want || p != nil {
				t.Errorf("%q: %v, %+v; want %s, to write %q", tt.entry, p, found, tt.code, tt.want)
			}
		})
	}
}

func TestPlans(t *testing.T) {
	listed := []Field{{HeaderTenants, "contoso.com," + fabrikamID + ",Northwind.example.org"}, {HeaderContext, contosoID}}
	blocked := []Field{{HeaderPolicy, "restrict-msa"}}
	byPolicy := []Field{{HeaderPolicy, contosoID + ":" + policyID}}
	first := v1(contosoID, "contoso.com", fabrikamID, "Northwind.example.org")
	all := []catalog.Class{catalog.Ordinary, catalog.SignIn, catalog.SignInConsumer, catalog.SignInAlias, catalog.OtherCloud, catalog.Retired, 99}
	tests := []struct {
		name             string
		spec             Spec
		signIn, consumer []Field
	}{
		{"v1, consumers blocked", blocking(first), listed, blocked},
		{"v1, consumers allowed", first, listed, nil},
		{"v2", v2(contosoID + ":" + policyID), byPolicy, byPolicy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, found := Compile(tt.spec)
			if p == nil {
				t.Fatal(codes(found))
			}
			for _, class := range all {
				var want []Field
				switch class {
				case catalog.SignIn:
					want = tt.signIn
				case catalog.SignInConsumer:
					want = tt.consumer
				}
				plan := p.Plan(class)
				if diff := cmp.Diff(want, plan.Set()); diff != "" {
					t.Errorf("class %d (-want +got):\n%s", class, diff)
				}
				if !plan.Ready() {
					t.Errorf("class %d has no plan", class)
				}
				if (want == nil) != plan.Equal(DeleteOnly()) {
					t.Errorf("class %d: deletion alone is %v", class, plan.Equal(DeleteOnly()))
				}
			}
			if got := p.BlocksConsumers(); got != (len(tt.consumer) > 0 && p.Version() == V1) {
				t.Errorf("BlocksConsumers is %v", got)
			}
			if p.Context() != contosoID || p.Name() != tt.spec.Name {
				t.Errorf("context %q, name %q", p.Context(), p.Name())
			}
		})
	}
}

func TestZeroPlanRefuses(t *testing.T) {
	var zero Plan
	if zero.Ready() || zero.Set() != nil || !zero.Equal(Plan{}) {
		t.Error("the zero plan is ready, sets something or differs from itself")
	}
	if !zero.Deletes(HeaderTenants) {
		t.Error("the zero plan keeps a restriction header")
	}
	if zero.Equal(DeleteOnly()) || DeleteOnly().Equal(zero) {
		t.Error("the zero plan equals deletion")
	}
	var none *Profile
	if none.Plan(catalog.SignIn).Ready() || none.Plan(catalog.Ordinary).Ready() {
		t.Error("a nil profile has a plan")
	}
	if !DeleteOnly().Ready() || DeleteOnly().Set() != nil {
		t.Error("deletion alone is not ready or sets something")
	}
}

func TestDeletes(t *testing.T) {
	for _, name := range []string{"Restrict-Access-To-Tenants", "restrict-access-to-tenants", "RESTRICT-ACCESS-TO-TENANTS", "Restrict-Access-Context",
		"rEsTrIcT-aCcEsS-cOnTeXt", "sec-Restrict-Tenant-Access-Policy", "Sec-Restrict-Tenant-Access-Policy", "Restrict_Access_To_Tenants",
		"Restrict-Access-To-Tenant", "sec_tenant_restriction-access-policy"} {
		if !DeleteOnly().Deletes(name) {
			t.Errorf("%q is kept", name)
		}
	}
	for _, name := range []string{"", "Host", "Restrict-Access", "Restrict-Access-To-Tenantss", "X-Restrict-Access-To-Tenants", "Restrict-Access-To-Tenantſ",
		"Restrict Access To Tenants", "Sec-Fetch-Site", "Restrict-Access-Confirm"} {
		if DeleteOnly().Deletes(name) {
			t.Errorf("%q is deleted", name)
		}
	}
	names := DeletedNames()
	names[0] = "Host"
	if DeleteOnly().Deletes("Host") {
		t.Error("the list of names can be changed from outside")
	}
	if n := testing.AllocsPerRun(100, func() { DeleteOnly().Deletes("Restrict-Access-Context") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPlanEqualComparesWhatIsSent(t *testing.T) {
	plan := func(s Spec) Plan {
		p, found := Compile(s)
		if p == nil {
			t.Fatal(codes(found))
		}
		return p.Plan(catalog.SignIn)
	}
	a, again := plan(v1(contosoID, "contoso.com")), plan(v1(contosoID, "contoso.com"))
	if !a.Equal(again) {
		t.Error("the same list makes different plans")
	}
	for _, other := range []Plan{plan(v1(contosoID, "fabrikam.com")), plan(v1(fabrikamID, "contoso.com")), plan(v2(contosoID + ":" + policyID)), DeleteOnly(), {}} {
		if a.Equal(other) || other.Equal(a) {
			t.Errorf("%v equals %v", a.Set(), other.Set())
		}
	}
}

func TestProfileIsImmutable(t *testing.T) {
	s := v1(contosoID, "contoso.com", "fabrikam.com")
	p, _ := Compile(s)
	s.Permitted[0].Text = "evil.com"
	p.Permitted()[1] = "evil.com"
	if got := p.Plan(catalog.SignIn).Set()[0].Value; got != "contoso.com,fabrikam.com" || !slices.Equal(p.Permitted(), []string{"contoso.com", "fabrikam.com"}) {
		t.Errorf("the profile changed to %q, %v", got, p.Permitted())
	}
}

// TestPlansNeverSetAHeaderTwice compiles generated profiles, good and bad, and looks at what would be sent.
func TestPlansNeverSetAHeaderTwice(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"contoso.com", "fabrikam.com", contosoID, fabrikamID, "*", ",", " ", "\r\n", "é", "<x>", "", ":", policyID, "a", ".", "-", "\x7f"}
	text := func() string {
		var b strings.Builder
		for range 1 + rng.IntN(3) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		return b.String()
	}
	compiled := 0
	for range 20000 {
		s := Spec{Name: "p", Version: Version(rng.IntN(4)), BlockConsumers: rng.IntN(2) == 0}
		for range rng.IntN(4) {
			s.Permitted = append(s.Permitted, At{Text: pieces[rng.IntN(4)]})
			if rng.IntN(4) == 0 {
				s.Permitted = append(s.Permitted, At{Text: text()})
			}
		}
		s.Context.Text = pieces[2+rng.IntN(2)]
		s.Policy.Text = contosoID + ":" + policyID
		if rng.IntN(4) == 0 {
			s.Policy.Text = text()
		}
		if s.Version == V1 {
			s.Policy.Text = ""
		}
		if s.Version == V2 && rng.IntN(2) == 0 {
			s.Permitted, s.Context = nil, At{}
		}
		p, found := Compile(s)
		if p == nil {
			if !found.HasErrors() {
				t.Fatalf("%+v: no profile and no error", s)
			}
			continue
		}
		compiled++
		for class := range catalog.Class(8) {
			seen := map[string]bool{}
			for _, f := range p.Plan(class).Set() {
				name := strings.ToLower(f.Name)
				if seen[name] || !p.Plan(class).Deletes(f.Name) {
					t.Fatalf("%+v sets %q twice, or without deleting it first", s, f.Name)
				}
				seen[name] = true
				if f.Value == "" || strings.Trim(f.Value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.,:") != "" {
					t.Fatalf("%+v sets %q", s, f)
				}
				if strings.HasPrefix(f.Value, ",") || strings.HasSuffix(f.Value, ",") || strings.Contains(f.Value, ",,") {
					t.Fatalf("%+v sends the empty entry in %q", s, f.Value)
				}
			}
		}
	}
	if compiled < 1000 {
		t.Fatalf("only %d profiles compiled", compiled)
	}
}

// FuzzCompile: whatever is written, a compiled profile sends visible ASCII, and one entry sends one entry.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{"contoso.com", "Contoso.COM", contosoID, "*", "<tenant>", "a,b", "é.com", "456ff232-35l2-5h23-b3b3-3236w0826f3d", "a\r\nb"} {
		f.Add(s, contosoID, contosoID+":"+policyID)
	}
	f.Fuzz(func(t *testing.T, tenant, context, policy string) {
		for _, s := range []Spec{blocking(v1(context, contosoID, tenant)), v2(policy)} {
			p, found := Compile(s)
			if (p == nil) != found.HasErrors() {
				t.Fatalf("%+v: profile %v beside %v", s, p, codes(found))
			}
			if p == nil {
				continue
			}
			for _, set := range p.Plan(catalog.SignIn).Set() {
				if strings.ContainsFunc(set.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.Count(set.Value, ",") > 1 {
					t.Fatalf("%+v sends %q", s, set.Value)
				}
			}
		}
	})
}
