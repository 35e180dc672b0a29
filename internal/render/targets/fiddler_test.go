package targets_test

import (
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dop251/goja"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/restrict"
)

const (
	contosoID  = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"
	fabrikamID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
)

// signIns compiles a policy of the built-in catalog's sign-in and Intune with one restricted ring.
func signIns(t testing.TB, change func(*policy.Spec)) render.Input {
	t.Helper()
	spec := policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}, {Text: "intune.core"}},
		Hosts:    []policy.HostSpec{{Pattern: policy.At{Text: "*.own.example"}}, {Pattern: policy.At{Text: "seen.example.net"}, Inspect: true}},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: "contoso.com"}, {Text: contosoID}}, Context: restrict.At{Text: contosoID}, BlockConsumers: true}},
		Rings:    []policy.RingSpec{{Name: "all", Profile: policy.At{Text: "staff"}}},
	}
	if change != nil {
		change(&spec)
	}
	p, found := policy.Compile(spec, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return render.Input{Program: p, Proxies: []string{"proxy.example.com:3128"}, PACURL: "http://proxy.example.com:3180/proxy.pac",
		Own: []string{"http://proxy.example.com:3180/proxy.pac"}}
}

// secondVersion makes the policy one of version 2.
func secondVersion(s *policy.Spec) {
	s.Profiles = []restrict.Spec{{Name: "staff", Version: restrict.V2, Policy: restrict.At{Text: contosoID + ":" + fabrikamID}}}
}

// noConsumers makes the policy one that leaves consumer accounts alone.
func noConsumers(s *policy.Spec) { s.Profiles[0].BlockConsumers = false }

// policies are the policies that headers are held against.
func policies(t testing.TB) map[string]render.Input {
	return map[string]render.Input{"v1": signIns(t, nil), "v2": signIns(t, secondVersion), "no-consumers": signIns(t, noConsumers)}
}

// lookalikes are hosts at, beneath and beside every class and every row.
func lookalikes(in render.Input) []endpoint.Host {
	out := hostsFor(in, render.NewModel(in))
	for _, h := range []string{"device.login.microsoftonline.com", "evil-login.microsoftonline.com", "login.microsoftonline.com.evil.example", "login-microsoftonline.com", "xn--login-0ra.microsoftonline.com"} {
		out = append(out, endpoint.Host(h))
	}
	return out
}

// frame takes the frame and the types off a script for Fiddler: what is left is ES5. It is what package fiddler promises.
func frame(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "//") && line[0] != ' ' {
			continue
		}
		b.WriteString(strings.ReplaceAll(strings.Replace(line, "static function", "function", 1), ": Session", ""))
	}
	return b.String()
}

// session stands in for Fiddler's Session: a method, a name, headers that are compared without regard to case.
type session struct {
	method, host string
	headers      map[string]string
	flags        map[string]bool
}

func (s *session) run(t testing.TB, vm *goja.Runtime) {
	t.Helper()
	call, ok := goja.AssertFunction(vm.Get("OnBeforeRequest"))
	if !ok {
		t.Fatal("no OnBeforeRequest")
	}
	remove := func(name string) {
		maps.DeleteFunc(s.headers, func(n, _ string) bool { return strings.EqualFold(n, name) })
	}
	request := vm.NewDynamicObject(&bag{vm: vm, set: func(name, value string) { remove(name); s.headers[name] = value }, fixed: map[string]goja.Value{"headers": vm.ToValue(map[string]any{"Remove": remove})}})
	o := vm.NewDynamicObject(&bag{vm: vm, set: func(name, _ string) { s.flags[name] = true }, fixed: map[string]goja.Value{
		"HTTPMethodIs": vm.ToValue(func(m string) bool { return strings.EqualFold(m, s.method) }),
		"HostnameIs":   vm.ToValue(func(h string) bool { return strings.EqualFold(h, s.host) }),
		"oRequest":     request,
	}})
	if _, err := call(goja.Undefined(), o); err != nil {
		t.Fatal(err)
	}
}

// bag is an object with fixed members and an indexer that can be set.
type bag struct {
	vm    *goja.Runtime
	set   func(name, value string)
	fixed map[string]goja.Value
}

func (b *bag) Get(key string) goja.Value { return b.fixed[key] }
func (b *bag) Set(key string, v goja.Value) bool {
	b.set(key, v.String())
	return true
}
func (b *bag) Has(key string) bool    { return b.fixed[key] != nil }
func (b *bag) Delete(key string) bool { return false }
func (b *bag) Keys() []string         { return slices.Sorted(maps.Keys(b.fixed)) }

