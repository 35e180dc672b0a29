package refusal

import "sekisho/internal/policy"

// Reasons that the gateway itself gives, beside those of package policy. Their texts are reason.<code> and
// reason.<code>.hint of package message.
const (
	BadRequest          policy.Reason = "bad-request"          // the request breaks HTTP
	HeadTooLarge        policy.Reason = "head-too-large"       // a limit on the request head
	RequestTimeout      policy.Reason = "request-timeout"      // the head or body did not come in time
	NotForProxy         policy.Reason = "not-for-proxy"        // a request for a web server, sent to the proxy port
	CredentialsNeeded   policy.Reason = "credentials-needed"   // proxy credentials absent or wrong
	Loop                policy.Reason = "loop"                 // the request would come back to this gateway
	MethodRefused       policy.Reason = "method-refused"       // TRACE, or CONNECT inside a connection that is read
	UpgradeRefused      policy.Reason = "upgrade-refused"      // a change of protocol that is not allowed here
	EditionChanged      policy.Reason = "edition-changed"      // the policy changed and wants another kind of connection
	NameNotFound        policy.Reason = "name-not-found"       // no address for the name
	UpstreamUnreachable policy.Reason = "upstream-unreachable" // the origin does not accept connections
	UpstreamTimeout     policy.Reason = "upstream-timeout"     // the origin did not answer in time
	UpstreamHandshake   policy.Reason = "upstream-handshake"   // TLS with the origin failed
	UpstreamCertificate policy.Reason = "upstream-certificate" // the origin's certificate does not verify
	UpstreamProxy       policy.Reason = "upstream-proxy"       // the proxy through which origins are reached refuses or fails
	UpstreamBroken      policy.Reason = "upstream-broken"      // the origin closed early or sent what is not HTTP
	UpstreamSwitch      policy.Reason = "upstream-switch"      // the origin changed protocol unasked
	AuditFull           policy.Reason = "audit-full"           // nothing more can be recorded
	HeadersNotSet       policy.Reason = "headers-not-set"      // the restriction headers could not be put on the request
	LeafNotMade         policy.Reason = "leaf-not-made"        // no certificate for the name could be made
	ClientHandshake     policy.Reason = "client-handshake"     // TLS with the client failed
	Busy                policy.Reason = "busy"                 // a limit on connections, or on what one client may hold
)

// answer is how a reason is told: the status, and the error of the Proxy-Status field (RFC 9209, section 2.3).
type answer struct {
	status int
	proxy  string
}

// Status returns the status that tells reason to a client: 403 for every denial, 502 or 504 for trouble with the
// origin, 500 for our own fault. The empty reason is an internal fault.
func Status(reason policy.Reason) int { return answerOf(reason).status }

func answerOf(reason policy.Reason) answer {
	switch reason {
	case BadRequest, policy.ReasonBadHost, NotForProxy:
		return answer{400, "http_request_error"}
	case policy.ReasonAuthority, EditionChanged: // RFC 9110, section 15.5.20
		return answer{421, "http_request_denied"}
	case HeadTooLarge:
		return answer{431, "http_request_error"}
	case RequestTimeout:
		return answer{408, "http_request_error"}
	case CredentialsNeeded:
		return answer{407, "http_request_denied"}
	case Loop:
		return answer{403, "proxy_loop_detected"}
	case NameNotFound:
		return answer{502, "dns_error"}
	case UpstreamUnreachable:
		return answer{502, "connection_refused"}
	case UpstreamTimeout:
		return answer{504, "connection_timeout"}
	case UpstreamHandshake:
		return answer{502, "tls_protocol_error"}
	case UpstreamCertificate:
		return answer{502, "tls_certificate_error"}
	case UpstreamProxy:
		return answer{502, "destination_unavailable"}
	case UpstreamBroken:
		return answer{502, "http_response_incomplete"}
	case UpstreamSwitch:
		return answer{502, "http_upgrade_failed"}
	case HeadersNotSet, LeafNotMade, policy.ReasonInternal, "":
		return answer{500, "proxy_internal_error"}
	case Busy:
		return answer{503, "connection_limit_reached"}
	}
	return answer{403, "http_request_denied"}
}
