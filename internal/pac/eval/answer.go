package eval

import (
	"context"
	"strings"

	"sekisho/internal/catalog"
)

// Normal is an answer of FindProxyForURL as browsers understand it: parts without blanks around them, kinds in upper case,
// empty parts left out; DIRECT when nothing is left. Two answers that are equal in this form mean the same.
func Normal(answer string) string {
	var parts []string
	for part := range strings.SplitSeq(answer, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		words[0] = strings.ToUpper(words[0])
		if words[0] == "HTTP" { // another word for the same
			words[0] = "PROXY"
		}
		parts = append(parts, strings.Join(words, " "))
	}
	if len(parts) == 0 {
		return "DIRECT"
	}
	return strings.Join(parts, "; ")
}

// Question is one URL with the host that browsers hand on beside it.
type Question struct{ URL, Host string }

// Asked is what two scripts answer to one question.
type Asked struct {
	Question
	A, B   string // in normal form; "" where there is an error
	ErrorA error
	ErrorB error
}

// Differs reports whether the two answers mean different things. Two that fail do not differ.
func (a Asked) Differs() bool { return a.A != a.B || (a.ErrorA == nil) != (a.ErrorB == nil) }

// Compare asks two scripts the same questions, in order, and returns those that they answer differently. It stops with
// ctx.Err(), and with the error of a script that answers nothing more (ErrDeadline, ErrMemory).
func Compare(ctx context.Context, a, b *Script, questions []Question) ([]Asked, error) {
	var out []Asked
	for _, q := range questions {
		x := Asked{Question: q}
		ask := func(s *Script) (string, error) {
			answer, err := s.Find(ctx, q.URL, q.Host)
			if err != nil {
				return "", err
			}
			return Normal(answer), nil
		}
		x.A, x.ErrorA = ask(a)
		x.B, x.ErrorB = ask(b)
		for _, s := range []*Script{a, b} {
			if s.dead != nil {
				return out, s.dead
			}
		}
		if x.Differs() {
			out = append(out, x)
		}
	}
	return out, ctx.Err()
}

// CatalogQuestions are a question for each host pattern that snap names, each once and in the catalog's order: the host
// itself, or of a wildcard one host that it covers; the classified hosts first.
func CatalogQuestions(snap *catalog.Snapshot) []Question {
	var out []Question
	seen := map[string]bool{}
	add := func(pattern string) {
		host := strings.ReplaceAll(pattern, "*", "sekisho-example")
		if !seen[host] {
			seen[host] = true
			out = append(out, Question{"https://" + host + "/", host})
		}
	}
	for _, k := range snap.Classes() {
		add(k.Pattern.String())
	}
	for _, set := range snap.Sets() {
		for _, p := range set.Patterns {
			add(p.String())
		}
		for _, u := range set.URLs {
			add(u.Host.String())
		}
	}
	return out
}
