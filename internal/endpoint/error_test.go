package endpoint

import (
	"strings"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func TestErrorSaysWhatWhereAndWhatToDo(t *testing.T) {
	tests := []struct {
		in   string
		read func(string) error
		want string
	}{
		{"login%2e.com", func(s string) error { _, err := ParseHost(s); return err },
			`host "login%2e.com": byte 6: a percent sign has no place in a host name; write the name as it stands in DNS`},
		{"*.a%.com", func(s string) error { _, err := ParsePattern(s); return err },
			`pattern "*.a%.com": byte 4: a percent sign has no place in a host name; write the name as it stands in DNS`},
		{"10.1.2.3/16", func(s string) error { _, err := ParsePrefix(s); return err },
			`prefix "10.1.2.3/16": byte 1: bits after the prefix length are set; write "10.1.0.0/16"`},
		{"a\x1b[31mb", func(s string) error { _, err := ParseHost(s); return err },
			`host "a\x1b[31mb": byte 2: a control character has no place here`},
		{"login.microsoftonline.com/common", func(s string) error { _, err := ParseTarget(s); return err },
			`target "login.microsoftonline.com/common": byte 1: a path without a scheme; write "https://login.microsoftonline.com/common"`},
	}
	for _, tt := range tests {
		if err := tt.read(tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("%q:\n got %v\nwant %s", tt.in, err, tt.want)
		}
	}
	_, err := ParseHost(strings.Repeat("a\u00ad", 5000))
	if n := len(err.Error()); n > 2500 {
		t.Errorf("a huge input makes an error of %d bytes", n)
	}
}

// Every reason can be told to a person in both languages, and English and Japanese differ.
func TestEveryReasonHasText(t *testing.T) {
	codes := Reasons()
	if len(codes) < 30 {
		t.Fatalf("only %d reasons", len(codes))
	}
	for _, code := range codes {
		e := &ParseError{What: "host", Input: "a.example.com", Offset: 1, Reason: code, Want: "b.example.com"}
		f := e.Finding(finding.Pos{File: "sekisho.yaml", Line: 3, Column: 5})
		en, ja := message.New("en").Finding(f), message.New("ja").Finding(f)
		if !message.New("en").Has(f.Code) || en == ja || !strings.HasPrefix(ja, "sekisho.yaml:3:5: ") {
			t.Errorf("%s: %q, %q", f.Code, en, ja)
		}
		if strings.Contains(en+ja+message.New("en").Hint(f)+message.New("ja").Hint(f), "<no value>") {
			t.Errorf("%s names an argument that the finding does not have", f.Code)
		}
	}
}
