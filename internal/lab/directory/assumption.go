package directory

import "reflect"

// Assumptions are the named switches for what no public source establishes (docs/lab-fidelity.md lists each). The lab
// notes the name of every switch that shaped an answer beside the sign-in. The zero value of a field means its
// default, which Load fills in.
type Assumptions struct {
	// RestrictionStatus is the HTTP status of AADSTS500021 and AADSTS5000211 in JSON; default 400.
	RestrictionStatus int `yaml:"restriction-status" json:"restriction-status"`
	// RestrictionPageStatus is the HTTP status of the same refusals as a page; default 400.
	RestrictionPageStatus int `yaml:"restriction-page-status" json:"restriction-page-status"`
	// RestrictionError is the OAuth "error" that goes with them; default invalid_request.
	RestrictionError string `yaml:"restriction-error" json:"restriction-error"`
	// ConsumerPageStatus is the HTTP status of the page with 80045C4D; default 403.
	ConsumerPageStatus int `yaml:"consumer-page-status" json:"consumer-page-status"`
	// MisconfiguredStatus is the HTTP status with which the lab refuses to guess (a restriction header twice, v1
	// and v2 together, a policy that it does not know); default 400.
	MisconfiguredStatus int `yaml:"misconfigured-status" json:"misconfigured-status"`
	// AssertionReplay is what becomes of a client assertion that comes a second time: ReplayRefused (the default) or
	// ReplayAccepted. RFC 7523 leaves it open; Microsoft's page asks for a unique jti and does not say that it looks.
	AssertionReplay string `yaml:"client-assertion-replay" json:"client-assertion-replay"`
	// GraphRefusalStatus is the HTTP status with which Graph refuses what it understood and may not do: a domain without
	// its record, one in use that is to be deleted, what exists already; default 400.
	GraphRefusalStatus int `yaml:"graph-refusal-status" json:"graph-refusal-status"`
	// QuarantineName is the form of the name that stands in for one that somebody else has: QuarantinePlus (the default,
	// user+1234@) or QuarantinePlain (user1234@). Microsoft's page on duplicate attributes shows both.
	QuarantineName string `yaml:"quarantine-name" json:"quarantine-name"`
}

// The values of Assumptions.AssertionReplay.
const (
	ReplayRefused  = "refuse"
	ReplayAccepted = "accept"
)

// The values of Assumptions.QuarantineName.
const (
	QuarantinePlus  = "plus"
	QuarantinePlain = "plain"
)

// Names of the switches as the journal records them.
const (
	AssumedRestrictionStatus   = "restriction-status"
	AssumedRestrictionError    = "restriction-error"
	AssumedRestrictionPage     = "restriction-page-status"
	AssumedConsumerPage        = "consumer-page-status"
	AssumedMisconfigured       = "misconfigured-status"
	AssumedPartnerIsResource   = "v2-partner-rule-of-resource-tenant"
	AssumedPrincipalsBlocked   = "v2-service-principals-blocked"
	AssumedConsumersNotInV1    = "v1-does-not-test-consumers"
	AssumedTestedBeforeSecrets = "restriction-before-credentials"
	AssumedReuse               = "refresh-token-reuse"
	// AssumedNestedGroups: a v2 rule about a group speaks of people in groups within it, too.
	AssumedNestedGroups = "v2-groups-nested"
	// AssumedAssertionReplay: a client assertion works once.
	AssumedAssertionReplay = "client-assertion-replay"
	// AssumedAdministratorsConsent: permissions whose name ends in .All are an administrator's to agree to.
	AssumedAdministratorsConsent = "administrator-consent-by-name"
	// AssumedGraphRefusal: the status and the words of Graph's refusals that no page gives.
	AssumedGraphRefusal = "graph-refusal-status"
	// AssumedInvitationAccepted: who is invited has accepted at once, because the lab sends no messages.
	AssumedInvitationAccepted = "invitation-accepted-at-once"
	// AssumedChannel: the lab's own synchronisation channel; Microsoft's is not published.
	AssumedChannel = "synchronisation-channel"
	// AssumedQuarantineName: the form of a placeholder name.
	AssumedQuarantineName = "quarantine-name"
	// AssumedAccountExpired: what the sign-in answers for an account that has expired on premises.
	AssumedAccountExpired = "account-expired-on-premises"
)

func (a *Assumptions) defaults() {
	if a.RestrictionStatus == 0 {
		a.RestrictionStatus = 400
	}
	if a.RestrictionPageStatus == 0 {
		a.RestrictionPageStatus = 400
	}
	if a.RestrictionError == "" {
		a.RestrictionError = "invalid_request"
	}
	if a.ConsumerPageStatus == 0 {
		a.ConsumerPageStatus = 403
	}
	if a.MisconfiguredStatus == 0 {
		a.MisconfiguredStatus = 400
	}
	if a.GraphRefusalStatus == 0 {
		a.GraphRefusalStatus = 400
	}
	if a.QuarantineName == "" {
		a.QuarantineName = QuarantinePlus
	}
	if a.AssertionReplay == "" {
		a.AssertionReplay = ReplayRefused
	}
}

// Set returns the switches as they are set, by name: numbers and texts.
func (a Assumptions) Set() map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		out[v.Type().Field(i).Tag.Get("yaml")] = v.Field(i).Interface()
	}
	return out
}
