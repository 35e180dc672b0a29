package prove

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"sekisho/internal/signin"
)

// half has everybody sign in and judges, as the plan of now says.
func (r *rehearsal) half(ctx context.Context, half string) error {
	present, err := r.list(ctx)
	if err != nil {
		return err
	}
	names := map[string]int{} // of everybody, folded: how many have it
	for _, u := range present {
		names[fold(u.Name)]++
	}
	sent := map[string]int{} // of contested names: how many of those who want it were brought
	for i := range r.chosen {
		if p := &r.chosen[i]; p.unsent == "" && !p.refused {
			sent[fold(r.plan.Outcome(p.row).Name)]++
		}
	}
	wanted := map[string]int{}
	for i := range r.plan.Rows {
		if o := r.plan.Outcome(i); o.Contested {
			wanted[fold(o.Name)]++
		}
	}
	rows := make([]Rehearsed, len(r.chosen))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	var mu sync.Mutex
	done := 0
	next := make(chan int)
	for range workers {
		running.Go(func() {
			for i := range next {
				p := &r.chosen[i]
				u, there := present[p.anchor]
				name := fold(r.plan.Outcome(p.row).Name)
				row, err := r.judge(ctx, p, u, there, names, sent[name] == wanted[name])
				if err != nil {
					cancel(err)
					continue
				}
				row.Half = half
				rows[i] = row
				mu.Lock()
				if done++; done%50 == 0 || done == len(r.chosen) {
					r.watch("sign-in", done, len(r.chosen))
				}
				mu.Unlock()
			}
		})
	}
	for i := range r.chosen {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	running.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range rows {
		if u, there := present[r.chosen[i].anchor]; there {
			if half == "verified" && fold(r.chosen[i].before) != fold(u.Name) {
				rows[i].Before = r.chosen[i].before
			}
			r.chosen[i].before = u.Name
		}
	}
	r.rows = append(r.rows, rows...)
	return nil
}

// placeholder is the local part of a name that stands in for one that somebody else has, as Microsoft's page on duplicate
// attributes shows it: with a plus sign, and in one place without.
var placeholder = regexp.MustCompile(`^(.*?)\+?[0-9]{4}$`)

// standsIn reports whether have is a placeholder for want in the initial domain.
func standsIn(have, want, initial string) bool {
	local, domain, _ := strings.Cut(have, "@")
	prefix, _, _ := strings.Cut(want, "@")
	m := placeholder.FindStringSubmatch(local)
	return m != nil && domain == initial && m[1] != "" && strings.HasPrefix(prefix, m[1])
}

// judge has p sign in and compares. u is p as the tenant lists it, names how often each name is there, whole whether all who want
// the name of p were brought.
func (r *rehearsal) judge(ctx context.Context, p *person, u listed, there bool, names map[string]int, whole bool) (Rehearsed, error) {
	plan, o := &r.plan.Rows[p.row], r.plan.Outcome(p.row)
	row := Rehearsed{
		Account: accountName(plan), File: plan.Pos.File, Line: plan.Pos.Line, Kinds: kindsOf(r.plan, p.row), Value: plan.Value, Verdict: Agrees,
		Expected: Answer{Name: o.Name, Nickname: plan.Cloud.Nickname, Result: "token", Contested: o.Contested},
		Observed: Answer{Name: u.Name, Nickname: u.Nickname},
	}
	end := func(verdict, reason string) (Rehearsed, error) {
		row.Verdict, row.Reason = verdict, reason
		return row, nil
	}
	switch {
	case o.Refused && o.Code > 0:
		row.Expected.Result = "AADSTS" + strconv.Itoa(o.Code)
	case o.Refused:
		row.Expected.Result = "refused"
	}
	if p.refused {
		row.Observed.Result = "refused"
	}
	switch {
	case p.unsent != "":
		return end(Open, p.unsent)
	case o.Open != signin.Settled:
		return end(Open, string(o.Open))
	case o.Name == "" && !there:
		return row, nil
	case !there:
		return end(Differs, "not-brought")
	case o.Name == "":
		return end(Differs, "brought")
	case !same(plan.Cloud.Nickname, u.Nickname):
		return end(Differs, "nickname")
	}
	kept := fold(u.Name) == fold(o.Name)
	switch {
	case !kept && !(o.Contested && standsIn(fold(u.Name), fold(o.Name), r.plan.Tenant.Initial())):
		return end(Differs, "name")
	case names[fold(u.Name)] != 1:
		return end(Differs, "name-twice")
	case o.Contested && whole && names[fold(o.Name)] != 1:
		return end(Differs, "nobody-has-it")
	}
	tokenName, result, err := r.signIn(ctx, u.Name, p.password)
	if err != nil {
		return row, err
	}
	row.Observed.Result = result
	switch {
	case result != row.Expected.Result && (row.Expected.Result != "refused" || result == "token"):
		return end(Differs, "sign-in")
	case result == "token" && fold(tokenName) != fold(u.Name):
		row.Observed.Name = tokenName
		return end(Differs, "token-name")
	}
	// What people cannot sign in with any more: the name on premises where it is another one, and the name of before.
	for _, old := range []string{plan.Value, p.before} {
		if old == "" || len(old) > 1024 || fold(old) == fold(u.Name) {
			continue
		}
		if _, result, err = r.signIn(ctx, old, p.password); err != nil {
			return row, err
		}
		if result == "token" {
			return end(Differs, "old-name")
		}
	}
	return row, nil
}

// accountName is how an object is named: a table may come without distinguished names.
func accountName(r *signin.Row) string {
	for _, name := range []string{r.DN, r.UPN, r.SAM, r.Mail} {
		if name != "" {
			return name
		}
	}
	return ""
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// same compares texts of which one went through JSON, where bytes that are no UTF-8 are lost.
func same(a, b string) bool {
	plain := func(s string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(s, ""), string(utf8.RuneError), "")
	}
	return plain(a) == plain(b)
}
