package policy

// Reason is the stable code of why a Decision is what it is. Its text is "reason.<code>" in package message, what to
// do about it "reason.<code>.hint". The empty Reason is an internal fault; readers print ReasonInternal for it.
type Reason string

// Reasons of permitted decisions.
const (
	// ReasonFeature: a feature in use needs the host.
	ReasonFeature Reason = "feature"
	// ReasonOwnHost: the organisation's own row names the host.
	ReasonOwnHost Reason = "own-host"
	// ReasonSignIn: a sign-in host that a feature in use names; the ring decides the handling.
	ReasonSignIn Reason = "sign-in"
	// ReasonAliasAllowed: an alias or another cloud's sign-in host, open to this client network.
	ReasonAliasAllowed Reason = "alias-allowed"
	// ReasonOwnDocument: a document of the checkpoint itself, such as a revocation list; nothing is dialled for it.
	ReasonOwnDocument Reason = "own-document"
)

// Reasons of denials.
const (
	// ReasonInternal stands for a Decision without a reason: a fault of Sekisho, which denies.
	ReasonInternal Reason = "internal"
	// ReasonNotAllowed: no rule names the host.
	ReasonNotAllowed Reason = "not-allowed"
	// ReasonPort: a rule names the host, but not this port.
	ReasonPort Reason = "port-not-allowed"
	// ReasonPlain: a rule names the host, but not for plain HTTP.
	ReasonPlain Reason = "plain-http-not-allowed"
	// ReasonAlias: an alias of the sign-in hosts, where restriction headers may have no effect.
	ReasonAlias Reason = "alias-host"
	// ReasonOtherCloud: a sign-in host of another cloud.
	ReasonOtherCloud Reason = "other-cloud"
	// ReasonRetired: a sign-in service that has been switched off.
	ReasonRetired Reason = "retired-host"
	// ReasonNoRing: a sign-in host, and no ring matches the caller.
	ReasonNoRing Reason = "no-ring"
	// ReasonNoPlan: the profile has no plan for the host, so no request may be sent.
	ReasonNoPlan Reason = "no-plan"
	// ReasonBadHost: the target has no host name.
	ReasonBadHost Reason = "bad-host"
	// ReasonLiteral: the target is an address.
	ReasonLiteral Reason = "address-literal"
	// ReasonSignInAddress: the address belongs to the sign-in hosts, the name does not.
	ReasonSignInAddress Reason = "address-of-sign-in"
	// ReasonPrivate: the address is private, shared, loopback or link-local.
	ReasonPrivate Reason = "private-address"
	// ReasonMetadata: the address is that of a cloud's machine metadata service.
	ReasonMetadata Reason = "metadata-address"
	// ReasonSpecial: the address is multicast, unspecified, for documentation or benchmarks, reserved, or of an
	// address family transition that hides another address.
	ReasonSpecial Reason = "special-address"
	// ReasonNotTLS: the first bytes after CONNECT are not a TLS ClientHello.
	ReasonNotTLS Reason = "not-tls"
	// ReasonSNI: the server name is not the name asked for with CONNECT.
	ReasonSNI Reason = "sni-mismatch"
	// ReasonNoSNI: a tunnel without a server name.
	ReasonNoSNI Reason = "no-sni"
	// ReasonAuthority: a request's authority is not the name of its connection.
	ReasonAuthority Reason = "authority-mismatch"
)

// Values of Decision.Would: what a ring in report mode would have restricted.
const (
	// WouldUnknown: the request does not tell which tenant it will end at.
	WouldUnknown Reason = "unknown"
	// WouldTenant: the tenant asked for is not in the permitted list.
	WouldTenant Reason = "tenant-not-permitted"
	// WouldConsumer: the sign-in with a personal account would be signalled to be blocked.
	WouldConsumer Reason = "consumer-accounts"
)
