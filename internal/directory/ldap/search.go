package ldap

import (
	"context"
	"errors"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
)

// answer is what came besides objects.
type answer struct {
	controls  []goldap.Control
	referrals []string
}

// search sends one request and hands each object to take as it comes.
func (c *controller) search(ctx context.Context, request *goldap.SearchRequest, take func(*goldap.Entry) error) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var out answer
	in := c.lib.SearchAsync(ctx, request, 16)
	for in.Next() {
		if e := in.Entry(); e != nil {
			if err := take(e); err != nil {
				return out, err
			}
		}
		if to := in.Referral(); to != "" && len(out.referrals) < maxReferrals {
			out.referrals = append(out.referrals, to)
		}
		out.controls = append(out.controls, in.Controls()...)
	}
	err := in.Err()
	// The library ends a search without an error also when its connection is gone or when it could not read an answer.
	switch {
	case err == nil && ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && c.lib.GetLastError() != nil:
		err = c.lib.GetLastError()
		if c.wire.problem() == nil {
			return out, finding.Fail("ldap.garbage", err, "why", "other", "server", c.server.String())
		}
	case err == nil && c.lib.IsClosing():
		err = goldap.NewError(goldap.ErrorNetwork, errors.New("connection closed"))
	}
	if err != nil {
		return out, c.trouble(err, request.BaseDN)
	}
	return out, nil
}

// trouble words what a request ended with. base is what was asked for, "" if that does not matter.
func (c *controller) trouble(err error, base string) error {
	server := c.server.String()
	if p := c.wire.problem(); p != nil {
		return named(c.server, p)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var said *goldap.Error
	if !errors.As(err, &said) {
		if strings.Contains(err.Error(), "unable to read LDAP response packet") || strings.Contains(err.Error(), "unable to send request") {
			return finding.Fail("ldap.lost", nil, "server", server)
		}
		return finding.Fail("ldap.garbage", err, "why", "other", "server", server)
	}
	text := "-"
	if said.Err != nil {
		text = shown(said.Err.Error())
	}
	switch said.ResultCode {
	case goldap.ErrorNetwork:
		if strings.Contains(text, "timed out") {
			return finding.Fail("ldap.slow", nil, "server", server, "time", c.options.limits.request.String())
		}
		return finding.Fail("ldap.lost", nil, "server", server)
	case goldap.LDAPResultReferral:
		return finding.Fail("ldap.referral", nil, "server", server, "base", base)
	case goldap.LDAPResultNoSuchObject, goldap.LDAPResultInvalidDNSyntax:
		return finding.Fail("ldap.no-base", nil, "server", server, "base", base)
	case goldap.LDAPResultInsufficientAccessRights:
		return finding.Fail("ldap.denied", nil, "server", server, "base", base, "said", text)
	case goldap.LDAPResultTimeLimitExceeded, goldap.LDAPResultSizeLimitExceeded, goldap.LDAPResultAdminLimitExceeded:
		return finding.Fail("ldap.limit", nil, "server", server, "base", base, "said", text)
	case goldap.LDAPResultBusy, goldap.LDAPResultUnavailable:
		return finding.Fail("ldap.busy", nil, "server", server, "said", text)
	}
	if said.ResultCode >= goldap.ErrorNetwork && said.ResultCode < goldap.LDAPResultSyncRefreshRequired { // the library's own
		return finding.Fail("ldap.garbage", err, "why", "other", "server", server)
	}
	return finding.Fail("ldap.result", nil, "server", server, "code", itoa(int(said.ResultCode)), "said", text)
}

// filter finds what is planned: the one of docs/signin.md without computers, which are users to LDAP, and with the
// organisational units that have UPN suffixes of their own.
const filter = "(|(&(objectClass=user)(!(objectClass=computer)))(objectClass=group)(objectClass=contact)(uPNSuffixes=*))"

// readPart reads all objects of a part, page by page (RFC 2696).
func (r *reading) readPart(p part) error {
	request := goldap.NewSearchRequest(p.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, int(r.limits.request.Seconds()), false,
		filter, directory.Attributes(r.Directory), nil)
	seen := map[string]bool{}
	return r.pages(p, request, func(e *goldap.Entry) (bool, error) {
		// An object that is renamed meanwhile can come twice, and which name counts is not ours to choose: the first one.
		key := string(e.GetRawAttributeValue("objectGUID"))
		if key == "" {
			key = e.DN
		}
		if seen[key] {
			return false, nil
		}
		seen[key] = true
		return true, r.builder.Add(object(e))
	})
}

// pages sends request until the last page. take says whether the object is a new one: a server that goes on without any
// is left.
func (r *reading) pages(p part, request *goldap.SearchRequest, take func(*goldap.Entry) (bool, error)) error {
	paging := goldap.NewControlPaging(r.limits.page)
	request.Controls = []goldap.Control{paging}
	var referrals []string
	for idle := 0; ; {
		objects, fresh := 0, 0
		got, err := p.of.search(r.ctx, request, func(e *goldap.Entry) error {
			// RFC 2696 forbids more than a page; ten are patience enough.
			if objects++; objects > 10*int(r.limits.page) {
				return finding.Fail("ldap.endless-page", nil, "server", p.of.server.String(), "max", itoa(int(r.limits.page)))
			}
			isNew, err := take(e)
			if isNew {
				fresh++
			}
			return err
		})
		if err != nil {
			return err
		}
		if referrals = append(referrals, got.referrals...); len(referrals) > maxReferrals {
			referrals = referrals[:maxReferrals]
		}
		next, ok := goldap.FindControl(got.controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok {
			return finding.Fail("ldap.no-pages", nil, "server", p.of.server.String())
		}
		if len(next.Cookie) == 0 {
			r.tellReferrals(p, referrals)
			return nil
		}
		if idle++; fresh > 0 {
			idle = 0
		}
		if idle >= idlePages {
			return finding.Fail("ldap.repeats", nil, "server", p.of.server.String(), "count", itoa(idlePages))
		}
		paging.SetCookie(next.Cookie)
	}
}

// tellReferrals says what lies on other servers. Below a domain these are its child domains and application partitions,
// of which the latter hold no people.
func (r *reading) tellReferrals(p part, referrals []string) {
	var told []string
	for _, to := range referrals {
		if lower := strings.ToLower(to); !strings.Contains(lower, "/cn=configuration,") && !strings.Contains(lower, "/dc=domaindnszones,") && !strings.Contains(lower, "/dc=forestdnszones,") {
			told = append(told, to)
		}
	}
	if len(told) > 0 {
		r.notice(finding.Warning, "referrals", "server", p.of.server.String(), "to", shown(strings.Join(told, " ")))
	}
}

// object is an entry as package directory takes it.
func object(e *goldap.Entry) directory.Object {
	o := directory.Object{DN: e.DN, Attributes: make([]directory.Attribute, 0, len(e.Attributes))}
	for _, a := range e.Attributes {
		o.Attributes = append(o.Attributes, directory.Attribute{Name: a.Name, Values: a.ByteValues})
	}
	return o
}

// named puts the server into an error of what came from it.
func named(s Server, err error) error {
	var problem *finding.Problem
	if errors.As(err, &problem) {
		for _, f := range problem.Findings {
			if _, ok := f.Args["server"]; ok {
				f.Args["server"] = s.String()
			}
		}
	}
	return err
}
