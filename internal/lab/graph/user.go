package graph

import (
	"net/http"
	"strings"
	"unicode"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/odata"
)

// userRow is an account as the tenant lists it.
type userRow = *directory.User

// userView declares user (Microsoft, "user resource type"). What the lab's directory does not have is null or empty.
func userView(key []byte) *view[userRow] {
	show := func(u userRow) map[string]any {
		kind, creation, external := "Member", any(nil), any(nil)
		issuer, assigned := u.Tenant.Initial(), u.PrincipalName()
		if u.Guest() {
			kind, creation, external = "Guest", "Invitation", "Accepted"
		}
		out := map[string]any{
			"id": u.ID, "displayName": textOrNull(u.Name), "userPrincipalName": u.PrincipalName(), "mail": textOrNull(u.Mail),
			"businessPhones": []string{}, "givenName": nil, "jobTitle": nil, "mobilePhone": nil, "officeLocation": nil,
			"preferredLanguage": nil, "surname": nil,
			"accountEnabled": !u.Disabled, "userType": kind, "creationType": creation, "externalUserState": external,
			"mailNickname": nickname(u), "onPremisesImmutableId": nil, "onPremisesSyncEnabled": nil, "usageLocation": nil,
			"onPremisesUserPrincipalName": nil, "onPremisesProvisioningErrors": []any{}, "proxyAddresses": []string{},
			"identities": []map[string]string{{"signInType": "userPrincipalName", "issuer": issuer, "issuerAssignedId": assigned}},
		}
		if s := u.Synced; s != nil {
			out["onPremisesImmutableId"], out["onPremisesSyncEnabled"], out["onPremisesUserPrincipalName"] = s.Anchor, true, textOrNull(s.SignIn)
			out["proxyAddresses"] = append([]string{}, s.Addresses...)
			troubles := []any{}
			for _, c := range s.Conflicts {
				troubles = append(troubles, map[string]any{"category": "PropertyConflict", "propertyCausingError": c.Property, "value": c.Value})
			}
			out["onPremisesProvisioningErrors"] = troubles
		}
		return out
	}
	w := &view[userRow]{show: show, kind: "#microsoft.graph.user", advanced: true, standard: []string{
		"businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName",
	}}
	const texts = odata.Equal | odata.NotEqual | odata.In | odata.StartsWith
	w.Schema = odata.Schema[userRow]{
		Resource: "microsoft.graph.user", Key: key, Page: directoryPage, MaxPage: directoryMaxPage, ID: func(u userRow) string { return u.ID },
		Properties: propertiesOf(show(&directory.User{Tenant: &directory.Tenant{}})),
		Fields: []odata.Field[userRow]{
			{Path: "id", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(u userRow) any { return u.ID }},
			{Path: "displayName", Filter: texts | odata.Ordered, Order: true, Value: func(u userRow) any { return textOrNull(u.Name) }},
			{Path: "userPrincipalName", Filter: texts | odata.Ordered, Order: true, Value: func(u userRow) any { return u.PrincipalName() }},
			{Path: "mail", Filter: texts, Value: func(u userRow) any { return textOrNull(u.Mail) }},
			{Path: "mailNickname", Filter: texts, Value: func(u userRow) any { return nickname(u) }},
			{Path: "accountEnabled", Kind: odata.Bool, Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(u userRow) any { return !u.Disabled }},
			{Path: "userType", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(u userRow) any {
				if u.Guest() {
					return "Guest"
				}
				return "Member"
			}},
		},
	}
	return w
}

// textOrNull is s, or null when it is empty.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// nickname is the mail alias: what a synchronisation brought, and otherwise what stands before the @.
func nickname(u userRow) string {
	if u.Synced != nil {
		return u.Synced.Nickname
	}
	return alias(u.PrincipalName())
}

// alias is what stands before the @.
func alias(upn string) string {
	name, _, _ := strings.Cut(upn, "@")
	return name
}

