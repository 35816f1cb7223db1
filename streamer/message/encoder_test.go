package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// TestNoAllocations encodes entries in all kinds with a warm encoder.
func TestNoAllocations(t *testing.T) {
	var r certificate.Record
	var dst []byte
	var issuers Issuers = fixedChain(AppendChainElement(nil, exampleIssuer))
	x := NewEncoder("1x9k2")
	e := testEntry(nil)
	e.Chain = []engine.Fingerprint{{1}, {2}}
	certificates := certtest.Generated(t)[0].Certificates
	n := testing.AllocsPerRun(10, func() {
		for _, e.DER = range certificates {
			r.Parse(e.DER)
			x.Begin(e, &r, issuers)
			for _, k := range []Kind{Full, Lite, Domains} {
				dst, _ = x.Append(dst[:0], k)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d entries", n, len(certificates))
	}
}

// TestSharedOnce changes the record after the first message: what the kinds share is not made again.
func TestSharedOnce(t *testing.T) {
	e := testEntry(certtest.NewParts().DER())
	var r certificate.Record
	r.Parse(e.DER)
	x := NewEncoder("e")
	x.Begin(e, &r, nil)
	first, _ := x.Append(nil, Lite)
	sum := x.SHA256()
	r.Parse(nil)
	if again, _ := x.Append(nil, Lite); !bytes.Equal(first, again) || x.SHA256() != sum {
		t.Errorf("encoded twice:\n%s\n%s", first, again)
	}
	x.Begin(testEntry([]byte("other")), &r, nil)
	if other, _ := x.Append(nil, Lite); bytes.Equal(first, other) || x.SHA256() == sum {
		t.Error("the next entry shows the one before")
	}
}

// TestManySources has more logs than the encoder remembers, and logs whose facts changed.
func TestManySources(t *testing.T) {
	x := NewEncoder("e")
	var r certificate.Record
	for i := range 3 * maxSources {
		e := testEntry(nil)
		e.Source = &engine.Source{Name: fmt.Sprint("log ", i), Protocol: engine.RFC6962}
		r.Parse(e.DER)
		x.Begin(e, &r, nil)
		if text, _ := x.Append(nil, Lite); !bytes.Contains(text, fmt.Appendf(nil, `"name":"log %d"`, i)) {
			t.Fatalf("log %d: %s", i, text)
		}
	}
	if len(x.sources) > maxSources {
		t.Errorf("%d logs remembered", len(x.sources))
	}
}

// TestManyIssuers has more issuers than the encoder remembers, and one too long to be remembered.
func TestManyIssuers(t *testing.T) {
	var w leafWriter
	var r certificate.Record
	for i := range maxIssuers + 100 {
		p := certtest.NewParts()
		cn := fmt.Sprint("CA ", i)
		if i == 7 {
			cn += strings.Repeat(" long", 1000)
		}
		p.Issuer = certtest.Name(certtest.Attribute(certtest.CommonName, certtest.UTF8, cn))
		r.Parse(p.DER())
		for range 2 {
			if text := w.appendIssuer(nil, &r.Issuer); !bytes.Contains(text, []byte(`"CN":"`+cn+`"`)) {
				t.Fatalf("issuer %d: %s", i, text)
			}
		}
	}
	if len(w.issuers) > maxIssuers {
		t.Errorf("%d issuers remembered", len(w.issuers))
	}
}

// TestEncodersSideBySide shares entries, sources and issuers between goroutines, for the race detector.
func TestEncodersSideBySide(t *testing.T) {
	issuers := fixedChain(AppendChainElement(nil, exampleIssuer))
	e := testEntry(exampleLeaf)
	e.Chain = []engine.Fingerprint{{1}}
	var group sync.WaitGroup
	texts := make([][]byte, 4)
	for i := range texts {
		group.Go(func() {
			var r certificate.Record
			r.Parse(e.DER)
			x := NewEncoder("e")
			x.Begin(e, &r, issuers)
			texts[i], _ = x.Append(nil, Full)
		})
	}
	group.Wait()
	for _, text := range texts {
		if !bytes.Equal(text, texts[0]) {
			t.Errorf("different messages:\n%s\n%s", texts[0], text)
		}
	}
}

// FuzzEncode makes valid JSON in UTF-8 of whatever a log serves.
func FuzzEncode(f *testing.F) {
	for _, set := range append(certtest.Shared(f), certtest.Generated(f)...) {
		for i := 0; i < len(set.Certificates); i += 1 + len(set.Certificates)/50 {
			f.Add(set.Certificates[i], "", uint16(i%3))
		}
	}
	f.Add(odd(), "odd \xff", uint16(1))
	f.Add([]byte{}, "", uint16(7))
	x := NewEncoder("fuzz")
	f.Fuzz(func(t *testing.T, der []byte, malformed string, kind uint16) {
		e := testEntry(der)
		e.Type, e.Malformed = engine.EntryType(kind), malformed
		var r certificate.Record
		r.Parse(der)
		x.Begin(e, &r, nil)
		for _, k := range []Kind{Lite, Full, Domains} {
			text, ok := x.Append(nil, k)
			if !ok {
				continue
			}
			if !json.Valid(text) || !utf8.Valid(text) || bytes.IndexByte(text, '\n') >= 0 {
				t.Fatalf("%s: %q", k, text)
			}
		}
		if element := AppendChainElement(nil, der); !json.Valid(element) {
			t.Fatalf("chain element %q", element)
		}
	})
}
