package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"sekisho/internal/lab/directory"
)

// The lab's synchronisation channel: POST /lab/synchronization at Graph's host. Entra Connect's own protocol is not published;
// this one is the lab's, and every answer of it says so (AssumedChannel).

// SyncPermission is the application permission that the channel asks for. It exists in the lab alone.
const SyncPermission = "LabSynchronization.ReadWrite.All"

// Limits of the channel; chosen: 20 requests bring 10,000 people, and a directory with them is copied in some tenths of a second.
const (
	maxSyncBody    = 2 << 20
	maxSyncObjects = 500
	maxSyncText    = 64 << 10 // what the largest value of an on-premises attribute has
	maxSyncValues  = 5_000    // proxyAddresses of one object
	maxSyncName    = 256      // displayName, in characters ("user resource type")
	syncBurst      = 20
	syncPerSecond  = 10
)

// synchronisation is the body. Names are those of Graph's user where it has them.
type synchronisation struct {
	// Method is the sign-in that the organisation has: phs or pta.
	Method  string       `json:"method"`
	Objects []syncObject `json:"objects"`
}

type syncObject struct {
	Anchor          string   `json:"sourceAnchor"`
	Deleted         bool     `json:"deleted"`
	Class           string   `json:"objectClass"`
	SignIn          string   `json:"signInName"`
	MailNickname    string   `json:"mailNickname"`
	Mail            string   `json:"mail"`
	ProxyAddresses  []string `json:"proxyAddresses"`
	DisplayName     string   `json:"displayName"`
	AccountEnabled  *bool    `json:"accountEnabled"`
	Locked          bool     `json:"locked"`
	PasswordExpired bool     `json:"passwordExpired"`
	MustChange      bool     `json:"mustChangePassword"`
	AccountExpired  bool     `json:"accountExpired"`
	Verifier        string   `json:"passwordVerifier"`
}

// pace bounds how often each tenant may synchronise. The zero value is ready.
type pace struct {
	mu    sync.Mutex
	level map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// take reports whether tenant may synchronise now, and otherwise after how long.
func (p *pace) take(tenant string, now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.level == nil {
		p.level = map[string]bucket{} // as many as there are tenants
	}
	b, known := p.level[tenant]
	if !known {
		b = bucket{syncBurst, now}
	}
	b.left, b.at = min(syncBurst, b.left+max(0, now.Sub(b.at).Seconds())*syncPerSecond), now
	if ok = b.left >= 1; ok {
		b.left--
	}
	p.level[tenant] = b
	return time.Duration((1 - b.left) / syncPerSecond * float64(time.Second)), ok
}

func (x *exchange) synchronise() *failure {
	x.assume(directory.AssumedChannel)
	switch {
	case len(x.path) != 1 || !strings.EqualFold(x.path[0], "synchronization"):
		return unknownSegment(strings.Join(x.path, "/"))
	case x.r.Method != http.MethodPost:
		return x.notAllowed(http.MethodPost)
	case x.by.account != nil || !slices.Contains(x.by.granted, SyncPermission):
		return denied()
	case x.by.tenant.Kind != directory.Organisation || x.by.tenant.Initial() == "":
		return bad("A tenant without an initial domain is not synchronised into.")
	}
	if f := x.unqueried(); f != nil {
		return f
	}
	if wait, ok := x.s.pace.take(x.by.tenant.ID, x.s.Now()); !ok {
		x.w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
		return &failure{status: http.StatusTooManyRequests, code: "TooManyRequests",
			text: fmt.Sprintf("The lab takes %d synchronisations a second of one tenant.", syncPerSecond)}
	}
	objects, passThrough, f := x.readSynchronisation()
	if f != nil {
		return f
	}
	var results []directory.SyncResult
	if f := x.changed(func(d *directory.Draft) (err error) {
		results, err = d.Synchronise(x.by.tenant.ID, passThrough, objects)
		return err
	}); f != nil {
		return f
	}
	if slices.ContainsFunc(results, func(r directory.SyncResult) bool {
		return slices.ContainsFunc(r.Conflicts, func(c directory.Conflict) bool { return c.Property == "UserPrincipalName" })
	}) {
		x.assume(directory.AssumedQuarantineName)
	}
	x.answer(http.StatusOK, map[string]any{"lab": true, "results": results})
	return nil
}

// readSynchronisation reads the body: one JSON object, nothing in it unknown, nothing behind it.
func (x *exchange) readSynchronisation() (objects []directory.SyncObject, passThrough bool, f *failure) {
	if c := x.r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return nil, false, &failure{status: http.StatusUnsupportedMediaType, code: codeBad, text: "The lab reads request bodies without Content-Encoding alone."}
	}
	if kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, false, bad("A synchronisation is application/json.")
	}
	data, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxSyncBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, false, &failure{status: http.StatusRequestEntityTooLarge, code: codeBad, text: fmt.Sprintf("The request body is longer than %d bytes.", maxSyncBody)}
	}
	if err != nil || !utf8.Valid(data) || !shallow(data) {
		return nil, false, bad("The body is no JSON in UTF-8.")
	}
	if key, twice := repeated(data); twice {
		return nil, false, bad("The property '%s' stands more than once.", clip(key, 80))
	}
	var s synchronisation
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, false, bad("The body cannot be read: %s.", clip(err.Error(), 200))
	}
	switch {
	case s.Method != "phs" && s.Method != "pta":
		return nil, false, invalid("method", "The method is phs or pta.")
	case len(s.Objects) == 0 || len(s.Objects) > maxSyncObjects:
		return nil, false, invalid("objects", "A synchronisation brings 1 to %d objects.", maxSyncObjects)
	}
	seen := map[string]bool{}
	for i, o := range s.Objects {
		path := "objects[" + strconv.Itoa(i) + "]."
		if wrong := o.wrong(); wrong != "" {
			return nil, false, invalid(path+wrong, "Invalid value specified for property '%s'.", path+wrong)
		}
		if seen[o.Anchor] {
			return nil, false, invalid(path+"sourceAnchor", "The sourceAnchor '%s' stands more than once.", clip(o.Anchor, 80))
		}
		seen[o.Anchor] = true
		objects = append(objects, o.object())
	}
	return objects, s.Method == "pta", nil
}

