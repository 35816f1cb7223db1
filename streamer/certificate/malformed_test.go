package certificate

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// TestMalformedKeepNames looks at the certificates that crypto/x509 rejects: every DNS name that a search for subjectAltName in
// the bytes finds is among the domains.
func TestMalformedKeepNames(t *testing.T) {
	for _, set := range append(certtest.Shared(t), brokenSet(t)) {
		t.Run(set.Name, func(t *testing.T) {
			var r Record
			rejected, names := 0, 0
			for i, der := range set.Certificates {
				if _, err := x509.ParseCertificate(der); err == nil {
					continue
				}
				rejected++
				r.Parse(der)
				got := clone(r.Domains())
				for _, name := range searchNames(der) {
					names++
					if !slices.Contains(got, name) {
						t.Errorf("certificate %d: lost %q; has %q; parse error %q", i+1, name, got, r.ParseError())
					}
				}
			}
			t.Logf("%d certificates rejected by crypto/x509, %d names found in their bytes", rejected, names)
		})
	}
}

// brokenSet has what crypto/x509 does not accept for one reason or another, for clean clones.
func brokenSet(t *testing.T) certtest.Set {
	set := certtest.Set{Name: "broken"}
	add := func(change func(p *certtest.Parts)) {
		p := certtest.NewParts()
		change(&p)
		set.Certificates = append(set.Certificates, p.DER())
	}
	add(func(p *certtest.Parts) { p.Serial = tlv(certtest.Integer, []byte{0xff}) })
	add(func(p *certtest.Parts) { p.Serial = tlv(certtest.Integer) })
	add(func(p *certtest.Parts) { p.Version = tlv(0xa0, tlv(certtest.Integer, []byte{9})) })
	add(func(p *certtest.Parts) {
		p.Subject = certtest.Name(certtest.Attribute(certtest.CommonName, certtest.UTF8, "\xff"))
	})
	add(func(p *certtest.Parts) { p.Issuer = tlv(certtest.UTF8, []byte("Test CA")) })
	add(func(p *certtest.Parts) {
		p.Validity = tlv(certtest.Sequence, tlv(certtest.UTCTime, []byte("tomorrow")))
	})
	add(func(p *certtest.Parts) { p.Key = tlv(certtest.Sequence) })
	add(func(p *certtest.Parts) { p.Extensions = append(p.Extensions, p.Extensions[0]) })
	add(func(p *certtest.Parts) {
		p.Extensions = append(p.Extensions, certtest.Extension(certtest.SubjectAltName, certtest.AltNames("8bit\xe4.example.com")))
	})
	_, bare, _, _ := cut(certtest.NewParts().DER())
	set.Certificates = append(set.Certificates, bare)
	der := certtest.Names(t, 30)
	set.Certificates = append(set.Certificates, append(bytes.Clone(der), 0), der[:len(der)-1], der[:len(der)-100])
	return set
}

// searchNames finds DNS names without regard to what is around subjectAltName: its identifier, perhaps a boolean, an octet
// string, a sequence, and in it elements of tag 0x82.
func searchNames(der []byte) (names []string) {
	for _, b := range bytes.Split(der, []byte{0x06, 0x03, 0x55, 0x1d, 0x11})[1:] {
		if len(b) > 3 && b[0] == 1 && b[1] == 1 {
			b = b[3:]
		}
		for _, tag := range []byte{0x04, 0x30} {
			got, start, size, ok := header(b)
			if !ok || got != tag || size > len(b)-start {
				return names
			}
			b = b[start : start+size]
		}
		for {
			tag, start, size, ok := header(b)
			if !ok || size > len(b)-start {
				break
			}
			if tag == 0x82 {
				names = append(names, string(b[start:start+size]))
			}
			b = b[start+size:]
		}
	}
	return names
}
