package certificate

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

func TestExtensionValues(t *testing.T) {
	seq := func(parts ...[]byte) []byte { return tlv(certtest.Sequence, parts...) }
	purposeOID := func(n byte) []byte { return tlv(certtest.OID, append([]byte(oidPurposes), n)) }
	p := certtest.NewParts()
	p.Extensions = [][]byte{
		certtest.Extension(certtest.KeyUsage, tlv(certtest.BitString, []byte{7, 0xa0, 0x80})),
		certtest.Extension(certtest.ExtKeyUsage, seq(purposeOID(1), tlv(certtest.OID, []byte(oidAnyUsage)), purposeOID(17))),
		certtest.Extension(certtest.BasicConstraints, seq(tlv(1, []byte{0xff}), tlv(certtest.Integer, []byte{1}))),
		certtest.Extension(certtest.SubjectKeyID, tlv(certtest.OctetString, []byte{1, 2})),
		certtest.Extension(certtest.AuthorityKeyID, seq(tlv(0x80, []byte{3, 4}), tlv(0x82, []byte{9}))),
		certtest.Extension(certtest.Policies, seq(seq(tlv(certtest.OID, []byte{0x67, 0x81, 0x0c, 1}), seq()),
			seq(tlv(certtest.OID, []byte{0x2a})))),
		certtest.Extension(certtest.AccessInfo, seq(
			seq(tlv(certtest.OID, []byte{0x2b}), tlv(0x86, []byte("http://second"))),
			seq(tlv(certtest.OID, []byte{0x2b}), tlv(0xa4, seq())),
			seq(tlv(certtest.OID, []byte{0x2a}), tlv(0x86, []byte("http://first"))))),
		seq(tlv(certtest.OID, certtest.Poison), tlv(1, []byte{0xff}), tlv(certtest.OctetString, tlv(5))),
		certtest.Extension(certtest.SCTList, tlv(certtest.OctetString, []byte{0, 0})),
	}
	r := parse(p.DER())
	if r.Partial() {
		t.Fatal(r.ParseError())
	}
	if want := DigitalSignature | KeyEncipherment | DecipherOnly; !r.HasKeyUsage || r.KeyUsage != want {
		t.Errorf("key usage %b, want %b", r.KeyUsage, want)
	}
	if want := ServerAuth | AnyExtendedKeyUsage | OtherPurpose; !r.HasExtKeyUsage || r.ExtKeyUsage != want {
		t.Errorf("extended key usage %b, want %b", r.ExtKeyUsage, want)
	}
	if !r.IsCA || !r.HasBasicConstraints || !r.Poison || !r.IsPrecert() || !r.SCTList {
		t.Errorf("CA %v, constraints %v, poison %v, SCTs %v", r.IsCA, r.HasBasicConstraints, r.Poison, r.SCTList)
	}
	if string(r.SubjectKeyID) != "\x01\x02" || string(r.AuthorityKeyID) != "\x03\x04" {
		t.Errorf("key ids %x %x", r.SubjectKeyID, r.AuthorityKeyID)
	}
	if len(r.AccessURIs) != 2 || string(r.AccessURIs[0]) != "http://second" || string(r.AccessURIs[1]) != "http://first" {
		t.Errorf("URIs %q, want them in the certificate's order", r.AccessURIs)
	}
	if len(r.Policies) != 2 || string(AppendOID(nil, r.Policies[0])) != "2.23.140.1" || string(AppendOID(nil,
		r.Policies[1])) != "1.2" {
		t.Errorf("policies %x", r.Policies)
	}
}

// TestBrokenElements has a broken element before a sound one in each list: the sound one counts.
func TestBrokenElements(t *testing.T) {
	seq := func(parts ...[]byte) []byte { return tlv(certtest.Sequence, parts...) }
	p := certtest.NewParts()
	p.Extensions = [][]byte{
		certtest.Extension(certtest.ExtKeyUsage, seq(octet(1), tlv(certtest.OID, []byte(oidAnyUsage)))),
		certtest.Extension(certtest.Policies, seq(seq(octet(1)), octet(1), seq(tlv(certtest.OID, []byte{0x2a, 3})))),
		certtest.Extension(certtest.AccessInfo, seq(seq(tlv(certtest.OID, []byte{0x2b})), octet(1),
			seq(tlv(certtest.OID, []byte{0x2b}), tlv(0x86, []byte("http://sound"))))),
		certtest.Extension(certtest.SubjectAltName, seq(octet(1), tlv(certtest.DNS, []byte("sound.example")))),
	}
	r := parse(p.DER())
	if r.ExtKeyUsage != AnyExtendedKeyUsage || len(r.Policies) != 1 || len(r.AccessURIs) != 1 || len(r.Domains()) != 2 {
		t.Errorf("purposes %b, policies %x, URIs %q, domains %q", r.ExtKeyUsage, r.Policies, r.AccessURIs, r.Domains())
	}
	for _, field := range []string{"extendedKeyUsage: purpose", "certificatePolicies: policy",
		"authorityInfoAccess: descr", "subjectAltName: name"} {
		if !strings.Contains(r.ParseError(), field) {
			t.Errorf("%q says nothing of %s", r.ParseError(), field)
		}
	}
}

