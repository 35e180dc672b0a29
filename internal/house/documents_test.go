package house_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/lab/fault"
	"sekisho/internal/message"
	"sekisho/internal/prove"
)

var update = flag.Bool("update", false, "write the generated parts of the documents again")

// residualCodes are the codes of policy.Program.Residual, in its order, from its source: what one policy leaves out, the
// document still lists.
func residualCodes(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal", "policy", "residual.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && strings.HasPrefix(text, "policy.") {
				codes = append(codes, text)
			}
		}
		return true
	})
	if len(codes) < 10 {
		t.Fatalf("found %d codes", len(codes))
	}
	return codes
}

// standIns are what the texts say where a policy would name its own.
var standIns = map[string]map[string]string{
	"en": {"ring": "name", "mode": "report or off", "count": "N", "profile": "name"},
	"ja": {"ring": "名前", "mode": "report または off", "count": "N", "profile": "名前"},
}

var headings = map[string]map[string]string{
	"en": {"promises": "| Id | Promise |", "prerequisites": "| What must hold | How |", "residual": "| What it is | What else closes it |",
		"faults": "| Fault | What happens | Arguments, with their defaults | Known from |"},
	"ja": {"promises": "| ID | 約束 |", "prerequisites": "| 前提条件 | 満たす方法 |", "residual": "| 内容 | 補う方法 |",
		"faults": "| 障害 | 起こること | 引数と既定値 | 出典 |"},
}

// sources are the words of a fault's source that are no title, for the Japanese document.
var sources = strings.NewReplacer("chosen", "独自に決定", ", section ", " の ", "what filtering proxies answer", "フィルタリング プロキシの応答",
	" (hosts that must not be inspected)", " (検査してはならないホスト)", " names the practice", " (慣行への言及)",
	" (device.login.microsoftonline.com is excluded)", " (device.login.microsoftonline.com は対象外)")

// faults is the table of what can be made to go wrong in the lab.
func faults(p *message.Printer, lang string, row func(...string)) {
	for _, k := range fault.Kinds() {
		var arguments []string
		for _, a := range k.Arguments {
			arguments = append(arguments, "`"+a.Name+"="+a.Default+"` "+p.Text("fault."+k.Name+"."+a.Name, nil)+" (`"+a.Allowed()+"`)")
		}
		if len(arguments) == 0 {
			arguments = []string{"–"}
		}
		source := k.Source
		if lang == "ja" {
			source = sources.Replace(source)
		}
		row("`"+k.Name+"`", p.Text("fault."+k.Name, nil), strings.Join(arguments, "<br>"), source)
	}
}

// generated is one part of a document in lang.
func generated(t *testing.T, part, lang string) string {
	t.Helper()
	p := message.New(lang)
	var b strings.Builder
	b.WriteString(headings[lang][part] + "\n|" + strings.Repeat(" --- |", strings.Count(headings[lang][part], "|")-1) + "\n")
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	switch part {
	case "faults":
		faults(p, lang, row)
		return b.String()
	case "promises":
		for _, id := range prove.IDs() {
			row("`"+id+"`", p.Text("prove."+id, nil))
		}
		return b.String()
	}
	for _, code := range residualCodes(t) {
		if strings.HasPrefix(code, "policy.prerequisite-") != (part == "prerequisites") {
			continue
		}
		if !p.Has(code) || !p.Has(code+".hint") {
			t.Errorf("%s has no text or no hint in %s", code, lang)
		}
		_, text, _ := strings.Cut(p.Text(code, standIns[lang]), ": ")
		row(text, p.Text(code+".hint", standIns[lang]))
	}
	return b.String()
}

// TestDocs compares the generated parts of docs/security and docs/lab with what they come from; -update writes them.
func TestDocs(t *testing.T) {
	for document, parts := range map[string][]string{"security": {"promises", "prerequisites", "residual"}, "lab": {"faults"}} {
		for lang, end := range map[string]string{"en": ".md", "ja": ".ja.md"} {
			generatedDocument(t, filepath.Join(root, "docs", document+end), lang, parts)
		}
	}
}

func generatedDocument(t *testing.T, file, lang string, parts []string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, part := range parts {
		begin, end := "<!-- begin "+part+" -->\n", "<!-- end "+part+" -->\n"
		before, rest, ok1 := strings.Cut(text, begin)
		old, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no part %q", file, part)
		}
		want := generated(t, part, lang)
		if old != want && !*update {
			t.Errorf("%s: the part %q differs from the texts; run make docs", file, part)
		}
		text = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// documents are the Markdown files of the tree.
func documents(t *testing.T) []string {
	t.Helper()
	var out []string
	walk(t, func(path string) {
		if strings.HasSuffix(path, ".md") {
			out = append(out, path)
		}
	})
	if len(out) < 10 {
		t.Fatalf("found %d documents", len(out))
	}
	return out
}

func TestLinksBetweenDocumentsLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, document := range documents(t) {
		content, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", document, m[1])
			}
		}
	}
}

// TestDocumentsNameTestsThatExist: a promise whose test has been renamed is a promise without a test.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	_, tests := functions(t)
	name := regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w+$`)
	found := 0
	for _, document := range documents(t) {
		for _, n := range coded(t, document) {
			if !name.MatchString(n) {
				continue
			}
			if found++; !tests[n] {
				t.Errorf("%s names %s, which does not exist", document, n)
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d names of tests", found)
	}
}

// TestBothLanguagesSayTheSame compares the skeleton of each pair: headings by level, rows of tables, items of lists, and
// the commands of code blocks without their comments.
func TestBothLanguagesSayTheSame(t *testing.T) {
	pairs := 0
	for _, document := range documents(t) {
		english, ok := strings.CutSuffix(document, ".ja.md")
		if !ok {
			continue
		}
		pairs++
		en, ja := skeleton(t, english+".md"), skeleton(t, document)
		for i := 0; i < max(len(en), len(ja)); i++ {
			var a, b string
			if i < len(en) {
				a = en[i]
			}
			if i < len(ja) {
				b = ja[i]
			}
			if a != b {
				t.Errorf("%s: item %d is %q, in English %q", document, i+1, b, a)
				break
			}
		}
	}
	if pairs < 4 {
		t.Errorf("found %d pairs", pairs)
	}
}

func skeleton(t *testing.T, document string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`^#+ `)
	command := regexp.MustCompile(`^    ((?:go|make|sekisho) [^#<]*)`)
	var out []string
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case heading.MatchString(line):
			out = append(out, heading.FindString(line))
		case strings.HasPrefix(line, "|"):
			out = append(out, "row of "+strconv.Itoa(strings.Count(line, "|")-strings.Count(line, `\|`)))
		case strings.HasPrefix(line, "- "):
			out = append(out, "item")
		case command.MatchString(line):
			out = append(out, strings.TrimSpace(command.FindStringSubmatch(line)[1]))
		}
	}
	return out
}
