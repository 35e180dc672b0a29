package lab

import (
	"testing"

	"sekisho/internal/lab/zone"
)

// What was changed through Graph, and the records of the lab's DNS, outlive a restart; so does a token.
func TestGraphOutlivesRestart(t *testing.T) {
	dir := t.TempDir()
	const name = "kept.example"
	w := openWorld(t, Options{Dir: dir})
	g := asService(t, w, "contoso.com")
	g.want(201, "POST", "domains", `{"id":"`+name+`"}`)
	text := g.want(200, "GET", "domains/"+name+"/verificationDnsRecords", "")["value"].([]any)[0].(map[string]any)["text"].(string)
	r, err := zone.Parse(name, zone.TXT, text)
	if err == nil {
		err = w.Zone().Set(t.Context(), r)
	}
	if err == nil {
		err = w.Zone().Use(t.Context(), "127.0.0.1:9") // where nothing answers
	}
	if err != nil {
		t.Fatal(err)
	}
	page := g.want(200, "GET", "users?$top=1", "")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	w = openWorld(t, Options{Dir: dir})
	again := graphClient{t, client(t, w), g.token}
	if got := again.want(200, "GET", "domains/"+name+"/verificationDnsRecords", "")["value"].([]any)[0].(map[string]any)["text"]; got != text {
		t.Errorf("the record to be set changed from %q to %q", text, got)
	}
	again.refused(400, "Request_BadRequest", "POST", "domains/"+name+"/verify", "") // the server is asked still
	if err := w.Zone().Use(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	again.want(200, "POST", "domains/"+name+"/verify", "")
	again.want(201, "POST", "users", `{"accountEnabled":true,"displayName":"Kei","mailNickname":"kei","userPrincipalName":"kei@`+name+`","passwordProfile":{"password":"Lab-kei-1"}}`)
	again.refused(400, "Directory_ExpiredPageToken", "GET", page["@odata.nextLink"].(string), "")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	w = openWorld(t, Options{Dir: dir})
	if me := asPerson(t, w, name, "kei@"+name, "Lab-kei-1", "User.Read").want(200, "GET", "me", ""); me["displayName"] != "Kei" {
		t.Errorf("me %v", me)
	}
}
