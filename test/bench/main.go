//go:build linux

// Command bench measures what a piece of work costs Sekisho and its peers, side by side in one run: processor time of the
// whole process, memory and descriptors of connections that wait, and the time that a client waits longer.
//
//	make bench-peers                     # everything, some minutes
//	go run ./test/bench -quick           # while tuning, under a minute
//	go run ./test/bench -quick -peers sekisho,reverseproxy -rows h1,h2 -before /tmp/sekisho.old
//
// How to read the table stands in docs/performance.md. The harness gives itself a network namespace, in which the
// sign-in hosts have addresses of the cloud and its own origin answers there; so the program under test is the real one
// with a real configuration, and no switch that a user could find. Origin, client and each proxy are processes of their
// own; only the proxy's processor time counts.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"sekisho/test/peer"
	"sekisho/test/world"
)

// options are the flags. They reach the process inside the namespace as JSON.
type options struct {
	Quick  bool
	Tiny   bool // the suite's mode: a handful of operations, to see that everything still runs
	Output string
	Rounds int
	Limit  time.Duration
	Peers  string
	Rows   string
	Dir    string // of this run
	Sekisho, Before,
	Plain, Goproxy string // programs
	Profile string   // folder for profiles of Sekisho, "" for none
	Missing []string // peers that are not here, with the reason
}

func main() {
	var err error
	if len(os.Args) > 2 && os.Args[1] == "inside" {
		var o options
		if err = json.Unmarshal([]byte(os.Args[2]), &o); err == nil {
			err = inside(&o)
		}
	} else if len(os.Args) > 2 && os.Args[1] == "origin" {
		err = serveOrigin(os.Args[2])
	} else if len(os.Args) > 1 && os.Args[1] == "client" {
		err = serveClient(os.Stdin, os.Stdout)
	} else {
		err = outside()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		var status *exec.ExitError
		if errors.As(err, &status) {
			os.Exit(status.ExitCode())
		}
		os.Exit(1)
	}
}

// outside builds the programs, while there is a network to load modules from, and starts the run in a namespace.
func outside() error {
	var o options
	flag.BoolVar(&o.Quick, "quick", false, "few operations and two rounds: well under a minute")
	flag.BoolVar(&o.Tiny, "tiny", false, "only see that everything runs")
	flag.StringVar(&o.Output, "o", "table", "output: table or json")
	flag.IntVar(&o.Rounds, "rounds", 0, "rounds; 0: 5, or 2 with -quick")
	flag.DurationVar(&o.Limit, "limit", 8*time.Minute, "time for all rows, after which each does two rounds; 0: none")
	flag.StringVar(&o.Peers, "peers", "", "which proxies, by commas; empty: all")
	flag.StringVar(&o.Rows, "rows", "", "which rows, by commas; empty: all ("+strings.Join(rowIDs(), ",")+")")
	flag.StringVar(&o.Sekisho, "sekisho", "", "program to measure; empty: built from this tree")
	flag.StringVar(&o.Before, "before", "", "another build of Sekisho, measured beside it in a column of its own")
	flag.StringVar(&o.Profile, "profile", "", "folder for profiles of Sekisho, ROW.cpu and ROW.mem; what it costs to take them is in the figures")
	flag.Parse()
	if o.Output != "table" && o.Output != "json" {
		return fmt.Errorf("-o %q: write table or json", o.Output)
	}
	for _, id := range splitList(o.Rows) {
		if !contains(rowIDs(), id) {
			return fmt.Errorf("-rows %q: write some of %s", id, strings.Join(rowIDs(), ","))
		}
	}
	if contains(splitList(o.Rows), idleTunnel+"-fds") && !contains(splitList(o.Rows), idleTunnel) {
		o.Rows += "," + idleTunnel
	}
	for _, name := range splitList(o.Peers) {
		if !contains(peerNames, name) {
			return fmt.Errorf("-peers %q: write some of %s", name, strings.Join(peerNames, ","))
		}
	}
	if o.Rounds == 0 {
		o.Rounds = 5
		if o.Quick {
			o.Rounds = 2
		}
		if o.Tiny {
			o.Rounds = 1
		}
	}
	var err error
	if o.Dir, err = os.MkdirTemp("", "sekisho-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	if err := os.Chmod(o.Dir, 0o755); err != nil { // Squid reads its files as a user of its own
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if o.Profile != "" {
		if o.Sekisho != "" {
			return errors.New("-profile builds the program that it measures: leave -sekisho out")
		}
		if err := os.MkdirAll(o.Profile, 0o755); err != nil {
			return err
		}
	}
	for _, p := range []*string{&o.Sekisho, &o.Before, &o.Profile} {
		if *p != "" {
			if *p, err = filepath.Abs(*p); err != nil {
				return err
			}
		}
	}
	if o.Sekisho == "" {
		o.Sekisho = filepath.Join(o.Dir, "sekisho")
		if o.Profile != "" {
			err = buildProfiled(root, o.Dir, o.Sekisho)
		} else {
			err = peer.Build(root, o.Sekisho, "./cmd/sekisho")
		}
		if err != nil {
			return err
		}
	}
	o.Plain = filepath.Join(o.Dir, "plain")
	if err := peer.Build(root, o.Plain, "./test/peer/plain"); err != nil {
		return err
	}
	goproxy := filepath.Join(o.Dir, "goproxy")
	if err := peer.Build(filepath.Join(root, "test", "peer", "goproxy"), goproxy, "."); err != nil {
		o.Missing = append(o.Missing, "goproxy: "+err.Error())
	} else {
		o.Goproxy = goproxy
	}

	// Ctrl-C reaches the process inside too; this one stays to clear up.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(&o)
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "inside", string(text))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	if err := world.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// moduleRoot is the folder of the product's go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sekisho").Output()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w; run inside it", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}
