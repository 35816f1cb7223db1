package certificate

import (
	"crypto/x509"
	"testing"
	"unicode/utf8"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// FuzzParse never panics, keeps its bounds, and agrees with crypto/x509 where that accepts.
func FuzzParse(f *testing.F) {
	seeds := allSets(f)
	for i := 0; i < len(seeds); i += 1 + len(seeds)/400 {
		f.Add(seeds[i])
	}
	for _, der := range certtest.Generated(f)[0].Certificates {
		f.Add(der)
	}
	f.Add(certtest.NewParts().DER())
	f.Add([]byte{0x30, 0x80})
	var before Record
	before.Parse(certtest.Names(f, 100))
	f.Fuzz(func(t *testing.T, der []byte) {
		r := before // what is left of another certificate must not show
		r.Parse(der)
		if len(r.problem) > maxProblem || !utf8.Valid(r.problem) || len(r.Domains()) > maxNames+maxAttributes {
			t.Fatalf("out of bounds: %d domains, parse error %q", len(r.Domains()), r.problem)
		}
		if text := r.AppendIssuerAggregated(nil); !utf8.Valid(text) {
			t.Fatalf("issuer %q is not UTF-8", text)
		}
		for kind, value := range r.AltNames {
			if kind == IPAddress && len(value) != 4 && len(value) != 16 {
				t.Fatalf("address of %d bytes", len(value))
			}
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if diff := disagreement(&r, c); diff != "" {
			t.Fatalf("-crypto/x509 +Record:\n%s\nparse error %q", diff, r.ParseError())
		}
	})
}
