package request_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLibreOfficeReadsTheForm: another reader sees the same lines.
func TestLibreOfficeReadsTheForm(t *testing.T) {
	t.Parallel()
	soffice, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("soffice is not installed (Debian package libreoffice-calc-nogui)")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "form.xlsx"), must(t, second(t), nil).Files[0].Body, 0o600); err != nil {
		t.Fatal(err)
	}
	// 44 comma, 34 quote, 76 UTF-8: the tokens of LibreOffice's CSV filter.
	c := exec.Command(soffice, "-env:UserInstallation=file://"+filepath.Join(folder, "profile"), "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", folder, filepath.Join(folder, "form.xlsx"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(folder, "form.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"株式会社コントソ", "1,新規,192.0.2.10,own.example,TCP 8443,送信,社内 API,", "6,新規,192.0.2.10,2001:db8::/48,UDP 3478-3481,送信,音声,"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
