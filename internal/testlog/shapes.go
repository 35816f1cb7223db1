package testlog

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"
)

// Shape says what a certificate of the CA looks like. The zero value is a certificate of no names at all.
type Shape struct {
	// Precert makes a precertificate (RFC 6962 §3.1).
	Precert bool
	// Subject of the certificate; CommonName is no name of the SAN by itself.
	Subject pkix.Name
	// The SAN.
	DNS    []string
	IPs    []net.IP
	Emails []string
	URIs   []*url.URL
	// IsCA makes a CA certificate.
	IsCA bool
	// EKU and Policies are extensions that many certificates have.
	EKU      []x509.ExtKeyUsage
	Policies []x509.OID
	// Extensions are further ones, Filler the size of an opaque one: for giant certificates.
	Extensions []pkix.Extension
	Filler     int
	// Lifetime defaults to 90 days from now.
	Lifetime time.Duration
}

func (s Shape) template() *x509.Certificate {
	now := time.Now().Truncate(time.Second)
	if s.Lifetime == 0 {
		s.Lifetime = 90 * 24 * time.Hour
	}
	usage := x509.KeyUsageDigitalSignature
	if s.IsCA {
		usage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	t := &x509.Certificate{
		Subject: s.Subject, DNSNames: s.DNS, IPAddresses: s.IPs, EmailAddresses: s.Emails, URIs: s.URIs,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(s.Lifetime), KeyUsage: usage, ExtKeyUsage: s.EKU,
		BasicConstraintsValid: true, IsCA: s.IsCA, Policies: s.Policies, SubjectKeyId: []byte{1, 2, 3, 4, 5, 6, 7, 8},
		OCSPServer: []string{"http://ocsp.test"}, IssuingCertificateURL: []string{"http://i.test/e1.crt"},
		ExtraExtensions: s.Extensions,
	}
	if s.Filler > 0 {
		t.ExtraExtensions = append(t.ExtraExtensions,
			pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: make([]byte, s.Filler)})
	}
	return t
}

// words make names that look like names.
var words = [...]string{"alpine", "bakery", "cobalt", "delta", "ember", "fjord", "garden", "harbor", "indigo", "juniper",
	"kiosk", "lumen", "maple", "nimbus", "orchard", "pixel", "quartz", "river", "saffron", "tundra"}

// domain is the n-th made-up domain, under names reserved for such use (RFC 2606, RFC 6761).
func domain(n int) string {
	top := [...]string{"example.com", "example.org", "example.net", "test", "example"}
	return fmt.Sprintf("%s-%s%d.%s", words[n%len(words)], words[n/7%len(words)], n, top[n%len(top)])
}

var serverAuth = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}

// NumShapes is how many different shapes Shaped has.
const NumShapes = 16

// Shaped is the n-th of an endless row of shapes such as real logs hold: mostly plain server certificates, two of three of
// them precertificates, and one of each oddity in NumShapes.
func Shaped(n int) Shape {
	d := domain(n)
	dv, _ := x509.ParseOID("2.23.140.1.2.1") // a valid constant
	s := Shape{Precert: n%3 != 0, Subject: pkix.Name{CommonName: d}, DNS: []string{d, "www." + d}, EKU: serverAuth, Policies: []x509.OID{dv}}
	switch n % NumShapes {
	case 1:
		s.DNS = []string{"*." + d, d}
	case 2:
		s.Subject = pkix.Name{} // names in the SAN only, as most CAs issue today
	case 3:
		s.DNS = []string{"xn--bcher-kva." + d, "xn--e1afmkfd." + d}
	case 4:
		s.IPs = []net.IP{net.IPv4(192, 0, 2, byte(n)), net.ParseIP("2001:db8::1")}
	case 5:
		for i := range 100 {
			s.DNS = append(s.DNS, fmt.Sprintf("h%d.%s", i, d))
		}
	case 6:
		s.Subject = pkix.Name{Country: []string{"DE"}, Organization: []string{"Beispiel & Söhne GmbH"}, OrganizationalUnit: []string{"IT", "Web"},
			Locality: []string{"Köln"}, Province: []string{"NRW"}, CommonName: d}
	case 7:
		s.EKU = append(s.EKU, x509.ExtKeyUsageClientAuth)
	case 8:
		s.Subject, s.DNS, s.IsCA, s.EKU, s.Precert = pkix.Name{CommonName: "Sub CA " + words[n%len(words)]}, nil, true, nil, false
	case 9:
		s.Emails, s.EKU = []string{"someone@" + d}, []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	case 10:
		s.Lifetime = 47 * 24 * time.Hour
	case 11:
		s.Subject, s.DNS, s.IPs = pkix.Name{}, nil, []net.IP{net.IPv4(198, 51, 100, byte(n))}
	case 12:
		s.DNS = append(s.DNS, "api."+d, "mail."+d, "cdn."+d, "*.dev."+d)
	}
	return s
}

// Pool issues n entries of all shapes.
func (ca *CA) Pool(n int) []*Entry {
	pool := make([]*Entry, n)
	for i := range pool {
		pool[i] = ca.Issue(Shaped(i))
	}
	return pool
}

// Source gives the entries of a pool of all shapes one after the other, again and again, each time with another serial. It is
// safe for concurrent use.
func (ca *CA) Source(pool int) func() *Entry {
	entries := ca.Pool(pool)
	var n atomic.Int64
	return func() *Entry { return ca.Vary(entries[int(n.Add(1)-1)%len(entries)]) }
}

// Cycle gives some entries one after the other, again and again: the cheapest source, and the leanest in memory. It is safe for
// concurrent use.
func Cycle(entries []*Entry) func() *Entry {
	var n atomic.Int64
	return func() *Entry { return entries[int(n.Add(1)-1)%len(entries)] }
}
