package hello

import (
	"bytes"
	"io"
)

// retryRandom is the random value by which a ServerHello is a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC
// 8446, section 4.1.3).
const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

const (
	typeServerHello = 2
	typeCipherSpec  = 20
	typeData        = 23

	randomAt = recordHeader + messageHeader + 2
)

// Retried tells from the first bytes that an origin sent in a tunnel whether it asks for a second ClientHello. known is
// false while more bytes are needed, 43 at most. The second hello says the server name again, and an origin that looks
// at that one would serve a name that nobody judged: read it with ReadSecond and compare.
//
// A ServerHello that the origin cuts into records shorter than that is taken for none; origins do not do so, and it is
// the client that is not trusted.
func Retried(first []byte) (retried, known bool) {
	prefix := []byte{typeHandshake, 3}
	if n := min(len(first), len(prefix)); !bytes.Equal(first[:n], prefix[:n]) {
		return false, true
	}
	if len(first) > recordHeader && first[recordHeader] != typeServerHello {
		return false, true
	}
	if len(first) > randomAt {
		random := first[randomAt:min(len(first), randomAt+len(retryRandom))]
		if string(random) != retryRandom[:len(random)] {
			return false, true
		}
	}
	known = len(first) >= randomAt+len(retryRandom)
	return known, known
}

// ReadSecond reads the ClientHello that follows a HelloRetryRequest. A change_cipher_spec record may come before it, and
// early data where first offered it (RFC 8446, sections 4.2.10 and D.4); they are in Hello.Raw. Otherwise it is Read, but
// what is no TLS any more is CodeMalformed.
func ReadSecond(r io.Reader, first *Hello, lim Limits) (*Hello, error) {
	return read(r, lim, assembly{second: true, early: first.EarlyData})
}

// skip returns the size of the record at the beginning of rec, when it is one that may come before a second hello and is
// all there.
func (a *assembly) skip(rec []byte) (int, error) {
	if len(rec) == 0 || rec[0] != typeCipherSpec && (rec[0] != typeData || !a.early) {
		if len(rec) > 0 && rec[0] != typeHandshake {
			return 0, malformed("not a record that a second hello may follow")
		}
		return 0, nil
	}
	if len(rec) < recordHeader {
		return 0, nil
	}
	size := int(rec[3])<<8 | int(rec[4])
	if size == 0 || size > maxFragment+256 { // RFC 8446, section 5.2: an encrypted record may be 256 bytes longer
		return 0, malformed("a record of impossible size")
	}
	if len(rec) < recordHeader+size {
		return 0, nil
	}
	if a.skipped++; a.skipped > a.lim.Records {
		return 0, &Error{Code: CodeTooLong, Detail: "more records than the limit"}
	}
	return recordHeader + size, nil
}

// SameName reports whether second, the hello after a HelloRetryRequest, names the host that first named: RFC 8446,
// section 4.1.2 lets nothing about the name change.
func SameName(first, second *Hello) bool {
	return first.HasSNI == second.HasSNI && first.RawSNI == second.RawSNI
}
