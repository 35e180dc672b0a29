package pac_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/pac"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// around returns n hosts around those of the policy: each kind of name (direct, classified, of the catalog) equally often,
// as it is, below it, glued to it, with it in front, without its first label.
func around(in pac.Input, n int, seed uint64) []endpoint.Host {
	var classes, sets []string
	for _, k := range in.Catalog.Classes() {
		classes = append(classes, k.Pattern.String())
	}
	for _, set := range in.Catalog.Sets() {
		for _, p := range set.Patterns {
			sets = append(sets, p.String())
		}
	}
	kinds := [][]string{directs, classes, sets}
	r := rand.New(rand.NewPCG(seed, 6))
	label := func() string { return string("abcxyz019"[r.IntN(9)]) + []string{"", "-a", "q7"}[r.IntN(3)] }
	var out []endpoint.Host
	for len(out) < n {
		seeds := kinds[r.IntN(len(kinds))]
		text := strings.ReplaceAll(seeds[r.IntN(len(seeds))], "*", label())
		switch r.IntN(6) {
		case 0:
			text = label() + "." + text
		case 1:
			text = label() + text
		case 2:
			text += "." + label() + ".jp"
		case 3:
			_, text, _ = strings.Cut(text, ".")
		}
		if h, err := endpoint.ParseHost(text); err == nil && h != "localhost" {
			out = append(out, h)
		}
	}
	return out
}

// direct is what the policy says of a host.
func direct(in pac.Input, h endpoint.Host) bool {
	for _, p := range in.Program.PACDirect() {
		if p.Match(h) {
			return true
		}
	}
	return false
}

// TestPactesterAgrees runs the file for ten thousand hosts in the engine of pacparser, which is older than ES5.
func TestPactesterAgrees(t *testing.T) {
	t.Parallel()
	pactester, err := exec.LookPath("pactester")
	if err != nil {
		t.Skip("pactester is not installed; Debian's package libpacparser1 turns this test on")
	}
	in := input(t)
	in.Own = nil
	dir := t.TempDir()
	var urls bytes.Buffer
	hosts := around(in, 10000, 7)
	for _, h := range hosts {
		fmt.Fprintf(&urls, "http://%s/\n", h)
	}
	for name, body := range map[string][]byte{"proxy.pac": write(t, in), "urls": urls.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), pactester, "-p", filepath.Join(dir, "proxy.pac"), "-f", filepath.Join(dir, "urls"))
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(hosts) {
		t.Fatalf("%d answers to %d questions", len(lines), len(hosts))
	}
	past := 0
	for i, h := range hosts {
		want := proxy
		if direct(in, h) {
			want = "DIRECT"
			past++
		}
		if lines[i] != "http://"+string(h)+"/ : "+want {
			t.Fatalf("%q, want %s for %s", lines[i], want, h)
		}
	}
	if past < 500 || past > 5000 {
		t.Errorf("%d of %d are direct: the generator is broken", past, len(hosts))
	}
}

