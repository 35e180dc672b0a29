package ldap

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
)

// Limits of reading changes.
const (
	// maxStateAge is how old a state may be: AD forgets deleted objects after the tombstone lifetime, 180 days and in forests
	// that began with Windows 2000 or 2003 60 ([MS-ADTS], section 6.1.1.2.4.1.1, tombstoneLifetime). Who missed a deletion
	// would plan for somebody who is gone.
	maxStateAge = 50 * 24 * time.Hour
	syncBytes   = 1 << 20 // of a page; AD takes less than 1 MiB for 1 MiB ([MS-ADTS], section 3.1.1.3.4.1.3)
)

// syncFilter finds what is planned, and what it lies in: an object's name changes with that of its unit, and the unit alone
// is told.
const syncFilter = "(|(&(objectClass=user)(!(objectClass=computer)))(objectClass=group)(objectClass=contact)(objectClass=organizationalUnit)(objectClass=container))"

// Attributes that mean something here alone.
const (
	attrComputed = "msDS-User-Account-Control-Computed" // made when it is asked for, so that no change of it is told
	attrName     = "name"                               // changes when an object is renamed or moved
	attrDeleted  = "isDeleted"
	attrGUID     = "objectGUID"
)

// errAnew says that a state and what the server tells of changes do not fit together.
var errAnew = errors.New("read anew")

// syncAttributes are asked for.
func (r *reading) syncAttributes() []string {
	return slices.DeleteFunc(directory.Attributes(r.Directory), func(name string) bool { return name == attrComputed })
}

// readChanges reads what has changed since the state was written, or everything where there is none that fits.
func (r *reading) readChanges(parts []part) (*directory.Directory, error) {
	for _, p := range parts {
		switch {
		case foldDN(p.base) != foldDN(p.nc):
			return nil, finding.Fail("ldap.dirsync-base", nil, "base", p.base, "domain", p.nc)
		case !p.of.controls[goldap.ControlTypeDirSync]:
			return nil, finding.Fail("ldap.dirsync-unsupported", nil, "server", p.of.server.String())
		}
	}
	old, err := readState(r.State)
	if err != nil {
		return nil, err
	}
	now := r.Now().UTC()
	next := &state{Read: now, Attributes: r.syncAttributes()}
	for _, p := range parts {
		before, why := old.fit(p, next.Attributes, now)
		var done synced
		after := &domain{Name: p.nc, objects: map[string]*kept{}}
		if before != nil {
			after = before
			done, err = r.sync(p, after)
			if errors.Is(err, errAnew) {
				before, why = nil, "refused"
				after = &domain{Name: p.nc, objects: map[string]*kept{}}
			}
		}
		if before == nil {
			done, err = r.sync(p, after)
			if errors.Is(err, errAnew) {
				return nil, finding.Fail("ldap.garbage", nil, "why", "dirsync", "server", p.of.server.String())
			}
		}
		if err != nil {
			return nil, err
		}
		if before == nil {
			r.notice(finding.Info, "read-whole", "domain", p.nc, "why", why, "file", r.State)
		} else {
			r.notice(finding.Info, "read-changes", "domain", p.nc, "since", old.Read.Format(time.RFC3339), "changed", itoa(done.changed), "deleted", itoa(done.deleted))
		}
		computed, err := r.lockedOut(p)
		if err != nil {
			return nil, err
		}
		for guid, k := range after.objects {
			if err := r.builder.Add(k.object(computed[guid])); err != nil {
				return nil, err
			}
		}
		next.domains = append(next.domains, after)
	}
	d, err := r.builder.Finish()
	if err != nil {
		return nil, err
	}
	return d, next.write(r.State)
}

// synced counts.
type synced struct{ changed, deleted int }

// sync asks for the changes since d's cookie until there are no more, and makes d of them.
func (r *reading) sync(p part, d *domain) (synced, error) {
	var done synced
	request := goldap.NewSearchRequest(p.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, int(r.limits.request.Seconds()), false,
		syncFilter, append(r.syncAttributes(), attrName, attrDeleted), nil)
	first := len(d.Cookie) > 0
	for idle := 0; ; first = false {
		request.Controls = []goldap.Control{goldap.NewRequestControlDirSync(goldap.DirSyncAncestorsFirstOrder, syncBytes, d.Cookie)}
		fresh, objects := 0, 0
		got, err := p.of.search(r.ctx, request, func(e *goldap.Entry) error {
			if objects++; objects > directory.MaxObjects {
				return finding.Fail("ldap.repeats", nil, "server", p.of.server.String(), "count", itoa(objects))
			}
			how, err := d.take(e)
			switch how {
			case changedObject:
				fresh++
				done.changed++
			case deletedObject:
				fresh++
				done.deleted++
			}
			if err == nil && len(d.objects) > directory.MaxObjects {
				err = finding.Fail("directory.many-objects", nil, "max", itoa(directory.MaxObjects))
			}
			r.tell(len(d.objects))
			return err
		})
		if err != nil {
			return done, syncTrouble(p, err, first)
		}
		answer, ok := goldap.FindControl(got.controls, goldap.ControlTypeDirSync).(*goldap.ControlDirSync)
		if !ok || len(answer.Cookie) == 0 {
			return done, finding.Fail("ldap.no-pages", nil, "server", p.of.server.String())
		}
		d.Cookie = bytes.Clone(answer.Cookie)
		if answer.Flags == 0 { // no more to come
			return done, nil
		}
		if idle++; fresh > 0 {
			idle = 0
		}
		if idle >= idlePages {
			return done, finding.Fail("ldap.repeats", nil, "server", p.of.server.String(), "count", itoa(idlePages))
		}
	}
}

