package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"

	"sekisho/internal/finding"
	"sekisho/internal/lab/state"
	"sekisho/internal/lab/zone"
	"sekisho/internal/ops"
)

// LabRecord is one record of the lab's own DNS.
type LabRecord = zone.Record

// LabRecordOrder changes the lab's own DNS: a record is set, or with Server (not nil) another DNS is asked: one on loopback,
// or the lab's own ("").
type LabRecordOrder struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Value  string  `json:"value"`
	Server *string `json:"server"`
}

// LabRecordsAnswer is the answer of a running lab: what its DNS holds now, what was set or cleared, and which server is asked
// in place of it ("": none). Findings tell why an order was refused.
type LabRecordsAnswer struct {
	Records  []LabRecord  `json:"records"`
	Changed  []LabRecord  `json:"changed"`
	Server   string       `json:"server"`
	Findings finding.List `json:"findings"`
}

// recordsByAPI answers /api/lab/dns; nil outside the lab.
func (n *Node) recordsByAPI() http.Handler {
	if n.world == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := LabRecordsAnswer{Findings: finding.List{}}
		changed, err := n.changeRecords(r)
		if err == nil {
			answer.Records, err = n.world.Zone().List(r.Context())
		}
		answer.Records, answer.Changed = append([]LabRecord{}, answer.Records...), append([]LabRecord{}, changed...)
		answer.Server = n.world.Zone().Server()
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

// changeRecords carries out what r asks for and returns what it changed.
func (n *Node) changeRecords(r *http.Request) ([]LabRecord, error) {
	z := n.world.Zone()
	switch r.Method {
	case http.MethodPost:
		var o LabRecordOrder
		d := json.NewDecoder(io.LimitReader(r.Body, faultOrderBytes))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return nil, err
		}
		if o.Server != nil {
			return nil, z.Use(r.Context(), *o.Server)
		}
		record, err := zone.Parse(o.Name, o.Type, o.Value)
		if err == nil {
			err = z.Set(r.Context(), record)
		}
		if err != nil {
			return nil, err
		}
		return []LabRecord{record}, nil
	case http.MethodDelete:
		q := r.URL.Query()
		if q.Has("name") {
			return z.Unset(r.Context(), q.Get("name"), q.Get("type"), q.Get("value"))
		}
		all, err := z.List(r.Context())
		var gone []LabRecord
		for _, record := range all {
			if err == nil {
				_, err = z.Unset(r.Context(), record.Name, record.Type, record.Value)
				gone = append(gone, record)
			}
		}
		return gone, err
	}
	return nil, nil
}

// SetLabRecord sets a record of the DNS of the lab that runs on the data folder. The error is a *finding.Problem.
func SetLabRecord(ctx context.Context, data, name, typ, value string) (LabRecordsAnswer, error) {
	if _, err := zone.Parse(name, typ, value); err != nil { // told even when nothing runs
		return LabRecordsAnswer{}, err
	}
	return askRecords(ctx, data, http.MethodPost, "", LabRecordOrder{Name: name, Type: typ, Value: value})
}

// UseLabServer has the lab that runs on the data folder ask a DNS server on loopback, or its own records when server is "".
func UseLabServer(ctx context.Context, data, server string) (LabRecordsAnswer, error) {
	server, err := zone.ParseServer(server)
	if err != nil {
		return LabRecordsAnswer{}, err
	}
	return askRecords(ctx, data, http.MethodPost, "", LabRecordOrder{Server: &server})
}

// ClearLabRecords clears the records of a name in the lab that runs on the data folder, those of a type and value alone
// where they are given; all of them when name is "".
func ClearLabRecords(ctx context.Context, data, name, typ, value string) (LabRecordsAnswer, error) {
	query := ""
	if name != "" {
		query = "?" + url.Values{"name": {name}, "type": {typ}, "value": {value}}.Encode()
	}
	return askRecords(ctx, data, http.MethodDelete, query, nil)
}

// ListLabRecords lists what the DNS of the lab in the data folder holds, whether the lab runs or not.
func ListLabRecords(ctx context.Context, data string) (LabRecordsAnswer, error) {
	answer, err := askRecords(ctx, data, http.MethodGet, "", nil)
	if problem := (*finding.Problem)(nil); !errors.As(err, &problem) || problem.Findings[0].Code != "node.not-running" {
		return answer, err
	}
	answer = LabRecordsAnswer{Records: []LabRecord{}, Changed: []LabRecord{}, Findings: finding.List{}}
	db, err := state.OpenReader(ctx, filepath.Join(folders(data).lab(), state.File))
	if errors.Is(err, fs.ErrNotExist) {
		return answer, nil // a lab that never ran
	}
	if err != nil {
		return answer, err
	}
	defer db.Close()
	z, err := zone.New(db, "")
	if err == nil {
		err = z.Resume(ctx)
	}
	if err != nil {
		return answer, err
	}
	all, err := z.List(ctx)
	answer.Records, answer.Server = append(answer.Records, all...), z.Server()
	return answer, err
}

func askRecords(ctx context.Context, data, method, query string, question any) (LabRecordsAnswer, error) {
	var answer LabRecordsAnswer
	status, err := ask(ctx, data, method, "/api/lab/dns"+query, question, &answer)
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
