package targets_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"go4.org/netipx"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// brokenRoot looks like a certificate and is none.
const brokenRoot = `-----BEGIN CERTIFICATE-----
MIIBijCCATCgAwIBAgIUAJd+M8fJ3c2uqZ0Zl7Xv3qZ8iXAwCgYIKoZIzj0EAwIw
-----END CERTIFICATE-----
`

// certificate makes a certificate that may sign, or not.
func certificate(t testing.TB, ca bool) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, NotAfter: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: ca, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// file is the file of an output, as text.
func file(t testing.TB, out render.Output, name string) string {
	t.Helper()
	i := slices.IndexFunc(out.Files, func(f render.File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no file %s", name)
	}
	body := out.Files[i].Body
	if strings.HasSuffix(name, ".reg") {
		return narrow(t, body)
	}
	return strings.TrimPrefix(string(body), "\ufeff")
}

// narrow reads UTF-16 with a byte order mark and CRLF.
func narrow(t testing.TB, body []byte) string {
	t.Helper()
	if len(body)%2 != 0 || !bytes.HasPrefix(body, []byte{0xff, 0xfe}) {
		t.Fatalf("no UTF-16: %x", body[:min(len(body), 8)])
	}
	var units []uint16
	for i := 2; i < len(body); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(body[i:]))
	}
	s := string(utf16.Decode(units))
	if strings.Count(s, "\n") != strings.Count(s, "\r\n") || strings.Count(s, "\r") != strings.Count(s, "\n") {
		t.Fatal("lines do not end in CRLF")
	}
	return strings.ReplaceAll(s, "\r\n", "\n")
}

var regValue = regexp.MustCompile(`^"((?:[^"\\]|\\.)*)"=(?:(dword):([0-9a-f]{8})|(hex):([0-9a-f]{2}(?:,[0-9a-f]{2})*)|"((?:[^"\\]|\\.)*)"|(-))$`)

// readReg reads a registry file: by key and name, "dword:N", "hex:…", the text, or "-".
func readReg(t testing.TB, s string) map[string]string {
	t.Helper()
	out := map[string]string{}
	lines := strings.Split(s, "\n")
	if lines[0] != "Windows Registry Editor Version 5.00" {
		t.Fatalf("begins with %q", lines[0])
	}
	key := ""
	unescape := strings.NewReplacer(`\\`, `\`, `\"`, `"`)
	for _, l := range lines[1:] {
		switch {
		case l == "" || strings.HasPrefix(l, ";"):
		case strings.HasPrefix(l, "[HKEY_") && strings.HasSuffix(l, "]"):
			key = l[1 : len(l)-1]
		default:
			m := regValue.FindStringSubmatch(l)
			if m == nil || key == "" {
				t.Fatalf("what is %q", l)
			}
			name := key + `\` + unescape.Replace(m[1])
			if _, twice := out[name]; twice {
				t.Errorf("%s twice", name)
			}
			switch {
			case m[2] != "":
				n, _ := strconv.ParseUint(m[3], 16, 32)
				out[name] = "dword:" + strconv.FormatUint(n, 10)
			case m[4] != "":
				out[name] = "hex:" + strings.ReplaceAll(m[5], ",", "")
			case m[7] != "":
				out[name] = "-"
			default:
				out[name] = unescape.Replace(m[6])
			}
		}
	}
	return out
}

// readConnection reads DefaultConnectionSettings.
func readConnection(t testing.TB, text string) (flags uint32, proxy, past, pac string) {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "hex:"))
	if err != nil || len(b) < 12 || binary.LittleEndian.Uint32(b) != 0x46 {
		t.Fatalf("%q %v", text, err)
	}
	flags, b = binary.LittleEndian.Uint32(b[8:]), b[12:]
	next := func() string {
		n := binary.LittleEndian.Uint32(b)
		s := string(b[4 : 4+n])
		b = b[4+n:]
		return s
	}
	proxy, past, pac = next(), next(), next()
	if len(b) != 32 || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("%d bytes at the end", len(b))
	}
	return flags, proxy, past, pac
}

var (
	psKey     = regexp.MustCompile(`^\$key = '(HKLM:\\[^']+)'$`)
	psValue   = regexp.MustCompile(`^New-ItemProperty -Path \$key -Name '([^']+)' -PropertyType (DWord|String|Binary) -Value (.*) -Force \| Out-Null$`)
	psRemoval = regexp.MustCompile(`^Remove-ItemProperty -Path \$key -Name '([^']+)' -ErrorAction SilentlyContinue$`)
	psBlock   = regexp.MustCompile(`^New-NetFirewallRule -DisplayName '([^']+)' -Group 'Sekisho sign-in' -Direction Outbound -Action Block -Enabled True -Profile Any -Protocol (TCP|UDP) -RemotePort @\('443'\) -RemoteAddress @\(([^)]*)\) \| Out-Null$`)
)

