package request_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/request"
)

const part = `
sources:
  - id: page
    title: {ja: "公開ページ", en: "Page"}
    url: https://page.example/list
    date: 2026-11-01
    read: 2026-11-21
sets:
  - source: page
    cloud: worldwide
    id: hosts
    area: Test
    title: {ja: "端末の管理", en: "Device management"}
    required: true
    hosts: [HOSTS]
    ports: PORTS
  - source: page
    cloud: worldwide
    id: media
    area: Test
    title: {ja: "音声", en: "Audio"}
    required: true
    hosts: ["a.names.example"]
    prefixes: ["203.0.113.0/24", "2001:db8::/48"]
    ports: udp/3478-3481
  - source: page
    cloud: worldwide
    id: back
    area: Test
    title: {ja: "同期", en: "Provisioning"}
    required: true
    prefixes: ["198.51.100.0/24"]
    ports: tcp/443
    direction: inbound
features:
  - id: all
    title: {ja: "すべて", en: "All"}
    about: {ja: "すべて", en: "all"}
    claims: ["page/worldwide/hosts", "page/worldwide/media", "page/worldwide/back"]
`

// input compiles a policy over a small catalog.
func input(t testing.TB, version, hosts, ports, reason string) render.Input {
	t.Helper()
	p, found := catalog.ParsePart("part.yaml", []byte(strings.NewReplacer("HOSTS", hosts, "PORTS", ports).Replace(part)))
	if p == nil {
		t.Fatalf("%+v", found)
	}
	snapshot, found := catalog.Build(version, p)
	if snapshot == nil {
		t.Fatalf("%+v", found)
	}
	program, found := policy.Compile(policy.Spec{
		Features: []policy.At{{Text: "all"}}, Hosts: []policy.HostSpec{{Pattern: policy.At{Text: "own.example"}, Ports: endpoint.MustPorts("tcp/8443")}},
		Rings: []policy.RingSpec{{Name: "all", Mode: policy.Off}},
	}, snapshot)
	if program == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return render.Input{Program: program, Organisation: "株式会社コントソ", Language: "ja", Reasons: map[string]string{"hosts[0]": reason},
		GatewayNets: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}}
}

func first(t testing.TB) render.Input {
	return input(t, "v1", `"a.names.example", "*.wide.example", "gone.names.example"`, "tcp/443", "社内 API")
}

func second(t testing.TB) render.Input {
	in := input(t, "v2", `"a.names.example", "*.wide.example", "new.names.example"`, "tcp/80,443", "社内 API")
	return in
}

func attempt(t testing.TB, in render.Input, given map[string][]string) (render.Output, error) {
	t.Helper()
	options, err := render.ParseOptions(request.Target{}, given)
	if err != nil {
		return render.Output{}, err
	}
	return render.Render(request.Target{}, in, options)
}

func must(t testing.TB, in render.Input, given map[string][]string) render.Output {
	t.Helper()
	out, err := attempt(t, in, given)
	if err != nil {
		t.Fatalf("%v", words(err))
	}
	return out
}

// words is an error as people read it.
func words(err error) string {
	var p *finding.Problem
	if !errors.As(err, &p) {
		return err.Error()
	}
	var b strings.Builder
	for _, f := range p.Findings {
		b.WriteString(message.New("en").Finding(f) + "\n")
	}
	return b.String()
}

func codes(list finding.List) string {
	var out []string
	for _, f := range list {
		out = append(out, f.Code)
	}
	return strings.Join(out, " ")
}

func opened(t testing.TB, body []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// cells are the texts of a workbook, sheet by sheet.
func cells(t testing.TB, body []byte) string {
	t.Helper()
	f := opened(t, body)
	var b strings.Builder
	for _, sheet := range f.GetSheetList() {
		b.WriteString("== " + sheet + "\n")
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			b.WriteString(strings.TrimRight(strings.ReplaceAll(strings.Join(r, "|"), "\n", "⏎"), "|") + "\n")
		}
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (UPDATE=1 writes it):\n%s", file, got)
	}
}

func TestTheFormInBothLanguages(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"ja", "en"} {
		in := second(t)
		in.Language = lang
		given := map[string][]string{"applicant": {"山田 太郎"}, "wanted": {"2026/12/1"}, "expires": {"2027-03-31"}, "source": {"10.0.0.0/8,192.0.2.1"}, "inbound-to": {"192.0.2.80"}}
		golden(t, "whole-"+lang, cells(t, must(t, in, given).Files[0].Body))
		before := first(t)
		before.Language = lang
		in.Before = &before
		golden(t, "since-"+lang, cells(t, must(t, in, given).Files[0].Body))
	}
}

// TestTheSameInputGivesTheSameBytes holds for the workbook, the table and a template.
func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, given := range []map[string][]string{{}, {"encoding": {"cp932"}}, {"template": {string(form(t, nil))}}} {
		want := must(t, second(t), given).Files[0].Body
		for range 5 {
			if got := must(t, second(t), given).Files[0].Body; !bytes.Equal(got, want) {
				t.Fatalf("%d options: %d bytes differ from %d", len(given), len(got), len(want))
			}
		}
	}
}

