package directory_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
)

func seeds(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < 5 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
}

// held checks what every answer has to be: the whole or a problem with a place, and the same again.
func held(t *testing.T, data []byte, read func([]byte) (*directory.Directory, error)) {
	d, err := read(data)
	var problem *finding.Problem
	if err != nil {
		if d != nil || !errors.As(err, &problem) || len(problem.Findings) == 0 {
			t.Fatalf("got %v, %v", d, err)
		}
		return
	}
	for _, a := range d.Accounts {
		if a.Kind == directory.Other || a.Pos.Line == 0 || len(a.GUID) != 0 && len(a.GUID) != 16 || !utf8.ValidString(a.UPN) {
			t.Errorf("account %+v", a)
		}
	}
	again, err := read(data)
	if diff := cmp.Diff(d, again); diff != "" || err != nil {
		t.Errorf("read again: %v %s", err, diff)
	}
}

func FuzzLDIF(f *testing.F) {
	seeds(f, "testdata/*/*.ldf")
	f.Fuzz(func(t *testing.T, data []byte) {
		held(t, data, func(data []byte) (*directory.Directory, error) {
			return directory.ReadLDIF("f", bytes.NewReader(data), directory.Options{Attribute: "employeeID"})
		})
	})
}

func FuzzCSV(f *testing.F) {
	seeds(f, "testdata/*/*.csv")
	f.Fuzz(func(t *testing.T, data []byte) {
		held(t, data, func(data []byte) (*directory.Directory, error) {
			return directory.ReadCSV("f", bytes.NewReader(data), directory.Options{})
		})
	})
}
