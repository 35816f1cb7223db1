package message

import (
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// BenchmarkEncode measures entries from DER to messages. "nohash" leaves out SHA-1 and SHA-256, which cost more than all else and
// depend on the CPU's instructions; "hashes" is these alone, "hashes+base64" what full cannot do without.
func BenchmarkEncode(b *testing.B) {
	kinds := map[string][]Kind{"domains": {Domains}, "lite": {Lite}, "lite+domains": {Lite, Domains}, "full": {Full},
		"full+lite+domains": {Full, Lite, Domains}}
	for _, set := range benchSets(b) {
		for _, name := range []string{"domains", "lite", "lite+domains", "full", "full+lite+domains"} {
			for _, hash := range []bool{false, true} {
				label := set.Name + "/" + name + "/nohash"
				if hash {
					label = set.Name + "/" + name + "/hash"
				}
				if name == "domains" && hash {
					continue
				}
				b.Run(label, func(b *testing.B) { benchmarkEncode(b, set.Certificates, kinds[name], hash) })
			}
		}
		b.Run(set.Name+"/hashes", func(b *testing.B) { benchmarkUnavoidable(b, set.Certificates, false) })
		b.Run(set.Name+"/hashes+base64", func(b *testing.B) { benchmarkUnavoidable(b, set.Certificates, true) })
	}
}

func benchmarkEncode(b *testing.B, certificates [][]byte, kinds []Kind, hash bool) {
	source := testSource(engine.Tiled)
	element := AppendChainElement(nil, exampleIssuer)
	var r certificate.Record
	var dst []byte
	x := NewEncoder("1x9k2")
	bytes := 0
	var issuers Issuers = fixedChain(element)
	e := engine.Entry{Source: source, Timestamp: exampleTimestamp, Seen: exampleTimestamp, Type: engine.PrecertEntry,
		Chain: []engine.Fingerprint{{1}, {2}}}
	one := func(i int) {
		e.Offset, e.Index, e.DER = uint64(i), uint64(i), certificates[i%len(certificates)]
		r.Parse(e.DER)
		x.Begin(&e, &r, issuers)
		x.hashed = !hash
		for _, k := range kinds {
			dst, _ = x.Append(dst[:0], k)
			bytes += len(dst)
		}
	}
	for i := range certificates {
		one(i)
	}
	bytes = 0
	b.ReportAllocs()
	defer certtest.CPU(b)()
	for i := 0; b.Loop(); i++ {
		one(i)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(bytes)/float64(b.N), "B/entry")
}

func benchmarkUnavoidable(b *testing.B, certificates [][]byte, text bool) {
	var r certificate.Record
	var dst []byte
	e := engine.Entry{Source: testSource(engine.Tiled)}
	x := NewEncoder("1x9k2")
	defer certtest.CPU(b)()
	for i := 0; b.Loop(); i++ {
		e.DER = certificates[i%len(certificates)]
		x.Begin(&e, &r, nil)
		x.hash()
		if text {
			dst = appendDER(dst[:0], e.DER)
		}
	}
}

// BenchmarkString measures the escaping of what nearly all strings are.
func BenchmarkString(b *testing.B) {
	name := []byte("www.a-rather-usual-name.example.com")
	var dst []byte
	for b.Loop() {
		dst = appendString(dst[:0], name)
	}
}

// fixedChain knows the same element for every issuer.
type fixedChain []byte

func (c fixedChain) Chain(engine.Fingerprint) ([]byte, bool) { return c, true }

// benchSets are the real sets that look like what logs have today, or generated certificates.
func benchSets(b *testing.B) []certtest.Set {
	var sets []certtest.Set
	for _, set := range certtest.Shared(b) {
		switch set.Name {
		case "navigli2025h2", "tesseract-example", "leafs-real-2019.tsv.gz":
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		sets = certtest.Generated(b)
	}
	return sets
}

func testSource(p engine.Protocol) *engine.Source {
	return &engine.Source{LogID: engine.Fingerprint{1, 2, 3}, Name: "Test log '2026h1'", Operator: "Tests", Protocol: p,
		URL: "https://log.example.com/2026h1"}
}
