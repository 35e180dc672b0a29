package graph

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/odata"
	"sekisho/internal/lab/zone"
)

// domainRow is a domain of a tenant.
type domainRow struct {
	directory.Domain
	// root tells that it is verified, and no subdomain of another domain of the tenant.
	root bool
}

// domainView declares domain (Microsoft, "domain resource type"). The page on "List domains" knows $select and $top; a
// filter is not among them.
func domainView(key []byte) *view[domainRow] {
	show := func(d domainRow) map[string]any {
		services := []string{}
		if d.Verified {
			services = []string{"Email", "OfficeCommunicationsOnline"}
		}
		return map[string]any{
			"id": d.Name, "authenticationType": "Managed", "availabilityStatus": nil, "isAdminManaged": true, "isDefault": d.Default,
			"isInitial": d.Initial, "isRoot": d.root, "isVerified": d.Verified, "passwordNotificationWindowInDays": 14,
			"passwordValidityPeriodInDays": 90, "state": nil, "supportedServices": services,
		}
	}
	w := &view[domainRow]{show: show}
	w.Schema = odata.Schema[domainRow]{
		Resource: "microsoft.graph.domain", Key: key, Page: directoryMaxPage, MaxPage: directoryMaxPage, ID: func(d domainRow) string { return d.Name },
		Properties: propertiesOf(show(domainRow{})),
	}
	return w
}

// domains are those of t.
func domains(t *directory.Tenant) []domainRow {
	out := make([]domainRow, 0, len(t.Domains))
	for _, d := range t.Domains {
		out = append(out, domainRow{d, d.Verified && parent(t, d.Name) == ""})
	}
	return out
}

// parent is the verified domain of t that name is a subdomain of; "" when there is none.
func parent(t *directory.Tenant, name string) string {
	for _, d := range t.Domains {
		if d.Verified && strings.HasSuffix(name, "."+d.Name) {
			return d.Name
		}
	}
	return ""
}

func (x *exchange) listDomains() *failure {
	return list(x, x.s.views.domains, "domains", domains(x.by.tenant))
}

func (x *exchange) domain(name string) (domainRow, *failure) {
	for _, d := range domains(x.by.tenant) {
		if strings.EqualFold(d.Name, name) {
			return d, nil
		}
	}
	return domainRow{}, missing(name)
}

func (x *exchange) getDomain() *failure {
	d, f := x.domain(x.keys[0])
	if f != nil {
		return f
	}
	return one(x, x.s.views.domains, http.StatusOK, "domains", d)
}

// createDomain follows "Create domain". A subdomain of a domain that the tenant has verified is verified with it (Microsoft,
// "List verificationDnsRecords").
func (x *exchange) createDomain() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("id")
	if f != nil {
		return f
	}
	name, f := b.needed("id")
	if f != nil {
		return f
	}
	h, err := endpoint.ParseHost(name)
	if err != nil || !strings.Contains(string(h), ".") || len(h) > 253 {
		return invalid("id", "Invalid value '%s' specified for property 'id' of resource 'Domain'.", clip(name, 120)).because("not-domain")
	}
	name = string(h)
	for _, reserved := range []string{"onmicrosoft.com", "microsoftonline.com", "invalid"} {
		if name == reserved || strings.HasSuffix(name, "."+reserved) {
			return invalid("id", "The domain name '%s' cannot be added: '%s' is reserved.", clip(name, 120), reserved).because("reserved-domain")
		}
	}
	if f := x.changed(func(d *directory.Draft) error {
		if err := d.AddDomain(x.by.tenant.ID, name); err != nil {
			return err
		}
		if parent(x.by.tenant, name) == "" {
			return nil
		}
		return d.SetVerified(x.by.tenant.ID, name)
	}); f != nil {
		return f
	}
	made, f := x.domain(name)
	if f != nil {
		return f
	}
	x.w.Header().Set("Location", x.base()+"/domains/"+name)
	return one(x, x.s.views.domains, http.StatusCreated, "domains", made)
}

// code is the number by which a tenant proves that name is its own: the same at each question, another for each tenant.
func code(t *directory.Tenant, name string) string {
	sum := sha256.Sum256([]byte("verify\x00" + t.ID + "\x00" + name))
	return fmt.Sprintf("ms%08d", binary.BigEndian.Uint32(sum[:4])%100_000_000)
}

// recordLife is the life of the records that are asked for, in seconds (the pages' examples).
const recordLife = 3600