// tell reports progress.
func (r *reading) tell(objects int) {
	if r.Directory.Progress != nil && objects%1000 == 0 {
		r.Directory.Progress(objects)
	}
}

// syncTrouble says what a refused DirSync means. A cookie that a server no longer takes is no reason to fail.
func syncTrouble(p part, err error, cookie bool) error {
	var problem *finding.Problem
	if !errors.As(err, &problem) || len(problem.Findings) != 1 {
		return err
	}
	switch f := problem.Findings[0]; f.Code {
	case "ldap.denied":
		return finding.Fail("ldap.dirsync-denied", nil, "server", p.of.server.String(), "domain", p.nc, "said", f.Args["said"])
	case "ldap.result":
		if cookie {
			return errAnew
		}
	}
	return err
}

// What became of an object.
type outcome uint8

const (
	sameObject outcome = iota
	changedObject
	deletedObject
)

// take makes d of one told change. What is told are the attributes that changed, whole, and one without values was taken
// away ([MS-ADTS], section 3.1.1.3.4.1.3).
func (d *domain) take(e *goldap.Entry) (outcome, error) {
	guid := string(e.GetRawAttributeValue(attrGUID))
	if len(guid) != 16 {
		return sameObject, errAnew
	}
	known := d.objects[guid]
	if strings.EqualFold(e.GetAttributeValue(attrDeleted), "TRUE") {
		delete(d.objects, guid)
		if known == nil {
			return sameObject, nil
		}
		return deletedObject, nil
	}
	how := sameObject
	if known == nil {
		if !slices.ContainsFunc(e.Attributes, func(a *goldap.EntryAttribute) bool {
			return strings.EqualFold(a.Name, "objectClass") && len(a.Values) > 0
		}) {
			return sameObject, errAnew // a change of something that was never told
		}
		known = &kept{DN: e.DN, Values: map[string][][]byte{}}
		d.objects[guid] = known
		how = changedObject
	}
	if known.DN != e.DN {
		d.moved(known.DN, e.DN)
		known.DN = e.DN
		how = changedObject
	}
	for _, a := range e.Attributes {
		switch {
		case strings.EqualFold(a.Name, attrName), strings.EqualFold(a.Name, attrDeleted), strings.EqualFold(a.Name, "instanceType"):
			continue
		case len(a.ByteValues) == 0:
			if _, had := known.Values[a.Name]; had {
				delete(known.Values, a.Name)
				how = changedObject
			}
		default:
			if !slices.EqualFunc(known.Values[a.Name], a.ByteValues, bytes.Equal) {
				known.Values[a.Name] = a.ByteValues
				how = changedObject
			}
		}
	}
	return how, nil
}

// moved renames everything below a name that has changed.
func (d *domain) moved(from, to string) {
	below := "," + from
	for _, k := range d.objects {
		if cut := len(k.DN) - len(below); cut > 0 && strings.EqualFold(k.DN[cut:], below) {
			k.DN = k.DN[:cut] + "," + to
		}
	}
}

// lockedOut reads who is locked out now: that is made when it is asked for, so that no change tells it. Nobody else's is
// asked for.
func (r *reading) lockedOut(p part) (map[string][]byte, error) {
	request := goldap.NewSearchRequest(p.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, int(r.limits.request.Seconds()), false,
		"(&(objectClass=user)(!(objectClass=computer))(lockoutTime>=1))", []string{attrGUID, attrComputed}, nil)
	out := map[string][]byte{}
	err := r.pages(p, request, func(e *goldap.Entry) (bool, error) {
		guid := string(e.GetRawAttributeValue(attrGUID))
		_, again := out[guid]
		if len(out) > directory.MaxObjects {
			return false, finding.Fail("directory.many-objects", nil, "max", itoa(directory.MaxObjects))
		}
		out[guid] = bytes.Clone(e.GetRawAttributeValue(attrComputed))
		return !again, nil
	})
	return out, err
}
