// Package page lists the pages that statements on sign-in methods are from, so that each of them can name its source.
//
//	p, _ := page.Find(page.SignIn)
//	fmt.Println(p.URL)
//
// The titles are texts of package message, "page.<id>" in both languages. What a page says stands where it is used; nothing is
// fetched.
package page

// ID names a page. It is stable, and the end of the id of its title.
type ID string

// The pages. RFCs and requirements that are no page of Microsoft stand here too.
const (
	SignIn         ID = "sign-in"          // the sign-in options of the wizard
	Choose         ID = "choose"           // the decision questions and the table of methods
	Hash           ID = "hash"             // password hash synchronisation
	AgentStart     ID = "agent-start"      // pass-through authentication, quickstart
	AgentLimits    ID = "agent-limits"     // what pass-through authentication cannot do
	AgentFAQ       ID = "agent-faq"        // questions on pass-through authentication
	AgentDisable   ID = "agent-disable"    // switching pass-through authentication off
	SeamlessStart  ID = "seamless-start"   // seamless single sign-on, quickstart
	Seamless       ID = "seamless"         // what seamless single sign-on works with
	Custom         ID = "custom"           // the pages of the wizard
	Migrate        ID = "migrate"          // from federation to cloud authentication
	Staged         ID = "staged"           // staged rollout
	Requirements   ID = "requirements"     // of AD FS
	Baseline       ID = "baseline"         // of the CA/Browser Forum
	ServiceNames   ID = "service-names"    // RFC 9525
	PersonalFormat ID = "personal-format"  // RFC 7292
	TLSOrder       ID = "tls-order"        // RFC 8446
	Trust          ID = "federation-trust" // what the wizard sets up in AD FS
)

// Page is where a statement is from. The zero value is no page.
type Page struct {
	ID   ID     `json:"id"`
	URL  string `json:"url"`
	Date string `json:"date"` // of the edition that was read, as the page gives it; "" where it gives none
}

const connect = "https://learn.microsoft.com/entra/identity/hybrid/connect/"

// All are the pages in the order of the list above.
func All() []Page {
	return []Page{
		{SignIn, connect + "plan-connect-user-signin", ""},
		{Choose, connect + "choose-ad-authn", "2023-11-06"},
		{Hash, connect + "how-to-connect-password-hash-synchronization", "2025-04-09"},
		{AgentStart, connect + "how-to-connect-pta-quick-start", "2025-04-09"},
		{AgentLimits, connect + "how-to-connect-pta-current-limitations", "2023-01-26"},
		{AgentFAQ, connect + "how-to-connect-pta-faq", "2024-12-20"},
		{AgentDisable, connect + "how-to-connect-pta-disable-do-not-configure", "2023-11-06"},
		{SeamlessStart, connect + "how-to-connect-sso-quick-start", "2025-04-09"},
		{Seamless, connect + "how-to-connect-sso", "2024-12-20"},
		{Custom, connect + "how-to-connect-install-custom", ""},
		{Migrate, connect + "migrate-from-federation-to-cloud-authentication", "2023-11-06"},
		{Staged, connect + "how-to-connect-staged-rollout", "2024-08-25"},
		{Requirements, "https://learn.microsoft.com/windows-server/identity/ad-fs/overview/ad-fs-requirements", "2025-04-08"},
		{Baseline, "https://cabforum.org/working-groups/server/baseline-requirements/", ""},
		{ServiceNames, "https://www.rfc-editor.org/rfc/rfc9525", "2023-11"},
		{PersonalFormat, "https://www.rfc-editor.org/rfc/rfc7292", "2014-07"},
		{TLSOrder, "https://www.rfc-editor.org/rfc/rfc8446", "2018-08"},
		{Trust, connect + "how-to-connect-azure-ad-trust", "2024-12-05"},
	}
}

// Find is the page of an id; ok is false when there is none.
func Find(id ID) (p Page, ok bool) {
	for _, p := range All() {
		if p.ID == id {
			return p, true
		}
	}
	return Page{}, false
}

// TextID is the id of the page's title in package message.
func (id ID) TextID() string { return "page." + string(id) }
