package config

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// Circuit is one ExpressRoute circuit.
type Circuit struct {
	Pos             finding.Pos
	Name            Value[string]
	Kind            Value[string] // "provider", "direct"
	SKU             Value[string] // "local", "standard", "premium"
	Location        Value[string] // as the page on locations spells it; whether it exists is package route's to say
	Peerings        []Value[string]
	RouteFilter     []Value[string] // "12076:5060"
	M365Approved    Value[bool]
	MACsec          Value[bool]
	IPsec           Value[bool]
	VirtualNetworks []Value[netip.Prefix]
	Received        []Value[string] // paths
}

// Routes is what is known of roads beside the circuits.
type Routes struct {
	Roads       []Value[string] // codes of patterns; none given: the Internet
	Communities Value[string]   // path, "" when there is none
	ASTable     Value[string]   // path, "" when there is none
}

func circuitSettings() []field[Circuit] {
	return []field[Circuit]{
		value("name", ringOrProfileName(), func(c *Circuit) *Value[string] { return &c.Name }, text{
			JA: "回線の名前。判定の結果に表示します。",
			EN: "Name of the circuit; answers show it.",
		}).must().eg("tokyo"),
		value("type", oneOf("provider", "direct"), func(c *Circuit) *Value[string] { return &c.Kind }, text{
			JA: "provider は接続プロバイダー経由、direct は ExpressRoute Direct(ポート占有)の回線です。",
			EN: "provider: through a connectivity provider. direct: on ports of your own (ExpressRoute Direct).",
		}).or("provider"),
		value("sku", oneOf("local", "standard", "premium"), func(c *Circuit) *Value[string] { return &c.SKU }, text{
			JA: "回線の SKU。local は最寄りのリージョン、standard は同じ地政学的地域、premium はすべてのリージョンに届きます。",
			EN: "SKU of the circuit: local reaches the region next to it, standard its geopolitical area, premium every region.",
		}).or("standard"),
		value("location", sentence(), func(c *Circuit) *Value[string] { return &c.Location }, text{
			JA: "ピアリングの場所。ExpressRoute のページのつづりで書きます。",
			EN: "Peering location, spelled as on the ExpressRoute page.",
		}).must().eg("Tokyo"),
		values("peerings", oneOf("private", "microsoft"), func(c *Circuit) *[]Value[string] { return &c.Peerings }, text{
			JA: "構成済みのピアリング。",
			EN: "The peerings that are configured.",
		}).must().atLeast(1).eg("private"),
		values("route-filter", community(), func(c *Circuit) *[]Value[string] { return &c.RouteFilter }, text{
			JA: "Microsoft ピアリングのルート フィルターで許可している BGP コミュニティ。ルート フィルターがなければ、経路は広報されません。",
			EN: "BGP communities that the route filter of Microsoft peering permits. Without a filter nothing is announced.",
		}).atLeast(1).eg(`"12076:5060"`),
		value("m365-approved", yesNo(), func(c *Circuit) *Value[bool] { return &c.M365Approved }, text{
			JA: "Microsoft 365 の経路を受け取る承認を Microsoft から得ているかどうか。",
			EN: "Whether Microsoft approved that the circuit receives the routes of Microsoft 365.",
		}).or("false"),
		value("macsec", yesNo(), func(c *Circuit) *Value[bool] { return &c.MACsec }, text{
			JA: "ExpressRoute Direct のポートで MACsec を使っているかどうか。",
			EN: "Whether the ports of ExpressRoute Direct encrypt with MACsec.",
		}).or("false"),
		value("ipsec", yesNo(), func(c *Circuit) *Value[bool] { return &c.IPsec }, text{
			JA: "プライベート ピアリング経由で VPN Gateway と IPsec を張っているかどうか。",
			EN: "Whether IPsec to a VPN gateway runs over private peering.",
		}).or("false"),
		values("virtual-networks", prefix(), func(c *Circuit) *[]Value[netip.Prefix] { return &c.VirtualNetworks }, text{
			JA: "プライベート ピアリングの先にある仮想ネットワークのアドレス範囲。",
			EN: "Address ranges of the virtual networks behind private peering.",
		}).atLeast(1).eg("10.20.0.0/16"),
		values("received", filePath(), func(c *Circuit) *[]Value[string] { return &c.Received }, text{
			JA: "ルーターが受信した経路の出力ファイル(FRR の JSON、Cisco または Juniper のテキスト)。",
			EN: "What the router received, as it prints it (JSON of FRR, text of Cisco or Juniper).",
		}).atLeast(1).eg("router-tokyo.txt"),
	}
}

