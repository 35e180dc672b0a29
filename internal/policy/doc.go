// Package policy is the program: what may pass the checkpoint, by which road, with which headers.
//
// Compile turns a Spec (what the administrator wrote) and a catalog.Snapshot (what the sources say) into a Program, or
// into findings that say why not. A Program only judges. It does no I/O, knows no clock, and its answers are data:
//
//	program, findings := policy.Compile(spec, catalog.Builtin())
//	d := program.Decide(policy.Ask{Subject: who, Authority: authority}) // by name, before anything is resolved
//	d = program.DecideAddr(d, address)                                  // by address; dial d.Addr and no other
//	d = program.DecideTLS(d, hello)                                     // by server name
//	d = program.DecideRequest(d, host)                                  // each request inside an intercepted connection
//
// Every step takes the Decision of the step before and can only narrow it: a denied Decision stays denied.
//
// # What is allowed
//
// Nothing, unless a rule says so. The zero Decision, the nil Program and the zero Spec deny. Rules are the host patterns
// of the features in use, with those that come along (outbound claims that are not withdrawn, TCP ports only), and the
// organisation's own hosts. Among own hosts, and among features, the most specific pattern whose ports allow the
// request decides; own hosts are asked first.
//
//   - CONNECT is for TLS: it opens the TCP ports of the rule except 80. A plain request is for port 80 only, where the
//     rule has tcp/80 (a feature's claim) or plain HTTP is on (an own host).
//   - A target that is an address is always refused, also inside the published prefixes: the name in the ClientHello
//     would have nothing to agree with, and the sign-in hosts share their addresses with other services.
//
// # Classes beat wildcards
//
// catalog.Classify says which hosts are sign-in hosts, aliases of them, sign-in hosts of other clouds, or retired. No
// wildcard opens such a host, whatever feature it comes from:
//
//   - A sign-in host is open only where a feature in use names it exactly. Its ring decides what happens.
//   - An alias or another cloud's host is open, as a tunnel, only to the client networks that Spec.Aliases names.
//   - A host beneath a sign-in name (x.login.microsoftonline.com) is open only by a pattern that is itself written
//     beneath that name, as device.login.microsoftonline.com and *.certauth.login.microsoftonline.com are.
//   - An own host cannot name, cover or lie within a class; that is an error.
//
// A required host of a feature in use that a class blocks is reported as a finding.
//
// # Rings
//
// Rings are asked in order and the first that matches decides; kinds of selectors are joined by AND, values of one kind
// by OR. A ring that selects users or groups never matches a caller who is not identified. A percentage takes a stable
// share: the same user (or, where nobody is identified, the same client address) always falls into the same hundredth,
// the same for every ring, so that a ring that grows from 10 to 20 keeps its first 10.
//
//	enforce  intercept, exactly the profile's headers
//	report   intercept, delete the client's headers, inject none; Would says what enforcing would have restricted
//	off      tunnel
//	no ring  sign-in hosts are refused; everything else does not ask for a ring
//
// Plain HTTP to a sign-in host is read and rewritten with the same plan (endpoint set 56 lists port 80). In a ring that
// is off it is forwarded with the restriction headers deleted.
//
// # Never inspected
//
// Only sign-in hosts and own hosts with Inspect are intercepted. An own rule that asks to inspect what the catalog
// forbids to inspect, or a wildcard that covers such a host, is a contradiction and does not load.
//
// The rules are those of "Manage access to SaaS applications with tenant restrictions"
// (https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions, read 2026-11-23) and of the sources
// that the catalog names at each claim.
package policy
