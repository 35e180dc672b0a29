// Package explain is the answer to "what is this host, address or URL, and what happens to it here?": every set that
// covers it with source and age, its class, how it must be handled and who says so, what the policy would do for one
// caller, and where the sources contradict each other.
//
//	answer := explain.Explain(target, explain.Context{Catalog: snapshot, Program: program, Now: time.Now()})
//	err := explain.Render(os.Stdout, answer, message.New("ja"), 100)
//
// The answer is data with stable JSON names; texts of sources stand in it in both languages. Explain does no I/O and
// has no clock. It judges nothing itself: the decision is the one of package policy.
package explain
