package certificate

import (
	"crypto/x509"
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// BenchmarkParse compares us with crypto/x509 on the same certificates: those of each real set, or generated ones.
func BenchmarkParse(b *testing.B) {
	for _, set := range benchSets(b) {
		b.Run(set.Name+"/record", func(b *testing.B) {
			var r Record
			for _, der := range set.Certificates {
				r.Parse(der)
			}
			b.ReportAllocs()
			defer certtest.CPU(b)()
			for i := 0; b.Loop(); i++ {
				r.Parse(set.Certificates[i%len(set.Certificates)])
			}
		})
		b.Run(set.Name+"/x509", func(b *testing.B) {
			b.ReportAllocs()
			defer certtest.CPU(b)()
			for i := 0; b.Loop(); i++ {
				if _, err := x509.ParseCertificate(set.Certificates[i%len(set.Certificates)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTBSID is what deduplication adds to parsing.
func BenchmarkTBSID(b *testing.B) {
	for _, set := range benchSets(b) {
		b.Run(set.Name, func(b *testing.B) {
			records := make([]Record, len(set.Certificates))
			for i, der := range set.Certificates {
				records[i].Parse(der)
				records[i].TBSID(nil)
			}
			b.ReportAllocs()
			defer certtest.CPU(b)()
			for i := 0; b.Loop(); i++ {
				r := &records[i%len(records)]
				r.tbs.done = false
				r.TBSID(nil)
			}
		})
	}
}

// BenchmarkManyNames parses a certificate of 5,000 names.
func BenchmarkManyNames(b *testing.B) {
	der := certtest.Names(b, 5000)
	var r Record
	b.ReportAllocs()
	for b.Loop() {
		r.Parse(der)
	}
}

// benchSets are those that crypto/x509 accepts whole.
func benchSets(b *testing.B) []certtest.Set {
	var sets []certtest.Set
	for _, set := range certtest.Shared(b) {
		switch set.Name {
		case "leafs-real-2019.tsv.gz", "navigli2025h2", "tesseract-example":
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		sets = certtest.Generated(b)
	}
	return sets
}
