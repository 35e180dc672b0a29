package config

import (
	"fmt"
	"strings"
)

// Reference returns the configuration reference as Markdown in lang ("ja", anything else English): docs/configuration.md
// and docs/configuration.ja.md.
func Reference(lang string) []byte {
	var b strings.Builder
	p := func(t text) { b.WriteString(t.in(lang) + "\n\n") }
	p(text{JA: "# 設定リファレンス", EN: "# Configuration reference"})
	p(text{
		JA: "このページは `internal/config` の定義から生成しています。直接編集しないでください。[English](configuration.md)",
		EN: "This page is generated from the description in `internal/config`; do not edit it. [日本語](configuration.ja.md)",
	})
	p(text{
		JA: "設定は 1 つのファイル `sekisho.yaml` に書きます。`sekisho config init` で作成し、`sekisho config check` で確認します。`sekisho config show` は、適用される値と、それを誰が決めたか(既定値、ファイル、環境変数、フラグ)を表示します。`sekisho config schema` は、エディターで使える JSON Schema を出力します。",
		EN: "Everything is set in one file, `sekisho.yaml`. `sekisho config init` writes one, `sekisho config check` checks it, `sekisho config show` prints every value that applies and who set it (default, file, environment, flag), and `sekisho config schema` prints a JSON Schema for editors.",
	})
	p(text{
		JA: "ファイルは厳密に読み取ります。知らないキー、重複したキー、2 つ目の文書、アンカー、エイリアス、タグ、型の違う値、空の値、正規形でない値(`*.Example.COM` など)はすべてエラーになり、行と列とともにまとめて報告されます。ファイルは UTF-8 で 1 MiB 以下、入れ子は 32 段以下です。ファイルのパスは、設定ファイルのあるフォルダーからの相対パスです。",
		EN: "The file is read strictly: unknown and repeated keys, a second document, anchors, aliases, tags, values of the wrong type, empty values and values that are not in their normal form (`*.Example.COM`) are errors, reported all at once with line and column. It is UTF-8, at most 1 MiB, nested at most 32 levels deep. Paths of files are relative to the folder of the configuration file.",
	})
	p(text{
		JA: "優先順位は、フラグ、環境変数、ファイル、既定値の順です。環境変数とフラグで設定できるのは、次の値だけです。",
		EN: "A flag wins over the environment, the environment over the file, the file over the default. These values, and no others, have a flag and a variable:",
	})
	b.WriteString(text{JA: "| 値 | フラグ | 環境変数 |", EN: "| Value | Flag | Variable |"}.in(lang) + "\n| --- | --- | --- |\n")
	for _, k := range Knobs() {
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` |\n", k.Path, k.Flag, k.Variable)
	}
	b.WriteByte('\n')

	p(text{JA: "## 全体", EN: "## The file"})
	top := entries(settings())
	referenceTable(&b, top, lang)
	for _, e := range top {
		if len(e.children) == 0 {
			continue
		}
		fmt.Fprintf(&b, "## `%s`\n\n%s\n\n", e.key, e.about.in(lang))
		if e.shape == sections {
			p(text{JA: "一覧です。各項目に次のキーを書きます。", EN: "A list; each item has these keys:"})
		}
		referenceTable(&b, e.children, lang)
	}
	p(text{JA: "## 例", EN: "## An example"})
	b.WriteString("```yaml\n" + strings.TrimRight(string(Example("organisation.yaml")), "\n") + "\n```\n")
	return []byte(b.String())
}

func referenceTable(b *strings.Builder, es []*entry, lang string) {
	b.WriteString(text{
		JA: "| キー | 値 | 既定値 | 説明 |", EN: "| Key | Value | Default | Meaning |",
	}.in(lang) + "\n| --- | --- | --- | --- |\n")
	for _, e := range es {
		about := e.about.in(lang)
		if e.example != "" {
			about += text{JA: "例: `" + e.example + "`", EN: " For example `" + e.example + "`."}.in(lang)
		}
		if e.minItems > 0 {
			about += text{JA: "空の一覧は書けません。", EN: " Never an empty list."}.in(lang)
		}
		key := "`" + e.key + "`"
		if len(e.children) > 0 {
			key = "[`" + e.key + "`](#" + e.key + ")"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", key, kindText(e, lang), defaultText(e, lang), strings.ReplaceAll(about, "|", `\|`))
	}
	b.WriteByte('\n')
}

// kindText says what stands behind a key.
func kindText(e *entry, lang string) string {
	switch e.shape {
	case section:
		return text{JA: "セクション", EN: "section"}.in(lang)
	case sections:
		return text{JA: "セクションの一覧", EN: "list of sections"}.in(lang)
	}
	kind := e.scalar.title.in(lang)
	if len(e.scalar.enum) > 0 {
		kind += ": `" + strings.Join(e.scalar.enum, "`, `") + "`"
	}
	if e.shape == several {
		kind = text{JA: kind + " の一覧", EN: "list of: " + kind}.in(lang)
	}
	return kind
}

func defaultText(e *entry, lang string) string {
	switch {
	case e.required:
		return text{JA: "必須", EN: "obligatory"}.in(lang)
	case e.byDefault != "":
		return "`" + e.byDefault + "`"
	}
	return text{JA: "なし", EN: "none"}.in(lang)
}
