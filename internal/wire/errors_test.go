package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/message"
)

// codeConstants reads the Code constants from the source, so that a forgotten entry in Codes shows.
func codeConstants(t *testing.T, file string) (codes []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if strings.HasPrefix(v.Names[0].Name, "Code") {
				c, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, c)
			}
		}
	}
	slices.Sort(codes)
	return codes
}

func TestEveryCodeIsListedAndWorded(t *testing.T) {
	constants := codeConstants(t, "errors.go")
	if len(constants) == 0 || !slices.Equal(constants, Codes()) {
		t.Errorf("constants %q\nCodes     %q", constants, Codes())
	}
	for _, lang := range message.Languages() {
		p := message.New(lang)
		for _, c := range Codes() {
			if !p.Has("wire." + c) {
				t.Errorf("%q has no text in internal/message/text/wire.%s.yaml", c, lang)
			}
		}
	}
}

func TestErrorStatusIsAnAnswer(t *testing.T) {
	for _, c := range Codes() {
		if s := (&Error{Code: c}).Status(); s < 400 || s > 599 {
			t.Errorf("%s: status %d", c, s)
		}
	}
	for code, want := range map[string]int{
		CodeTargetTooLong: 414, CodeExpect: 417, CodeHostMismatch: 421, CodeHeadTooLong: 431, CodeTransferEncoding: 501,
		CodeVersionUnsupported: 505, CodeBareLF: 400, CodeNoPlan: 500,
	} {
		if s := (&Error{Code: code}).Status(); s != want {
			t.Errorf("%s: %d, want %d", code, s, want)
		}
	}
}
