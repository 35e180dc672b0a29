package config

import (
	"regexp"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// tenantSettings describes the values that rows of the catalog depend on. Where each stands is said in every text,
// because people who fill in a firewall form are rarely those who know the tenant.
func tenantSettings() []field[Tenant] {
	return []field[Tenant]{
		value("name", label(text{JA: "テナント名", EN: "tenant name"}), func(t *Tenant) *Value[string] { return &t.Name }, text{
			JA: "テナント名。Entra 管理センターの [概要] にある、.onmicrosoft.com で終わるドメインの先頭部分です。",
			EN: "The tenant's name: what stands before .onmicrosoft.com (Entra admin center > Overview).",
		}).eg("contoso"),
		value("id", directoryID(), func(t *Tenant) *Value[string] { return &t.ID }, text{
			JA: "テナントのディレクトリ ID。Entra 管理センターの [概要] の [テナント ID] です。",
			EN: "The tenant's directory id (Entra admin center > Overview > Tenant ID).",
		}).eg("3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"),
		value("cloud", oneOf("worldwide", "usgov", "china"), func(t *Tenant) *Value[string] { return &t.Cloud }, text{
			JA: "テナントのクラウド。worldwide は全世界、usgov は米国政府、china は中国 (21Vianet) です。",
			EN: "The tenant's cloud: worldwide, usgov (US Government) or china (operated by 21Vianet).",
		}).or("worldwide"),
		value("location", scaleUnit(), func(t *Tenant) *Value[string] { return &t.Location }, text{
			JA: "Intune テナントの場所。Intune 管理センターの [テナント管理] > [テナントの詳細] にあります。スケール ユニットの名前で、地理的な場所ではありません。",
			EN: "Location of the Intune tenant (Intune admin center > Tenant administration > Tenant details). It names a scale unit, not a place on the map.",
		}).eg("AMSUC0101"),
		values("regions", label(text{JA: "Azure リージョン", EN: "Azure region"}), func(t *Tenant) *[]Value[string] { return &t.Regions }, text{
			JA: "使用する Azure リージョン。空白のない小文字の名前です。",
			EN: "The Azure regions in use, by their names in lower case without blanks.",
		}).atLeast(1).eg("japaneast"),
		value("sts-host", fullHostName(), func(t *Tenant) *Value[string] { return &t.STSHost }, text{
			JA: "フェデレーション ドメインで使う、組織自身のフェデレーション サービス (AD FS など) のホスト名。",
			EN: "Host of the organisation's own federation service (such as AD FS), for federated domains.",
		}).eg("sts.contoso.com"),
		value("seamless-sso", yesNo(), func(t *Tenant) *Value[bool] { return &t.SeamlessSSO }, text{
			JA: "シームレス シングル サインオンを使うかどうか。",
			EN: "Whether seamless single sign-on is in use.",
		}).eg("true"),
		values("workspaces", formed(text{JA: "ワークスペース ID", EN: "workspace id"}, guid, "config.not-a-workspace-id"), func(t *Tenant) *[]Value[string] { return &t.Workspaces }, text{
			JA: "Log Analytics ワークスペースの ID。Azure portal のワークスペースの [概要] にあります。",
			EN: "Ids of the Log Analytics workspaces (Azure portal > workspace > Overview).",
		}).atLeast(1).eg("0d1e2f30-4152-4637-8899-aabbccddeeff"),
		values("data-collection-endpoints", collectionEndpoint(), func(t *Tenant) *[]Value[string] { return &t.DataCollectionEndpoints }, text{
			JA: "データ収集エンドポイント。ログ インジェスト URI の .ingest.monitor.azure.com より前の部分です。",
			EN: "Data collection endpoints: what stands before .ingest.monitor.azure.com in the logs ingestion URI.",
		}).atLeast(1).eg("contoso-x1.japaneast-1"),
	}
}

const labelForm = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`

// formed is a text in lower case of one form.
func formed(title text, pattern, code string) scalar[string] {
	form := regexp.MustCompile(`^` + pattern + `$`)
	return scalar[string]{
		scalarType: &scalarType{title: title, json: "string", pattern: `^` + pattern + `$`},
		parse: func(s string) (string, *finding.Finding) {
			switch lower := strings.ToLower(strings.TrimSpace(s)); {
			case form.MatchString(s):
				return s, nil
			case form.MatchString(lower):
				return no[string](notNormal(s, lower))
			}
			return no[string](finding.New(code, finding.Error, finding.Pos{}, "value", s))
		},
		print: same,
	}
}

// label is one label of a host name.
func label(title text) scalar[string] { return formed(title, labelForm, "config.not-a-label") }

// collectionEndpoint is the name of a data collection endpoint with its region: two labels.
func collectionEndpoint() scalar[string] {
	return formed(text{JA: "データ収集エンドポイント", EN: "data collection endpoint"}, labelForm+`\.`+labelForm, "config.not-a-collection-endpoint")
}

// scaleUnit is the location as Intune shows it. Whether it is one that the sources know is the catalog's to say.
func scaleUnit() scalar[string] {
	form := regexp.MustCompile(`^[A-Z]{2,8}[0-9]{2,6}$`)
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "テナントの場所", EN: "tenant location"}, json: "string", pattern: form.String()},
		parse: func(s string) (string, *finding.Finding) {
			switch upper := strings.ToUpper(strings.Join(strings.Fields(s), "")); {
			case form.MatchString(s):
				return s, nil
			case form.MatchString(upper):
				return no[string](notNormal(s, upper))
			}
			return no[string](finding.New("config.not-a-location", finding.Error, finding.Pos{}, "value", s))
		},
		print: same,
	}
}

// hostName is one host, without stars.
func hostName() scalar[string] {
	return scalar[string]{
		scalarType: &scalarType{title: text{JA: "ホスト名", EN: "host name"}, json: "string"},
		parse: func(s string) (string, *finding.Finding) {
			h, err := endpoint.ParseHost(s)
			if err != nil {
				return no[string](misformed(err))
			}
			if string(h) != s {
				return no[string](notNormal(s, string(h)))
			}
			return s, nil
		},
		print: same,
	}
}

// fullHostName is one host of at least two labels: a row is made of it that opens this name, and "com" is nobody's host.
func fullHostName() scalar[string] {
	full := hostName()
	host := full.parse
	full.parse = func(s string) (string, *finding.Finding) {
		h, f := host(s)
		if f == nil && !strings.Contains(h, ".") {
			return no[string](finding.New("config.single-label", finding.Error, finding.Pos{}, "value", s))
		}
		return h, f
	}
	return full
}