// TestExtensionsReset parses a certificate with nothing after one with everything.
func TestExtensionsReset(t *testing.T) {
	var r Record
	r.Parse(certtest.Generated(t)[0].Certificates[7])
	if r.SubjectKeyID == nil || !r.HasExtKeyUsage || len(r.AccessURIs) == 0 || len(r.Policies) == 0 {
		t.Fatal("the first certificate lacks extensions")
	}
	p := certtest.NewParts()
	p.Extensions = nil
	r.Parse(p.DER())
	for range r.AltNames {
		t.Error("an alternative name is left")
	}
	if r.SubjectKeyID != nil || r.AuthorityKeyID != nil || r.HasExtKeyUsage || r.HasKeyUsage || r.HasBasicConstraints || r.SCTList ||
		r.ExtKeyUsage != 0 || r.KeyUsage != 0 || len(r.AccessURIs) != 0 || len(r.Policies) != 0 || len(r.Domains()) != 1 {
		t.Errorf("something is left: %+v", r)
	}
}

// TestOID compares with crypto/x509's dotted form, for all arcs that we write.
func TestOID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := rapid.Uint64Range(0, 2).Draw(t, "root")
		second := rapid.Uint64Range(0, 39).Draw(t, "second")
		if root == 2 {
			second = rapid.Uint64Range(0, 1<<62).Draw(t, "large second")
		}
		arcs := append([]uint64{root, second}, rapid.SliceOf(rapid.Uint64Range(0, 1<<63-1)).Draw(t, "arcs")...)
		oid, err := x509.OIDFromInts(arcs)
		if err != nil {
			t.Fatal(err)
		}
		der, err := oid.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendOID(nil, der)); !validOID(der) || got != oid.String() {
			t.Fatalf("%x: got %s, valid %v, want %s", der, got, validOID(der), oid)
		}
	})
}

func TestValidOID(t *testing.T) {
	for oid, want := range map[string]bool{
		"": false, "\x2a": true, "\x81": false, "\x2a\x81": false, "\x81\x81\x81\x81\x81\x81\x81\x81\x01": true,
		"\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01": false,
	} {
		if got := validOID([]byte(oid)); got != want {
			t.Errorf("%x: got %v", oid, got)
		}
	}
}

// TestSignatureTexts names algorithms as they stand in certificates.
func TestSignatureTexts(t *testing.T) {
	rsa, ecdsa := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4}
	nist := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4}
	for want, oids := range map[string][]asn1.ObjectIdentifier{
		"md2, rsa": {append(rsa, 2)}, "md5, rsa": {append(rsa, 4)}, "sha1, rsa": {append(rsa, 5), {1, 3, 14, 3, 2, 29}},
		"sha256, rsa": {append(rsa, 11)}, "sha384, rsa": {append(rsa, 12)}, "sha512, rsa": {append(rsa, 13)},
		"sha224, rsa": {append(rsa, 14)}, "ecdsa, sha1": {append(ecdsa, 1)}, "ecdsa, sha224": {append(ecdsa, 3, 1)},
		"ecdsa, sha256": {append(ecdsa, 3, 2)}, "ecdsa, sha384": {append(ecdsa, 3, 3)}, "ecdsa, sha512": {append(ecdsa, 3, 4)},
		"dsa, sha1": {{1, 2, 840, 10040, 4, 3}}, "dsa, sha224": {append(nist, 3, 1)}, "dsa, sha256": {append(nist, 3, 2)},
		"ed25519": {{1, 3, 101, 112}}, "ed448": {{1, 3, 101, 113}}, "sha1, rsa-pss": {append(rsa, 10)},
		"unknown": {{1, 2, 3}, append(rsa, 1), {1, 2, 643, 7, 1, 1, 3, 2}},
	} {
		for _, oid := range oids {
			der, err := asn1.Marshal(oid)
			if err != nil {
				t.Fatal(err)
			}
			if got := signatureText(der); got != want {
				t.Errorf("%v: got %q, want %q", oid, got, want)
			}
		}
	}
	if got := signatureText([]byte{5, 0}); got != "unknown" {
		t.Errorf("no identifier: got %q", got)
	}
}

// TestPSS names RSASSA-PSS by the hash in its parameters.
func TestPSS(t *testing.T) {
	pss := tlv(certtest.OID, []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"))
	with := func(hash string) []byte {
		return tlv(certtest.Sequence, tlv(0xa0, tlv(certtest.Sequence, tlv(certtest.OID, []byte(hash)))))
	}
	for want, parameters := range map[string][]byte{
		"sha256, rsa-pss": with("\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
		"sha384, rsa-pss": with("\x60\x86\x48\x01\x65\x03\x04\x02\x02"),
		"sha512, rsa-pss": with("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), "sha1, rsa-pss": tlv(certtest.Sequence, tlv(0xa1)),
		"unknown": with("\x2a\x03"),
	} {
		if got := signatureText(append(pss, parameters...)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := signatureText(append(pss, with("\x2b\x0e\x03\x02\x1a")...)); got != "sha1, rsa-pss" {
		t.Errorf("SHA-1 spelled out: got %q", got)
	}
}
