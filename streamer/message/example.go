package message

import (
	_ "embed" // the example's certificates
	"encoding/hex"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// A real entry of a real log, for example.json before the first entry has come: the fourth of Google's Pilot log, of 2013, with
// its chain. From github.com/google/certificate-transparency-go v1.4.0, scanner/scanner_test_data.go (Apache-2.0).
var (
	//go:embed example/leaf.der
	exampleLeaf []byte
	//go:embed example/issuer.der
	exampleIssuer []byte
	//go:embed example/root.der
	exampleRoot []byte
)

// Facts about the example's entry: the timestamp of its leaf, and the log's key hashed.
const (
	exampleTimestamp = 1364288407156
	exampleLogID     = "a4b90990b418581487bb13a2cc67700a3c359804f91bdfb8e377cd0ec80ddc10"
)

// exampleChain knows the two issuers of the example.
type exampleChain struct{}

func (exampleChain) Chain(fp engine.Fingerprint) ([]byte, bool) {
	der := exampleRoot
	if fp[0] == 0 {
		der = exampleIssuer
	}
	return AppendChainElement(nil, der), true
}

// Example is a real message of a kind, for those who look before the stream's first entry.
func Example(k Kind) []byte {
	source := &engine.Source{Name: "Google 'Pilot' log", Operator: "Google", URL: "https://ct.googleapis.com/pilot",
		Protocol: engine.RFC6962}
	if n, err := hex.Decode(source.LogID[:], []byte(exampleLogID)); err != nil || n != len(source.LogID) {
		panic("the example's log id is no hash") // a constant above
	}
	entry := &engine.Entry{
		Offset: 4, Source: source, Index: 3, Timestamp: exampleTimestamp, Seen: exampleTimestamp,
		DER: exampleLeaf, Chain: []engine.Fingerprint{{0}, {1}},
	}
	var r certificate.Record
	r.Parse(entry.DER)
	x := NewEncoder("example")
	x.Begin(entry, &r, exampleChain{})
	text, _ := x.Append(nil, k)
	return text
}
