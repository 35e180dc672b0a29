package wire

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// separator stands between the raw bytes of a case and what is expected of them. A response case may begin with a line
// "-- answer to METHOD --".
const separator = "\n-- expected --\n"

type corpusCase struct {
	name, file string
	method     string
	input      []byte
	expected   string
}

func corpus(t testing.TB, folder string) (cases []corpusCase) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.case"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata/%s: %v", folder, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := corpusCase{name: strings.TrimSuffix(filepath.Base(file), ".case"), file: file, method: "GET"}
		if rest, ok := bytes.CutPrefix(data, []byte("-- answer to ")); ok {
			method, rest, _ := bytes.Cut(rest, []byte(" --\n"))
			c.method, data = string(method), rest
		}
		input, expected, ok := bytes.Cut(data, []byte(separator))
		if !ok && !*update {
			t.Fatalf("%s: no line %q", file, strings.TrimSpace(separator))
		}
		c.input, c.expected = input, string(expected)
		cases = append(cases, c)
	}
	return cases
}

// runCorpus compares what got says of each input with the case. Every case is also run byte by byte through the smallest
// buffer, which must change nothing.
func runCorpus(t *testing.T, folder string, got func(c corpusCase, br *bufio.Reader) string) {
	for _, c := range corpus(t, folder) {
		t.Run(c.name, func(t *testing.T) {
			g := got(c, bufio.NewReader(bytes.NewReader(c.input)))
			slow := got(c, bufio.NewReaderSize(oneByte{bytes.NewReader(c.input)}, 16))
			if g != slow {
				t.Errorf("at once:\n%s\nbyte by byte:\n%s", g, slow)
			}
			if *update {
				head := ""
				if c.method != "GET" {
					head = "-- answer to " + c.method + " --\n"
				}
				if err := os.WriteFile(c.file, []byte(head+string(c.input)+separator+g), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if g != c.expected {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", c.file, g, c.expected)
			}
			// The name says the rule: a case called after a code is refused with it.
			if first, _, _ := strings.Cut(g, "\n"); strings.HasPrefix(first, "refused ") {
				code := strings.Fields(first)[1]
				if !strings.HasPrefix(c.name, code) {
					t.Errorf("refused with %s, but is called %s", code, c.name)
				}
			} else if !strings.HasPrefix(c.name, "ok-") {
				t.Errorf("accepted, but is called %s, not ok-...", c.name)
			}
		})
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func refusal(where string, err error) string {
	var e *Error
	if errors.As(err, &e) {
		return "refused " + e.Code + " in " + where + "\n"
	}
	return "error " + err.Error() + " in " + where + "\n"
}

func describe(b *strings.Builder, fields []Field, f Framing, br *bufio.Reader, lim Limits) error {
	for _, x := range fields {
		fmt.Fprintf(b, "field %q: %q\n", x.Name, x.Value)
	}
	fmt.Fprintf(b, "framing %s %d\n", f.Kind, f.Length)
	body := NewBodyReader(br, f, lim)
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "body %q\n", data)
	for _, x := range body.Trailers() {
		fmt.Fprintf(b, "trailer %q: %q\n", x.Name, x.Value)
	}
	rest, _ := io.ReadAll(br)
	fmt.Fprintf(b, "left %q\n", rest)
	return nil
}

// corpusLimits are small so that cases above them stay readable.
var corpusLimits = Limits{LineBytes: 200, HeadBytes: 600, Fields: 12}

func TestRequestCorpus(t *testing.T) {
	runCorpus(t, "request", func(c corpusCase, br *bufio.Reader) string {
		h, err := ReadRequest(br, corpusLimits)
		if err != nil {
			return refusal("head", err)
		}
		target, err := h.ParseTarget()
		if err != nil {
			return refusal("target", err)
		}
		f, err := RequestFraming(h)
		if err != nil {
			return refusal("framing", err)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s %q HTTP/1.%d\n%s scheme %q authority %q path %q\n", h.Method, h.Target, h.Minor,
			target.Form, target.Scheme, target.Authority, target.Path)
		if err := describe(&b, h.Fields, f, br, corpusLimits); err != nil {
			return refusal("body", err)
		}
		return b.String()
	})
}

func TestResponseCorpus(t *testing.T) {
	runCorpus(t, "response", func(c corpusCase, br *bufio.Reader) string {
		h, err := ReadResponse(br, corpusLimits)
		if err != nil {
			return refusal("head", err)
		}
		f, err := ResponseFraming(h, c.method)
		if err != nil {
			return refusal("framing", err)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "HTTP/1.%d %d %q\n", h.Minor, h.Status, h.Reason)
		if err := describe(&b, h.Fields, f, br, corpusLimits); err != nil {
			return refusal("body", err)
		}
		return b.String()
	})
}
