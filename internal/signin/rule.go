package signin

// Confidence says how sure a finding is. The zero value is the weakest.
type Confidence uint8

const (
	Possible Confidence = iota // may be so; depends on what is not known here
	Likely                     // by what people report, or by a page that is not precise
	Certain                    // follows from what was read, by a page of Microsoft or a standard
)

// String is the stable code: possible, likely or certain.
func (c Confidence) String() string { return [...]string{"possible", "likely", "certain"}[c] }

// MarshalText makes Confidence print as its code.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Weight says what a finding means for the plan. The zero value is Blocks.
type Weight uint8

const (
	Blocks  Weight = iota // somebody will not sign in as expected
	Watch                 // worth a look before going on
	Explain               // how it is, and why
)

// String is the stable code: blocks, watch or explain.
func (w Weight) String() string { return [...]string{"blocks", "watch", "explain"}[w] }

// MarshalText makes Weight print as its code.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Rule is one kind of finding. Its texts are signin.rule.<id> and signin.rule.<id>.hint of package message.
type Rule struct {
	ID         string
	Weight     Weight
	Confidence Confidence
	Source     string // page or standard, and where it stands
}

// TextID is the id of the text in package message that says what the rule found.
func (r *Rule) TextID() string { return "signin.rule." + r.ID }

// Pages that rules are from.
const (
	pageSignIn    = "Microsoft Entra Connect: User sign-in, https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-user-signin"
	pageNames     = "Microsoft Entra UserPrincipalName population, https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-userprincipalname"
	pageDuplicate = "Identity synchronization and duplicate attribute resiliency, https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-syncservice-duplicate-attribute-resiliency"
	pageAnchor    = "Microsoft Entra Connect: Design concepts, https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-design-concepts"
	pageDefault   = "Microsoft Entra Connect Sync: Understanding the default configuration, https://learn.microsoft.com/entra/identity/hybrid/connect/concept-azure-ad-connect-sync-default-configuration"
	pageHash      = "Implement password hash synchronization, https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-password-hash-synchronization"
	pageAuthn     = "Choose the right authentication method, https://learn.microsoft.com/entra/identity/hybrid/connect/choose-ad-authn"
	pageExisting  = "Microsoft Entra Connect: When you have an existing tenant, https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-install-existing-tenant"
	reserved      = "RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476; ICANN Board resolutions 2018-02-04 and 2024-07-29"
	thirdParty    = "limits as third parties report them: https://jaapwesselius.com/tag/upn, and the username policies of Microsoft Entra ID"
)

