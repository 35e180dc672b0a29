package finding_test

import (
	"errors"
	"io/fs"
	"testing"

	"sekisho/internal/finding"
)

func TestPosPrintsWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		pos  finding.Pos
		want string
	}{
		{finding.Pos{}, ""},
		{finding.Pos{File: "a.yaml"}, "a.yaml"},
		{finding.Pos{File: "a.yaml", Line: 3}, "a.yaml:3"},
		{finding.Pos{File: "a.yaml", Line: 3, Column: 9}, "a.yaml:3:9"},
	} {
		if got := c.pos.String(); got != c.want {
			t.Errorf("%#v prints %q, want %q", c.pos, got, c.want)
		}
	}
}

func TestForgottenSeverityIsAnError(t *testing.T) {
	var f finding.Finding
	if !(finding.List{f}).HasErrors() {
		t.Error("the zero Finding must stop what it stands for")
	}
}

func TestSortIsByPlace(t *testing.T) {
	l := finding.List{
		finding.New("b", finding.Error, finding.Pos{File: "a", Line: 2, Column: 1}),
		finding.New("a", finding.Error, finding.Pos{File: "a", Line: 1, Column: 9}),
		finding.New("c", finding.Error, finding.Pos{File: "a", Line: 1, Column: 2}),
	}.Sort()
	if l[0].Code != "c" || l[1].Code != "a" || l[2].Code != "b" {
		t.Errorf("order is %v", l)
	}
}

func TestProblemKeepsItsCause(t *testing.T) {
	err := error(finding.Fail("node.unreadable", fs.ErrPermission, "file", "x"))
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("the cause is lost")
	}
	var p *finding.Problem
	if !errors.As(err, &p) || p.Findings[0].Args["file"] != "x" {
		t.Error("the finding is lost")
	}
	if want := "node.unreadable: permission denied"; err.Error() != want {
		t.Errorf("prints %q, want %q", err, want)
	}
}
