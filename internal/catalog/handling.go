package catalog

import (
	"time"

	"sekisho/internal/endpoint"
)

// Inspection is what the sources say of TLS inspection. The zero value is "not stated". Larger is stricter: where two
// equally specific statements differ, the larger holds.
type Inspection uint8

const (
	InspectionNotStated Inspection = iota
	InspectionAllowed
	InspectionDiscouraged
	InspectionRequired // where tenant restrictions are in use
	InspectionForbidden
)

var inspectionCodes = [...]string{"not-stated", "allowed", "discouraged", "required", "forbidden"}

// String is the stable code: not-stated, allowed, discouraged, required or forbidden.
func (i Inspection) String() string { return code(inspectionCodes[:], i) }

// MarshalText prints the code.
func (i Inspection) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// The aspects that a Statement can speak of.
const (
	AspectInspection        = "inspection"
	AspectProxyAuth         = "proxy-auth"
	AspectByteRanges        = "byte-ranges"
	AspectClientCertificate = "client-certificate"
	AspectWebSocket         = "websocket"
	AspectIdleTimeout       = "idle-timeout"
)

// Handling says how traffic to a host must be treated. Each statement has its reason and source in Because. The zero
// value states nothing. It is read-only; Because is shared.
type Handling struct {
	Inspection        Inspection    `json:"inspection"`
	ProxyAuthExempt   bool          `json:"proxy_auth_exempt"`         // must pass without proxy credentials
	ByteRanges        bool          `json:"byte_ranges"`               // Range, If-Range and 206 must pass untouched
	ClientCertificate bool          `json:"client_certificate"`        // the origin asks for one
	WebSocket         bool          `json:"websocket"`                 // the upgrade must pass
	IdleTimeout       time.Duration `json:"idle_timeout_ns,omitempty"` // how long an idle connection must survive; 0: not stated
	Because           []Statement   `json:"because,omitempty"`         // by aspect, in the order of the fields above
}

// IsZero reports whether h states nothing.
func (h Handling) IsZero() bool {
	return h.Inspection == InspectionNotStated && !h.ProxyAuthExempt && !h.ByteRanges && !h.ClientCertificate &&
		!h.WebSocket && h.IdleTimeout == 0
}

// Statement is one sourced sentence of a Handling.
type Statement struct {
	Aspect  string           `json:"aspect"`  // one of the Aspect constants
	Value   string           `json:"value"`   // forbidden, exempt, needed, asked, used, 5m0s, ...
	Pattern endpoint.Pattern `json:"pattern"` // that the statement is about; zero in Set.Handling: all of the row's hosts
	Text    Text             `json:"text"`
	Source  *Source          `json:"source"`
}

// voice is what the sources say of one pattern.
type voice struct {
	pattern     endpoint.Pattern
	specificity specificity
	says        [aspects]says
	// general is what rules by category say; it counts only where no pattern speaks of inspection.
	general says
	// The answer for a host that no voices match but those that cover this pattern entirely. Patterns are mostly exact
	// names and suffixes, where that is every host whose best match this is; a host that also matches some glued or
	// inner wildcard has more matches than chain and is merged when asked.
	chain  int
	merged Handling
}

// says is one aspect of a voice.
type says struct {
	inspection Inspection
	yes        bool
	idle       time.Duration
	because    []Statement
}

func (s says) speaks() bool { return len(s.because) > 0 }

const (
	inspectionAspect = iota
	proxyAuthAspect
	byteRangesAspect
	clientCertificateAspect
	webSocketAspect
	idleTimeoutAspect
	aspects
)

// merge combines voices, most specific first: for each aspect the most specific that speaks wins, between equally
// specific ones the stricter.
func merge(voices []*voice) Handling {
	var h Handling
	for aspect := range aspects {
		w := winner(voices, func(v *voice) says { return v.says[aspect] })
		if aspect == inspectionAspect && !w.speaks() {
			w = winner(voices, func(v *voice) says { return v.general })
		}
		if !w.speaks() {
			continue
		}
		h.Because = append(h.Because, w.because...)
		switch aspect {
		case inspectionAspect:
			h.Inspection = w.inspection
		case proxyAuthAspect:
			h.ProxyAuthExempt = w.yes
		case byteRangesAspect:
			h.ByteRanges = w.yes
		case clientCertificateAspect:
			h.ClientCertificate = w.yes
		case webSocketAspect:
			h.WebSocket = w.yes
		case idleTimeoutAspect:
			h.IdleTimeout = w.idle
		}
	}
	return h
}

func winner(voices []*voice, of func(*voice) says) says {
	var best says
	var level specificity
	for _, v := range voices {
		s := of(v)
		switch {
		case !s.speaks():
		case !best.speaks():
			best, level = s, v.specificity
		case v.specificity != level:
			return best
		default:
			best = stricter(best, s)
		}
	}
	return best
}

// stricter keeps the stricter of two statements on one aspect with its reasons, and both reasons where they agree.
func stricter(a, b says) says {
	switch {
	case a.inspection > b.inspection || a.idle > b.idle:
		return a
	case b.inspection > a.inspection || b.idle > a.idle:
		return b
	}
	a.because = append(a.because[:len(a.because):len(a.because)], b.because...)
	return a
}

// Handling merges what rows and handling rules say of h: for each aspect the most specific pattern that speaks of it
// wins, between equally specific ones the stricter (forbidden > required > discouraged > allowed). A rule for a whole
// category speaks only where no pattern does. It does not allocate unless h matches a glued or inner wildcard beside
// other patterns.
func (s *Snapshot) Handling(h endpoint.Host) Handling {
	var buf [16]*voice
	voices := s.voiceIndex.Append(buf[:0], h)
	if len(voices) == 0 {
		return Handling{}
	}
	if best := voices[0]; best.chain == len(voices) {
		return best.merged
	}
	return merge(voices)
}
