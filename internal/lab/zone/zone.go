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
	"unicode/utf8"

	"sekisho/internal/endpoint"
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
		return Record{}, fmt.Errorf("%q is no domain name; write one with a dot, such as contoso.net", name)
	}
	r := Record{Name: string(h), Type: strings.ToUpper(typ)}
	switch r.Type {
	case TXT:
		if value == "" || len(value) > maxText || !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return Record{}, fmt.Errorf("the text of a TXT record has 1 to %d bytes of UTF-8 without control characters", maxText)
		}
		r.Value = value
	case MX:
		words := strings.Fields(value)
		r.Preference = DefaultPreference
		if len(words) == 2 {
			n, err := strconv.ParseUint(words[0], 10, 16)
			if err != nil {
				return Record{}, fmt.Errorf("%q is no preference of an MX record; write a number from 0 to 65535", words[0])
			}
			r.Preference, words = uint16(n), words[1:]
		}
		if len(words) != 1 {
			return Record{}, fmt.Errorf("%q is no value of an MX record; write the mail exchange, or its preference and it", value)
		}
		exchange, err := endpoint.ParseHost(strings.TrimSuffix(words[0], "."))
		if err != nil {
			return Record{}, err
		}
		r.Value = string(exchange)
	default:
		return Record{}, fmt.Errorf("%q is no type that the lab's DNS knows; write TXT or MX", typ)
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
	server string
}

// New returns a zone over the records that keeper holds. server, "" or the address and port of a DNS server on loopback,
// is asked in place of them; an address elsewhere is an error, because the lab speaks with nobody outside.
func New(keeper Keeper, server string) (*Zone, error) {
	if server != "" {
		a, err := netip.ParseAddrPort(server)
		if err != nil {
			return nil, fmt.Errorf("%q is no address with a port; write one such as 127.0.0.1:5353", server)
		}
		if !a.Addr().Unmap().IsLoopback() || a.Port() == 0 {
			return nil, fmt.Errorf("%q is not on loopback; the lab asks no server outside this machine", server)
		}
		server = a.String()
	}
	return &Zone{keeper, server}, nil
}

// Server is the DNS server that is asked; "" when the lab's own records answer.
func (z *Zone) Server() string { return z.server }

// Set keeps r. Setting the same record again changes the preference alone.
func (z *Zone) Set(ctx context.Context, r Record) error {
	all, err := z.List(ctx)
	if err != nil {
		return err
	}
	if len(all) >= MaxRecords && !slices.ContainsFunc(all, func(have Record) bool { return have.key() == r.key() }) {
		return fmt.Errorf("the lab's DNS holds %d records, which is its limit; take some away", len(all))
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
		return nil, fmt.Errorf("%q is no type that the lab's DNS knows; write TXT or MX", typ)
	}
	all, err := z.List(ctx)
	if err != nil {
		return nil, err
	}
	var gone []Record
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
// record, has an empty answer. An error means that no answer is known: the server said nothing within 5 s (see ask), or
// the state cannot be read.
func (z *Zone) Lookup(ctx context.Context, name string) (Answer, error) {
	if z.server != "" {
		return z.ask(ctx, name)
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