// The rules, in the order in which findings are told: what blocks most people first.
var (
	ruleNoInitialName  = &Rule{"no-name", Blocks, Certain, pageNames}
	ruleNotAdded       = &Rule{"suffix-not-added", Blocks, Certain, pageSignIn}
	ruleNotVerified    = &Rule{"suffix-not-verified", Blocks, Certain, pageSignIn}
	ruleNotRoutable    = &Rule{"suffix-not-routable", Blocks, Certain, reserved}
	ruleUnlikelyRoute  = &Rule{"suffix-unlikely-routable", Watch, Likely, reserved}
	ruleNoValue        = &Rule{"value-missing", Blocks, Certain, pageNames}
	ruleShape          = &Rule{"value-shape", Blocks, Certain, pageNames}
	ruleCharacters     = &Rule{"value-characters", Blocks, Likely, thirdParty}
	ruleLength         = &Rule{"value-length", Blocks, Likely, thirdParty}
	ruleNotRFC822      = &Rule{"alternate-not-rfc822", Blocks, Certain, pageSignIn}
	ruleManyValues     = &Rule{"alternate-several-values", Blocks, Certain, pageSignIn}
	ruleAlternate      = &Rule{"alternate-in-use", Watch, Certain, pageSignIn}
	ruleGroup          = &Rule{"conflict-with-group", Blocks, Certain, pageDuplicate}
	ruleDuplicateName  = &Rule{"duplicate-name", Blocks, Certain, pageDuplicate}
	ruleDuplicateLater = &Rule{"duplicate-name-later", Watch, Certain, pageDuplicate}
	ruleDuplicateCloud = &Rule{"duplicate-fallback", Blocks, Certain, pageDuplicate}
	ruleDuplicateProxy = &Rule{"duplicate-address", Watch, Certain, pageDuplicate}
	ruleNameIsAddress  = &Rule{"name-is-address-of-other", Watch, Possible, pageDuplicate}
	ruleAnchorMissing  = &Rule{"anchor-missing", Watch, Certain, pageAnchor}
	ruleAnchorCopied   = &Rule{"anchor-copied", Watch, Possible, pageAnchor}
	ruleAnchorInUse    = &Rule{"anchor-in-use", Watch, Possible, pageAnchor}
	ruleAnchorTwice    = &Rule{"anchor-duplicate", Blocks, Certain, pageAnchor}
	ruleNickname       = &Rule{"nickname-characters", Watch, Possible, pageNames}
	ruleDisabled       = &Rule{"disabled", Explain, Certain, pageAuthn}
	ruleExpired        = &Rule{"expired", Explain, Certain, pageAuthn}
	ruleExpiredOpen    = &Rule{"expired-still-open", Watch, Certain, pageHash}
	ruleImplicit       = &Rule{"implicit-name", Watch, Likely, pageDefault}
	ruleLocked         = &Rule{"locked", Explain, Possible, pageAuthn}
	ruleLockedOpen     = &Rule{"locked-still-open", Watch, Possible, pageAuthn}
	ruleMustChange     = &Rule{"must-change", Watch, Certain, pageHash}
	ruleNotClass       = &Rule{"hash-not-synchronised", Blocks, Certain, pageHash}
	ruleFederation     = &Rule{"cannot-be-federated", Blocks, Certain, pageSignIn}
	// What the tenant holds already.
	ruleTenantName        = &Rule{"tenant-holds-name", Blocks, Certain, pageDuplicate}
	ruleTenantGroup       = &Rule{"tenant-conflict-with-group", Blocks, Certain, pageDuplicate}
	ruleTenantTwo         = &Rule{"tenant-two-matches", Watch, Possible, pageExisting}
	ruleTenantAddress     = &Rule{"tenant-holds-address", Watch, Certain, pageDuplicate}
	ruleTenantSoft        = &Rule{"tenant-soft-match", Watch, Certain, pageExisting}
	ruleTenantUnclear     = &Rule{"tenant-match-unclear", Watch, Possible, pageExisting}
	ruleTenantPlaceholder = &Rule{"tenant-placeholder", Watch, Likely, pageDuplicate}
	ruleTenantHard        = &Rule{"tenant-hard-match", Explain, Certain, pageExisting}
	ruleExcluded          = &Rule{"not-synchronised", Explain, Certain, pageDefault}
)

// Rules are all rules in the order in which findings are told.
func Rules() []*Rule {
	return []*Rule{
		ruleNoInitialName, ruleNotAdded, ruleNotVerified, ruleNotRoutable, ruleNoValue, ruleShape, ruleCharacters, ruleLength, ruleNotRFC822,
		ruleManyValues, ruleGroup, ruleDuplicateName, ruleDuplicateCloud, ruleTenantName, ruleTenantGroup, ruleAnchorTwice, ruleFederation, ruleNotClass,

		ruleUnlikelyRoute, ruleImplicit, ruleAlternate, ruleDuplicateLater, ruleDuplicateProxy, ruleTenantTwo, ruleTenantAddress, ruleTenantSoft,
		ruleTenantUnclear, ruleTenantPlaceholder, ruleNameIsAddress, ruleAnchorCopied, ruleAnchorInUse, ruleAnchorMissing, ruleNickname,
		ruleMustChange, ruleExpiredOpen, ruleLockedOpen,

		ruleDisabled, ruleExpired, ruleLocked, ruleTenantHard, ruleExcluded,
	}
}

// Finding is one thing that was found, with every object that it concerns.
type Finding struct {
	Rule    *Rule
	Value   string // what they have in common: the suffix, the value that is there twice
	Objects []int  // indexes of Plan.Rows, in order
	Tenant  []int  // indexes of Options.Existing: what the tenant holds already, on the other side
}
