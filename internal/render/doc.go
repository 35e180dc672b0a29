// Package render hands the policy on in the form that somebody else's device or desk needs: a PAC file, lists and rules of
// firewalls, settings of clients, a table.
//
//	target, _ := render.Find(targets.All(), "csv")
//	out, err := render.Render(target, render.Input{Program: program, Tags: tags}, render.Options{})
//	// out.Files: names, media types, bytes; out.Findings: what the target cannot say
//
// Every target reads one derived table, the Model: the endpoints of the features in use and the organisation's own rows,
// with ports, direction, purpose, handling and what the gateway does with them. Targets that read one table cannot
// contradict each other.
//
// The same input gives the same bytes: a target knows no clock, no file and no network; whatever has to be read is read by
// who calls and handed over. What a target cannot express exactly is left out and said in a finding, never widened. A
// selection without an entry is an error: an empty allow list closes what nobody meant to close, or, on devices that read
// "empty" as "any", opens everything.
//
// Each target has a folder of its own beneath this one; package render/targets lists them. The texts of a target stand in
// package message: "render.target.NAME" says what it is, "render.option.NAME.OPTION" what each option does.
package render
