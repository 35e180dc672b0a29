package hello

import (
	"testing"

	"sekisho/internal/message"
)

func TestEveryCodeIsWorded(t *testing.T) {
	if len(Codes()) != 4 {
		t.Errorf("%q", Codes())
	}
	for _, lang := range message.Languages() {
		p := message.New(lang)
		for _, c := range Codes() {
			if !p.Has("hello." + c) {
				t.Errorf("%q has no text in internal/message/text/hello.%s.yaml", c, lang)
			}
		}
	}
}
