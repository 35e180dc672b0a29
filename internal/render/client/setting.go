package client

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"

	"sekisho/internal/render/flow"
)

// hive is whose settings a value is among.
type hive uint8

const (
	machine hive = iota // HKEY_LOCAL_MACHINE
	user                // HKEY_CURRENT_USER
)

// setting is one value of the registry. One of number, text and data is used, by kind.
type setting struct {
	hive   hive
	key    string
	name   string
	kind   kind
	number uint32
	text   string
	data   []byte
	about  string // "client.set.<about>" says what it is for
	page   flow.Page
}

type kind uint8

const (
	number kind = iota // REG_DWORD
	text               // REG_SZ
	data               // REG_BINARY
	absent             // the value is removed
)

const read = "2026-11-23"

// The pages, by what they are about.
var (
	pageMachine  = flow.Page{Title: "HKLMProxyServer (ProxySettingsPerUser)", URL: "https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/microsoft-windows-ie-clientnetworkprotocolimplementation-hklmproxyserver", Read: read}
	pageBlob     = flow.Page{Title: "How does ProxySettingsPerUser work (not by Microsoft)", URL: "https://www.spad.uk/posts/how-does-proxysettingsperuser-work/", Read: read}
	pageLock     = flow.Page{Title: "Policy CSP - InternetExplorer (DisableProxyChange)", URL: "https://learn.microsoft.com/windows/client-management/mdm/policy-csp-internetexplorer", Read: read}
	pageLockAuto = flow.Page{Title: "CIS Internet Explorer 11, 9.8 Disable changing Automatic Configuration settings", URL: "https://www.tenable.com/audits/items/CIS_IE11_v1.0.0.audit:416923ef4b32585e5dd925054d222263", Read: read}
	pageWinHTTP  = flow.Page{Title: "Netsh.exe commands for WinHTTP (set advproxy)", URL: "https://learn.microsoft.com/windows/win32/winhttp/netsh-exe-commands", Read: read}
	pageFirefox  = flow.Page{Title: "Firefox policy templates", URL: "https://github.com/mozilla/policy-templates/blob/master/docs/index.md", Read: read}
	pageCSP      = flow.Page{Title: "NetworkProxy CSP", URL: "https://learn.microsoft.com/windows/client-management/mdm/networkproxy-csp", Read: read}
	pageFirewall = flow.Page{Title: "Firewall CSP", URL: "https://learn.microsoft.com/windows/client-management/mdm/firewall-csp", Read: read}
	pageRoot     = flow.Page{Title: "RootCATrustedCertificates CSP", URL: "https://learn.microsoft.com/windows/client-management/mdm/rootcacertificates-csp", Read: read}
	pageCustom   = flow.Page{Title: "Create windows10CustomConfiguration", URL: "https://learn.microsoft.com/graph/api/intune-deviceconfig-windows10customconfiguration-create", Read: read}
	pageRule     = flow.Page{Title: "New-NetFirewallRule", URL: "https://learn.microsoft.com/powershell/module/netsecurity/new-netfirewallrule", Read: read}
	pageOutlook  = flow.Page{Title: "Prevent personal Microsoft accounts from using MAPI", URL: "https://admx.help/?Category=Office2016&Language=ja-jp&Policy=outlk16.Office.Microsoft.Policies.Windows%3A%3AL_DisableExchangeConsumerAccounts", Read: read}
)

func edge(policy string) flow.Page {
	return flow.Page{Title: "Microsoft Edge " + policy, URL: "https://learn.microsoft.com/deployedge/microsoft-edge-policies/" + strings.ToLower(policy), Read: read}
}

func chrome(policy string) flow.Page {
	return flow.Page{Title: "Chrome " + policy, URL: "https://chromeenterprise.google/policies/?policy=" + policy, Read: read}
}

// The keys.
const (
	keyPolicies    = `SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings`
	keyInternet    = `SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings`
	keyConnections = keyInternet + `\Connections`
	keyPanel       = `SOFTWARE\Policies\Microsoft\Internet Explorer\Control Panel`
	keyEdge        = `SOFTWARE\Policies\Microsoft\Edge`
	keyChrome      = `SOFTWARE\Policies\Google\Chrome`
	keyOutlook     = `SOFTWARE\Policies\Microsoft\Office\16.0\Outlook`
)

