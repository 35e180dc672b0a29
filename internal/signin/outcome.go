package signin

import "slices"

// Open says why a plan does not tell what becomes of a row, by its stable code.
type Open string

// The reasons why an Outcome is open. The zero value means that it is not.
const (
	Settled       Open = ""
	OpenNickname  Open = "nickname-characters" // no page says what becomes of such a MailNickName
	OpenGroup     Open = "conflict-with-group" // an error of the export, in which groups take part
	OpenAnchor    Open = "anchor-duplicate"    // several objects are one to the cloud
	OpenFederated Open = "federated"           // another system signs people in
)

// Outcome is what a plan says of the first sign-in after the first synchronisation.
type Outcome struct {
	Open Open
	// Name is the name in the cloud; "": nobody can be synchronised so.
	Name string
	// Contested says that others would have the same name: one of them gets it, the rest a placeholder.
	Contested bool
	// Refused says that the sign-in fails, with Code where a page gives one, otherwise 0.
	Refused bool
	Code    int
}

// Outcome tells what the plan expects of the row i with the right password, for an object that is a person and is synchronised;
// of others it is the zero value.
//
// Codes are from "Microsoft Entra authentication and authorization error codes"
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes) and "Troubleshoot Microsoft Entra pass-through
// authentication". With password hash synchronisation the cloud knows of the account whether it is disabled, and of no lock-out, no
// end and no age of a password; the hash of a password that must be changed is not sent ("Implement password hash
// synchronization"). With pass-through authentication a domain controller judges each time.
func (p *Plan) Outcome(i int) Outcome {
	r := &p.Rows[i]
	if r.Excluded != "" || !r.Kind.Person() {
		return Outcome{}
	}
	o := Outcome{Name: r.Cloud.UPN}
	has := func(rule *Rule) bool { return slices.Contains(r.Findings, rule) }
	switch {
	case has(ruleAnchorTwice):
		o.Open = OpenAnchor
	case has(ruleGroup):
		o.Open = OpenGroup
	case has(ruleNickname):
		o.Open = OpenNickname
	case p.Options.Method.Federated(), p.Options.Method == NoMethod:
		o.Open = OpenFederated
	}
	o.Contested = has(ruleDuplicateName) || has(ruleDuplicateCloud)
	refuse := func(code int) { o.Refused, o.Code = true, code }
	through, standing := p.Options.Method == PassThrough, r.Standing(p.Options.Now)
	switch {
	case o.Name == "":
		refuse(0)
	case standing.Disabled:
		refuse(50057)
	case has(ruleExpired):
		refuse(0) // no page gives the code
	case has(ruleLocked):
		refuse(50053)
	case through && standing.PasswordExpired:
		refuse(50144)
	case through && standing.MustChange:
		refuse(50055)
	case has(ruleMustChange), has(ruleNotClass):
		refuse(50056) // there is no password in the cloud
	}
	return o
}