// verificationRecords follows "List verificationDnsRecords" and "domainDnsRecord resource type": a TXT or an MX record, of
// which one is enough.
func (x *exchange) verificationRecords() *failure {
	d, f := x.domain(x.keys[0])
	if f != nil {
		return f
	}
	if f := x.unqueried(); f != nil {
		return f
	}
	id := func(kind string) string {
		sum := sha256.Sum256([]byte(kind + "\x00" + x.by.tenant.ID + "\x00" + d.Name))
		return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	}
	number := code(x.by.tenant, d.Name)
	x.answer(http.StatusOK, map[string]any{
		"@odata.context": x.base() + "/$metadata#domains('" + d.Name + "')/verificationDnsRecords",
		"value": []map[string]any{
			{"@odata.type": "#microsoft.graph.domainDnsTxtRecord", "id": id("txt"), "isOptional": false, "label": d.Name, "recordType": "Txt",
				"supportedService": "Email", "ttl": recordLife, "text": "MS=" + number},
			{"@odata.type": "#microsoft.graph.domainDnsMxRecord", "id": id("mx"), "isOptional": false, "label": d.Name, "recordType": "Mx",
				"supportedService": "Email", "ttl": recordLife, "mailExchange": number + ".msv1.invalid", "preference": zone.DefaultPreference},
		},
	})
	return nil
}

// proven reports whether the DNS has one of the records of d.
func (x *exchange) proven(ctx context.Context, d domainRow) (bool, error) {
	if x.s.Zone == nil {
		return false, nil
	}
	a, err := x.s.Zone.Lookup(ctx, d.Name)
	number := code(x.by.tenant, d.Name)
	if slices.ContainsFunc(a.Texts, func(t string) bool { return strings.EqualFold(strings.TrimSpace(t), "MS="+number) }) ||
		slices.Contains(a.Exchanges, number+".msv1.invalid") {
		return true, nil // whatever became of the other question
	}
	return false, err
}

// verifyDomain follows "domain: verify": the domain names the tenant from now on, and so do its subdomains that the tenant
// has added.
func (x *exchange) verifyDomain() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	d, f := x.domain(x.keys[0])
	if f != nil {
		return f
	}
	if d.Verified {
		return x.refused("Domain '%s' is already verified.", d.Name).because("already-verified")
	}
	switch found, err := x.proven(x.r.Context(), d); {
	case err != nil:
		return x.refused("The DNS of '%s' could not be asked: %s.", d.Name, clip(err.Error(), 200)).because("dns-failed")
	case !found:
		return x.refused("Unable to verify '%s': its DNS has neither the TXT nor the MX record of verificationDnsRecords.", d.Name).because("no-record")
	}
	if f := x.changed(func(draft *directory.Draft) error {
		if err := draft.SetVerified(x.by.tenant.ID, d.Name); err != nil {
			return err
		}
		t, err := draft.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		for _, sub := range t.Domains {
			if !sub.Verified && strings.HasSuffix(strings.ToLower(sub.Name), "."+d.Name) {
				// One that another tenant has verified stays that tenant's.
				_ = draft.SetVerified(t.ID, sub.Name)
			}
		}
		return nil
	}); f != nil {
		return f
	}
	now, f := x.domain(d.Name)
	if f != nil {
		return f
	}
	out := x.s.views.domains.pick(now, nil)
	out["availabilityStatus"] = "AvailableImmediately"
	return x.entity(http.StatusOK, "domains/$entity", out)
}

// updateDomain follows "Update domain"; the lab changes the default domain alone.
func (x *exchange) updateDomain() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	d, f := x.domain(x.keys[0])
	if f != nil {
		return f
	}
	b, f := x.read("isDefault")
	if f != nil {
		return f
	}
	standard, ok, f := value[bool](b, "isDefault")
	switch {
	case f != nil:
		return f
	case !ok:
		return invalid("isDefault", "The lab changes isDefault of a domain, and nothing else.")
	case !standard:
		return invalid("isDefault", "A domain stops being the default when another one is made it.")
	}
	if f := x.changed(func(draft *directory.Draft) error { return draft.SetDefault(x.by.tenant.ID, d.Name) }); f != nil {
		return f
	}
	return x.done()
}

// deleteDomain follows "Delete domain": what depends on the domain keeps it.
func (x *exchange) deleteDomain() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	d, f := x.domain(x.keys[0])
	if f != nil {
		return f
	}
	if f := x.changed(func(draft *directory.Draft) error { return draft.RemoveDomain(x.by.tenant.ID, d.Name) }); f != nil {
		return f
	}
	return x.done()
}

// domainReferences follows "List domainNameReferences": the accounts whose names end in the domain.
func (x *exchange) domainReferences() *failure {
	d, f := x.domain(x.keys[0])
	if f != nil {
		return f
	}
	rows := []memberRow{}
	for _, u := range x.by.tenant.Members {
		if strings.HasSuffix(strings.ToLower(u.PrincipalName()), "@"+d.Name) {
			rows = append(rows, memberRow{user: u})
		}
	}
	return list(x, x.s.views.members, "directoryObjects", rows)
}
