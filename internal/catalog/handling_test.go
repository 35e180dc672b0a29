package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

func TestHandling(t *testing.T) {
	const (
		stated      = catalog.InspectionNotStated
		discouraged = catalog.InspectionDiscouraged
		required    = catalog.InspectionRequired
		forbidden   = catalog.InspectionForbidden
	)
	for _, c := range []struct {
		rule, host string
		want       catalog.Inspection
		also       string // the other aspects, in order
	}{
		{"sign-in-needs-inspection", "login.microsoftonline.com", required, ""},
		{"sign-in-needs-inspection", "login.microsoft.com", required, ""},
		{"sign-in-needs-inspection", "login.windows.net", required, ""},
		{"sign-in-needs-inspection", "login.live.com", required, ""},
		{"device-certificate", "device.login.microsoftonline.com", forbidden, "client-certificate"},
		{"device-certificate", "enterpriseregistration.windows.net", forbidden, "client-certificate"},
		{"device-certificate", "certauth.enterpriseregistration.windows.net", forbidden, "client-certificate"},
		{"user-certificate", "certauth.login.microsoftonline.com", forbidden, "client-certificate"},
		{"user-certificate", "tabc.certauth.login.microsoftonline.com", forbidden, "client-certificate"},
		{"user-certificate", "certauth.login.microsoftonline.us", forbidden, "client-certificate"},
		{"intune", "manage.microsoft.com", forbidden, "proxy-auth"},
		{"intune", "r.manage.microsoft.com", forbidden, ""},
		{"intune", "enterpriseenrollment.manage.microsoft.com", forbidden, ""},
		{"intune-inspection-stays-forbidden-where-ranges-are-needed", "swda01-mscdn.manage.microsoft.com", forbidden, "byte-ranges"},
		{"intune-inspection-stays-forbidden-where-ranges-are-needed", "imeswdc-afd-primary.manage.microsoft.com", forbidden, "byte-ranges"},
		{"device-management", "checkin.dm.microsoft.com", forbidden, ""},
		{"attestation", "intunemaape1.eus.attest.azure.net", forbidden, ""},
		{"attestation", "intunemaape13.jpe.attest.azure.net", forbidden, ""},
		{"attestation", "has.spserv.microsoft.com", forbidden, ""},
		{"store", "displaycatalog.mp.microsoft.com", forbidden, ""},
		{"privilege-reporting", "v10.events.data.microsoft.com", forbidden, ""},
		{"delivery-optimization", "geo.prod.do.dsp.mp.microsoft.com", forbidden, "byte-ranges"},
		{"delivery-optimization", "tlu.dl.delivery.mp.microsoft.com", forbidden, "byte-ranges"},
		{"windows-update", "sls.update.microsoft.com", forbidden, ""},
		{"windows-update", "ctldl.windowsupdate.com", forbidden, ""},
		{"script-content", "approdimedatapri.azureedge.net", stated, "proxy-auth byte-ranges"},
		{"exempt-from-proxy-auth", "anything.azureedge.net", stated, "proxy-auth"},
		{"exempt-from-proxy-auth", "graph.microsoft.com", discouraged, "proxy-auth"},
		{"connector", "x.msappproxy.net", forbidden, "proxy-auth client-certificate"},
		{"connector", "x.msappproxy.us", forbidden, "client-certificate"},
		{"connector", "azgn1.servicebus.windows.net", forbidden, "proxy-auth client-certificate websocket"},
		{"connector", "x.servicebus.usgovcloudapi.net", forbidden, "client-certificate websocket"},
		{"connect-health", "x.aadconnecthealth.azure.com", forbidden, ""},
		{"connect-health", "x.aadconnecthealth.microsoftazure.us", forbidden, ""},
		{"connect-health", "policykeyservice.aadcdi.azure.us", forbidden, ""},
		{"connect-health", "management.azure.com", discouraged, ""},
		{"export-takes-its-time", "adminwebservice.microsoftonline.com", discouraged, "idle-timeout"},
		{"arc", "gbl.his.arc.azure.com", forbidden, ""},
		{"arc", "usgv.his.arc.azure.us", forbidden, ""},
		{"arc", "x.his.arc.azure.cn", forbidden, ""},
		{"arc", "x.guestconfiguration.azure.com", forbidden, ""},
		{"arc", "japaneast.guestnotificationservice.azure.com", forbidden, "websocket"},
		{"monitor", "global.handler.control.monitor.azure.com", forbidden, ""},
		{"monitor", "x.ods.opinsights.azure.us", forbidden, ""},
		{"monitor", "contoso-x1.japaneast-1.ingest.monitor.azure.com", forbidden, ""},
		{"private-access", "aps.globalsecureaccess.microsoft.com", discouraged, ""},
		{"device-certificate", "device.login.microsoftonline.us", forbidden, "client-certificate"},
		{"device-certificate", "enterpriseregistration.microsoftonline.us", forbidden, "client-certificate"},
		{"apex-of-a-wildcard-is-not-covered", "azureedge.net", stated, ""},
		{"web-pubsub", "amsua0101-remoteassistservice-pubsub.webpubsub.azure.com", stated, "websocket"},
		{"notification", "sin.notify.windows.com", discouraged, ""},
		{"category-speaks-last", "nexus.microsoftonline-p.com", discouraged, ""},
		{"category-speaks-last", "passwordreset.microsoftonline.com", discouraged, ""},
		{"category-default-is-silent", "www.digicert.com", stated, ""},
		{"nothing-known", "www.example.com", stated, ""},
		{"lookalike", "xmanage.microsoft.com", stated, ""},
	} {
		t.Run(c.rule+"/"+c.host, func(t *testing.T) {
			h := catalog.Builtin().Handling(endpoint.Host(c.host))
			if h.Inspection != c.want {
				t.Errorf("inspection of %s is %s, want %s (%v)", c.host, h.Inspection, c.want, h.Because)
			}
			if got := also(h); got != c.also {
				t.Errorf("%s also has %q, want %q", c.host, got, c.also)
			}
			checkReasons(t, c.host, h)
		})
	}
}