// readScript reads the PowerShell script: the values that it sets, as readReg has them, and the ranges that it blocks, by
// protocol.
func readScript(t testing.TB, s string) (values map[string]string, blocked map[string][]netip.Prefix) {
	t.Helper()
	values, blocked = map[string]string{}, map[string][]netip.Prefix{}
	key := ""
	for l := range strings.Lines(s) {
		l = strings.TrimSuffix(l, "\n")
		if m := psKey.FindStringSubmatch(l); m != nil {
			key = strings.Replace(m[1], "HKLM:", "HKEY_LOCAL_MACHINE", 1)
		} else if m := psValue.FindStringSubmatch(l); m != nil {
			v := m[3]
			switch m[2] {
			case "DWord":
				v = "dword:" + v
			case "String":
				if len(v) < 2 || v[0] != '\'' || v[len(v)-1] != '\'' || strings.Contains(strings.ReplaceAll(v[1:len(v)-1], "''", ""), "'") {
					t.Fatalf("what is %q", l)
				}
				v = strings.ReplaceAll(v[1:len(v)-1], "''", "'")
			case "Binary":
				v = "hex:" + strings.NewReplacer("([byte[]](", "", "))", "", "0x", "", ",", "").Replace(v)
			}
			values[key+`\`+m[1]] = v
		} else if m := psRemoval.FindStringSubmatch(l); m != nil {
			values[key+`\`+m[1]] = "-"
		} else if m := psBlock.FindStringSubmatch(l); m != nil {
			for _, p := range strings.Split(strings.ReplaceAll(m[3], "'", ""), ",") {
				blocked[strings.ToLower(m[2])] = append(blocked[strings.ToLower(m[2])], netip.MustParsePrefix(p))
			}
		} else if strings.HasPrefix(l, "New-NetFirewallRule") || strings.HasPrefix(l, "New-ItemProperty") {
			t.Fatalf("what is %q", l)
		}
	}
	return values, blocked
}

type profile struct {
	Type        string `json:"@odata.type"`
	OMASettings []struct {
		Type   string `json:"@odata.type"`
		OMAURI string `json:"omaUri"`
		Value  any
	} `json:"omaSettings"`
}

// readIntune reads a custom profile: its values by OMA-URI.
func readIntune(t testing.TB, s string) map[string]any {
	t.Helper()
	var p profile
	if err := json.Unmarshal([]byte(s), &p); err != nil || p.Type != "#microsoft.graph.windows10CustomConfiguration" {
		t.Fatalf("%v %q", err, p.Type)
	}
	out := map[string]any{}
	for _, o := range p.OMASettings {
		want := map[string]string{"#microsoft.graph.omaSettingInteger": "float64", "#microsoft.graph.omaSettingBoolean": "bool"}[o.Type]
		switch o.Value.(type) {
		case float64:
			if want != "float64" {
				t.Errorf("%s is %s", o.OMAURI, o.Type)
			}
		case bool:
			if want != "bool" {
				t.Errorf("%s is %s", o.OMAURI, o.Type)
			}
		default:
			if want != "" {
				t.Errorf("%s is %s", o.OMAURI, o.Type)
			}
		}
		if _, twice := out[o.OMAURI]; twice {
			t.Errorf("%s twice", o.OMAURI)
		}
		out[o.OMAURI] = o.Value
	}
	return out
}

const (
	machineKey = `HKEY_LOCAL_MACHINE\SOFTWARE\`
	internet   = machineKey + `Microsoft\Windows\CurrentVersion\Internet Settings\`
)

// withDirect is a policy with hosts that go past the proxy, and a ring with proxies of its own.
func withDirect(t testing.TB) render.Input {
	in := signIns(t, func(s *policy.Spec) {
		s.PACDirect = []policy.At{{Text: "intra.example"}, {Text: "*.corp.example"}, {Text: "a.*.branch.example"}}
		s.Rings = append([]policy.RingSpec{{Name: "pilot ring", Profile: policy.At{Text: "staff"}, Users: []string{"a@example.com"}}}, s.Rings...)
	})
	in.Rings = map[string][]string{"pilot ring": {"pilot.example.com:3128"}}
	pemText := certificate(t, true)
	in.Root = func() []byte { return pemText }
	return in
}

// TestDevicesAreToldOneThing: registry, script, WinHTTP, Firefox and Intune say the same proxy and block the same addresses,
// those of the sign-in hosts in the catalog.
func TestDevicesAreToldOneThing(t *testing.T) {
	t.Parallel()
	in := withDirect(t)
	for name, c := range map[string]struct {
		given      map[string][]string
		pac, proxy string
	}{
		"pac":       {nil, "http://proxy.example.com:3180/proxy.pac", ""},
		"ring":      {map[string][]string{"ring": {"pilot ring"}}, "http://proxy.example.com:3180/pac/pilot%20ring/proxy.pac", ""},
		"own-pac":   {map[string][]string{"pac-url": {"https://pac.example.com/x.pac"}}, "https://pac.example.com/x.pac", ""},
		"proxy":     {map[string][]string{"by": {"proxy"}}, "", "proxy.example.com:3128"},
		"ring-prox": {map[string][]string{"by": {"proxy"}, "ring": {"pilot ring"}}, "", "pilot.example.com:3128"},
		"v6":        {map[string][]string{"by": {"proxy"}, "proxy": {"[2001:db8::1]:3128"}}, "", "[2001:db8::1]:3128"},
	} {
		out := must(t, "client", in, c.given)
		values := readReg(t, file(t, out, "sekisho-machine.reg"))
		past := ""
		if c.proxy != "" {
			past = "proxy.example.com;intra.example;*.corp.example"
		}
		want := map[string]string{
			machineKey + `Policies\Microsoft\Windows\CurrentVersion\Internet Settings\ProxySettingsPerUser`: "dword:0",
			machineKey + `Policies\Microsoft\Internet Explorer\Control Panel\Proxy`:                         "dword:1",
			machineKey + `Policies\Microsoft\Internet Explorer\Control Panel\Autoconfig`:                    "dword:1",
		}
		if c.pac != "" {
			want[internet+"AutoConfigURL"], want[internet+"ProxyEnable"], want[internet+"ProxyServer"] = c.pac, "dword:0", "-"
		} else {
			want[internet+"AutoConfigURL"], want[internet+"ProxyEnable"], want[internet+"ProxyServer"], want[internet+"ProxyOverride"] = "-", "dword:1", c.proxy, past
		}
		for _, browser := range []string{`Policies\Microsoft\Edge\`, `Policies\Google\Chrome\`} {
			want[machineKey+browser+"QuicAllowed"], want[machineKey+browser+"DnsOverHttpsMode"], want[machineKey+browser+"EncryptedClientHelloEnabled"] = "dword:0", "off", "dword:0"
			var v map[string]any
			if err := json.Unmarshal([]byte(values[machineKey+browser+"ProxySettings"]), &v); err != nil {
				t.Fatal(err)
			}
			ok := v["ProxyMode"] == "pac_script" && v["ProxyPacUrl"] == c.pac && v["ProxyPacMandatory"] == true && len(v) == 3
			if c.proxy != "" {
				ok = v["ProxyMode"] == "fixed_servers" && v["ProxyServer"] == c.proxy && v["ProxyBypassList"] == past && len(v) == 3
			}
			if !ok {
				t.Errorf("%s %s: %v", name, browser, v)
			}
		}
		for key, v := range want {
			if values[key] != v {
				t.Errorf("%s %s is %q, want %q", name, key, values[key], v)
			}
		}
		for _, k := range []string{"DefaultConnectionSettings", "SavedLegacySettings"} {
			flags, proxy, hosts, pac := readConnection(t, values[internet+`Connections\`+k])
			if proxy != c.proxy || pac != c.pac || hosts != past || flags&8 != 0 || (flags&4 != 0) != (c.pac != "") || (flags&2 != 0) != (c.proxy != "") {
				t.Errorf("%s %s: %d %q %q %q", name, k, flags, proxy, hosts, pac)
			}
		}
		script, blocked := readScript(t, file(t, out, "sekisho-client.ps1"))
		if len(script) != len(values) {
			t.Errorf("%s: the script sets %d values, the registry file %d", name, len(script), len(values))
		}
		for key, v := range values {
			if script[key] != v {
				t.Errorf("%s %s: the script says %q, the registry file %q", name, key, script[key], v)
			}
		}
		var winHTTP map[string]any
		if err := json.Unmarshal([]byte(file(t, out, "sekisho-winhttp.json")), &winHTTP); err != nil || len(winHTTP) != 4 ||
			winHTTP["Proxy"] != c.proxy || winHTTP["AutoconfigUrl"] != c.pac || winHTTP["ProxyBypass"] != past || winHTTP["AutoDetect"] != false {
			t.Errorf("%s: %v %v", name, winHTTP, err)
		}
		var firefox struct {
			Policies struct {
				Proxy                       map[string]any
				DNSOverHTTPS                map[string]bool
				DisableEncryptedClientHello bool
				Certificates                map[string]bool
			} `json:"policies"`
		}
		if err := json.Unmarshal([]byte(file(t, out, "policies.json")), &firefox); err != nil {
			t.Fatal(err)
		}
		f := firefox.Policies
		if f.Proxy["Locked"] != true || f.DNSOverHTTPS["Enabled"] || !f.DNSOverHTTPS["Locked"] || !f.DisableEncryptedClientHello || !f.Certificates["ImportEnterpriseRoots"] ||
			c.pac != "" && (f.Proxy["Mode"] != "autoConfig" || f.Proxy["AutoConfigURL"] != c.pac) ||
			c.proxy != "" && (f.Proxy["Mode"] != "manual" || f.Proxy["HTTPProxy"] != c.proxy || f.Proxy["UseHTTPProxyForAllProtocols"] != true) {
			t.Errorf("%s: %+v", name, f)
		}
		intune := readIntune(t, file(t, out, "sekisho-intune.json"))
		if intune["./Vendor/MSFT/NetworkProxy/ProxySettingsPerUser"] != 0.0 || intune["./Vendor/MSFT/NetworkProxy/AutoDetect"] != 0.0 ||
			c.pac != "" && intune["./Vendor/MSFT/NetworkProxy/SetupScriptUrl"] != c.pac || c.proxy != "" && intune["./Vendor/MSFT/NetworkProxy/ProxyServer/ProxyAddress"] != c.proxy {
			t.Errorf("%s: %v", name, intune)
		}
		for _, proto := range []string{"tcp", "udp"} {
			rule := "./Vendor/MSFT/Firewall/MdmStore/FirewallRules/sekisho-sign-in-" + proto + "/"
			text, _ := intune[rule+"RemoteAddressRanges"].(string)
			sameRanges(t, name+" script "+proto, in, blocked[proto])
			sameRanges(t, name+" intune "+proto, in, ranged(t, text))
			if intune[rule+"Action/Type"] != 0.0 || intune[rule+"Direction"] != "OUT" || intune[rule+"RemotePortRanges"] != "443" || intune[rule+"Enabled"] != true ||
				intune[rule+"Protocol"] != map[string]float64{"tcp": 6, "udp": 17}[proto] {
				t.Errorf("%s: rule %s", name, proto)
			}
		}
		if user := readReg(t, file(t, out, "sekisho-user.reg")); len(user) != 1 || user[`HKEY_CURRENT_USER\SOFTWARE\Policies\Microsoft\Office\16.0\Outlook\disableexchangeconsumeraccounts`] != "dword:1" {
			t.Errorf("%s: %v", name, user)
		}
	}
}

// ranged reads prefixes, and ranges of a first and a last address.
func ranged(t testing.TB, text string) (out []netip.Prefix) {
	t.Helper()
	for _, word := range strings.Split(text, ",") {
		if p, err := netip.ParsePrefix(word); err == nil && p.Addr().Is4() {
			out = append(out, p)
		} else if r, err := netipx.ParseIPRange(word); err == nil {
			out = append(out, r.Prefixes()...)
		} else {
			t.Errorf("what is %q", word)
		}
	}
	return out
}

// sameRanges: what is blocked are the addresses of the sign-in hosts, all and no others.
func sameRanges(t testing.TB, name string, in render.Input, got []netip.Prefix) {
	t.Helper()
	set := func(list []netip.Prefix) *netipx.IPSet {
		var b netipx.IPSetBuilder
		for _, p := range list {
			b.AddPrefix(p)
		}
		s, err := b.IPSet()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := in.Program.Catalog().SignInPrefixes()
	if len(want) == 0 || !set(got).Equal(set(want)) {
		t.Errorf("%s blocks %v, sign-in has %v", name, got, want)
	}
}

// TestConnectionSettingsAsOthersWriteThem: the binary value is the one of the page that it follows, but for the counter.
func TestConnectionSettingsAsOthersWriteThem(t *testing.T) {
	t.Parallel()
	in := signIns(t, nil)
	values := readReg(t, file(t, must(t, "client", in, map[string][]string{"pac-url": {"http://myproxy.fqdn/proxy.pac"}}), "sekisho-machine.reg"))
	const page = "46000000040000000500000000000000000000001d000000687474703a2f2f6d7970726f78792e6671646e2f70726f78792e706163" + "0000000000000000000000000000000000000000000000000000000000000000"
	got := strings.TrimPrefix(values[internet+`Connections\DefaultConnectionSettings`], "hex:")
	if got[:8] != page[:8] || got[16:] != page[16:] {
		t.Errorf("%s\nthe page has\n%s", got, page)
	}
}

// TestNoSignInHostGoesPastTheProxy: with a fixed proxy, what devices reach without it is what the PAC file sends DIRECT, or
// less, and no sign-in host.
func TestNoSignInHostGoesPastTheProxy(t *testing.T) {
	t.Parallel()
	in := withDirect(t)
	out := must(t, "client", in, map[string][]string{"by": {"proxy"}})
	past := strings.Split(readReg(t, file(t, out, "sekisho-machine.reg"))[internet+"ProxyOverride"], ";")
	direct := 0
	for _, h := range append(lookalikes(in), "intra.example", "x.corp.example", "corp.example", "evilintra.example", "a.b.branch.example") {
		goes := slices.ContainsFunc(past, func(p string) bool { return leftmost(p, string(h)) })
		want := h == "proxy.example.com" || slices.ContainsFunc(in.Program.PACDirect(), func(p endpoint.Pattern) bool { return p.Kind() != endpoint.Inside && p.Match(h) })
		if goes != want || goes && in.Program.Catalog().Classify(h).Class != catalog.Ordinary {
			t.Errorf("%s goes past the proxy: %v, want %v", h, goes, want)
		}
		if goes {
			direct++
		}
	}
	if direct < 2 {
		t.Errorf("%d hosts go past the proxy", direct)
	}
	if !slices.ContainsFunc(out.Findings, func(f finding.Finding) bool { return f.Code == "client.past" }) {
		t.Error("a pattern that no program holds is left out in silence")
	}
}

// TestRootIsTheGateways: the certificate that devices are told to trust is the gateway's, by the same thumbprint everywhere;
// what is none is not told.
func TestRootIsTheGateways(t *testing.T) {
	t.Parallel()
	in := withDirect(t)
	out := must(t, "client", in, nil)
	block, _ := pem.Decode(in.Root())
	got, _ := pem.Decode([]byte(file(t, out, "sekisho-root.cer")))
	if got == nil || !bytes.Equal(got.Bytes, block.Bytes) {
		t.Error("another certificate")
	}
	sum := sha1.Sum(block.Bytes)
	thumbprint := strings.ToUpper(hex.EncodeToString(sum[:]))
	for _, name := range []string{"sekisho-client.ps1", "sekisho-client.txt", "sekisho-intune.json"} {
		if !strings.Contains(file(t, out, name), thumbprint) {
			t.Errorf("%s does not name %s", name, thumbprint)
		}
	}
	if v := readIntune(t, file(t, out, "sekisho-intune.json"))["./Device/Vendor/MSFT/RootCATrustedCertificates/Root/"+thumbprint+"/EncodedCertificate"]; v != base64.StdEncoding.EncodeToString(block.Bytes) {
		t.Error("Intune has another certificate")
	}
	leaf := certificate(t, false)
	for name, bad := range map[string]func() []byte{"none": nil, "empty": func() []byte { return nil }, "text": func() []byte { return []byte("x") }, "broken": func() []byte { return []byte(brokenRoot) }, "leaf": func() []byte { return leaf }} {
		in.Root = bad
		out := must(t, "client", in, nil)
		if slices.ContainsFunc(out.Files, func(f render.File) bool { return f.Name == "sekisho-root.cer" }) || strings.Contains(file(t, out, "sekisho-client.ps1"), "Import-Certificate") ||
			!slices.ContainsFunc(out.Findings, func(f finding.Finding) bool { return f.Code == "client.no-root" }) {
			t.Errorf("%s is told as a root certificate", name)
		}
	}
}

// TestClientAsWritten holds the files in both languages and by both ways; the certificate, which differs, is left out.
func TestClientAsWritten(t *testing.T) {
	t.Parallel()
	in := withDirect(t)
	in.Root = nil
	for _, lang := range []string{"ja", "en"} {
		in.Language = lang
		for name, given := range map[string]map[string][]string{"pac": nil, "proxy": {"by": {"proxy"}}} {
			out := must(t, "client", in, given)
			var b strings.Builder
			for _, f := range out.Files {
				b.WriteString("-- " + f.Name + " --\n" + file(t, out, f.Name))
			}
			golden(t, "client-"+name+"-"+lang, b.String())
		}
	}
}

// TestHostilePlacesAreRefused: what would mean something to a registry file, a shell or a list of hosts is refused.
func TestHostilePlacesAreRefused(t *testing.T) {
	t.Parallel()
	in := withDirect(t)
	refused := func(code string, given map[string][]string) {
		t.Helper()
		_, err := attempt(t, "client", in, given)
		var problem *finding.Problem
		if !errors.As(err, &problem) || problem.Findings[0].Code != code {
			t.Errorf("%v: want %s, got %v", given, code, err)
		}
	}
	for _, bad := range []string{"ftp://a/x.pac", "file:///c:/x.pac", "http://", "http:///x", "//a/x", "http://a b/", "http://a/'x", "http://a/\"x", "http://a/x;calc", "http://a/$(id)", "http://a/`id`",
		"http://user:pw@a/x.pac", "http://a/x?y", "http://a/x#y", "http://a/x\r\n[HKEY_LOCAL_MACHINE\\X]", "javascript:alert(1)", "http://a/</script>", "=1+1", "data:,x", "http://a:65536/x", "http://a:0/x", "http://a..b/x"} {
		refused("client.url", map[string][]string{"pac-url": {bad}})
	}
	for _, bad := range []string{"a", "a:", ":3128", "https://a:443", "a:b", "a;b:1", "a b:1", "a'b:1", "a\"b:1", "a:1;DIRECT", "a:1\r\nb", "=1:1", "a:123456", "a:65536", "a:0", "fe80::1:3128", "256.1.1.1:1", "a..b:1", "-a.b:1"} {
		refused("client.proxy", map[string][]string{"by": {"proxy"}, "proxy": {bad}})
	}
	refused("render.pac.no-ring", map[string][]string{"ring": {"nobody"}})
	none := in
	none.PACURL, none.Proxies = "", nil
	in = none
	refused("client.no-pac", nil)
	refused("client.no-proxy", map[string][]string{"by": {"proxy"}})
}

// TestHostileRingsStayTexts: the name of a ring is in no file but as an escaped part of a URL.
func TestHostileRingsStayTexts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x'; calc; '", "a\"b", "</script>", "\u202etxt", "=1+1", "a\r\n[HKEY_LOCAL_MACHINE]", "$(id)", "日本"} {
		in := signIns(t, func(s *policy.Spec) { s.Rings[0].Name = name })
		in.Organisation = name
		for _, given := range []map[string][]string{nil, {"ring": {name}}} {
			out, err := attempt(t, "client", in, given)
			if err != nil {
				continue // refused: nothing reaches a device
			}
			for _, f := range out.Files {
				body := file(t, out, f.Name)
				if strings.Contains(strings.ReplaceAll(body, "/pac/"+url.PathEscape(name)+"/", ""), name) || !utf8.ValidString(body) || strings.ContainsAny(body, "\u202e\x00") {
					t.Errorf("%q stands in %s", name, f.Name)
				}
			}
			readReg(t, file(t, out, "sekisho-machine.reg"))
		}
	}
}
