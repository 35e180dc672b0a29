package eval

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Lint runs src for each sign-in host and alias that the catalog names, in the spellings that browsers pass on, and
// reports those that go DIRECT, also as the last of a list: each sign-in host, and their aliases and those of other clouds
// together. Together with pac.Lint, which reads the text, it says what is
// wrong with a PAC file. A file that does not run is one Error. The error is ctx.Err().
func Lint(ctx context.Context, src []byte, snap *catalog.Snapshot) (finding.List, error) {
	var found finding.List
	s, err := Compile(ctx, src, Options{})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return finding.List{finding.New("pac.syntax", finding.Error, finding.Pos{}, "problem", problem(err))}, nil
	}
	var others []string // those that are not sign-in hosts of their own: one finding for all
	for _, k := range snap.Classes() {
		if k.Class == catalog.Ordinary {
			continue
		}
		name := strings.ReplaceAll(k.Pattern.String(), "*", "sekisho-example")
		if _, err := endpoint.ParseHost(name); err != nil {
			continue
		}
		for _, url := range []string{"https://" + name + "/", "http://" + name + "/", "https://" + name + "./"} {
			host := strings.Split(strings.Split(url, "//")[1], "/")[0]
			answer, err := s.Find(ctx, url, host)
			switch {
			case ctx.Err() != nil:
				return found, ctx.Err()
			case err != nil:
				found = append(found, finding.New("pac.runs-badly", finding.Error, finding.Pos{},
					"host", host, "problem", problem(err)))
				if s.dead != nil {
					return found, nil
				}
			case !GoesDirect(answer):
				continue
			case k.Class == catalog.SignIn || k.Class == catalog.SignInConsumer:
				found = append(found, finding.New("pac.sign-in-direct", finding.Error, finding.Pos{},
					"host", host, "answer", answer))
			default:
				others = append(others, k.Pattern.String())
			}
			break // one finding a host
		}
	}
	if n := len(others); n > 0 {
		hosts := strings.Join(others[:min(n, mostNamed)], ", ")
		if n > mostNamed {
			hosts += ", …"
		}
		found = append(found, finding.New("pac.alias-direct", finding.Warning, finding.Pos{}, "count", strconv.Itoa(n), "hosts", hosts))
	}
	return found, nil
}

// mostNamed is how many aliases a finding names (chosen: a line).
const mostNamed = 5

// GoesDirect reports whether an answer of FindProxyForURL lets the client go DIRECT, at once or after proxies that do
// not answer. An answer that says nothing means DIRECT to browsers.
func GoesDirect(answer string) bool {
	said := false
	for _, part := range strings.Split(answer, ";") {
		part = strings.TrimSpace(part)
		said = said || part != ""
		if strings.EqualFold(part, "DIRECT") {
			return true
		}
	}
	return !said
}

func problem(err error) string {
	var script *ScriptError
	if errors.As(err, &script) {
		return script.Message
	}
	return err.Error()
}
