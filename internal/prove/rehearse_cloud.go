package prove

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/signin"
)

// The lab's synchronisation channel (docs/lab-fidelity.md), and what a request of it may hold.
const (
	syncPath       = "/lab/synchronization"
	syncPermission = "LabSynchronization.ReadWrite.All"
	syncObjects    = 500
	syncBytes      = 1 << 20 // half of what the channel takes
)

const graphHost = "https://graph.microsoft.com"

// listBytes bounds one answer of Graph: a page of 999 people.
const listBytes = 16 << 20

// browser is a client behind the gateway that trusts its root and the lab's.
type browser struct{ *http.Client }

func newBrowser(n *node.Node) (browser, error) {
	roots := x509.NewCertPool()
	gateway, lab := n.Roots()
	if !roots.AppendCertsFromPEM(gateway) || !roots.AppendCertsFromPEM(lab) {
		return browser{}, errors.New("a root certificate cannot be read")
	}
	return browser{&http.Client{Timeout: actLimit, Transport: &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: n.Summary().Gateway}),
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxConnsPerHost: workers, MaxIdleConnsPerHost: workers,
		TLSHandshakeTimeout: actLimit, ResponseHeaderTimeout: actLimit,
	}}}, nil
}

// ask sends one request and reads the answer.
func (b browser) ask(ctx context.Context, method, target, kind, token string, body []byte) (status int, header http.Header, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := b.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(io.LimitReader(response.Body, listBytes))
	return response.StatusCode, response.Header, text, err
}

// graph asks the lab's Graph as the service and reads the answer into out, which may be nil.
func (r *rehearsal) graph(ctx context.Context, method, path string, body any, out any) error {
	var data []byte
	kind := ""
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
		kind = "application/json"
	}
	if !strings.HasPrefix(path, "https://") {
		path = graphHost + path
	}
	for {
		status, header, text, err := r.client.ask(ctx, method, path, kind, r.token, data)
		switch {
		case err != nil:
			return finding.Fail("prove.rehearsal-road", err, "what", method+" "+path)
		case status == http.StatusTooManyRequests:
			seconds, _ := strconv.Atoi(header.Get("Retry-After"))
			select {
			case <-time.After(time.Duration(min(max(1, seconds), 60)) * time.Second):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		case status >= 300:
			return finding.Fail("prove.rehearsal-road", answer{status: status, body: string(text)}.unlike("2xx"), "what", method+" "+path)
		case out != nil:
			return json.Unmarshal(text, out)
		}
		return nil
	}
}

// tokenBody is what a token endpoint answers.
type tokenBody struct {
	Token string `json:"access_token"`
	Codes []int  `json:"error_codes"`
}

func (r *rehearsal) askToken(ctx context.Context, form url.Values) (tokenBody, error) {
	var out tokenBody
	status, _, text, err := r.client.ask(ctx, http.MethodPost, tokenURL(r.tenant), "application/x-www-form-urlencoded", "", []byte(form.Encode()))
	if err == nil && (json.Unmarshal(text, &out) != nil || out.Token == "" && len(out.Codes) == 0) {
		err = answer{status: status, body: string(text)}.unlike("a token or a code")
	}
	if err != nil {
		return out, finding.Fail("prove.rehearsal-road", err, "what", "POST "+tokenURL(r.tenant))
	}
	return out, nil
}

// object is one person as the channel takes it.
type object struct {
	Anchor          string   `json:"sourceAnchor"`
	Class           string   `json:"objectClass"`
	SignIn          string   `json:"signInName"`
	MailNickname    string   `json:"mailNickname"`
	Mail            string   `json:"mail"`
	ProxyAddresses  []string `json:"proxyAddresses"`
	DisplayName     string   `json:"displayName"`
	AccountEnabled  bool     `json:"accountEnabled"`
	Locked          bool     `json:"locked"`
	PasswordExpired bool     `json:"passwordExpired"`
	MustChange      bool     `json:"mustChangePassword"`
	AccountExpired  bool     `json:"accountExpired"`
	Verifier        string   `json:"passwordVerifier"`
}

func (r *rehearsal) object(p *person) object {
	row := &r.plan.Rows[p.row]
	s := row.Standing(r.plan.Options.Now)
	return object{
		Anchor: p.anchor, Class: row.Kind.String(), SignIn: row.Value, MailNickname: row.MailNickname, Mail: row.Mail, ProxyAddresses: row.Proxies,
		DisplayName: shown(row.DisplayName), AccountEnabled: !s.Disabled, Locked: s.Locked, PasswordExpired: s.PasswordExpired, MustChange: s.MustChange,
		AccountExpired: s.Expired, Verifier: p.verifier,
	}
}

// shown is a display name that the cloud takes: no name depends on it.
func shown(name string) string {
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(name, " "))
	if runes := []rune(name); len(runes) > 256 {
		name = string(runes[:256])
	}
	return name
}

// enter signs the service in.
func (r *rehearsal) enter(ctx context.Context) error {
	t, err := r.askToken(ctx, url.Values{"grant_type": {"client_credentials"}, "client_id": {r.service}, "client_secret": {r.secret}, "scope": {graphHost + "/.default"}})
	if err == nil && t.Token == "" {
		err = finding.Fail("prove.rehearsal-road", fmt.Errorf("AADSTS%v", t.Codes), "what", "client_credentials")
	}
	if err != nil {
		return err
	}
	r.token = t.Token
	return nil
}