// TestOnlyWhatChangedIsRequested: new, changed and removed lines, and nothing else; no change makes no file.
func TestOnlyWhatChangedIsRequested(t *testing.T) {
	t.Parallel()
	in, before := second(t), first(t)
	in.Before = &before
	records, err := csv.NewReader(bytes.NewReader(must(t, in, map[string][]string{"encoding": {"utf-8"}}).Files[0].Body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range records[1:] {
		got[r[3]] = r[1] + " " + r[4] + " " + r[11]
	}
	want := map[string]string{
		"a.names.example": "変更 TCP 80, 443 UDP 3478-3481 変更前: TCP 443 UDP 3478-3481", "*.wide.example": "変更 TCP 80, 443 変更前: TCP 443",
		"new.names.example": "新規 TCP 80, 443 ", "gone.names.example": "削除 TCP 443 ",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q\nnot %q", got, want)
	}
	same := first(t)
	same.Before = &before
	out := must(t, same, nil)
	if !out.Unchanged || len(out.Files) != 0 || !strings.Contains(codes(out.Findings), "request.unchanged") {
		t.Errorf("%+v", out)
	}
}

// TestNoCellIsAFormula: whatever people write into names and reasons is a text, and all of it is seen.
func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	hostile := map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "＝cmd": "'＝cmd", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x",
		"\t=1": "'=1", "\r=1": "'=1", " =1": "'=1", "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "a\u202eb": "a[U+202E]b", "a\x00b\x1b[31m": "a[U+0000]b[U+001B][31m",
		"a\u200bb\ufeffc\u3164d": "a[U+200B]b[U+FEFF]c[U+3164]d", "\u202e=1": "[U+202E]=1", "a\r\nb\u2028c": "a b c", "say \"hi\"</t></si>&amp;": "say \"hi\"</t></si>&amp;",
		"_x000D_": "[_]x000D_", "\xff": "[U+FFFD]", "\ufffe\uffff": "[U+FFFE][U+FFFF]", strings.Repeat("長", 40000): strings.Repeat("長", 32763) + " […]",
	}
	for text, want := range hostile {
		in := input(t, "v1", `"a.names.example"`, "tcp/443", text)
		in.Organisation = text
		f := opened(t, must(t, in, map[string][]string{"applicant": {text}, "title": {text}}).Files[0].Body)
		for _, cell := range []string{"A1", "C3", "C4", "G10", "M10"} {
			got, err := f.GetCellValue("申請書", cell)
			if err != nil || got != want && want != "[U+FFFD]" {
				t.Errorf("%.40q: %s is %.60q", text, cell, got)
			}
			if formula, _ := f.GetCellFormula("申請書", cell); formula != "" {
				t.Errorf("%.40q: %s has the formula %q", text, cell, formula)
			}
		}
		if len(text) > 100 {
			continue
		}
		for _, encoding := range render.Encodings() {
			body := must(t, in, map[string][]string{"encoding": {encoding}}).Files[0].Body
			for i, b := range body {
				if strings.ContainsRune("=+-@\t", rune(b)) && (i == 0 || body[i-1] == ',' || body[i-1] == '\n' || body[i-1] == '"' && (i < 2 || body[i-2] == ',')) {
					t.Errorf("%q in %s: a cell begins with %q", text, encoding, b)
				}
			}
		}
	}
}

func TestOptionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for want, given := range map[string]map[string][]string{
		"request.day":           {"wanted": {"tomorrow"}},
		"request.expires-first": {"wanted": {"2026-12-01"}, "expires": {"2026-11-30"}},
		"request.together":      {"format": {"xlsx"}, "encoding": {"cp932"}},
		"flow.address":          {"source": {"0.0.0.0/0"}},
		"render.option-value":   {"encoding": {"utf-16"}},
		"request.template-kind": {"template": {"not a workbook"}},
	} {
		_, err := attempt(t, second(t), given)
		var p *finding.Problem
		if !errors.As(err, &p) || p.Findings[0].Code != want {
			t.Errorf("%v: %v, not %s", given, err, want)
		}
	}
	in := second(t)
	in.GatewayNets = nil
	if out := must(t, in, nil); !strings.Contains(codes(out.Findings), "request.no-source") {
		t.Errorf("no source: %s", codes(out.Findings))
	}
}

// TestTenThousandLines are written whole, and each is there once. Under the race detector, which makes ten times the work of
// each cell, they are a thousand.
func TestTenThousandLines(t *testing.T) {
	t.Parallel()
	var hosts []string
	count := 10000
	if raceEnabled {
		count = 1000
	}
	for i := range count {
		hosts = append(hosts, fmt.Sprintf(`"h%d.names.example"`, i))
	}
	in := input(t, "v1", strings.Join(hosts, ", "), "tcp/443", "many")
	for _, given := range []map[string][]string{{}, {"template": {string(form(t, nil))}}} {
		body := must(t, in, given).Files[0].Body
		text := cells(t, body)
		if n := strings.Count(text, ".names.example|"); n != count+1 {
			t.Errorf("%d lines", n)
		}
		if len(body) > 8<<20 {
			t.Errorf("%d bytes", len(body))
		}
	}
}
