package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// Generated returns certificates of many shapes, made with crypto/x509, which accepts them all; the first is a CA's that has
// issued the others.
func Generated(tb testing.TB) []Set {
	tb.Helper()
	g := newGenerator(tb)
	set := Set{Name: "generated", Certificates: [][]byte{g.ca.Raw}}
	for _, template := range templates() {
		set.Certificates = append(set.Certificates, g.issue(template, g.caKey))
	}
	for _, key := range g.keys {
		set.Certificates = append(set.Certificates, g.issue(template("key.example.com"), key))
	}
	return []Set{set}
}

// Names returns a certificate for so many names, host0000.example.com and on.
func Names(tb testing.TB, n int) []byte {
	tb.Helper()
	g := newGenerator(tb)
	t := template("host0000.example.com")
	for i := range n {
		t.DNSNames = append(t.DNSNames, fmt.Sprintf("host%04d.example.com", i))
	}
	return g.issue(t, g.caKey)
}

type generator struct {
	tb    testing.TB
	ca    *x509.Certificate
	caKey crypto.Signer
	keys  []crypto.Signer
}

func newGenerator(tb testing.TB) *generator {
	tb.Helper()
	g := &generator{tb: tb}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		g.must(err)
		g.keys = append(g.keys, key)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	g.must(err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 1024) // quick to make, and signs tests only
	g.must(err)
	g.keys = append(g.keys, edwards, rsaKey)
	g.caKey = g.keys[0]
	ca := template("Test CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.MaxPathLen = true, true, 1
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	g.ca = ca
	der := g.issue(ca, g.caKey)
	g.ca, err = x509.ParseCertificate(der)
	g.must(err)
	return g
}

func (g *generator) must(err error) {
	g.tb.Helper()
	if err != nil {
		g.tb.Fatalf("making a certificate: %v", err)
	}
}

// issue signs with the CA's key, or with another key as if it were self-signed.
func (g *generator) issue(template *x509.Certificate, key crypto.Signer) []byte {
	g.tb.Helper()
	parent := g.ca
	if key != g.caKey {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
	g.must(err)
	return der
}

func template(cn string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(0x4711),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    time.Date(2025, 6, 7, 8, 9, 10, 0, time.UTC),
		NotAfter:     time.Date(2026, 6, 7, 8, 9, 10, 0, time.UTC),
	}
}

// templates are the shapes.
func templates() []*x509.Certificate {
	shape := func(change func(t *x509.Certificate)) *x509.Certificate {
		t := template("www.example.com")
		change(t)
		return t
	}
	poison := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, Critical: true, Value: []byte{5, 0}}
	return []*x509.Certificate{
		shape(func(*x509.Certificate) {}),
		shape(func(t *x509.Certificate) { t.Subject = pkix.Name{}; t.DNSNames = []string{"only-in-san.example.com"} }),
		shape(func(t *x509.Certificate) { t.DNSNames = []string{"a.example.com", "www.example.com", "a.example.com"} }),
		shape(func(t *x509.Certificate) { t.Subject.CommonName = "Not A Name"; t.DNSNames = []string{"*.example.com"} }),
		shape(func(t *x509.Certificate) {
			t.Subject.CommonName = "192.0.2.1"
			t.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
		}),
		shape(fullSubject),
		shape(allExtensions),
		shape(func(t *x509.Certificate) { t.ExtraExtensions = []pkix.Extension{poison} }),
		shape(func(t *x509.Certificate) { t.SerialNumber = big.NewInt(0) }),
		shape(func(t *x509.Certificate) { t.SerialNumber = new(big.Int).Lsh(big.NewInt(0xff), 152) }),
		shape(func(t *x509.Certificate) { t.NotBefore = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC) }),
		shape(func(t *x509.Certificate) { t.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }),
		shape(func(t *x509.Certificate) { t.NotAfter = time.Date(2052, 2, 29, 23, 59, 59, 0, time.UTC) }),
		shape(func(t *x509.Certificate) { t.BasicConstraintsValid = true }),
		shape(func(t *x509.Certificate) { t.KeyUsage = 0x1ff }),
	}
}

func fullSubject(t *x509.Certificate) {
	t.Subject = pkix.Name{
		Country: []string{"DE"}, Province: []string{"Bayern"}, Locality: []string{"München"},
		Organization: []string{`Quotes "and" \ slashes`, "<b>&amp;"}, OrganizationalUnit: []string{"one", "two"},
		CommonName: "münchen.example.com", SerialNumber: "HRB 4711", PostalCode: []string{"80331"},
		ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "post@example.com"}},
	}
}

func allExtensions(t *x509.Certificate) {
	t.DNSNames = []string{"www.example.com", "xn--mnchen-3ya.example.com"}
	t.EmailAddresses = []string{"post@example.com"}
	t.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7), net.ParseIP("2001:db8::7")}
	t.URIs = []*url.URL{{Scheme: "https", Host: "example.com", Path: "/x"}}
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth,
		x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageOCSPSigning}
	t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}}
	t.SubjectKeyId = []byte{1, 2, 3, 0xab}
	t.OCSPServer = []string{"http://ocsp.example.com"}
	t.IssuingCertificateURL = []string{"http://ca.example.com/ca.crt"}
	t.Policies = []x509.OID{oid(2, 23, 140, 1, 2, 1), oid(1, 3, 6, 1, 4, 1, 4294967295, 7)}
	sct := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: []byte{4, 2, 0, 0}}
	t.ExtraExtensions = []pkix.Extension{sct}
}

func oid(arcs ...uint64) x509.OID {
	o, err := x509.OIDFromInts(arcs)
	if err != nil {
		panic(err) // only constants come here
	}
	return o
}
