// Package restrict turns a tenant restrictions profile into a plan: what happens to the restriction headers of one
// request.
//
// A [Spec] is what the administrator wrote. [Compile] judges it and gives a [Profile], or findings with file, line and
// column. A profile answers, for the class of a host, a [Plan]: which headers to delete (always all of them) and which
// to set:
//
//	p, findings := restrict.Compile(spec)
//	plan := p.Plan(catalog.SignIn)
//	for _, f := range plan.Set() {
//		// Restrict-Access-To-Tenants: contoso.com,fabrikam.com
//	}
//
// What is sent where (Microsoft Entra, "Use tenant restrictions to manage access to SaaS cloud applications", page of
// 2024-11-29, and "Set up tenant restrictions v2", page of 2025-04-14):
//
//	class            v1, consumers blocked     v1, consumers allowed    v2
//	SignIn           To-Tenants, Context       To-Tenants, Context      Policy: tenant:policy
//	SignInConsumer   Policy: restrict-msa      deletion alone           Policy: tenant:policy
//	any other        deletion alone            deletion alone           deletion alone
//
// The package refuses what would be sent and do nothing, or do something else than it says: placeholders, wildcards,
// Microsoft's sample ids, several tenants in one entry, anything that could break out of a header. It never shortens a
// list: a value that some product on the way would cut is a warning. It does no I/O and knows no clock.
package restrict
