package certtest

import (
	"slices"
	"time"
)

// TLV is a DER element: a tag octet, a length, and the parts given as contents.
func TLV(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	n := len(body)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 1<<8:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	case n < 1<<16:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
	return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// Tags that tests build with.
const (
	Integer     = 0x02
	BitString   = 0x03
	OctetString = 0x04
	OID         = 0x06
	UTF8        = 0x0c
	Printable   = 0x13
	T61         = 0x14
	IA5         = 0x16
	UTCTime     = 0x17
	Generalized = 0x18
	Universal   = 0x1c
	BMP         = 0x1e
	Sequence    = 0x30
	SetOf       = 0x31
	DNS         = 0x82
)

// Object identifiers of attributes and extensions, as DER contents.
var (
	CommonName       = []byte{0x55, 4, 3}
	Country          = []byte{0x55, 4, 6}
	Locality         = []byte{0x55, 4, 7}
	Province         = []byte{0x55, 4, 8}
	Organization     = []byte{0x55, 4, 10}
	OrgUnit          = []byte{0x55, 4, 11}
	Email            = []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01")
	SubjectKeyID     = []byte{0x55, 0x1d, 14}
	KeyUsage         = []byte{0x55, 0x1d, 15}
	SubjectAltName   = []byte{0x55, 0x1d, 17}
	BasicConstraints = []byte{0x55, 0x1d, 19}
	Policies         = []byte{0x55, 0x1d, 32}
	AuthorityKeyID   = []byte{0x55, 0x1d, 35}
	ExtKeyUsage      = []byte{0x55, 0x1d, 37}
	AccessInfo       = []byte("\x2b\x06\x01\x05\x05\x07\x01\x01")
	Poison           = []byte("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03")
	SCTList          = []byte("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02")

	sha256RSA = []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")
)

// Parts are the elements of a certificate, each as whole DER, so that any of them can be left out or broken.
type Parts struct {
	Version, Serial, Algorithm, Issuer, Validity, Subject, Key []byte
	// Extensions holds the Extension elements; nil for none.
	Extensions       [][]byte
	Outer, Signature []byte
}

// NewParts are those of a sound certificate for www.example.com, which no crypto/x509 would accept only for its public key.
func NewParts() Parts {
	algorithm := TLV(Sequence, TLV(OID, sha256RSA), TLV(0x05))
	return Parts{
		Version:   TLV(0xa0, TLV(Integer, []byte{2})),
		Serial:    TLV(Integer, []byte{0x00, 0xc0, 0xff, 0xee}),
		Algorithm: algorithm,
		Issuer: Name(Attribute(Country, Printable, "AT"), Attribute(Organization, UTF8, "Tests"), Attribute(CommonName,
			UTF8, "Test CA 1")),
		Validity:   Validity(time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2055, 1, 2, 3, 4, 5, 0, time.UTC)),
		Subject:    Name(Attribute(CommonName, UTF8, "www.example.com")),
		Key:        TLV(Sequence, algorithm, TLV(BitString, []byte{0})),
		Extensions: [][]byte{Extension(SubjectAltName, AltNames("www.example.com", "example.com"))},
		Outer:      algorithm,
		Signature:  TLV(BitString, []byte{0, 1, 2, 3}),
	}
}

// DER puts the parts together.
func (p Parts) DER() []byte {
	var extensions []byte
	if p.Extensions != nil {
		extensions = TLV(0xa3, TLV(Sequence, p.Extensions...))
	}
	tbs := TLV(Sequence, p.Version, p.Serial, p.Algorithm, p.Issuer, p.Validity, p.Subject, p.Key, extensions)
	return TLV(Sequence, tbs, p.Outer, p.Signature)
}

// Attribute is a RelativeDistinguishedName with one attribute.
func Attribute(oid []byte, tag byte, value string) []byte {
	return TLV(SetOf, TLV(Sequence, TLV(OID, oid), TLV(tag, []byte(value))))
}

// Name is a distinguished name.
func Name(attributes ...[]byte) []byte { return TLV(Sequence, attributes...) }

// Validity writes UTCTime before 2050, GeneralizedTime from then on.
func Validity(notBefore, notAfter time.Time) []byte {
	at := func(t time.Time) []byte {
		if t.Year() < 2050 {
			return TLV(UTCTime, []byte(t.Format("060102150405Z")))
		}
		return TLV(Generalized, []byte(t.Format("20060102150405Z")))
	}
	return TLV(Sequence, at(notBefore), at(notAfter))
}

// Extension is an extension that is not critical.
func Extension(oid []byte, value ...[]byte) []byte {
	return TLV(Sequence, TLV(OID, oid), TLV(OctetString, value...))
}

// AltNames is the value of a subjectAltName with DNS names.
func AltNames(names ...string) []byte {
	var list [][]byte
	for _, name := range names {
		list = append(list, TLV(DNS, []byte(name)))
	}
	return TLV(Sequence, list...)
}