// wrong is the property of o that cannot be so; "" when all can.
func (o syncObject) wrong() string {
	if o.Anchor == "" || len(o.Anchor) > directory.MaxAnchor || !plain(o.Anchor) {
		return "sourceAnchor"
	}
	if o.Deleted {
		return ""
	}
	for _, v := range []struct{ name, text string }{{"signInName", o.SignIn}, {"mailNickname", o.MailNickname}, {"mail", o.Mail}} {
		if len(v.text) > maxSyncText {
			return v.name
		}
	}
	switch {
	case o.Class != "user" && o.Class != "inetOrgPerson":
		return "objectClass"
	case o.AccountEnabled == nil:
		return "accountEnabled"
	case utf8.RuneCountInString(o.DisplayName) > maxSyncName || !plain(o.DisplayName):
		return "displayName"
	case len(o.ProxyAddresses) > maxSyncValues || slices.ContainsFunc(o.ProxyAddresses, func(a string) bool { return len(a) > maxSyncText }):
		return "proxyAddresses"
	case directory.CheckVerifier(o.Verifier) != nil:
		return "passwordVerifier"
	}
	return ""
}

func (o syncObject) object() directory.SyncObject {
	return directory.SyncObject{
		Anchor: o.Anchor, Deleted: o.Deleted, Class: o.Class, SignIn: o.SignIn, MailNickname: o.MailNickname, Mail: o.Mail,
		ProxyAddresses: o.ProxyAddresses, DisplayName: o.DisplayName, AccountEnabled: o.AccountEnabled != nil && *o.AccountEnabled,
		Locked: o.Locked, PasswordExpired: o.PasswordExpired, MustChange: o.MustChange, AccountExpired: o.AccountExpired, Verifier: o.Verifier,
	}
}

// repeated finds a property that an object of valid JSON has twice, letter case aside, because encoding/json would take the last
// one.
func repeated(data []byte) (key string, twice bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		keys map[string]bool // nil: a list
		key  bool            // a property's name comes next
	}
	var stack []level
	for {
		t, err := d.Token()
		if err != nil {
			return "", false
		}
		top := len(stack) - 1
		if delim, ok := t.(json.Delim); ok {
			switch delim {
			case '{':
				stack = append(stack, level{map[string]bool{}, true})
			case '[':
				stack = append(stack, level{})
			default:
				stack = stack[:top]
				if top > 0 && stack[top-1].keys != nil {
					stack[top-1].key = true
				}
			}
			continue
		}
		if top < 0 || stack[top].keys == nil {
			continue
		}
		if !stack[top].key {
			stack[top].key = true
			continue
		}
		name := strings.ToLower(t.(string))
		if stack[top].keys[name] {
			return name, true
		}
		stack[top].keys[name], stack[top].key = true, false
	}
}
