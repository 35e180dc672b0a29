package stamp_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/stamp"
	"sekisho/internal/restrict"
)

const id = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"

// target is a target that has the option "ring" alone.
type target struct{}

func (target) Name() string             { return "squid" }
func (target) Options() []render.Option { return []render.Option{stamp.Option()} }
func (target) Render(render.Input, *render.Model) (render.Output, error) {
	return render.Output{}, nil
}

// input compiles a policy with these rings, for everybody to choose one by its name.
func input(t *testing.T, ring string, rings ...policy.RingSpec) render.Input {
	t.Helper()
	p, found := policy.Compile(policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}},
		Profiles: []restrict.Spec{
			{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: id}}, Context: restrict.At{Text: id}, BlockConsumers: true},
			{Name: "guests", Version: restrict.V1, Permitted: []restrict.At{{Text: id}, {Text: "contoso.com"}}, Context: restrict.At{Text: id}},
		},
		Rings: rings,
	}, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	given := map[string][]string{}
	if ring != "" {
		given[stamp.OptionRing] = []string{ring}
	}
	options, err := render.ParseOptions(target{}, given)
	if err != nil {
		t.Fatal(err)
	}
	return render.Input{Program: p, Options: options}
}

func enforced(name, profile string) policy.RingSpec {
	return policy.RingSpec{Name: name, Profile: policy.At{Text: profile}}
}

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	return ""
}

func TestOnlySingleSignInHostsGetHeaders(t *testing.T) {
	r, err := stamp.One(input(t, "", enforced("all", "staff")), "squid")
	if err != nil {
		t.Fatal(err)
	}
	set := map[endpoint.Host]string{}
	for _, g := range r.Groups() {
		for _, h := range g.Hosts {
			for _, f := range g.Set {
				set[h] += f.Name + ";"
			}
		}
	}
	for _, h := range []endpoint.Host{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net"} {
		if set[h] != "Restrict-Access-To-Tenants;Restrict-Access-Context;" {
			t.Errorf("%s gets %q", h, set[h])
		}
	}
	if set["login.live.com"] != "sec-Restrict-Tenant-Access-Policy;" {
		t.Errorf("login.live.com gets %q", set["login.live.com"])
	}
	if len(set) != 4 {
		t.Errorf("headers for %v", set)
	}
}

func TestConsumersAreOnlyTouchedWhenConfigured(t *testing.T) {
	r, err := stamp.One(input(t, "", enforced("all", "guests")), "squid")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range r.Groups() {
		if slices.Contains(g.Hosts, "login.live.com") {
			t.Errorf("login.live.com gets %v", g.Set)
		}
	}
}

func TestRingThatCannotBeToldApartIsRefused(t *testing.T) {
	net := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	people := enforced("pilot", "staff")
	people.Users = []string{"taro"}
	half := enforced("half", "staff")
	half.Percent = 50
	for _, c := range []struct {
		what, ring, want string
		one              bool
		rings            []policy.RingSpec
	}{
		{"users", "", "stamp.people", false, []policy.RingSpec{people, enforced("all", "staff")}},
		{"a share", "", "stamp.people", false, []policy.RingSpec{half, enforced("all", "staff")}},
		{"users, chosen", "pilot", "", false, []policy.RingSpec{people, enforced("all", "staff")}},
		{"no such ring", "pilto", "stamp.no-ring", false, []policy.RingSpec{people, enforced("all", "staff")}},
		{"several", "", "stamp.several", true, []policy.RingSpec{{Name: "net", Clients: net, Profile: policy.At{Text: "guests"}}, enforced("all", "staff")}},
		{"several, chosen", "all", "", true, []policy.RingSpec{{Name: "net", Clients: net, Profile: policy.At{Text: "guests"}}, enforced("all", "staff")}},
		{"two alike", "", "", true, []policy.RingSpec{{Name: "net", Clients: net, Profile: policy.At{Text: "staff"}}, enforced("all", "staff")}},
		{"off", "", "stamp.off", true, []policy.RingSpec{{Name: "all", Mode: policy.Off}}},
		{"off, chosen", "all", "stamp.not-enforced", true, []policy.RingSpec{{Name: "all", Mode: policy.Off}}},
	} {
		in := input(t, c.ring, c.rings...)
		var err error
		if c.one {
			_, err = stamp.One(in, "squid")
		} else {
			_, err = stamp.Rings(in, "squid")
		}
		if code(err) != c.want {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

func TestRingsBehindTheOneOfEverybodyAreLeftOut(t *testing.T) {
	net := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	rings, err := stamp.Rings(input(t, "", policy.RingSpec{Name: "off", Mode: policy.Off, Clients: net}, enforced("all", "staff")), "squid")
	if err != nil || len(rings) != 2 || len(rings[0].Groups()) != 0 || len(rings[1].Groups()) != 2 || rings[1].Clients != nil {
		t.Errorf("%+v, %v", rings, err)
	}
}

func TestNothingIsCut(t *testing.T) {
	r, err := stamp.One(input(t, "", enforced("all", "staff")), "squid")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Fits("squid", "max-value", 36); err != nil {
		t.Errorf("a value of 36 bytes: %v", err)
	}
	if err := r.Fits("squid", "max-value", 35); code(err) != "stamp.too-long" || !strings.Contains(err.Error(), "stamp.too-long") {
		t.Errorf("a value of 36 bytes within 35: %v", err)
	}
	if err := r.Fits("squid", "max-value", 0); err != nil {
		t.Errorf("no limit: %v", err)
	}
}

// TestADeviceForEverybodyGetsNoRingOfSome: headers of a pilot ring on a device that everybody passes would restrict people whose
// ring is in mode report.
func TestADeviceForEverybodyGetsNoRingOfSome(t *testing.T) {
	pilot := enforced("pilot", "staff")
	pilot.Clients = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	report := policy.RingSpec{Name: "everyone", Mode: policy.Report, Profile: policy.At{Text: "staff"}}
	for name, c := range map[string]struct {
		chosen string
		rings  []policy.RingSpec
		code   string
	}{
		"all enforce the same":        {"", []policy.RingSpec{pilot, enforced("everyone", "staff")}, ""},
		"a pilot and a report":        {"", []policy.RingSpec{pilot, report}, "stamp.several"},
		"the pilot, chosen":           {"pilot", []policy.RingSpec{pilot, report}, ""},
		"a pilot and another profile": {"", []policy.RingSpec{pilot, enforced("everyone", "guests")}, "stamp.several"},
	} {
		if _, err := stamp.Whole(input(t, c.chosen, c.rings...), "squid"); code(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
