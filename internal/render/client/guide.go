package client

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"sekisho/internal/render"
)

// guide says what each file is for, in which order they are rolled out, how to check it, and what none of them does.
func guide(in render.Input, p plan, values []setting) string {
	w := &strings.Builder{}
	say := in.Printer()
	line := func(id string, args ...string) string {
		m := map[string]string{}
		for i := 0; i+1 < len(args); i += 2 {
			m[args[i]] = args[i+1]
		}
		return say.Text("client.guide."+id, m)
	}
	part := func(id string, lines ...string) {
		w.WriteString("\n" + line(id) + "\n")
		for _, l := range lines {
			w.WriteString("  - " + render.OneLine(l) + "\n")
		}
	}
	date := render.Date(in)
	if date == "" {
		date = line("no-date")
	}
	w.WriteString(line("made", "catalog", render.OneLine(in.Program.CatalogVersion()), "policy", in.Program.Hash(), "date", date) + "\n" + line("unverified") + "\n\n")
	if p.pac != "" {
		w.WriteString(line("pac", "value", p.pac) + "\n")
	} else {
		past := strings.Join(p.bypass("*."), ", ")
		if past == "" {
			past = line("nothing")
		}
		w.WriteString(line("proxy", "value", p.proxy, "past", past) + "\n")
	}
	w.WriteString(line("order") + "\n")
	files := []string{
		machineFile + ": " + line("file.machine"), userFile + ": " + line("file.user"), scriptFile + ": " + line("file.script"),
		winHTTPFile + ": " + line("file.winhttp"), firefoxFile + ": " + line("file.firefox"), intuneFile + ": " + line("file.intune"),
	}
	if p.root != nil {
		sum := sha256.Sum256(p.root.Raw)
		files = append(files, rootFile+": "+line("file.root", "sha1", thumbprint(p), "sha256", hex.EncodeToString(sum[:])))
	} else {
		files = append(files, line("no-root"))
	}
	part("files", files...)
	check := []string{line("check.proxy")}
	if len(p.ranges) > 0 {
		check = append(check, line("check.rules"))
	}
	part("check", append(check, line("check.sign-in"))...)
	part("outlook", line("outlook.gpo"), line("outlook.personal", "page", pageOutlook.URL), line("outlook.new"))
	part("others", line("others.mac"), line("others.android"), line("others.sso"))
	part("limits", line("limits.admin"), line("limits.away"), line("limits.addresses"))
	var pages []string
	for _, page := range pagesOf(p, values) {
		pages = append(pages, page.String())
	}
	part("pages", pages...)
	return w.String()
}
