package finding

import "strings"

// Problem is findings as an error: what stopped a step, in a form that can be said in both languages. Whoever prints
// an error looks for a *Problem with errors.As and has package message word it; Error is for logs.
type Problem struct {
	Findings List
	Cause    error // what the system said; may be nil
}

// Fail returns a *Problem of one finding of severity Error. Args are as in New.
func Fail(code string, cause error, args ...string) *Problem {
	return &Problem{Findings: List{New(code, Error, Pos{}, args...)}, Cause: cause}
}

// Error gives the codes and the cause.
func (p *Problem) Error() string {
	var parts []string
	for _, f := range p.Findings {
		text := f.Code
		if f.Pos.Known() {
			text = f.Pos.String() + ": " + text
		}
		parts = append(parts, text)
	}
	if p.Cause != nil {
		parts = append(parts, p.Cause.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }
