package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/m365/client"
	"sekisho/internal/servicetags"
)

// Results of an update of one list.
const (
	UpdateNew      = "new"       // in use now
	UpdateSame     = "same"      // the publisher has nothing newer than what is in use
	UpdateWaiting  = "waiting"   // drops too much; "catalog approve" puts it into use
	UpdateSetAside = "set-aside" // is on the shelf, but somebody went back to an earlier version
	UpdateRejected = "rejected"  // somebody has looked at this very list and refused it
	UpdateFailed   = "failed"    // could not be fetched, or is not to be believed; nothing has changed
)

// UpdateOptions say how lists are fetched.
type UpdateOptions struct {
	Data           string            // the data folder
	BaseURL        string            // of the endpoints web service; "": Microsoft's
	ServiceTagsURL string            // site of the download pages of the service tags; "": Microsoft's
	Transport      http.RoundTripper // nil: http.DefaultTransport
	MaxDrop        int               // percent of a list that may go unasked
	Force          bool              // take what drops more, and service tags that are older
	Now            func() time.Time  // nil: the system's
	// Sparing fetches nothing again that is known: a service tags file whose name is that of one that is kept, and whatever
	// was fetched whole and refused, until the publisher has another. Who asks by hand gets it fetched.
	Sparing bool
}

// Updated is what became of one list.
type Updated struct {
	List    string `json:"list"` // "m365-worldwide", "service-tags-public"
	Result  string `json:"result"`
	Version string `json:"version"` // the publisher's newest; "" when it could not be learned
	Date    string `json:"date"`    // of that version; "" when it has none
	Before  string `json:"before"`  // that was in use; "" when there was none but the built-in one
	Catalog string `json:"catalog"` // version of the catalog that holds it; "" for service tags
	Entries int    `json:"entries"` // rows, or prefixes of service tags
	Dropped int    `json:"dropped"` // hosts and prefixes that were in use and are gone
	Percent int    `json:"percent"` // the largest share of the list's hosts or prefixes that is gone
	// Asked is when the publisher was asked; earlier than the update when it was too early to ask again.
	Asked time.Time `json:"asked,omitzero"`
	// Findings are what was repaired or held, or why it failed.
	Findings finding.List `json:"findings"`

	refused string // what was fetched whole and refused, as a library.Refusal calls it
}

// Update fetches one list and puts it into use, unless it is no better than what is known. Failing is an answer too: the
// error, a *finding.Problem, stands in Findings, and is returned. Either way it is written down for "catalog list", the
// status page and the metrics. It returns ctx.Err() alone when the caller gave up.
func Update(ctx context.Context, o UpdateOptions, list string) (Updated, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	u := Updated{List: list, Result: UpdateFailed, Findings: finding.List{}}
	var err error = finding.Fail("node.unknown-list", nil, "list", list)
	if i, ok := instanceOf(list); ok {
		err = updateList(ctx, o, i, &u)
	} else if c, ok := cloudOf(list); ok {
		err = updateTags(ctx, o, c, &u)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return u, err
	}
	var why finding.List
	if problem := (*finding.Problem)(nil); errors.As(err, &problem) {
		u.Result, u.Findings, why = UpdateFailed, problem.Findings, problem.Findings
	}
	return u, cmp.Or(err, Shelf(o.Data, o.Now).Note(list, u.Version, u.Result, u.refused, why))
}

// instanceOf reads "m365-china".
func instanceOf(list string) (m365.Instance, bool) {
	instances := m365.Instances()
	i := slices.IndexFunc(instances, func(i m365.Instance) bool { return "m365-"+i.Cloud() == list })
	if i < 0 {
		return "", false
	}
	return instances[i], true
}

// cloudOf reads "service-tags-china".
func cloudOf(list string) (servicetags.Cloud, bool) {
	name, ok := strings.CutPrefix(list, "service-tags-")
	clouds := servicetags.Clouds()
	i := slices.IndexFunc(clouds, func(c servicetags.Cloud) bool { return c.String() == name })
	if !ok || i < 0 {
		return 0, false
	}
	return clouds[i], true
}