// bring sends everybody over the channel, or those alone whom it refused before: a synchronisation tries again what failed.
func (r *rehearsal) bring(ctx context.Context, again bool) error {
	var batch []json.RawMessage
	var of []*person
	bytes := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		var out struct {
			Results []struct {
				Anchor  string `json:"sourceAnchor"`
				Outcome string `json:"outcome"`
			} `json:"results"`
		}
		if err := r.graph(ctx, http.MethodPost, syncPath, map[string]any{"method": r.options.Plan.Method.String(), "objects": batch}, &out); err != nil {
			return err
		}
		if len(out.Results) != len(of) {
			return fmt.Errorf("%d objects were sent, and %d results came", len(of), len(out.Results))
		}
		for i, p := range of {
			p.refused = out.Results[i].Outcome == "refused"
		}
		batch, of, bytes = nil, nil, 0
		return nil
	}
	for i := range r.chosen {
		p := &r.chosen[i]
		if p.unsent != "" || again && !p.refused {
			continue
		}
		data, err := json.Marshal(r.object(p))
		if err != nil {
			return err
		}
		if len(data) > syncBytes {
			p.unsent = "too-large"
			continue
		}
		if len(batch) == syncObjects || bytes+len(data) > syncBytes {
			if err := send(); err != nil {
				return err
			}
			r.watch("bring", i, len(r.chosen))
		}
		batch, of, bytes = append(batch, data), append(of, p), bytes+len(data)
	}
	return send()
}

// listed is somebody as the tenant lists them.
type listed struct {
	Name     string `json:"userPrincipalName"`
	Nickname string `json:"mailNickname"`
	Anchor   string `json:"onPremisesImmutableId"`
}

// list asks Graph for everybody, by immutable id.
func (r *rehearsal) list(ctx context.Context) (map[string]listed, error) {
	out := map[string]listed{}
	next := "/v1.0/users?$top=999&$select=userPrincipalName,mailNickname,onPremisesImmutableId"
	for next != "" {
		var page struct {
			Value []listed `json:"value"`
			Next  string   `json:"@odata.nextLink"`
		}
		if err := r.graph(ctx, http.MethodGet, next, nil, &page); err != nil {
			return nil, err
		}
		for _, u := range page.Value {
			out[u.Anchor] = u
		}
		next = page.Next
		if len(out) > MaxRehearsed {
			return nil, errors.New("the tenant lists more people than were brought")
		}
	}
	return out, nil
}

// verify adds the domains, proves them by TXT records of the lab's DNS, and returns the tenant as Graph then describes it.
func (r *rehearsal) verify(ctx context.Context) (*signin.Tenant, error) {
	type domain struct {
		ID       string `json:"id"`
		Verified bool   `json:"isVerified"`
	}
	for i, name := range r.options.Verify {
		r.watch("verify", i, len(r.options.Verify))
		d := domain{ID: name}
		path := "/v1.0/domains/" + url.PathEscape(name)
		if _, there := r.options.Tenant.Domain(name); !there {
			if err := r.graph(ctx, http.MethodPost, "/v1.0/domains", map[string]string{"id": name}, &d); err != nil {
				return nil, err
			}
		} else if err := r.graph(ctx, http.MethodGet, path, nil, &d); err != nil {
			return nil, err
		}
		if d.Verified { // with the domain above it
			continue
		}
		var records struct {
			Value []struct {
				Type string `json:"recordType"`
				Text string `json:"text"`
			} `json:"value"`
		}
		if err := r.graph(ctx, http.MethodGet, path+"/verificationDnsRecords", nil, &records); err != nil {
			return nil, err
		}
		for _, record := range records.Value {
			if strings.EqualFold(record.Type, "Txt") {
				if err := r.node.SetLabRecordHere(ctx, name, "TXT", record.Text); err != nil {
					return nil, err
				}
			}
		}
		if err := r.graph(ctx, http.MethodPost, path+"/verify", nil, nil); err != nil {
			return nil, err
		}
	}
	var all json.RawMessage
	if err := r.graph(ctx, http.MethodGet, "/v1.0/domains", nil, &all); err != nil {
		return nil, err
	}
	domains, err := signin.ReadDomains("domains", bytes.NewReader(all))
	if err != nil {
		return nil, err
	}
	tenant, found := signin.NewTenant(domains.List)
	if tenant == nil {
		return nil, &finding.Problem{Findings: found}
	}
	return tenant, nil
}

// signIn signs somebody in by name and password; the name is the token's, and the result token or an AADSTS code.
func (r *rehearsal) signIn(ctx context.Context, name, password string) (tokenName, result string, err error) {
	t, err := r.askToken(ctx, url.Values{"grant_type": {"password"}, "client_id": {r.desktop}, "username": {name}, "password": {password}, "scope": {graphHost + "/User.Read"}})
	if err != nil {
		return "", "", err
	}
	if t.Token == "" {
		return "", "AADSTS" + strconv.Itoa(t.Codes[0]), nil
	}
	// The lab signed it, and the road here was TLS: what it says is read, not verified.
	var claims struct {
		UPN string `json:"upn"`
	}
	part := strings.Split(t.Token, ".")
	if len(part) == 3 {
		data, err := base64.RawURLEncoding.DecodeString(part[1])
		if err == nil {
			err = json.Unmarshal(data, &claims)
		}
		if err != nil {
			return "", "", fmt.Errorf("read a token: %w", err)
		}
	}
	return claims.UPN, "token", nil
}
