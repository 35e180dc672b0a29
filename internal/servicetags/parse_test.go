package servicetags_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/servicetags"
)

// body is a small good file; edit replaces a part of it.
const body = `{
  "changeNumber": 7,
  "cloud": "Public",
  "values": [
    {
      "name": "ActionGroup",
      "id": "ActionGroup",
      "properties": {
        "changeNumber": 3,
        "region": "",
        "regionId": 0,
        "platform": "Azure",
        "systemService": "ActionGroup",
        "addressPrefixes": ["4.145.74.52/30", "20.1.0.0/16", "2603:1000:4:400::/64"],
        "networkFeatures": ["API", "NSG"]
      }
    },
    {
      "name": "AzureCloud.japaneast",
      "id": "AzureCloud.japaneast",
      "properties": {
        "changeNumber": 4,
        "region": "japaneast",
        "regionId": 24,
        "platform": "Azure",
        "systemService": "",
        "addressPrefixes": ["20.1.0.0/16", "20.1.2.0/24"],
        "networkFeatures": null
      }
    }
  ]
}
`

func edit(old, new string) string {
	if strings.Count(body, old) == 0 {
		panic("nothing to edit: " + old)
	}
	return strings.Replace(body, old, new, 1)
}

func TestParse(t *testing.T) {
	for _, text := range []string{body, "\ufeff" + body, strings.ReplaceAll(body, "\n", "\r\n"), strings.ReplaceAll(body, `"changeNumber": 7`, `"changeNumber": "7"`)} {
		f, found := servicetags.Parse("ServiceTags_Public_20251117.json", []byte(text))
		if f == nil || len(found) > 0 {
			t.Fatal(found)
		}
		if f.ChangeNumber != 7 || f.Cloud != servicetags.Public || f.Prefixes != 5 || len(f.Tags) != 2 || f.Date.Format("2006-01-02") != "2025-11-17" {
			t.Errorf("%+v", f)
		}
		tag := f.Tags[1]
		if tag.Name != "AzureCloud.japaneast" || tag.Region != "japaneast" || tag.RegionID != 24 || tag.Cloud != servicetags.Public || tag.Features != nil || len(tag.Prefixes) != 2 {
			t.Errorf("%+v", tag)
		}
		if one := f.Tags[0]; one.Service != "ActionGroup" || one.Platform != "Azure" || one.ChangeNumber != 3 || strings.Join(one.Features, " ") != "API NSG" {
			t.Errorf("%+v", one)
		}
	}
}

