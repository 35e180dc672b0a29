package lab

import (
	"strings"
	"testing"
)

func TestOriginPaths(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	const at = "https://manage.microsoft.com"
	whole := do(t, c, "GET", at+"/lab/bytes?size=1000", "")
	if len(whole.body) != 1000 || whole.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("%d bytes", len(whole.body))
	}
	part := do(t, c, "GET", at+"/lab/bytes?size=1000", "", "Range", "bytes=300-399")
	if part.StatusCode != 206 || part.body != whole.body[300:400] || part.Header.Get("Content-Range") != "bytes 300-399/1000" {
		t.Errorf("%d %q", part.StatusCode, part.Header.Get("Content-Range"))
	}
	if r := do(t, c, "GET", at+"/lab/bytes?size=1000", "", "Range", "bytes=0-1", "If-Range", `"other"`); r.StatusCode != 200 {
		t.Errorf("If-Range: %d", r.StatusCode)
	}
	if r := do(t, c, "HEAD", at+"/lab/bytes?size=1000", ""); r.Header.Get("Content-Length") != "1000" {
		t.Errorf("HEAD: %v", r.Header)
	}
	if r := do(t, c, "POST", at+"/lab/echo", "a=b"); r.body != "a=b" {
		t.Errorf("echo %q", r.body)
	}
	if r := do(t, c, "GET", at+"/lab/events?count=2", ""); strings.Count(r.body, "data: lab") != 2 {
		t.Errorf("events %q", r.body)
	}
	if r := do(t, c, "GET", at+"/lab/slow?ms=1", ""); r.StatusCode != 200 {
		t.Errorf("slow %d", r.StatusCode)
	}
	if r := do(t, c, "GET", at+"/", "", "Accept", "text/html"); !strings.Contains(r.body, "LAB") || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%q", r.body)
	}
}

func TestPlainHTTP(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	if r := do(t, c, "GET", "http://manage.microsoft.com/x", ""); r.StatusCode != 200 || !strings.Contains(r.body, `"tls":false`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	r := do(t, c, "GET", "http://login.microsoftonline.com/common?a=b", "")
	if r.StatusCode != 301 || r.Header.Get("Location") != "https://login.microsoftonline.com/common?a=b" {
		t.Errorf("%d %q", r.StatusCode, r.Header.Get("Location"))
	}
}

func TestSampleIsWhatTheDirectoryHolds(t *testing.T) {
	w := openWorld(t, Options{})
	d := w.Directory()
	for upn, password := range map[string]string{Alice: AlicePassword, Bob: BobPassword, Carol: CarolPassword, Dave: DavePassword, Erin: ErinPassword, Frank: FrankPassword} {
		if p, ok := d.Person(upn); !ok || !p.CheckPassword(password) || p.CheckPassword(password+"x") || p.CheckPassword("") {
			t.Errorf("%s", upn)
		}
	}
	for domain, id := range map[string]string{ContosoDomain: ContosoTenant, FabrikamDomain: FabrikamTenant, NorthwindDomain: NorthwindTenant, PassthroughTenant: PassthroughTenant, ConsumersTenant: ConsumersTenant} {
		if x, ok := d.Tenant(domain); !ok || x.ID != id {
			t.Errorf("%s", domain)
		}
	}
	contoso, _ := d.Tenant(ContosoTenant)
	if _, ok := contoso.Policy(ContosoPolicy); !ok {
		t.Error("policy")
	}
	if a, ok := d.Application(ServiceApplication); !ok || !a.CheckSecret(ServiceSecret) || a.CheckSecret("") {
		t.Error("service application")
	}
	if a, ok := d.Application(PublicApplication); !ok || !a.Public || a.CheckSecret("") {
		t.Error("public application")
	}
}

// Beyond Graph: Exchange Online and SharePoint Online hold a token against the v2 policy of the request; nobody else does.
func TestDataPlaneAsksForThePolicysClaim(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	policy := []string{"Sec-Restrict-Tenant-Access-Policy", ContosoTenant + ":" + ContosoPolicy}
	access := func(header ...string) string {
		t.Helper()
		var a tokens
		clientCredentials(t, c, "contoso.com", header...).decode(t, &a)
		return "Bearer " + a.Access
	}
	without, with := access(), access(policy...)
	for _, step := range []struct {
		name, host, token string
		header            []string
		want              int
	}{
		{"no policy", "outlook.office365.com", without, nil, 200},
		{"a token from elsewhere", "outlook.office365.com", without, policy, 401},
		{"another resource", "contoso.sharepoint.com", without, policy, 401},
		{"a token under the policy", "outlook.office365.com", with, policy, 200},
		{"anonymous", "contoso.sharepoint.com", "", policy, 200},
		{"no token of the lab", "contoso.sharepoint.com", "Bearer x.y.z", policy, 200},
		{"a host that is no resource", "manage.microsoft.com", without, policy, 200},
		{"Graph", "graph.microsoft.com", without, policy, 401},
	} {
		header := step.header
		if step.token != "" {
			header = append([]string{"Authorization", step.token}, header...)
		}
		path := "/"
		if step.host == "graph.microsoft.com" {
			path = "/v1.0/me"
		}
		r := do(t, c, "GET", "https://"+step.host+path, "", header...)
		if r.StatusCode != step.want || (r.Header.Get("Restrict-Access-Confirm") == "1") != (step.want == 401) ||
			(step.want == 401) != strings.Contains(r.Header.Get("x-ms-diagnostics"), "xms_trpid") {
			t.Errorf("%s: %d %v %s", step.name, r.StatusCode, r.Header, r.body)
		}
	}
}
