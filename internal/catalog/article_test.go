package catalog_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// articleFeatures are the features that stand for each section of the Entra endpoint article, and the facts behind the
// page that it links to ("" where the section speaks of a list that other tests compare).
var articleFeatures = map[string]struct {
	facts    string
	features []catalog.FeatureID
}{
	"Microsoft Entra ID で基本的に利用されるエンドポイント":                        {"a-entra-id-basics", []catalog.FeatureID{"entra.sign-in", "entra.device-registration"}},
	"Microsoft Entra ID でデバイス管理に利用するエンドポイント":                      {"b-device-registration", []catalog.FeatureID{"entra.device-registration", "entra.hybrid-join", "entra.join", "entra.registration"}},
	"Microsoft Entra ID にて利用規約を利用するエンドポイント":                       {"c-terms-of-use", []catalog.FeatureID{"entra.terms-of-use"}},
	"Microsoft Entra Connect に関連するエンドポイント":                        {"d-entra-connect-sync", []catalog.FeatureID{"entra.connect"}},
	"Microsoft Entra Connect Health Service に利用するエンドポイント":         {"e-entra-connect-health", []catalog.FeatureID{"entra.connect-health"}},
	"Microsoft Entra アプリケーション プロキシ コネクタにて利用されるエンドポイント":            {"f-application-proxy-connector", []catalog.FeatureID{"entra.application-proxy"}},
	"Microsoft Entra プロビジョニング サービスを利用する IP アドレスの範囲":               {"g-provisioning-cloudsync-pta", []catalog.FeatureID{"entra.provisioning", "entra.cloud-sync", "entra.pass-through-authentication"}},
	"Microsoft Private Access 用にアプリケーション プロキシ コネクタにて利用されるエンドポイント": {"h-global-secure-access", []catalog.FeatureID{"entra.private-access", "entra.global-secure-access"}},
	"Azure ポータルに利用されるエンドポイント":                                     {"i-azure-portal", []catalog.FeatureID{"azure.portal"}},
	"Microsoft Entra の証明書ベースの認証 (CBA) に利用されるエンドポイント":              {"j-certificate-based-auth", []catalog.FeatureID{"entra.certificate-based-authentication"}},
}

// TestEverySectionOfTheArticleIsAFeature reads the article: each of its sections is something that an administrator can
// choose, and a look-up of every host and address behind its links finds a set of that feature with the facts' ports,
// category and need.
func TestEverySectionOfTheArticleIsAFeature(t *testing.T) {
	article := seed(t, "000")
	s := catalog.Builtin()
	sections := regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(article, -1)
	if len(sections) != len(articleFeatures) {
		t.Errorf("the article has %d sections, %d are known", len(sections), len(articleFeatures))
	}
	view, found := s.Fill(catalog.Values{
		catalog.HoleTenantID: given(tenantID), catalog.HoleSTSHost: given("sts.contoso.com"), catalog.HoleRegion: given("japaneast"),
	})
	if view == nil {
		t.Fatal(found)
	}
	filling := strings.NewReplacer("{tenant-id}", tenantID, "{sts-host}", "sts.contoso.com", "{region}", "japaneast")
	for _, m := range sections {
		section, ok := articleFeatures[strings.TrimSpace(m[1])]
		if !ok {
			t.Errorf("no feature stands for the section %q", m[1])
			continue
		}
		for _, id := range section.features {
			if _, ok := s.Feature(id); !ok {
				t.Errorf("%s: no feature %s", m[1], id)
			}
		}
		looked := 0
		for _, f := range facts(t, section.facts) {
			// Other clouds' sign-in rows stand in the Microsoft 365 lists of those clouds.
			if f.Kind == "service_tag" || f.AlternativeOf != "" || section.facts == "a-entra-id-basics" && f.Cloud != "public" {
				continue
			}
			var hits []catalog.Hit
			switch f.Kind {
			case "ip":
				hits = view.AppendAddrHits(nil, netip.MustParsePrefix(f.Host).Addr())
			case "url_path":
				host, _, _ := strings.Cut(f.Host, "/")
				hits = view.AppendHits(nil, endpoint.MustHost(host))
			default:
				hits = view.AppendHits(nil, endpoint.MustHost(replaceStar(filling.Replace(f.name()))))
			}
			looked++
			if !slices.ContainsFunc(hits, func(h catalog.Hit) bool {
				if f.Kind != "url_path" && f.Host != "certauth.enterpriseregistration.windows.net" && h.Set.Ports.String() != f.ports() {
					return false
				}
				if f.Category != "" && h.Set.Category != catalog.NoCategory && h.Set.Category.String() != strings.ToLower(f.Category) {
					return false
				}
				return (f.Required == nil || *f.Required == h.Set.Required) && slices.ContainsFunc(s.FeaturesOf(h.Set.ID), func(id catalog.FeatureID) bool {
					return slices.Contains(section.features, id) || section.facts == "a-entra-id-basics" && strings.HasPrefix(string(id), "intune.")
				})
			}) {
				t.Errorf("%s: a look-up of %s (%s, %s, required %v) finds no set of %v", m[1], f.Host, f.Cloud, f.ports(), *f.Required, section.features)
			}
		}
		if looked < 3 {
			t.Errorf("%s: only %d facts looked up", m[1], looked)
		}
	}
	for _, id := range []string{"56", "59", "97", "125"} {
		if !strings.Contains(article, "ID "+id) {
			t.Errorf("the article no longer names ID %s", id)
		}
		if !slices.Contains(s.FeaturesOf(catalog.ClaimID{Source: "m365-list", Cloud: catalog.Worldwide, ID: id}), "entra.sign-in") {
			t.Errorf("set %s is not part of sign-in", id)
		}
	}
}
