// Package fiddler is the target "fiddler": the rules of Fiddler Classic (CustomRules.js) that put the policy's restriction
// headers on sign-ins from one machine, to try tenant restrictions before a proxy has them.
//
//	static function OnBeforeRequest(oSession: Session)
//
// The rules name single hosts and compare whole names; the name beside a sign-in host that must stay as it is,
// device.login.microsoftonline.com, is never decrypted and never gets a header, because nothing but the sign-in hosts is
// decrypted. What the client sent under a restriction header is removed before the policy's own is set. Headers go on
// requests and not on CONNECT, which the next proxy reads. A device that knows no people has one ring; see package stamp.
//
// The language of the file is JScript.NET. It keeps to what ES5 reads too, but for the frame around the function, so that
// a script engine can run it: without the lines that begin in the first column and are no comments, without "static" and
// without the type ": Session" it is ES5.
package fiddler

import (
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/stamp"
	"sekisho/internal/restrict"
)

var pages = []flow.Page{
	{Title: "Manage access to SaaS applications with tenant restrictions, Fiddler", URL: "https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions", Read: "2026-11-23"},
	{Title: "Modifying a Request or Response (Fiddler Classic)", URL: "https://docs.telerik.com/fiddler/knowledge-base/FiddlerScript/ModifyRequestOrResponse", Read: "2026-11-23"},
	{Title: "FiddlerCore - Decrypt only some HTTPS requests (x-no-decrypt)", URL: "https://www.telerik.com/forums/fiddlercore---decrypt-only-some-https-requests", Read: "2026-11-23"},
}

// Target is "fiddler".
type Target struct{}

// Name returns "fiddler".
func (Target) Name() string { return "fiddler" }

// Options returns the ring that the person at the machine is taken to be in.
func (Target) Options() []render.Option { return []render.Option{stamp.Option()} }

// Render returns CustomRules.js.
func (t Target) Render(in render.Input, _ *render.Model) (render.Output, error) {
	ring, err := stamp.One(in, t.Name())
	if err != nil {
		return render.Output{}, err
	}
	f := render.File{Name: "CustomRules.js", Type: "text/plain; charset=utf-8", Body: []byte(script(in, ring)), Comment: "//"}
	return render.Output{Files: []render.File{f}, Findings: finding.List{flow.NotVerified(t.Name(), pages...)}, Apart: true}, nil
}

// script is the file for a ring.
func script(in render.Input, ring stamp.Ring) string {
	w := &strings.Builder{}
	say := in.Printer()
	comment := func(indent, id string, args ...string) {
		m := map[string]string{}
		for i := 0; i+1 < len(args); i += 2 {
			m[args[i]] = args[i+1]
		}
		w.WriteString(render.Comment(indent+"//", say.Text("fiddler."+id, m)))
	}
	w.WriteString(render.Comment("//", append(render.Header(in, "fiddler"), flow.Unverified(pages...)...)...))
	comment("", "ring", "ring", ring.Name)
	for _, id := range []string{"install", "https", "own", "removed", "secret"} {
		comment("", id)
	}
	w.WriteString("import System;\nimport Fiddler;\n\nclass Handlers\n{\n    static function OnBeforeRequest(oSession: Session)\n    {\n")
	comment("        ", "begin")
	var all []endpoint.Host
	for _, h := range ring.Hosts {
		all = append(all, h.Name)
	}
	comment("        ", "tunnel")
	w.WriteString("        if (oSession.HTTPMethodIs(\"CONNECT\"))\n        {\n            if (!(\n" + hosts("                ", all) + "            ))\n            {\n")
	w.WriteString("                oSession[\"x-no-decrypt\"] = \"sekisho\";\n            }\n        }\n        else\n        {\n")
	comment("            ", "remove")
	w.WriteString("            if (\n" + hosts("                ", all) + "            )\n            {\n")
	for _, name := range restrict.DeletedNames() {
		for _, n := range spellings(name) {
			w.WriteString("                oSession.oRequest.headers.Remove(" + quote(n) + ");\n")
		}
	}
	w.WriteString("            }\n")
	for _, g := range ring.Groups() {
		comment("            ", "set")
		w.WriteString("            if (\n" + hosts("                ", g.Hosts) + "            )\n            {\n")
		for _, f := range g.Set {
			w.WriteString("                oSession.oRequest[" + quote(f.Name) + "] = " + quote(f.Value) + ";\n")
		}
		w.WriteString("            }\n")
	}
	w.WriteString("        }\n")
	comment("        ", "end")
	w.WriteString("    }\n}\n")
	return w.String()
}

// spellings are all ways to write a header's name with hyphens or underscores, which servers may read as one; the name itself
// is the first. A name has four hyphens at most.
func spellings(name string) []string {
	before, after, found := strings.Cut(name, "-")
	if !found {
		return []string{name}
	}
	var out []string
	for _, sign := range []string{"-", "_"} {
		for _, rest := range spellings(after) {
			out = append(out, before+sign+rest)
		}
	}
	return out
}

// hosts is a condition that holds for exactly the names of list, with and without the dot of the root at the end.
func hosts(indent string, list []endpoint.Host) string {
	var lines []string
	for _, h := range list {
		for _, name := range []string{string(h), string(h) + "."} {
			lines = append(lines, indent+"oSession.HostnameIs("+quote(name)+")")
		}
	}
	return strings.Join(lines, " ||\n") + "\n"
}

// quote is s as a string literal of JScript and ES5 (ECMA-262, edition 5.1, section 7.8.4), in ASCII. The slash of "</"
// is escaped, so that the file may stand in a page.
func quote(s string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte('"')
	unit := func(u rune) {
		b.WriteString(`\u` + string([]byte{hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15]}))
	}
	last := rune(0)
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '/' && last == '<':
			b.WriteString(`\` + string(r))
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			unit(0xd800 + r>>10)
			unit(0xdc00 + r&0x3ff)
		default:
			unit(r)
		}
		last = r
	}
	b.WriteByte('"')
	return b.String()
}
