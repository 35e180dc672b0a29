package graph

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Bounds of waiting for a person; chosen but where a source stands.
const (
	deviceInterval = 5 * time.Second  // between questions, when the service names none (RFC 8628, section 3.2)
	slowDown       = 5 * time.Second  // more after "slow_down" (RFC 8628, section 3.5)
	longestPoll    = time.Minute      // between two questions, whatever the service names
	deviceLife     = 15 * time.Minute // of a code, when the service names none
)

// device has a person sign in on another device, and waits for it as long as the code lives (RFC 8628).
func (c Credential) device(ctx context.Context, client *http.Client, token string) (string, error) {
	endpoint, err := c.endpoint("devicecode")
	if err != nil {
		return "", err
	}
	scopes := make([]string, 0, len(c.Scopes))
	for _, s := range c.Scopes {
		scopes = append(scopes, c.resource()+"/"+s)
	}
	code, err := ask(ctx, client, endpoint, url.Values{"client_id": {c.Application}, "scope": {strings.Join(scopes, " ")}})
	if err != nil {
		return "", err
	}
	if code.DeviceCode == "" {
		return "", c.refused(code)
	}
	c.Device(strings.ToValidUTF8(code.Message[:min(len(code.Message), 1000)], "?"))
	interval := deviceInterval
	if code.Interval > 0 {
		interval = min(longestPoll, time.Duration(min(code.Interval, 3600))*time.Second)
	}
	life := deviceLife
	if code.ExpiresIn > 0 {
		life = min(deviceLife, time.Duration(min(code.ExpiresIn, 3600))*time.Second)
	}
	ends := time.NewTimer(life)
	defer ends.Stop()
	for {
		next := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			next.Stop()
			return "", ctx.Err()
		case <-ends.C:
			next.Stop()
			return "", finding.Fail("graph.device-time", nil, "tenant", clip(c.Tenant))
		case <-next.C:
		}
		a, err := ask(ctx, client, token, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {c.Application}, "device_code": {code.DeviceCode},
		})
		switch {
		case err != nil:
			return "", err
		case a.Token != "":
			return a.Token, nil
		case a.Error == "authorization_pending":
		case a.Error == "slow_down":
			interval = min(longestPoll, interval+slowDown)
		case a.Error == "expired_token":
			return "", finding.Fail("graph.device-time", nil, "tenant", clip(c.Tenant))
		default:
			return "", c.refused(a)
		}
	}
}
