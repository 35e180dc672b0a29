package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/ops"
)

const (
	// controlLimit is how long a reload may take for whoever asks for it (chosen: compiling takes some hundred
	// milliseconds, a reload before it as long).
	controlLimit = 60 * time.Second
	// controlBytes bounds an answer and the control file (chosen: a thousand findings).
	controlBytes = 1 << 20
)

// control is how a command finds the checkpoint that runs on a data folder. Who can read the file, which only its owner
// can, may tell the checkpoint to read its configuration again.
type control struct {
	URL   string `json:"url"`   // of the operations listener, as this machine reaches it
	Token string `json:"token"` // to be shown as a bearer token; new at each start
	PID   int    `json:"pid"`
}

// writeControl makes the control file of this process; it is removed when the node closes.
func (n *Node) writeControl() (token string, err error) {
	c := control{URL: "http://" + reachable(n.operationsAt), Token: rand.Text(), PID: os.Getpid()}
	body, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	file, temporary := n.folders.control(), n.folders.control()+".new"
	_ = os.Remove(temporary) // of a process that was killed; a link there must not be followed
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", finding.Fail("node.unwritable", err, "file", file)
	}
	_, err = f.Write(append(body, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temporary, file)
	}
	if err != nil {
		return "", finding.Fail("node.unwritable", err, "file", file)
	}
	n.onClose("control file", func(context.Context) error {
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return c.Token, nil
}

// reachable is how this machine reaches its own listener: one that listens everywhere is reached over loopback.
func reachable(address string) string {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().IsUnspecified() {
		return address
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if a.Addr().Is6() {
		loopback = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(loopback, a.Port()).String()
}

// AskReload tells the checkpoint that runs on the data folder to read its configuration again, and returns what came of
// it. A rejected configuration is an answer, no error. The error is a *finding.Problem when nothing runs there.
func AskReload(ctx context.Context, data string) (ops.ReloadAnswer, error) {
	var answer ops.ReloadAnswer
	_, err := ask(ctx, data, http.MethodPost, "/api/reload", nil, &answer)
	return answer, err
}

// ask sends one request to the checkpoint that runs on the data folder and reads the answer into answer. status is 200,
// 422 or 404; any other is an error. question is sent as JSON unless it is nil. The error is a *finding.Problem.
func ask(ctx context.Context, data, method, path string, question, answer any) (status int, err error) {
	file := folders(data).control()
	body, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, finding.Fail("node.not-running", nil, "folder", data)
	case err != nil:
		return 0, finding.Fail("node.control-unreadable", err, "file", file)
	}
	var c control
	if err := json.Unmarshal(body, &c); err != nil || c.URL == "" {
		return 0, finding.Fail("node.control-unreadable", err, "file", file)
	}
	var sent io.Reader
	if question != nil {
		text, err := json.Marshal(question)
		if err != nil {
			return 0, err
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, controlLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, sent)
	if err != nil {
		return 0, finding.Fail("node.control-unreadable", err, "file", file)
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	// Without a proxy, whatever the environment says: the checkpoint is on this machine.
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, finding.Fail("node.not-running", err, "folder", data)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, controlBytes))
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusNotFound:
		return resp.StatusCode, nil
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnprocessableEntity:
		err = json.Unmarshal(body, answer)
	default:
		err = errors.New(resp.Status)
	}
	if err != nil {
		return resp.StatusCode, finding.Fail("node.control-refused", err, "url", c.URL)
	}
	return resp.StatusCode, nil
}