// updateList asks the endpoints web service for one instance.
func updateList(ctx context.Context, o UpdateOptions, i m365.Instance, u *Updated) error {
	c := &client.Client{Folder: clientFolder(o.Data), Base: o.BaseURL, Transport: o.Transport, Now: o.Now}
	versions, err := c.Versions(ctx)
	if err != nil {
		return err
	}
	u.Asked = versions.Asked
	latest, ok := versions.Of(i)
	if !ok {
		return finding.Fail("m365.instance-missing", nil, "instance", string(i))
	}
	u.Version, u.Date = latest, dayOf(latest)

	shelf := Shelf(o.Data, o.Now)
	history, err := shelf.History()
	if err != nil {
		return err
	}
	newest := library.Source{}
	var on library.Version // the version of the catalog that the newest is part of
	for _, v := range history {
		for _, s := range v.Sources {
			if s.Name != sourceName(i) {
				continue
			}
			if v.Current {
				u.Before = s.Version
			}
			if s.Version > newest.Version || s.Version == newest.Version && (v.Current || !on.Current) {
				newest, on = s, v
			}
		}
	}
	switch {
	case latest == newest.Version && on.Current:
		u.Result, u.Catalog = UpdateSame, on.Name
		return nil
	case latest == newest.Version && on.Waiting && !o.Force:
		u.Result, u.Catalog = UpdateWaiting, on.Name
		if v, err := shelf.Load(on.Name); err == nil {
			at := slices.IndexFunc(v.Sources, func(s library.Source) bool { return s.Name == newest.Name })
			u.Percent, err = dropped(shelf, i, v.Sources[at].Body, true)
			return err
		}
		return nil
	case latest == newest.Version && !o.Force:
		u.Result, u.Catalog = UpdateSetAside, on.Name
		return nil
	case latest < newest.Version:
		return finding.Fail("library.older", nil, "file", u.List, "version", latest, "known", newest.Version)
	}
	if err := spare(o, shelf, u.List, latest); err != nil {
		return err
	}
	body, err := c.Endpoints(ctx, i, latest)
	if err != nil {
		if lasting(err) {
			u.refused = latest
		}
		return err
	}
	// From when additions are in force is told to people; a list is good without it.
	var announced []library.Source
	changes, err := c.Changes(ctx, i, cmp.Or(u.Before, "0000000000"), latest)
	if err == nil {
		var s library.Source
		if s, err = ChangesSource(shelf, i, o.Now(), changes); err == nil && s.Version != "" {
			announced = append(announced, s)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	u.Findings = append(u.Findings, softened(err)...)
	limit := o.MaxDrop
	if o.Force {
		limit = 100
	}
	if u.Percent, err = dropped(shelf, i, body, true); err != nil {
		return err
	}
	added, err := AddList(shelf, limit, true, i, latest, o.Now(), body, announced...)
	var problem *finding.Problem
	if errors.As(err, &problem) && problem.Findings[0].Code == "library.rejected" {
		u.Result, u.Percent = UpdateRejected, 0
		return nil
	}
	if err != nil {
		return err
	}
	u.Findings = append(u.Findings, added.Findings...)
	u.Catalog = added.Version.Name
	u.Dropped = len(added.Difference.Hosts.Removed) + len(added.Difference.Prefixes.Removed)
	if list, _ := m365.ReadEndpoints(u.List, i, body); list != nil {
		u.Entries = len(list.Rows)
	}
	u.Result = UpdateNew
	switch {
	case added.Version.Waiting:
		u.Result = UpdateWaiting
	case added.Same:
		u.Result = UpdateSame
	}
	return nil
}

// AddList puts a list of the endpoints web service on the shelf and into use, or lets it wait when it drops more than
// maxDrop percent; with 100 nothing waits. version "" is not known. complete says that the list was asked for whole: then
// an area that it does not mention has been dropped, where a file may have been asked for some areas only. A list that is
// older than the built-in rows is refused like one that is older than the one in use: it would take back what is known to
// have changed. Further sources come with it.
func AddList(shelf *library.Library, maxDrop int, complete bool, i m365.Instance, version string, read time.Time, body []byte, with ...library.Source) (library.Added, error) {
	if known := builtinDay(i); version != "" && known != "" && version[:8] < known {
		return library.Added{}, finding.Fail("library.older", nil, "file", "m365-"+i.Cloud(), "version", version, "known", known+" ("+library.Builtin+")")
	}
	if maxDrop < 100 {
		percent, err := dropped(shelf, i, body, complete)
		if err != nil {
			return library.Added{}, err
		}
		if percent > maxDrop {
			maxDrop = -1
		}
	}
	return shelf.Add(maxDrop, append(with, ListSource(i, version, read, body))...)
}

// dropped is the share of the hosts, or of the address ranges if that is larger, in percent rounded up, that the catalog
// in use has of an instance, built-in rows included, and a body has not. A body that cannot be read drops nothing here:
// the shelf says what is wrong with it.
func dropped(shelf *library.Library, i m365.Instance, body []byte, complete bool) (int, error) {
	list, _ := m365.ReadEndpoints(i.Cloud(), i, body)
	if list == nil {
		return 0, nil
	}
	current, err := shelf.Current()
	if err != nil {
		return 0, err
	}
	var known []m365.Row
	for _, r := range m365.RowsOf(current, i) {
		held := slices.Contains(list.Held, r.ID) // stays as it is
		listed := slices.ContainsFunc(list.Rows, func(n m365.Row) bool { return n.ServiceArea == r.ServiceArea })
		if r.ServiceArea != m365.AreaIntune && !held && (complete || listed) {
			known = append(known, r)
		}
	}
	return m365.Dropped(known, list.Rows), nil
}

// builtinDay is the day of the instance's list that is compiled in, YYYYMMDD; "" when its source has no day.
func builtinDay(i m365.Instance) string {
	if s, ok := catalog.Builtin().Source(i.Source()); ok && s.Precision == catalog.DayKnown {
		return s.Date.Format("20060102")
	}
	return ""
}

// dayOf is the day of a version of the web service, "2026-11-23".
func dayOf(version string) string {
	day, err := time.Parse("20060102", version[:min(8, len(version))])
	if err != nil {
		return ""
	}
	return day.Format(time.DateOnly)
}

// softened are the findings of err as warnings: it went on without.
func softened(err error) finding.List {
	var problem *finding.Problem
	if !errors.As(err, &problem) {
		return nil
	}
	list := slices.Clone(problem.Findings)
	for k := range list {
		list[k].Severity = finding.Warning
	}
	return list
}

// spare returns why a version was refused that has been fetched before, for who polls; nil: fetch it.
func spare(o UpdateOptions, shelf *library.Library, list, what string) error {
	known := shelf.Attempts()[list].Refused
	if !o.Sparing || o.Force || known.What != what || !known.Findings.HasErrors() {
		return nil
	}
	return &finding.Problem{Findings: known.Findings}
}

// lasting reports whether what was fetched is refused for what the publisher says in it. What may be the line's doing (cut
// off, a page of another kind in its place) or ours is tried again.
func lasting(err error) bool {
	var problem *finding.Problem
	return errors.As(err, &problem) && len(problem.Findings) > 0 && slices.Contains([]string{
		"m365.too-many", "m365.nothing-readable",
		"servicetags.older", "servicetags.same-number", "servicetags.dropped", "servicetags.other-cloud", "servicetags.many-held", "servicetags.many",
		"servicetags.repeated-tag", "servicetags.repeated-key", "servicetags.missing-key", "servicetags.cloud", "servicetags.name", "servicetags.number", "servicetags.type",
	}, problem.Findings[0].Code)
}

// updateTags fetches the service tags of one cloud. A file that was fetched before and is on the shelf, because somebody
// went back to an earlier one, stays there.
func updateTags(ctx context.Context, o UpdateOptions, c servicetags.Cloud, u *Updated) error {
	shelf, store := Shelf(o.Data, o.Now), servicetags.NewStore(CatalogFolder(o.Data), o.Now)
	_, inUse, damaged := store.Load(c) // a file that is damaged is fetched again
	var kept []servicetags.Shelved
	if damaged == nil {
		all, _ := store.Shelf()
		for _, v := range all {
			if v.Cloud == c && v.ChangeNumber >= inUse.ChangeNumber {
				kept = append(kept, v)
			}
		}
	}
	named := func(name string) int {
		return slices.IndexFunc(kept, func(v servicetags.Shelved) bool { return v.Name == name })
	}
	fetcher := &servicetags.Fetcher{Base: o.ServiceTagsURL, Transport: o.Transport}
	if o.Sparing && !o.Force {
		fetcher.Have = func(name string) bool { return named(name) >= 0 || spare(o, shelf, u.List, name) != nil }
	}
	file, err := fetcher.Fetch(ctx, c)
	if err != nil {
		if lasting(err) {
			u.refused = file.Name
		}
		return err
	}
	u.Asked = o.Now().UTC()
	if file.Body == nil {
		if i := named(file.Name); i < 0 {
			return spare(o, shelf, u.List, file.Name)
		} else if kept[i].Current {
			tell(u, servicetags.Imported{Manifest: inUse, Before: inUse, Same: true})
		} else {
			tell(u, servicetags.Imported{Manifest: kept[i].Manifest, Before: inUse})
			u.Result = UpdateSetAside
		}
		return nil
	}
	done, err := store.Judge(file.Name, file.Body, o.Force)
	if err == nil {
		aside := slices.ContainsFunc(kept, func(v servicetags.Shelved) bool { return !v.Current && v.SHA256 == done.Manifest.SHA256 })
		if aside && !o.Force {
			tell(u, done)
			u.Result = UpdateSetAside
			return nil
		}
		done, err = store.Import(file.Name, file.Body, o.Force)
	}
	if err != nil {
		if lasting(err) {
			u.refused = file.Name
		}
		return err
	}
	tell(u, done)
	return nil
}

// tell writes down what became of a service tags file.
func tell(u *Updated, done servicetags.Imported) {
	u.Version, u.Entries, u.Dropped, u.Findings = done.Manifest.Version(), done.Manifest.Prefixes, done.Dropped, append(u.Findings, done.Warnings...)
	if !done.Manifest.Date.IsZero() {
		u.Date = done.Manifest.Date.Format(time.DateOnly)
	}
	if done.Before.Cloud != 0 {
		u.Before = done.Before.Version()
	}
	if done.Before.Prefixes > 0 {
		u.Percent = (100*done.Dropped + done.Before.Prefixes - 1) / done.Before.Prefixes
	}
	u.Result = UpdateNew
	if done.Same {
		u.Result = UpdateSame
	}
}

// clientFolder is where the client of the web service keeps what it must remember.
func clientFolder(data string) string { return filepath.Join(CatalogFolder(data), "m365") }

// UpdateOptionsOf are the options that a configuration asks for. The Transport is an *http.Transport of its own, with the
// configured proxy (or the environment's) and the roots of network.trust; whoever uses it closes its idle connections.
func UpdateOptionsOf(c *config.Config, data string) (UpdateOptions, error) {
	o := UpdateOptions{Data: data, BaseURL: c.Catalog.BaseURL.V, ServiceTagsURL: c.Catalog.ServiceTagsURL.V, MaxDrop: c.Catalog.MaxDropPercent.V}
	roots, err := originRoots(c.Network.Trust.V)
	if err != nil {
		return o, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = 30 * time.Second // chosen: the service answers within one
	transport.MaxResponseHeaderBytes = 64 << 10
	if c.Catalog.Proxy.V != "" {
		via, err := url.Parse(c.Catalog.Proxy.V)
		if err != nil {
			return o, finding.Fail("m365.unreachable", err, "url", c.Catalog.Proxy.V)
		}
		transport.Proxy = http.ProxyURL(via)
	}
	o.Transport = transport
	return o, nil
}
