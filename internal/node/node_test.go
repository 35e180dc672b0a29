package node_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/audit"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

func TestMain(m *testing.M) {
	if data := os.Getenv("SEKISHO_TEST_NODE"); data != "" {
		childServes(data)
		return
	}
	goleak.VerifyTestMain(m)
}

// free are flags for free ports on loopback.
var free = map[string]string{"gateway-listen": "127.0.0.1:0", "operations-listen": "127.0.0.1:0"}

func noEnvironment(string) string { return "" }

// labConfig is the example of the lab on free ports, with text in place of what it says.
func labConfig(t *testing.T, replace ...string) *config.Config {
	t.Helper()
	text := strings.NewReplacer(replace...).Replace(string(config.Example("lab.yaml")))
	c, found := config.Parse("lab.yaml", []byte(text), config.Overrides(free, noEnvironment)...)
	if found.HasErrors() {
		t.Fatalf("%v", found)
	}
	return c
}

func start(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	if o.Data == "" {
		o.Data = filepath.Join(t.TempDir(), "data")
	}
	n, err := node.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return n
}

// through is a client behind the node's gateway that trusts both roots.
func through(t *testing.T, n *node.Node) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	gatewayRoot, labRoot := n.Roots()
	pool.AppendCertsFromPEM(gatewayRoot)
	pool.AppendCertsFromPEM(labRoot)
	transport := &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: n.Summary().Gateway}),
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		DisableKeepAlives: true,
	}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func fetch(t *testing.T, client *http.Client, target string) (int, string) {
	t.Helper()
	answer, err := client.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

const discovery = "https://login.microsoftonline.com/contoso.com/v2.0/.well-known/openid-configuration"

func TestEverythingOfTheOperationsListenerAnswers(t *testing.T) {
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Version: "test"})
	base := "http://" + n.OperationsAddress()
	for path, want := range map[string]string{
		"/proxy.pac": "FindProxyForURL", "/wpad.dat": "FindProxyForURL", "/ca.pem": "BEGIN CERTIFICATE", "/healthz": "ok",
		"/readyz": `"ready": true`, "/metrics": "sekisho_build_info", "/": "Sekisho", "/?lang=ja": "関所", "/style.css": "body",
		"/api/status": `"policy_hash"`, "/crl/issuing.crl": "", "/crl/root.crl": "",
	} {
		status, body := fetch(t, http.DefaultClient, base+path)
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s is answered %d %.80q", path, status, body)
		}
	}
	for _, path := range []string{"/root.key", "/ca/root.key", "/crl/../root.key", "/crl/root.key", "/api/records"} {
		if status, _ := fetch(t, http.DefaultClient, base+path); status != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, status)
		}
	}
}

func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data})
	found := 0
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		secret := strings.HasSuffix(path, ".key") || strings.Contains(path, "audit.db") || strings.Contains(path, "spool")
		if mode := info.Mode().Perm(); secret && !d.IsDir() {
			found++
			if mode&0o077 != 0 {
				t.Errorf("%s has mode %o", path, mode)
			}
		}
		return nil
	})
	if err != nil || found < 3 {
		t.Errorf("%d secret files: %v", found, err)
	}
	if created := n.Summary().Created; len(created) == 0 {
		t.Error("the first start does not say that it made a signing authority")
	}
}

func TestTheRootStaysTheSameAcrossStarts(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first, err := node.Start(t.Context(), node.Options{Config: labConfig(t), Lab: true, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	before, labBefore := first.Roots()
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data})
	after, labAfter := second.Roots()
	if string(before) != string(after) || string(labBefore) != string(labAfter) {
		t.Error("a root changed")
	}
	if string(after) == string(labAfter) {
		t.Error("the gateway and the lab share a root")
	}
	// The ports differ, so the issuing CA is signed anew with another revocation list's URL; no key is made.
	for _, file := range second.Summary().Created {
		if filepath.Base(file) != "issuing.pem" {
			t.Errorf("the second start says that it made %s", file)
		}
	}
	bundle, err := os.ReadFile(second.Summary().Trust)
	if err != nil || string(bundle) != string(after)+string(labAfter) {
		t.Errorf("the trust bundle is not the two roots: %v", err)
	}
}

func TestAPortInUseLeavesNothingBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, which := range []string{"gateway-listen", "operations-listen"} {
		flags := map[string]string{"gateway-listen": "127.0.0.1:0", "operations-listen": "127.0.0.1:0"}
		flags[which] = taken.Addr().String()
		c, found := config.Lab(config.Overrides(flags, noEnvironment)...)
		if found.HasErrors() {
			t.Fatal(found)
		}
		data := filepath.Join(t.TempDir(), "data")
		_, err := node.Start(t.Context(), node.Options{Config: c, Lab: true, Data: data})
		var problem *finding.Problem
		if !errors.As(err, &problem) || problem.Findings[0].Code != "node.listen" || problem.Findings[0].Args["address"] != taken.Addr().String() {
			t.Errorf("%s: %v", which, err)
		}
		if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the data folder was made", which)
		}
	}
}

