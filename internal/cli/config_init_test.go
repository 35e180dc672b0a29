package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestCtrlCWhileAQuestionWaitsWritesNothing: the signal only cancels the context, and nobody answers. The command must end, and
// leave neither the file nor the beginning of one.
func TestCtrlCWhileAQuestionWaitsWritesNothing(t *testing.T) {
	for _, given := range []string{"", "contoso.com\n", "contoso.com\n3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31\nentra.sign-in\n"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		in, keys := io.Pipe()
		var told bytes.Buffer
		var wait sync.WaitGroup
		wait.Go(func() {
			_, _ = io.WriteString(keys, given)
			cancel()
		})
		code := Run(ctx, System{In: in, Out: io.Discard, Err: &told, Getenv: func(string) string { return "" }},
			[]string{"config", "init", "--lang", "ja", "--data", dir, "--out", filepath.Join(dir, "sekisho.yaml")})
		wait.Wait()
		in.Close()
		if left, _ := os.ReadDir(dir); code != exitFailed || len(left) != 0 || !strings.HasSuffix(told.String(), "\n中断しました\n") {
			t.Errorf("after %q: exit code %d, %v\n%s", given, code, left, &told)
		}
	}
}
