// Package way is the stage "pac": what a PAC file answers for one URL, and the ways that the answer names.
//
//	s := way.Script{File: compiled, Name: "http://pac.example.jp/proxy.pac"}
//	step, ways := s.Ask(ctx, "https://login.live.com/", "login.live.com", true)
//
// The whole list of the answer is kept as evidence. A sign-in host that may go DIRECT, at once or when a proxy does not
// answer, goes past the restriction headers: that is a failure even where it can be reached.
package way

import (
	"context"
	"strings"
	"sync"
	"time"

	"sekisho/internal/check/verdict"
	"sekisho/internal/endpoint"
	"sekisho/internal/pac/eval"
)

// Way is one way of an answer.
type Way struct {
	// Proxy is host:port; "" is the direct way.
	Proxy string
	// Kind is what the answer calls it: DIRECT, PROXY, HTTPS, SOCKS.
	Kind string
}

// Usable reports whether a check can go this way: directly, or by a proxy that is spoken to without TLS.
func (w Way) Usable() bool { return w.Kind == "DIRECT" || w.Kind == "PROXY" || w.Kind == "HTTP" }

// Ways reads an answer of FindProxyForURL. Parts that name no proxy are left out.
func Ways(answer string) []Way {
	var out []Way
	for part := range strings.SplitSeq(eval.Normal(answer), ";") {
		kind, at, _ := strings.Cut(strings.TrimSpace(part), " ")
		if kind == "DIRECT" {
			out = append(out, Way{Kind: kind})
			continue
		}
		port := uint16(80)
		if kind == "HTTPS" {
			port = 443
		}
		if a, err := endpoint.ParseAuthority(strings.TrimSpace(at), port); err == nil {
			out = append(out, Way{Kind: kind, Proxy: a.String()})
		}
	}
	return out
}

// Script is a PAC file that many checks ask. Safe for concurrent use; obtain it with File and Name set.
type Script struct {
	File *eval.Script
	Name string // of the file, as evidence

	mu sync.Mutex
}

// Ask asks for url. keep says that host must not go past the proxy that sets restriction headers. The way is the first
// usable one; with ok false the step says why there is none.
func (s *Script) Ask(ctx context.Context, url, host string, keep bool) (step verdict.Step, found Way, ok bool) {
	step = verdict.Step{Stage: verdict.PAC}
	begun := time.Now()
	s.mu.Lock()
	answer, err := s.File.Find(ctx, url, host)
	s.mu.Unlock()
	step.Millis = time.Since(begun).Milliseconds()
	step.Note("pac", s.Name)
	if err != nil {
		step.Judge("pac.failed", "problem", err.Error())
		return step, found, false
	}
	step.Note("answer", answer)
	if keep && eval.GoesDirect(answer) {
		step.Judge("pac.direct-sign-in")
		return step, found, false
	}
	for _, w := range Ways(answer) {
		if w.Usable() {
			step.Note("way", strings.TrimSpace(w.Kind+" "+w.Proxy))
			step.Passed()
			return step, w, true
		}
	}
	step.Judge("pac.no-way")
	return step, found, false
}