// TestFiddlerSetsWhatThePolicySets: for every host and whatever a client sends, the headers are those that the gateway would
// send; nothing else is decrypted, and CONNECT gets none.
func TestFiddlerSetsWhatThePolicySets(t *testing.T) {
	t.Parallel()
	for name, in := range policies(t) {
		vm := goja.New()
		if _, err := vm.RunString(frame(string(must(t, "fiddler", in, nil).Files[0].Body))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sent := map[string]string{"Host": "x", "restrict-access-to-tenants": "evil.example", "SEC-RESTRICT-TENANT-ACCESS-POLICY": "none", "Restrict_Access_Context": "x", "restrict_access-to_tenants": "evil.example", "sec-restrict_tenant-access_policy": "x", "Accept": "*/*"}
		stamped := 0
		for _, h := range lookalikes(in) {
			d := in.Program.Decide(policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr("10.1.2.3")}, Authority: endpoint.Authority{Host: h, Port: 443}})
			signIn := d.Class == catalog.SignIn || d.Class == catalog.SignInConsumer
			want := maps.Clone(sent)
			if signIn {
				maps.DeleteFunc(want, func(n, _ string) bool { return d.Plan.Deletes(n) })
				for _, f := range d.Plan.Set() {
					want[f.Name] = f.Value
					stamped++
				}
			}
			for _, form := range []string{string(h), strings.ToUpper(string(h)), string(h) + "."} {
				s := &session{method: "POST", host: form, headers: maps.Clone(sent), flags: map[string]bool{}}
				s.run(t, vm)
				if !maps.Equal(s.headers, want) || len(s.flags) > 0 {
					t.Errorf("%s %s: %v flags %v, the policy %v", name, form, s.headers, s.flags, want)
				}
				s = &session{method: "CONNECT", host: form, headers: maps.Clone(sent), flags: map[string]bool{}}
				s.run(t, vm)
				if !maps.Equal(s.headers, sent) || s.flags["x-no-decrypt"] == signIn {
					t.Errorf("%s CONNECT %s: %v flags %v", name, form, s.headers, s.flags)
				}
			}
		}
		if stamped < 3 {
			t.Errorf("%s: %d headers", name, stamped)
		}
	}
}

// TestFiddlerAsWritten holds the script, in both languages and versions.
func TestFiddlerAsWritten(t *testing.T) {
	t.Parallel()
	for name, in := range policies(t) {
		if name == "no-consumers" {
			continue
		}
		for _, lang := range []string{"ja", "en"} {
			in.Language = lang
			golden(t, "fiddler-"+name+"-"+lang, text(must(t, "fiddler", in, nil)))
		}
	}
}

var stringLiteral = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// TestFiddlerHoldsNobodysText: whatever a ring is called, its name is a part of one comment, and the code is the same.
func TestFiddlerHoldsNobodysText(t *testing.T) {
	t.Parallel()
	want := frame(string(must(t, "fiddler", signIns(t, nil), nil).Files[0].Body))
	for _, name := range []string{`"; evil(); "`, "*/ evil() /*", "a\r\nevil();", "a\u2028evil();", "a\u2029evil();", "</script><script>", "=1+1", "\u202etxt", "@cc_on", "日本語", "'`${x}"} {
		in := signIns(t, func(s *policy.Spec) { s.Rings[0].Name = name })
		body := string(must(t, "fiddler", in, nil).Files[0].Body)
		if !utf8.ValidString(body) || strings.ContainsAny(body, "\r\u2028\u2029\u202e\x00") {
			t.Errorf("%q: %q", name, body)
		}
		code := func(s string) (out []string) {
			for line := range strings.Lines(s) {
				if l := strings.TrimSpace(line); l != "" && !strings.HasPrefix(l, "//") {
					out = append(out, l)
				}
			}
			return out
		}
		if got := code(frame(body)); !slices.Equal(got, code(want)) {
			t.Errorf("%q changes the code:\n%s", name, strings.Join(got, "\n"))
		}
		for _, l := range stringLiteral.FindAllString(strings.Join(code(body), "\n"), -1) {
			if strings.Contains(l, "evil") {
				t.Errorf("%q: %s", name, l)
			}
		}
	}
}

// TestHeadersWantARingThatEnforces: where nobody is restricted, or nobody knows whose headers are meant, there is no file.
func TestHeadersWantARingThatEnforces(t *testing.T) {
	t.Parallel()
	off := signIns(t, func(s *policy.Spec) { s.Rings[0].Mode = policy.Off })
	report := signIns(t, func(s *policy.Spec) { s.Rings[0].Mode = policy.Report })
	two := signIns(t, func(s *policy.Spec) {
		other := s.Profiles[0]
		other.Name, other.Permitted = "guests", []restrict.At{{Text: "fabrikam.com"}}
		s.Profiles = append(s.Profiles, other)
		s.Rings = []policy.RingSpec{{Name: "pilot", Profile: policy.At{Text: "guests"}, Users: []string{"a@example.com"}}, s.Rings[0]}
	})
	for _, target := range stamped {
		for code, in := range map[string]render.Input{"stamp.off": off, "stamp.several": two} {
			_, err := attempt(t, target, in, stampedOptions[target])
			var problem *finding.Problem
			if !errors.As(err, &problem) || problem.Findings[0].Code != code {
				t.Errorf("%s: want %s, got %v", target, code, err)
			}
		}
		if _, err := attempt(t, target, report, stampedOptions[target]); err == nil {
			t.Errorf("%s: a ring that reports sets headers", target)
		}
		for ring, permitted := range map[string]string{"pilot": "fabrikam.com", "all": "contoso.com"} {
			given := maps.Clone(stampedOptions[target])
			if given == nil {
				given = map[string][]string{}
			}
			given["ring"] = []string{ring}
			body := text(must(t, target, two, given))
			if !strings.Contains(body, permitted) {
				t.Errorf("%s --ring %s lacks %s", target, ring, permitted)
			}
		}
		given := maps.Clone(stampedOptions[target])
		if given == nil {
			given = map[string][]string{}
		}
		given["ring"] = []string{"nobody"}
		if _, err := attempt(t, target, two, given); err == nil {
			t.Errorf("%s takes a ring that is not there", target)
		}
	}
}

// stamped are the targets that put headers on requests for one ring, with the options that make them do so.
var (
	stamped        = []string{"fiddler", "zscaler"}
	stampedOptions = map[string]map[string][]string{}
)
