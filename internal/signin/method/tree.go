package method

import (
	"slices"

	"sekisho/internal/signin"
	"sekisho/internal/signin/page"
)

// Question is one question of the decision. Its text is method.question.<id>.
type Question struct {
	ID      string   `json:"id"`
	Answers []string `json:"answers"` // the codes that --answer takes, the way of less equipment first
	Source  page.ID  `json:"source"`
}

// The answers to most questions.
const (
	Yes = "yes"
	No  = "no"
)

// Questions are all questions, in the order in which the longest way asks them. The page that has them (Choose) shows their
// order as a picture; this order is that of the list below it, with what exists already in front.
func Questions() []Question {
	yesNo := []string{Yes, No}
	return []Question{
		{"existing-system", yesNo, page.SignIn},
		{"cloud-only", yesNo, page.Choose},
		{"unsupported-feature", yesNo, page.Choose},
		{"federation-system", []string{"adfs", "ping", "other"}, page.SignIn},
		{"every-sign-in", yesNo, page.Choose},
		{"hash-allowed", yesNo, page.SignIn},
		{"backup", yesNo, page.Choose},
		{"seamless", yesNo, page.Choose},
	}
}

// Leaf is what a way through the tree ends in.
type Leaf struct {
	Method signin.Method `json:"method"`
	// Backup says that password hash synchronisation is on beside another method; Seamless that seamless single sign-on is.
	Backup   bool `json:"backup"`
	Seamless bool `json:"seamless"`
}

// node asks one question. Each answer leads to another node or to a leaf.
type node struct {
	question string
	to       map[string]string // answer: id of a node
	leaf     map[string]Leaf   // answer: leaf
}

// root is the node that every way begins at.
const root = "existing-system"

// tree is the decision. A question that several nodes ask is answered once for all of them.
func tree() map[string]node {
	ends := func(question string, l Leaf, with func(*Leaf)) node {
		other := l
		with(&other)
		return node{question: question, leaf: map[string]Leaf{Yes: other, No: l}}
	}
	seamless := func(l *Leaf) { l.Seamless = true }
	backup := func(l *Leaf) { l.Backup = true }
	return map[string]node{
		root:                  {question: root, to: map[string]string{No: "cloud-only"}, leaf: map[string]Leaf{Yes: {Method: signin.NoMethod}}},
		"cloud-only":          {question: "cloud-only", to: map[string]string{Yes: "seamless-phs", No: "unsupported-feature"}},
		"unsupported-feature": {question: "unsupported-feature", to: map[string]string{Yes: "federation-system", No: "every-sign-in"}},
		"federation-system":   {question: "federation-system", to: map[string]string{"adfs": "backup-adfs", "ping": "backup-ping"}, leaf: map[string]Leaf{"other": {Method: signin.NoMethod}}},
		"every-sign-in":       {question: "every-sign-in", to: map[string]string{Yes: "backup-pta", No: "hash-allowed"}},
		"hash-allowed":        {question: "hash-allowed", to: map[string]string{Yes: "seamless-phs", No: "seamless-pta"}},
		"backup-pta":          {question: "backup", to: map[string]string{Yes: "seamless-pta-backup", No: "seamless-pta"}},
		"backup-adfs":         ends("backup", Leaf{Method: signin.ADFS}, backup),
		"backup-ping":         ends("backup", Leaf{Method: signin.Ping}, backup),
		"seamless-phs":        ends("seamless", Leaf{Method: signin.PasswordHash}, seamless),
		"seamless-pta":        ends("seamless", Leaf{Method: signin.PassThrough}, seamless),
		"seamless-pta-backup": ends("seamless", Leaf{Method: signin.PassThrough, Backup: true}, seamless),
	}
}

// Step is one answered question on the way. The reason that the answer gives is the text method.because.<question>.<answer>.
type Step struct {
	Question string  `json:"question"`
	Answer   string  `json:"answer"`
	Reason   string  `json:"reason_id"`
	Source   page.ID `json:"source"`
}

// Decision is where the answers lead.
type Decision struct {
	Decided bool   `json:"decided"`
	Leaf    Leaf   `json:"leaf"`            // of a decision alone
	Needs   string `json:"needs,omitempty"` // the question without an answer; "" when decided
	Path    []Step `json:"path"`
	// Unused are questions that were answered and that the way did not come to, in the order of Questions.
	Unused []string `json:"unused,omitempty"`
}

// Decide goes the way of the answers, question: answer. An answer that the question does not have counts as none; see Valid.
func Decide(answers map[string]string) Decision {
	d := Decision{Path: []Step{}}
	source := map[string]page.ID{}
	for _, q := range Questions() {
		source[q.ID] = q.Source
	}
	nodes, used := tree(), map[string]bool{}
	for at := root; at != ""; {
		n := nodes[at]
		answer, next := answers[n.question], ""
		leaf, ends := n.leaf[answer]
		if next = n.to[answer]; next == "" && !ends {
			d.Needs = n.question
			break
		}
		used[n.question] = true
		d.Path = append(d.Path, Step{n.question, answer, "method.because." + n.question + "." + answer, source[n.question]})
		if ends {
			d.Decided, d.Leaf = true, leaf
		}
		at = next
	}
	for _, q := range Questions() {
		if answers[q.ID] != "" && !used[q.ID] {
			d.Unused = append(d.Unused, q.ID)
		}
	}
	return d
}

// Valid reports whether there is such a question, and whether it has that answer.
func Valid(question, answer string) (known, fits bool) {
	i := slices.IndexFunc(Questions(), func(q Question) bool { return q.ID == question })
	if i < 0 {
		return false, false
	}
	return true, slices.Contains(Questions()[i].Answers, answer)
}
