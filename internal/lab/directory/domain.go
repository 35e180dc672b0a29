package directory

import "slices"

// Domain finds a domain of the tenant, verified or not.
func (t *TenantEntry) Domain(name string) (*DomainEntry, error) {
	for _, domain := range t.Domains {
		if fold(domain.Name) == fold(name) {
			return domain, nil
		}
	}
	return nil, refuse(ErrNotFound, "domain %q: %q does not have it", name, t.Name)
}

// AddDomain adds a domain to tenant (see Tenant), not verified: several tenants may add the same one, and one of them may
// verify it.
func (d *Draft) AddDomain(tenant, name string) error {
	t, err := d.Tenant(tenant)
	if err != nil {
		return err
	}
	if _, err := t.Domain(name); err == nil {
		return refuse(ErrExists, "domain %q: %q has it already", name, t.Name)
	}
	t.Domains = append(t.Domains, &DomainEntry{Name: fold(name)})
	return nil
}

// SetVerified marks a domain of tenant as verified: from now on it names the tenant. Whether it may be (a record in DNS)
// is the caller's to find out first. A domain that is verified already stays so. Whom a
// synchronisation brought is named anew.
func (d *Draft) SetVerified(tenant, name string) error {
	t, domain, err := d.domain(tenant, name)
	if err != nil {
		return err
	}
	for _, other := range d.Tenants {
		if o, err := other.Domain(name); other != t && err == nil && (o.Verified || o.Initial) {
			return refuse(ErrExists, "domain %q: %q has verified it already", name, other.Name)
		}
	}
	if !domain.Verified {
		domain.Verified = true
		d.rename(t)
	}
	return nil
}

// SetDefault makes a verified domain of tenant its default domain.
func (d *Draft) SetDefault(tenant, name string) error {
	t, domain, err := d.domain(tenant, name)
	if err != nil {
		return err
	}
	if !domain.Verified && !domain.Initial {
		return refuse(ErrRefused, "domain %q: it is not verified", name)
	}
	for _, other := range t.Domains {
		other.Default = other == domain
	}
	return nil
}

// RemoveDomain takes a domain from tenant. The initial domain, the default one, and one that user names end in, stay
// (Microsoft, "Delete domain", https://learn.microsoft.com/graph/api/domain-delete).
func (d *Draft) RemoveDomain(tenant, name string) error {
	t, domain, err := d.domain(tenant, name)
	switch {
	case err != nil:
		return err
	case domain.Initial:
		return refuse(ErrRefused, "domain %q: it is the initial domain", name)
	case domain.Default:
		return refuse(ErrRefused, "domain %q: it is the default domain; make another one the default first", name)
	}
	for _, u := range t.Users {
		if domain.Verified && u.UPN != "" && suffix(fold(u.UPN)) == fold(name) {
			return refuse(ErrRefused, "domain %q: the name of %q ends in it", name, u.UPN)
		}
	}
	t.Domains = slices.DeleteFunc(t.Domains, func(o *DomainEntry) bool { return o == domain })
	if domain.Verified {
		d.rename(t)
	}
	return nil
}

func (d *Draft) domain(tenant, name string) (*TenantEntry, *DomainEntry, error) {
	t, err := d.Tenant(tenant)
	if err != nil {
		return nil, nil, err
	}
	domain, err := t.Domain(name)
	return t, domain, err
}