func (x *exchange) me() *failure {
	return one(x, x.s.views.users, http.StatusOK, "users", x.by.account)
}

func (x *exchange) listUsers() *failure {
	return list(x, x.s.views.users, "users", x.by.tenant.Members)
}

func (x *exchange) countUsers() *failure { return count(x, x.s.views.users, x.by.tenant.Members) }

func (x *exchange) getUser() *failure {
	u, f := x.user(x.keys[0])
	if f != nil {
		return f
	}
	return one(x, x.s.views.users, http.StatusOK, "users", u)
}

// user finds an account by object id or by the name under which the tenant lists it.
func (x *exchange) user(key string) (userRow, *failure) {
	if u, ok := x.by.tenant.Object(key); ok {
		return u, nil
	}
	for _, u := range x.by.tenant.Members {
		if strings.EqualFold(u.PrincipalName(), key) {
			return u, nil
		}
	}
	return nil, missing(key)
}

// userWritable are the properties that may be written.
var userWritable = []string{"accountEnabled", "displayName", "mail", "mailNickname", "passwordProfile", "userPrincipalName", "userType"}

// createUser follows "Create User": accountEnabled, displayName, mailNickname, passwordProfile and userPrincipalName are
// required.
func (x *exchange) createUser() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read(userWritable...)
	if f != nil {
		return f
	}
	for _, name := range []string{"accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName"} {
		if !b.has(name) {
			return invalid(name, "A value is required for property '%s' of resource 'User'.", name)
		}
	}
	if kind, ok, f := b.text("userType"); f != nil || ok && kind != "Member" {
		return invalid("userType", "The lab makes members so; guests are invited (POST /invitations).")
	}
	e := &directory.UserEntry{ID: newID()}
	if f := x.write(e, b); f != nil {
		return f
	}
	if f := x.changed(func(d *directory.Draft) error {
		t, err := d.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		t.Users = append(t.Users, e)
		return nil
	}); f != nil {
		return f
	}
	u, f := x.user(e.ID)
	if f != nil {
		return f
	}
	x.w.Header().Set("Location", x.base()+"/users/"+u.ID)
	return one(x, x.s.views.users, http.StatusCreated, "users", u)
}

// write puts what b says into e.
func (x *exchange) write(e *directory.UserEntry, b body) *failure {
	if v, ok, f := value[bool](b, "accountEnabled"); f != nil {
		return f
	} else if ok {
		e.Disabled = !v
	}
	if b.has("displayName") {
		v, f := b.needed("displayName")
		if f != nil {
			return f
		}
		if len([]rune(v)) > 256 { // "user resource type"
			return invalid("displayName", "Invalid value specified for property 'displayName' of resource 'User'.").because("too-long")
		}
		e.Name = v
	}
	if v, ok, f := b.text("mail"); f != nil {
		return f
	} else if ok {
		e.Mail = v
	}
	if b.has("userPrincipalName") {
		v, f := b.needed("userPrincipalName")
		if f != nil {
			return f
		}
		e.UPN = strings.ToLower(v)
	}
	if b.has("mailNickname") {
		v, f := b.needed("mailNickname")
		if f != nil {
			return f
		}
		if !strings.EqualFold(v, alias(e.UPN)) {
			return invalid("mailNickname", "In the lab the mailNickname is what stands before the @ of the userPrincipalName.").because("not-upn")
		}
	}
	p, ok, f := b.within("passwordProfile", "password", "forceChangePasswordNextSignIn")
	if f != nil || !ok {
		return f
	}
	if password, given, f := p.text("password"); f != nil {
		return f
	} else if given {
		if !strong(password) {
			return invalid("passwordProfile", "The specified password does not comply with password complexity requirements. Please provide a different password.").because("weak-password")
		}
		x.s.hashing.Lock() // each takes 19 MiB
		e.SetPassword(password)
		x.s.hashing.Unlock()
	} else if e.Hash == "" {
		return invalid("passwordProfile", "A value is required for property 'password' of resource 'User'.").because("missing")
	}
	change, _, f := value[bool](p, "forceChangePasswordNextSignIn")
	e.MustChange = change
	return f
}

