package gateway

import (
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/wire"
)

func BenchmarkSealed(b *testing.B) {
	p, _ := restrict.Compile(baseSpec().Profiles[0])
	d := policy.Decision{Class: catalog.SignIn, Plan: p.Plan(catalog.SignIn)}
	plan := d.Plan
	out := wire.Outgoing{Method: "GET", Path: "/common/oauth2/v2.0/authorize", Authority: signInHost}
	for _, n := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Cookie", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Ch-Ua-Platform", "User-Agent", "Upgrade-Insecure-Requests"} {
		out.Fields = append(out.Fields, wire.Field{Name: n, Value: "some value of a usual length, or a little more"})
	}
	head, err := wire.AppendRequest(nil, &out, plan)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !sealed(head, d, signInHost) {
			b.Fatal("not sealed")
		}
	}
}
