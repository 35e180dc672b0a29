package client

import (
	"crypto/sha1" // of certificates: Windows names them by it
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/windows"
)

// group is the group of the firewall rules. The target windows has another, and replaces that alone.
const group = "Sekisho sign-in"

// script is the PowerShell script: the root certificate first, so that nothing is inspected by a gateway that is not
// trusted, the settings, WinHTTP, and the firewall last, so that nobody is cut off who does not yet know the proxy.
func script(in render.Input, p plan, values []setting) string {
	w := &strings.Builder{}
	say := in.Printer()
	comment := func(id string) { w.WriteString(render.Comment("#", say.Text("client.ps."+id, nil))) }
	head := append(render.Header(in, "client"), flow.Unverified(pageWinHTTP, pageRule)...)
	w.WriteString(render.Comment("#", head...))
	comment("about")
	w.WriteString("#Requires -RunAsAdministrator\n#Requires -Modules NetSecurity\n$ErrorActionPreference = 'Stop'\n")
	if p.root != nil {
		comment("root")
		w.WriteString("$root = Join-Path $PSScriptRoot '" + rootFile + "'\n")
		w.WriteString("$found = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 $root\n")
		w.WriteString("if ($found.Thumbprint -ne '" + thumbprint(p) + "') { throw 'not the root certificate of the gateway' }\n")
		w.WriteString("Import-Certificate -FilePath $root -CertStoreLocation Cert:\\LocalMachine\\Root | Out-Null\n")
	}
	key := ""
	for _, v := range values {
		if v.hive != machine {
			continue
		}
		if v.key != key {
			key = v.key
			w.WriteString("$key = 'HKLM:\\" + key + "'\nif (-not (Test-Path $key)) { New-Item -Path $key -Force | Out-Null }\n")
		}
		w.WriteString(render.Comment("#", say.Text("client.set."+v.about, nil), v.page.String()))
		w.WriteString(v.command())
	}
	comment("winhttp")
	w.WriteString("$settings = Join-Path $PSScriptRoot '" + winHTTPFile + "'\n")
	w.WriteString("netsh winhttp set advproxy setting-scope=machine settings-file=\"$settings\"\n")
	w.WriteString("if ($LASTEXITCODE -ne 0) { throw 'netsh winhttp set advproxy failed' }\n")
	if len(p.ranges) > 0 {
		comment("firewall")
		// The earlier rules go when the new ones are there: a failure between leaves both, and never none.
		w.WriteString("$earlier = @(Get-NetFirewallRule -Group '" + group + "' -ErrorAction SilentlyContinue)\n")
		for _, r := range blocks(p) {
			w.WriteString(r.Command())
		}
		w.WriteString("$earlier | Remove-NetFirewallRule\n")
	}
	return w.String()
}

// blocks are the rules that refuse direct connections to the sign-in hosts.
func blocks(p plan) []windows.Rule {
	var out []windows.Rule
	for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
		out = append(out, windows.Rule{Name: "sekisho-sign-in-" + proto.String(), Group: group, Unnamed: true, Block: true, Proto: proto,
			Ports: endpoint.NewPorts(endpoint.PortRange{Proto: proto, First: 443, Last: 443}), Remote: p.ranges})
	}
	return out
}

// thumbprint is how Windows names the root certificate: SHA-1, in upper-case hex.
func thumbprint(p plan) string {
	sum := sha1.Sum(p.root.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// command sets v at $key.
func (v setting) command() string {
	set := func(kind, value string) string {
		return "New-ItemProperty -Path $key -Name '" + v.name + "' -PropertyType " + kind + " -Value " + value + " -Force | Out-Null\n"
	}
	switch v.kind {
	case text:
		return set("String", "'"+strings.ReplaceAll(v.text, "'", "''")+"'")
	case data:
		var words []string
		for _, b := range v.data {
			words = append(words, fmt.Sprintf("0x%02x", b))
		}
		return set("Binary", "([byte[]]("+strings.Join(words, ",")+"))")
	case absent:
		return "Remove-ItemProperty -Path $key -Name '" + v.name + "' -ErrorAction SilentlyContinue\n"
	}
	return set("DWord", strconv.FormatUint(uint64(v.number), 10))
}
