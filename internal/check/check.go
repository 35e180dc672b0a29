// Package check finds out whether the endpoints of the features in use can be reached from here, and whether they are
// handled on the way as the catalog says that they must be.
//
//	report := check.Run(ctx, check.Spec{Catalog: snapshot, Plan: plan.Make(…), Path: check.Path{Kind: check.Direct}, Lookup: …, Dial: …})
//	for _, f := range report.Findings { … } // one cause, one finding, one party to act
//
// Each endpoint is taken up one ladder: plan, PAC, DNS, owner, TCP, proxy, TLS, HTTP. The first rung that fails ends the
// climb; what stands above it is "not tested" and never green. One package below probe/ is one rung and knows nothing of
// the others. What is measured are the functions that the Spec hands in, so that tests check a network of their own. The
// package prints nothing and has no text: ids are those of package verdict.
package check

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/check/plan"
	"sekisho/internal/check/probe/name"
	"sekisho/internal/check/probe/proxy"
	"sekisho/internal/check/probe/reach"
	"sekisho/internal/check/probe/secure"
	"sekisho/internal/check/probe/way"
	"sekisho/internal/check/verdict"
	"sekisho/internal/endpoint"
	"sekisho/internal/route"
)

// Limits of a run. Zero values are the defaults.
type Limits struct {
	Stage      time.Duration // of one stage at one target; 4 s (chosen: three tries of TCP's SYN take 3 s, RFC 6298, section 2)
	Run        time.Duration // of the whole run; 10 min (chosen)
	Concurrent int           // hosts at once; 8 (chosen). One host is never asked twice at once
	SlowName   time.Duration // after which DNS is told as slow; name.DefaultSlow
	SlowHead   time.Duration // after which HTTP is told as slow; answer.DefaultSlow
}

// The defaults of Limits.
const (
	DefaultStage      = 4 * time.Second
	DefaultRun        = 10 * time.Minute
	DefaultConcurrent = 8
	// MaxConcurrent bounds what may be asked for; chosen: a check is no load test.
	MaxConcurrent = 64
)

func (l Limits) filled() Limits {
	if l.Stage == 0 {
		l.Stage = DefaultStage
	}
	if l.Run == 0 {
		l.Run = DefaultRun
	}
	if l.Concurrent == 0 {
		l.Concurrent = DefaultConcurrent
	}
	l.Concurrent = min(l.Concurrent, MaxConcurrent)
	return l
}

// The kinds of a Path.
const (
	Direct  = "direct"
	ByProxy = "proxy"
	ByPAC   = "pac"
	Gateway = "gateway" // the organisation's own checkpoint
)

// Path is by which way the endpoints are reached.
type Path struct {
	Kind string
	// Proxy is that of ByProxy and Gateway.
	Proxy proxy.Server
	// PAC is asked for each endpoint under ByPAC; Server then makes a proxy of what its answer names.
	PAC    *way.Script
	Server func(name string) proxy.Server
}

// Spec is a run. Catalog, Plan, Path, Lookup, Dial and Public are needed.
type Spec struct {
	Catalog  *catalog.Snapshot // as the plan was made from
	Features []catalog.FeatureID
	Plan     plan.Plan
	Path     Path
	// Lookup asks this client's resolver; Resolver names it, as evidence.
	Lookup   name.Lookup
	Resolver string
	Dial     reach.Dial
	Roads    *route.Book // nil: owners are not told
	Roots    *x509.CertPool
	Public   *secure.Public
	// Restrictions says that tenant restrictions are in use here: sign-in hosts must then be inspected.
	Restrictions bool
	Limits       Limits
	Now          func() time.Time // nil: time.Now
	// Progress is told after each target; calls do not overlap. nil: nobody is told.
	Progress func(done, total int)
}

// Run checks everything that is in the plan. When ctx ends, or Limits.Run is over, what was found so far is returned, the
// rest as not tested, and Report.Stopped says so. Nothing that it started runs on.
func Run(ctx context.Context, s Spec) Report {
	s.Limits = s.Limits.filled()
	if s.Now == nil {
		s.Now = time.Now
	}
	report := s.begin()
	bounded, cancel := context.WithTimeout(ctx, s.Limits.Run)
	defer cancel()
	c := &climber{spec: s, forged: s.control(bounded)}
	report.Results = make([]Result, len(s.Plan.Targets))
	var progress sync.Mutex
	done := 0
	jobs := make(chan []int)
	var running sync.WaitGroup
	for range s.Limits.Concurrent {
		running.Go(func() {
			for job := range jobs {
				for _, i := range job {
					report.Results[i] = c.climb(bounded, s.Plan.Targets[i])
					progress.Lock()
					if done++; s.Progress != nil {
						s.Progress(done, len(report.Results))
					}
					progress.Unlock()
				}
			}
		})
	}
	for _, job := range byHost(s.Plan.Targets) {
		jobs <- job
	}
	close(jobs)
	running.Wait()
	report.Stopped = bounded.Err() != nil
	report.Ended = s.Now().UTC()
	shared(report.Results)
	report.sum()
	return report
}

// control asks the resolver for a name that cannot exist: the addresses that it gives are nobody's.
func (s *Spec) control(ctx context.Context) []netip.Addr {
	if s.Path.Kind != Direct && s.Path.Kind != ByPAC {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.Stage)
	defer cancel()
	return name.Control(ctx, s.Lookup, "sekisho-check-"+strings.ToLower(rand.Text()))
}

// byHost groups targets, so that one host is asked by one worker alone.
func byHost(targets []plan.Target) [][]int {
	var jobs [][]int
	at := map[endpoint.Host]int{}
	for i, t := range targets {
		j, ok := at[t.Host]
		if !ok || t.Host == "" {
			at[t.Host] = len(jobs)
			jobs = append(jobs, []int{i})
			continue
		}
		jobs[j] = append(jobs[j], i)
	}
	return jobs
}

// shared makes what was merely untrusted an inspection where one and the same issuer answers for hosts that have nothing to
// do with each other, and the catalog forbids to open them.
func shared(results []Result) {
	domains := map[string]map[string]bool{}
	for _, r := range results {
		if s := r.step(verdict.TLS); s != nil && s.ID == "tls.untrusted" {
			issuer := s.Evidence["issuer"]
			if domains[issuer] == nil {
				domains[issuer] = map[string]bool{}
			}
			domains[issuer][domain(r.Target.Host)] = true
		}
	}
	for i := range results {
		r := &results[i]
		s := r.step(verdict.TLS)
		if s == nil || s.ID != "tls.untrusted" || len(domains[s.Evidence["issuer"]]) < 2 || r.inspection != catalog.InspectionForbidden {
			continue
		}
		s.Judge("tls.inspected", "inspected", "yes", "same_issuer", "yes")
		r.conclude()
	}
}

// domain is the last two labels of h: near enough to tell microsoft.com from apple.com, where a mistake only leaves
// "untrusted".
func domain(h endpoint.Host) string {
	labels := strings.Split(h.String(), ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}
