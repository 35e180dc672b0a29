package script

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sekisho/internal/cli"
)

// directoryID stands in for what a reader of the documents puts in place of <directory id>.
const directoryID = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"

// Every command that the two READMEs show is run, in their order and in one folder. "up" is started by the tests with
// real clients; here it only has to get as far as the port that another program holds.
func TestReadme(t *testing.T) {
	for _, name := range []string{"README.md", "README.ja.md"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", name))
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			commands := shown(string(text))
			if len(commands) < 6 {
				t.Fatalf("found only %d commands", len(commands))
			}
			for _, args := range commands {
				want := 0
				environment := map[string]string{"HOME": t.TempDir(), "SEKISHO_DATA": "state", "LANG": "C"}
				if args[0] == "up" {
					environment["SEKISHO_GATEWAY_LISTEN"] = taken(t)
					want = 2
				}
				var out, errs bytes.Buffer
				code := cli.Run(context.Background(), cli.System{
					In: strings.NewReader(""), Out: &out, Err: &errs, Version: "1.2.3-test",
					Getenv: func(name string) string { return environment[name] },
				}, args)
				if code != want {
					t.Errorf("sekisho %q: exit code %d, want %d\n%s%s", args, code, want, out.String(), errs.String())
				}
				if args[0] == "up" && !strings.Contains(errs.String(), "address already in use") {
					t.Errorf("sekisho %q does not come as far as its port:\n%s", args, errs.String())
				}
			}
		})
	}
}

// shown finds the commands in a document: indented lines that begin with the program's name or with go run, and the
// lines that continue them, without the comments behind.
func shown(text string) [][]string {
	text = strings.ReplaceAll(text, "\\\n", " ")
	line := regexp.MustCompile(`(?m)^    (?:go run \./cmd/sekisho|sekisho) ([^#\n]+)`)
	var list [][]string
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		command := regexp.MustCompile(`<[^>]+>`).ReplaceAllString(m[1], directoryID)
		list = append(list, strings.Fields(command))
	}
	return list
}
