package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lab"
	"sekisho/internal/lab/fault"
	"sekisho/internal/ops"
)

// What can go wrong in the lab, as the command line speaks of it.
type (
	LabFault     = fault.Fault
	LabFaultKind = fault.Kind
)

// LabFaultEverywhere is the host pattern of a fault that strikes all hosts.
const LabFaultEverywhere = fault.Everywhere

// LabFaultKinds is the table of everything that can be made to go wrong in the lab.
func LabFaultKinds() []LabFaultKind { return fault.Kinds() }

// LabFaultOrder asks for a fault. The zero values of Host, For and Count mean all hosts, until it is cleared, and without
// limit.
type LabFaultOrder struct {
	Name     string        `json:"name"`
	Host     string        `json:"host"`
	Settings []string      `json:"settings"` // argument=value
	For      time.Duration `json:"for_ns"`
	Count    int           `json:"count"`
	Keep     bool          `json:"keep"`
}

// LabFaultsAnswer is the answer of a running lab: what is set now, what was set or cleared by the order, and where the
// stand-in for an organisation's proxy listens. Findings tell why an order was refused.
type LabFaultsAnswer struct {
	Faults   []LabFault   `json:"faults"`
	Changed  []LabFault   `json:"changed"`
	Proxy    string       `json:"proxy"`
	Findings finding.List `json:"findings"`
}

// LabFaults returns what is made to go wrong in the lab; nil outside the lab.
func (n *Node) LabFaults() *fault.Book {
	if n.world == nil {
		return nil
	}
	return n.world.Faults()
}

// LabProxyURL is where the lab's stand-in for an organisation's proxy listens; "" outside the lab.
func (n *Node) LabProxyURL() string {
	if n.world == nil {
		return ""
	}
	return n.world.ProxyURL()
}

// make makes the fault that o asks for. The error is a *finding.Problem.
func (o LabFaultOrder) make(now time.Time) (LabFault, error) {
	f, err := fault.New(o.Name, o.Host, o.Settings...)
	if err == nil {
		f, err = f.For(now, o.For)
	}
	if err == nil {
		f, err = f.Times(o.Count)
	}
	f.Keep = o.Keep
	return f, err
}

// faultOrderBytes bounds an order.
const faultOrderBytes = 64 << 10

// faultsByAPI answers /api/lab/faults; nil outside the lab.
func (n *Node) faultsByAPI() http.Handler {
	if n.world == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		changed, err := n.changeFaults(r)
		answer := LabFaultsAnswer{Faults: n.world.Faults().List(), Changed: changed, Proxy: n.world.ProxyURL(), Findings: finding.List{}}
		if answer.Changed == nil {
			answer.Changed = []LabFault{}
		}
		status := http.StatusOK
		if problem := (*finding.Problem)(nil); errors.As(err, &problem) {
			status, answer.Findings = http.StatusUnprocessableEntity, problem.Findings
		} else if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ops.Answer(w, status, answer)
	})
}

// changeFaults carries out what r asks for and returns what it changed.
func (n *Node) changeFaults(r *http.Request) ([]LabFault, error) {
	book := n.world.Faults()
	switch r.Method {
	case http.MethodPost:
		var o LabFaultOrder
		d := json.NewDecoder(io.LimitReader(r.Body, faultOrderBytes))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return nil, err
		}
		f, err := o.make(n.options.Now())
		if err == nil {
			err = book.Set(f)
		}
		if err != nil {
			return nil, err
		}
		return []LabFault{f}, nil
	case http.MethodDelete:
		q := r.URL.Query()
		if !q.Has("name") {
			return book.ClearAll(), nil
		}
		return book.Clear(q.Get("name"), q.Get("host"))
	}
	return nil, nil
}

// SetLabFault sets a fault in the lab that runs on the data folder, from now on. The error is a *finding.Problem.
func SetLabFault(ctx context.Context, data string, o LabFaultOrder) (LabFaultsAnswer, error) {
	if _, err := o.make(time.Now()); err != nil { // told even when nothing runs
		return LabFaultsAnswer{}, err
	}
	return askFaults(ctx, data, http.MethodPost, "", o)
}

// ClearLabFaults clears the faults of a name in the lab that runs on the data folder, those of the given hosts alone
// unless host is ""; all of them when name is "".
func ClearLabFaults(ctx context.Context, data, name, host string) (LabFaultsAnswer, error) {
	query := ""
	if name != "" {
		query = "?" + url.Values{"name": {name}, "host": {host}}.Encode()
	}
	return askFaults(ctx, data, http.MethodDelete, query, nil)
}

// ListLabFaults lists the faults of the lab in the data folder. While none runs there, they are those that it will set
// again when it starts, and Proxy is "".
func ListLabFaults(ctx context.Context, data string) (LabFaultsAnswer, error) {
	answer, err := askFaults(ctx, data, http.MethodGet, "", nil)
	if problem := (*finding.Problem)(nil); errors.As(err, &problem) && problem.Findings[0].Code == "node.not-running" {
		var s LabStatus
		if s, err = lab.ReadStatus(ctx, folders(data).lab()); err == nil {
			answer = LabFaultsAnswer{Faults: s.Faults, Changed: []LabFault{}, Findings: finding.List{}}
		}
	}
	return answer, err
}

func askFaults(ctx context.Context, data, method, query string, question any) (LabFaultsAnswer, error) {
	var answer LabFaultsAnswer
	status, err := ask(ctx, data, method, "/api/lab/faults"+query, question, &answer)
	switch {
	case err != nil:
		return answer, err
	case status == http.StatusNotFound:
		return answer, finding.Fail("node.no-lab", nil, "folder", data)
	case status != http.StatusOK:
		return answer, &finding.Problem{Findings: answer.Findings}
	}
	return answer, nil
}