// strong reports whether a password keeps the rules of Entra ID: 8 to 256 characters of three kinds out of four
// (Microsoft, "Password policies and account restrictions in Microsoft Entra ID").
func strong(password string) bool {
	kinds := [4]bool{}
	n := 0
	for _, c := range password {
		n++
		switch {
		case unicode.IsLower(c):
			kinds[0] = true
		case unicode.IsUpper(c):
			kinds[1] = true
		case unicode.IsDigit(c):
			kinds[2] = true
		default:
			kinds[3] = true
		}
	}
	total := 0
	for _, k := range kinds {
		if k {
			total++
		}
	}
	return n >= 8 && n <= 256 && total >= 3
}

// updateUser follows "Update user". A person's name changes with the accounts that the person has as a guest elsewhere.
func (x *exchange) updateUser() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	u, f := x.user(x.keys[0])
	if f != nil {
		return f
	}
	b, f := x.read(userWritable...)
	if f != nil {
		return f
	}
	if u.Synced != nil && len(b) > 0 {
		return bad("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
	}
	if b.has("userType") {
		return invalid("userType", "The lab does not change the userType of an account.")
	}
	if u.Guest() && (b.has("passwordProfile") || b.has("userPrincipalName") || b.has("mailNickname") || b.has("mail")) {
		return invalid("", "Name, mail and password of a guest are those of the account at home.")
	}
	if f := x.changed(func(d *directory.Draft) error {
		t, err := d.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		e, err := t.User(u.ID)
		if err != nil {
			return err
		}
		old := e.UPN
		if f := x.write(e, b); f != nil {
			return f.err()
		}
		if name := e.UPN; name != old {
			e.UPN = old
			return d.Rename(t.ID, e.ID, name)
		}
		return nil
	}); f != nil {
		return f
	}
	return x.done()
}

func (x *exchange) deleteUser() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	u, f := x.user(x.keys[0])
	if f != nil {
		return f
	}
	if f := x.changed(func(d *directory.Draft) error { return d.RemoveUser(x.by.tenant.ID, u.ID) }); f != nil {
		return f
	}
	return x.done()
}

// invite follows "Create invitation". The person must live in the lab; who it is knows the lab by the address, and the
// invitation counts as accepted at once.
func (x *exchange) invite() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("invitedUserEmailAddress", "inviteRedirectUrl", "invitedUserDisplayName", "sendInvitationMessage")
	if f != nil {
		return f
	}
	address, f := b.needed("invitedUserEmailAddress")
	if f != nil {
		return f
	}
	link, f := b.needed("inviteRedirectUrl")
	if f != nil {
		return f
	}
	name, _, f := b.text("invitedUserDisplayName")
	if f != nil {
		return f
	}
	if send, _, f := value[bool](b, "sendInvitationMessage"); f != nil || send {
		return invalid("sendInvitationMessage", "The lab sends no messages.")
	}
	if _, ok := x.dir.Person(address); !ok {
		return invalid("invitedUserEmailAddress", "Nobody in the lab has the name '%s'.", clip(address, 120))
	}
	e := &directory.UserEntry{ID: newID(), Guest: strings.ToLower(address), Name: name}
	if f := x.changed(func(d *directory.Draft) error {
		t, err := d.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		t.Users = append(t.Users, e)
		return nil
	}); f != nil {
		return f
	}
	x.assume(directory.AssumedInvitationAccepted)
	return x.entity(http.StatusCreated, "invitations/$entity", map[string]any{
		"id": e.ID, "invitedUserEmailAddress": address, "inviteRedirectUrl": link, "invitedUserDisplayName": textOrNull(name), "inviteRedeemUrl": link,
		"sendInvitationMessage": false, "invitedUserType": "Guest", "status": "Accepted", "invitedUser": map[string]string{"id": e.ID},
	})
}