func routesSettings() []field[Routes] {
	return []field[Routes]{
		values("roads", oneOf("internet", "vpn", "peering-service", "azure-egress", "global-secure-access"), func(r *Routes) *[]Value[string] { return &r.Roads }, text{
			JA: "回線のほかに使える経路。省略すると internet だけです。インターネットに出られない組織は、internet を除いて書きます。",
			EN: "Roads that you have beside the circuits. Left out: internet alone. An organisation without any names the others.",
		}).atLeast(1).eg("internet"),
		value("communities", filePath(), func(r *Routes) *Value[string] { return &r.Communities }, text{
			JA: "bgpServiceCommunities のエクスポート(az network route-filter rule list-service-communities の出力など)。",
			EN: "Export of bgpServiceCommunities, such as az network route-filter rule list-service-communities prints.",
		}).eg("communities.json"),
		value("as-table", filePath(), func(r *Routes) *Value[string] { return &r.ASTable }, text{
			JA: "アドレスから AS 番号を引く表(MMDB 形式。GeoLite2 ASN や DB-IP など、手元にあるもの)。",
			EN: "Table from addresses to AS numbers: your own MMDB, such as GeoLite2 ASN or DB-IP.",
		}).eg("asn.mmdb"),
	}
}

// community is a BGP community. YAML 1.1 read "12076:5060" as a number of base 60; ours does not, and quotes are welcome.
func community() scalar[string] {
	form := regexp.MustCompile(`^(0|[1-9]\d{0,4}):(0|[1-9]\d{0,4})$`)
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "BGP コミュニティ", EN: "BGP community"}, json: "string", pattern: form.String()},
		parse: func(s string) (string, *finding.Finding) {
			m := form.FindStringSubmatch(s)
			if m != nil {
				left, _ := strconv.Atoi(m[1])
				right, _ := strconv.Atoi(m[2])
				if left <= 65535 && right <= 65535 {
					return s, nil
				}
			}
			return no[string](finding.New("config.not-a-community", finding.Error, finding.Pos{}, "value", s))
		},
		print: same,
	}
}

// circuitRules: names are told apart, and no address of a virtual network is promised to two circuits of which one names
// a part of what the other names: which of them carried it would depend on routing that the file does not tell. Equal
// ranges are redundancy.
func (w *walker) circuitRules(c *Config) {
	first := map[string]Value[string]{}
	type ranged struct {
		v       Value[netip.Prefix]
		circuit int
	}
	var ranges []ranged
	for i, circuit := range c.Circuits {
		if name := circuit.Name; name.V != "" {
			if f, twice := first[strings.ToLower(name.V)]; twice {
				w.add(finding.New("config.repeated-circuit", finding.Error, name.Pos, "name", name.V, "first", strconv.Itoa(f.Pos.Line)))
			} else {
				first[strings.ToLower(name.V)] = name
			}
		}
		has := map[string]bool{}
		for _, p := range circuit.Peerings {
			has[p.V] = true
		}
		needs := func(given bool, pos finding.Pos, key, peering string) {
			if given && !has[peering] && len(circuit.Peerings) > 0 {
				w.add(finding.New("config.circuit-needs", finding.Error, pos, "key", key, "peering", peering))
			}
		}
		if len(circuit.RouteFilter) > 0 {
			needs(true, circuit.RouteFilter[0].Pos, "route-filter", "microsoft")
		}
		needs(circuit.M365Approved.V, circuit.M365Approved.Pos, "m365-approved", "microsoft")
		needs(circuit.IPsec.V, circuit.IPsec.Pos, "ipsec", "private")
		if len(circuit.VirtualNetworks) > 0 {
			needs(true, circuit.VirtualNetworks[0].Pos, "virtual-networks", "private")
		}
		if circuit.MACsec.V && circuit.Kind.V != "direct" {
			w.add(finding.New("config.macsec-needs-direct", finding.Error, circuit.MACsec.Pos))
		}
		for _, v := range circuit.VirtualNetworks {
			for _, r := range ranges {
				if v.V.IsValid() && v.V.Overlaps(r.v.V) && (v.V != r.v.V || r.circuit == i) {
					w.add(finding.New("config.circuits-overlap", finding.Error, v.Pos, "value", v.V.String(), "other", r.v.V.String(),
						"circuit", c.Circuits[r.circuit].Name.V, "first", strconv.Itoa(r.v.Pos.Line)))
					break
				}
			}
			if v.V.IsValid() {
				ranges = append(ranges, ranged{v, i})
			}
		}
	}
}