func TestAPolicyThatContradictsTheCatalogDoesNotStart(t *testing.T) {
	c := labConfig(t, "rings:", "hosts:\n  - host: manage.microsoft.com\n    handling: inspect\nrings:")
	data := filepath.Join(t.TempDir(), "data")
	_, err := node.Start(t.Context(), node.Options{Config: c, Lab: true, Data: data})
	var problem *finding.Problem
	if !errors.As(err, &problem) || !problem.Findings.HasErrors() || !problem.Findings.Of(finding.Error)[0].Pos.Known() {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the data folder was made")
	}
}

func TestTwoNodesDoNotShareADataFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start(t, node.Options{Config: labConfig(t), Lab: true, Data: data})
	second, err := node.Start(t.Context(), node.Options{Config: labConfig(t), Lab: true, Data: data})
	var problem *finding.Problem
	if !errors.As(err, &problem) {
		t.Errorf("a second node on the same folder: %v", err)
	}
	if second != nil {
		_ = second.Close(t.Context())
	}
}

func TestReloadSwapsTheEdition(t *testing.T) {
	next := labConfig(t)
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Load: func() (*config.Config, finding.List) { return next, nil }})
	client := through(t, n)
	if status, body := fetch(t, client, discovery); status != http.StatusOK {
		t.Fatalf("status %d %s", status, body)
	}
	next = labConfig(t, "features:\n  - entra.sign-in\n", "features:\n")
	before := n.Summary().PolicyHash
	if err := n.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.Summary().PolicyHash == before || n.Status().Edition != 2 {
		t.Errorf("the edition is still %d, policy %s", n.Status().Edition, n.Summary().PolicyHash)
	}
}

func TestAWrongReloadChangesNothingAndSaysSo(t *testing.T) {
	wrong := true
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Load: func() (*config.Config, finding.List) {
		if wrong {
			return nil, finding.List{finding.New("config.unknown-key", finding.Error, finding.Pos{File: "x", Line: 1})}
		}
		return labConfig(t), nil
	}})
	before := n.Status()
	if err := n.Reload(t.Context()); err == nil {
		t.Fatal("a wrong configuration was taken")
	}
	after := n.Status()
	if after.Edition != before.Edition || after.PolicyHash != before.PolicyHash {
		t.Error("the edition changed")
	}
	var detail struct {
		Ready    bool
		Warnings []struct{ Code string }
	}
	_, body := fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+"/readyz")
	if err := json.Unmarshal([]byte(body), &detail); err != nil || !detail.Ready {
		t.Fatalf("%s: %v", body, err)
	}
	said := false
	for _, w := range detail.Warnings {
		said = said || w.Code == "node.reload-rejected"
	}
	if !said {
		t.Errorf("/readyz does not say that the reload was rejected: %s", body)
	}
	wrong = false
	if err := n.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, w := range n.Status().Warnings {
		if w.Code == "node.reload-rejected" {
			t.Error("the warning stays after a good reload")
		}
	}
}

func TestRecordsCanBeReadWhileTheNodeRuns(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data})
	if status, _ := fetch(t, through(t, n), discovery); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	store, err := node.OpenRecords(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	// The record is written after the answer has been sent.
	var rows []audit.Record
	for limit := time.Now().Add(5 * time.Second); len(rows) == 0 && time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if rows, err = store.SignIns(t.Context(), audit.Filter{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(rows) != 1 || rows[0].Tenant != "contoso.com" || rows[0].Ring != "everyone" {
		t.Errorf("%+v %v", rows, err)
	}
	_, err = node.OpenRecords(t.Context(), t.TempDir())
	var problem *finding.Problem
	if !errors.As(err, &problem) || problem.Findings[0].Code != "node.no-records" {
		t.Errorf("a folder without records: %v", err)
	}
}

// Without the lab the gateway asks the real resolver, which has no answer for a name that cannot exist; the client gets
// a readable refusal and no tunnel.
func TestTheRealCloudWithoutANetworkIsAReadableRefusal(t *testing.T) {
	c := labConfig(t, "rings:", "hosts:\n  - host: nowhere.invalid\nrings:")
	n := start(t, node.Options{Config: c})
	if n.LabHeads() != nil || n.Summary().Trust != "" || len(n.Summary().Try) != 0 {
		t.Error("a node without the lab speaks of the lab")
	}
	conn, err := net.Dial("tcp", n.Summary().Gateway)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "CONNECT nowhere.invalid:443 HTTP/1.1\r\nHost: nowhere.invalid:443\r\nAccept: application/json\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 502 ") || !strings.Contains(string(answer), "request_id") {
		t.Errorf("%.400q %v", answer, err)
	}
}

func TestDefaultDataIsThePlatforms(t *testing.T) {
	environment := map[string]string{"HOME": "/home/a", "XDG_DATA_HOME": "", "LocalAppData": `C:\Users\a\AppData\Local`}
	getenv := func(name string) string { return environment[name] }
	dir, err := node.DefaultData(getenv)
	if err != nil || dir == "" || !strings.Contains(strings.ToLower(dir), "sekisho") {
		t.Errorf("%q %v", dir, err)
	}
	environment["SEKISHO_DATA"] = "/srv/sekisho"
	if dir, err := node.DefaultData(getenv); err != nil || dir != "/srv/sekisho" {
		t.Errorf("%q %v", dir, err)
	}
	if _, err := node.DefaultData(noEnvironment); err == nil {
		t.Error("a folder was found without any variable")
	}
}
