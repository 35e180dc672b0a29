//go:build unix

package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sekisho/internal/cli"
)

// TestRoutesReadRegularFilesAlone hands a pipe that nobody writes to, a folder, a device without end and nothing at all to
// every flag that names a file: each is refused at once, with the cause.
func TestRoutesReadRegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--communities", "--received", "--as-table", "--answers"} {
		for file, cause := range map[string]string{pipe: "not a regular file", dir: "not a regular file", os.DevNull: "not a regular file",
			"/dev/zero": "not a regular file", filepath.Join(dir, "none"): "no such file or directory"} {
			for _, lang := range []string{"en", "ja"} {
				done := make(chan int, 1)
				var out, complaints bytes.Buffer
				go func() {
					done <- cli.Run(t.Context(), cli.System{In: strings.NewReader(""), Out: &out, Err: &complaints, Getenv: func(string) string { return "" }, Version: "test"},
						[]string{"route", "explain", "20.190.128.1", "--no-resolve", "--lang", lang, "--data", dir, flag, file})
				}()
				select {
				case code := <-done:
					if said := complaints.String(); code != 1 || out.Len() > 0 || strings.Count(said, cause) != 1 || !strings.Contains(said, `"`+file+`"`) {
						t.Errorf("%s %s: exit code %d, %q, %q", flag, file, code, said, out.String())
					}
				case <-time.After(30 * time.Second):
					t.Fatalf("%s %s: waits", flag, file)
				}
			}
		}
	}
}
