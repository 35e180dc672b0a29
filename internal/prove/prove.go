// Package prove drives real clients through a running checkpoint, with the lab behind it, and says of each promise
// whether it is kept.
//
// A promise is judged from outside: by what the client got, by what reached the lab's sockets, and by what was
// recorded. Nothing here asks the gateway what it thinks it did.
package prove

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Result says whether one promise was kept. Its title is the text "prove.<ID>".
type Result struct {
	ID     string        `json:"id"`
	OK     bool          `json:"ok"`
	Detail string        `json:"detail,omitempty"` // what happened instead
	Took   time.Duration `json:"-"`
}

// promise is one thing that the checkpoint promises and how it is driven. drive returns nil when it is kept.
type promise struct {
	id    string
	drive func(ctx context.Context, s *scene) error
}

// promises are all of them, in the order in which a reader wants them.
var promises = [...]promise{
	{"permitted-tenant", permittedToken},
	{"foreign-tenant", foreignToken},
	{"every-sign-in-host", foreignEverywhere},
	{"foreign-page", foreignPage},
	{"code-flow", codeOfAPerson},
	{"foreign-device-code", foreignDeviceCode},
	{"grants-of-people", grantsOfPeople},
	{"http2", overHTTP2},
	{"certificate-clients", certificateClients},
	{"guests", bothTenantsTested},
	{"consent", consentAsked},
	{"consumer", consumerBlocked},
	{"passes", passes},
	{"exact-headers", exactHeaders},
	{"client-headers-replaced", replacedHeaders},
	{"no-header-elsewhere", plainHeaders},
	{"sign-in-inspected", signInInspected},
	{"device-login-untouched", deviceNotInspected},
	{"manage-untouched", manageNotInspected},
	{"disallowed-host", disallowedRefused},
	{"alias-host", aliasRefused},
	{"other-cloud", otherCloudRefused},
	{"address-literal", literalRefused},
	{"tunnel-name-mismatch", tunnelMismatch},
	{"sign-in-name-mismatch", interceptMismatch},
	{"inner-name-mismatch", innerMismatch},
	{"tunnel-without-name", tunnelWithoutName},
	{"sign-in-without-name", signInWithoutName},
	{"not-tls", plainBytesRefused},
	{"upgrade", upgradeRefused},
	{"dead-upstream", deadUpstream},
	{"faults-told", faultsTold},
	{"key-change", keysChange},
	{"pac", pacNeverDirect},
	{"revocation-list", revocation},
	{"credentials", credentialsAsked},
	{"ring-users", ringsOfUsers},
	{"ring-report", ringThatReports},
	{"ring-off", ringThatIsOff},
	{"ring-percent", shareOfPeople},
	{"ring-policy", policyV2},
	{"graph", graphOfTheLab},
	{"record", refusalsRecorded},
	{"report-masked", reportMasked},
	{"no-secrets", noSecrets},
	{"restart", outlivesRestart},
}

// IDs are the ids of all promises, in order.
func IDs() []string {
	ids := make([]string, len(promises))
	for i, p := range promises {
		ids[i] = p.id
	}
	return ids
}

// recordLimit is how long a record may take until it can be read; chosen: several times the second that is promised.
const recordLimit = 5 * time.Second

// errNoRecord says that a record is not the one looked for.
var errNoRecord = errors.New("no such record")

// awaitRecord reads the records until one satisfies match, which returns errNoRecord for those that are not meant.
// Records are stored within a second or so after the event.
func (s *scene) awaitRecord(ctx context.Context, match func(record) error) error {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	for {
		records, err := s.records(ctx)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := match(r); !errors.Is(err, errNoRecord) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errNoRecord
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// drive runs the promises of only, all of them when it is empty, against s, one after the other.
func drive(ctx context.Context, s *scene, only []string, watch func(Result)) []Result {
	var results []Result
	for _, p := range promises {
		if len(only) > 0 && !slices.Contains(only, p.id) {
			continue
		}
		started := time.Now()
		r := Result{ID: p.id}
		if err := s.act(ctx, p); err != nil {
			r.Detail = err.Error()
		} else {
			r.OK = true
		}
		r.Took = time.Since(started)
		results = append(results, r)
		if watch != nil {
			watch(r)
		}
	}
	return results
}

// act runs one promise within its limit. A panic in a client library is a broken promise, not the end of the table.
func (s *scene) act(ctx context.Context, p promise) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 2*actLimit)
	defer cancel()
	return p.drive(ctx, s)
}

// copyBounded copies at most bodyBytes.
func copyBounded(w io.Writer, r io.Reader) (int64, error) {
	return io.Copy(w, io.LimitReader(r, bodyBytes))
}