// TestMistakes names for each mistake the code, the line, and whether the file is refused.
func TestMistakes(t *testing.T) {
	half := body[:len(body)/2]
	for _, c := range []struct {
		rule, text, code string
		line             int
		refused          bool
	}{
		{"nothing-is-empty", "", "empty", 1, true},
		{"white-space-is-empty", " \n\n ", "empty", 3, true},
		{"cut-in-the-middle", half, "truncated", strings.Count(half, "\n") + 1, true},
		{"cut-before-the-last-brace", strings.TrimRight(body, "}\n"), "truncated", 31, true},
		{"not-an-object", "[]", "syntax", 1, true},
		{"html-error-page", "<!DOCTYPE html>", "syntax", 1, true},
		{"no-comma", edit(`"cloud": "Public",`, `"cloud": "Public"`), "syntax", 4, true},
		{"comma-too-many", edit(`"NSG"]`, `"NSG",]`), "type", 15, true},
		{"control-character", edit(`"region": ""`, "\"region\": \"\x01\""), "control", 10, true},
		{"not-utf-8", edit(`"region": ""`, "\"region\": \"\xff\""), "encoding", 10, true},
		{"odd-escape", edit(`"region": ""`, `"region": "\x"`), "syntax", 10, true},
		{"something-follows", body + "{}", "trailing", 33, true},
		{"deep-nesting", edit(`"regionId": 0`, `"regionId": 0, "more": `+strings.Repeat("[", 100000)), "deep", 11, true},
		{"deep-nesting-of-objects", edit(`"regionId": 0`, `"regionId": 0, "more": `+strings.Repeat(`{"a":`, 100000)), "deep", 11, true},
		{"unknown-key-is-told", edit(`"regionId": 0`, `"regionId": 0, "colour": {"a": [1, 2.5e3, true, null]}`), "unknown-key", 11, false},
		{"unknown-value-is-strict", edit(`"regionId": 0`, `"regionId": 0, "colour": tru`), "syntax", 11, true},
		{"repeated-key", edit(`"regionId": 0`, `"regionId": 0, "regionId": 0`), "repeated-key", 11, true},
		{"repeated-values", edit(`"cloud": "Public",`, `"cloud": "Public", "values": [],`), "repeated-key", 4, true},
		{"no-change-number", edit(`"changeNumber": 7,`, ``), "missing-key", 32, true},
		{"no-cloud", edit(`"cloud": "Public",`, ``), "missing-key", 32, true},
		{"no-prefixes-key", edit(`"addressPrefixes": ["20.1.0.0/16", "20.1.2.0/24"],`, ``), "missing-key", 29, true},
		{"no-name", edit(`"name": "ActionGroup",`, ``), "missing-key", 17, true},
		{"change-number-zero", edit(`"changeNumber": 7`, `"changeNumber": 0`), "number", 33, true},
		{"change-number-is-a-fraction", edit(`"changeNumber": 7`, `"changeNumber": 7.5`), "number", 2, true},
		{"change-number-is-negative", edit(`"changeNumber": 7`, `"changeNumber": -7`), "number", 2, true},
		{"change-number-is-huge", edit(`"changeNumber": 7`, `"changeNumber": 99999999999999999999`), "number", 2, true},
		{"change-number-is-null", edit(`"changeNumber": 7`, `"changeNumber": null`), "number", 2, true},
		{"unknown-cloud", edit(`"Public"`, `"AzureGermany"`), "cloud", 3, true},
		{"cloud-is-a-number", edit(`"Public"`, `5`), "type", 3, true},
		{"values-is-an-object", `{"changeNumber": 1, "cloud": "Public", "values": {}}`, "type", 1, true},
		{"a-tag-is-a-text", edit(`"values": [`, `"values": ["x", `), "type", 4, true},
		{"a-prefix-is-a-number", edit(`"4.145.74.52/30"`, `4`), "type", 14, true},
		{"name-with-a-line-break", edit(`"name": "ActionGroup"`, `"name": "Action\nGroup"`), "name", 6, true},
		{"name-is-empty", edit(`"name": "ActionGroup"`, `"name": ""`), "name", 6, true},
		{"long-name", edit(`"name": "ActionGroup"`, `"name": "`+strings.Repeat("a", 300)+`"`), "long", 6, true},
		{"repeated-tag", edit(`"name": "AzureCloud.japaneast"`, `"name": "ActionGroup"`), "repeated-tag", 19, true},
		{"repeated-prefix-counts-once", edit(`"20.1.2.0/24"`, `"20.1.2.0/24", "20.1.0.0/16"`), "repeated-prefix", 27, false},
		{"host-bits-are-held", edit(`"20.1.2.0/24"`, `"20.1.2.3/24"`), "held", 27, false},
		{"an-address-is-repaired", edit(`"20.1.2.0/24"`, `"20.1.2.3"`), "repaired", 27, false},
		{"mapped-ipv4-is-repaired", edit(`"20.1.2.0/24"`, `"::ffff:20.1.2.0/120"`), "repaired", 27, false},
		{"a-host-name-is-held", edit(`"20.1.2.0/24"`, `"www.example.com"`), "held", 27, false},
		{"leading-zeros-are-held", edit(`"20.1.2.0/24"`, `"20.001.2.0/24"`), "held", 27, false},
		{"a-zone-is-held", edit(`"20.1.2.0/24"`, `"fe80::1%eth0/128"`), "held", 27, false},
		{"everything-is-held", edit(`"20.1.2.0/24"`, `"0.0.0.0/0", "::/0"`), "wide", 27, false},
		{"no-prefix-at-all", `{"changeNumber": 1, "cloud": "Public", "values": []}`, "empty", 1, true},
		{"many-features", edit(`"NSG"`, `"NSG"`+strings.Repeat(`, "x"`, 40)), "many", 15, true},
		{"many-held", edit(`"20.1.2.0/24"`, `"20.1.2.0/24"`+strings.Repeat(`, "x"`, 11)), "many-held", 33, true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			f, found := servicetags.Parse("tags.json", []byte(c.text))
			if (f == nil) != c.refused || found.HasErrors() != c.refused {
				t.Errorf("file %v, findings %v", f != nil, found)
			}
			ok := false
			for _, x := range found {
				ok = ok || x.Code == "servicetags."+c.code && x.Pos.Line == c.line && x.Pos.File == "tags.json" && x.Args["byte"] != ""
				for _, lang := range message.Languages() {
					if text := message.New(lang).Finding(x); strings.Contains(text, "servicetags.") {
						t.Errorf("%s has no text in %s: %s", x.Code, lang, text)
					}
				}
			}
			if !ok {
				t.Errorf("no %s in line %d: %v", c.code, c.line, found)
			}
		})
	}
}

