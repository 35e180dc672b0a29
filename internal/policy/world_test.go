package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

const (
	contosoID = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"
	policyID  = "b7c1d2e3-f405-4617-8293-a4b5c6d7e8f9"
)

func at(line int, text string) policy.At {
	return policy.At{Text: text, Pos: finding.Pos{File: "sekisho.yaml", Line: line, Column: 5}}
}

func place(line int) finding.Pos { return finding.Pos{File: "sekisho.yaml", Line: line, Column: 5} }

func staff() restrict.Spec {
	return restrict.Spec{
		Name: "staff", Pos: place(60), Version: restrict.V1,
		Permitted: []restrict.At{at(61, "contoso.com"), at(62, contosoID)},
		Context:   at(63, contosoID), BlockConsumers: true, ConsumersPos: place(64),
	}
}

func staffV2() restrict.Spec {
	return restrict.Spec{Name: "staff-v2", Pos: place(70), Version: restrict.V2, Policy: at(71, contosoID+":"+policyID)}
}

// base is a whole policy: every test changes what it is about.
func base() policy.Spec {
	return policy.Spec{
		Features: []policy.At{at(3, "entra.sign-in"), at(4, "entra.device-registration"), at(5, "intune.core")},
		Hosts: []policy.HostSpec{
			{Pattern: at(10, "*.example.com"), Reason: "payroll"},
			{Pattern: at(11, "legacy.example.net"), Plain: true},
			{Pattern: at(12, "inspected.example.org"), Inspect: true},
			{Pattern: at(13, "odd.example.org"), Ports: endpoint.MustPorts("tcp/8443")},
		},
		Aliases: []policy.AliasSpec{
			{Pattern: at(20, "japaneast.login.microsoft.com"), Clients: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}},
		},
		Profiles: []restrict.Spec{staff()},
		Rings: []policy.RingSpec{
			{Name: "pilot", Pos: place(30), Mode: policy.Enforce, Profile: at(31, "staff"), Clients: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
			{Name: "labs", Pos: place(35), Mode: policy.Off, Clients: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}},
			{Name: "everyone", Pos: place(40), Mode: policy.Report, Profile: at(41, "staff")},
		},
	}
}

func compile(t testing.TB, spec policy.Spec) *policy.Program {
	t.Helper()
	p, findings := policy.Compile(spec, catalog.Builtin())
	if p == nil {
		t.Fatalf("the policy does not compile: %+v", findings.Of(finding.Error))
	}
	return p
}

func from(client string) policy.Subject { return policy.Subject{Client: netip.MustParseAddr(client)} }

const (
	enforced = "10.1.2.3"
	off      = "10.2.2.3"
	reported = "10.3.2.3"
)

func ask(p *policy.Program, client, authority string) policy.Decision {
	a, err := endpoint.ParseAuthority(authority, 443)
	if err != nil {
		panic(err)
	}
	return p.Decide(policy.Ask{Subject: from(client), Authority: a})
}

func askPlain(p *policy.Program, client, authority string) policy.Decision {
	a, err := endpoint.ParseAuthority(authority, 80)
	if err != nil {
		panic(err)
	}
	return p.Decide(policy.Ask{Subject: from(client), Authority: a, Plain: true})
}

// has reports whether a finding with that code and severity is in the list, with every text in one of its arguments or
// its place.
func has(list finding.List, code string, severity finding.Severity, texts ...string) bool {
	return slices.ContainsFunc(list, func(f finding.Finding) bool {
		if f.Code != code || f.Severity != severity {
			return false
		}
		all := f.Pos.String()
		for _, v := range f.Args {
			all += "\n" + v
		}
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return false
			}
		}
		return true
	})
}

func headers(d policy.Decision) string {
	var out []string
	for _, f := range d.Plan.Set() {
		out = append(out, f.Name+": "+f.Value)
	}
	return strings.Join(out, "\n")
}
