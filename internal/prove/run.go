package prove

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/lab/fault"
	"sekisho/internal/node"
)

// Options are what a proof is run with. The zero value proves this binary.
type Options struct {
	Version string
	// Watch is called after each promise; nil: not called.
	Watch func(Result)
	// Config bends the example configuration and Steps the gateway's steps. They are for tests, which break one thing
	// and expect to see its promise broken; nil in production.
	Config func(*config.Config)
	Steps  func(*gateway.Steps)

	rollout func(*config.Config) // bends the configuration of the roll-out
	scene   func(*scene)         // bends what stands around the gateway; tests of this package
	stopped func(folder string)  // called while the second checkpoint, which has folder, does not run; tests of this package
	only    []string             // ids; empty: all
}

// Run starts a checkpoint with the lab on free ports and a data folder of its own, drives every promise, and takes
// everything down again. The results are in the order of IDs; an error means that the checkpoint did not start.
func Run(ctx context.Context, o Options) ([]Result, error) {
	data, err := os.MkdirTemp("", "sekisho-prove-")
	if err != nil {
		return nil, finding.Fail("prove.no-folder", err)
	}
	defer os.RemoveAll(data)

	free := map[string]string{"gateway-listen": "127.0.0.1:0", "operations-listen": "127.0.0.1:0"}
	settings, problems := config.Lab(config.Overrides(free, func(string) string { return "" })...)
	if problems.HasErrors() {
		return nil, &finding.Problem{Findings: problems}
	}
	if o.Config != nil {
		o.Config(settings)
	}
	var certified *service
	if len(o.only) == 0 || slices.Contains(o.only, "certificate-clients") { // a key takes long to make
		if certified, err = enrol(data); err != nil {
			return nil, err
		}
	}
	n, err := node.Start(ctx, node.Options{Config: settings, Data: data, Lab: true, Version: o.Version, Steps: o.Steps})
	if err != nil {
		return nil, err
	}
	s, err := stage(n, settings)
	var second *node.Node
	if err == nil {
		second, err = s.rollOut(ctx, data, o)
	}
	var results []Result
	if err == nil {
		s.rotate = func() error {
			_, err := node.RotateLabKeys(data)
			return err
		}
		s.publish = func(name, text string) error {
			_, err := node.SetLabRecord(ctx, data, name, "TXT", text)
			return err
		}
		s.service = certified
		s.restart = func(ctx context.Context) error {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
			defer cancel()
			ends := second
			second = nil
			if err := ends.Close(closing); err != nil {
				return err
			}
			if o.stopped != nil {
				o.stopped(rolloutFolder(data))
			}
			second, err = s.rollOut(ctx, data, o)
			return err
		}
		if o.scene != nil {
			o.scene(s)
		}
		results = drive(ctx, s, o.only, o.Watch)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	if second != nil {
		err = errors.Join(err, second.Close(closing))
	}
	return results, errors.Join(err, n.Close(closing))
}

// closeLimit is how long a checkpoint may take to stop; chosen.
const closeLimit = 10 * time.Second

// rolloutFolder is the data folder of the second checkpoint.
func rolloutFolder(data string) string { return filepath.Join(data, "rollout") }

// rollOut starts the second checkpoint, in a folder of its own below data.
func (s *scene) rollOut(ctx context.Context, data string, o Options) (*node.Node, error) {
	settings, err := rollout(data)
	if err != nil {
		return nil, err
	}
	if o.rollout != nil {
		o.rollout(settings)
	}
	n, err := node.Start(ctx, node.Options{Config: settings, Data: rolloutFolder(data), Lab: true, Version: o.Version, Steps: o.Steps})
	if err != nil {
		return nil, err
	}
	s.rollout, err = stage(n, settings)
	return n, err
}

// stage looks at a running node from outside.
func stage(n *node.Node, settings *config.Config) (*scene, error) {
	gatewayRoot, labRoot := n.Roots()
	s := &scene{
		proxy:      n.Summary().Gateway,
		operations: "http://" + n.OperationsAddress(),
		fetch:      &http.Transport{DisableKeepAlives: true},
		gateway:    x509.NewCertPool(), lab: x509.NewCertPool(), both: x509.NewCertPool(),
	}
	// The expectation is written from the configuration, not asked of the code that is on trial.
	var tenants []string
	for _, t := range settings.Profiles[0].PermittedTenants {
		tenants = append(tenants, t.V)
	}
	s.tenants, s.context = strings.Join(tenants, ","), settings.Profiles[0].Context.V
	for _, ok := range []bool{
		s.gateway.AppendCertsFromPEM(gatewayRoot), s.lab.AppendCertsFromPEM(labRoot),
		s.both.AppendCertsFromPEM(gatewayRoot), s.both.AppendCertsFromPEM(labRoot),
	} {
		if !ok {
			return nil, errors.New("a root certificate cannot be read")
		}
	}
	s.faulty = func(name, host string, settings ...string) error {
		f, err := fault.New(name, host, settings...)
		if err != nil {
			return err
		}
		return n.LabFaults().Set(f)
	}
	s.sound = func(name string) error {
		_, err := n.LabFaults().Clear(name, "")
		return err
	}
	s.heads = func() []head {
		var out []head
		for _, h := range n.LabHeads() {
			out = append(out, head{sni: h.SNI, raw: string(h.Raw)})
		}
		return out
	}
	s.records = func(ctx context.Context) ([]record, error) {
		rows, err := n.Records(ctx, audit.Filter{Limit: 1000})
		if err != nil {
			return nil, err
		}
		out := make([]record, len(rows))
		for i, r := range rows {
			whole, err := json.Marshal(r)
			if err != nil {
				return nil, err
			}
			out[i] = record{host: r.Host, sni: r.SNI, authority: r.Authority, verdict: r.Verdict, reason: r.Reason, client: r.Client, whole: string(whole)}
		}
		return out, nil
	}
	return s, nil
}
