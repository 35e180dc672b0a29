//go:build unix

package clients

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/lab"
)

// graph asks the lab's Graph through the gateway with curl.
func (c *checkpoint) graph(t *testing.T, token, method, path, body string) (status string, answer map[string]any) {
	t.Helper()
	args := []string{"-X", method, "-H", "Authorization: Bearer " + token, "-w", "\n%{http_code}"}
	if body != "" {
		args = append(args, "-H", "Content-Type: application/json", "-d", body)
	}
	r := c.curl(t, append(args, "https://graph.microsoft.com/v1.0/"+path)...)
	at := strings.LastIndexByte(r.out, '\n')
	if at < 0 {
		t.Fatalf("%s %s: %s%s", method, path, r.out, r.err)
	}
	if text := strings.TrimSpace(r.out[:at]); text != "" {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, r.out)
		}
	}
	return r.out[at+1:], answer
}

// signIn asks for a token in tenant through the gateway and returns it, or what was answered.
func (c *checkpoint) signIn(t *testing.T, tenant string, form url.Values) (token, answer string) {
	t.Helper()
	r := c.curl(t, "-d", form.Encode(), "https://login.microsoftonline.com/"+tenant+tokenPath)
	var a struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(r.out), &a); err != nil {
		t.Fatalf("%v: %s%s", err, r.out, r.err)
	}
	return a.Token, r.out
}

// An administrator adds a domain and proves it, by a record in the lab's own DNS or in a real server's, and somebody signs
// in under it: all of it through the gateway, by the program's own commands.
func TestDomainThroughTheGateway(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	c := up(t)
	token, answer := c.signIn(t, lab.ContosoDomain, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {lab.ServiceApplication}, "client_secret": {lab.ServiceSecret},
		"scope": {"https://graph.microsoft.com/.default"},
	})
	if token == "" {
		t.Fatal(answer)
	}
	if status, all := c.graph(t, token, "GET", "users?%24top=3", ""); status != "200" || len(all["value"].([]any)) != 3 || all["@odata.nextLink"] == nil {
		t.Errorf("users: %s %v", status, all)
	}
	// prove adds a domain, has publish say the text of its record, and verifies it.
	prove := func(t *testing.T, domain string, publish func(text string)) {
		t.Helper()
		if status, d := c.graph(t, token, "POST", "domains", `{"id":"`+domain+`"}`); status != "201" || d["isVerified"] != false {
			t.Fatalf("add: %s %v", status, d)
		}
		_, records := c.graph(t, token, "GET", "domains/"+domain+"/verificationDnsRecords", "")
		text, _ := records["value"].([]any)[0].(map[string]any)["text"].(string)
		if status, e := c.graph(t, token, "POST", "domains/"+domain+"/verify", ""); status != "400" || e["error"] == nil {
			t.Errorf("verified without a record: %s %v", status, e)
		}
		publish(text)
		if status, d := c.graph(t, token, "POST", "domains/"+domain+"/verify", ""); status != "200" || d["isVerified"] != true {
			t.Fatalf("verify: %s %v", status, d)
		}
		user := `{"accountEnabled":true,"displayName":"Nao","mailNickname":"nao","userPrincipalName":"nao@` + domain + `","passwordProfile":{"password":"Lab-nao-1"}}`
		if status, u := c.graph(t, token, "POST", "users", user); status != "201" {
			t.Fatalf("create the user: %s %v", status, u)
		}
		if mine, answer := c.signIn(t, "organizations", url.Values{
			"grant_type": {"password"}, "client_id": {lab.PublicApplication}, "username": {"nao@" + domain}, "password": {"Lab-nao-1"}, "scope": {"User.Read"},
		}); mine == "" {
			t.Errorf("sign-in under the new domain: %s", answer)
		}
	}
	t.Run("own-records", func(t *testing.T) {
		prove(t, "own.example", func(text string) {
			if r := c.sekisho(t, "lab", "dns", "set", "own.example", "TXT", text); r.code != 0 || !strings.Contains(r.out, text) {
				t.Errorf("lab dns set: exit code %d\n%s%s", r.code, r.out, r.err)
			}
		})
		if r := c.sekisho(t, "lab", "dns", "clear", "own.example"); r.code != 0 || !strings.Contains(r.out, "own.example") {
			t.Errorf("lab dns clear: exit code %d\n%s%s", r.code, r.out, r.err)
		}
	})
	t.Run("dnsmasq", func(t *testing.T) {
		program := need(t, "dnsmasq-base", "dnsmasq")
		prove(t, "real.example", func(text string) {
			address := dnsmasq(t, program, "txt-record=real.example,"+text)
			if r := c.sekisho(t, "lab", "dns", "server", address); r.code != 0 {
				t.Errorf("lab dns server: exit code %d\n%s%s", r.code, r.out, r.err)
			}
		})
	})
}

// dnsmasq runs the name server on a free port of loopback with one more line in its configuration, until the test ends.
func dnsmasq(t *testing.T, program, line string) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.LocalAddr().(*net.UDPAddr).Port
	l.Close()
	file := filepath.Join(t.TempDir(), "dnsmasq.conf")
	text := fmt.Sprintf("port=%d\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nno-dhcp-interface=lo\nuser=\ngroup=\npid-file=\n%s\n", port, line)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "--keep-in-foreground", "--conf-file="+file)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	await(t, "dnsmasq", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address
}
