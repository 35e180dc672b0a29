package directory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

// Each file of testdata/bad has one mistake; its last line says where and what it is, and the words that the English text
// must contain.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, want, ok := strings.Cut(string(data), "# want: ")
			if !ok {
				t.Fatal("the case does not say what it wants")
			}
			d, err := Parse("lab.yaml", data)
			if got := told(err); d != nil || got != strings.TrimSpace(want) {
				t.Errorf("got  %s\nwant %s", got, strings.TrimSpace(want))
			}
		})
	}
}

// told is what a person reads of err, and its code.
func told(err error) string {
	var p *finding.Problem
	if !errors.As(err, &p) {
		return fmt.Sprint(err)
	}
	var out []string
	for _, f := range p.Findings {
		out = append(out, strings.TrimPrefix(f.Code, "lab.file-")+" "+f.Pos.String()+": "+message.New("en").Text(f.Code, f.Args))
	}
	return strings.Join(out, " | ")
}

func TestGuests(t *testing.T) {
	d, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	contoso, _ := d.Tenant("contoso.com")
	dave, _ := d.Person("DAVE@fabrikam.com ")
	account, ok := contoso.Account(dave)
	if !ok || !account.Guest() || account.Person() != dave || account.ID == dave.ID || !account.CheckPassword("Lab-dave-1") {
		t.Errorf("%+v", account)
	}
	bob, _ := d.Person("bob@fabrikam.com")
	if _, ok := contoso.Account(bob); ok {
		t.Error("bob is no guest")
	}
	if _, ok := d.Tenant("contoso.example"); ok {
		t.Error("an unverified domain names a tenant")
	}
	if contoso.Initial() != "contoso.onmicrosoft.com" {
		t.Errorf("initial %q", contoso.Initial())
	}
	if to, ok := d.DomainOf("anybody@CONTOSO.com"); !ok || to != contoso {
		t.Error("domain of a name")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(shipped)
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("lab.yaml", data)
		if (d == nil) == (err == nil) {
			t.Fatalf("%v, %v", d, err)
		}
		var p *finding.Problem
		if err != nil {
			if !errors.As(err, &p) || len(p.Findings) == 0 || len(p.Findings) > maxProblems {
				t.Fatalf("%v", err)
			}
			return
		}
		// What is read can be copied, kept and read again.
		again, err := d.draft.clone()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := build(again, printed, nil, nil); err != nil {
			t.Fatalf("a directory that was read is refused when it is kept: %v", err)
		}
	})
}
