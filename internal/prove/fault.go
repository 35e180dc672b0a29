package prove

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// faultHost is a sign-in host at which no other promise waits for an answer while things go wrong there.
const faultHost = "login.windows.net"

// rest waits a moment before something is looked at again.
func rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// faultsTold makes things go wrong on the other side of the gateway, one after the other: the client gets a readable
// answer that says what, and a record says the same.
func faultsTold(ctx context.Context, s *scene) error {
	for _, f := range []struct {
		name     string
		settings []string
		status   int
		reason   string
	}{
		{"dns.nxdomain", nil, 502, "name-not-found"},
		{"tcp.refused", nil, 502, "upstream-unreachable"},
		{"tcp.reset", []string{"at=head"}, 502, "upstream-broken"},
		{"tls.expired", nil, 502, "upstream-certificate"},
		{"tls.revoked", nil, 502, "upstream-certificate"},
		{"tls.wrong-name", nil, 502, "upstream-certificate"},
		{"http.garbage", nil, 502, "upstream-broken"},
	} {
		id := newID()
		if err := s.faulty(f.name, faultHost, f.settings...); err != nil {
			return err
		}
		a, err := s.get(ctx, "https://"+faultHost+"/common/discovery/v2.0/keys", "client-request-id", id)
		if err := s.sound(f.name); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if a.status != f.status || !strings.Contains(a.body, f.reason) {
			return fmt.Errorf("%s: %w", f.name, a.unlike(fmt.Sprintf("%d and %q", f.status, f.reason)))
		}
		err = s.awaitRecord(ctx, func(r record) error {
			// A name that is not found ends the CONNECT, whose head carries no id of a sign-in.
			if r.host != faultHost || !strings.Contains(r.whole, `"error":"`+f.reason) || f.name != "dns.nxdomain" && f.name != "tcp.refused" && !strings.Contains(r.whole, id) {
				return errNoRecord
			}
			return nil
		})
		if errors.Is(err, errNoRecord) {
			return fmt.Errorf("%s: no record says %q", f.name, f.reason)
		} else if err != nil {
			return err
		}
	}
	a, err := s.get(ctx, "https://"+faultHost+"/common/discovery/v2.0/keys")
	if err != nil {
		return err
	}
	if a.status != 200 {
		return a.unlike("the keys, once nothing is wrong any more")
	}
	return nil
}