func TestPlaceOfAMistake(t *testing.T) {
	text := edit(`"20.1.2.0/24"`, `"20.1.2.3/24"`)
	_, found := servicetags.Parse("tags.json", []byte(text))
	if len(found) != 1 {
		t.Fatal(found)
	}
	f := found[0]
	if f.Severity != finding.Warning || f.Pos.Line != 27 || f.Pos.Column != 44 || f.Args["tag"] != "AzureCloud.japaneast" ||
		f.Args["byte"] != fmt.Sprint(strings.Index(text, `"20.1.2.3/24"`)) || f.Args["want"] != "20.1.2.0/24" || f.Args["why"] != "host-bits" {
		t.Errorf("%+v", f)
	}
}

// TestEveryCut cuts a good file at every byte: none is taken.
func TestEveryCut(t *testing.T) {
	whole := strings.TrimRight(body, "\n")
	for i := range whole {
		if f, found := servicetags.Parse("tags.json", []byte(whole[:i])); f != nil || !found.HasErrors() {
			t.Fatalf("cut at byte %d: taken, %v", i, found)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	text := edit(`"20.1.2.0/24"`, `"20.1.2.0/24"`+strings.Repeat(`, 5`, 100000))
	f, found := servicetags.Parse("tags.json", []byte(text))
	if f != nil || len(found) > 110 || found[len(found)-1].Code != "servicetags.more" {
		t.Errorf("%d findings, the last %v", len(found), found[len(found)-1])
	}
	// Errors after the bound still refuse the file.
	text = edit(`"4.145.74.52/30"`, `"4.145.74.52/30"`+strings.Repeat(`, "4.145.74.52/30"`, 200))
	text = strings.Replace(text, `"region": "japaneast"`, `"region": 5`, 1)
	if f, found = servicetags.Parse("tags.json", []byte(text)); f != nil {
		t.Errorf("an error beyond the bound is lost: %v", found)
	}
}

func TestHugeBodyIsRefusedBeforeItIsRead(t *testing.T) {
	data := make([]byte, servicetags.MaxBytes+1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, found := servicetags.Parse("tags.json", data)
	runtime.ReadMemStats(&after)
	if f != nil || len(found) != 1 || found[0].Code != "servicetags.large" || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%v, %d bytes taken", found, after.TotalAlloc-before.TotalAlloc)
	}
}

func TestRecognise(t *testing.T) {
	for text, want := range map[string]bool{
		body: true, "\ufeff\n" + body: true, body[:60]: true, "": false, "[]": false, `{"version": "2025"}`: false, "<html>": false,
	} {
		if got := servicetags.Recognise([]byte(text)); got != want {
			t.Errorf("%.30q: %t", text, got)
		}
	}
}

func TestCloudNames(t *testing.T) {
	for _, c := range servicetags.Clouds() {
		var back servicetags.Cloud
		if text, _ := c.MarshalText(); back.UnmarshalText(text) != nil || back != c {
			t.Errorf("%s reads back as %s", c, back)
		}
	}
	for name, want := range map[string]servicetags.Cloud{"Public": 1, "AzureGovernment": 2, "AzureChinaCloud": 3, "AzureGermany": 0, "": 0, "none": 0} {
		if got := servicetags.CloudNamed(name); got != want {
			t.Errorf("%q is %s", name, got)
		}
	}
}

// FuzzParse: never a panic; a file exactly when there is no error; every prefix masked, findable and covered by itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(body))
	for _, s := range []string{`{"changeNumber":1,"cloud":"China","values":[{"name":"A","properties":{"addressPrefixes":["1.2.3.0/24"]}}]}`,
		edit(`"20.1.2.0/24"`, `"20.1.2.0/24","20.1.2.0\/24","2\u0030.1.2.0/24"`), body[:100], `{"a":{"a":[[[]]]}}`, `{"changeNumber":"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, found := servicetags.Parse("f", data)
		if (file == nil) != found.HasErrors() {
			t.Fatalf("file %v with %v", file != nil, found)
		}
		for _, x := range found {
			if x.Pos.Line < 0 || x.Pos.Column < 0 {
				t.Fatalf("place %v", x.Pos)
			}
		}
		if file == nil {
			return
		}
		x := servicetags.NewIndex(file)
		n := 0
		for _, tag := range file.Tags {
			for _, p := range tag.Prefixes {
				n++
				if p != p.Masked() {
					t.Fatalf("%s is not masked", p)
				}
				covered := false
				for _, h := range x.AppendAddr(nil, p.Addr()) {
					covered = covered || h.Tag == tag && h.Prefix == p
				}
				if !covered {
					t.Fatalf("%s of %s is not found", p, tag.Name)
				}
			}
		}
		if n != file.Prefixes || x.Len() != n {
			t.Fatalf("%d prefixes counted, %d indexed, %d there", file.Prefixes, x.Len(), n)
		}
	})
}
