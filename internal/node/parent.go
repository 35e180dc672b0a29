package node

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"unicode"

	"sekisho/internal/config"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
)

// parent is the proxy through which the gateway goes out; nil when it goes out directly.
func parent(c config.UpstreamProxy) (*gateway.Parent, error) {
	if !c.Enabled() {
		return nil, nil
	}
	authorization, err := upstreamCredentials(c.Credentials.V)
	if err != nil {
		return nil, err
	}
	p := &gateway.Parent{Address: c.Address.V, Authorization: authorization, Blind: !c.Resolve.V}
	if len(c.Except) > 0 {
		except := new(endpoint.Index[bool])
		for _, e := range c.Except {
			except.Add(e.V, true)
		}
		p.Except = func(h endpoint.Host) bool {
			is, _ := except.Best(h)
			return is
		}
	}
	return p, nil
}

// errCredentials is a credentials file that has another form. What stands in the file is told to nobody.
var errCredentials = errors.New(`it is not one line "user:password"`)

// upstreamCredentials makes the value of Proxy-Authorization from a file with one line "user:password" (RFC 7617,
// section 2); "" without a file.
func upstreamCredentials(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", finding.Fail("node.upstream-credentials", err, "file", file)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	user, _, ok := strings.Cut(line, ":")
	if !ok || user == "" || len(line) > 1024 || strings.ContainsFunc(line, unicode.IsControl) {
		return "", finding.Fail("node.upstream-credentials", errCredentials, "file", file)
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(line)), nil
}
