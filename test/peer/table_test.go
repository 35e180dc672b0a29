//go:build linux

package peer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// words are the texts of one language's page.
type words struct {
	file   string
	first  string // heading of the first column
	titles map[string]string
	texts  map[outcome]string
}

var languages = []words{
	{
		file: "peers.md", first: "What a client tries",
		titles: map[string]string{
			"ordinary":           "an ordinary request to a sign-in host",
			"sni-of-bypassed":    "CONNECT to a sign-in host, server name of a host that is not inspected",
			"sni-of-sign-in":     "CONNECT to a host that is not inspected, server name of a sign-in host",
			"inner-host":         "read as a sign-in host; the request inside names another host, which nobody may reach",
			"inner-host-sign-in": "read as a host without headers; the request inside names a sign-in host",
			"connection-option":  "`Connection: Restrict-Access-To-Tenants`",
			"own-headers":        "restriction headers of the client's own, in several spellings",
			"not-tls":            "bytes that are no TLS after CONNECT to a sign-in host",
			"not-tls-http":       "an HTTP request in the clear after CONNECT to a sign-in host",
			"dead-tunnel":        "a host that is tunnelled does not accept connections",
			"dead-read":          "a host that is read does not accept connections",
		},
		texts: map[outcome]string{
			held:       "refused",
			withheader: "arrives with the headers",
			without:    "**arrives without the headers**",
			strayed:    "**goes to the other host**",
			leaks:      "**the headers go to the other host**",
			passed:     "**passes through**",
			readable:   "an error to read",
			silent:     "**closed in silence**",
		},
	},
	{
		file: "peers.ja.md", first: "クライアントの試み",
		titles: map[string]string{
			"ordinary":           "サインイン ホストへの通常のリクエスト",
			"sni-of-bypassed":    "サインイン ホストへの CONNECT に、検査対象外ホストのサーバー名 (SNI)",
			"sni-of-sign-in":     "検査対象外ホストへの CONNECT に、サインイン ホストのサーバー名 (SNI)",
			"inner-host":         "サインイン ホストとして検査中の接続で、許可されていない別のホストを Host に指定",
			"inner-host-sign-in": "ヘッダー対象外として検査中の接続で、サインイン ホストを Host に指定",
			"connection-option":  "`Connection: Restrict-Access-To-Tenants`",
			"own-headers":        "クライアント自身が付けた制限ヘッダー (表記ゆれを含む)",
			"not-tls":            "サインイン ホストへの CONNECT の後に、TLS ではないバイト列",
			"not-tls-http":       "サインイン ホストへの CONNECT の後に、平文の HTTP リクエスト",
			"dead-tunnel":        "トンネル対象のホストが接続を受け付けない",
			"dead-read":          "検査対象のホストが接続を受け付けない",
		},
		texts: map[outcome]string{
			held:       "拒否",
			withheader: "ヘッダー付きで届く",
			without:    "**ヘッダーなしで届く**",
			strayed:    "**別のホストへ送られる**",
			leaks:      "**ヘッダーが別のホストに漏れる**",
			passed:     "**素通りする**",
			readable:   "読めるエラー",
			silent:     "**無言で切断**",
		},
	},
}

// titles of the columns; what a peer prints as its version follows.
var titles = map[string]string{"sekisho": "Sekisho", "squid": "Squid", "mitmproxy": "mitmproxy", "goproxy": "goproxy", "reverseproxy": "ReverseProxy"}

const (
	begin = "<!-- observed: written by the test of this page -->\n"
	end   = "<!-- end -->\n"
)

// compareTable holds the two pages against what was observed, or writes them. Where a peer has another version than the
// page speaks of, the page is not wrong, only old.
func compareTable(t *testing.T, found map[string]map[string]outcome, versions map[string]string) {
	for _, w := range languages {
		file := filepath.Join("..", "..", "docs", w.file)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page := string(content)
		from, to := strings.Index(page, begin), strings.Index(page, end)
		if from < 0 || to < from {
			t.Fatalf("%s has no place for the table", file)
		}
		var b strings.Builder
		b.WriteString(begin + "| " + w.first)
		for _, c := range columns {
			b.WriteString(" | " + titles[c.name])
			if v := number(versions[c.name]); v != "" {
				b.WriteString(" " + v)
			}
		}
		header := b.String() + " |\n"
		if !*update && !strings.HasPrefix(page[from:], header) {
			t.Logf("%s speaks of other versions of the peers; go test ./test/peer -run TestHoles -update writes it again", file)
			continue
		}
		b.WriteString(" |\n| ---" + strings.Repeat(" | ---", len(columns)) + " |\n")
		for _, h := range holes {
			b.WriteString("| " + w.titles[h.id])
			for _, c := range columns {
				text := w.texts[found[h.id][c.name]]
				if text == "" {
					t.Fatalf("%s: no text for %q", w.file, found[h.id][c.name])
				}
				fmt.Fprintf(&b, " | %s", text)
			}
			b.WriteString(" |\n")
		}
		want := page[:from] + b.String() + page[to:]
		if want == page {
			continue
		}
		if !*update {
			t.Errorf("%s does not say what was observed; go test ./test/peer -run TestHoles -update writes it again:\n%s", file, b.String())
			continue
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// number is the first word of a version line that looks like one: "Squid Cache: Version 5.7" is 5.7.
func number(version string) string {
	for _, word := range strings.Fields(version) {
		if word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			return word
		}
	}
	return ""
}