// also lists the aspects beside inspection that h states.
func also(h catalog.Handling) string {
	var words []string
	for _, a := range []struct {
		on   bool
		name string
	}{
		{h.ProxyAuthExempt, catalog.AspectProxyAuth},
		{h.ByteRanges, catalog.AspectByteRanges},
		{h.ClientCertificate, catalog.AspectClientCertificate},
		{h.WebSocket, catalog.AspectWebSocket},
		{h.IdleTimeout > 0, catalog.AspectIdleTimeout},
	} {
		if a.on {
			words = append(words, a.name)
		}
	}
	return strings.Join(words, " ")
}

// checkReasons: each aspect that is stated has a reason, each reason speaks of the host and has a source.
func checkReasons(t *testing.T, host string, h catalog.Handling) {
	t.Helper()
	var stated []string
	for _, b := range h.Because {
		stated = append(stated, b.Aspect)
		if b.Source == nil || b.Text.IsZero() || b.Value == "" {
			t.Errorf("%s: a reason without text, value or source: %+v", host, b)
		}
		if !b.Pattern.Match(endpoint.Host(host)) {
			t.Errorf("%s: a reason about %s", host, b.Pattern)
		}
		if b.Aspect == catalog.AspectInspection && b.Value != h.Inspection.String() {
			t.Errorf("%s: inspection is %s, but a reason says %s", host, h.Inspection, b.Value)
		}
	}
	want := strings.Fields(also(h))
	if h.Inspection != catalog.InspectionNotStated {
		want = append([]string{catalog.AspectInspection}, want...)
	}
	if got := slices.Compact(stated); !slices.Equal(got, want) {
		t.Errorf("%s: reasons for %v, stated %v", host, got, want)
	}
}

// Every host that the catalog publishes is answered consistently: handling never forbids what its class needs.
func TestClassAndHandlingAgree(t *testing.T) {
	s := catalog.Builtin()
	for _, set := range s.Sets() {
		for _, p := range set.Patterns {
			h := endpoint.MustHost(replaceStar(p.String()))
			class, how := s.Classify(h).Class, s.Handling(h)
			checkReasons(t, string(h), how)
			signIn := class == catalog.SignIn || class == catalog.SignInConsumer
			if signIn != (how.Inspection == catalog.InspectionRequired) {
				t.Errorf("%s has class %s and inspection %s", h, class, how.Inspection)
			}
		}
	}
}

func TestRowsSpeakOfAllTheirHosts(t *testing.T) {
	set, _ := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page", Cloud: "worldwide", ID: "163"})
	if set.Handling.Inspection != catalog.InspectionForbidden || len(set.Handling.Because) != 1 || !set.Handling.Because[0].Pattern.IsZero() {
		t.Errorf("row 163 says %+v", set.Handling)
	}
}
