package ctlog

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
)

// verifier checks a log's signatures over tree heads. The zero verifier, of an unsigned log, accepts them all.
type verifier struct {
	key any // *ecdsa.PublicKey or *rsa.PublicKey
}

func newVerifier(spki []byte) (verifier, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return verifier{}, fmt.Errorf("key: not the DER of a public key: %w", err)
	}
	switch key.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
		return verifier{key: key}, nil
	}
	return verifier{}, fmt.Errorf("key: a %T; logs sign with ECDSA or RSA (RFC 6962 §2.1.4)", key)
}

// verifier is what the options say about signatures.
func (o *Options) verifier() (verifier, error) {
	if o.Unsigned {
		return verifier{}, nil
	}
	return newVerifier(o.Key)
}

// The algorithm numbers of RFC 5246 §7.4.1.4.1.
const (
	hashSHA256     = 4
	signatureRSA   = 1
	signatureECDSA = 3
)

var (
	errSignatureForm = errors.New("the signature is not a DigitallySigned of SHA-256 with the key's algorithm")
	errSignature     = errors.New("the signature does not verify")
)

// verify checks a DigitallySigned over the TreeHeadSignature of RFC 6962 §3.5.
func (v verifier) verify(head TreeHead, signed []byte) error {
	if v.key == nil {
		return nil
	}
	if len(signed) < 4 || signed[0] != hashSHA256 || int(binary.BigEndian.Uint16(signed[2:])) != len(signed)-4 {
		return errSignatureForm
	}
	digest, sig := head.digest(), signed[4:]
	switch key := v.key.(type) {
	case *ecdsa.PublicKey:
		if signed[1] != signatureECDSA {
			return errSignatureForm
		}
		if !ecdsa.VerifyASN1(key, digest[:], sig) {
			return errSignature
		}
	case *rsa.PublicKey:
		if signed[1] != signatureRSA {
			return errSignatureForm
		}
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) != nil {
			return errSignature
		}
	}
	return nil
}

// digest is the SHA-256 of the TreeHeadSignature: version v1, type tree_hash, timestamp, size, root.
func (h TreeHead) digest() Hash {
	b := make([]byte, 2, 50)
	b[1] = 1
	b = binary.BigEndian.AppendUint64(b, h.Timestamp)
	b = binary.BigEndian.AppendUint64(b, h.Size)
	return sha256.Sum256(append(b, h.Root[:]...))
}
