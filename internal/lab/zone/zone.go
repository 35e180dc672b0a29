// Package zone is the DNS that the lab's domain verification asks: TXT and MX records that somebody put into the lab's
// own state, or those of a DNS server on loopback.
//
//	z, err := zone.New(state, "") // or zone.New(state, "127.0.0.1:5353")
//	r, err := zone.Parse("contoso.net", "TXT", "MS=ms12345678")
//	err = z.Set(ctx, r)
//	texts, err := z.TXT(ctx, "contoso.net")
//
// It resolves no addresses: those of the lab's hosts come from the catalog. It asks nobody outside this machine.
package zone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Limits of the lab's own records; chosen, far above what a rehearsal needs. A text has at most four strings of 255 bytes
// (RFC 1035, section 3.3), which is more than any verification record has.
const (
	MaxRecords = 1000
	maxText    = 4 * 255
)

// DefaultPreference is the preference of an MX record that names none: Microsoft's verification records have it, so that
// no mail goes there.
const DefaultPreference = 32767

// The types of records.
const (
	TXT = "TXT"
	MX  = "MX"
)

// kind is where the records are in the lab's state.
const kind = "dns"

// Record is one record. Obtain it from Parse.
type Record struct {
	Name       string `json:"name"` // in normal form, see endpoint.ParseHost
	Type       string `json:"type"` // TXT or MX
	Preference uint16 `json:"preference,omitempty"`
	Value      string `json:"value"` // the text, or the mail exchange in normal form
}

// String returns the record as a line of a zone file has it, without its life.
func (r Record) String() string {
	if r.Type == MX {
		return r.Name + ". IN MX " + strconv.Itoa(int(r.Preference)) + " " + r.Value + "."
	}
	return r.Name + ". IN TXT " + strconv.Quote(r.Value)
}

// Parse reads a record as a person writes it: the value of a TXT record is the text itself, that of an MX record a host
// name, with its preference before it or without ("0 mail.example.com", "mail.example.com"). Letter case of name and type
// does not count.
func Parse(name, typ, value string) (Record, error) {
	h, err := endpoint.ParseHost(strings.TrimSuffix(name, "."))
	if err != nil {
		return Record{}, err
	}
	if !strings.Contains(string(h), ".") {
		return Record{}, finding.Fail("zone.name", nil, "value", name)
	}
	r := Record{Name: string(h), Type: strings.ToUpper(typ)}
	switch r.Type {
	case TXT:
		if value == "" || len(value) > maxText || !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return Record{}, finding.Fail("zone.text", nil, "limit", strconv.Itoa(maxText))
		}
		r.Value = value
	case MX:
		words := strings.Fields(value)
		r.Preference = DefaultPreference
		if len(words) == 2 {
			n, err := strconv.ParseUint(words[0], 10, 16)
			if err != nil {
				return Record{}, finding.Fail("zone.preference", nil, "value", clip(words[0]))
			}
			r.Preference, words = uint16(n), words[1:]
		}
		if len(words) != 1 {
			return Record{}, finding.Fail("zone.exchange", nil, "value", clip(value))
		}
		exchange, err := endpoint.ParseHost(strings.TrimSuffix(words[0], "."))
		if err != nil {
			return Record{}, err
		}
		r.Value = string(exchange)
	default:
		return Record{}, finding.Fail("zone.type", nil, "value", clip(typ))
	}
	return r, nil
}

func (r Record) key() string {
	sum := sha256.Sum256([]byte(r.Value))
	return r.Name + "/" + r.Type + "/" + hex.EncodeToString(sum[:8])
}

// Keeper is the lab's state, as package state has it.
type Keeper interface {
	Put(ctx context.Context, kind, key string, value []byte) error
	Delete(ctx context.Context, kind, key string) error
	All(ctx context.Context, kind string, f func(key string, value []byte) error) error
}

// Zone answers. Obtain it from New. Safe for concurrent use.
type Zone struct {
	keeper Keeper
	server atomic.Pointer[string]
}

// New returns a zone over the records that keeper holds. server, "" or the address and port of a DNS server on loopback,
// is asked in place of them; an address elsewhere is an error, because the lab speaks with nobody outside.
func New(keeper Keeper, server string) (*Zone, error) {
	server, err := ParseServer(server)
	if err != nil {
		return nil, err
	}
	z := &Zone{keeper: keeper}
	z.server.Store(&server)
	return z, nil
}

