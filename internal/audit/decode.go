package audit

import (
	"encoding/json"
	"strconv"
	"strings"
)

// decodeRecord reads a payload. Fields that it does not know are a newer process's; they are left out.
func decodeRecord(payload []byte) (Record, error) {
	if r, ok := decodePlain(string(payload)); ok {
		return r, nil
	}
	var r Record
	err := json.Unmarshal(payload, &r)
	return r, err
}

// decodePlain reads what appendRecord wrote, where every text is plain, at a tenth of what the reflection of
// encoding/json costs: a busy spool is read back from disk. Whatever looks different in any way is left to that package.
func decodePlain(text string) (r Record, ok bool) {
	d := plain{rest: text}
	d.text(`{"node":`, &r.Node)
	d.text(`,"boot":`, &r.Boot)
	seq := d.number(`,"sequence":`, 64)
	r.Seq = uint64(seq)
	if d.skip(`,"open":true`) {
		r.Open = true
	}
	var kind string
	d.text(`,"kind":`, &kind)
	r.TimeMicros = d.number(`,"time_us":`, 64)
	d.text(`,"request_id":`, &r.RequestID)
	d.text(`,"connection_id":`, &r.Connection)
	d.text(`,"client":`, &r.Client)
	d.text(`,"user":`, &r.User)
	for before := `,"groups":[`; d.next(before + `"`); before = `,` {
		var group string
		d.text(before, &group)
		r.Groups = append(r.Groups, group)
	}
	if r.Groups != nil && !d.skip(`]`) {
		return r, false
	}
	d.text(`,"method":`, &r.Method)
	d.text(`,"host":`, &r.Host)
	r.Port = uint16(d.number(`,"port":`, 17)) // of them, 16 for the value
	d.text(`,"sni":`, &r.SNI)
	d.text(`,"authority":`, &r.Authority)
	d.text(`,"addr":`, &r.Addr)
	d.text(`,"verdict":`, &r.Verdict)
	d.text(`,"action":`, &r.Action)
	d.text(`,"reason":`, &r.Reason)
	d.text(`,"would":`, &r.Would)
	d.text(`,"rule":`, &r.Rule)
	d.text(`,"ring":`, &r.Ring)
	d.text(`,"mode":`, &r.Mode)
	d.text(`,"profile":`, &r.Profile)
	d.text(`,"policy_hash":`, &r.PolicyHash)
	d.text(`,"catalog_version":`, &r.CatalogVersion)
	r.Status = int(d.number(`,"status":`, strconv.IntSize))
	r.BytesUp = d.number(`,"bytes_up":`, 64)
	r.BytesDown = d.number(`,"bytes_down":`, 64)
	r.DurationMicros = d.number(`,"duration_us":`, 64)
	d.text(`,"error":`, &r.Error)
	d.text(`,"endpoint":`, &r.Endpoint)
	d.text(`,"tenant":`, &r.Tenant)
	d.text(`,"application":`, &r.Application)
	d.text(`,"aadsts":`, &r.AADSTS)
	d.text(`,"correlation_id":`, &r.CorrelationID)
	d.text(`,"outcome":`, &r.Outcome)
	d.text(`,"user_agent":`, &r.UserAgent)
	whole := d.skip(`}`) && d.rest == "" && seq >= 0
	return r, whole && !d.other && r.Kind.UnmarshalText([]byte(kind)) == nil
}

// plain reads a text from its beginning.
type plain struct {
	rest  string
	other bool // it is not what was expected
}

func (d *plain) next(what string) bool { return strings.HasPrefix(d.rest, what) }

func (d *plain) skip(what string) (found bool) {
	d.rest, found = strings.CutPrefix(d.rest, what)
	return found
}

func (d *plain) text(before string, to *string) {
	if d.other || !d.skip(before) || !d.skip(`"`) {
		d.other = true
		return
	}
	for i := range len(d.rest) {
		switch c := d.rest[i]; {
		case c == '"':
			*to, d.rest = d.rest[:i], d.rest[i+1:]
			return
		case c < 0x20 || c > 0x7e || c == '\\':
			d.other = true
			return
		}
	}
	d.other = true
}

// number reads a number of at most so many bits, sign included, that is written in the one way in which it is written here.
func (d *plain) number(before string, bits int) int64 {
	if d.other || !d.skip(before) {
		d.other = true
		return 0
	}
	n := 0
	for n < len(d.rest) && (d.rest[n] == '-' || '0' <= d.rest[n] && d.rest[n] <= '9') {
		n++
	}
	digits := d.rest[:n]
	v, err := strconv.ParseInt(digits, 10, bits)
	var written [20]byte
	if err != nil || string(strconv.AppendInt(written[:0], v, 10)) != digits || bits == 17 && v < 0 {
		d.other = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}
