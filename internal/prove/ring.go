package prove

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/lab"
	"sekisho/internal/restrict"
)

// The people of the roll-out, each in the ring of the same name, and the one who is in none of them.
const (
	enforced, reported, exempted, governed, other = "enforced", "reported", "exempted", "governed", "other"

	password = "roll-out"
	shared   = 24 // people of the ring that takes half of them; chosen: one chance in eight million to be all on one side
)

func sharer(i int) string { return fmt.Sprintf("shared%d", i) }

// rollout is the shipped configuration with the rings of a roll-out, for a checkpoint of its own: one that enforces, one
// that reports, one that is off, one that names a policy of version 2, each for one user, and one that takes half of some people; everybody else is reported.
func rollout(folder string) (*config.Config, error) {
	var passwords strings.Builder
	people := []string{enforced, reported, exempted, governed, other}
	for i := range shared {
		people = append(people, sharer(i))
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // nobody attacks it
	if err != nil {
		return nil, err
	}
	for _, name := range people {
		fmt.Fprintf(&passwords, "%s:%s\n", name, hash)
	}
	file := filepath.Join(folder, "rollout.htpasswd")
	if err := os.WriteFile(file, []byte(passwords.String()), 0o600); err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	// The file says nothing by itself about where it lies, so the path stands relative to it.
	text := string(config.Example("lab.yaml"))
	before, _, found := strings.Cut(text, "\nrings:\n")
	if !found {
		return nil, errors.New("the example has no rings")
	}
	users := ""
	for i := range shared {
		users += ", " + sharer(i)
	}
	text = before + "\n  - {name: by-group, version: v2, policy: \"" + lab.ContosoTenant + ":" + lab.ContosoGroupPolicy + "\"}\nauthentication:\n  passwords: rollout.htpasswd\nrings:\n" +
		"  - {name: enforced, mode: enforce, profile: contoso-only, users: [" + enforced + "]}\n" +
		"  - {name: reported, mode: report, profile: contoso-only, users: [" + reported + "]}\n" +
		"  - {name: exempted, mode: off, users: [" + exempted + "]}\n" +
		"  - {name: half, mode: enforce, profile: contoso-only, percent: 50, users: [" + users[2:] + "]}\n" +
		"  - {name: governed, mode: enforce, profile: by-group, users: [" + governed + "]}\n" +
		"  - {name: everyone, mode: report, profile: contoso-only}\n"
	free := map[string]string{"gateway-listen": "127.0.0.1:0", "operations-listen": "127.0.0.1:0"}
	settings, problems := config.Parse(filepath.Join(folder, "rollout.yaml"), []byte(text), config.Overrides(free, func(string) string { return "" })...)
	if problems.HasErrors() {
		return nil, &finding.Problem{Findings: problems}
	}
	return settings, nil
}

// as is the roll-out as one person sees it; "" gives no credentials.
func (s *scene) as(user string) *scene {
	one := *s.rollout
	one.user = nil
	if user != "" {
		one.user = url.UserPassword(user, password)
	}
	return &one
}

// credentialsAsked: without credentials, or with a wrong password, nothing leaves and 407 says so; hosts that must work
// without are not asked, and checked by name all the same.
func credentialsAsked(ctx context.Context, s *scene) error {
	nobody := s.as("")
	wrong := s.as(enforced)
	wrong.user = url.UserPassword(enforced, "wrong")
	for name, one := range map[string]*scene{"without credentials": nobody, "with a wrong password": wrong} {
		a, err := one.token(ctx, false, lab.ContosoDomain)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if a.status != http.StatusProxyAuthRequired {
			return fmt.Errorf("%s: %w", name, a.unlike("407"))
		}
	}
	conn, refusal, err := nobody.connect(ctx, manageHost+":443")
	if err != nil {
		return err
	}
	if conn == nil {
		return fmt.Errorf("%s asks for credentials: %w", manageHost, refusal.unlike("200"))
	}
	conn.Close()
	if tunnel, err := nobody.handshake(ctx, manageHost+":443", signInHost); err == nil {
		tunnel.Close()
		return fmt.Errorf("without credentials, a tunnel to %s carried the name %s", manageHost, signInHost)
	}
	return nil
}

// ringsOfUsers: one person is restricted while another, who asks for the same at the same origin, is not.
func ringsOfUsers(ctx context.Context, s *scene) error {
	for range 2 { // the second time over connections that the first left behind
		for _, person := range []struct {
			name   string
			expect func(answer) error
		}{{enforced, expectBlocked}, {other, expectToken}, {strings.ToUpper(enforced), expectBlocked}, {exempted, expectToken}} {
			a, err := s.as(person.name).token(ctx, false, lab.FabrikamDomain)
			if err != nil {
				return fmt.Errorf("%s: %w", person.name, err)
			}
			if err := person.expect(a); err != nil {
				return fmt.Errorf("%s: %w", person.name, err)
			}
		}
	}
	return nil
}

// ringThatReports: nothing is restricted, no header leaves, not even one of the client's own, and the record says what
// would have been restricted: by the directory, under whatever name it was asked for.
func ringThatReports(ctx context.Context, s *scene) error {
	one := s.as(reported)
	for _, c := range []struct{ tenant, would string }{
		{lab.FabrikamDomain, "tenant-not-permitted"}, {"contoso.onmicrosoft.com", ""}, {lab.FabrikamTenant, "tenant-not-permitted"},
	} {
		nonce := newID()
		a, err := one.token(ctx, false, c.tenant, "client-request-id", nonce, restrict.HeaderTenants, lab.ContosoDomain, restrict.HeaderPolicy, "x")
		if err != nil {
			return err
		}
		if err := expectToken(a); err != nil {
			return err
		}
		received := one.carrying(nonce)
		if len(received) != 1 {
			return fmt.Errorf("the lab received %d requests for one", len(received))
		}
		for _, name := range []string{restrict.HeaderTenants, restrict.HeaderContext, restrict.HeaderPolicy} {
			if got := received[0].fields(name); len(got) > 0 {
				return fmt.Errorf("%s reached the lab as %q", name, got)
			}
		}
		err = one.awaitRecord(ctx, func(r record) error {
			if !strings.Contains(r.whole, nonce) || !strings.Contains(r.whole, `"kind":"sign-in"`) {
				return errNoRecord
			}
			if !strings.Contains(r.whole, `"would":"`+c.would+`"`) || !strings.Contains(r.whole, `"mode":"report"`) {
				return fmt.Errorf("%s: the record does not say %q: %s", c.tenant, c.would, r.whole)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.tenant, err)
		}
	}
	return nil
}

// ringThatIsOff: the sign-in hosts are tunnelled.
func ringThatIsOff(ctx context.Context, s *scene) error {
	one := s.as(exempted)
	tunnel, err := one.handshake(ctx, signInHost+":443", signInHost)
	if err != nil {
		return err
	}
	defer tunnel.Close()
	if by := one.shownBy(tunnel.ConnectionState(), signInHost); by != "lab" {
		return fmt.Errorf("%s shows the certificate of %s", signInHost, by)
	}
	return nil
}

// shareOfPeople: half of the people are restricted, always the same ones, whatever the case of their names.
func shareOfPeople(ctx context.Context, s *scene) error {
	var first []string
	for round := range 2 {
		var blocked []string
		for i := range shared {
			name := sharer(i)
			if round == 1 {
				name = strings.ToUpper(name)
			}
			a, err := s.as(name).token(ctx, false, lab.FabrikamDomain)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if expectBlocked(a) == nil {
				blocked = append(blocked, sharer(i))
			} else if err := expectToken(a); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if n := len(blocked); n == 0 || n == shared {
			return fmt.Errorf("%d of %d people are restricted, want about half", n, shared)
		}
		if round == 1 && !slices.Equal(first, blocked) {
			return fmt.Errorf("first %v are restricted, then %v", first, blocked)
		}
		first = blocked
	}
	return nil
}

// newID is an id in the form of those by which sign-ins are found again.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
