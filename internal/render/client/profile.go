package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// indented is v as JSON for people to read.
func indented(v any) []byte {
	var b bytes.Buffer
	_ = json.Indent(&b, compact(v), "", "  ") // of JSON that was just made
	return append(b.Bytes(), '\n')
}

// winHTTP are the settings for "netsh winhttp set advproxy", whose page wants all four.
func winHTTP(p plan) []byte {
	v := struct {
		Proxy, ProxyBypass string
		AutoconfigURL      string `json:"AutoconfigUrl"`
		AutoDetect         bool
	}{Proxy: p.proxy, AutoconfigURL: p.pac}
	if p.pac == "" {
		v.ProxyBypass = strings.Join(p.bypass("*."), ";")
	}
	return indented(v)
}

// firefox is the policies.json of Firefox.
func firefox(p plan) []byte {
	proxy := map[string]any{"Mode": "autoConfig", "Locked": true, "AutoConfigURL": p.pac}
	if p.pac == "" {
		proxy = map[string]any{"Mode": "manual", "Locked": true, "HTTPProxy": p.proxy, "UseHTTPProxyForAllProtocols": true, "Passthrough": strings.Join(p.bypass("."), ", ")}
	}
	return indented(map[string]any{"policies": map[string]any{
		"Proxy":                       proxy,
		"DNSOverHTTPS":                map[string]any{"Enabled": false, "Locked": true},
		"DisableEncryptedClientHello": true,
		"Certificates":                map[string]any{"ImportEnterpriseRoots": true},
	}})
}

// oma is one setting of a custom profile.
type oma struct {
	Type        string `json:"@odata.type"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
	OMAURI      string `json:"omaUri"`
	FileName    string `json:"fileName,omitempty"`
	Value       any    `json:"value"`
}

// intune is the body of a request that makes a custom profile of Intune.
func intune(in render.Input, p plan) []byte {
	var list []oma
	say := in.Printer()
	add := func(name, about, uri string, value any, page flow.Page) {
		kind := "#microsoft.graph.omaSettingString"
		switch value.(type) {
		case int:
			kind = "#microsoft.graph.omaSettingInteger"
		case bool:
			kind = "#microsoft.graph.omaSettingBoolean"
		}
		list = append(list, oma{Type: kind, DisplayName: "Sekisho " + name, Description: say.Text("client.set."+about, nil) + " " + page.URL, OMAURI: uri, Value: value})
	}
	const proxy = "./Vendor/MSFT/NetworkProxy/"
	add("ProxySettingsPerUser", "machine", proxy+"ProxySettingsPerUser", 0, pageCSP)
	add("AutoDetect", "detect", proxy+"AutoDetect", 0, pageCSP)
	if p.pac != "" {
		add("SetupScriptUrl", "pac", proxy+"SetupScriptUrl", p.pac, pageCSP)
	} else {
		add("ProxyAddress", "proxy", proxy+"ProxyServer/ProxyAddress", p.proxy, pageCSP)
		// The page: the proxy is not used for what begins with an entry, so that only whole names and addresses fit.
		add("UseProxyForLocalAddresses", "local", proxy+"ProxyServer/UseProxyForLocalAddresses", 1, pageCSP)
	}
	add("DisableProxyChange", "lock", "./Device/Vendor/MSFT/Policy/Config/InternetExplorer/DisableProxyChange", "<enabled/>", pageLock)
	if p.root != nil {
		list = append(list, oma{Type: "#microsoft.graph.omaSettingBase64", DisplayName: "Sekisho root certificate", Description: say.Text("client.set.root", nil) + " " + pageRoot.URL,
			OMAURI: "./Device/Vendor/MSFT/RootCATrustedCertificates/Root/" + thumbprint(p) + "/EncodedCertificate", FileName: rootFile,
			Value: base64.StdEncoding.EncodeToString(p.root.Raw)})
	}
	if len(p.ranges) > 0 {
		for _, r := range blocks(p) {
			base := "./Vendor/MSFT/Firewall/MdmStore/FirewallRules/" + r.Name + "/"
			add(r.Name+" Action", "firewall", base+"Action/Type", 0, pageFirewall)
			add(r.Name+" Direction", "firewall", base+"Direction", "OUT", pageFirewall)
			add(r.Name+" Protocol", "firewall", base+"Protocol", map[string]int{"tcp": 6, "udp": 17}[r.Proto.String()], pageFirewall)
			add(r.Name+" RemotePortRanges", "firewall", base+"RemotePortRanges", "443", pageFirewall)
			add(r.Name+" RemoteAddressRanges", "firewall", base+"RemoteAddressRanges", strings.Join(spans(p.ranges), ","), pageFirewall)
			add(r.Name+" Enabled", "firewall", base+"Enabled", true, pageFirewall)
		}
	}
	return indented(map[string]any{
		"@odata.type": "#microsoft.graph.windows10CustomConfiguration", "displayName": "Sekisho", "omaSettings": list,
		"description": strings.Join(render.Header(in, "client"), " "),
	})
}

// spans are prefixes as the Firewall CSP has them: IPv4 by prefix length, IPv6 as the first and the last address.
func spans(list []netip.Prefix) []string {
	var out []string
	for _, p := range list {
		if p.Addr().Is4() {
			out = append(out, p.String())
		} else {
			out = append(out, p.Addr().String()+"-"+netipx.PrefixLastIP(p).String())
		}
	}
	return out
}
