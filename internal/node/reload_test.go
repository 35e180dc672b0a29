package node_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// readiness is what the tests look at of /readyz.
type readiness struct {
	Edition  uint64                       `json:"edition"`
	Last     *struct{ By, Result string } `json:"-"`
	Warnings []finding.Finding            `json:"warnings"`
}

// watching is a checkpoint over the lab whose configuration is a file, with what its operations listener says.
type watching struct {
	*node.Node
	t    *testing.T
	data string
}

func watch(t *testing.T, file string) watching {
	t.Helper()
	load := func() (*config.Config, finding.List) {
		return config.Load(file, config.Overrides(free, noEnvironment)...)
	}
	c, found := load()
	if found.HasErrors() {
		t.Fatal(found)
	}
	data := filepath.Join(t.TempDir(), "data")
	return watching{start(t, node.Options{Config: c, ConfigFile: file, Load: load, Lab: true, Data: data, WatchEvery: 20 * time.Millisecond}), t, data}
}

func (w watching) ready() (r readiness) {
	w.t.Helper()
	_, body := fetch(w.t, http.DefaultClient, "http://"+w.OperationsAddress()+"/readyz")
	var also struct {
		Last *struct {
			By     string `json:"by"`
			Result string `json:"result"`
		} `json:"last_reload"`
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(body), &also); err != nil {
		w.t.Fatal(err)
	}
	if also.Last != nil {
		r.Last = &struct{ By, Result string }{also.Last.By, also.Last.Result}
	}
	return r
}

func (r readiness) warned(code string) bool {
	for _, f := range r.Warnings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// comes waits until ok holds.
func (w watching) comes(what string, ok func(readiness) bool) readiness {
	w.t.Helper()
	var r readiness
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if r = w.ready(); ok(r) {
			return r
		}
	}
	w.t.Fatalf("%s does not come: %+v", what, r)
	return r
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAChangedFileIsTakenOver changes the file in place, by renaming as editors do, breaks it, takes it away and mends it.
func TestAChangedFileIsTakenOver(t *testing.T) {
	example := string(config.Example("lab.yaml"))
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	put(t, file, example)
	w := watch(t, file)
	time.Sleep(200 * time.Millisecond)
	if r := w.ready(); r.Edition != 1 || r.Last != nil {
		t.Fatalf("it reloads without a change: %+v", r)
	}
	put(t, file, strings.Replace(example, "mode: enforce", "mode: report", 1))
	w.comes("the second edition", func(r readiness) bool {
		return r.Edition == 2 && r.Last != nil && r.Last.By == "file" && r.Last.Result == "done"
	})

	put(t, file+"~", strings.Replace(example, "mode: enforce", "mode: strict", 1))
	if err := os.Rename(file+"~", file); err != nil {
		t.Fatal(err)
	}
	r := w.comes("the rejection", func(r readiness) bool { return r.warned("node.reload-rejected") && r.warned("config.not-one-of") })
	if r.Edition != 2 || r.Last.Result != "rejected" {
		t.Errorf("%+v", r)
	}
	if _, metrics := fetch(t, http.DefaultClient, "http://"+w.OperationsAddress()+"/metrics"); !strings.Contains(metrics, "sekisho_configuration_rejected 1") ||
		!strings.Contains(metrics, `sekisho_reloads_total{result="rejected"} 1`) || !strings.Contains(metrics, "sekisho_edition 2") {
		t.Error("the metrics do not say that it was rejected")
	}
	if _, page := fetch(t, http.DefaultClient, "http://"+w.OperationsAddress()+"/?lang=en"); !strings.Contains(page, "node.reload-rejected") {
		t.Error("the status page does not say that it was rejected")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.comes("the missing file", func(r readiness) bool { return r.Edition == 2 && r.warned("config.file-missing") })
	put(t, file, example)
	w.comes("the mended file", func(r readiness) bool { return r.Edition == 3 && !r.warned("node.reload-rejected") })
}

// TestALinkTurnedToAnotherFolderIsTakenOver is how Kubernetes changes a ConfigMap: files are links through a link "..data".
func TestALinkTurnedToAnotherFolderIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]string{"one": "enforce", "two": "report"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name, "sekisho.yaml"), strings.Replace(string(config.Example("lab.yaml")), "mode: enforce", "mode: "+mode, 1))
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip("this account may not make links:", err)
		}
	}
	link("one", "..data")
	link(filepath.Join("..data", "sekisho.yaml"), "sekisho.yaml")
	w := watch(t, filepath.Join(dir, "sekisho.yaml"))
	link("two", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	w.comes("the other folder", func(r readiness) bool { return r.Edition == 2 })
	if rings := w.Summary().Rings; rings[0].Mode != "report" {
		t.Errorf("%+v", rings)
	}
}

