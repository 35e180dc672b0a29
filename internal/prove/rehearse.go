package prove

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/config"
	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/signin"
)

// Limits of a rehearsal; chosen.
const (
	// MaxRehearsed is how many people are brought into the lab at most: each signs in up to three times, some milliseconds each.
	MaxRehearsed = 10_000
	// MaxSample is the largest sample of each kind.
	MaxSample = 1_000
	// rehearsalLimit bounds all of it: several times what MaxRehearsed people take on two cores.
	rehearsalLimit = 30 * time.Minute
	// workers sign in at the same time.
	workers = 4
)

// RehearsalOptions are what a rehearsal is run with. Directory and Tenant are required.
type RehearsalOptions struct {
	Directory *directory.Directory
	Tenant    *signin.Tenant
	Plan      signin.Options // the method must be signin.PasswordHash or signin.PassThrough: the lab federates nothing
	// Sample is how many people of each kind are rehearsed (see Rehearsed.Kinds), 1 to MaxSample; 0: 3. All rehearses everybody, up
	// to MaxRehearsed.
	Sample int
	All    bool
	// Verify are domains, in normal form, that are then verified in the lab; nil: none.
	Verify  []string
	Version string
	// Watch is called now and then, by one goroutine at a time: what is being done, and how much of it; nil: not called. stage is
	// start, bring, sign-in or verify.
	Watch func(stage string, done, total int)

	// For tests of this package: bend breaks the plan, and look sees the checkpoint before it ends.
	bend func(*signin.Plan)
	look func(*node.Node)
}

// Rehearsal is what came of it.
type Rehearsal struct {
	Method   string      `json:"method"`
	Initial  string      `json:"initial"`
	Verified []string    `json:"verified"` // in the second half; empty: there was none
	People   int         `json:"people"`   // of the plan, synchronised
	Taken    int         `json:"rehearsed"`
	Agree    int         `json:"agree"` // rows
	Differ   int         `json:"differ"`
	Open     int         `json:"open"` // what no page settles, and what the lab does not do
	Rows     []Rehearsed `json:"accounts"`
}

