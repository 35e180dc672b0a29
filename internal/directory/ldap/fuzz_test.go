package ldap

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"

	"sekisho/internal/finding"
)

// FuzzMessage: what passes is a message to the library, too, and the same bytes; what does not is a problem or an end.
func FuzzMessage(f *testing.F) {
	for _, m := range [][]byte{
		envelope(1, result(0x61, 0)), envelope(2, person(7)), envelope(3, result(0x65, 0), paged("cookie")), envelope(4, result(0x65, 0), toldChanges(1, "cookie")),
		envelope(5, tlv(0x73, text("ldap://other.example/DC=other"))), envelope(6, tlv(0x64, text("CN=x"), nested(20))), tlv(0x30, number(2, 1)), {0x30, 0x80, 0, 0},
		envelope(7, found("CN=x", attribute("mail"), attribute("cn", "", "y"))), []byte("HTTP/1.1 400\r\n"), {},
	} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		message, err := readMessage(bytes.NewReader(data))
		var problem *finding.Problem
		if err != nil {
			if message != nil || !errors.As(err, &problem) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("got %x, %v", message, err)
			}
			nameIn(data)
			return
		}
		if !bytes.HasPrefix(data, message) {
			t.Fatalf("other bytes: %x", message)
		}
		read, err := ber.DecodePacketErr(message)
		if err != nil || len(read.Children) < 2 {
			t.Fatalf("the library reads %v, %v", read, err)
		}
		extended(message)
	})
}

// FuzzState: a state is the whole or an error, and what is written of it is read as the same.
func FuzzState(f *testing.F) {
	var whole bytes.Buffer
	s := &state{Read: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), Attributes: []string{"mail"}, domains: []*domain{{Name: "DC=x", Cookie: []byte("c"), objects: map[string]*kept{
		"0123456789abcdef": {DN: "CN=a,DC=x", Values: map[string][][]byte{"mail": {[]byte("a@x.example")}}},
		"fedcba9876543210": {DN: "CN=b,DC=x", Values: map[string][][]byte{}},
	}}}}
	if err := s.encode(&whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-9])
	f.Add(append(bytes.Clone(whole.Bytes()), '\n'))
	f.Add([]byte(`{"sekisho_directory_state":2}` + "\n"))
	f.Add([]byte(`{"sekisho_directory_state":1,"domains":[{"name":"DC=x","cookie":"Yw==","objects":-1}]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(bytes.NewReader(data))
		if (s == nil) == (err == nil) {
			t.Fatalf("got %v, %v", s, err)
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := s.encode(&out); err != nil {
			t.Fatal(err)
		}
		again, err := parseState(&out)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.domains {
			if diff := cmp.Diff(s.domains[i].objects, again.domains[i].objects, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// FuzzToken: nothing but the server's own tokens opens.
func FuzzToken(f *testing.F) {
	key := types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: bytes.Repeat([]byte{7}, 32)}
	fresh := func() *sealing {
		s, err := newSealing(key, true, 1, 1)
		if err != nil {
			f.Fatal(err)
		}
		return s
	}
	for _, conceal := range []bool{false, true} {
		own, err := fresh().wrap([]byte("words"), conceal)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(own, conceal)
		own[2] |= fromAcceptor
		f.Add(own, conceal)
	}
	f.Add([]byte{5, 4, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 9}, true)
	f.Fuzz(func(t *testing.T, token []byte, conceal bool) {
		if plain, err := fresh().unwrap(token, conceal); err == nil || plain != nil {
			t.Fatalf("opened as %q", plain)
		}
		mechanismToken(token)
	})
}

// FuzzServer: an address that is taken is taken again as it prints.
func FuzzServer(f *testing.F) {
	for _, s := range []string{"ldaps://dc1.corp.example", "ldap://10.0.0.1:1389/", "ldap://[2001:db8::1]:389", "ldaps://a:b@dc1", "ldap://dc1:3268", "ldap://dc1/DC=x", "https://dc1", "dc1", "ldap://", "LDAP://dc1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseServer(text)
		var problem *finding.Problem
		if err != nil {
			if s != (Server{}) || !errors.As(err, &problem) {
				t.Fatalf("got %v, %v", s, err)
			}
			return
		}
		if again, err := ParseServer(s.String()); err != nil || again != s {
			t.Errorf("%q: got %v, then %v, %v", text, s, again, err)
		}
	})
}
