package ldap

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"

	"sekisho/internal/finding"
)

// sealing protects both directions of a connection with the tokens of RFC 4121, section 4.2.6.2. The numbers have to follow
// each other: a token that was left out or sent again is refused.
type sealing struct {
	kind        etype.EType
	key         []byte
	acceptorKey bool
	most        int // bytes of a token that the server takes; 0: any

	mu  sync.Mutex
	out uint64 // number of the next token that is sent
	in  uint64 // of the next that is expected
}

// sealable reports whether tokens have the form of RFC 4121 under a cipher.
func sealable(cipher int32) bool {
	switch cipher {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
		return true
	}
	return false
}

// newSealing uses a key of AES; other ciphers have tokens of another form (RFC 4757).
func newSealing(key types.EncryptionKey, ofAcceptor bool, out, in uint64) (*sealing, error) {
	if !sealable(key.KeyType) {
		return nil, fmt.Errorf("cipher %d", key.KeyType)
	}
	kind, err := krbcrypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	if len(key.KeyValue) != kind.GetKeyByteSize() {
		return nil, errors.New("length of the key")
	}
	return &sealing{kind: kind, key: key.KeyValue, acceptorKey: ofAcceptor, out: out, in: in}, nil
}

const (
	tokenHead    = 16
	fromAcceptor = 1
	isSealed     = 2
	acceptorKey  = 4
)

func unsealed() error { return finding.Fail("ldap.seal-broken", nil, "server", "-") }

// head is the head of a token: extra are the bytes of padding or of the sum behind the data.
func tokenHeadOf(flags byte, extra uint16, number uint64) []byte {
	h := []byte{5, 4, flags, 0xff}
	h = binary.BigEndian.AppendUint16(h, extra)
	h = append(h, 0, 0) // not rotated
	return binary.BigEndian.AppendUint64(h, number)
}

// seal encrypts a message of ours.
func (s *sealing) seal(plain []byte) ([]byte, error) {
	token, err := s.wrap(plain, true)
	if err != nil {
		return nil, err
	}
	if s.most > 0 && len(token) > s.most {
		return nil, finding.Fail("ldap.seal-broken", nil, "server", "-") // our requests are some KiB
	}
	return token, nil
}

// open decrypts a token of the server's.
func (s *sealing) open(token []byte) ([]byte, error) { return s.unwrap(token, true) }

// wrap makes a token, sealed or with a sum alone.
func (s *sealing) wrap(plain []byte, conceal bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var flags byte
	if s.acceptorKey {
		flags |= acceptorKey
	}
	number := s.out
	s.out++
	if !conceal {
		// The sum is made over the data and a head without lengths.
		sum, err := s.kind.GetChecksumHash(s.key, slices.Concat(plain, tokenHeadOf(flags, 0, number)), keyusage.GSSAPI_INITIATOR_SEAL)
		if err != nil {
			return nil, unsealed()
		}
		return slices.Concat(tokenHeadOf(flags, uint16(len(sum)), number), plain, sum), nil
	}
	head := tokenHeadOf(flags|isSealed, 0, number)
	_, secret, err := s.kind.EncryptMessage(s.key, slices.Concat(plain, head), keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		return nil, unsealed()
	}
	return append(head, secret...), nil
}

// unwrap opens a token of the server's. One that has to be sealed and is not, is refused.
func (s *sealing) unwrap(token []byte, concealed bool) (plain []byte, err error) {
	defer func() {
		if recover() != nil {
			plain, err = nil, unsealed()
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(token) < tokenHead || token[0] != 5 || token[1] != 4 || token[3] != 0xff {
		return nil, unsealed()
	}
	flags, extra, turn := token[2], int(binary.BigEndian.Uint16(token[4:])), int(binary.BigEndian.Uint16(token[6:]))
	if flags&fromAcceptor == 0 || flags&isSealed != 0 != concealed || flags&acceptorKey != 0 != s.acceptorKey || binary.BigEndian.Uint64(token[8:]) != s.in {
		return nil, unsealed()
	}
	body := token[tokenHead:]
	if len(body) > 0 {
		// It was turned to the right by so much (RFC 4121, section 4.2.5).
		turn %= len(body)
		body = slices.Concat(body[turn:], body[:turn])
	}
	bare := slices.Clone(token[:tokenHead])
	copy(bare[6:8], []byte{0, 0})
	if !concealed {
		if extra > len(body) {
			return nil, unsealed()
		}
		copy(bare[4:6], []byte{0, 0})
		plain = body[:len(body)-extra]
		sum, err := s.kind.GetChecksumHash(s.key, slices.Concat(plain, bare), keyusage.GSSAPI_ACCEPTOR_SEAL)
		if err != nil || !hmac.Equal(sum, body[len(body)-extra:]) {
			return nil, unsealed()
		}
		s.in++
		return plain, nil
	}
	opened, err := s.kind.DecryptMessage(s.key, body, keyusage.GSSAPI_ACCEPTOR_SEAL)
	if err != nil || len(opened) < tokenHead+extra {
		return nil, unsealed()
	}
	if !bytes.Equal(opened[len(opened)-tokenHead:], bare) {
		return nil, unsealed()
	}
	s.in++
	return opened[:len(opened)-tokenHead-extra], nil
}