// settings are the values of the registry for p, grouped by key, in the order in which they are written.
func settings(p plan) []setting {
	out := []setting{
		{key: keyPolicies, name: "ProxySettingsPerUser", about: "machine", page: pageMachine},
	}
	if p.pac != "" {
		out = append(out,
			setting{key: keyInternet, name: "AutoConfigURL", kind: text, text: p.pac, about: "pac", page: pageBlob},
			setting{key: keyInternet, name: "ProxyEnable", about: "no-static", page: pageBlob},
			setting{key: keyInternet, name: "ProxyServer", kind: absent, about: "no-static", page: pageBlob},
			setting{key: keyInternet, name: "ProxyOverride", kind: absent, about: "no-static", page: pageBlob})
	} else {
		out = append(out,
			setting{key: keyInternet, name: "AutoConfigURL", kind: absent, about: "no-pac", page: pageBlob},
			setting{key: keyInternet, name: "ProxyEnable", number: 1, about: "proxy", page: pageMachine},
			setting{key: keyInternet, name: "ProxyServer", kind: text, text: p.proxy, about: "proxy", page: pageMachine},
			setting{key: keyInternet, name: "ProxyOverride", kind: text, text: strings.Join(p.bypass("*."), ";"), about: "past", page: pageMachine})
	}
	blob := connection(p)
	out = append(out,
		setting{key: keyConnections, name: "DefaultConnectionSettings", kind: data, data: blob, about: "blob", page: pageBlob},
		setting{key: keyConnections, name: "SavedLegacySettings", kind: data, data: blob, about: "blob", page: pageBlob},
		setting{key: keyPanel, name: "Proxy", number: 1, about: "lock", page: pageLock},
		setting{key: keyPanel, name: "Autoconfig", number: 1, about: "lock", page: pageLockAuto})
	for _, b := range []struct {
		key  string
		page func(string) flow.Page
	}{{keyEdge, edge}, {keyChrome, chrome}} {
		out = append(out,
			setting{key: b.key, name: "ProxySettings", kind: text, text: string(chromium(p)), about: "browser", page: b.page("ProxySettings")},
			setting{key: b.key, name: "QuicAllowed", about: "quic", page: b.page("QuicAllowed")},
			setting{key: b.key, name: "DnsOverHttpsMode", kind: text, text: "off", about: "doh", page: b.page("DnsOverHttpsMode")},
			setting{key: b.key, name: "EncryptedClientHelloEnabled", about: "ech", page: b.page("EncryptedClientHelloEnabled")})
	}
	return append(out, setting{hive: user, key: keyOutlook, name: "disableexchangeconsumeraccounts", number: 1, about: "outlook", page: pageOutlook})
}

// bypass are the hosts that need no proxy; star is what stands before the domain of a whole one.
func (p plan) bypass(star string) []string {
	out := slices.Clone(p.own)
	for _, pattern := range p.past {
		word := pattern.String()
		if rest, ok := strings.CutPrefix(word, "*."); ok {
			word = star + rest
		}
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// chromium is the value of ProxySettings of Edge and Chrome. ProxyPacMandatory keeps the browser from going direct where the
// PAC file cannot be had.
func chromium(p plan) []byte {
	v := struct {
		ProxyMode         string
		ProxyPacURL       string `json:"ProxyPacUrl,omitempty"`
		ProxyPacMandatory bool   `json:",omitempty"`
		ProxyServer       string `json:",omitempty"`
		ProxyBypassList   string `json:",omitempty"`
	}{ProxyMode: "pac_script", ProxyPacURL: p.pac, ProxyPacMandatory: true}
	if p.pac == "" {
		v.ProxyMode, v.ProxyPacMandatory, v.ProxyServer, v.ProxyBypassList = "fixed_servers", false, p.proxy, strings.Join(p.bypass("*."), ";")
	}
	return compact(v)
}

// compact is v as JSON in one line, with no escapes for HTML.
func compact(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of strings, numbers and truth values: nothing that fails
	return bytes.TrimSpace(b.Bytes())
}

// connection is the value of DefaultConnectionSettings: version, counter, flags, then proxy, hosts without it and PAC file,
// each with its length before it, and 32 bytes of zeros. Flags are 1 direct, 2 proxy, 4 PAC file, 8 automatic detection.
// Microsoft documents none of it; it follows the page and the values in
// https://gist.github.com/p0w3rsh3ll/a4e606996150b63ae54b (read 2026-11-23).
func connection(p plan) []byte {
	flags, proxy, past := uint32(1|4), "", ""
	if p.pac == "" {
		flags, proxy, past = 1|2, p.proxy, strings.Join(p.bypass("*."), ";")
	}
	le := binary.LittleEndian
	out := le.AppendUint32(nil, 0x46)
	out = le.AppendUint32(out, 1)
	out = le.AppendUint32(out, flags)
	for _, s := range []string{proxy, past, p.pac} {
		out = le.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return append(out, make([]byte, 32)...)
}

// pagesOf are the pages that the files follow, each once.
func pagesOf(p plan, values []setting) []flow.Page {
	var out []flow.Page
	add := func(page flow.Page) {
		if !slices.Contains(out, page) {
			out = append(out, page)
		}
	}
	for _, v := range values {
		add(v.page)
	}
	for _, page := range []flow.Page{pageWinHTTP, pageFirefox, pageCustom, pageCSP} {
		add(page)
	}
	if len(p.ranges) > 0 {
		add(pageRule)
		add(pageFirewall)
	}
	if p.root != nil {
		add(pageRoot)
	}
	return out
}
