package house_test

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// glossary says which Japanese word stands for a thing, as Microsoft's Japanese pages write it, and which spellings of
// it are not used here. The long vowel at the end of a word from English is written (サーバー), and the words of a
// compound that Microsoft writes apart stay apart.
var glossary = []struct{ use, instead string }{
	{"証明機関", `認証局|証明書機関`},
	{"サーバー", `サーバ(?:[^ー]|$)`},
	{"ユーザー", `ユーザ(?:[^ー]|$)`},
	{"ブラウザー", `ブラウザ(?:[^ー]|$)`},
	{"フォルダー", `フォルダ(?:[^ー]|$)`},
	{"ヘッダー", `ヘッダ(?:[^ー]|$)`},
	{"ポリシー", `ポリシ(?:[^ー]|$)`},
	{"コネクタ", `コネクター`},
	{"コンピューター", `コンピュータ(?:[^ー]|$)`},
	{"プロキシ", `プロキシー|プロクシ`},
	{"ルーター", `ルータ(?:[^ー]|$)`},
	{"リスナー", `リスナ(?:[^ー]|$)`},
	{"メモリ", `メモリー`},
	{"ディレクトリ", `ディレクトリー`},
	{"カテゴリ", `カテゴリー`},
	{"ファイアウォール", `ファイアーウォール|ファイヤーウォール|ファイヤウォール`},
	{"インターフェイス", `インターフェース|インタフェース|インタフェイス`},
	{"サインイン", `サイン ?オン|サイン イン|ログイン|ログオン`},
	{"サービス タグ", `サービスタグ`},
	{"エンドポイント セット", `エンドポイントセット`},
	{"ワイルドカード", `ワイルド カード`},
	{"テナント制限", `テナントの制限`},
	{"条件付きアクセス", `条件つきアクセス|条件付アクセス`},
	{"既定", `デフォルト`},
	{"Microsoft Entra ID", `AzureAD|Azure AD`},
}

// quoted are places where another spelling is somebody else's name.
var quoted = regexp.MustCompile(`(?:シームレス )?シングル サインオン|AzureActiveDirectory|https?://\S+|デフォルト ルート`)

// TestJapaneseWordsAreSpeltAlike reads every Japanese line of texts, documents, catalog and source, tests apart.
func TestJapaneseWordsAreSpeltAlike(t *testing.T) {
	type rule struct {
		use   string
		wrong *regexp.Regexp
	}
	var rules []rule
	for _, g := range glossary {
		rules = append(rules, rule{g.use, regexp.MustCompile(g.instead)})
	}
	japanese := regexp.MustCompile(`[ぁ-ヿ]`)
	files, lines := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".yaml", ".md", ".go", ".html", ".tmpl", ".js"}, filepath.Ext(path)) || regexp.MustCompile(`_test\.go$`).MatchString(path) {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		scan := bufio.NewScanner(bytes.NewReader(data))
		scan.Buffer(nil, 4<<20)
		for n := 1; scan.Scan(); n++ {
			text := scan.Text()
			if !japanese.MatchString(text) {
				continue
			}
			lines++
			text = quoted.ReplaceAllString(text, "")
			for _, r := range rules {
				if wrong := r.wrong.FindString(text); wrong != "" {
					t.Errorf("%s:%d: %q: write %q", path, n, wrong, r.use)
				}
			}
		}
		return scan.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || lines < 1000 {
		t.Errorf("only %d files with %d Japanese lines were read", files, lines)
	}
}