// TestChromiumAgrees has the browser fetch from five hundred hosts. A proxy and an origin, at which every name that goes
// DIRECT ends, write down what reached them.
func TestChromiumAgrees(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed; Debian's package chromium turns this test on")
	}
	var mu sync.Mutex
	seen := map[string]map[string]bool{"PROXY": {}, "DIRECT": {}}
	note := func(road, host string) {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		mu.Lock()
		defer mu.Unlock()
		seen[road][host] = true
	}
	through := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("PROXY", r.Host) // of CONNECT too, where the browser knows that a host wants TLS
		w.WriteHeader(http.StatusForbidden)
	}))
	defer through.Close()
	in := input(t)
	in.Own, in.Proxies = nil, []string{strings.TrimPrefix(through.URL, "http://")}
	script := write(t, in)
	hosts := around(in, 500, 8)
	done := make(chan struct{})
	var once sync.Once
	own := "" // set before anybody asks
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != own:
			note("DIRECT", r.Host)
		case r.URL.Path == "/proxy.pac":
			w.Header().Set("Content-Type", pac.MediaType)
			_, _ = w.Write(script)
		case r.URL.Path == "/done":
			once.Do(func() { close(done) })
		case r.URL.Path == "/":
			list, _ := json.Marshal(hosts)
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<script>
(async function () {
  const hosts = %s;
  for (let i = 0; i < hosts.length; i += 20) {
    await Promise.all(hosts.slice(i, i + 20).map(h => fetch("http://" + h + "/", {mode: "no-cors"}).catch(() => 0)));
  }
  await fetch("/done");
})();
</script>`, list)
		}
	}))
	own = origin.Listener.Addr().String()
	origin.Start()
	defer origin.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	home := t.TempDir()
	args := []string{"--headless=new", "--disable-gpu", "--disable-component-update", "--no-first-run", "--disable-background-networking",
		"--user-data-dir=" + home, "--proxy-pac-url=" + origin.URL + "/proxy.pac", "--host-resolver-rules=MAP * " + own + ", EXCLUDE 127.0.0.1"}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // Chromium's own condition for running as root
	}
	command := exec.CommandContext(ctx, chromium, append(args, origin.URL+"/")...)
	command.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = 10 * time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- command.Wait() }()
	select {
	case <-done:
		cancel()
		<-stopped
	case err := <-stopped:
		t.Fatalf("chromium ended: %v\n%s", err, output.String())
	}
	mu.Lock()
	defer mu.Unlock()
	past := 0
	for _, h := range hosts {
		want := "PROXY"
		if direct(in, h) {
			want = "DIRECT"
			past++
		}
		other := map[string]string{"PROXY": "DIRECT", "DIRECT": "PROXY"}[want]
		if !seen[want][string(h)] || seen[other][string(h)] {
			t.Errorf("%s: through the proxy %v, direct %v; want %s", h, seen["PROXY"][string(h)], seen["DIRECT"][string(h)], want)
		}
	}
	if past < 25 {
		t.Errorf("%d of %d are direct", past, len(hosts))
	}
}

// TestGatewayFileAndRowsAgree: what the table of endpoints opens the gateway opens, what it marks for the gateway alone the
// file sends to the gateway, and whatever goes DIRECT is neither.
func TestGatewayFileAndRowsAgree(t *testing.T) {
	t.Parallel()
	in := input(t)
	m := render.NewModel(render.Input{Program: in.Program})
	var index endpoint.Index[*render.Row]
	for i := range m.Rows {
		if r := &m.Rows[i]; !r.Host.IsZero() && r.Direction == catalog.Outbound {
			index.Add(r.Host, r)
		}
	}
	opened, alone := 0, 0
	for _, h := range around(in, 10000, 9) {
		class := in.Catalog.Classify(h).Class
		for _, port := range []uint16{443, 80, 5228} {
			d := in.Program.Decide(policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr("10.1.2.3")}, Authority: endpoint.Authority{Host: h, Port: port}, Plain: port == 80})
			rows := false
			for _, r := range index.Append(nil, h) {
				exempt := class != catalog.Ordinary && r.Class == catalog.Ordinary // a wildcard does not open a host of a class
				switch {
				case !r.Ports.Allows(endpoint.TCP, port) || exempt || len(r.Clients) > 0:
				case r.Road == render.Tunnelled || r.Road == render.Intercepted || r.Road == render.Forwarded:
					rows = true
				}
			}
			if d.Allowed() {
				opened++
			}
			if d.Allowed() && !rows {
				t.Fatalf("%s port %d: the gateway opens it by %s, no row does", h, port, d.Rule.Text)
			}
			if rows && !d.Allowed() && d.Reason != policy.ReasonAlias && d.Reason != policy.ReasonPlain {
				t.Fatalf("%s port %d: a row opens it, the gateway says %s", h, port, d.Reason)
			}
		}
		if class != catalog.Ordinary {
			alone++
			if direct(in, h) || pac.Decides(in, string(h)) == "" {
				t.Fatalf("%s (%v) is not kept for the gateway by the file", h, class)
			}
		}
		if rule := pac.Decides(in, string(h)); direct(in, h) && rule == "" {
			t.Fatalf("%s goes direct by no rule", h)
		}
	}
	if opened < 500 || alone < 500 {
		t.Errorf("%d opened, %d of a class: the generator is broken", opened, alone)
	}
}