// ParseServer checks the address and port of a DNS server on loopback; "" stands for the lab's own records.
func ParseServer(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	a, err := netip.ParseAddrPort(text)
	switch {
	case err != nil || a.Port() == 0:
		return "", finding.Fail("zone.server", nil, "value", clip(text))
	case !a.Addr().Unmap().IsLoopback():
		return "", finding.Fail("zone.outside", nil, "value", a.String())
	}
	return a.String(), nil
}

// Where the server is in the lab's state.
const (
	serverKind = "dns-server"
	serverKey  = "address"
)

// Use asks server from now on (see New), also after a restart that calls Resume.
func (z *Zone) Use(ctx context.Context, server string) error {
	server, err := ParseServer(server)
	if err != nil {
		return err
	}
	if err := z.keeper.Put(ctx, serverKind, serverKey, []byte(server)); err != nil {
		return err
	}
	z.server.Store(&server)
	return nil
}

// Resume asks the server again that Use was last told.
func (z *Zone) Resume(ctx context.Context) error {
	return z.keeper.All(ctx, serverKind, func(_ string, value []byte) error {
		server, err := ParseServer(string(value))
		if err != nil {
			return fmt.Errorf("read the lab's DNS server: %w", err)
		}
		z.server.Store(&server)
		return nil
	})
}

// clip keeps what is echoed short.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// Server is the DNS server that is asked; "" when the lab's own records answer.
func (z *Zone) Server() string { return *z.server.Load() }

// Set keeps r. Setting the same record again changes the preference alone.
func (z *Zone) Set(ctx context.Context, r Record) error {
	all, err := z.List(ctx)
	if err != nil {
		return err
	}
	if len(all) >= MaxRecords && !slices.ContainsFunc(all, func(have Record) bool { return have.key() == r.key() }) {
		return finding.Fail("zone.full", nil, "limit", strconv.Itoa(MaxRecords))
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep %q: %w", r, err)
	}
	return z.keeper.Put(ctx, kind, r.key(), data)
}

// Unset forgets the records that match: all of name, those of a type (typ not ""), the one with a value (value not "").
// It returns what it forgot; nothing is no error.
func (z *Zone) Unset(ctx context.Context, name, typ, value string) ([]Record, error) {
	h, err := endpoint.ParseHost(strings.TrimSuffix(name, "."))
	if err != nil {
		return nil, err
	}
	if value != "" {
		r, err := Parse(name, typ, value)
		if err != nil {
			return nil, err
		}
		value = r.Value
	} else if typ != "" && !strings.EqualFold(typ, TXT) && !strings.EqualFold(typ, MX) {
		return nil, finding.Fail("zone.type", nil, "value", clip(typ))
	}
	all, err := z.List(ctx)
	if err != nil {
		return nil, err
	}
	gone := []Record{}
	for _, r := range all {
		if r.Name != string(h) || typ != "" && !strings.EqualFold(r.Type, typ) || value != "" && r.Value != value {
			continue
		}
		if err := z.keeper.Delete(ctx, kind, r.key()); err != nil {
			return gone, err
		}
		gone = append(gone, r)
	}
	return gone, nil
}

// List returns the lab's own records by name, type and value.
func (z *Zone) List(ctx context.Context) ([]Record, error) {
	var out []Record
	err := z.keeper.All(ctx, kind, func(key string, value []byte) error {
		var r Record
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("read the lab's DNS record %q: %w", key, err)
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Record) int { return strings.Compare(a.String(), b.String()) })
	return out, nil
}

// Answer is what the DNS says of one name.
type Answer struct {
	Texts     []string // TXT, the strings of each record joined (RFC 7208, section 3.3, does the same)
	Exchanges []string // MX, in normal form
}

// Lookup asks for the TXT and MX records of name, which must be in normal form. A name that does not exist, or has no such
// record, has an empty answer. An error means that not everything is known: the server said nothing within 5 s to a question
// (see ask), or the state cannot be read; what is known stands in the answer all the same.
func (z *Zone) Lookup(ctx context.Context, name string) (Answer, error) {
	if server := z.Server(); server != "" {
		return ask(ctx, server, name)
	}
	all, err := z.List(ctx)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	for _, r := range all {
		switch {
		case r.Name != name:
		case r.Type == TXT:
			a.Texts = append(a.Texts, r.Value)
		default:
			a.Exchanges = append(a.Exchanges, r.Value)
		}
	}
	return a, nil
}
