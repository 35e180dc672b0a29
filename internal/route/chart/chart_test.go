package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/message"
	"sekisho/internal/route"
	"sekisho/internal/route/chart"
)

func draw(t *testing.T, lang, organisation string) []byte {
	t.Helper()
	tokyo, _ := route.LocationNamed("Tokyo")
	b := route.NewBook(route.Spec{Circuits: []route.Circuit{{Name: "tokyo <1>", Location: tokyo, Private: true, Microsoft: true, VNets: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}}}})
	known, _ := b.Catalog().Expand([]catalog.FeatureID{"entra.sign-in", "m365.exchange", "apple.device-management"})
	p := message.New(lang)
	var out bytes.Buffer
	err := chart.Draw(&out, b, b.Rows(known, nil), chart.Options{Lang: lang, Organisation: organisation, Date: "2026-11-23", Catalog: b.Catalog().Version(),
		Word: func(id string) string { return p.Text("route."+id, nil) }})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestDrawingIsWholeAndSelfContained: XML that a reader takes, no script, no reference outside, every word there, the same
// bytes each time, whatever the organisation is called.
func TestDrawingIsWholeAndSelfContained(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		hostile := `Contoso & "Sons" <script>alert(1)</script> 株式会社`
		svg := draw(t, lang, hostile)
		d := xml.NewDecoder(bytes.NewReader(svg))
		circles := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok {
				switch e.Name.Local {
				case "script", "image", "use", "a", "foreignObject":
					t.Errorf("a drawing with <%s>", e.Name.Local)
				case "circle":
					circles++
				}
				for _, a := range e.Attr {
					if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
						t.Errorf("attribute %s", a.Name.Local)
					}
				}
			}
		}
		if circles < len(route.Patterns())*4+len(route.States()) {
			t.Errorf("%d marks", circles)
		}
		text := string(svg)
		if strings.Contains(text, "route.chart") || strings.Contains(text, "route.pattern") || strings.Contains(text, "<script>") {
			t.Error("a code without a word, or a name that was not escaped")
		}
		if !strings.Contains(text, `width="297mm" height="210mm"`) {
			t.Error("does not fit A4 across")
		}
		if !bytes.Equal(svg, draw(t, lang, hostile)) {
			t.Error("two drawings of the same differ")
		}
	}
}
