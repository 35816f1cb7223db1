package testlog

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidPoison  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}
	oidSCTList = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
)

// CA issues certificates and precertificates below an intermediate and a root of its own. It is safe for concurrent use.
type CA struct {
	// Root and Intermediate are the DER of its own certificates.
	Root, Intermediate []byte

	issuer     *x509.Certificate
	key        *ecdsa.PrivateKey
	leafKey    *ecdsa.PrivateKey
	issuerHash Hash
	chain      [][]byte
	serial     atomic.Uint64
}

// NewCA makes a CA with new keys.
func NewCA(name string) *CA {
	rootKey, key := NewKey(), NewKey()
	now := time.Now().Truncate(time.Second)
	authority := func(cn string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"XX"}, Organization: []string{name}, CommonName: cn},
			NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
	}
	root := authority(name+" Root X1", 1)
	rootDER := create(root, root, &rootKey.PublicKey, rootKey)
	intermediate := authority(name+" E1", 2)
	der := create(intermediate, parse(rootDER), &key.PublicKey, rootKey)
	issuer := parse(der)
	ca := &CA{
		Root: rootDER, Intermediate: der, issuer: issuer, key: key, leafKey: NewKey(),
		issuerHash: sha256.Sum256(issuer.RawSubjectPublicKeyInfo), chain: [][]byte{der, rootDER},
	}
	ca.serial.Store(uint64(now.UnixNano()))
	return ca
}

func create(template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		panic(fmt.Sprintf("testlog: making a certificate: %v", err))
	}
	return der
}

func parse(der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(fmt.Sprintf("testlog: reading a certificate just made: %v", err))
	}
	return c
}

// nextSerial gives 16 bytes, the first of them 0x20, so that the DER of all serials is equally long.
func (ca *CA) nextSerial() []byte {
	n := ca.serial.Add(1)
	b := sha256.Sum256(fmt.Appendf(ca.issuerHash[:8:8], "%d", n))
	b[0] = 0x20
	return b[:16]
}

// Issue makes a certificate or precertificate of a shape, with its whole chain.
func (ca *CA) Issue(s Shape) *Entry {
	template := s.template()
	template.SerialNumber = new(big.Int).SetBytes(ca.nextSerial())
	if s.Precert {
		template.ExtraExtensions = append(template.ExtraExtensions,
			pkix.Extension{Id: oidPoison, Critical: true, Value: []byte{5, 0}})
	}
	return ca.entry(create(template, ca.issuer, &ca.leafKey.PublicKey, ca.key), s.Precert)
}

// entry makes a log entry of a certificate of this CA.
func (ca *CA) entry(der []byte, precert bool) *Entry {
	e := &Entry{Precert: precert, DER: der, Chain: ca.chain}
	if precert {
		e.TBS = replaceExtension(parse(der).RawTBSCertificate, oidPoison, nil)
		e.IssuerKeyHash = ca.issuerHash
	}
	return e
}

// Vary issues the certificate once more with another serial, several times faster than Issue.
func (ca *CA) Vary(e *Entry) *Entry {
	serial := ca.nextSerial()
	der := ca.sign(withSerial(splitTBS(e.DER), serial))
	v := &Entry{Precert: e.Precert, DER: der, Chain: e.Chain}
	if e.Precert {
		v.TBS, v.IssuerKeyHash = withSerial(e.TBS, serial), e.IssuerKeyHash
	}
	return v
}

// Final makes the certificate of a precertificate: an SCT list in place of the poison.
func (ca *CA) Final(precert *Entry, sctList []byte) *Entry {
	value, err := asn1.Marshal(sctList)
	if err != nil {
		panic(fmt.Sprintf("testlog: packing an SCT list: %v", err))
	}
	ext, err := asn1.Marshal(pkix.Extension{Id: oidSCTList, Value: value})
	if err != nil {
		panic(fmt.Sprintf("testlog: packing an extension: %v", err))
	}
	return &Entry{DER: ca.sign(replaceExtension(splitTBS(precert.DER), oidPoison, ext)), Chain: precert.Chain}
}

// sign makes a certificate of a TBSCertificate.
func (ca *CA) sign(tbs []byte) []byte {
	digest := sha256.Sum256(tbs)
	sig, err := ecdsa.SignASN1(rand.Reader, ca.key, digest[:])
	if err != nil {
		panic(fmt.Sprintf("testlog: signing a certificate: %v", err))
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}) // ecdsa-with-SHA256
		})
		b.AddASN1BitString(sig)
	})
	return b.BytesOrPanic()
}

// splitTBS is the TBSCertificate inside a certificate.
func splitTBS(der []byte) []byte {
	var certificate, tbs cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&certificate, cbasn1.SEQUENCE) || !certificate.ReadASN1Element(&tbs, cbasn1.SEQUENCE) {
		panic("testlog: not a certificate")
	}
	return tbs
}

// withSerial puts a serial of the same length into a copy of a TBSCertificate.
func withSerial(tbs, serial []byte) []byte {
	out := append([]byte(nil), tbs...)
	var body, version, old cryptobyte.String
	s := cryptobyte.String(out)
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&version, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadASN1(&old, cbasn1.INTEGER) || len(old) != len(serial) {
		panic("testlog: Vary wants a certificate that Issue made")
	}
	copy(old, serial)
	return out
}

// replaceExtension writes a TBSCertificate anew with the DER of another extension, or none, in place of one.
func replaceExtension(tbs []byte, oid asn1.ObjectIdentifier, with []byte) []byte {
	tag := cbasn1.Tag(3).ContextSpecific().Constructed()
	var body cryptobyte.String
	s := cryptobyte.String(tbs)
	s.ReadASN1(&body, cbasn1.SEQUENCE)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !body.Empty() && !body.PeekASN1Tag(tag) {
			var element cryptobyte.String
			if !body.ReadAnyASN1Element(&element, new(cbasn1.Tag)) {
				return
			}
			b.AddBytes(element)
		}
		var outer, list cryptobyte.String
		if body.ReadASN1(&outer, tag) && outer.ReadASN1(&list, cbasn1.SEQUENCE) {
			b.AddASN1(tag, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { copyExtensions(b, list, oid, with) })
			})
		}
	})
	return b.BytesOrPanic()
}

func copyExtensions(b *cryptobyte.Builder, list cryptobyte.String, oid asn1.ObjectIdentifier, with []byte) {
	for !list.Empty() {
		var element, ext cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return
		}
		inner := element
		if inner.ReadASN1(&ext, cbasn1.SEQUENCE) && ext.ReadASN1ObjectIdentifier(&id) && id.Equal(oid) {
			b.AddBytes(with)
			continue
		}
		b.AddBytes(element)
	}
}