// TestAPasswordFileIsReadAgain: a file that the configuration names counts like the configuration itself, also when it is
// wrong, and also when it is named only by a configuration that cannot be used yet.
func TestAPasswordFileIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	file, users, later := filepath.Join(dir, "sekisho.yaml"), filepath.Join(dir, "users"), filepath.Join(dir, "later")
	line := func(name string) string {
		hash, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return name + ":" + string(hash) + "\n"
	}
	named := func(passwords string) string {
		return strings.Replace(string(config.Example("lab.yaml")), "rings:\n", "authentication:\n  passwords: "+passwords+"\nrings:\n", 1)
	}
	put(t, users, line("alice"))
	put(t, file, named("users"))
	w := watch(t, file)
	put(t, users, line("alice")+line("bob"))
	w.comes("the new password file", func(r readiness) bool { return r.Edition == 2 })
	put(t, users, "alice:secret\n")
	w.comes("the wrong password file", func(r readiness) bool { return r.Edition == 2 && r.warned("node.reload-rejected") })
	put(t, users, line("alice"))
	w.comes("the mended password file", func(r readiness) bool { return r.Edition == 3 && !r.warned("node.reload-rejected") })

	put(t, file, named("later"))
	w.comes("the missing password file", func(r readiness) bool { return r.Edition == 3 && r.warned("caller.unreadable") })
	put(t, later, line("carol"))
	w.comes("the password file that came later", func(r readiness) bool { return r.Edition == 4 && !r.warned("caller.unreadable") })
}

// TestReloadByAPI asks as "sekisho reload" does, and as nobody may.
func TestReloadByAPI(t *testing.T) {
	example := string(config.Example("lab.yaml"))
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	put(t, file, example)
	w := watch(t, file)
	control := filepath.Join(w.data, "control.json")
	if info, err := os.Stat(control); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	answer, err := node.AskReload(t.Context(), w.data)
	if err != nil || !answer.Reloaded || answer.Edition != 2 || answer.Policy == "" {
		t.Fatalf("%+v %v", answer, err)
	}
	put(t, file, strings.Replace(example, "mode: enforce", "mode: strict", 1))
	answer, err = node.AskReload(t.Context(), w.data)
	if err != nil || answer.Reloaded || answer.Edition != 2 || !answer.Findings.HasErrors() || answer.Findings[0].Pos.Line == 0 {
		t.Fatalf("%+v %v", answer, err)
	}
	for name, ask := range map[string]struct {
		method, token string
		want          int
	}{
		"without a token": {http.MethodPost, "", 401},
		"a wrong token":   {http.MethodPost, "Bearer x", 401},
		"another scheme":  {http.MethodPost, "Basic eDp4", 401},
		"GET":             {http.MethodGet, "", 405},
		"DELETE":          {http.MethodDelete, "", 405},
	} {
		request, err := http.NewRequest(ask.method, "http://"+w.OperationsAddress()+"/api/reload", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ask.token != "" {
			request.Header.Set("Authorization", ask.token)
		}
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != ask.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, ask.want)
		}
	}
	if _, err := node.AskReload(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "node.not-running") {
		t.Errorf("a folder on which nothing runs: %v", err)
	}
}

func TestTheControlFileGoesWithTheNode(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	n, err := node.Start(t.Context(), node.Options{Config: labConfig(t), Lab: true, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, "control.json")); err == nil || !os.IsNotExist(err) {
		t.Errorf("%v, want %v", err, fs.ErrNotExist)
	}
}
