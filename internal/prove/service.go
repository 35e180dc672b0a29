package prove

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"sekisho/internal/lab"
	"sekisho/internal/pac/eval"
)

// pacNeverDirect runs the PAC file that clients get: no sign-in host may go around the proxy.
func pacNeverDirect(ctx context.Context, s *scene) error {
	script, err := s.direct(ctx, "/proxy.pac")
	if err != nil {
		return err
	}
	for _, host := range []string{signInHost, "login.microsoft.com", "login.windows.net", consumerHost, "LOGIN.microsoftonline.com", signInHost + "."} {
		route, err := eval.Run(ctx, script, "https://"+host+"/", host, netip.MustParseAddr("10.1.2.3"))
		if err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		if strings.Contains(strings.ToUpper(route), "DIRECT") || !strings.Contains(route, "PROXY "+s.proxy) {
			return fmt.Errorf("%s goes %q", host, route)
		}
	}
	return nil
}

// revocation fetches the list that an intercepted host's certificate names, without proxy and without credentials,
// and checks its signature.
func revocation(ctx context.Context, s *scene) error {
	conn, err := s.handshake(ctx, signInHost+":443", signInHost)
	if err != nil {
		return err
	}
	defer conn.Close()
	chain := conn.ConnectionState().PeerCertificates
	if len(chain) < 2 || len(chain[0].CRLDistributionPoints) == 0 {
		return errors.New("the certificate names no revocation list")
	}
	path, ok := strings.CutPrefix(chain[0].CRLDistributionPoints[0], s.operations)
	if !ok {
		return fmt.Errorf("the certificate names %s", chain[0].CRLDistributionPoints[0])
	}
	der, err := s.direct(ctx, path)
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	return list.CheckSignatureFrom(chain[1])
}

// direct fetches a path of the operations listener as clients do: without the proxy.
func (s *scene) direct(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.operations+path, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: s.fetch, Timeout: actLimit}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered %d", path, response.StatusCode)
	}
	var body strings.Builder
	if _, err := copyBounded(&body, response.Body); err != nil {
		return nil, err
	}
	return []byte(body.String()), nil
}

// refusalsRecorded refuses once more and looks for the record, with everything that an administrator asks for.
func refusalsRecorded(ctx context.Context, s *scene) error {
	const host = "recorded.example.org"
	if err := s.refused(ctx, host+":443", "not-allowed"); err != nil {
		return err
	}
	return s.awaitRecord(ctx, func(r record) error {
		if r.host != host {
			return errNoRecord
		}
		if r.verdict != "deny" || r.reason != "not-allowed" || r.client == "" {
			return fmt.Errorf("the record says verdict %q, reason %q, client %q", r.verdict, r.reason, r.client)
		}
		return nil
	})
}

// noSecrets signs in and then looks for what must never be kept in every record.
func noSecrets(ctx context.Context, s *scene) error {
	const cookie, query = "lab-cookie-4711", "lab-query-4711"
	a, err := s.token(ctx, false, lab.ContosoDomain, "Cookie", "session="+cookie, "Authorization", "Bearer lab-bearer-4711")
	if err != nil {
		return err
	}
	if _, err := s.get(ctx, "https://"+signInHost+"/"+lab.ContosoDomain+"/oauth2/v2.0/authorize?client_id=x&code="+query); err != nil {
		return err
	}
	// The refusal after both is the mark that their records are stored.
	if err := s.refused(ctx, "no-secrets.example.org:443", "not-allowed"); err != nil {
		return err
	}
	if err := s.awaitRecord(ctx, func(r record) error {
		if r.host != "no-secrets.example.org" {
			return errNoRecord
		}
		return nil
	}); err != nil {
		return err
	}
	records, err := s.records(ctx)
	if err != nil {
		return err
	}
	forbidden := map[string]string{"a cookie": cookie, "a bearer token": "lab-bearer-4711", "a query string": query, "a secret": lab.ServiceSecret}
	if _, rest, ok := strings.Cut(a.body, `"access_token":"`); ok {
		forbidden["an access token"], _, _ = strings.Cut(rest, `"`)
	}
	for _, r := range records {
		for what, text := range forbidden {
			if strings.Contains(r.whole, text) {
				return fmt.Errorf("a record holds %s", what)
			}
		}
	}
	return nil
}
