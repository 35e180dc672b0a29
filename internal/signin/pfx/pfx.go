// Package pfx opens the file of a certificate with its private key (PKCS #12, RFC 7292) and checks it for a federation
// service: one TLS certificate with its key, for the name of the service, valid, with its chain.
//
//	report := pfx.Check(file, password, pfx.Names{Service: "fs.contoso.com"}, pfx.Options{Now: time.Now()})
//	for _, f := range report.Findings {
//		fmt.Println(f.Verdict, f.ID)
//	}
//
// It asks nobody: whether a certificate is trusted by clients and whether it was revoked it does not test, and says so. The
// password and the private key are in no report and in no error.
package pfx

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"sekisho/internal/signin/page"
)

// Verdict is the outcome of one check. The zero value is Refused, so that a check that forgets to say refuses.
type Verdict uint8

const (
	Refused   Verdict = iota // the file cannot be used like this
	Doubtful                 // worth a look before it is used
	NotTested                // nothing here can tell
	Passed
)

// String is the stable code: refused, doubtful, not-tested or passed.
func (v Verdict) String() string {
	return [...]string{"refused", "doubtful", "not-tested", "passed"}[v]
}

// MarshalText makes Verdict print as its code.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Finding is the outcome of one check. Its texts in package message are pfx.<id> and, unless it passed, pfx.<id>.hint.
type Finding struct {
	ID      string            `json:"id"`
	Verdict Verdict           `json:"verdict"`
	Source  page.ID           `json:"source"`
	Args    map[string]string `json:"args,omitempty"` // what the texts need; may hold what the file says
}

// TextID is the id of the finding's text.
func (f Finding) TextID() string { return "pfx." + f.ID }

// Names are what the certificate is for.
type Names struct {
	Service string // of the federation service: a host name in normal form with a dot
	// Suffixes are the UPN suffixes in use, in lower case; nil: not known, and then enterpriseregistration.* is not tested.
	Suffixes []string
}

// Options bound and date a check. The zero value checks at the year 1: set Now.
type Options struct {
	Now   time.Time
	Limit time.Duration // how long the opening may take; 0: 30 s, see openLimit
}

// Certificate is what the certificate says. Texts come from the file and may hold anything.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"` // dNSName of the subject alternative name
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key"`       // type and size: "RSA 2048", "ECDSA P-256"
	Signature string    `json:"signature"` // algorithm, "SHA256-RSA"
	SHA256    string    `json:"sha256"`    // fingerprint, hexadecimal
	Chain     []string  `json:"chain"`     // subjects of the issuers in the file, the nearest first
}

// Report is what a check found. It refuses when it is empty.
type Report struct {
	Certificate *Certificate `json:"certificate"` // nil: the file could not be opened
	Findings    []Finding    `json:"findings"`
}

// Usable reports whether no check refused the file.
func (r Report) Usable() bool {
	for _, f := range r.Findings {
		if f.Verdict == Refused {
			return false
		}
	}
	return r.Certificate != nil
}

// MaxBytes bounds the file; chosen: a certificate with key and chain has some 10 KB.
const MaxBytes = 1 << 20

// openLimit bounds the work that a file may ask for by the rounds of its key derivation; chosen: 2,000,000 rounds, a
// thousand times what OpenSSL and Windows write, take some seconds.
const openLimit = 30 * time.Second

// Check opens the file and checks what is in it. It reads at most MaxBytes and one more. An error is one of reading.
func Check(file io.Reader, password string, names Names, o Options) (Report, error) {
	data, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return Report{}, err
	}
	if refusal := shape(data); refusal != nil {
		return Report{Findings: []Finding{*refusal}}, nil
	}
	c, err := open(data, password, o.Limit)
	if err != nil {
		return Report{Findings: []Finding{refusalOf(err, password)}}, nil
	}
	return c.check(names, o.Now), nil
}

// refused makes the finding of a file that cannot be opened.
func refused(id string, args ...string) *Finding {
	f := &Finding{ID: id, Verdict: Refused, Source: page.PersonalFormat}
	f.put(args...)
	return f
}

func (f *Finding) put(args ...string) {
	for i := 0; i+1 < len(args); i += 2 {
		if f.Args == nil {
			f.Args = map[string]string{}
		}
		f.Args[args[i]] = args[i+1]
	}
}

// shape tells what is no PKCS #12 by its first bytes, because the library's words for all of that are those of ASN.1.
func shape(data []byte) *Finding {
	switch {
	case len(data) > MaxBytes:
		return refused("too-large", "max", strconv.Itoa(MaxBytes>>20))
	case len(data) == 0:
		return refused("empty")
	}
	if block, _ := pem.Decode(data); block != nil {
		return refused("pem", "type", block.Type)
	}
	if data[0] != 0x30 || len(data) < 2 { // SEQUENCE (X.690, section 8.9)
		return refused("not-pfx")
	}
	length, head := int(data[1]), 2
	switch {
	case length == 0x80: // indefinite length (X.690, section 8.1.3.6)
		return refused("ber")
	case length > 0x80:
		n := length & 0x7f
		if n > 4 {
			return refused("not-pfx")
		}
		if len(data) < 2+n {
			return refused("truncated", "missing", "1")
		}
		length = 0
		for _, b := range data[2 : 2+n] {
			length = length<<8 | int(b)
		}
		head += n
	}
	// The version is 3 (RFC 7292, section 4): certificates and keys by themselves begin otherwise.
	if version := []byte{0x02, 0x01, 0x03}; len(data) >= head+len(version) && !bytes.HasPrefix(data[head:], version) {
		return refused("not-pfx")
	}
	switch missing := head + length - len(data); {
	case missing > 0:
		return refused("truncated", "missing", strconv.Itoa(missing))
	case missing < 0:
		return refused("damaged")
	}
	return nil
}

// errSlow is the error of a file that takes longer to open than it may.
var errSlow = errors.New("the key derivation takes too long")

// errBroken is the error of a file that the library cannot be trusted with.
var errBroken = errors.New("the file breaks its reader")

// open decrypts the file. A file may ask for any number of rounds, which the library does not bound: it then works on until
// the process ends, and nobody waits for it.
func open(data []byte, password string, limit time.Duration) (*contents, error) {
	if limit == 0 {
		limit = openLimit
	}
	type result struct {
		contents *contents
		err      error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{err: errBroken}
			}
		}()
		key, first, others, err := pkcs12.DecodeChain(data, password)
		if err != nil {
			done <- result{err: err}
			return
		}
		done <- result{contents: &contents{key: key, certificates: append([]*x509.Certificate{first}, others...)}}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.contents, r.err
	case <-timer.C:
		return nil, errSlow
	}
}

// refusalOf words an error of the library. Its errors for what is in the file have no types; TestLibraryWords holds the words.
func refusalOf(err error, password string) Finding {
	var missing pkcs12.NotImplementedError
	says := func(words string) bool { return strings.Contains(err.Error(), words) }
	switch {
	case errors.Is(err, errSlow):
		return *refused("slow")
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		if password == "" {
			return *refused("password-needed")
		}
		return *refused("password")
	case says("UCS-2"):
		return *refused("password-characters")
	case says("no MAC in data"):
		return *refused("no-mac")
	case errors.As(err, &missing):
		return *refused("unsupported", "detail", err.Error())
	case says("private key missing"):
		return *refused("no-key")
	case says("exactly one key bag"):
		return *refused("several-keys")
	case says("certificate missing"):
		return *refused("no-certificate")
	}
	return *refused("damaged")
}
