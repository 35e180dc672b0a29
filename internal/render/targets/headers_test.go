package targets_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// insertion is what a firewall puts on requests to some names.
type insertion struct {
	hosts []string          // names of the entry
	set   map[string]string // headers
}

// readInsertion reads what the set commands for PAN-OS say of headers.
func readInsertion(t testing.TB, body string) (entries map[string]*insertion, decrypted []string, bound bool) {
	t.Helper()
	entries = map[string]*insertion{}
	for line := range strings.Lines(body) {
		w := words(line)
		if len(w) < 6 || w[0] != "set" {
			continue
		}
		switch {
		case w[1] == "profiles" && w[2] == "url-filtering":
			if w[3] != "sekisho-headers" || w[4] != "http-header-insertion" || w[6] != "type" || w[7] != "Custom" {
				t.Fatalf("what is %q", line)
			}
			e := entries[w[5]]
			if e == nil {
				e = &insertion{set: map[string]string{}}
				entries[w[5]] = e
			}
			switch {
			case w[8] == "domains":
				e.hosts = append(e.hosts, w[9])
			case len(w) == 16 && w[8] == "headers" && w[10] == "header" && w[11] == w[9] && w[12] == "value" && w[14] == "log":
				e.set[w[9]] = w[13]
			default:
				t.Fatalf("what is %q", line)
			}
		case w[2] == "custom-url-category" && w[3] == "sekisho-sign-in" && w[4] == "list":
			decrypted = append(decrypted, w[5])
		case strings.HasPrefix(line, "set rulebase security rules sekisho-sign-in profile-setting profiles url-filtering sekisho-headers"):
			bound = true
		}
	}
	return entries, decrypted, bound
}

// TestPANOSSetsWhatThePolicySets: for every host the headers are the policy's, on exactly the hosts that are decrypted for
// it; without --headers there are none.
func TestPANOSSetsWhatThePolicySets(t *testing.T) {
	t.Parallel()
	for name, in := range policies(t) {
		in.GatewayNets = fixtureNets
		body := string(must(t, "panos", in, map[string][]string{"headers": {"true"}}).Files[0].Body)
		entries, decrypted, bound := readInsertion(t, body)
		if !bound || !strings.Contains(body, "\nset profiles decryption sekisho-http1 ssl-forward-proxy strip-alpn yes\n") || !strings.Contains(body, " category sekisho-sign-in action decrypt type ssl-forward-proxy profile sekisho-http1\n") {
			t.Errorf("%s: no rule decrypts and sets headers", name)
		}
		stamped := 0
		for _, h := range lookalikes(in) {
			d := in.Program.Decide(policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr("10.1.2.3")}, Authority: endpoint.Authority{Host: h, Port: 443}})
			want := map[string]string{}
			if d.Class == catalog.SignIn || d.Class == catalog.SignInConsumer {
				for _, f := range d.Plan.Set() {
					want[f.Name] = f.Value
				}
			}
			got := map[string]string{}
			for _, e := range entries {
				if slices.Contains(e.hosts, string(h)) {
					for k, v := range e.set {
						got[k] = v
					}
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s %s: %v, the policy %v", name, h, got, want)
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s %s: %s is %q, the policy %q", name, h, k, got[k], v)
				}
				stamped++
			}
			if open := slices.ContainsFunc(decrypted, func(p string) bool { return tokens(p, string(h)) }); open != (len(want) > 0) {
				t.Errorf("%s %s is decrypted: %v", name, h, open)
			}
		}
		if stamped < 3 {
			t.Errorf("%s: %d headers", name, stamped)
		}
		if without := string(must(t, "panos", in, nil).Files[0].Body); strings.Contains(without, "http-header-insertion") || strings.Contains(without, contosoID) {
			t.Errorf("%s: headers that nobody asked for", name)
		}
	}
}

// TestPANOSHeadersAsWritten holds the commands, whole and since a policy that permitted another tenant.
func TestPANOSHeadersAsWritten(t *testing.T) {
	t.Parallel()
	in, before := signIns(t, nil), signIns(t, func(s *policy.Spec) { s.Profiles[0].Permitted = s.Profiles[0].Permitted[:1] })
	in.GatewayNets, before.GatewayNets = fixtureNets, fixtureNets
	only := func(out render.Output) string {
		var b strings.Builder
		for line := range strings.Lines(string(out.Files[0].Body)) {
			if strings.Contains(line, "sign-in") || strings.Contains(line, "sekisho-headers") || strings.Contains(line, "sekisho-http1") {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	given := map[string][]string{"headers": {"true"}, "static": {"true"}}
	golden(t, "panos-headers", only(must(t, "panos", in, given)))
	in.Before = &before
	golden(t, "panos-headers-since", only(must(t, "panos", in, given)))
	if _, err := attempt(t, "panos", in, map[string][]string{"headers": {"true"}, "max-value": {"20"}}); code(t, err) != "stamp.too-long" {
		t.Errorf("a value that does not fit: %v", err)
	}
}

// TestZscalerIsToldWhatThePolicySets: the profile is the policy's, what is inspected are exactly the sign-in hosts, and no
// entry of what is not inspected holds one of them.
func TestZscalerIsToldWhatThePolicySets(t *testing.T) {
	t.Parallel()
	for name, in := range policies(t) {
		for _, lang := range []string{"ja", "en"} {
			in.Language = lang
			golden(t, "zscaler-"+name+"-"+lang, text(must(t, "zscaler", in, nil)))
		}
		blocks := [][]string{}
		for part := range strings.SplitSeq(text(must(t, "zscaler", in, nil)), "\n\n") {
			var lines []string
			for line := range strings.Lines(part) {
				if strings.HasPrefix(line, "    ") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			blocks = append(blocks, lines)
		}
		var inspected, never []string
		for _, b := range blocks {
			switch {
			case slices.Contains(b, "login.microsoftonline.com"):
				inspected = b
			case slices.Contains(b, "device.login.microsoftonline.com"):
				never = b
			}
		}
		for _, h := range lookalikes(in) {
			class := in.Program.Catalog().Classify(h).Class
			signIn := class == catalog.SignIn || class == catalog.SignInConsumer
			if slices.Contains(inspected, string(h)) != signIn {
				t.Errorf("%s: %s is inspected: %v", name, h, !signIn)
			}
			if signIn && slices.ContainsFunc(never, func(e string) bool { return e == string(h) || e[0] == '.' && strings.HasSuffix("."+string(h), e) }) {
				t.Errorf("%s: %s is not inspected", name, h)
			}
		}
		if len(inspected) < 3 || len(never) < 5 {
			t.Errorf("%s: %v %v", name, inspected, never)
		}
	}
}
