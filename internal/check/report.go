package check

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/check/plan"
	"sekisho/internal/check/verdict"
)

// SchemaVersion is that of the JSON of a Report. It changes when a field changes its meaning.
const SchemaVersion = 1

// Report is what a run found. Its JSON is the command's.
type Report struct {
	SchemaVersion int                 `json:"schema_version"`
	Started       time.Time           `json:"started"`
	Ended         time.Time           `json:"ended"`
	Catalog       string              `json:"catalog_version"`
	Features      []catalog.FeatureID `json:"features"`
	Path          PathReport          `json:"path"`
	// Stopped says that the run ended before everything was looked at.
	Stopped bool `json:"stopped"`
	// Restrictions says that sign-in hosts were expected to be inspected.
	Restrictions bool      `json:"tenant_restrictions"`
	Counts       Counts    `json:"counts"`
	Required     Counts    `json:"required"` // of Counts
	Findings     []Finding `json:"findings"` // one a cause: failures of required endpoints first
	Results      []Result  `json:"results"`  // one a target, in the order of the plan
}

// PathReport is the way as it is reported.
type PathReport struct {
	Kind     string `json:"kind"`
	Proxy    string `json:"proxy,omitempty"`
	PAC      string `json:"pac,omitempty"`
	Resolver string `json:"resolver,omitempty"` // "proxy" where a proxy resolves
}

// Counts are how many targets ended in each state.
type Counts struct {
	Pass          int `json:"pass"`
	Warn          int `json:"warn"`
	Fail          int `json:"fail"`
	NotTested     int `json:"not_tested"`
	NotApplicable int `json:"not_applicable"`
	// Unplanned are those of NotTested that the plan leaves open: wildcards without a known name, ranges, UDP, ports that
	// do not go by a proxy.
	Unplanned int `json:"unplanned"`
}

func (c *Counts) add(r *Result) {
	switch r.State {
	case verdict.Pass:
		c.Pass++
	case verdict.Warn:
		c.Warn++
	case verdict.Fail:
		c.Fail++
	case verdict.NotApplicable:
		c.NotApplicable++
	default:
		c.NotTested++
		if r.Stage == verdict.Plan && r.ID != "plan.stopped" {
			c.Unplanned++
		}
	}
}

// Result is one target.
type Result struct {
	Target plan.Target   `json:"target"`
	State  verdict.State `json:"state"`
	ID     string        `json:"verdict"` // "" where it passed
	Stage  verdict.Stage `json:"stage"`   // at which it ended, or whose verdict ID is
	Party  verdict.Party `json:"party"`
	Proxy  string        `json:"proxy,omitempty"`
	// Expects is what the catalog says of inspection, as far as it counts here.
	Expects   string         `json:"inspection"`
	Addresses []netip.Addr   `json:"addresses"`
	Millis    int64          `json:"duration_ms"`
	Steps     []verdict.Step `json:"stages"` // every one, in the order of the ladder

	inspection catalog.Inspection
}

// step returns the step of a stage; nil when there is none.
func (r *Result) step(stage verdict.Stage) *verdict.Step {
	i := slices.IndexFunc(r.Steps, func(s verdict.Step) bool { return s.Stage == stage })
	if i < 0 {
		return nil
	}
	return &r.Steps[i]
}

// finish adds the stages that were not come to, and says what the target comes to.
func (r *Result) finish() {
	for _, stage := range verdict.Stages() {
		if r.step(stage) == nil {
			r.Steps = append(r.Steps, verdict.Step{Stage: stage})
		}
	}
	for i := range r.Steps {
		r.Steps[i].Note() // evidence is never null
	}
	if r.Addresses == nil {
		r.Addresses = []netip.Addr{}
	}
	r.Millis = took(r.Steps).Milliseconds()
	if r.Expects == "" {
		r.Expects = catalog.InspectionNotStated.String()
	}
	r.conclude()
}

