package client

import (
	"net/http"
	"strings"
	"time"
)

// The bounds of a wait that the service asks for.
const (
	shortestWait = time.Minute    // chosen: "0" from a service that has just refused is no invitation
	longestWait  = 24 * time.Hour // chosen: a mistake in the header must not end the updates
	waitUntold   = time.Hour      // the service's page: after 429, wait an hour
)

// RetryAfter reads a Retry-After field (RFC 9110, section 10.2.3): a number of seconds or a date, at now. The wait is
// at least a minute and at most a day; one hour when the field is empty or says neither.
func RetryAfter(field string, now time.Time) time.Duration {
	field = strings.TrimSpace(field)
	if field == "" {
		return waitUntold
	}
	if strings.Trim(field, "0123456789") == "" {
		// Beyond six digits it is more than the longest wait, and cannot overflow.
		digits := strings.TrimLeft(field, "0")
		if len(digits) > 6 {
			return longestWait
		}
		seconds := 0
		for _, d := range digits {
			seconds = 10*seconds + int(d-'0')
		}
		return bounded(time.Duration(seconds) * time.Second)
	}
	at, err := http.ParseTime(field)
	if err != nil {
		return waitUntold
	}
	return bounded(at.Sub(now))
}

func bounded(wait time.Duration) time.Duration { return min(max(wait, shortestWait), longestWait) }