// Rehearsed is one person in one half: before, or after domains were verified.
type Rehearsed struct {
	Account  string   `json:"account"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Half     string   `json:"half"`  // present, verified
	Kinds    []string `json:"kinds"` // what the person stands for: reason:…, nickname-from:…, state:…, rule:…
	Value    string   `json:"value"` // on premises
	Expected Answer   `json:"expected"`
	Observed Answer   `json:"observed"`
	Verdict  string   `json:"verdict"` // agrees, differs, open
	// Reason says what differs or why it is open, by a stable code with a text "prove.rehearsal.<code>"; "" when it agrees.
	Reason string `json:"reason,omitempty"`
	Before string `json:"before,omitempty"` // the name in the first half, where it was another one
}

// Answer is a name and what a sign-in with it gives.
type Answer struct {
	Name     string `json:"name"` // "": none
	Nickname string `json:"mail_nickname"`
	// Result is token, an AADSTS code, refused (by any code, or of the synchronisation), or "" when nobody tried.
	Result string `json:"result"`
	// Contested is of what is expected: one of several gets Name, the rest a placeholder.
	Contested bool `json:"contested,omitempty"`
}

// The verdicts.
const (
	Agrees  = "agrees"
	Differs = "differs"
	Open    = "open"
)

// Rehearse starts a checkpoint with a lab of its own in a temporary folder, brings people of the directory into a tenant with the
// given domains over the lab's synchronisation channel, has each sign in through the gateway, and holds what happened against
// the plan. With Verify it verifies domains in the lab through Graph and its DNS and does the same again. Passwords are made for
// the rehearsal; none of the directory's is known. Everything is taken down at the end, also when ctx ends.
func Rehearse(ctx context.Context, o RehearsalOptions) (*Rehearsal, error) {
	if o.Plan.Method != signin.PasswordHash && o.Plan.Method != signin.PassThrough {
		return nil, errors.New("rehearse: the lab signs people in by phs or pta alone")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, rehearsalLimit, finding.Fail("prove.rehearsal-limit", nil, "minutes", strconv.Itoa(int(rehearsalLimit.Minutes()))))
	defer cancel()
	r := &rehearsal{options: o, tenant: newGUID(), service: newGUID(), desktop: newGUID(), secret: rand.Text()}
	r.watch("start", 0, 1)
	if r.choose(); len(r.chosen) == 0 {
		return nil, finding.Fail("prove.rehearsal-nobody", nil)
	}
	data, err := os.MkdirTemp("", "sekisho-rehearse-")
	if err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	defer os.RemoveAll(data)
	settings, err := r.furnish(data)
	if err != nil {
		return nil, err
	}
	if r.node, err = node.Start(ctx, node.Options{Config: settings, Data: data, Lab: true, Version: o.Version}); err != nil {
		if ctx.Err() != nil { // which is not the fault of what was being opened
			err = context.Cause(ctx)
		}
		return nil, err
	}
	err = r.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if o.look != nil {
		o.look(r.node)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if r.client.Client != nil {
		r.client.CloseIdleConnections()
	}
	if err = errors.Join(err, r.node.Close(closing)); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// rehearsal is one that runs.
type rehearsal struct {
	options                  RehearsalOptions
	plan                     *signin.Plan // of the half that runs
	tenant, service, desktop string       // ids
	secret                   string       // of the service
	node                     *node.Node
	client                   browser
	token                    string // of the service
	chosen                   []person
	rows                     []Rehearsed
}

func (r *rehearsal) watch(stage string, done, total int) {
	if r.options.Watch != nil {
		r.options.Watch(stage, done, total)
	}
}

// run is the rehearsal once the checkpoint stands.
func (r *rehearsal) run(ctx context.Context) (err error) {
	r.watch("start", 1, 1)
	if r.client, err = newBrowser(r.node); err != nil {
		return err
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	if err := r.bring(ctx, false); err != nil {
		return err
	}
	if err := r.half(ctx, "present"); err != nil {
		return err
	}
	if len(r.options.Verify) == 0 {
		return nil
	}
	tenant, err := r.verify(ctx)
	if err != nil {
		return err
	}
	r.makePlan(tenant)
	if err := r.bring(ctx, true); err != nil {
		return err
	}
	return r.half(ctx, "verified")
}

func (r *rehearsal) makePlan(t *signin.Tenant) {
	r.plan = signin.Make(r.options.Directory, t, r.options.Plan)
	if r.options.bend != nil {
		r.options.bend(r.plan)
	}
}

// furnish writes a lab.yaml with the tenant below data and returns a configuration that lets people sign in there.
func (r *rehearsal) furnish(data string) (*config.Config, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\ntenants:\n  - id: %s\n    name: Rehearsal\n    domains:\n", r.tenant)
	for _, d := range r.options.Tenant.Domains() {
		fmt.Fprintf(&b, "      - {name: %q, verified: %t, initial: %t, default: %t}\n", d.Name, d.Verified, d.Initial, d.Default)
	}
	fmt.Fprintf(&b, "applications:\n  - {id: %[1]s, name: Rehearsal Desktop, public: true, home: %[2]s, redirects: [http://localhost], principals: [{tenant: %[2]s}]}\n", r.desktop, r.tenant)
	fmt.Fprintf(&b, "  - {id: %[1]s, name: Rehearsal Service, home: %[2]s, secret: %[3]q, principals: [{tenant: %[2]s}], permissions: [%[4]s, Domain.ReadWrite.All, User.Read.All]}\n",
		r.service, r.tenant, r.secret, syncPermission)
	file := node.LabDirectoryPath(data)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	text := "version: 1\norganisation:\n  name: Rehearsal\nfeatures: [entra.sign-in]\nprofiles:\n  - {name: rehearsal, version: v1, permitted-tenants: [" + r.tenant + "], context: " + r.tenant +
		", consumer-accounts: block}\nrings:\n  - {name: everyone, mode: enforce, profile: rehearsal}\n"
	free := map[string]string{"gateway-listen": "127.0.0.1:0", "operations-listen": "127.0.0.1:0"}
	settings, problems := config.Parse("rehearsal.yaml", []byte(text), config.Overrides(free, func(string) string { return "" })...)
	if problems.HasErrors() {
		return nil, &finding.Problem{Findings: problems}
	}
	return settings, nil
}

// result counts.
func (r *rehearsal) result() *Rehearsal {
	out := &Rehearsal{
		Method: r.options.Plan.Method.String(), Initial: r.options.Tenant.Initial(), Verified: append([]string{}, r.options.Verify...),
		People: r.plan.Count().People, Taken: len(r.chosen), Rows: append([]Rehearsed{}, r.rows...),
	}
	for _, row := range out.Rows {
		switch row.Verdict {
		case Agrees:
			out.Agree++
		case Differs:
			out.Differ++
		default:
			out.Open++
		}
	}
	return out
}

// newGUID makes a random GUID (RFC 9562, version 4).
func newGUID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