// conclude finds the cause: the stage that failed, or the suspicion before it; else what was left open; else the first
// warning.
func (r *Result) conclude() {
	pick := func(fits func(*verdict.Step) bool) *verdict.Step {
		for i := range r.Steps {
			if fits(&r.Steps[i]) {
				return &r.Steps[i]
			}
		}
		return nil
	}
	of := func(state verdict.State) *verdict.Step {
		return pick(func(s *verdict.Step) bool { return s.ID != "" && s.State == state })
	}
	cause := of(verdict.Fail)
	if cause != nil {
		if suspect := pick(func(s *verdict.Step) bool {
			k, _ := verdict.Find(s.ID)
			return k.Suspect
		}); suspect != nil {
			suspect.State = verdict.Fail
			cause = suspect
		}
	}
	if cause == nil {
		cause = of(verdict.NotTested)
	}
	if cause == nil {
		cause = of(verdict.Warn)
	}
	if cause == nil {
		cause = of(verdict.NotApplicable)
	}
	if cause == nil {
		r.State, r.ID, r.Party = verdict.Pass, "", verdict.Nobody
		for _, s := range r.Steps {
			if s.State == verdict.Pass {
				r.Stage = s.Stage
			}
		}
		return
	}
	k, _ := verdict.Find(cause.ID)
	r.State, r.ID, r.Stage, r.Party = cause.State, cause.ID, cause.Stage, k.Party
}

// Finding is one cause with everything that it strikes.
type Finding struct {
	ID    string        `json:"verdict"`
	State verdict.State `json:"state"`
	Stage verdict.Stage `json:"stage"`
	Party verdict.Party `json:"party"`
	// Cause is what the targets share: the proxy, the resolver, the issuer; "" where the verdict alone is it.
	Cause string `json:"cause"`
	// Required says that a required endpoint is among them.
	Required bool     `json:"required"`
	Targets  []string `json:"targets"` // host:port, or what cannot be tested, in the order of the plan
	// Evidence is that of the first target.
	Evidence map[string]string `json:"evidence"`
}

func (s *Spec) begin() Report {
	r := Report{
		SchemaVersion: SchemaVersion, Started: s.Now().UTC(), Catalog: s.Catalog.Version(), Features: append([]catalog.FeatureID{}, s.Features...),
		Path: PathReport{Kind: s.Path.Kind, Resolver: s.Resolver}, Restrictions: s.Restrictions, Findings: []Finding{},
	}
	switch s.Path.Kind {
	case ByProxy, Gateway:
		r.Path.Proxy, r.Path.Resolver = s.Path.Proxy.Name, "proxy"
	case ByPAC:
		r.Path.PAC = s.Path.PAC.Name
	}
	return r
}

// sum counts, and joins what has one cause.
func (r *Report) sum() {
	at := map[string]int{}
	for i := range r.Results {
		result := &r.Results[i]
		r.Counts.add(result)
		if result.Target.Required {
			r.Required.add(result)
		}
		if result.ID == "" {
			continue
		}
		step := result.step(result.Stage)
		kind, _ := verdict.Find(result.ID)
		cause := step.Evidence[kind.Cause]
		key := result.ID + "\x00" + result.State.String() + "\x00" + cause
		j, ok := at[key]
		if !ok {
			j = len(r.Findings)
			at[key] = j
			r.Findings = append(r.Findings, Finding{
				ID: result.ID, State: result.State, Stage: result.Stage, Party: result.Party, Cause: cause, Targets: []string{}, Evidence: step.Evidence,
			})
		}
		f := &r.Findings[j]
		f.Required = f.Required || result.Target.Required
		f.Targets = append(f.Targets, result.Name())
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return b.weight() - a.weight() })
}

// weight orders findings: failures, warnings, then what was not tested; required ones first in each.
func (f *Finding) weight() int {
	w := map[verdict.State]int{verdict.Fail: 6, verdict.Warn: 4, verdict.NotTested: 2}[f.State]
	if f.Required {
		w++
	}
	return w
}

// Name is host:port, or what cannot be tested with its ports.
func (r *Result) Name() string {
	t := r.Target
	if t.Host == "" {
		if t.Ports == "" {
			return t.Name
		}
		return t.Name + " " + t.Ports
	}
	return t.Host.String() + ":" + itoa(t.Port)
}

// Outcome is what a run as a whole comes to.
type Outcome string

// The outcomes.
const (
	Passed    Outcome = "passed"    // every required endpoint that could be checked passed
	Failed    Outcome = "failed"    // a required one failed
	Undecided Outcome = "undecided" // none failed, and one could not be decided, or nothing was checked at all
)

// Outcome judges the run. strict takes warnings for failures, endpoints that are not required as well, and anything that was
// not tested for undecided.
func (r *Report) Outcome(strict bool) Outcome {
	tested := r.Counts.Pass + r.Counts.Warn + r.Counts.Fail
	switch {
	case r.Required.Fail > 0, strict && r.Counts.Fail+r.Counts.Warn > 0:
		return Failed
	case tested == 0, r.Stopped, r.Required.NotTested > r.Required.Unplanned, strict && r.Counts.NotTested > 0:
		return Undecided
	}
	return Passed
}

func itoa(port uint16) string { return strconv.Itoa(int(port)) }
