package ldap

import (
	"errors"
	"regexp"

	goldap "github.com/go-ldap/ldap/v3"

	"sekisho/internal/finding"
)

// login binds.
func (r *reading) login(c *controller) error {
	if r.Login.Kerberos() {
		return c.loginKerberos(r.Login)
	}
	err := c.lib.Bind(r.Login.Name, string(r.Login.Password))
	return c.loginTrouble(r.Login.Name, err)
}

// subCode is how Active Directory says why a login was refused (Win32 error codes, in hexadecimal).
var subCode = regexp.MustCompile(`, data ([0-9a-f]{1,8}),`)

// loginTrouble words the answer to a bind.
func (c *controller) loginTrouble(name string, err error) error {
	if err == nil {
		return nil
	}
	server := c.server.String()
	var said *goldap.Error
	if !errors.As(err, &said) || said.ResultCode == goldap.ErrorNetwork || c.wire.problem() != nil {
		return c.trouble(err, "")
	}
	text := ""
	if said.Err != nil {
		text = said.Err.Error()
	}
	switch said.ResultCode {
	case goldap.LDAPResultInvalidCredentials:
		code := "credentials"
		if m := subCode.FindStringSubmatch(text); m != nil {
			switch m[1] {
			case "530", "531":
				code = "login-hours"
			case "532", "773":
				code = "password-expired"
			case "533":
				code = "account-disabled"
			case "701":
				code = "account-expired"
			case "775":
				code = "account-locked"
			}
		}
		return finding.Fail("ldap."+code, nil, "server", server, "name", name)
	case goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired:
		return finding.Fail("ldap.strong-auth", nil, "server", server, "said", shown(text))
	}
	return c.trouble(err, "")
}
