package graph

import (
	"net/http"
	"strings"
	"time"

	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/odata"
)

// logRow is one sign-in as the administrators of the tenant see it.
type logRow = journal.Row

// signInView declares signIn (Microsoft, "signIn resource type"). In beta it also tells the kind of event, the tenants and
// the user agent. The risk and the place of a sign-in are nothing that a lab could know.
func signInView(key []byte, beta bool) *view[logRow] {
	show := func(r logRow) map[string]any {
		var reason any
		if r.Reason != "" {
			reason = r.Reason
		}
		out := map[string]any{
			"id": r.ID, "createdDateTime": r.Time.UTC().Format("2006-01-02T15:04:05.0000000Z"), "userDisplayName": r.User,
			"userPrincipalName": r.UserName, "userId": r.UserID, "appId": r.Application, "appDisplayName": r.ApplicationName,
			"ipAddress": r.Address, "clientAppUsed": r.Client, "correlationId": r.CorrelationID, "conditionalAccessStatus": "notApplied",
			"isInteractive": r.Event == journal.EventInteractive, "riskDetail": "none", "riskLevelAggregated": "none",
			"riskLevelDuringSignIn": "none", "riskState": "none", "riskEventTypes": []string{}, "riskEventTypes_v2": []string{},
			"resourceDisplayName": nil, "resourceId": nil, "appliedConditionalAccessPolicies": []any{},
			"status":       map[string]any{"errorCode": r.Code, "failureReason": reason, "additionalDetails": nil},
			"deviceDetail": map[string]any{"deviceId": "", "displayName": nil, "operatingSystem": nil, "browser": nil, "isCompliant": nil, "isManaged": nil, "trustType": nil},
			"location":     map[string]any{"city": r.Location, "state": nil, "countryOrRegion": nil, "geoCoordinates": map[string]any{"altitude": nil, "latitude": nil, "longitude": nil}},
		}
		if beta {
			out["signInEventTypes"] = []string{r.Event}
			out["homeTenantId"], out["resourceTenantId"], out["userAgent"] = r.HomeTenant, r.TargetTenant, r.UserAgent
			out["servicePrincipalId"], out["servicePrincipalName"] = "", ""
			if r.Event == journal.EventPrincipal {
				out["servicePrincipalId"], out["servicePrincipalName"] = r.Application, r.ApplicationName
			}
		}
		return out
	}
	const texts = odata.Equal | odata.StartsWith
	w := &view[logRow]{show: show}
	w.Schema = odata.Schema[logRow]{
		Resource: "microsoft.graph.signIn", Key: key, Page: logPage, MaxPage: logPage, ID: func(r logRow) string { return r.ID },
		Default: "createdDateTime desc", Properties: propertiesOf(show(logRow{})),
		Fields: []odata.Field[logRow]{
			{Path: "id", Filter: odata.Equal, Value: func(r logRow) any { return r.ID }},
			{Path: "createdDateTime", Kind: odata.Time, Filter: odata.Equal | odata.Ordered, Order: true, Value: func(r logRow) any { return r.Time }},
			{Path: "userDisplayName", Filter: texts, Order: true, Value: func(r logRow) any { return r.User }},
			{Path: "userPrincipalName", Filter: texts, Order: true, Value: func(r logRow) any { return r.UserName }},
			{Path: "userId", Filter: odata.Equal, Value: func(r logRow) any { return r.UserID }},
			{Path: "appId", Filter: odata.Equal, Value: func(r logRow) any { return r.Application }},
			{Path: "appDisplayName", Filter: texts, Order: true, Value: func(r logRow) any { return r.ApplicationName }},
			{Path: "ipAddress", Filter: texts, Value: func(r logRow) any { return r.Address }},
			{Path: "clientAppUsed", Filter: odata.Equal, Value: func(r logRow) any { return r.Client }},
			{Path: "correlationId", Filter: odata.Equal, Value: func(r logRow) any { return r.CorrelationID }},
			{Path: "conditionalAccessStatus", Filter: odata.Equal, Value: func(logRow) any { return "notApplied" }},
			{Path: "isInteractive", Kind: odata.Bool, Filter: odata.Equal, Value: func(r logRow) any { return r.Event == journal.EventInteractive }},
			{Path: "status/errorCode", Kind: odata.Int, Filter: odata.Equal, Value: func(r logRow) any { return r.Code }},
			{Path: "location/city", Filter: texts, Value: func(r logRow) any { return r.Location }},
		},
	}
	if beta {
		w.Fields = append(w.Fields,
			odata.Field[logRow]{Path: "signInEventTypes", Kind: odata.Strings, Filter: odata.Any, Value: func(r logRow) any { return []string{r.Event} }},
			odata.Field[logRow]{Path: "homeTenantId", Filter: odata.Equal, Value: func(r logRow) any { return r.HomeTenant }},
			odata.Field[logRow]{Path: "resourceTenantId", Filter: odata.Equal, Value: func(r logRow) any { return r.TargetTenant }},
			odata.Field[logRow]{Path: "userAgent", Filter: texts, Value: func(r logRow) any { return r.UserAgent }})
	}
	return w
}

// signIns are the sign-ins of the caller's tenant. The interface tells the interactive ones, and in beta the others when the
// filter speaks of signInEventTypes ("List signIns").
func (x *exchange) signIns(everything bool) []logRow {
	all := x.s.Journal.Rows(x.by.tenant.ID, journal.Query{})
	if everything {
		return all
	}
	out := all[:0]
	for _, r := range all {
		if r.Event == journal.EventInteractive {
			out = append(out, r)
		}
	}
	return out
}

func (x *exchange) signInView() *view[logRow] {
	if x.version == "beta" {
		return x.s.views.betaSignIns
	}
	return x.s.views.signIns
}

func (x *exchange) listSignIns() *failure {
	v := x.signInView()
	q, f := query(x, v)
	if f != nil {
		return f
	}
	return list(x, v, "auditLogs/signIns", x.signIns(q.Uses("signInEventTypes")))
}

func (x *exchange) getSignIn() *failure {
	for _, r := range x.signIns(true) {
		if strings.EqualFold(r.ID, x.keys[0]) {
			return one(x, x.signInView(), http.StatusOK, "auditLogs/signIns", r)
		}
	}
	return missing(x.keys[0])
}

// organisationView is not queried: a tenant is one.
func (x *exchange) organisation() map[string]any {
	t := x.by.tenant
	verified := []map[string]any{}
	for _, d := range t.Domains {
		if d.Verified {
			verified = append(verified, map[string]any{"capabilities": "Email, OfficeCommunicationsOnline", "isDefault": d.Default, "isInitial": d.Initial, "name": d.Name, "type": "Managed"})
		}
	}
	return map[string]any{"id": t.ID, "displayName": t.Name, "tenantType": "AAD", "verifiedDomains": verified, "deletedDateTime": nil, "onPremisesSyncEnabled": nil}
}

func (x *exchange) listOrganisation() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	x.answer(http.StatusOK, map[string]any{"@odata.context": x.base() + "/$metadata#organization", "value": []any{x.organisation()}})
	return nil
}

func (x *exchange) getOrganisation() *failure {
	switch f := x.unqueried(); {
	case f != nil:
		return f
	case !strings.EqualFold(x.keys[0], x.by.tenant.ID):
		return missing(x.keys[0])
	}
	return x.entity(http.StatusOK, "organization/$entity", x.organisation())
}

// moment is t as Graph writes it; null for the zero time.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
